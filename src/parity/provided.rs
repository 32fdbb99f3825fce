//! What the cluster provides so that the manifests stand as they are, for the report.

use std::collections::BTreeSet;

use serde::Serialize;

use super::quantity::bytes_text;
use super::requirements::Requirements;
use super::shape::Shape;
use crate::words::counted;

/// Something that the cluster provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provided {
    /// What.
    pub what: String,
    /// How, and what it is for.
    pub how: String,
}

/// Everything that a cluster of this shape provides for these requirements, the nodes first.
pub fn provided(requirements: &Requirements, shape: &Shape) -> Vec<Provided> {
    let mut all = Vec::new();
    let mut add = |what: String, how: String| all.push(Provided { what, how });
    nodes(requirements, shape, &mut add);
    for class in &shape.storage_classes {
        let how = match &class.provisioner {
            Some(provisioner) => format!("the manifests' own; its provisioner {provisioner} is answered for"),
            None => "added under its own name".to_owned(),
        };
        add(format!("storage class {}", class.name), how);
    }
    if !shape.claims.is_empty() {
        let what = counted(shape.claims.len(), "volume");
        add(what, "kept on the host by namespace and claim, found again by the next cluster".into());
    }
    for class in &shape.ingress_classes {
        let how = match &class.controller {
            Some(controller) => format!("the manifests' own; answered in place of {controller}"),
            None => "added and answered".to_owned(),
        };
        let default = if class.default { ", the default" } else { "" };
        add(format!("ingress class {}{default}", class.name), how);
    }
    for service in &shape.load_balancers {
        add(
            format!("load balancer {}/{}", service.namespace, service.name),
            "an address of this machine".into(),
        );
    }
    for class in &shape.priority_classes {
        add(format!("priority class {}", class.name), format!("added with value {}", class.value));
    }
    for class in &shape.runtime_classes {
        add(format!("runtime class {class}"), "added; the ordinary runtime stands behind it".into());
    }
    for namespace in &shape.namespaces {
        let objects = requirements.namespaces.get(namespace).copied().unwrap_or_default();
        add(format!("namespace {namespace}"), format!("added for {}", counted(objects, "object")));
    }
    for registry in &shape.always_registries {
        add(
            format!("registry {registry}"),
            "a mirror answers, for containers that pull at every start".into(),
        );
    }
    if shape.metrics {
        let what = counted(requirements.resource_metrics.len(), "autoscaler");
        add("CPU and memory metrics".into(), format!("served for {what}"));
    }
    if let Some(range) = &shape.service_subnet {
        add(format!("Service addresses {range}"), "for addresses that the manifests fix".into());
    }
    all
}

fn nodes(requirements: &Requirements, shape: &Shape, add: &mut impl FnMut(String, String)) {
    let Some(first) = shape.nodes.first() else { return };
    let pods: u64 = requirements.workloads.iter().map(|workload| u64::from(workload.peak())).sum();
    let memory = bytes_text(first.memory_kib.saturating_mul(1024));
    add(
        counted(shape.nodes.len(), "node"),
        format!(
            "each shows {} CPU and {memory}; at their peak {pods} Pods request {}",
            first.cpu_cores, requirements.total
        ),
    );
    for node in &shape.nodes {
        let labels: Vec<String> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if !labels.is_empty() {
            add(format!("labels of {}", node.suffix), labels.join(", "));
        }
        let taints: Vec<String> = node.taints.iter().map(ToString::to_string).collect();
        if !taints.is_empty() {
            add(format!("taints of {}", node.suffix), taints.join(", "));
        }
        let devices: Vec<String> =
            node.extended.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if !devices.is_empty() {
            add(format!("devices of {}", node.suffix), format!("{}, advertised only", devices.join(", ")));
        }
    }
    let zones: Vec<&str> =
        shape.zones.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    if !zones.is_empty() {
        add(counted(zones.len(), "zone"), zones.join(", "));
    }
}
