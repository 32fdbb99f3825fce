//! Tests on a real kind cluster.
mod image;
