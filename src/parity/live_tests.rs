//! Live Pods as clusters really hold them, against their templates.

use serde_json::{Value, json};

use super::live::{Rule, pod_differences};

/// A template as production writes one.
fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [{
                "name": "web", "image": "eu.gcr.io/shop/web:1.2",
                "env": [{"name": "EMPTY", "value": ""}, {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"port": 8080}},
                "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            }],
            "hostNetwork": false,
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}],
        },
    })
}

/// The Pod that a cluster of version 1.34 makes of it.
fn pod() -> Value {
    let token = "kube-api-access-x7k2p";
    json!({
        "metadata": {
            "name": "web-5d8f-abcde", "namespace": "shop", "uid": "1",
            "labels": {"app": "web", "pod-template-hash": "5d8f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d8f"}],
        },
        "spec": {
            "containers": [{
                "name": "web", "image": "eu.gcr.io/shop/web:1.2", "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "EMPTY"}, {"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {
                    "failureThreshold": 3, "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                    "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1,
                },
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true},
                ],
            }],
            "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "nodeName": "kind-worker",
            "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "restartPolicy": "Always",
            "schedulerName": "default-scheduler", "securityContext": {}, "serviceAccount": "default",
            "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {"key": "dedicated", "operator": "Exists"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "config", "configMap": {"name": "web", "defaultMode": 420}},
                {"name": token, "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}},
            ],
        },
        "status": {"phase": "Running"},
    })
}

/// What differs beyond an ordinary Pod, after a change to it.
fn after(change: impl FnOnce(&mut Value)) -> Vec<(String, Rule)> {
    let ordinary = pod_differences(&template(), &pod());
    let mut changed = pod();
    change(&mut changed);
    pod_differences(&template(), &changed)
        .into_iter()
        .filter(|difference| !ordinary.contains(difference))
        .map(|difference| (difference.pointer, difference.rule))
        .collect()
}

#[test]
fn an_ordinary_pod_is_explained_throughout() {
    let differences = pod_differences(&template(), &pod());
    let of = |rule: Rule| differences.iter().filter(|difference| difference.rule == rule).count();
    assert_eq!(of(Rule::Unexplained), 0, "{differences:#?}");
    assert_eq!(of(Rule::Scheduler), 1);
    assert_eq!(of(Rule::Controller), 1);
    assert_eq!(of(Rule::DefaultTolerationSeconds), 2);
    assert_eq!(of(Rule::Priority), 2);
    assert_eq!(of(Rule::ServiceAccount), 4);
    assert!(differences.iter().any(|d| d.pointer == "/spec/containers/0/readinessProbe/httpGet/path"));
}

#[test]
fn label_keys_of_a_spread_constraint_become_requirements() {
    let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "matchLabelKeys": ["pod-template-hash"],
        "labelSelector": {"matchLabels": {"app": "web"}}});
    let template = json!({"spec": {"topologySpreadConstraints": [constraint]}});
    let with = |key: &str| {
        let mut pod = template.clone();
        pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"] =
            json!([{"key": key, "operator": "In", "values": ["5d"]}]);
        pod_differences(&template, &pod).iter().map(|difference| difference.rule).collect::<Vec<_>>()
    };
    assert!(with("pod-template-hash").iter().all(|rule| *rule == Rule::Defaulting));
    assert!(with("other").iter().all(|rule| *rule == Rule::Unexplained));
}

#[test]
fn a_pod_like_its_template_has_no_differences() {
    assert_eq!(pod_differences(&template(), &template()), []);
}

type Expected = Vec<(String, Rule)>;

