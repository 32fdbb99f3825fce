//! A part of a database that is whole in itself: chosen rows, all that they refer to, and of what refers to them as much as
//! is asked for.
//!
//! [`plan`] holds a [`Request`] against a schema. The [`Plan`] is a value: it is shown before anything is done, and
//! [`PostgresScript`] is what it is for PostgreSQL, [`MysqlScript`] for MySQL and MariaDB. Nothing here talks to a database.

mod fault;
mod mysql;
mod plan;
mod postgres;
mod predicate;
mod request;
mod script;
mod text;

pub use fault::{SubsetFault, SubsetFaults};
pub use mysql::{Mysql, MysqlScript};
pub use plan::{Cap, Edge, Pick, Plan, PlannedTable, RowKey, Seed, plan};
pub use postgres::{Postgres, PostgresScript};
pub use request::{EdgeCap, Request, Root, Share};
pub use script::{Export, Script, Step};

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod properties;
