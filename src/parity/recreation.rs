//! What can change on a running cluster and what needs a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::quantity::bytes_text;
use super::selector::Taint;
use super::shape::{NodeShape, Shape};
use crate::manifest::ObjectId;

/// What is settled when a cluster is created and stays so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fixed {
    /// How many nodes there are. More than are needed do no harm.
    pub nodes: usize,
    /// The node image; none for the provider's default.
    pub node_image: Option<String>,
    /// Ports of the host by the node's port they lead to.
    pub host_ports: BTreeMap<u16, u16>,
    /// The range of Pod addresses; none for the provider's default.
    pub pod_subnet: Option<String>,
    /// The range of Service addresses; none for the provider's default.
    pub service_subnet: Option<String>,
    /// Directories of the host that nodes mount, by where they mount them.
    pub mounts: BTreeMap<String, String>,
}

/// A hash over what is settled at creation: equal keys, and the cluster can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeKey(String);

impl fmt::Display for ShapeKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Fixed {
    /// The key of these settings.
    pub fn key(&self) -> ShapeKey {
        let mut hasher = blake3::Hasher::new();
        // Every field with its length before it, so that no two settings run together.
        let mut add = |text: &str| {
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&self.nodes.to_string());
        for option in [&self.node_image, &self.pod_subnet, &self.service_subnet] {
            add(if option.is_some() { "+" } else { "-" });
            add(option.as_deref().unwrap_or_default());
        }
        self.host_ports.iter().for_each(|(node, host)| add(&format!("{node}={host}")));
        add("mounts");
        for (to, from) in &self.mounts {
            add(to);
            add(from);
        }
        ShapeKey(hasher.finalize().to_hex().to_string())
    }

    /// Why a cluster with these settings cannot become one with those; empty where it can stay.
    pub fn reasons(&self, wanted: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        if wanted.nodes > self.nodes {
            reasons.push(more_nodes(self.nodes, wanted.nodes));
        }
        let or_default =
            |option: &Option<String>| option.clone().unwrap_or_else(|| "the provider's default".into());
        let options = [
            ("the node image", &self.node_image, &wanted.node_image),
            ("the range of Pod addresses", &self.pod_subnet, &wanted.pod_subnet),
            ("the range of Service addresses", &self.service_subnet, &wanted.service_subnet),
        ];
        for (what, had, want) in options.into_iter().filter(|(_, had, want)| had != want) {
            reasons.push(format!("{what} changes from {} to {}", or_default(had), or_default(want)));
        }
        for (node, host) in &wanted.host_ports {
            match self.host_ports.get(node) {
                Some(had) if had == host => {}
                Some(had) => {
                    reasons
                        .push(format!("the host's port {host} instead of {had} leads to node port {node}"));
                }
                None => reasons.push(format!("the host's port {host} is to lead to node port {node}")),
            }
        }
        for (to, from) in wanted.mounts.iter().filter(|(to, from)| self.mounts.get(*to) != Some(from)) {
            reasons.push(format!("the nodes are to mount {from} at {to}"));
        }
        reasons
    }
}

fn more_nodes(had: usize, wanted: usize) -> String {
    format!(
        "{wanted} nodes are needed and there {}: nodes cannot be added",
        if had == 1 { "is 1".to_owned() } else { format!("are {had}") }
    )
}

/// What makes one shape into another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShapeChange {
    /// What changes on the running cluster.
    pub live: Vec<LiveChange>,
    /// Why the cluster must be made anew; empty where it can stay.
    pub recreate: Vec<String>,
}

