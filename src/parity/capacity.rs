//! How much CPU and memory the nodes advertise. It costs nothing: what is advertised is not what there is.

use std::collections::BTreeMap;

use super::placement::{Node, accepts};
use super::quantity::Resources;
use super::requirements::Requirements;
use super::shape::Machine;
use crate::config::Profile;

/// What a node advertises.
pub(crate) struct Size {
    pub cpu_cores: u32,
    pub memory_kib: u64,
    pub extended: BTreeMap<String, u64>,
}

/// NUMA nodes that may be made up on one node to multiply its CPUs; their distances are a table with the square of this.
const MOST_NUMA_NODES: u64 = 128;
const MIB: u64 = 1 << 20;

/// Sizes for nodes: all of one size, so large that however the scheduler places the Pods, each finds room.
///
/// That holds when a node has room for every Pod it may get; where that would take more CPUs than can be made up, for an even
/// share of them and the largest one besides (a scheduler that prefers the emptier node never fills one further).
pub(crate) fn sizes(
    requirements: &Requirements,
    profile: &Profile,
    machine: &Machine,
    nodes: &[Node],
) -> Vec<Size> {
    let most_cpu = MOST_NUMA_NODES * u64::from(machine.cpus.max(1)) * 1000;
    let all = nodes.iter().map(|node| with_system(&all_pods(requirements, node)));
    let all = all.fold(Resources::default(), |largest, node| largest.or_larger(&node));
    let needed = if all.cpu_millis <= most_cpu {
        all
    } else {
        let share = nodes.iter().map(|node| with_system(&even_share(requirements, nodes, node)));
        share.fold(Resources::default(), |largest, node| largest.or_larger(&node))
    };
    let cores = needed.cpu_millis.div_ceil(1000).max(profile.nodes.cpu.into());
    let cpus = u64::from(machine.cpus.max(1));
    let numa_nodes = cores.div_ceil(cpus).max(1);
    let memory = needed.memory_bytes.max(u64::from(profile.nodes.memory_gib) << 30);
    let memory_kib = memory.div_ceil(MIB).next_multiple_of(numa_nodes) * 1024;
    nodes
        .iter()
        .map(|node| Size {
            cpu_cores: u32::try_from(numa_nodes * cpus).unwrap_or(u32::MAX),
            memory_kib,
            extended: devices(&all_pods(requirements, node)),
        })
        .collect()
}

/// A quarter on top for the system's own Pods, at least one CPU and one GiB.
fn with_system(pods: &Resources) -> Resources {
    let mut sum = pods.clone();
    sum.cpu_millis = sum.cpu_millis.saturating_add((pods.cpu_millis / 4).max(1000));
    sum.memory_bytes = sum.memory_bytes.saturating_add((pods.memory_bytes / 4).max(1 << 30));
    sum
}

/// Everything that may come to stand on a node at once.
fn all_pods(requirements: &Requirements, node: &Node) -> Resources {
    let accepted = requirements.workloads.iter().filter(|workload| accepts(workload, node));
    accepted.fold(Resources::default(), |sum, workload| {
        sum.plus(&workload.requests.times(workload.peak().into()))
    })
}

/// A node's share of the Pods that it and others may get, and the largest of them once more.
fn even_share(requirements: &Requirements, nodes: &[Node], node: &Node) -> Resources {
    let mut largest = Resources::default();
    let mut sum = Resources::default();
    for workload in requirements.workloads.iter().filter(|workload| accepts(workload, node)) {
        let others = nodes.iter().filter(|other| accepts(workload, other)).count();
        let others = if workload.per_node { 1 } else { u32::try_from(others).unwrap_or(u32::MAX).max(1) };
        sum = sum.plus(&workload.requests.times(workload.peak().div_ceil(others).into()));
        largest = largest.or_larger(&workload.requests);
    }
    sum.plus(&largest)
}

/// Resources that a node can be made to advertise: those of devices, which are named with a domain. Huge pages and the
/// like are counted by the kubelet itself.
fn devices(pods: &Resources) -> BTreeMap<String, u64> {
    pods.extended
        .iter()
        .filter(|(name, _)| is_device(name))
        .map(|(name, amount)| (name.clone(), *amount))
        .collect()
}

/// Whether a resource is a device's.
pub(crate) fn is_device(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"))
}
