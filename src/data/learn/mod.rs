//! What a real database is like, measured without taking a value from it: a profile that people can read before they use it,
//! and that shapes a seed.
//!
//! Figures rest on at least [`Rules::least`] rows each and are rounded, so that no single row can be read off. Values stay where
//! they are, but for the labels that [`Rules`] or an allow-list let through. Each store answers as a [`source::Source`]:
//! [`crate::data::postgres::learn`], [`crate::data::mysql::learn`].

mod apply;
mod apply_column;
mod column;
mod curve;
mod error;
mod kind;
mod measure;
mod profile;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use apply::shape;
pub use error::LearnError;
pub use measure::LearnOptions;
pub use profile::{
    ColumnProfile, Correlation, Distinct, FanOutProfile, NumberShape, Profile, Quantity, Rules, Seasons,
    Share, TableProfile, Widths,
};

pub(in crate::data) use column::Counts;
pub(in crate::data) use error::Telling;
pub(in crate::data) use kind::{Kind, Numbers, Times};
pub(in crate::data) use measure::measure;
pub(in crate::data) use source::{
    Asked, Children, LONGEST_LABEL, MOST_LABELS, Named, Ranks, Source, TOP, Taken, pairs, place,
};
