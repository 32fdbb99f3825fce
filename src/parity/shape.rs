//! The cluster to offer: nodes with labels, taints and capacity, and everything else that the manifests name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::capacity::{Size, sizes};
use super::draft::is_given;
use super::ranges::ranges;
use super::requirements::Requirements;
use super::search::{Nodes, find_nodes};
use super::selector::{Labels, Taint};
use super::storage::ClaimClass;
use super::unmet;
use crate::config::Profile;
use crate::manifest::ObjectId;

/// What the nodes run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// CPUs that the engine has. A node can advertise multiples of them only.
    pub cpus: u32,
    /// The architecture as Kubernetes names it: `amd64`, `arm64`.
    pub architecture: String,
}

/// The cluster to offer. Equal requirements, profile and machine give an equal shape.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// The nodes; the first runs the control plane and is an ordinary node besides. Never empty.
    pub nodes: Vec<NodeShape>,
    /// The zones that the nodes are in; empty where nobody asks.
    pub zones: BTreeSet<String>,
    /// The most Pods a node takes.
    pub max_pods: u32,
    /// Storage classes that must work.
    pub storage_classes: Vec<StorageClassShape>,
    /// Ingress classes that must be answered.
    pub ingress_classes: Vec<IngressClassShape>,
    /// Priority classes to add.
    pub priority_classes: Vec<PriorityClassShape>,
    /// Runtime classes to add; each stands for the nodes' ordinary runtime.
    pub runtime_classes: BTreeSet<String>,
    /// Namespaces to add.
    pub namespaces: BTreeSet<String>,
    /// Volumes that will be claimed.
    pub claims: Vec<ClaimVolume>,
    /// Services to give addresses to.
    pub load_balancers: BTreeSet<ObjectId>,
    /// Registries that a mirror must answer for, because containers pull from them at every start.
    pub always_registries: BTreeSet<String>,
    /// Whether resource metrics are served.
    pub metrics: bool,
    /// The range of Pod addresses, where the provider's default will not do.
    pub pod_subnet: Option<String>,
    /// The range of Service addresses, where the provider's default will not do.
    pub service_subnet: Option<String>,
    /// What stays unmet.
    pub unmet: Vec<Unmet>,
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It runs the control plane, and Pods.
    ControlPlane,
    /// It runs Pods.
    Worker,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeShape {
    /// Its place, from 0.
    pub index: usize,
    /// The end of its name, as kind has it: `control-plane`, `worker`, `worker2`.
    pub suffix: String,
    /// What it is for.
    pub role: Role,
    /// Labels to set, beyond those that Kubernetes sets itself.
    pub labels: Labels,
    /// Taints to set.
    pub taints: Vec<Taint>,
    /// CPUs it advertises: a multiple of the machine's.
    pub cpu_cores: u32,
    /// Memory it advertises, in KiB: it divides evenly over `cpu_cores` / machine CPUs NUMA nodes.
    pub memory_kib: u64,
    /// Devices it advertises, by resource name. Nothing stands behind them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, u64>,
}

/// A storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClassShape {
    /// Its name.
    pub name: String,
    /// Whether it is to be the default. False for one the manifests supply: they say so themselves.
    pub default: bool,
    /// The provisioner that must answer, where the manifests hold the class themselves; else the class is to be added.
    pub provisioner: Option<String>,
    /// Access modes asked of it.
    pub access_modes: BTreeSet<String>,
}

/// An ingress class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressClassShape {
    /// Its name.
    pub name: String,
    /// Whether it is to be the default.
    pub default: bool,
    /// The controller that must answer, where the manifests hold the class themselves; else the class is to be added.
    pub controller: Option<String>,
}

/// A priority class to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorityClassShape {
    /// Its name.
    pub name: String,
    /// Its value; 0 where no manifest states it.
    pub value: i64,
}

/// A volume that will be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub claim: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its storage class; none for the default.
    pub class: Option<String>,
    /// Access modes.
    pub access_modes: BTreeSet<String>,
}

/// What an unmet need gets in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hinders {
    /// Pods do not start.
    Start,
    /// Pods run; a rolling update would wait for ever.
    Rollout,
    /// Pods run; the autoscaler cannot reach its maximum.
    Scaling,
    /// It is accepted and does nothing, or something else than in production.
    Function,
}

/// A need that the cluster does not meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmet {
    /// The object that needs it.
    pub object: ObjectId,
    /// What it gets in the way of.
    pub hinders: Hinders,
    /// What is needed.
    pub what: String,
    /// Why it is not offered, and what would help.
    pub why: String,
}

