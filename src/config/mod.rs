//! `devcluster.yaml` and profiles: read with line and column in every error, resolved into one value.

pub mod init;
pub mod migration;
pub mod model;

mod check;
mod fault;
mod fields;
mod fields_ci;
mod load;
mod paths;
mod profile;
mod read;
mod read_ci;
mod schema;
mod shape;
mod texts;
mod tree;

#[cfg(test)]
mod tests;

pub use fault::{ConfigError, Document, Fault};
pub use load::{FILE_NAMES, find, load};
pub use model::*;
pub use paths::{is_glob, literal_part};
pub use profile::BUILT_IN;
pub use schema::{profile_schema, schema};
