//! Objects and settings for this room's tests.

use serde_json::{Value, json};

use super::requirements::{Requirements, requirements};
use super::shape::{Machine, Shape, shape};
use crate::config::{MissingCrds, Nodes, Profile};
use crate::manifest::{Object, ObjectId, Origin};

/// An object as the loader would hand it over.
pub(crate) fn object(value: Value) -> Object {
    Object { value, origin: Origin { source: "test".into(), file: None, line: 0 } }
}

/// An object's id.
pub(crate) fn id(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectId {
    ObjectId { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

/// A Deployment `shop/NAME` with the Pod label `app: NAME` and one container beside what `pod` holds.
pub(crate) fn deployment(name: &str, replicas: u32, pod: Value) -> Object {
    let mut spec = json!({"containers": [{"name": "main", "image": format!("shop/{name}:1")}]});
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, pod) {
        spec.extend(more);
    }
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }))
}

/// A Pod spec that asks for a CPU and memory request.
pub(crate) fn requests(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{
        "name": "main", "image": "shop/main:1", "resources": {"requests": {"cpu": cpu, "memory": memory}},
    }]})
}

/// Required anti-affinity of an app to itself.
pub(crate) fn apart(app: &str, key: &str) -> Value {
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}},
    ]}}})
}

/// A profile with at most so many nodes of 4 CPU and 8 GiB.
pub(crate) fn profile(max: u32) -> Profile {
    Profile {
        name: "laptop".into(),
        nodes: Nodes { max, cpu: 4, memory_gib: 8 },
        missing_crds: MissingCrds::OpenSchema,
        stand_ins: true,
        stand_in_image: "devcluster/standin".into(),
        prune: true,
        recreate_immutable: false,
        snapshot_before_migrations: true,
        timeout_seconds: 300,
        metrics: true,
        ingress: true,
        load_balancer: true,
    }
}

/// Two CPUs.
pub(crate) fn machine() -> Machine {
    Machine { cpus: 2, architecture: "amd64".into() }
}

/// What objects need, and the shape that meets it with at most so many nodes.
pub(crate) fn shaped(objects: &[Object], max: u32) -> (Requirements, Shape) {
    let needs = requirements(objects, None);
    let shape = shape(&needs, &profile(max), &machine());
    (needs, shape)
}