/// A change on a running cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LiveChange {
    /// A node's label is set, or removed where there is no value.
    #[serde(rename_all = "camelCase")]
    Label {
        /// The node's place.
        node: usize,
        /// The label.
        key: String,
        /// Its value.
        value: Option<String>,
    },
    /// A node gets a taint.
    Taint {
        /// The node's place.
        node: usize,
        /// The taint.
        taint: Taint,
    },
    /// A node loses a taint.
    Untaint {
        /// The node's place.
        node: usize,
        /// The taint.
        taint: Taint,
    },
    /// A node advertises another capacity; its kubelet restarts.
    #[serde(rename_all = "camelCase")]
    Capacity {
        /// The node's place.
        node: usize,
        /// CPUs.
        cpu_cores: u32,
        /// Memory in KiB.
        memory_kib: u64,
    },
    /// A node advertises other devices.
    Devices {
        /// The node's place.
        node: usize,
        /// All of them, by resource name.
        devices: BTreeMap<String, u64>,
    },
    /// Nodes take another number of Pods; their kubelets restart.
    #[serde(rename_all = "camelCase")]
    MaxPods {
        /// The number.
        max_pods: u32,
    },
    /// An object that the cluster offers beside the manifests is added.
    Add {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// One is no longer needed.
    Remove {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// A Service gets an address.
    LoadBalancer {
        /// The Service.
        service: ObjectId,
    },
    /// Metrics are served from now on, or no longer.
    Metrics {
        /// Whether they are.
        served: bool,
    },
    /// A mirror answers for a registry.
    Mirror {
        /// The registry.
        registry: String,
    },
}

impl fmt::Display for LiveChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label { node, key, value: Some(value) } => write!(out, "node {node}: label {key}={value}"),
            Self::Label { node, key, value: None } => write!(out, "node {node}: no label {key}"),
            Self::Taint { node, taint } => write!(out, "node {node}: taint {taint}"),
            Self::Untaint { node, taint } => write!(out, "node {node}: no taint {taint}"),
            Self::Capacity { node, cpu_cores, memory_kib } => {
                write!(out, "node {node}: {cpu_cores} CPU, {}", bytes_text(memory_kib.saturating_mul(1024)))
            }
            Self::Devices { node, devices } => {
                let list: Vec<_> = devices.iter().map(|(name, amount)| format!("{amount} {name}")).collect();
                write!(
                    out,
                    "node {node}: {}",
                    if list.is_empty() { "no devices".into() } else { list.join(", ") }
                )
            }
            Self::MaxPods { max_pods } => write!(out, "nodes take {max_pods} Pods"),
            Self::Add { kind, name } => write!(out, "{kind} {name}"),
            Self::Remove { kind, name } => write!(out, "no {kind} {name}"),
            Self::LoadBalancer { service } => write!(out, "an address for {service}"),
            Self::Metrics { served: true } => out.write_str("metrics are served"),
            Self::Metrics { served: false } => out.write_str("metrics are no longer served"),
            Self::Mirror { registry } => write!(out, "a mirror answers for {registry}"),
        }
    }
}

/// What must happen so that a cluster of one shape has another. Nodes that are no longer needed stay as they are.
pub fn changes(old: &Shape, new: &Shape) -> ShapeChange {
    let mut change = ShapeChange::default();
    if new.nodes.len() > old.nodes.len() {
        change.recreate.push(more_nodes(old.nodes.len(), new.nodes.len()));
    }
    let subnets = [
        ("the range of Pod addresses", &old.pod_subnet, &new.pod_subnet),
        ("the range of Service addresses", &old.service_subnet, &new.service_subnet),
    ];
    for (what, had, want) in subnets {
        // A range that only some earlier manifest needed does no harm.
        if let Some(want) = want.as_ref().filter(|_| had != want) {
            change.recreate.push(format!("{what} must be {want}"));
        }
    }
    for (had, want) in old.nodes.iter().zip(&new.nodes) {
        node_changes(had, want, &mut change.live);
    }
    if new.max_pods > old.max_pods {
        change.live.push(LiveChange::MaxPods { max_pods: new.max_pods });
    }
    object_changes(old, new, &mut change.live);
    change
}

fn node_changes(had: &NodeShape, want: &NodeShape, live: &mut Vec<LiveChange>) {
    let node = want.index;
    let keys: BTreeSet<&String> = had.labels.keys().chain(want.labels.keys()).collect();
    for key in keys.into_iter().filter(|key| had.labels.get(*key) != want.labels.get(*key)) {
        live.push(LiveChange::Label { node, key: key.clone(), value: want.labels.get(key).cloned() });
    }
    for taint in had.taints.iter().filter(|taint| !want.taints.contains(taint)) {
        live.push(LiveChange::Untaint { node, taint: taint.clone() });
    }
    for taint in want.taints.iter().filter(|taint| !had.taints.contains(taint)) {
        live.push(LiveChange::Taint { node, taint: taint.clone() });
    }
    // More than is needed does no harm, so a kubelet restarts for growth only.
    if want.cpu_cores > had.cpu_cores || want.memory_kib > had.memory_kib {
        let (cpu_cores, memory_kib) =
            (want.cpu_cores.max(had.cpu_cores), want.memory_kib.max(had.memory_kib));
        live.push(LiveChange::Capacity { node, cpu_cores, memory_kib });
    }
    if want.extended != had.extended {
        live.push(LiveChange::Devices { node, devices: want.extended.clone() });
    }
}

fn object_changes(old: &Shape, new: &Shape, live: &mut Vec<LiveChange>) {
    let (had, want) = (offered(old), offered(new));
    for (kind, name) in want.difference(&had) {
        live.push(LiveChange::Add { kind: (*kind).to_owned(), name: name.clone() });
    }
    // A namespace is never removed unasked: it may hold what nobody can bring back.
    for (kind, name) in had.difference(&want).filter(|(kind, _)| *kind != "Namespace") {
        live.push(LiveChange::Remove { kind: (*kind).to_owned(), name: name.clone() });
    }
    for service in new.load_balancers.difference(&old.load_balancers) {
        live.push(LiveChange::LoadBalancer { service: service.clone() });
    }
    if old.metrics != new.metrics {
        live.push(LiveChange::Metrics { served: new.metrics });
    }
    for registry in new.always_registries.difference(&old.always_registries) {
        live.push(LiveChange::Mirror { registry: registry.clone() });
    }
}

