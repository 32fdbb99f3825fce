//! What the Pods of one object need of a cluster: how many there are, what they request and where they may run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::json;
use super::quantity::{Quantity, Resources};
use super::selector::{AllOf, Expression, LabelSelector, Labels, Toleration};
use crate::manifest::{Object, ObjectId};

/// An object that makes Pods, and what each of them needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The object.
    pub object: ObjectId,
    /// Its Pods' labels.
    pub labels: Labels,
    /// Pods as written (with an autoscaler: at least its minimum). 1 for a DaemonSet.
    pub replicas: u32,
    /// Pods at an autoscaler's maximum; `replicas` where there is none.
    pub max_replicas: u32,
    /// Pods a rolling update adds for a time, at `max_replicas`.
    pub surge: u32,
    /// Whether a rolling update removes no Pod before a new one is ready, so that one more must find a place.
    pub rolls_by_adding: bool,
    /// One Pod on every node that takes it.
    pub per_node: bool,
    /// What one Pod requests, effectively.
    pub requests: Resources,
    /// The alternatives of labels that its node must have: one of these lists must hold. Never empty.
    pub nodes: Vec<AllOf>,
    /// Labels that its node had better have, weightiest first.
    pub preferred_nodes: Vec<AllOf>,
    /// Topology spread constraints.
    pub spread: Vec<Spread>,
    /// Pods it must have in its domain.
    pub affinity: Vec<PodTerm>,
    /// Pods it must not have in its domain.
    pub anti_affinity: Vec<PodTerm>,
    /// Topology keys of preferred (anti-)affinity.
    pub preferred_topology: BTreeSet<String>,
    /// Taints it tolerates.
    pub tolerations: Vec<Toleration>,
    /// Ports it takes on its node.
    pub host_ports: BTreeSet<HostPort>,
    /// Whether a container is privileged.
    pub privileged: bool,
    /// The node it names itself, past the scheduler.
    pub node_name: Option<String>,
    /// The scheduler, where it is not the default one.
    pub scheduler: Option<String>,
    /// The runtime class.
    pub runtime_class: Option<String>,
    /// The priority class.
    pub priority_class: Option<String>,
    /// The priority it states itself; admission refuses one that is not its class's.
    pub priority: Option<i64>,
    /// The ServiceAccount; empty for `default`.
    pub service_account: String,
}

impl Workload {
    /// The Pods there can be at once: an autoscaler's maximum and a rolling update on top.
    pub fn peak(&self) -> u32 {
        self.max_replicas.saturating_add(self.surge)
    }

    /// Whether a node with these labels may take its Pods.
    pub fn accepts(&self, labels: &Labels) -> bool {
        self.nodes.iter().any(|all| super::selector::all_match(all, labels))
    }
}

/// A topology spread constraint.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The nodes' label whose values are the domains.
    pub topology_key: String,
    /// How many Pods a domain may have above the one with the fewest.
    pub max_skew: u32,
    /// With fewer domains than this the fewest count as zero.
    pub min_domains: u32,
    /// `DoNotSchedule`; else `ScheduleAnyway`.
    pub required: bool,
    /// The Pods counted.
    pub selector: LabelSelector,
}

/// A term of required Pod affinity or anti-affinity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTerm {
    /// The nodes' label whose values are the domains.
    pub topology_key: String,
    /// The Pods meant.
    pub selector: LabelSelector,
    /// The namespaces meant by name.
    pub namespaces: BTreeSet<String>,
    /// The namespaces meant by labels.
    pub namespace_selector: LabelSelector,
}

impl PodTerm {
    /// Whether it means a Pod with these labels in that namespace.
    pub fn means(
        &self,
        labels: &Labels,
        namespace: &str,
        namespace_labels: &BTreeMap<String, Labels>,
    ) -> bool {
        let none = Labels::new();
        let in_namespace = self.namespaces.contains(namespace)
            || self.namespace_selector.matches(namespace_labels.get(namespace).unwrap_or(&none));
        in_namespace && self.selector.matches(labels)
    }
}

