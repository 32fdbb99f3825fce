//! The cluster itself: found, started, made or made anew, and shaped as the manifests need it.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Node as ApiNode;
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;

use super::error::OperationError;
use super::fault;
use super::gather::Desired;
use super::release::carry;
use super::session::{Existing, Session};
use crate::cluster::capacity::{self, Capacity};
use crate::cluster::containerd;
use crate::cluster::identity::{self, Found};
use crate::cluster::node_shape::{self, NodeMarks};
use crate::cluster::{Blueprint, Node, NodeBlueprint, ProvidedNode, port, supply};
use crate::event::Event;
use crate::parity::{Fixed, NodeShape, Wanted};
use crate::words::counted;

/// Asks whether the cluster may be made anew, given the reasons.
pub type Confirm<'a> = &'a (dyn Fn(&[String]) -> bool + Sync);

/// What was done to the cluster itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was there.
    Kept,
    /// It was there and stood still.
    Started,
    /// It was made.
    Created,
}

/// Leaves a running cluster behind that has what cannot change later, and gives the connection to it.
pub async fn prepare(
    session: &Session,
    desired: &Desired,
    found: Found,
    confirm: Confirm<'_>,
) -> Result<(Existing, Made), OperationError> {
    directories(session, desired)?;
    match found {
        Found::Absent => create(session, desired, None).await,
        Found::Unfinished => {
            session.reporter.report(Event::Note(
                "a run was stopped while it made the cluster: what is there of it is removed first".into(),
            ));
            delete(session).await?;
            create(session, desired, None).await
        }
        Found::Ours(record, nodes) => {
            let reasons = recreation(session, desired, &record.fixed);
            if !reasons.is_empty() {
                if !confirm(&reasons) {
                    return Err(OperationError::Declined {
                        cluster: session.state.cluster().into(),
                        reasons: reasons.join("; "),
                    });
                }
                carry::take_or_tell(session, &record, &nodes).await;
                delete(session).await?;
                return create(session, desired, Some(record.fixed.ports)).await;
            }
            let stopped = nodes.iter().any(|node| !node.running);
            if stopped {
                start(session, &nodes).await?;
            }
            let cluster = session.connect().await?;
            identity::verify(&session.state, &record, &cluster.client).await?;
            let made = if stopped { Made::Started } else { Made::Kept };
            Ok((Existing { record, nodes, cluster }, made))
        }
    }
}

async fn delete(session: &Session) -> Result<(), OperationError> {
    session.provider.delete(session.state.cluster(), &session.state.kubeconfig()).await?;
    Ok(())
}

/// What is wanted of what a provider settles. A range the manifests need stands where none is configured.
fn wanted(session: &Session, desired: &Desired) -> Wanted {
    let config = &session.config.cluster;
    Wanted {
        nodes: desired.shape.nodes.len(),
        node_image: node_image(session),
        http_port: config.http_port,
        https_port: config.https_port,
        pod_subnet: config.pod_subnet.clone().or_else(|| desired.shape.pod_subnet.clone()),
        service_subnet: config.service_subnet.clone().or_else(|| desired.shape.service_subnet.clone()),
    }
}

/// What about the wanted cluster cannot be had by changing the one that is there.
pub fn recreation(session: &Session, desired: &Desired, fixed: &Fixed) -> Vec<String> {
    fixed.reasons(&wanted(session, desired))
}

/// The node image asked for by the environment or the configuration.
fn node_image(session: &Session) -> Option<String> {
    let asked = std::env::var("DEVCLUSTER_NODE_IMAGE").ok().filter(|image| !image.is_empty());
    asked.or_else(|| session.config.cluster.node_image.clone())
}

