//! devcluster: production's Kubernetes system on a laptop. The cluster is changed, the manifests never are.
//!
//! Rooms and the direction of their dependencies are described in `docs/architecture.md`; `cli` alone prints.

pub mod apply;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod data;
pub mod dockerignore;
pub mod event;
pub mod handoff;
pub mod image;
pub mod manifest;
pub mod operation;
pub mod parity;
pub mod process;
pub mod watch;
pub mod words;
pub mod yaml;
