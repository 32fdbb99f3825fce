//! In which order kinds are applied: whatever others refer to comes first.

use crate::manifest::Object;

/// Objects that may be applied at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage<'a> {
    /// Its name, such as `workloads`.
    pub name: &'static str,
    /// Its objects, in the order of the manifests.
    pub objects: Vec<&'a Object>,
}

/// The stages' names, in order.
pub const STAGES: [&str; 8] = [
    "namespaces",
    "custom resource definitions",
    "cluster-wide",
    "configuration",
    "storage",
    "services and policies",
    "workloads",
    "webhooks and APIs",
];

/// The stages before this one are the ground that everything else stands on: namespaces and CRDs.
pub const FOUNDATION: usize = 2;

/// The position of an object's stage in [`STAGES`].
pub fn position(group: &str, kind: &str) -> usize {
    match (group, kind) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        ("rbac.authorization.k8s.io", "ClusterRole" | "ClusterRoleBinding")
        | ("scheduling.k8s.io", "PriorityClass")
        | ("storage.k8s.io", "StorageClass" | "CSIDriver" | "VolumeAttributesClass")
        | ("networking.k8s.io", "IngressClass" | "IPAddress" | "ServiceCIDR")
        | ("node.k8s.io", "RuntimeClass")
        | ("resource.k8s.io", "DeviceClass")
        | ("flowcontrol.apiserver.k8s.io", _)
        | ("policy", "PodSecurityPolicy")
        | ("", "Node") => 2,
        ("", "ServiceAccount" | "ConfigMap" | "Secret" | "ResourceQuota" | "LimitRange")
        | ("rbac.authorization.k8s.io", "Role" | "RoleBinding") => 3,
        ("", "PersistentVolume" | "PersistentVolumeClaim") => 4,
        ("", "Service" | "Endpoints")
        | ("discovery.k8s.io", "EndpointSlice")
        | ("networking.k8s.io", "NetworkPolicy")
        | ("policy", "PodDisruptionBudget") => 5,
        // Policies that check or change what others create come after what they would check, as production's own order of
        // installation has it: the objects of one apply are not subject to each other.
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => 7,
        _ => 6,
    }
}

/// Sorts `objects` into stages; empty ones are left out.
pub fn stages<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<Stage<'a>> {
    let mut stages: Vec<Stage<'_>> = STAGES.iter().map(|name| Stage { name, objects: Vec::new() }).collect();
    for object in objects {
        stages[position(&object.gvk().group, object.kind())].objects.push(object);
    }
    stages.retain(|stage| !stage.objects.is_empty());
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    #[test]
    fn kinds_come_after_what_they_refer_to() {
        let kinds = [
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("example.com/v1", "Widget"),
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            ("v1", "PersistentVolumeClaim"),
            ("v1", "Secret"),
            ("v1", "ServiceAccount"),
            ("storage.k8s.io/v1", "StorageClass"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("v1", "Namespace"),
            ("apiregistration.k8s.io/v1", "APIService"),
            ("batch/v1", "Job"),
            // The same kind's name in another group is another kind.
            ("serving.knative.dev/v1", "Service"),
        ];
        let objects: Vec<Object> = kinds
            .iter()
            .map(|(version, kind)| Object {
                value: json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}),
                origin: Origin { source: String::new(), file: None, line: 0 },
            })
            .collect();
        let sorted: Vec<String> = stages(&objects)
            .iter()
            .map(|stage| {
                let kinds: Vec<&str> = stage.objects.iter().map(|object| object.kind()).collect();
                format!("{}: {}", stage.name, kinds.join(" "))
            })
            .collect();
        insta::assert_snapshot!(sorted.join("\n"), @r"
        namespaces: Namespace
        custom resource definitions: CustomResourceDefinition
        cluster-wide: StorageClass ClusterRole
        configuration: Secret ServiceAccount
        storage: PersistentVolumeClaim
        services and policies: Service
        workloads: Widget Deployment Job Service
        webhooks and APIs: ValidatingWebhookConfiguration APIService
        ");
    }
}
