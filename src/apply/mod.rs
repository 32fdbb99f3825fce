//! Objects onto the cluster: stages, server-side apply, readiness.
