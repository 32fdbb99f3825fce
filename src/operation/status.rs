//! What runs: nodes, every object's readiness, memory, addresses. The live cluster is asked; no manifest is rendered.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Node as ApiNode, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use super::dev::developed;
use super::error::OperationError;
use super::memory::{Memory, Pressure};
use super::session::{Existing, Session};
use super::up::INVENTORY;
use crate::apply::Inventory;
use crate::apply::readiness::{Readiness, Rules, readiness};
use crate::manifest::{Object, ObjectId, Origin};
use crate::parity::{Developed, Quantity};

/// What runs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// The kubeconfig that leads to it.
    pub kubeconfig: std::path::PathBuf,
    /// The host's ports of the ingress.
    pub ports: Ports,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
    /// Every applied object.
    pub objects: Vec<ObjectStatus>,
    /// Declared memory against real memory.
    pub memory: Option<Memory>,
    /// How short memory is.
    pub pressure: Option<Pressure>,
    /// Containers that the kernel killed for want of memory, as `NAMESPACE/POD CONTAINER`.
    pub killed: Vec<String>,
    /// Containers that were changed while developing; `up` goes back.
    pub developed: Vec<Developed>,
}

/// The host's ports of the ingress, on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ports {
    /// HTTP.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether its kubelet says it is ready.
    pub ready: bool,
    /// The CPUs it advertises.
    pub cpu: String,
    /// The memory it advertises.
    pub memory: String,
    /// The kubelet's version.
    pub version: String,
}

/// One object.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectStatus {
    /// The object.
    pub id: ObjectId,
    /// Whether it is as it should be.
    pub ready: bool,
    /// In its own words.
    pub message: String,
    /// Whether it makes Pods.
    pub workload: bool,
}

/// Asks the cluster.
pub async fn run(session: &Session) -> Result<Status, OperationError> {
    let existing = session.existing().await?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    let (objects, nodes, pods) =
        tokio::try_join!(objects(&existing, &inventory), nodes(&existing), pods(&existing, &inventory))?;
    let memory = Memory::now(pods.iter().map(requested).sum());
    let ports = existing.record.fixed.ports;
    let values: Vec<Value> = pods.iter().filter_map(|pod| serde_json::to_value(pod).ok()).collect();
    Ok(Status {
        developed: developed::developed(session, &values),
        cluster: session.state.cluster().into(),
        kubeconfig: session.state.kubeconfig(),
        ports: Ports { http: ports.0, https: ports.1 },
        nodes,
        objects,
        pressure: memory.map(|memory| memory.pressure()),
        memory,
        killed: pods.iter().flat_map(killed).collect(),
    })
}

/// The namespaces in which something was applied.
pub async fn namespaces(existing: &Existing) -> Result<BTreeSet<String>, OperationError> {
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    Ok(namespaces_of(&inventory))
}

fn namespaces_of(inventory: &Inventory) -> BTreeSet<String> {
    let namespaces = inventory.entries.keys().map(|id| id.namespace.clone());
    namespaces.filter(|namespace| !namespace.is_empty() && !is_own(namespace)).collect()
}

/// Namespaces that hold what devcluster supplies.
fn is_own(namespace: &str) -> bool {
    namespace.starts_with("devcluster-") || namespace == "kube-system"
}

async fn objects(existing: &Existing, inventory: &Inventory) -> Result<Vec<ObjectStatus>, OperationError> {
    let wanted: Vec<Object> =
        inventory.entries.iter().map(|(id, entry)| stub(id, &entry.api_version)).collect();
    let live =
        crate::apply::live::read(&existing.cluster, &wanted, crate::apply::client::CONCURRENCY).await?;
    let rules = Rules { now: Timestamp::now(), wait_for_jobs: true, ..Rules::default() };
    let statuses = inventory.entries.iter().map(|(id, entry)| {
        let (ready, message) = match live.get(id) {
            Some(value) => {
                let readiness = readiness(value, &rules);
                (matches!(readiness, Readiness::Current(_)), readiness.message().to_owned())
            }
            None if entry.completed => (true, "completed, and removed by its TTL".into()),
            None => (false, "is gone; `devcluster up` makes it again".into()),
        };
        let workload = stub(id, &entry.api_version).makes_pods();
        ObjectStatus { id: id.clone(), ready, message, workload }
    });
    Ok(statuses.collect())
}

/// As much of an object as it takes to ask for it.
pub(super) fn stub(id: &ObjectId, api_version: &str) -> Object {
    let mut metadata = serde_json::json!({"name": id.name});
    if !id.namespace.is_empty() {
        metadata["namespace"] = id.namespace.clone().into();
    }
    let value = serde_json::json!({"apiVersion": api_version, "kind": id.kind, "metadata": metadata});
    Object { value, origin: Origin { source: "inventory".into(), file: None, line: 0 } }
}

async fn nodes(existing: &Existing) -> Result<Vec<NodeStatus>, OperationError> {
    let api = Api::<ApiNode>::all(existing.cluster.client.clone());
    let list = api
        .list(&ListParams::default())
        .await
        .map_err(|error| OperationError::request("list nodes", error))?;
    let nodes = list.items.into_iter().map(|node| {
        let name = node.name_any();
        let status = node.status.unwrap_or_default();
        let capacity = |what: &str| {
            status.capacity.as_ref().and_then(|all| Some(all.get(what)?.0.clone())).unwrap_or_default()
        };
        let ready = status.conditions.iter().flatten();
        let ready = ready.clone().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let version = status.node_info.as_ref().map(|info| info.kubelet_version.clone()).unwrap_or_default();
        NodeStatus { name, ready, cpu: capacity("cpu"), memory: capacity("memory"), version }
    });
    Ok(nodes.collect())
}

async fn pods(existing: &Existing, inventory: &Inventory) -> Result<Vec<Pod>, OperationError> {
    let lists = namespaces_of(inventory).into_iter().map(|namespace| async move {
        let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &namespace);
        api.list(&ListParams::default()).await.map_err(|error| OperationError::request("list Pods", error))
    });
    Ok(try_join_all(lists).await?.into_iter().flat_map(|list| list.items).collect())
}

/// Bytes of memory that a Pod's containers request.
fn requested(pod: &Pod) -> u64 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .filter_map(|container| {
            let memory = container.resources.as_ref()?.requests.as_ref()?.get("memory")?;
            Some(Quantity::from_json(&Value::String(memory.0.clone())).ok()?.units())
        })
        .sum()
}

fn killed(pod: &Pod) -> Vec<String> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses
        .filter(|status| {
            let states = [status.state.as_ref(), status.last_state.as_ref()];
            states
                .into_iter()
                .flatten()
                .filter_map(|state| state.terminated.as_ref())
                .any(|end| end.reason.as_deref() == Some("OOMKilled"))
        })
        .map(|status| format!("{}/{} {}", pod.namespace().unwrap_or_default(), pod.name_any(), status.name))
        .collect()
}
