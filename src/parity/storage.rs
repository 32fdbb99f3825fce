//! Claims and storage classes: what volumes the manifests ask for, by the names under which they will be claimed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::json;
use super::quantity::Quantity;
use super::workload::Workload;
use crate::manifest::{Object, ObjectId, is_subdomain};

/// A volume that will be claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name; `TEMPLATE-STATEFULSET-N` where a StatefulSet makes it.
    pub name: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The storage class.
    pub class: ClaimClass,
    /// Access modes as written.
    pub access_modes: BTreeSet<String>,
    /// Whether it is a raw block device.
    pub block: bool,
    /// The volume it names itself.
    pub volume: Option<String>,
    /// The object that asks for it.
    pub object: ObjectId,
}

/// The storage class of a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimClass {
    /// The cluster's default.
    Default,
    /// None (`storageClassName: ""`): only a volume that exists already will do.
    None,
    /// This one.
    Named(String),
}

/// A storage class that is asked for or among the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClassNeed {
    /// Its name.
    pub name: String,
    /// Its provisioner, where the manifests hold the class themselves.
    pub provisioner: Option<String>,
    /// Whether the manifests make it the default.
    pub default: bool,
    /// Access modes asked of it.
    pub access_modes: BTreeSet<String>,
    /// Whether block devices are asked of it.
    pub block: bool,
    /// Who asks.
    pub users: BTreeSet<ObjectId>,
}

/// A Pod's volume that only a driver or server outside Kubernetes can provide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignVolume {
    /// The object whose Pods mount it, or the PersistentVolume.
    pub object: ObjectId,
    /// The volume's name.
    pub volume: String,
    /// Its type, with the CSI driver's name, such as `csi secrets-store.csi.k8s.io`.
    pub kind: String,
}

/// So many claims a template of a StatefulSet has at most: more Pods than any number of nodes on one machine can run. A count
/// that was mistyped does not cost all memory.
const MOST_CLAIMS: u32 = 10_000;

/// Every PVC, and every StatefulSet's claims for all the replicas there can be, in order.
pub(crate) fn claims(objects: &[Object], workloads: &[Workload]) -> Vec<Claim> {
    let replicas: BTreeMap<&ObjectId, u32> =
        workloads.iter().map(|workload| (&workload.object, workload.max_replicas)).collect();
    let mut claims = Vec::new();
    for object in objects {
        match (object.gvk().group.as_str(), object.kind()) {
            ("", "PersistentVolumeClaim") => claims.push(claim(object, object.name().into(), &object.value)),
            ("apps", "StatefulSet") => {
                let count = replicas.get(&object.id()).copied().unwrap_or(1);
                for template in json::items(&object.value, "/spec/volumeClaimTemplates") {
                    claims.extend(
                        template_claims(object, template, count).map(|name| claim(object, name, template)),
                    );
                }
            }
            _ => {}
        }
    }
    // What no API server takes never becomes a claim, nor a directory.
    claims.retain(|claim| is_subdomain(&claim.namespace) && is_subdomain(&claim.name));
    claims.sort();
    claims
}

/// The names of the claims that a StatefulSet of so many replicas makes of one of its templates.
pub fn template_claims(object: &Object, template: &Value, replicas: u32) -> impl Iterator<Item = String> {
    let first = json::count(&object.value, "/spec/ordinals/start").unwrap_or(0);
    let base = format!("{}-{}", json::text(template, "/metadata/name"), object.name());
    (0..replicas.min(MOST_CLAIMS)).map(move |n| format!("{base}-{}", first.saturating_add(n)))
}

fn claim(object: &Object, name: String, value: &Value) -> Claim {
    let size = value.pointer("/spec/resources/requests/storage").map(Quantity::from_json);
    Claim {
        namespace: object.namespace().into(),
        name,
        bytes: size.and_then(Result::ok).map(Quantity::units).unwrap_or_default(),
        class: class(value),
        access_modes: json::list(value, "/spec/accessModes").into_iter().collect(),
        block: json::text(value, "/spec/volumeMode") == "Block",
        volume: json::some_text(value, "/spec/volumeName").map(str::to_owned),
        object: object.id(),
    }
}

