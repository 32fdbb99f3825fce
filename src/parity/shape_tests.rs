//! Shapes for manifests of many kinds; and, for random ones, that every Pod finds a node.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::requirements::Requirements;
use super::samples::{apart, deployment, machine, object, profile, requests, shaped};
use super::selector::{Labels, tolerated};
use super::shape::{Hinders, Shape, shape};
use super::workload::Workload;
use crate::manifest::Object;

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

fn on(key: &str, value: &str) -> Value {
    json!({"nodeSelector": {key: value}})
}

fn with(mut pod: Value, more: &Value) -> Value {
    if let (Value::Object(pod), Value::Object(more)) = (&mut pod, more.clone()) {
        pod.extend(more);
    }
    pod
}

fn affinity(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": key, "operator": operator, "values": values}]},
    ]}}}})
}

fn spread(app: &str, key: &str, min_domains: u32) -> Value {
    json!({"topologySpreadConstraints": [{
        "topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "minDomains": min_domains,
        "labelSelector": {"matchLabels": {"app": app}},
    }]})
}

/// Nodes, labels of each as `key=value`, and what is unmet.
fn outline(shape: &Shape) -> (usize, Vec<String>, Vec<Hinders>) {
    let labels =
        |labels: &Labels| labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    let nodes = shape.nodes.iter().map(|node| labels(&node.labels)).collect();
    (shape.nodes.len(), nodes, shape.unmet.iter().map(|unmet| unmet.hinders).collect())
}

#[test]
fn as_few_nodes_as_will_do() {
    let table: Vec<(&str, Vec<Object>, u32, usize)> = vec![
        ("nothing", vec![], 3, 1),
        ("no wishes", vec![deployment("a", 9, json!({}))], 3, 1),
        ("one pool", vec![deployment("a", 3, on("pool", "web"))], 3, 1),
        (
            "two keys",
            vec![deployment("a", 1, on("pool", "web")), deployment("b", 1, on("disk", "ssd"))],
            3,
            1,
        ),
        (
            "two values",
            vec![deployment("a", 1, on("pool", "web")), deployment("b", 1, on("pool", "db"))],
            3,
            2,
        ),
        (
            "values that overlap",
            vec![
                deployment("a", 1, affinity("pool", "In", &["web", "db"])),
                deployment("b", 1, on("pool", "db")),
            ],
            3,
            1,
        ),
        (
            "a node without the label",
            vec![
                deployment("a", 1, on("pool", "web")),
                deployment("b", 1, affinity("pool", "DoesNotExist", &[])),
            ],
            3,
            2,
        ),
        (
            "another value",
            vec![
                deployment("a", 1, on("pool", "web")),
                deployment("b", 1, affinity("pool", "NotIn", &["db"])),
            ],
            3,
            1,
        ),
        ("a number", vec![deployment("a", 1, affinity("cores", "Gt", &["8"]))], 3, 1),
        (
            "off the control plane",
            vec![deployment("a", 1, affinity("node-role.kubernetes.io/control-plane", "DoesNotExist", &[]))],
            3,
            2,
        ),
        ("spread with one domain", vec![deployment("a", 3, spread("a", ZONE, 1))], 3, 1),
        ("spread over at least two", vec![deployment("a", 4, spread("a", ZONE, 2))], 3, 2),
        ("spread over hosts", vec![deployment("a", 3, spread("a", HOST, 3))], 3, 3),
        // Two Pods apart, and a third place for the one that a rolling update adds first.
        ("apart", vec![deployment("a", 2, apart("a", HOST))], 4, 3),
        ("zones apart", vec![deployment("a", 2, apart("a", ZONE))], 4, 3),
        (
            "apart from another",
            vec![deployment("a", 1, apart("b", HOST)), deployment("b", 1, json!({}))],
            3,
            2,
        ),
    ];
    for (why, objects, max, nodes) in table {
        let (_, shape) = shaped(&objects, max);
        assert_eq!((shape.nodes.len(), &shape.unmet), (nodes, &vec![]), "{why}");
    }
}

