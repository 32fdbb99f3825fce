//! Objects that the API server accepts and nobody acts on: an empty diff would hide them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::json;
use super::reference::ImageReference;
use super::workload::pod_containers;
use crate::manifest::{Object, ObjectId};

/// What is known of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "four facts that have nothing to do with each other")]
pub struct ClusterFacts {
    /// Ingress classes that a controller answers for.
    pub ingress_classes: BTreeSet<String>,
    /// Whether an Ingress without a class is answered.
    pub default_ingress: bool,
    /// Whether CPU and memory metrics are served.
    pub metrics: bool,
    /// Whether network policies are enforced.
    pub network_policy_enforced: bool,
    /// Whether Services of type LoadBalancer get addresses.
    pub load_balancer: bool,
    /// Groups and kinds whose CRD was put in with an open schema, for want of the real one.
    pub open_schema_kinds: BTreeSet<(String, String)>,
    /// Storage provisioners and CSI drivers that answer.
    pub provisioners: BTreeSet<String>,
}

/// An object that nobody acts on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inert {
    /// The object.
    pub object: ObjectId,
    /// Who is missing.
    pub why: String,
}

/// Groups of well-known controllers: the group, who acts on its objects, and words in the path of their images.
const CONTROLLERS: &[(&str, &str, &[&str])] = &[
    ("acme.cert-manager.io", "cert-manager", &["cert-manager"]),
    ("argoproj.io", "Argo", &["argo"]),
    ("autoscaling.k8s.io", "the vertical pod autoscaler", &["vpa-", "vertical-pod-autoscaler"]),
    ("bitnami.com", "sealed-secrets", &["sealed-secrets"]),
    ("cert-manager.io", "cert-manager", &["cert-manager"]),
    ("external-secrets.io", "external-secrets", &["external-secrets"]),
    (
        "gateway.networking.k8s.io",
        "a gateway controller",
        &["gateway", "istio", "traefik", "cilium", "contour", "kong", "envoyproxy"],
    ),
    ("keda.sh", "KEDA", &["keda"]),
    ("monitoring.coreos.com", "the Prometheus operator", &["prometheus-operator"]),
    ("networking.istio.io", "Istio", &["istio"]),
    ("security.istio.io", "Istio", &["istio"]),
    ("snapshot.storage.k8s.io", "a snapshot controller", &["snapshot-controller", "csi-snapshotter"]),
    ("traefik.io", "Traefik", &["traefik"]),
];

/// The objects that nobody acts on, each with who is missing, in order.
pub fn inert(objects: &[Object], facts: &ClusterFacts) -> Vec<Inert> {
    let running = running_images(objects);
    let mut found: Vec<_> = objects
        .iter()
        .filter_map(|object| {
            let why = by_kind(object, facts).or_else(|| without_controller(object, &running))?;
            Some(Inert { object: object.id(), why })
        })
        .collect();
    found.sort();
    found
}

/// Repositories of all images that the objects run.
fn running_images(objects: &[Object]) -> BTreeSet<String> {
    let pods = objects.iter().filter_map(|object| object.pod_template()?.get("spec"));
    pods.flat_map(pod_containers)
        .filter_map(|(_, container)| json::text(container, "/image").parse::<ImageReference>().ok())
        .map(|reference| reference.repository())
        .collect()
}

fn by_kind(object: &Object, facts: &ClusterFacts) -> Option<String> {
    let group = object.gvk().group;
    if facts.open_schema_kinds.contains(&(group.clone(), object.kind().to_owned())) {
        return Some(format!(
            "its CRD is not among the manifests: {} is kept as it is, unread",
            object.kind()
        ));
    }
    match (group.as_str(), object.kind()) {
        ("networking.k8s.io", "Ingress") => ingress(object, facts),
        ("networking.k8s.io", "IngressClass") => (!facts.ingress_classes.contains(object.name()))
            .then(|| format!("no controller answers as {}", object.text("/spec/controller"))),
        ("networking.k8s.io", "NetworkPolicy") => (!facts.network_policy_enforced)
            .then(|| "the pod network enforces no network policies".to_owned()),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object, facts),
        ("", "Service") if object.text("/spec/type") == "LoadBalancer" => {
            (!facts.load_balancer).then(|| "nobody gives it an address".to_owned())
        }
        ("storage.k8s.io", "StorageClass") => provisioner(object.text("/provisioner"), facts),
        ("storage.k8s.io", "CSIDriver") => provisioner(object.name(), facts),
        ("", "PersistentVolume") => {
            json::some_text(&object.value, "/spec/csi/driver").and_then(|driver| provisioner(driver, facts))
        }
        _ => None,
    }
}

