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
mod mysql_connect;
mod mysql_schemas;
mod mysql_server;
mod mysql_snapshot;
mod postgres_connect;
mod postgres_learn;
mod postgres_load;
mod postgres_random;
mod postgres_reset;
mod postgres_schemas;
mod postgres_server;
mod postgres_snapshot;
mod ready_wait;
mod redis;
mod redis_server;
mod rooms;
mod watching;
