//! Objects onto the cluster: stages, server-side apply, readiness.

pub mod diagnose;
pub mod diff;
pub mod pods;
pub mod readiness;
pub mod wait;