/// The host's directories that volumes are in: open to any user a Pod runs as, as a provisioner makes them.
fn directories(session: &Session, desired: &Desired) -> Result<(), OperationError> {
    use std::os::unix::fs::PermissionsExt;
    let root = session.state.volumes();
    let claims = desired.requirements.claims.iter().filter(|claim| supply::is_hosted(claim));
    let failed = |path: PathBuf| move |source| OperationError::Data { path, source };
    std::fs::create_dir_all(root).map_err(failed(root.to_owned()))?;
    for path in claims.map(|claim| root.join(supply::volume_path(claim))) {
        if !path.is_dir() {
            std::fs::create_dir_all(&path).map_err(failed(path.clone()))?;
            let open = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(&path, open).map_err(failed(path.clone()))?;
        }
    }
    Ok(())
}

async fn create(
    session: &Session,
    desired: &Desired,
    ports: Option<(u16, u16)>,
) -> Result<(Existing, Made), OperationError> {
    let started = Instant::now();
    session.provider.check().await?;
    let config = &session.config.cluster;
    let nodes = &desired.shape.nodes;
    let ports = match ports {
        Some(ports) if config.http_port.is_none() && config.https_port.is_none() => ports,
        _ => port::choose(config.http_port, config.https_port)?,
    };
    let Wanted { nodes: count, node_image, pod_subnet, service_subnet, .. } = wanted(session, desired);
    let fixed = Fixed { nodes: count, node_image, ports, pod_subnet, service_subnet };
    session.reporter.report(Event::Started {
        step: "cluster".into(),
        what: format!("making {} with {}", session.state.cluster(), counted(nodes.len(), "node")),
    });
    for (index, node) in nodes.iter().enumerate() {
        write_capacity(session, index, node)?;
        let path = shared_directory(session, index);
        std::fs::create_dir_all(&path).map_err(|source| OperationError::Data { path, source })?;
    }
    let blueprint = Blueprint {
        name: session.state.cluster().into(),
        node_image: fixed.node_image.clone(),
        nodes: (0..nodes.len()).map(|index| NodeBlueprint { mounts: mounts(session, index) }).collect(),
        ports,
        pod_subnet: fixed.pod_subnet.clone(),
        service_subnet: fixed.service_subnet.clone(),
        volumes: session.state.volumes().to_owned(),
    };
    identity::begin(&session.state)?;
    fault::point("making");
    session.provider.create(&blueprint, &session.state.kubeconfig(), session.reporter.as_ref()).await?;
    fault::point("created");
    let cluster = session.connect().await?;
    let record = identity::record(session.provider.as_ref(), &session.state, &cluster.client, fixed).await?;
    fault::point("recorded");
    let provided = session.provider.nodes(session.state.cluster()).await?;
    try_join_all(provided.iter().map(|node| containerd::open(&node.node))).await?;
    session.reporter.report(Event::Done {
        step: "cluster".into(),
        what: format!("{} with {}", session.state.cluster(), counted(provided.len(), "node")),
        took: started.elapsed(),
    });
    Ok((Existing { record, nodes: provided, cluster }, Made::Created))
}

