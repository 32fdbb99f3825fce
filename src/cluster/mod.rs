//! Clusters: providers, nodes, the engine.