#[test]
fn what_the_cap_leaves_unmet_is_named() {
    let (_, shape) = shaped(&[deployment("a", 3, apart("a", HOST))], 2);
    assert_eq!(shape.nodes.len(), 2);
    let texts: Vec<_> =
        shape.unmet.iter().map(|u| format!("{} needs {}: {}", u.object, u.what, u.why)).collect();
    let expected = "Deployment shop/a needs nodes for 1 of its 3 Pods: required anti-affinity lets one Pod into each \
                    kubernetes.io/hostname; profile laptop has at most 2 nodes";
    assert_eq!(texts, [expected]);
    let (_, shape) = shaped(&[deployment("a", 2, apart("a", HOST))], 2);
    assert_eq!(shape.unmet.iter().map(|unmet| unmet.hinders).collect::<Vec<_>>(), [Hinders::Rollout]);
    let (_, shape) = shaped(&[deployment("a", 1, on("kubernetes.io/arch", "arm64"))], 3);
    assert_eq!((shape.nodes.len(), shape.unmet.len()), (1, 1));
    assert!(shape.unmet[0].why.starts_with("the nodes are amd64"), "{}", shape.unmet[0].why);
}

#[test]
fn a_count_without_measure_is_unmet_and_nothing_worse() {
    for count in [u32::MAX, u32::MAX - 7] {
        let (_, shape) = shaped(&[deployment("a", count, json!({})), deployment("b", count, json!({}))], 2);
        assert_eq!((shape.nodes.len(), shape.unmet.len()), (2, 2));
    }
}

#[test]
fn zones_have_production_s_names() {
    let (_, shape) = shaped(&[deployment("a", 2, with(apart("a", HOST), &spread("a", ZONE, 1)))], 3);
    let zones: Vec<_> = shape.zones.iter().map(String::as_str).collect();
    assert_eq!(zones, ["zone-a", "zone-b", "zone-c"]);
    let named = with(spread("a", ZONE, 1), &affinity(ZONE, "In", &["eu-west-1b", "eu-west-1a"]));
    let other = deployment("b", 3, spread("b", ZONE, 3));
    let (_, shape) = shaped(&[deployment("a", 2, named), other], 3);
    let (nodes, labels, unmet) = outline(&shape);
    assert_eq!((nodes, unmet), (3, vec![]));
    let region = "topology.kubernetes.io/region=eu-west-1 topology.kubernetes.io/zone=eu-west-1";
    assert_eq!(labels, [format!("{region}a"), format!("{region}b"), format!("{region}c")]);
}

#[test]
fn preferred_labels_are_offered_where_they_do_no_harm() {
    let preferred = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 10, "preference": {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["spot"]}]}},
        {"weight": 90, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}},
    ]}}});
    let (_, shape) = shaped(&[deployment("a", 1, preferred), deployment("b", 1, on("pool", "web"))], 3);
    assert_eq!(outline(&shape).1, ["disk=true pool=web"]);
}

fn tolerating(pod: Value) -> Value {
    with(pod, &json!({"tolerations": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}))
}

#[test]
fn taints_mirror_tolerations_where_nobody_else_loses_a_place() {
    let taints = |objects: &[Object], max| {
        let (_, shape) = shaped(objects, max);
        assert_eq!(shape.unmet, []);
        shape
            .nodes
            .iter()
            .map(|node| node.taints.iter().map(ToString::to_string).collect())
            .collect::<Vec<Vec<_>>>()
    };
    let none: Vec<String> = vec![];
    let db = || deployment("db", 1, tolerating(on("pool", "db")));
    let web = || deployment("web", 1, on("pool", "web"));
    assert_eq!(taints(&[db()], 3), std::slice::from_ref(&none), "the only node stays open");
    assert_eq!(taints(&[db(), web()], 3), [none.clone(), vec!["dedicated=db:NoSchedule".into()]]);
    let sharing = deployment("report", 1, on("pool", "db"));
    assert_eq!(taints(&[db(), web(), sharing], 3), [none.clone(), none.clone()], "another asks for the node");
    let wide = deployment("wide", 1, apart("wide", HOST));
    assert_eq!(taints(&[db(), web(), wide], 3), [none.clone(), none.clone()], "a rollout needs the node");
    let anywhere = deployment("any", 1, tolerating(json!({})));
    assert_eq!(taints(&[anywhere, web()], 3), [none], "a toleration alone is no wish for a node");
}

