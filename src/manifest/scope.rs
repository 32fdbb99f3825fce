//! Which kinds have namespaces, and the namespace of objects that name none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{Gvk, Object};

/// Whether a kind's objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They do not.
    Cluster,
}

/// Kubernetes' own groups (those of 1.34, and older ones that manifests still name) with their kinds that have no
/// namespace; every other kind of these groups has one.
const GROUPS: &[(&str, &[&str])] = &[
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("apps", &[]),
    ("authentication.k8s.io", &["SelfSubjectReview", "TokenReview"]),
    ("authorization.k8s.io", &["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"]),
    ("autoscaling", &[]),
    ("batch", &[]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("coordination.k8s.io", &[]),
    ("discovery.k8s.io", &[]),
    ("events.k8s.io", &[]),
    ("extensions", &["PodSecurityPolicy"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"],
    ),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// The scope of a kind of Kubernetes' own; none for others.
pub fn scope_of(gvk: &Gvk) -> Option<Scope> {
    let (_, cluster) = GROUPS.iter().find(|(group, _)| *group == gvk.group)?;
    Some(if cluster.contains(&gvk.kind.as_str()) { Scope::Cluster } else { Scope::Namespaced })
}

/// Whether a kind is one of Kubernetes' own without namespaces.
pub fn is_cluster_scoped(gvk: &Gvk) -> bool {
    scope_of(gvk) == Some(Scope::Cluster)
}

/// The scopes that CRDs among objects declare, by group and kind.
pub fn declared_scopes<'a>(
    objects: impl IntoIterator<Item = &'a Object>,
) -> BTreeMap<(String, String), Scope> {
    objects
        .into_iter()
        .filter(|object| object.kind() == "CustomResourceDefinition")
        .map(|crd| {
            let scope = if crd.text("/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
            ((crd.text("/spec/group").to_owned(), crd.text("/spec/names/kind").to_owned()), scope)
        })
        .collect()
}

/// Gives objects that name no namespace theirs, as kubectl does: `namespace` where the kind has namespaces, none (and
/// away with what is written) where it has not. Objects whose scope is not known stay as they are.
pub fn default_namespaces(objects: &mut [Object], namespace: &str, scope: impl Fn(&Gvk) -> Option<Scope>) {
    for object in objects {
        match scope(&object.gvk()) {
            Some(Scope::Namespaced) if object.namespace().is_empty() => {
                if let Some(metadata) = object.value.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("namespace".into(), namespace.into());
                }
            }
            Some(Scope::Cluster) => {
                if let Some(metadata) = object.value.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("namespace");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    fn object(value: Value) -> Object {
        Object { value, origin: Origin { source: "files a.yaml".into(), file: None, line: 1 } }
    }

    #[test]
    fn namespaces_are_filled_in_where_kinds_have_them() {
        let of = |version: &str, kind: &str, namespace: Option<&str>| {
            let mut metadata = json!({"name": "x"});
            if let Some(namespace) = namespace {
                metadata["namespace"] = namespace.into();
            }
            object(json!({"apiVersion": version, "kind": kind, "metadata": metadata}))
        };
        let mut objects = [
            of("v1", "Pod", None),
            of("v1", "Pod", Some("own")),
            of("v1", "Pod", Some("")),
            of("v1", "Namespace", Some("wrong")),
            of("rbac.authorization.k8s.io/v1", "ClusterRole", None),
            of("rbac.authorization.k8s.io/v1", "Role", None),
            of("example.com/v1", "Widget", None),
            of("example.com/v1", "Planet", None),
            of("unknown.com/v1", "Thing", None),
            object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "widgets"}, "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget"}}})),
            object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "planets"}, "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Planet"}}})),
        ];
        let declared = declared_scopes(&objects);
        let scope = |gvk: &Gvk| {
            scope_of(gvk).or_else(|| declared.get(&(gvk.group.clone(), gvk.kind.clone())).copied())
        };
        default_namespaces(&mut objects, "shop", scope);
        let found: Vec<_> = objects.iter().map(Object::namespace).collect();
        assert_eq!(found, ["shop", "own", "shop", "", "", "shop", "shop", "", "", "", ""]);
    }
}
