//! Tests on a real kind cluster.