#[test]
fn capacity_takes_all_pods_at_their_peak() {
    let size = |objects: &[Object]| {
        let (_, shape) = shaped(objects, 3);
        (shape.nodes[0].cpu_cores, shape.nodes[0].memory_kib >> 20)
    };
    assert_eq!(size(&[]), (4, 8), "the profile's least");
    // Three Pods and one more while they roll: 16 CPU and 32 Gi, a quarter on top.
    assert_eq!(size(&[deployment("a", 3, requests("4", "8Gi"))]), (20, 40));
    assert_eq!(
        size(&[deployment("a", 1, requests("4", "1Gi"))]),
        (10, 8),
        "a multiple of the machine's CPUs"
    );
}

#[test]
fn memory_divides_over_the_numa_nodes() {
    let (_, shape) = shaped(&[deployment("a", 5, requests("1100m", "3333Mi"))], 1);
    let node = &shape.nodes[0];
    assert_eq!(node.memory_kib % (u64::from(node.cpu_cores / machine().cpus) * 1024), 0);
}

#[test]
fn huge_requests_are_shared_out() {
    let objects: Vec<_> = (0..100).map(|n| deployment(&format!("a{n}"), 3, requests("2", "1Gi"))).collect();
    let (needs, shape) = shaped(&objects, 3);
    assert_eq!(shape.nodes.len(), 2, "more than one kubelet takes");
    assert!(shape.nodes[0].cpu_cores < 1000, "{}", shape.nodes[0].cpu_cores);
    assert_eq!(schedule(&needs, &shape), BTreeMap::new());
}

#[test]
fn devices_are_advertised_and_said_to_be_empty() {
    let gpu =
        json!({"containers": [{"name": "c", "image": "a", "resources": {"limits": {"nvidia.com/gpu": 1}}}]});
    let (_, shape) = shaped(&[deployment("a", 2, gpu)], 1);
    assert_eq!(shape.nodes[0].extended, BTreeMap::from([("nvidia.com/gpu".to_owned(), 3)]));
    assert_eq!(outline(&shape).2, [Hinders::Function]);
}

#[test]
fn classes_namespaces_and_ranges() {
    let pod = json!({"priorityClassName": "gold", "priority": 7, "runtimeClassName": "gvisor"});
    let service = |name: &str, address: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusterIP": address},
        }))
    };
    let (_, shape) = shaped(&[deployment("a", 1, pod), service("s", "10.100.0.10")], 1);
    assert_eq!((shape.priority_classes[0].name.as_str(), shape.priority_classes[0].value), ("gold", 7));
    assert!(shape.runtime_classes.contains("gvisor") && shape.namespaces.contains("shop"));
    assert_eq!((shape.service_subnet.as_deref(), shape.pod_subnet.as_deref()), (Some("10.100.0.0/16"), None));
    let (_, shape) = shaped(&[service("s", "10.244.3.1")], 1);
    assert_eq!(shape.service_subnet.as_deref(), Some("10.244.0.0/16"));
    assert_eq!(shape.pod_subnet.as_deref(), Some("10.32.0.0/16"));
    let (_, shape) = shaped(&[service("s", "10.96.0.1"), service("t", "10.111.0.1")], 1);
    assert_eq!((shape.service_subnet.as_deref(), shape.unmet.len()), (Some("10.96.0.0/12"), 0));
    let (_, shape) = shaped(&[service("s", "10.0.0.1"), service("t", "10.111.0.1")], 1);
    assert_eq!((shape.service_subnet, shape.unmet.len()), (None, 2));
}