/// A port taken on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPort {
    /// Its number.
    pub port: u32,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The node's address it is limited to; empty for all.
    pub ip: String,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn clashes(&self, other: &Self) -> bool {
        let all = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || all(&self.ip) || all(&other.ip))
    }
}

/// What a namespace's LimitRanges give to containers that state nothing.
pub(crate) type ContainerDefaults = BTreeMap<String, Value>;

/// Reads the workload of an object; nothing for objects that make no Pods.
///
/// `autoscaled` is the HPA's minimum and maximum, `defaults` the namespace's default requests by resource name.
pub(crate) fn workload(
    object: &Object,
    autoscaled: Option<(u32, u32)>,
    defaults: &ContainerDefaults,
) -> Option<Workload> {
    let template = object.pod_template()?;
    let labels = json::texts(template, "/metadata/labels");
    let pod = template.get("spec").unwrap_or(&Value::Null);
    let written = replicas(object);
    let (replicas, max_replicas) = match autoscaled {
        // A workload scaled to zero by hand is not autoscaled.
        Some((min, max)) if written > 0 => (written.max(min), written.max(min).max(max)),
        _ => (written, written),
    };
    let (surge, rolls_by_adding) = rolling_update(object, max_replicas);
    let containers = || pod_containers(pod).map(|(_, container)| container);
    Some(Workload {
        object: object.id(),
        replicas,
        max_replicas,
        surge,
        rolls_by_adding,
        per_node: object.kind() == "DaemonSet",
        requests: effective_requests(pod, defaults),
        nodes: required_nodes(pod),
        preferred_nodes: preferred_nodes(pod),
        spread: json::items(pod, "/topologySpreadConstraints")
            .iter()
            .map(|item| spread(item, &labels))
            .collect(),
        affinity: pod_terms(object, pod, &labels, "podAffinity"),
        anti_affinity: pod_terms(object, pod, &labels, "podAntiAffinity"),
        preferred_topology: preferred_topology(pod),
        tolerations: json::items(pod, "/tolerations").iter().map(Toleration::from_json).collect(),
        host_ports: host_ports(pod),
        privileged: containers().any(|container| json::flag(container, "/securityContext/privileged")),
        node_name: json::some_text(pod, "/nodeName").map(str::to_owned),
        scheduler: json::some_text(pod, "/schedulerName")
            .filter(|name| *name != "default-scheduler")
            .map(str::to_owned),
        runtime_class: json::some_text(pod, "/runtimeClassName").map(str::to_owned),
        priority_class: json::some_text(pod, "/priorityClassName").map(str::to_owned),
        priority: pod.get("priority").and_then(Value::as_i64),
        service_account: json::some_text(pod, "/serviceAccountName")
            .or_else(|| json::some_text(pod, "/serviceAccount"))
            .unwrap_or_default()
            .to_owned(),
        labels,
    })
}

/// Every container of a Pod spec with the list it stands in: `initContainers`, `containers`, `ephemeralContainers`.
pub(crate) fn pod_containers(pod: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| {
        pod.get(list).and_then(Value::as_array).into_iter().flatten().map(move |item| (list, item))
    })
}

fn replicas(object: &Object) -> u32 {
    let spec = |pointer: &str| json::count(&object.value, pointer);
    let job = |at: &str| {
        if json::flag(&object.value, &format!("{at}/suspend")) {
            return 0;
        }
        let parallelism = spec(&format!("{at}/parallelism")).unwrap_or(1);
        spec(&format!("{at}/completions")).map_or(parallelism, |completions| parallelism.min(completions))
    };
    match object.kind() {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
            spec("/spec/replicas").unwrap_or(1)
        }
        "Job" => job("/spec"),
        "CronJob" if json::flag(&object.value, "/spec/suspend") => 0,
        "CronJob" => job("/spec/jobTemplate/spec"),
        _ => 1,
    }
}

