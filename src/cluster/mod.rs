//! Clusters: the providers that make them, their nodes, and the engine that runs those.

pub mod address;
pub mod capacity;
pub mod containerd;
pub mod engine;
pub mod hand;
pub mod identity;
pub mod kind;
pub mod node_shape;
pub mod port;
pub mod provider;
pub mod state;
pub mod supply;

pub use engine::{Engine, EngineError, Node};
pub use provider::{Blueprint, ClusterError, NodeBlueprint, ProvidedNode, Provider};