/// Starts what was stopped, and waits until the API server answers again.
pub(super) async fn start(session: &Session, nodes: &[ProvidedNode]) -> Result<(), OperationError> {
    let started = Instant::now();
    session.reporter.report(Event::Started { step: "cluster".into(), what: "starting its nodes".into() });
    session.provider.start(nodes).await?;
    let cluster = session.connect().await?;
    let api = Api::<ApiNode>::all(cluster.client.clone());
    let deadline = started + Duration::from_mins(2);
    loop {
        match api.list_metadata(&ListParams::default()).await {
            Ok(_) => break,
            Err(error) if Instant::now() > deadline => {
                return Err(OperationError::request("answer after its node was started", error));
            }
            // Nothing can be watched before the API server answers.
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
    let what = "nodes started".into();
    session.reporter.report(Event::Done { step: "cluster".into(), what, took: started.elapsed() });
    Ok(())
}

/// What a node sees of the host in place of its own.
fn mounts(session: &Session, index: usize) -> Vec<(PathBuf, String)> {
    let mut mounts = capacity::mounts(&capacity_directory(session, index));
    mounts.push((shared_directory(session, index), containerd::SHARED_ON_NODE.into()));
    mounts
}

/// The directory that one node and the host share.
fn shared_directory(session: &Session, index: usize) -> PathBuf {
    session.state.directory().join(format!("nodes/{index}"))
}

fn capacity_directory(session: &Session, index: usize) -> PathBuf {
    session.state.directory().join(format!("capacity/{index}"))
}

fn write_capacity(session: &Session, index: usize, node: &NodeShape) -> Result<bool, OperationError> {
    let capacity = Capacity { cpus: node.cpu_cores, memory_kib: node.memory_kib };
    Ok(capacity::write(&capacity_directory(session, index), capacity, capacity::machine_cpus())?)
}

/// Changes to nodes that are running, each in a sentence; empty where they are as they should be.
pub async fn shape_nodes(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    dues: &[Due],
) -> Result<Vec<String>, OperationError> {
    let mut changes = Vec::new();
    for (index, (node, shape)) in existing.nodes.iter().zip(&desired.shape.nodes).enumerate() {
        if write_capacity(session, index, shape)? {
            // The kubelet counts once, when it starts; its Pods go on running meanwhile.
            node.node.run(&["systemctl", "restart", "kubelet"]).await?;
            changes.push(format!("{} advertises {} CPUs", node.node.name, shape.cpu_cores));
        }
    }
    let cluster = session.state.cluster();
    let client = &existing.cluster.client;
    for due in dues {
        let name = &due.node.name;
        match &due.what {
            What::Marks(change) => node_shape::apply(cluster, client, name, change).await?,
            What::Devices(change) => node_shape::advertise(cluster, client, name, change).await?,
            What::Pods(wanted) => node_shape::make_room(&due.node, *wanted).await?,
        }
        changes.push(due.to_string());
    }
    Ok(changes)
}

/// A change that a running node is due.
#[derive(Debug, Clone)]
pub struct Due {
    node: Node,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// A patch of labels and taints.
    Marks(serde_json::Value),
    /// A patch of the status.
    Devices(serde_json::Value),
    /// How many Pods it is to take.
    Pods(u32),
}

impl fmt::Display for Due {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Marks(_) => write!(out, "label and taint {}", self.node.name),
            What::Devices(_) => write!(out, "have {} advertise what the manifests request", self.node.name),
            What::Pods(wanted) => write!(out, "have {} take {wanted} Pods", self.node.name),
        }
    }
}

/// The changes that nodes are due: the live ones are asked.
pub async fn dues(desired: &Desired, existing: &Existing) -> Result<Vec<Due>, OperationError> {
    let api = Api::<ApiNode>::all(existing.cluster.client.clone());
    let live = api
        .list(&ListParams::default())
        .await
        .map_err(|error| OperationError::request("list nodes", error))?;
    let mut dues = Vec::new();
    for (node, shape) in existing.nodes.iter().zip(&desired.shape.nodes) {
        let Some(live) = live.items.iter().find(|live| live.name_any() == node.node.name) else { continue };
        let pods = desired.shape.max_pods;
        let all = [
            node_shape::change(live, &marks(shape)).map(What::Marks),
            node_shape::devices(live, &shape.extended).map(What::Devices),
            node_shape::is_short_of_pods(live, pods).then_some(What::Pods(pods)),
        ];
        dues.extend(all.into_iter().flatten().map(|what| Due { node: node.node.clone(), what }));
    }
    Ok(dues)
}

fn marks(shape: &NodeShape) -> NodeMarks {
    NodeMarks {
        labels: shape.labels.clone(),
        taints: shape
            .taints
            .iter()
            .map(|taint| (taint.key.clone(), taint.value.clone(), taint.effect.name().to_owned()))
            .collect(),
    }
}