/// The objects that a cluster of this shape offers beside the manifests: kind and name.
fn offered(shape: &Shape) -> BTreeSet<(&'static str, String)> {
    let storage = shape.storage_classes.iter().filter(|class| class.provisioner.is_none());
    let ingress = shape.ingress_classes.iter().filter(|class| class.controller.is_none());
    storage
        .map(|class| ("StorageClass", class.name.clone()))
        .chain(ingress.map(|class| ("IngressClass", class.name.clone())))
        .chain(shape.priority_classes.iter().map(|class| ("PriorityClass", class.name.clone())))
        .chain(shape.runtime_classes.iter().map(|name| ("RuntimeClass", name.clone())))
        .chain(shape.namespaces.iter().map(|name| ("Namespace", name.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::selector::Effect;
    use crate::parity::shape::Role;

    fn node(index: usize) -> NodeShape {
        NodeShape {
            index,
            suffix: "worker".into(),
            role: Role::Worker,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            cpu_cores: 4,
            memory_kib: 8 << 20,
            extended: BTreeMap::new(),
        }
    }

    fn shape(nodes: usize) -> Shape {
        Shape { nodes: (0..nodes).map(node).collect(), max_pods: 110, ..Shape::default() }
    }

    #[test]
    fn fewer_nodes_are_no_reason_and_more_are() {
        assert_eq!(changes(&shape(3), &shape(1)), ShapeChange::default());
        let grown = changes(&shape(1), &shape(3));
        assert_eq!(grown.recreate, ["3 nodes are needed and there is 1: nodes cannot be added"]);
        assert!(grown.live.is_empty());
    }

    #[test]
    fn labels_taints_classes_and_capacity_change_live() {
        let mut old = shape(1);
        old.nodes[0].labels.insert("pool".into(), "web".into());
        old.runtime_classes.insert("gvisor".into());
        old.namespaces.insert("old".into());
        let mut new = shape(1);
        new.nodes[0].labels.insert("pool".into(), "db".into());
        new.nodes[0].labels.insert("disk".into(), "ssd".into());
        new.nodes[0].taints.push(Taint {
            key: "dedicated".into(),
            value: String::new(),
            effect: Effect::NoExecute,
        });
        new.nodes[0].cpu_cores = 8;
        new.nodes[0].memory_kib = 1 << 20;
        new.namespaces.insert("shop".into());
        new.metrics = true;
        let change = changes(&old, &new);
        assert!(change.recreate.is_empty());
        let texts: Vec<_> = change.live.iter().map(ToString::to_string).collect();
        let expected = [
            "node 0: label disk=ssd",
            "node 0: label pool=db",
            "node 0: taint dedicated:NoExecute",
            "node 0: 8 CPU, 8 Gi",
            "Namespace shop",
            "no RuntimeClass gvisor",
            "metrics are served",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn smaller_capacity_is_kept() {
        let mut old = shape(1);
        old.nodes[0].cpu_cores = 64;
        assert_eq!(changes(&old, &shape(1)), ShapeChange::default());
    }

    #[test]
    fn a_new_range_recreates_and_an_old_one_stays() {
        let ranged = Shape { service_subnet: Some("10.100.0.0/16".into()), ..shape(1) };
        assert_eq!(changes(&shape(1), &ranged).recreate.len(), 1);
        assert!(changes(&ranged, &shape(1)).recreate.is_empty());
    }

    #[test]
    fn the_key_follows_every_setting() {
        let base = Fixed { nodes: 1, ..Fixed::default() };
        let others = [
            Fixed { nodes: 2, ..base.clone() },
            Fixed { node_image: Some("node:1".into()), ..base.clone() },
            Fixed { pod_subnet: Some("10.0.0.0/16".into()), ..base.clone() },
            Fixed { service_subnet: Some("10.0.0.0/16".into()), ..base.clone() },
            Fixed { host_ports: BTreeMap::from([(80, 8080)]), ..base.clone() },
            Fixed { mounts: BTreeMap::from([("/a".into(), "/b".into())]), ..base.clone() },
        ];
        let keys: BTreeSet<String> =
            others.iter().chain([&base]).map(|fixed| fixed.key().to_string()).collect();
        assert_eq!(keys.len(), others.len() + 1);
        for other in &others {
            assert_eq!(base.reasons(other).len(), 1, "{other:?}");
        }
        assert!(others[0].reasons(&base).is_empty());
        assert_eq!(base.key(), base.clone().key());
    }
}
