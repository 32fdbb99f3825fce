//! Fast tests against a real API server that runs on the host; no cluster is needed.

mod apiserver;
mod apply;
mod apply_drift;
mod apply_hard;
mod apply_hooks;
mod apply_prune;
mod manifest;
mod manifest_charts;
