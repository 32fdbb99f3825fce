//! Whether a cluster is the one we made on this machine. A name or a URL proves nothing: tunnels look local. What
//! proves it is the CA, the uid of `kube-system`, and that its nodes run in this engine.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use super::provider::{ClusterError, ProvidedNode, Provider};
use super::state::{Record, State};
use crate::parity::Fixed;

/// What was found under a cluster's name.
#[derive(Debug, Clone)]
pub enum Found {
    /// Nothing.
    Absent,
    /// Ours, with its record and its nodes.
    Ours(Record, Vec<ProvidedNode>),
    /// We began to make it and were stopped.
    Unfinished,
}

/// The file that says a cluster is being made; it is gone once the record stands.
const MAKING: &str = "making";

/// Looks for the cluster of `state`. Whose it is is told by its nodes' container ids; [`verify`] asks the API server too.
pub async fn find(provider: &dyn Provider, state: &State) -> Result<Found, ClusterError> {
    let name = state.cluster();
    let nodes = provider.nodes(name).await?;
    let record = state.record()?;
    let making = state.read(MAKING).is_some();
    if nodes.is_empty() {
        return Ok(if making { Found::Unfinished } else { Found::Absent });
    }
    let not_ours = |why: &str| ClusterError::NotOurs {
        cluster: name.into(),
        why: why.into(),
        remove: provider.delete_command(name),
    };
    match record {
        _ if making => Ok(Found::Unfinished),
        None => Err(not_ours("there is no record of it here")),
        Some(record) if !same_nodes(&record, &nodes) => Err(not_ours("its nodes are not those we made")),
        Some(record) => Ok(Found::Ours(record, nodes)),
    }
}

fn same_nodes(record: &Record, nodes: &[ProvidedNode]) -> bool {
    let mut found: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    let mut known: Vec<&str> = record.nodes.iter().map(String::as_str).collect();
    found.sort_unstable();
    known.sort_unstable();
    found == known
}

/// Says that a cluster is about to be made, so that a killed run leaves no cluster that nobody owns.
pub fn begin(state: &State) -> Result<(), ClusterError> {
    Ok(state.write(MAKING, b"")?)
}

/// Records the cluster that was just made.
pub async fn record(
    provider: &dyn Provider,
    state: &State,
    client: &Client,
    fixed: Fixed,
) -> Result<Record, ClusterError> {
    let nodes = provider.nodes(state.cluster()).await?;
    let record = Record {
        ca: ca_hash(&state.kubeconfig())?,
        uid: system_uid(state.cluster(), client).await?,
        nodes: nodes.into_iter().map(|node| node.id).collect(),
        fixed,
    };
    state.remember(&record)?;
    let path = state.directory().join(MAKING);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ClusterError::Io { path, source })
        }
        _ => Ok(record),
    }
}

/// Refuses an API server that is not the recorded cluster's: its kubeconfig's CA is looked at before it is asked anything.
pub async fn verify(state: &State, record: &Record, client: &Client) -> Result<(), ClusterError> {
    let elsewhere = |why| ClusterError::Elsewhere { cluster: state.cluster().into(), why };
    if ca_hash(&state.kubeconfig())? != record.ca {
        return Err(elsewhere("its certificate authority is another"));
    }
    if system_uid(state.cluster(), client).await? != record.uid {
        return Err(elsewhere("the uid of its kube-system is another"));
    }
    Ok(())
}

async fn system_uid(cluster: &str, client: &Client) -> Result<String, ClusterError> {
    let namespace =
        Api::<Namespace>::all(client.clone()).get_metadata("kube-system").await.map_err(|source| {
            ClusterError::Api {
                cluster: cluster.into(),
                what: "tell its identity".into(),
                source: Box::new(source),
            }
        })?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

fn ca_hash(kubeconfig: &Path) -> Result<String, ClusterError> {
    let unusable = |reason: String| ClusterError::Kubeconfig { path: kubeconfig.to_owned(), reason };
    let config =
        kube::config::Kubeconfig::read_from(kubeconfig).map_err(|error| unusable(error.to_string()))?;
    let authority = config
        .clusters
        .first()
        .and_then(|named| named.cluster.as_ref())
        .and_then(|cluster| cluster.certificate_authority_data.as_deref())
        .ok_or_else(|| unusable("it names no certificate authority".into()))?;
    Ok(blake3::hash(authority.trim().as_bytes()).to_hex().to_string())
}
