//! What is read from manifests, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::images::{PullPolicy, Speaks};
use super::requirements::{MissingWhy, requirements};
use super::samples::{deployment, id, object};
use super::storage::ClaimClass;
use super::workload::{ContainerDefaults, effective_requests};
use crate::manifest::Object;

fn container(cpu: &str, restart: Option<&str>) -> Value {
    let mut value = json!({"name": "c", "resources": {"requests": {"cpu": cpu}}});
    if let Some(restart) = restart {
        value["restartPolicy"] = restart.into();
    }
    value
}

#[test]
fn effective_requests_follow_the_scheduler() {
    let always = Some("Always");
    let table: &[(&str, Value, u64)] = &[
        ("containers add up", json!({"containers": [container("1", None), container("500m", None)]}), 1500),
        (
            "the largest init step counts where it is more",
            json!({"containers": [container("1", None)], "initContainers": [container("3", None), container("2", None)]}),
            3000,
        ),
        (
            "sidecars stay beside the containers",
            json!({"containers": [container("1", None)], "initContainers": [container("2", always)]}),
            3000,
        ),
        (
            "an init step runs beside the sidecars before it, not those after it",
            json!({"containers": [container("1", None)], "initContainers": [
                container("1", always), container("4", None), container("1", always),
            ]}),
            5000,
        ),
        ("limits stand for requests", json!({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}), 2000),
        (
            "overhead comes on top",
            json!({"containers": [container("1", None)], "overhead": {"cpu": "250m"}}),
            1250,
        ),
        (
            "the Pod's own requests win",
            json!({"containers": [container("1", None)], "resources": {"requests": {"cpu": "5"}}}),
            5000,
        ),
        (
            "numbers are quantities too",
            json!({"containers": [{"resources": {"requests": {"cpu": 0.5}}}]}),
            500,
        ),
        (
            "nonsense counts as nothing",
            json!({"containers": [{"resources": {"requests": {"cpu": "lots"}}}]}),
            0,
        ),
    ];
    for (why, pod, millis) in table {
        assert_eq!(effective_requests(pod, &ContainerDefaults::new()).cpu_millis, *millis, "{why}");
    }
}

#[test]
fn replicas_autoscalers_and_rolling_updates() {
    let hpa = |name: &str, min: u32, max: u32| {
        object(json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": min, "maxReplicas": max,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu"}}],
            },
        }))
    };
    let mut recreated = deployment("d", 2, json!({}));
    recreated.value["spec"]["strategy"] = json!({"type": "Recreate"});
    let mut one_down = deployment("e", 2, json!({}));
    one_down.value["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}});
    let objects = [
        deployment("a", 3, json!({})),
        deployment("b", 2, json!({})),
        deployment("c", 0, json!({})),
        recreated,
        one_down,
    ]
    .into_iter()
    .chain([hpa("b", 4, 10), hpa("c", 2, 5)])
    .collect::<Vec<_>>();
    let needs = requirements(&objects, None);
    let rows: Vec<_> = needs
        .workloads
        .iter()
        .map(|w| (w.object.name.as_str(), w.replicas, w.max_replicas, w.surge, w.rolls_by_adding))
        .collect();
    let expected = [
        ("a", 3, 3, 1, true),
        ("b", 4, 10, 3, false),
        ("c", 0, 0, 0, false),
        ("d", 2, 2, 0, false),
        ("e", 2, 2, 1, false),
    ];
    assert_eq!(rows, expected);
    assert_eq!(needs.resource_metrics.len(), 2);
    assert!(needs.custom_metrics.is_empty());
}

#[test]
fn jobs_count_their_parallel_pods() {
    let job = |spec: Value| {
        let mut value = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "shop"}, "spec": spec});
        value["spec"]["template"] = json!({"spec": {"containers": []}});
        requirements(&[object(value)], None).workloads[0].replicas
    };
    assert_eq!(job(json!({})), 1);
    assert_eq!(job(json!({"parallelism": 4})), 4);
    assert_eq!(job(json!({"parallelism": 4, "completions": 2})), 2);
    assert_eq!(job(json!({"suspend": true})), 0);
}

#[test]
fn limit_ranges_give_requests() {
    let range = object(json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]},
    }));
    let needs = requirements(&[range, deployment("a", 1, json!({}))], None);
    assert_eq!(needs.workloads[0].requests.to_string(), "1 CPU, 1 Gi");
}