/// Pods that a rolling update adds, and whether it removes none before.
fn rolling_update(object: &Object, replicas: u32) -> (u32, bool) {
    let share = |pointer: &str, default: &str, round_up: bool| {
        let given = object.value.pointer(pointer).cloned().unwrap_or_else(|| default.into());
        let Some(percent) = given.as_str().and_then(|text| text.strip_suffix('%')) else {
            return given.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        };
        let product = u64::from(replicas) * percent.parse::<u64>().unwrap_or(0);
        u32::try_from(if round_up { product.div_ceil(100) } else { product / 100 }).unwrap_or(u32::MAX)
    };
    match object.kind() {
        "Deployment" if object.text("/spec/strategy/type") != "Recreate" && replicas > 0 => {
            let surge = share("/spec/strategy/rollingUpdate/maxSurge", "25%", true);
            let unavailable = share("/spec/strategy/rollingUpdate/maxUnavailable", "25%", false);
            // The controller takes one unavailable Pod where both come out as zero.
            (surge, unavailable == 0 && surge > 0)
        }
        "DaemonSet" if object.text("/spec/updateStrategy/type") != "OnDelete" => {
            (share("/spec/updateStrategy/rollingUpdate/maxSurge", "0", true).min(1), false)
        }
        _ => (0, false),
    }
}

/// What the scheduler counts for a Pod: containers and sidecars together, or the init step that needs most, plus
/// overhead (Kubernetes' `PodRequests`, KEP-753). Pod-level requests take precedence (KEP-2837).
pub(crate) fn effective_requests(pod: &Value, defaults: &ContainerDefaults) -> Resources {
    let mut running = json::items(pod, "/containers")
        .iter()
        .fold(Resources::default(), |sum, c| sum.plus(&requests(c, defaults)));
    let (mut sidecars, mut init) = (Resources::default(), Resources::default());
    for container in json::items(pod, "/initContainers") {
        let own = requests(container, defaults);
        if json::text(container, "/restartPolicy") == "Always" {
            sidecars = sidecars.plus(&own);
            init = init.or_larger(&sidecars);
        } else {
            init = init.or_larger(&own.plus(&sidecars));
        }
    }
    running = running.plus(&sidecars).or_larger(&init);
    if let Some(stated) = pod.get("resources") {
        let none = ContainerDefaults::new();
        let stated = amounts(stated, &none);
        let level = resources(&stated);
        running.cpu_millis = if stated.contains_key("cpu") { level.cpu_millis } else { running.cpu_millis };
        running.memory_bytes =
            if stated.contains_key("memory") { level.memory_bytes } else { running.memory_bytes };
        running.extended.extend(level.extended);
    }
    let overhead: BTreeMap<_, _> = json::entries(pod, "/overhead").collect();
    running.plus(&resources(&overhead.into_iter().map(|(name, value)| (name.as_str(), value)).collect()))
}

fn requests(container: &Value, defaults: &ContainerDefaults) -> Resources {
    resources(&amounts(container.get("resources").unwrap_or(&Value::Null), defaults))
}

/// Requests by name: stated, else the limit, else the namespace's default.
fn amounts<'a>(stated: &'a Value, defaults: &'a ContainerDefaults) -> BTreeMap<&'a str, &'a Value> {
    let mut amounts: BTreeMap<&str, &Value> =
        defaults.iter().map(|(name, value)| (name.as_str(), value)).collect();
    for pointer in ["/limits", "/requests"] {
        amounts.extend(json::entries(stated, pointer).map(|(name, value)| (name.as_str(), value)));
    }
    amounts
}

/// Adds the amounts up; what is no quantity counts as nothing, the API server refuses it by name.
fn resources(amounts: &BTreeMap<&str, &Value>) -> Resources {
    let mut sum = Resources::default();
    for (name, value) in amounts {
        let Ok(quantity) = Quantity::from_json(value) else { continue };
        match *name {
            "cpu" => sum.cpu_millis = quantity.millis(),
            "memory" => sum.memory_bytes = quantity.units(),
            "ephemeral-storage" => sum.ephemeral_bytes = quantity.units(),
            other => {
                sum.extended.insert(other.to_owned(), quantity.units());
            }
        }
    }
    sum
}