/// The cluster that offers what is required: as few nodes as will do, at most the profile's number.
pub fn shape(requirements: &Requirements, profile: &Profile, machine: &Machine) -> Shape {
    let found = find_nodes(requirements, profile, machine);
    let sizes = sizes(requirements, profile, machine, &found.all);
    let (pod_subnet, service_subnet) = ranges(requirements);
    Shape {
        zones: zones(&found),
        max_pods: found.max_pods,
        storage_classes: storage_classes(requirements),
        ingress_classes: ingress_classes(requirements, profile),
        priority_classes: requirements
            .priority_classes
            .iter()
            .map(|need| PriorityClassShape { name: need.name.clone(), value: need.value.unwrap_or(0) })
            .collect(),
        runtime_classes: requirements.runtime_classes.keys().cloned().collect(),
        namespaces: requirements.namespaces.keys().cloned().collect(),
        claims: claims(requirements),
        load_balancers: load_balancers(requirements, profile),
        always_registries: requirements
            .images
            .iter()
            .filter(|image| image.pulls_always())
            .map(|image| image.reference.registry().to_owned())
            .collect(),
        metrics: profile.metrics && !requirements.resource_metrics.is_empty(),
        pod_subnet,
        service_subnet,
        unmet: unmet::unmet(requirements, profile, machine, &found),
        nodes: found
            .all
            .into_iter()
            .zip(sizes)
            .enumerate()
            .map(|(at, (node, size))| offer(at, node, size))
            .collect(),
    }
}

fn offer(index: usize, node: super::placement::Node, size: Size) -> NodeShape {
    let (role, suffix) = match index {
        0 => (Role::ControlPlane, "control-plane".to_owned()),
        1 => (Role::Worker, "worker".to_owned()),
        _ => (Role::Worker, format!("worker{index}")),
    };
    NodeShape {
        index,
        suffix,
        role,
        labels: node.labels.into_iter().filter(|(key, _)| !is_given(key)).collect(),
        taints: node.taints,
        cpu_cores: size.cpu_cores,
        memory_kib: size.memory_kib,
        extended: size.extended,
    }
}

fn zones(found: &Nodes) -> BTreeSet<String> {
    found.all.iter().filter_map(|node| node.labels.get(super::draft::ZONE).cloned()).collect()
}

fn storage_classes(requirements: &Requirements) -> Vec<StorageClassShape> {
    requirements
        .storage_classes
        .iter()
        .map(|need| StorageClassShape {
            name: need.name.clone(),
            default: false,
            provisioner: need.provisioner.clone(),
            access_modes: need.access_modes.clone(),
        })
        .collect()
}

fn ingress_classes(requirements: &Requirements, profile: &Profile) -> Vec<IngressClassShape> {
    if !profile.ingress {
        return Vec::new();
    }
    let classes = requirements.ingress_classes.iter();
    let mut shapes: Vec<_> = classes
        .map(|need| IngressClassShape {
            name: need.name.clone(),
            default: false,
            controller: need.controller.clone(),
        })
        .collect();
    let has_default = requirements.ingress_classes.iter().any(|need| need.default);
    if !requirements.default_ingress.is_empty() && !has_default {
        // One class that is to be added becomes the default; else one of our own does.
        match shapes.iter_mut().find(|shape| shape.controller.is_none()) {
            Some(shape) => shape.default = true,
            None => {
                shapes.push(IngressClassShape { name: "default".into(), default: true, controller: None });
            }
        }
    }
    shapes
}

fn claims(requirements: &Requirements) -> Vec<ClaimVolume> {
    requirements
        .claims
        .iter()
        .filter(|claim| claim.class != ClaimClass::None && claim.volume.is_none() && !claim.block)
        .map(|claim| ClaimVolume {
            namespace: claim.namespace.clone(),
            claim: claim.name.clone(),
            bytes: claim.bytes,
            class: match &claim.class {
                ClaimClass::Named(name) => Some(name.clone()),
                ClaimClass::Default | ClaimClass::None => None,
            },
            access_modes: claim.access_modes.clone(),
        })
        .collect()
}

fn load_balancers(requirements: &Requirements, profile: &Profile) -> BTreeSet<ObjectId> {
    let all = requirements.load_balancers.iter().filter(|_| profile.load_balancer);
    all.map(|balancer| balancer.object.clone()).collect()
}
