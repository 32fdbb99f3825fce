//! What the cluster does not offer, each with the reason and what would help.

use std::collections::BTreeSet;

use super::capacity::is_device;
use super::placement::{Placement, Refusal};
use super::ranges::unreachable;
use super::requirements::Requirements;
use super::search::Nodes;
use super::shape::{Hinders, Machine, Unmet};
use super::storage::ClaimClass;
use super::workload::Workload;
use crate::config::Profile;
use crate::manifest::ObjectId;

/// Everything unmet, in order.
pub(crate) fn unmet(
    requirements: &Requirements,
    profile: &Profile,
    machine: &Machine,
    found: &Nodes,
) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    pods_without_node(requirements, profile, machine, found, &mut unmet);
    requirements.workloads.iter().for_each(|workload| beyond_nodes(workload, &mut unmet));
    volumes(requirements, &mut unmet);
    functions(requirements, profile, &mut unmet);
    unmet.sort();
    unmet.dedup();
    unmet
}

fn add(unmet: &mut Vec<Unmet>, object: &ObjectId, hinders: Hinders, what: String, why: impl Into<String>) {
    unmet.push(Unmet { object: object.clone(), hinders, what, why: why.into() });
}

fn pods_without_node(
    requirements: &Requirements,
    profile: &Profile,
    machine: &Machine,
    found: &Nodes,
    unmet: &mut Vec<Unmet>,
) {
    let mut named = BTreeSet::new();
    let stages: [(Hinders, &Placement); 3] = [
        (Hinders::Start, &found.start),
        (Hinders::Rollout, &found.rollout),
        (Hinders::Scaling, &found.scaled),
    ];
    for (hinders, placement) in stages {
        for (index, (count, refusals)) in &placement.unplaced {
            // A workload that cannot start is not named again for what it could not do later.
            if !named.insert(*index) {
                continue;
            }
            let workload = &requirements.workloads[*index];
            let what = match hinders {
                Hinders::Start if *count >= workload.replicas => format!("a node for its {}", pods(*count)),
                Hinders::Start => format!("nodes for {count} of its {}", pods(workload.replicas)),
                Hinders::Rollout => "a node for the Pod that a rolling update adds".to_owned(),
                _ => format!(
                    "nodes for {count} of the {} that its autoscaler may make",
                    pods(workload.max_replicas)
                ),
            };
            let reasons: Vec<String> =
                refusals.iter().map(|refusal| reason(refusal, workload, machine)).collect();
            // One node more than there may be is what the search would have tried next.
            let helps = if found.capped && refusals.iter().any(more_nodes_help) || hinders == Hinders::Scaling
            {
                format!("; profile {} has at most {}", profile.name, nodes(profile.nodes.max.max(1)))
            } else {
                String::new()
            };
            add(unmet, &workload.object, hinders, what, format!("{}{helps}", reasons.join("; ")));
        }
    }
}

fn pods(count: u32) -> String {
    format!("{count} Pod{}", if count == 1 { "" } else { "s" })
}

fn nodes(count: u32) -> String {
    format!("{count} node{}", if count == 1 { "" } else { "s" })
}

fn more_nodes_help(refusal: &Refusal) -> bool {
    !matches!(refusal, Refusal::Affinity(_))
}

fn reason(refusal: &Refusal, workload: &Workload, machine: &Machine) -> String {
    match refusal {
        Refusal::Labels => {
            let keys: BTreeSet<&str> = workload.nodes.iter().flatten().map(|e| e.key.as_str()).collect();
            let given: Vec<&str> = keys.iter().copied().filter(|key| super::draft::is_given(key)).collect();
            let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
            if given.iter().any(|key| key.ends_with("kubernetes.io/arch")) {
                format!("the nodes are {}, it asks for another by {keys}", machine.architecture)
            } else {
                format!("no node can carry the labels it asks for ({keys}) beside those that others ask for")
            }
        }
        Refusal::Taint => "the taints of the other nodes keep it away".to_owned(),
        Refusal::AntiAffinity(key) => format!("required anti-affinity lets one Pod into each {key}"),
        Refusal::Affinity(key) => format!("the Pods it must be with in one {key} are not there"),
        Refusal::Spread(key) => format!("spread over {key} with DoNotSchedule"),
        Refusal::HostPort(port) => format!("host port {port} is taken on every node"),
        Refusal::Full => "the nodes have as many Pods as they take".to_owned(),
    }
}

