//! What a real database is like, measured without taking a value from it: a profile that people can read before they use it,
//! and that shapes a seed.
//!
//! Figures rest on at least [`Rules::least`] rows each and are rounded, so that no single row can be read off. Values stay where
//! they are, but for the labels that [`Rules`] or an allow-list let through.

mod apply;
mod apply_column;
mod column;
mod curve;
mod error;
mod kind;
mod measure;
mod postgres;
mod profile;
mod queries;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use apply::shape;
pub use error::LearnError;
pub use postgres::{LearnOptions, learn};
pub use profile::{
    ColumnProfile, Correlation, Distinct, FanOutProfile, NumberShape, Profile, Quantity, Rules, Seasons,
    Share, TableProfile, Widths,
};
