//! What check constraints, domains and partition bounds ask of columns, as far as generators can satisfy it.

mod limits;
mod parse;
mod partition;
mod token;

pub(in crate::data) use limits::{Bound, Limits, Order, Understood, understand};
pub(in crate::data) use partition::partitions;