/// What a workload asks for that no labels and no capacity provide.
fn beyond_nodes(workload: &Workload, unmet: &mut Vec<Unmet>) {
    let object = &workload.object;
    if let Some(node) = &workload.node_name {
        let why = "nodeName passes the scheduler by, and the nodes have the provider's names";
        add(unmet, object, Hinders::Start, format!("the node {node}"), why);
    }
    if let Some(scheduler) = &workload.scheduler {
        let why = "only the default scheduler runs; one that the manifests bring must be running first";
        add(unmet, object, Hinders::Start, format!("the scheduler {scheduler}"), why);
    }
    for (name, amount) in &workload.requests.extended {
        let (hinders, why) = if is_device(name) {
            (Hinders::Function, "nodes advertise it so that the Pods start; no device stands behind it")
        } else {
            (Hinders::Start, "the kubelet counts it on the machine itself; reserve it there")
        };
        if *amount > 0 {
            add(unmet, object, hinders, format!("{amount} {name}"), why);
        }
    }
}

fn volumes(requirements: &Requirements, unmet: &mut Vec<Unmet>) {
    for volume in &requirements.foreign_volumes {
        let why = "no such driver or server answers here";
        add(
            unmet,
            &volume.object,
            Hinders::Start,
            format!("volume {} ({})", volume.volume, volume.kind),
            why,
        );
    }
    for claim in &requirements.claims {
        if claim.block {
            let why = "a directory of the host stands behind volumes, no block device";
            add(unmet, &claim.object, Hinders::Start, format!("block volume {}", claim.name), why);
        }
        if claim.class == ClaimClass::None && claim.volume.is_none() {
            let why = "storageClassName is empty, so only a PersistentVolume of the manifests will do";
            add(unmet, &claim.object, Hinders::Start, format!("a volume for {}", claim.name), why);
        }
    }
}

fn functions(requirements: &Requirements, profile: &Profile, unmet: &mut Vec<Unmet>) {
    for object in &requirements.custom_metrics {
        let why = "only CPU and memory are measured; its other metrics have no source";
        add(unmet, object, Hinders::Function, "custom or external metrics".into(), why);
    }
    let off = |what: &str| format!("profile {} switches {what} off", profile.name);
    if !profile.metrics {
        for object in &requirements.resource_metrics {
            add(unmet, object, Hinders::Function, "CPU and memory metrics".into(), off("metrics"));
        }
    }
    if !profile.ingress {
        for ingress in &requirements.ingresses {
            add(unmet, &ingress.object, Hinders::Function, "an ingress controller".into(), off("ingress"));
        }
    }
    for balancer in &requirements.load_balancers {
        if !profile.load_balancer {
            let what = "an address from outside".to_owned();
            add(unmet, &balancer.object, Hinders::Function, what, off("loadBalancer"));
        }
        if let Some(address) = &balancer.address {
            let why = "the address is production's; the Service gets another";
            add(unmet, &balancer.object, Hinders::Function, format!("the address {address}"), why);
        }
    }
    let beyond = unreachable(requirements);
    for fixed in requirements.fixed_addresses.iter().filter(|fixed| beyond.contains(&fixed.address)) {
        let why = "no one range of Service addresses holds all that the manifests fix";
        add(unmet, &fixed.object, Hinders::Start, format!("clusterIP {}", fixed.address), why);
    }
}