/// `nodeSelector` and required node affinity as alternatives; one empty alternative where there is neither.
fn required_nodes(pod: &Value) -> Vec<AllOf> {
    let selector = json::texts(pod, "/nodeSelector");
    let base: AllOf = selector.iter().map(|(key, value)| Expression::equals(key, value)).collect();
    let required = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms: Vec<AllOf> =
        json::items(pod, required).iter().map(term).filter(|all| !all.is_empty()).collect();
    if terms.is_empty() {
        return vec![base];
    }
    terms.into_iter().map(|all| base.iter().cloned().chain(all).collect()).collect()
}

fn term(value: &Value) -> AllOf {
    let labels = json::items(value, "/matchExpressions").iter().filter_map(Expression::from_json);
    let fields = json::items(value, "/matchFields").iter().filter_map(Expression::from_json);
    labels.chain(fields).collect()
}

fn preferred_nodes(pod: &Value) -> Vec<AllOf> {
    let pointer = "/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution";
    let mut terms: Vec<_> = json::items(pod, pointer)
        .iter()
        .map(|item| {
            (json::count(item, "/weight").unwrap_or(1), item.get("preference").map(term).unwrap_or_default())
        })
        .filter(|(_, all)| !all.is_empty())
        .collect();
    terms.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    terms.into_iter().map(|(_, all)| all).collect()
}

fn spread(item: &Value, labels: &Labels) -> Spread {
    let keys = json::list(item, "/matchLabelKeys");
    Spread {
        topology_key: json::text(item, "/topologyKey").to_owned(),
        max_skew: json::count(item, "/maxSkew").unwrap_or(1).max(1),
        min_domains: json::count(item, "/minDomains").unwrap_or(1),
        required: json::text(item, "/whenUnsatisfiable") == "DoNotSchedule",
        selector: LabelSelector::from_json(item.get("labelSelector")).and_same(&keys, labels),
    }
}

fn pod_terms(object: &Object, pod: &Value, labels: &Labels, which: &str) -> Vec<PodTerm> {
    let pointer = format!("/affinity/{which}/requiredDuringSchedulingIgnoredDuringExecution");
    let read = |item: &Value| {
        let mut namespaces: BTreeSet<String> = json::list(item, "/namespaces").into_iter().collect();
        let selector = item.get("namespaceSelector");
        if namespaces.is_empty() && selector.is_none() {
            namespaces.insert(object.namespace().to_owned());
        }
        PodTerm {
            topology_key: json::text(item, "/topologyKey").to_owned(),
            selector: LabelSelector::from_json(item.get("labelSelector"))
                .and_same(&json::list(item, "/matchLabelKeys"), labels),
            namespaces,
            namespace_selector: LabelSelector::from_json(selector),
        }
    };
    json::items(pod, &pointer).iter().map(read).collect()
}

fn preferred_topology(pod: &Value) -> BTreeSet<String> {
    ["podAffinity", "podAntiAffinity"]
        .iter()
        .flat_map(|which| {
            json::items(pod, &format!("/affinity/{which}/preferredDuringSchedulingIgnoredDuringExecution"))
        })
        .filter_map(|item| json::some_text(item, "/podAffinityTerm/topologyKey"))
        .map(str::to_owned)
        .collect()
}

fn host_ports(pod: &Value) -> BTreeSet<HostPort> {
    let on_host = json::flag(pod, "/hostNetwork");
    pod_containers(pod)
        .flat_map(|(_, container)| json::items(container, "/ports"))
        .filter_map(|port| {
            let number = json::count(port, "/hostPort").filter(|number| *number > 0);
            let number = number.or_else(|| json::count(port, "/containerPort").filter(|_| on_host))?;
            let protocol = json::some_text(port, "/protocol").unwrap_or("TCP").to_owned();
            Some(HostPort { port: number, protocol, ip: json::text(port, "/hostIP").to_owned() })
        })
        .collect()
}
