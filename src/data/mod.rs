//! Data that a system is developed with: synthetic data sets and snapshots. Generators and masks do no I/O and know no cluster.

mod beside;
mod chunks;
pub mod discover;
pub mod gate;
pub mod generate;
pub mod learn;
pub mod mask;
pub mod mongo;
pub mod mysql;
pub mod password;
mod pieces;
pub mod postgres;
pub mod pristine;
pub mod progress;
pub mod reach;
pub mod redis;
pub mod relational;
pub mod schema;
pub mod seed;
mod slices;
pub mod snapshot;
pub mod subset;
pub mod users;
pub mod volume;
