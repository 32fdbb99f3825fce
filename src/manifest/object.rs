//! One Kubernetes object and where it was written.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pointer::at;

/// Group, version and kind of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// Version within the group, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// From an object's `apiVersion` and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// `group/version`, or `version` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// What tells one object from every other in a cluster. The version is left out: one object is served under several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    /// `Deployment shop/catalogue`, `Namespace shop`, `Certificate.cert-manager.io shop/tls`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let builtin = self.group.is_empty() || !self.group.contains('.') || self.group.ends_with(".k8s.io");
        write!(out, "{}", self.kind)?;
        if !builtin {
            write!(out, ".{}", self.group)?;
        }
        if self.namespace.is_empty() {
            write!(out, " {}", self.name)
        } else {
            write!(out, " {}/{}", self.namespace, self.name)
        }
    }
}

/// Where an object comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The source in `devcluster.yaml`, such as `kustomize deploy/overlays/production`.
    pub source: String,
    /// The file it was written in, where that is known.
    pub file: Option<PathBuf>,
    /// The line of its first key, from 1; 0 where it is not known.
    pub line: usize,
}

/// A Kubernetes object as production would apply it, and its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// The whole object as JSON. Always a map with `apiVersion`, `kind` and `metadata.name`.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

impl Object {
    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.text("/apiVersion"), self.text("/kind"))
    }

    /// What tells it from other objects. The namespace is as written: defaulting it is the loader's work.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.gvk().group,
            kind: self.kind().into(),
            namespace: self.namespace().into(),
            name: self.name().into(),
        }
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The text at a JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        at(&self.value, pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// The Pod template (or the Pod itself) of every kind that makes Pods: Pod, Deployment, StatefulSet, DaemonSet,
    /// ReplicaSet, ReplicationController, Job, CronJob.
    pub fn pod_template(&self) -> Option<&Value> {
        at(&self.value, self.pod_template_pointer()?)
    }

    /// The same, to be changed.
    pub fn pod_template_mut(&mut self) -> Option<&mut Value> {
        let pointer = self.pod_template_pointer()?;
        self.value.pointer_mut(pointer)
    }

    /// Whether its kind makes Pods.
    pub fn makes_pods(&self) -> bool {
        self.pod_template_pointer().is_some()
    }

    fn pod_template_pointer(&self) -> Option<&'static str> {
        let group = self.text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        match (group, self.kind()) {
            ("", "Pod") => Some(""),
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("", "ReplicationController")
            | ("batch", "Job") => Some("/spec/template"),
            ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
            _ => None,
        }
    }

    /// blake3 of the canonical JSON (keys sorted), hex.
    pub fn hash(&self) -> String {
        canonical_hash(&self.value)
    }
}

/// blake3 of a value's canonical JSON (keys sorted, no white space), as hex.
pub fn canonical_hash(value: &Value) -> String {
    // serde_json's map is ordered by key here, so its compact form is canonical.
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}