#[test]
fn claims_are_named_as_kubernetes_names_them() {
    let stateful = object(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
        "spec": {
            "replicas": 2, "ordinals": {"start": 3},
            "template": {"spec": {"containers": []}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "storageClassName": "fast-ssd", "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "10Gi"}},
            }}],
        },
    }));
    let claim = object(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "share", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteMany"], "volumeMode": "Block", "resources": {"requests": {"storage": "1G"}}},
    }));
    let needs = requirements(&[stateful, claim], None);
    let rows: Vec<_> =
        needs.claims.iter().map(|c| (c.name.as_str(), c.bytes, c.class.clone(), c.block)).collect();
    let fast = || ClaimClass::Named("fast-ssd".into());
    let expected = [
        ("data-db-3", 10 << 30, fast(), false),
        ("data-db-4", 10 << 30, fast(), false),
        ("share", 1_000_000_000, ClaimClass::Default, true),
    ];
    assert_eq!(rows, expected);
    assert_eq!(needs.storage_classes[0].name, "fast-ssd");
    assert_eq!(needs.default_storage, BTreeSet::from([id("", "PersistentVolumeClaim", "shop", "share")]));
}

#[test]
fn claims_with_names_that_lead_elsewhere_or_without_number_are_not_made() {
    let stateful = |name: &str, template: &str, replicas: u32| {
        object(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "replicas": replicas, "template": {"spec": {"containers": []}},
                "volumeClaimTemplates": [{"metadata": {"name": template}, "spec": {}}],
            },
        }))
    };
    let needs = requirements(&[stateful("a", "../../data", 2), stateful("b", "data", u32::MAX)], None);
    assert_eq!(needs.claims.len(), 10_000);
    assert!(needs.claims.iter().all(|claim| claim.name.starts_with("data-b-")));
}

#[test]
fn images_with_policy_ports_and_commands() {
    let web = deployment(
        "web",
        1,
        json!({
            "initContainers": [{"name": "wait", "image": "busybox", "command": ["sh", "-c", "true"]}],
            "containers": [{
                "name": "main", "image": "eu.gcr.io/shop/web:1.2",
                "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
                "livenessProbe": {"grpc": {"port": 9090}},
                "startupProbe": {"exec": {"command": ["/bin/check"]}},
            }],
            "volumes": [{"name": "model", "image": {"reference": "eu.gcr.io/shop/model:1", "pullPolicy": "Always"}}],
        }),
    );
    let service = object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [
            {"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}, {"port": 8080},
        ]},
    }));
    let bad = deployment("bad", 1, json!({"containers": [{"name": "main", "image": "Not An Image"}]}));
    let needs = requirements(&[web, service, bad], None);
    let names: Vec<_> = needs.images.iter().map(|image| image.reference.to_string()).collect();
    assert_eq!(
        names,
        ["docker.io/library/busybox:latest", "eu.gcr.io/shop/model:1", "eu.gcr.io/shop/web:1.2"]
    );
    let [busybox, model, web] = &needs.images[..] else { panic!("three images") };
    assert!(busybox.pulls_always() && model.pulls_always() && !web.pulls_always());
    assert_eq!(web.users.first().map(|user| user.pull_policy), Some(PullPolicy::IfNotPresent));
    let of = |speaks: &[Speaks]| speaks.iter().copied().collect::<BTreeSet<_>>();
    let ports = BTreeMap::from([
        (53, of(&[Speaks::Udp])),
        (8080, of(&[Speaks::Http, Speaks::Tcp])),
        (8081, of(&[Speaks::Tcp])),
        (9090, of(&[Speaks::Grpc])),
    ]);
    assert_eq!(web.ports, ports);
    assert_eq!(web.commands, BTreeSet::from(["/bin/check".to_owned()]));
    assert_eq!(busybox.commands, BTreeSet::from(["sh".to_owned()]));
    assert_eq!(needs.bad_images.len(), 1);
    assert!(needs.bad_images[0].why.contains("Not An Image"), "{}", needs.bad_images[0].why);
}

#[test]
fn what_is_referred_to_and_missing() {
    let web = deployment(
        "web",
        1,
        json!({
            "serviceAccountName": "web",
            "imagePullSecrets": [{"name": "registry"}],
            "containers": [{"name": "main", "image": "a", "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "b", "optional": true}}},
            ], "envFrom": [{"configMapRef": {"name": "there"}}]}],
            "volumes": [
                {"name": "ca", "configMap": {"name": "kube-root-ca.crt"}},
                {"name": "tls", "secret": {"secretName": "cert", "items": [{"key": "tls.crt", "path": "x"}]}},
            ],
        }),
    );
    let there = object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there", "namespace": "shop"}}),
    );
    let certificate = object(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"secretName": "cert"},
    }));
    let needs = requirements(&[web, there, certificate], None);
    let rows: Vec<_> = needs
        .absent
        .iter()
        .map(|a| {
            (a.object.kind.as_str(), a.object.name.as_str(), a.optional, a.keys.len(), a.made_by.is_some())
        })
        .collect();
    let expected = [
        ("ConfigMap", "flags", true, 1, false),
        ("Secret", "cert", false, 1, true),
        ("Secret", "db", false, 1, false),
        ("Secret", "registry", true, 0, false),
        ("ServiceAccount", "web", false, 0, false),
    ];
    assert_eq!(rows, expected);
}

