//! Objects that stand beside production's, so that what production's refer to is there: classes, namespaces, volumes on
//! the host, metrics, an ingress controller, and CRDs that are missing. Pure; they are applied and remembered as
//! production's are, and never bear production's names except where production expects it.

use serde_json::{Value, json};

use super::provider::VOLUMES_ON_NODE;
use crate::config::Profile;
use crate::manifest::{Object, Origin};
use crate::parity::{Claim, ClaimClass, Requirements};

/// Who made an object that is not production's.
pub const SOURCE: &str = "devcluster";

/// The storage class that kind makes the default.
const DEFAULT_CLASS: &str = "standard";

/// The provisioner that kind brings.
const PROVISIONER: &str = "rancher.io/local-path";

const METRICS: &str = include_str!("addons/metrics-server.yaml");
const INGRESS: &str = include_str!("addons/ingress.yaml");

/// Everything to stand beside production's objects.
pub fn supply(requirements: &Requirements, profile: &Profile) -> Vec<Object> {
    let mut values: Vec<Value> = Vec::new();
    for name in requirements.namespaces.keys() {
        values.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    for class in &requirements.priority_classes {
        let value = class.value.unwrap_or(0);
        values.push(json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": class.name},
            "value": value, "description": "stands in for production's",
        }));
    }
    for name in requirements.runtime_classes.keys() {
        values.push(json!({
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc",
        }));
    }
    for class in requirements.storage_classes.iter().filter(|class| class.provisioner.is_none()) {
        if class.name != DEFAULT_CLASS {
            values.push(json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class.name},
                "provisioner": PROVISIONER, "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete",
                "allowVolumeExpansion": true,
            }));
        }
    }
    values.extend(requirements.claims.iter().filter(|claim| is_hosted(claim)).map(volume));
    if profile.metrics && !requirements.resource_metrics.is_empty() {
        values.extend(documents(METRICS));
    }
    if profile.ingress && !requirements.ingresses.is_empty() {
        values.extend(ingress(requirements));
    }
    values.into_iter().map(object).collect()
}

fn object(value: Value) -> Object {
    Object { value, origin: Origin { source: SOURCE.into(), file: None, line: 0 } }
}

/// The documents of an embedded file. They are ours, and a test reads them all: of one that is broken there would be no end.
fn documents(text: &'static str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map_while(|document| serde::Deserialize::deserialize(document).ok())
        .filter(|value: &Value| !value.is_null())
        .collect()
}

/// Whether a claim's data is kept on the host: block devices and volumes named by the claim itself are not ours to make.
pub fn is_hosted(claim: &Claim) -> bool {
    !claim.block && claim.volume.is_none() && claim.class != ClaimClass::None
}

/// Where a claim's data is, below the volumes directory.
pub fn volume_path(claim: &Claim) -> String {
    format!("{}/{}", claim.namespace, claim.name)
}

/// The volume's name: readable, and different for `a-b/c` and `a/b-c`.
pub fn volume_name(claim: &Claim) -> String {
    let hash = blake3::hash(volume_path(claim).as_bytes()).to_hex();
    let readable: String = format!("{}-{}", claim.namespace, claim.name).chars().take(200).collect();
    format!("{}-{}", readable.trim_end_matches(['-', '.']), &hash[..6])
}

/// A volume on the host, found again by namespace and claim whatever cluster or node asks. It is bound to its claim
/// beforehand, so neither provisioner nor node choice comes into it; every node sees the same directory.
fn volume(claim: &Claim) -> Value {
    let class = match &claim.class {
        ClaimClass::Named(name) => name.as_str(),
        ClaimClass::Default | ClaimClass::None => DEFAULT_CLASS,
    };
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim)},
        "spec": {
            "capacity": {"storage": claim.bytes.to_string()},
            "accessModes": claim.access_modes,
            "storageClassName": class,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace, "name": claim.name,
            },
            "hostPath": {"path": format!("{VOLUMES_ON_NODE}/{}", volume_path(claim)), "type": "Directory"},
        },
    })
}

/// The controller, and the classes that production refers to without bringing them.
fn ingress(requirements: &Requirements) -> Vec<Value> {
    let brought = requirements.ingress_classes.iter().find_map(|class| class.controller.as_deref());
    let controller = brought.unwrap_or_else(|| {
        let nginx = requirements.ingress_classes.iter().any(|class| class.name.contains("nginx"));
        if nginx { "k8s.io/ingress-nginx" } else { "devcluster.dev/ingress" }
    });
    let class = requirements.ingress_classes.first().map_or("default", |class| class.name.as_str());
    let mut values: Vec<Value> = requirements
        .ingress_classes
        .iter()
        .filter(|class| class.controller.is_none())
        .map(|class| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {"name": class.name}, "spec": {"controller": controller},
            })
        })
        .collect();
    if requirements.ingress_classes.is_empty() || !requirements.default_ingress.is_empty() {
        let default = requirements.ingress_classes.iter().any(|class| class.default);
        if !default {
            values.push(json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {
                    "name": "default",
                    "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
                },
                "spec": {"controller": controller},
            }));
        }
    }
    let mut own = documents(INGRESS);
    for document in &mut own {
        fill(document, &[("@CLASS@", class), ("@CONTROLLER@", controller)]);
    }
    values.extend(own);
    values
}

/// Puts names into a document's texts once it is read, so that no name of a manifest is taken for YAML.
fn fill(value: &mut Value, names: &[(&str, &str)]) {
    match value {
        Value::String(text) => {
            *text = names.iter().fold(std::mem::take(text), |text, (place, name)| text.replace(place, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, names)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_into_texts_and_are_no_yaml() {
        let mut value = json!({"args": ["--class=@CLASS@", "@CLASS@ of @CONTROLLER@"], "n": 1});
        fill(&mut value, &[("@CLASS@", "\0\n---\na: b"), ("@CONTROLLER@", "c")]);
        assert_eq!(value, json!({"args": ["--class=\0\n---\na: b", "\0\n---\na: b of c"], "n": 1}));
    }

    #[test]
    fn the_embedded_manifests_are_whole() {
        for (text, least) in [(METRICS, 8), (INGRESS, 5)] {
            let documents = documents(text);
            assert!(documents.len() >= least, "{} documents", documents.len());
            assert!(documents.iter().all(|value| value["metadata"]["name"].is_string()));
        }
    }

    #[test]
    fn names_of_volumes_do_not_meet() {
        let claim = |namespace: &str, name: &str| Claim {
            namespace: namespace.into(),
            name: name.into(),
            bytes: 1 << 30,
            class: ClaimClass::Default,
            access_modes: std::iter::once("ReadWriteOnce".to_owned()).collect(),
            block: false,
            volume: None,
            object: crate::manifest::ObjectId {
                group: String::new(),
                kind: "PersistentVolumeClaim".into(),
                namespace: namespace.into(),
                name: name.into(),
            },
        };
        assert_ne!(volume_name(&claim("a-b", "c")), volume_name(&claim("a", "b-c")));
        let made = volume(&claim("shop", "data"));
        assert_eq!(made["spec"]["storageClassName"], "standard");
        assert_eq!(made["spec"]["capacity"]["storage"], "1073741824");
        assert_eq!(made["spec"]["hostPath"]["path"], "/var/devcluster/volumes/shop/data");
    }
}
