//! What every Kubernetes cluster has before anything is applied (version 1.34).

/// Groups, their served versions and kinds.
const SERVED: &[(&str, &[&str], &[&str])] = &[
    (
        "",
        &["v1"],
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &["v1"],
        &[
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["v1"], &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["v1"], &["APIService"]),
    ("apps", &["v1"], &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("authentication.k8s.io", &["v1"], &["SelfSubjectReview", "TokenRequest", "TokenReview"]),
    (
        "authorization.k8s.io",
        &["v1"],
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    ("autoscaling", &["v1", "v2"], &["HorizontalPodAutoscaler", "Scale"]),
    ("batch", &["v1"], &["CronJob", "Job"]),
    ("certificates.k8s.io", &["v1"], &["CertificateSigningRequest"]),
    ("coordination.k8s.io", &["v1"], &["Lease"]),
    ("discovery.k8s.io", &["v1"], &["EndpointSlice"]),
    ("events.k8s.io", &["v1"], &["Event"]),
    ("flowcontrol.apiserver.k8s.io", &["v1"], &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io", &["v1"], &["IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"]),
    ("node.k8s.io", &["v1"], &["RuntimeClass"]),
    ("policy", &["v1"], &["Eviction", "PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io", &["v1"], &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("resource.k8s.io", &["v1"], &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"]),
    ("scheduling.k8s.io", &["v1"], &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["v1"],
        &[
            "CSIDriver",
            "CSINode",
            "CSIStorageCapacity",
            "StorageClass",
            "VolumeAttachment",
            "VolumeAttributesClass",
        ],
    ),
];

/// Kinds without a namespace.
const CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ComponentStatus",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "SelfSubjectRulesReview",
    "ServiceCIDR",
    "StorageClass",
    "SubjectAccessReview",
    "TokenReview",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// Whether Kubernetes itself has the kind.
pub fn serves_kind(group: &str, kind: &str) -> bool {
    SERVED.iter().any(|(name, _, kinds)| *name == group && kinds.contains(&kind))
}

/// Whether Kubernetes itself has the group and serves it in that version. True for groups that are not its own.
pub fn serves_version(group: &str, version: &str) -> bool {
    SERVED
        .iter()
        .find(|(name, _, _)| *name == group)
        .is_none_or(|(_, versions, _)| versions.contains(&version))
}

/// Whether a kind of Kubernetes' own has no namespace.
pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    serves_kind(group, kind) && CLUSTER_SCOPED.contains(&kind)
}

/// Namespaces of every cluster.
pub const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Priority classes of every cluster.
pub const PRIORITY_CLASSES: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

/// The ConfigMap that every namespace has.
pub const ROOT_CA: &str = "kube-root-ca.crt";
