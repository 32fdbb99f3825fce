//! One project at work: its configuration, its cluster's state on this machine, the engine, the provider.

use std::sync::Arc;

use super::error::OperationError;
use crate::apply::Cluster;
use crate::cluster::identity::{self, Found};
use crate::cluster::kind::Kind;
use crate::cluster::state::{Lock, Record, State};
use crate::cluster::{Engine, ProvidedNode, Provider};
use crate::config::{Config, ProviderKind};
use crate::event::SharedReporter;

/// One project at work.
#[derive(Clone)]
pub struct Session {
    /// The configuration.
    pub config: Arc<Config>,
    /// The engine.
    pub engine: Engine,
    /// What is kept of the cluster on this machine.
    pub state: State,
    /// The program that makes clusters.
    pub provider: Arc<dyn Provider>,
    /// Takes what happens.
    pub reporter: SharedReporter,
}

/// A cluster of ours that is there.
pub struct Existing {
    /// What was recorded of it.
    pub record: Record,
    /// Its nodes, the control plane first.
    pub nodes: Vec<ProvidedNode>,
    /// The connection to its API server.
    pub cluster: Cluster,
}

impl Session {
    /// Connects to the engine and opens the state.
    pub async fn open(config: Config, reporter: SharedReporter) -> Result<Self, OperationError> {
        let engine = Engine::connect().await?;
        let state = State::open(&config.cluster.name)?;
        let provider: Arc<dyn Provider> = match config.cluster.provider {
            ProviderKind::Kind => Arc::new(Kind::new(engine.clone())),
        };
        Ok(Self { config: Arc::new(config), engine, state, provider, reporter })
    }

    /// The same session with a configuration that was read again.
    pub fn with(&self, config: Config) -> Result<Self, OperationError> {
        let state = State::open(&config.cluster.name)?;
        Ok(Self { config: Arc::new(config), state, ..self.clone() })
    }

    /// Takes the cluster for this command.
    pub fn lock(&self) -> Result<Lock, OperationError> {
        Ok(self.state.lock()?)
    }

    /// Looks for the cluster.
    pub async fn find(&self) -> Result<Found, OperationError> {
        Ok(identity::find(self.provider.as_ref(), &self.state).await?)
    }

    /// The cluster, which must be there and run, and must be ours: its API server is asked.
    pub async fn existing(&self) -> Result<Existing, OperationError> {
        match self.find().await? {
            Found::Ours(record, nodes) => {
                if let Some(stopped) = nodes.iter().find(|node| !node.running) {
                    return Err(OperationError::Stopped {
                        cluster: self.state.cluster().into(),
                        node: stopped.node.name.clone(),
                    });
                }
                let cluster = self.connect().await?;
                identity::verify(&self.state, &record, &cluster.client).await?;
                Ok(Existing { record, nodes, cluster })
            }
            Found::Absent | Found::Unfinished => {
                Err(OperationError::NoCluster { cluster: self.state.cluster().into() })
            }
        }
    }

    /// Connects to the cluster's API server; sends nothing yet.
    pub async fn connect(&self) -> Result<Cluster, OperationError> {
        Ok(Cluster::connect(&self.state.kubeconfig(), None).await?)
    }
}
