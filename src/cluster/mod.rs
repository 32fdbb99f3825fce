//! Clusters: the providers that make them, their nodes, and the engine that runs those.

pub mod engine;

pub use engine::{Engine, EngineError, Node};
