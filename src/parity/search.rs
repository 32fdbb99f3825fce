//! How many nodes there must be and which labels and taints they carry: the fewest that take every Pod.

use std::collections::BTreeSet;

use super::draft::draft;
use super::placement::{Field, Node, Placement};
use super::requirements::Requirements;
use super::selector::{Expression, Taint};
use super::shape::Machine;
use super::workload::Workload;
use crate::config::Profile;

/// Pods a kubelet takes unless told otherwise.
const DEFAULT_MAX_PODS: u32 = 110;
/// Addresses of a node's range (a /24), less a few that are taken.
const MOST_PODS: u32 = 250;
/// Pods of the system that a node may run.
const SYSTEM_PODS: u32 = 20;

/// The nodes found, and which Pods they do not take.
pub(crate) struct Nodes {
    pub all: Vec<Node>,
    pub max_pods: u32,
    /// With the Pods as written.
    pub start: Placement,
    /// With one more Pod for workloads that roll by adding.
    pub rollout: Placement,
    /// With every autoscaler at its maximum.
    pub scaled: Placement,
    /// Whether the profile's limit on nodes was reached.
    pub capped: bool,
}

impl Nodes {
    fn lacking(&self) -> (u64, u64) {
        (self.start.missing(), self.rollout.missing())
    }

    /// Whether no kind of placement leaves out more Pods than in `other`.
    fn is_no_worse(&self, other: &Self) -> bool {
        self.lacking() <= other.lacking() && self.scaled.missing() <= other.scaled.missing()
    }
}

/// Tries one node, then more, each with as many zones as nodes first and fewer then, until every Pod has a place.
pub(crate) fn find_nodes(requirements: &Requirements, profile: &Profile, machine: &Machine) -> Nodes {
    let workloads = &requirements.workloads;
    let pods: u32 = workloads.iter().map(Workload::peak).fold(SYSTEM_PODS, u32::saturating_add);
    let max_pods = pods.min(MOST_PODS).next_multiple_of(10).clamp(DEFAULT_MAX_PODS, MOST_PODS);
    let field = Field::new(workloads, &requirements.namespace_labels, max_pods - SYSTEM_PODS);
    let most = usize::try_from(profile.nodes.max.max(1)).unwrap_or(usize::MAX);
    let attempt = |nodes: usize, domains: usize| {
        let nodes = draft(&field, &machine.architecture, nodes, domains);
        try_nodes(&field, nodes, max_pods)
    };
    let mut best = attempt(1, 1);
    // More nodes than Pods help nobody.
    let most = most.min(usize::try_from(pods).unwrap_or(usize::MAX));
    'search: for nodes in 2..=most {
        for domains in (1..=nodes).rev() {
            if best.lacking() == (0, 0) {
                break 'search;
            }
            let found = attempt(nodes, domains);
            if found.lacking() < best.lacking() {
                best = found;
            }
        }
    }
    best.capped = best.lacking() > (0, 0);
    taint(&field, best)
}

fn try_nodes(field: &Field<'_>, nodes: Vec<Node>, max_pods: u32) -> Nodes {
    let start = field.place(&nodes);
    let rollout = field.roll(&nodes, &start);
    let scaled =
        field.place_more(&nodes, start.clone(), |workload| workload.max_replicas - workload.replicas);
    Nodes { all: nodes, max_pods, start, rollout, scaled, capped: false }
}

/// Mirrors tolerations as taints onto nodes that are there for the Pods that tolerate them, as long as no other Pod loses
/// its place. The first node stays open: it runs the system's own Pods.
fn taint(field: &Field<'_>, mut best: Nodes) -> Nodes {
    for at in 1..best.all.len() {
        for taint in candidates(field, &best, at) {
            let mut nodes = best.all.clone();
            nodes[at].taints.push(taint);
            nodes[at].taints.sort();
            let mut tried = try_nodes(field, nodes, best.max_pods);
            if tried.is_no_worse(&best) {
                tried.capped = best.capped;
                best = tried;
            }
        }
    }
    best
}

/// The taints tolerated by workloads that ask for this node by its labels, where every other that asks for it tolerates
/// them too.
fn candidates(field: &Field<'_>, found: &Nodes, at: usize) -> BTreeSet<Taint> {
    let node = &found.all[at];
    let asks = |workload: &&Workload| {
        workload.peak() > 0
            && workload.accepts(&node.labels)
            && workload.nodes.iter().all(|all| all.iter().any(|expression| chooses(expression, found)))
    };
    let asking: Vec<&Workload> = field.workloads.iter().filter(asks).collect();
    asking
        .iter()
        .flat_map(|workload| &workload.tolerations)
        .filter_map(super::selector::Toleration::taint)
        .filter(|taint| !is_kubernetes_own(&taint.key))
        .filter(|taint| {
            asking.iter().all(|workload| {
                super::selector::tolerated(std::slice::from_ref(taint), &workload.tolerations)
            })
        })
        .collect()
}

/// Whether an expression picks some nodes out of all: one that all satisfy does not.
fn chooses(expression: &Expression, found: &Nodes) -> bool {
    expression.is_positive() && !found.all.iter().all(|node| expression.matches(&node.labels))
}

/// Whether Kubernetes sets and removes a taint itself, for nodes that are not ready or run its control plane.
fn is_kubernetes_own(key: &str) -> bool {
    ["node.kubernetes.io/", "node-role.kubernetes.io/", "node.cloudprovider.kubernetes.io/"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}