#[test]
fn changes_by_known_hands() {
    let one = |pointer: &str, rule| vec![(pointer.to_owned(), rule)];
    let table: Vec<(&str, Expected, Expected)> = vec![
        (
            "a sidecar",
            after(|pod| {
                push(pod, "/spec/containers", json!({"name": "istio-proxy", "image": "istio/proxy:1"}));
            }),
            one("/spec/containers/1", Rule::AdmissionWebhook),
        ),
        (
            "a variable",
            after(|pod| push(pod, "/spec/containers/0/env", json!({"name": "AWS_ROLE_ARN", "value": "x"}))),
            one("/spec/containers/0/env/2", Rule::AdmissionWebhook),
        ),
        (
            "kubectl debug",
            after(|pod| {
                pod["spec"]["ephemeralContainers"] = json!([{"name": "debugger", "image": "busybox"}]);
            }),
            one("/spec/ephemeralContainers", Rule::Debug),
        ),
        (
            "pull secrets of the ServiceAccount",
            after(|pod| pod["spec"]["imagePullSecrets"] = json!([{"name": "registry"}])),
            one("/spec/imagePullSecrets", Rule::ServiceAccount),
        ),
        (
            "a swapped image",
            after(|pod| {
                pod["spec"]["containers"][0]["image"] = "eu.gcr.io/shop/web:dev-1".into();
                pod["metadata"]["managedFields"] = json!([{"manager": "devcluster-swap", "fieldsV1": {
                    "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}},
                }}]);
            }),
            one("/spec/containers/0/image", Rule::DevSwap),
        ),
    ];
    for (why, found, expected) in table {
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn changes_by_unknown_hands() {
    let one = |pointer: &str| vec![(pointer.to_owned(), Rule::Unexplained)];
    let image = after(|pod| pod["spec"]["containers"][0]["image"] = "eu.gcr.io/shop/web:evil".into());
    assert_eq!(image, one("/spec/containers/0/image"));
    let policy = after(|pod| pod["spec"]["containers"][0]["imagePullPolicy"] = "Never".into());
    assert_eq!(policy, one("/spec/containers/0/imagePullPolicy"));
    let requests =
        after(|pod| pod["spec"]["containers"][0]["resources"]["requests"] = json!({"cpu": "100m"}));
    assert_eq!(requests, one("/spec/containers/0/resources/requests/cpu"));
    let label = after(|pod| pod["metadata"]["labels"]["who"] = "me".into());
    assert_eq!(label, one("/metadata/labels/who"));
    let grace = after(|pod| pod["spec"]["terminationGracePeriodSeconds"] = 1.into());
    assert_eq!(grace, one("/spec/terminationGracePeriodSeconds"));
    let gone = after(|pod| {
        pod["spec"]["tolerations"].as_array_mut().map(|all| all.remove(0));
    });
    assert!(gone.contains(&("/spec/tolerations/0".to_owned(), Rule::Unexplained)), "{gone:?}");
}

#[test]
fn limit_ranges_fill_in_resources() {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}]}});
    let pod = json!({
        "metadata": {"annotations": {"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container a"}},
        "spec": {"containers": [{"name": "a", "image": "a:1", "resources": {"requests": {"cpu": "100m"}}}]},
    });
    let differences = pod_differences(&template, &pod);
    assert!(differences.iter().all(|difference| difference.rule == Rule::LimitRange), "{differences:?}");
    assert_eq!(differences.len(), 2);
}

#[test]
fn controllers_sign_their_pods() {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}]}});
    let stateful = json!({
        "metadata": {
            "name": "db-0", "ownerReferences": [{"kind": "StatefulSet"}],
            "labels": {"apps.kubernetes.io/pod-index": "0", "statefulset.kubernetes.io/pod-name": "db-0"},
        },
        "spec": {
            "hostname": "db-0", "subdomain": "db", "containers": [{"name": "a", "image": "a:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}],
        },
    });
    let daemon = json!({
        "metadata": {"ownerReferences": [{"kind": "DaemonSet"}], "labels": {"pod-template-generation": "1"}},
        "spec": {
            "containers": [{"name": "a", "image": "a:1"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]},
            ]}}},
            "tolerations": [{"key": "node.kubernetes.io/disk-pressure", "operator": "Exists", "effect": "NoSchedule"}],
        },
    });
    for pod in [stateful, daemon] {
        let differences = pod_differences(&template, &pod);
        assert!(!differences.is_empty());
        assert!(differences.iter().all(|difference| difference.rule == Rule::Controller), "{differences:?}");
    }
}

fn push(pod: &mut Value, pointer: &str, item: Value) {
    pod.pointer_mut(pointer).and_then(Value::as_array_mut).expect("a list").push(item);
}