fn ingress(object: &Object, facts: &ClusterFacts) -> Option<String> {
    let class = json::some_text(&object.value, "/spec/ingressClassName")
        .or_else(|| object.annotation("kubernetes.io/ingress.class"));
    match class {
        Some(class) if facts.ingress_classes.contains(class) => None,
        Some(class) => Some(format!("no controller answers for ingress class {class}")),
        None if facts.default_ingress => None,
        None => Some("it names no ingress class and there is no default one".to_owned()),
    }
}

fn autoscaler(object: &Object, facts: &ClusterFacts) -> Option<String> {
    let metrics = json::items(&object.value, "/spec/metrics");
    let of_resource = metrics
        .iter()
        .filter(|metric| matches!(json::text(metric, "/type"), "Resource" | "ContainerResource"))
        .count();
    if of_resource == 0 && !metrics.is_empty() {
        return Some("its custom or external metrics have no source".to_owned());
    }
    (!facts.metrics).then(|| "CPU and memory metrics are not served".to_owned())
}

fn provisioner(name: &str, facts: &ClusterFacts) -> Option<String> {
    let answers = name == "kubernetes.io/no-provisioner" || facts.provisioners.contains(name);
    (!answers).then(|| format!("no provisioner answers as {name}"))
}

fn without_controller(object: &Object, running: &BTreeSet<String>) -> Option<String> {
    let group = object.gvk().group;
    let (_, who, words) = CONTROLLERS.iter().find(|(name, _, _)| *name == group)?;
    let runs = running.iter().any(|repository| words.iter().any(|word| repository.contains(word)));
    (!runs).then(|| format!("{who} does not run here"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::parity::samples::{deployment, object};

    fn facts() -> ClusterFacts {
        ClusterFacts {
            ingress_classes: BTreeSet::from(["nginx".to_owned()]),
            default_ingress: false,
            metrics: true,
            network_policy_enforced: true,
            load_balancer: true,
            open_schema_kinds: BTreeSet::from([("example.dev".to_owned(), "Widget".to_owned())]),
            provisioners: BTreeSet::from(["rancher.io/local-path".to_owned()]),
        }
    }

    fn make(api_version: &str, kind: &str, more: Value) -> Object {
        let mut value =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}});
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        object(value)
    }

    fn why(objects: &[Object], facts: &ClusterFacts) -> Option<String> {
        inert(objects, facts).into_iter().next().map(|inert| inert.why)
    }

    #[test]
    fn each_kind_with_and_without_who_acts_on_it() {
        let ingress = |spec: Value| make("networking.k8s.io/v1", "Ingress", json!({"spec": spec}));
        let metric = |kind: &str| {
            make("autoscaling/v2", "HorizontalPodAutoscaler", json!({"spec": {"metrics": [{"type": kind}]}}))
        };
        let class = |name: &str| make("storage.k8s.io/v1", "StorageClass", json!({"provisioner": name}));
        let table = [
            (ingress(json!({"ingressClassName": "nginx"})), None),
            (
                ingress(json!({"ingressClassName": "alb"})),
                Some("no controller answers for ingress class alb"),
            ),
            (ingress(json!({})), Some("it names no ingress class and there is no default one")),
            (metric("Resource"), None),
            (metric("External"), Some("its custom or external metrics have no source")),
            (class("rancher.io/local-path"), None),
            (class("kubernetes.io/no-provisioner"), None),
            (class("ebs.csi.aws.com"), Some("no provisioner answers as ebs.csi.aws.com")),
            (
                make("example.dev/v1", "Widget", json!({})),
                Some("its CRD is not among the manifests: Widget is kept as it is, unread"),
            ),
            (make("v1", "ConfigMap", json!({})), None),
            (make("cert-manager.io/v1", "Certificate", json!({})), Some("cert-manager does not run here")),
        ];
        for (object, expected) in table {
            assert_eq!(why(std::slice::from_ref(&object), &facts()).as_deref(), expected, "{}", object.value);
        }
    }

    #[test]
    fn what_the_cluster_lacks_leaves_objects_inert() {
        let poor = ClusterFacts::default();
        let objects = [
            make("networking.k8s.io/v1", "NetworkPolicy", json!({})),
            make("v1", "Service", json!({"spec": {"type": "LoadBalancer"}})),
            make("autoscaling/v2", "HorizontalPodAutoscaler", json!({})),
        ];
        for object in objects {
            assert_eq!(inert(std::slice::from_ref(&object), &facts()), [], "{}", object.value);
            assert_eq!(inert(&[object], &poor).len(), 1);
        }
    }

    #[test]
    fn a_controller_among_the_manifests_acts() {
        let image =
            json!({"containers": [{"name": "c", "image": "quay.io/jetstack/cert-manager-controller:v1"}]});
        let objects =
            [make("cert-manager.io/v1", "Certificate", json!({})), deployment("cert-manager", 1, image)];
        assert_eq!(inert(&objects, &facts()), []);
    }
}
