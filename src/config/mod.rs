//! `devcluster.yaml` and profiles: read with line and column in every error, resolved into one value.

pub mod model;

pub use model::*;
