//! Fast tests against a real API server that runs on the host; no cluster is needed.

mod apiserver;
mod apply;
mod apply_drift;
mod apply_hard;
mod apply_hooks;
mod apply_prune;
mod diff_classes;
mod manifest;
mod manifest_charts;
mod ready_wait;
mod redis;
mod redis_server;
mod rooms;
mod watching;