fn class(claim: &Value) -> ClaimClass {
    let legacy = claim
        .get("metadata")
        .and_then(|meta| meta.get("annotations")?.get("volume.beta.kubernetes.io/storage-class")?.as_str());
    match legacy.or_else(|| claim.pointer("/spec/storageClassName").and_then(Value::as_str)) {
        None => ClaimClass::Default,
        Some("") => ClaimClass::None,
        Some(name) => ClaimClass::Named(name.to_owned()),
    }
}

/// The storage classes asked for by claims, by generic ephemeral volumes and by PersistentVolumes, or supplied; and who
/// asks for the default one.
pub(crate) fn storage_classes(
    objects: &[Object],
    claims: &[Claim],
) -> (Vec<StorageClassNeed>, BTreeSet<ObjectId>) {
    let mut found: BTreeMap<String, StorageClassNeed> = BTreeMap::new();
    let mut default_users = BTreeSet::new();
    for object in objects.iter().filter(|object| object.kind() == "StorageClass") {
        let default = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ]
        .iter()
        .any(|name| object.annotation(name) == Some("true"));
        let need = found.entry(object.name().into()).or_default();
        need.provisioner = Some(object.text("/provisioner").into());
        need.default = default;
    }
    let ephemeral = objects.iter().flat_map(|object| {
        let pod = object.pod_template().and_then(|template| template.get("spec"));
        pod.into_iter()
            .flat_map(|pod| json::items(pod, "/volumes"))
            .filter_map(|volume| volume.pointer("/ephemeral/volumeClaimTemplate"))
            .map(|template| claim(object, String::new(), template))
    });
    for claim in claims.iter().cloned().chain(ephemeral) {
        match claim.class {
            ClaimClass::None => {}
            ClaimClass::Default => {
                default_users.insert(claim.object);
            }
            ClaimClass::Named(name) => {
                let need = found.entry(name).or_default();
                need.users.insert(claim.object);
                need.access_modes.extend(claim.access_modes);
                need.block |= claim.block;
            }
        }
    }
    let classes = found.into_iter().map(|(name, need)| StorageClassNeed { name, ..need }).collect();
    (classes, default_users)
}

/// Volume types that Kubernetes' own programs provide on any node.
const OWN_VOLUMES: &[&str] = &[
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "hostPath",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "local",
];

/// Volumes that need something outside: CSI drivers, NFS and cloud disks.
pub(crate) fn foreign_volumes(objects: &[Object]) -> Vec<ForeignVolume> {
    let mut found = Vec::new();
    for object in objects {
        let pod = object.pod_template().and_then(|template| template.get("spec"));
        for volume in pod.into_iter().flat_map(|pod| json::items(pod, "/volumes")) {
            let kind = json::entries(volume, "").find(|(key, _)| *key != "name" && !is_own(key));
            found.extend(
                kind.map(|(kind, source)| foreign(object, json::text(volume, "/name"), kind, source)),
            );
        }
        if object.kind() == "PersistentVolume" {
            let kind = json::entries(&object.value, "/spec")
                .find(|(key, source)| source.is_object() && !is_own(key) && is_source(key));
            found.extend(kind.map(|(kind, source)| foreign(object, object.name(), kind, source)));
        }
    }
    found.sort();
    found
}

fn is_own(kind: &str) -> bool {
    OWN_VOLUMES.contains(&kind)
}

/// Whether a key of a PersistentVolume's spec is its source.
fn is_source(key: &str) -> bool {
    !matches!(key, "capacity" | "claimRef" | "nodeAffinity")
}

fn foreign(object: &Object, volume: &str, kind: &str, source: &Value) -> ForeignVolume {
    let driver = json::some_text(source, "/driver").map(|driver| format!(" {driver}")).unwrap_or_default();
    ForeignVolume { object: object.id(), volume: volume.to_owned(), kind: format!("{kind}{driver}") }
}