fn of_kind(api_version: &str, kind: &str) -> Object {
    object(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}}))
}

#[test]
fn kinds_that_nothing_supplies() {
    let crd = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "coupons.shop.dev"},
        "spec": {"group": "shop.dev", "names": {"kind": "Coupon"}, "versions": [
            {"name": "v1", "served": true}, {"name": "v1alpha1", "served": false},
        ]},
    }));
    let objects = [
        crd,
        of_kind("shop.dev/v1", "Coupon"),
        of_kind("shop.dev/v1alpha1", "Coupon"),
        of_kind("monitoring.coreos.com/v1", "PodMonitor"),
        of_kind("policy/v1beta1", "PodDisruptionBudget"),
        of_kind("apps/v1", "Deployment"),
    ];
    let rows = |served: Option<&super::ServedKinds>| -> Vec<(String, MissingWhy)> {
        let missing = requirements(&objects, served).missing_kinds;
        missing.iter().map(|missing| (missing.gvk.kind.clone(), missing.why)).collect()
    };
    let old = ("PodDisruptionBudget".to_owned(), MissingWhy::VersionNotServed);
    let alpha = ("Coupon".to_owned(), MissingWhy::CrdVersionNotServed);
    let monitor = ("PodMonitor".to_owned(), MissingWhy::UnknownKind);
    assert_eq!(rows(None), [monitor.clone(), old.clone(), alpha.clone()]);
    let served: super::ServedKinds = [
        ("monitoring.coreos.com", "PodMonitor"),
        ("policy", "PodDisruptionBudget"),
        ("apps", "Deployment"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ]
    .into_iter()
    .map(|(group, kind)| (group.to_owned(), kind.to_owned()))
    .collect();
    assert_eq!(rows(Some(&served)), [old, alpha]);
}

#[test]
fn ingresses_classes_addresses_and_namespaces() {
    let ingress = |name: &str, class: Option<&str>, annotation: Option<&str>| {
        let mut value = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"tls": [{"hosts": ["shop.dev"], "secretName": "tls"}], "rules": [{"host": "shop.dev", "http": {"paths": [
                {"path": "/api", "pathType": "Prefix", "backend": {"service": {"name": "api", "port": {"number": 80}}}},
            ]}}]},
        });
        if let Some(class) = class {
            value["spec"]["ingressClassName"] = class.into();
        }
        if let Some(class) = annotation {
            value["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": class});
        }
        object(value)
    };
    let service = |name: &str, spec: Value| {
        object(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "other"}, "spec": spec}),
        )
    };
    let objects = [
        ingress("a", Some("nginx"), None),
        ingress("b", None, Some("alb")),
        ingress("c", None, None),
        service(
            "lb",
            json!({"type": "LoadBalancer", "loadBalancerIP": "203.0.113.7", "ports": [{"port": 443}]}),
        ),
        service("dns", json!({"clusterIP": "10.100.0.10"})),
        service("headless", json!({"clusterIP": "None"})),
        object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})),
    ];
    let needs = requirements(&objects, None);
    let classes: Vec<_> = needs.ingress_classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(classes, ["alb", "nginx"]);
    assert_eq!(needs.default_ingress.len(), 1);
    assert_eq!(needs.ingresses[0].hosts(), BTreeSet::from(["shop.dev"]));
    assert_eq!(needs.ingresses[0].paths[0].port, "80");
    assert_eq!(needs.load_balancers[0].ports, [443]);
    let fixed: Vec<_> = needs.fixed_addresses.iter().map(|fixed| fixed.address.to_string()).collect();
    assert_eq!(fixed, ["10.100.0.10", "203.0.113.7"]);
    assert_eq!(needs.namespaces, BTreeMap::from([("other".to_owned(), 3)]));
}

#[test]
fn signature_checks_are_known_by_name() {
    let webhook = |name: &str, service: &str| {
        object(json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{"name": "x.y.z", "clientConfig": {"service": {"name": service, "namespace": "n"}}}],
        }))
    };
    let policy = |rule: Value| {
        object(json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"}, "spec": {"rules": [rule]},
        }))
    };
    let table = [
        (webhook("policy.sigstore.dev", "webhook"), Some("sigstore policy-controller")),
        (webhook("a", "connaisseur-svc"), Some("connaisseur")),
        (webhook("a", "ratify-gatekeeper-provider"), Some("ratify")),
        (webhook("ingress-nginx-admission", "ingress-nginx"), None),
        (policy(json!({"verifyImages": []})), Some("kyverno verifyImages")),
        (policy(json!({"validate": {}})), None),
    ];
    for (object, by) in table {
        let checks = requirements(&[object], None).signature_checks;
        assert_eq!(checks.first().map(|check| check.by.as_str()), by);
    }
}
