//! What the manifests refer to and neither contain nor get from Kubernetes: Secrets, ConfigMaps, ServiceAccounts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::workload::pod_containers;
use super::{builtin, json};
use crate::manifest::{Object, ObjectId};

/// An object that is referred to and not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Absent {
    /// What is missing.
    pub object: ObjectId,
    /// Who refers to it.
    pub users: BTreeSet<ObjectId>,
    /// The keys that are asked of it by name.
    pub keys: BTreeSet<String>,
    /// Whether every reference says that it may be missing.
    pub optional: bool,
    /// What it is used for, such as `imagePullSecrets`.
    pub used_for: BTreeSet<String>,
    /// The object in the manifests from which a controller would make it, such as a Certificate.
    pub made_by: Option<ObjectId>,
}

struct Finder<'a> {
    user: &'a Object,
    found: &'a mut BTreeMap<ObjectId, Absent>,
}

impl Finder<'_> {
    fn add(&mut self, kind: &str, name: &str, key: Option<&str>, optional: bool, used_for: &str) {
        if name.is_empty() {
            return;
        }
        let id = ObjectId {
            group: String::new(),
            kind: kind.into(),
            namespace: self.user.namespace().into(),
            name: name.into(),
        };
        let absent = self.found.entry(id.clone()).or_insert_with(|| Absent {
            object: id,
            users: BTreeSet::new(),
            keys: BTreeSet::new(),
            optional: true,
            used_for: BTreeSet::new(),
            made_by: None,
        });
        absent.users.insert(self.user.id());
        absent.keys.extend(key.filter(|key| !key.is_empty()).map(str::to_owned));
        absent.optional &= optional;
        absent.used_for.insert(used_for.to_owned());
    }

    /// A reference as `{name, key, optional}`.
    fn reference(&mut self, kind: &str, reference: Option<&Value>, used_for: &str) {
        if let Some(reference) = reference {
            let name =
                json::some_text(reference, "/name").unwrap_or_else(|| json::text(reference, "/secretName"));
            let optional = json::flag(reference, "/optional");
            self.add(kind, name, json::some_text(reference, "/key"), optional, used_for);
            for item in json::items(reference, "/items") {
                self.add(kind, name, json::some_text(item, "/key"), optional, used_for);
            }
        }
    }

    fn pod(&mut self, pod: &Value) {
        for (_, container) in pod_containers(pod) {
            for env in json::items(container, "/env") {
                self.reference("Secret", env.pointer("/valueFrom/secretKeyRef"), "environment");
                self.reference("ConfigMap", env.pointer("/valueFrom/configMapKeyRef"), "environment");
            }
            for from in json::items(container, "/envFrom") {
                self.reference("Secret", from.get("secretRef"), "environment");
                self.reference("ConfigMap", from.get("configMapRef"), "environment");
            }
        }
        for volume in json::items(pod, "/volumes") {
            self.reference("Secret", volume.get("secret"), "volume");
            self.reference("ConfigMap", volume.get("configMap"), "volume");
            for source in json::items(volume, "/projected/sources") {
                self.reference("Secret", source.get("secret"), "volume");
                self.reference("ConfigMap", source.get("configMap"), "volume");
            }
        }
        // A missing pull secret is skipped by the kubelet, so it never keeps a Pod from starting.
        for secret in json::items(pod, "/imagePullSecrets") {
            self.add("Secret", json::text(secret, "/name"), None, true, "imagePullSecrets");
        }
        let account =
            json::some_text(pod, "/serviceAccountName").unwrap_or_else(|| json::text(pod, "/serviceAccount"));
        self.add("ServiceAccount", account, None, false, "serviceAccountName");
    }
}

/// Everything referred to that is not among the objects, in order.
pub(crate) fn absent(objects: &[Object]) -> Vec<Absent> {
    let mut found = BTreeMap::new();
    for object in objects {
        let mut finder = Finder { user: object, found: &mut found };
        if let Some(pod) = object.pod_template().and_then(|template| template.get("spec")) {
            finder.pod(pod);
        }
        match object.kind() {
            "ServiceAccount" => {
                for secret in json::items(&object.value, "/imagePullSecrets") {
                    finder.add("Secret", json::text(secret, "/name"), None, true, "imagePullSecrets");
                }
            }
            "Ingress" => {
                for tls in json::items(&object.value, "/spec/tls") {
                    finder.add("Secret", json::text(tls, "/secretName"), None, true, "TLS");
                }
            }
            _ => {}
        }
    }
    let present: BTreeSet<ObjectId> = objects.iter().map(Object::id).collect();
    let made = made_by_controllers(objects);
    found.retain(|id, _| !present.contains(id) && !is_given(id));
    found
        .into_values()
        .map(|absent| Absent { made_by: made.get(&absent.object).cloned(), ..absent })
        .collect()
}

/// Whether Kubernetes makes it in every namespace.
fn is_given(id: &ObjectId) -> bool {
    matches!(
        (id.kind.as_str(), id.name.as_str()),
        ("ServiceAccount", "default") | ("ConfigMap", builtin::ROOT_CA)
    )
}

/// Secrets that well-known controllers make from objects of the manifests.
fn made_by_controllers(objects: &[Object]) -> BTreeMap<ObjectId, ObjectId> {
    let target = |object: &Object| -> Option<String> {
        let group = object.gvk().group;
        let text = |pointer: &str| json::some_text(&object.value, pointer).map(str::to_owned);
        match (group.as_str(), object.kind()) {
            ("cert-manager.io", "Certificate") => text("/spec/secretName"),
            ("external-secrets.io", "ExternalSecret") => {
                text("/spec/target/name").or_else(|| Some(object.name().to_owned()))
            }
            ("bitnami.com", "SealedSecret") => {
                text("/spec/template/metadata/name").or_else(|| Some(object.name().to_owned()))
            }
            ("secrets.hashicorp.com", _) => text("/spec/destination/name"),
            ("onepassword.com", "OnePasswordItem") => Some(object.name().to_owned()),
            _ => None,
        }
    };
    let secret = |object: &Object, name: String| ObjectId {
        group: String::new(),
        kind: "Secret".into(),
        namespace: object.namespace().into(),
        name,
    };
    let mut made: BTreeMap<_, _> = BTreeMap::new();
    for object in objects {
        if let Some(name) = target(object) {
            made.insert(secret(object, name), object.id());
        }
        let issued = object.kind() == "Ingress"
            && ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme"]
                .iter()
                .any(|name| object.annotation(name).is_some());
        if issued {
            for tls in json::items(&object.value, "/spec/tls") {
                made.insert(secret(object, json::text(tls, "/secretName").to_owned()), object.id());
            }
        }
    }
    made
}