/// A scheduler of its own, as plain as can be: places every Pod at its peak by labels, taints and capacity, largest first,
/// on the emptiest node. Returns what found no place.
fn schedule(needs: &Requirements, shape: &Shape) -> BTreeMap<String, u32> {
    let labels: Vec<Labels> = shape.nodes.iter().map(|node| full_labels(node.index, &node.labels)).collect();
    let mut free: Vec<(u64, u64)> =
        shape.nodes.iter().map(|node| (u64::from(node.cpu_cores) * 1000, node.memory_kib * 1024)).collect();
    let mut workloads: Vec<&Workload> = needs.workloads.iter().collect();
    workloads.sort_by_key(|workload| {
        std::cmp::Reverse((workload.requests.cpu_millis, workload.requests.memory_bytes))
    });
    let mut homeless = BTreeMap::new();
    for workload in workloads {
        for _ in 0..workload.peak() {
            let (cpu, memory) = (workload.requests.cpu_millis, workload.requests.memory_bytes);
            let fits = |at: &usize| {
                workload.accepts(&labels[*at])
                    && tolerated(&shape.nodes[*at].taints, &workload.tolerations)
                    && free[*at].0 >= cpu
                    && free[*at].1 >= memory
            };
            match (0..free.len()).filter(fits).max_by_key(|at| free[*at]) {
                Some(at) => free[at] = (free[at].0 - cpu, free[at].1 - memory),
                None => *homeless.entry(workload.object.name.clone()).or_default() += 1,
            }
        }
    }
    homeless
}

fn full_labels(index: usize, set: &Labels) -> Labels {
    let mut labels = set.clone();
    labels.insert(HOST.into(), format!("node-{index}"));
    labels.insert("kubernetes.io/arch".into(), "amd64".into());
    labels.insert("kubernetes.io/os".into(), "linux".into());
    if index == 0 {
        labels.insert("node-role.kubernetes.io/control-plane".into(), String::new());
    }
    labels
}

fn pods() -> impl Strategy<Value = Value> {
    let value = prop::sample::select(vec!["web", "db", "gpu"]);
    let key = prop::sample::select(vec!["pool", "disk", ZONE]);
    let selector = (key.clone(), value.clone()).prop_map(|(key, value)| on(key, value));
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression = (key, operator, prop::collection::vec(value.clone(), 1..3))
        .prop_map(|(key, operator, values)| affinity(key, operator, &values));
    let tolerations = value.prop_map(|value| {
        json!({"nodeSelector": {"pool": value}, "tolerations": [{"key": "dedicated", "value": value}]})
    });
    let placed = prop_oneof![Just(json!({})), selector, expression, tolerations];
    (placed, 0_u32..4000, 0_u32..8000)
        .prop_map(|(pod, cpu, memory)| with(requests(&format!("{cpu}m"), &format!("{memory}Mi")), &pod))
}

fn manifests() -> impl Strategy<Value = Vec<Object>> {
    let workload = (pods(), 0_u32..5, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    prop::collection::vec(workload, 0..12).prop_map(|workloads| {
        let make = |(at, (pod, replicas, is_apart, is_spread)): (usize, (Value, u32, bool, bool))| {
            let name = format!("w{at}");
            // `affinity` of the node kind and of the Pod kind go side by side.
            let mut pod = pod;
            if is_apart {
                pod["affinity"]["podAntiAffinity"] =
                    apart(&name, HOST)["affinity"]["podAntiAffinity"].clone();
            }
            if is_spread {
                pod = with(pod, &spread(&name, ZONE, 2));
            }
            deployment(&name, replicas, pod)
        };
        workloads.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn every_pod_finds_a_node_or_is_named(objects in manifests(), max in 1_u32..5) {
        let (needs, shape) = shaped(&objects, max);
        prop_assert!(!shape.nodes.is_empty() && shape.nodes.len() <= max as usize);
        prop_assert!(shape.nodes[0].taints.is_empty());
        for (name, count) in schedule(&needs, &shape) {
            let named = shape.unmet.iter().any(|unmet| unmet.object.name == name);
            prop_assert!(named, "{count} Pods of {name} have no node and nobody says so: {shape:#?}");
        }
    }

    #[test]
    fn the_order_of_manifests_changes_nothing(objects in manifests(), max in 1_u32..4) {
        let reversed: Vec<_> = objects.iter().rev().cloned().collect();
        prop_assert_eq!(shaped(&objects, max), shaped(&reversed, max));
    }

    #[test]
    fn more_nodes_never_leave_more_unmet(objects in manifests(), max in 1_u32..4) {
        let lacking = |max: u32| {
            let needs = super::requirements::requirements(&objects, None);
            let shape = shape(&needs, &profile(max), &machine());
            shape.unmet.iter().filter(|unmet| unmet.hinders == Hinders::Start).count()
        };
        prop_assert!(lacking(6) == 0 || lacking(max) > 0);
    }
}
