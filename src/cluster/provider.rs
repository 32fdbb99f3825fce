//! What a program that makes clusters must be able to do. kind does; k3d and an existing cluster can.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::engine::{EngineError, Node};
use super::state::StateError;
use crate::event::Reporter;
use crate::process::ProcessError;

/// Why a cluster could not be made, found or taken down.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The provider's program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// State could not be read or kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The API server failed.
    #[error("the API server of cluster {cluster} failed to {what}: {source}")]
    Api {
        /// The cluster.
        cluster: String,
        /// What was asked, as a verb phrase.
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A kubeconfig cannot be used.
    #[error("the kubeconfig {path} cannot be used: {reason}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something else already has the cluster's name.
    #[error(
        "cluster {cluster} exists but was not made by this project ({why}); choose another `cluster.name` in devcluster.yaml, or remove it with `{remove}`"
    )]
    NotOurs {
        /// The cluster's name.
        cluster: String,
        /// How that was seen.
        why: String,
        /// The command that removes it.
        remove: String,
    },
    /// Another API server answers where the cluster's should.
    #[error(
        "the API server that answers for cluster {cluster} is not the one devcluster made ({why}); close the tunnel or program that took its address, or make the cluster anew with `devcluster down` and `devcluster up`"
    )]
    Elsewhere {
        /// The cluster's name.
        cluster: String,
        /// How that was seen.
        why: &'static str,
    },
    /// A host port is in use.
    #[error(
        "port {port} on 127.0.0.1 is in use{by}; free it, or set `cluster.{key}` in devcluster.yaml to another"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// By whom, where known, with a leading space.
        by: String,
        /// The configuration key.
        key: &'static str,
    },
    /// A path could not be prepared.
    #[error("cannot prepare {path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// What a new cluster is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// The cluster's name.
    pub name: String,
    /// The node image; none for the provider's default.
    pub node_image: Option<String>,
    /// The nodes; the first runs the control plane.
    pub nodes: Vec<NodeBlueprint>,
    /// The host's ports, on loopback, that lead to the first node's 80 and 443.
    pub ports: (u16, u16),
    /// The Pods' range.
    pub pod_subnet: Option<String>,
    /// The Services' range.
    pub service_subnet: Option<String>,
    /// The host's directory that every node sees as [`VOLUMES_ON_NODE`].
    pub volumes: PathBuf,
}

/// One node of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBlueprint {
    /// Host paths the node sees in place of its own: (on the host, on the node).
    pub mounts: Vec<(PathBuf, String)>,
}

/// Where nodes see the host's volumes directory.
pub const VOLUMES_ON_NODE: &str = "/var/devcluster/volumes";

/// A program that makes clusters.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The nodes of the cluster called `name`, the control plane first; empty where there is no such cluster.
    /// Also says for each whether it runs.
    async fn nodes(&self, name: &str) -> Result<Vec<ProvidedNode>, ClusterError>;

    /// Whether what makes clusters is there.
    async fn check(&self) -> Result<(), ClusterError>;

    /// Makes the cluster and writes its kubeconfig.
    async fn create(
        &self,
        blueprint: &Blueprint,
        kubeconfig: &Path,
        reporter: &dyn Reporter,
    ) -> Result<(), ClusterError>;

    /// Starts nodes that were stopped, as after the machine slept or the engine was restarted.
    async fn start(&self, nodes: &[ProvidedNode]) -> Result<(), ClusterError>;

    /// Removes the cluster.
    async fn delete(&self, name: &str, kubeconfig: &Path) -> Result<(), ClusterError>;

    /// The command that removes a cluster by hand.
    fn delete_command(&self, name: &str) -> String;
}

/// A node that a provider runs.
#[derive(Debug, Clone)]
pub struct ProvidedNode {
    /// The node.
    pub node: Node,
    /// The container's id; a node made anew has another.
    pub id: String,
    /// Whether it runs now.
    pub running: bool,
    /// Whether it runs the control plane.
    pub control_plane: bool,
}
