//! Readiness of each kind, as tables of statuses.

#![allow(clippy::needless_pass_by_value, reason = "tables of json! values read better without borrows")]

use serde_json::{Value, json};

use super::*;

fn at(time: &str) -> Rules {
    Rules { now: time.parse().unwrap(), wait_for_jobs: true, ..Rules::default() }
}

fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}});
    json_patch::merge(&mut object, &rest);
    object
}

/// `current`, `in progress`, `failed` or `terminating`, with the message.
fn said(object: &Value) -> String {
    said_at(object, "2026-01-01T00:10:00Z")
}

fn said_at(object: &Value, time: &str) -> String {
    match readiness(object, &at(time)) {
        Readiness::Current(message) => format!("current: {message}"),
        Readiness::InProgress(message) => format!("in progress: {message}"),
        Readiness::Failed(message) => format!("failed: {message}"),
        Readiness::Terminating => "terminating".into(),
    }
}

fn conditions(list: &[(&str, &str, &str)]) -> Value {
    let conditions: Vec<Value> = list
        .iter()
        .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": format!("{reason}!")}))
        .collect();
    json!(conditions)
}

/// A Deployment of `wanted` replicas with these counts: replicas, updated, ready, available.
fn deployment(wanted: i64, counts: [i64; 4], more: Value) -> Value {
    let [replicas, updated, ready, available] = counts;
    let mut object = object(
        "apps/v1",
        "Deployment",
        json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": wanted, "progressDeadlineSeconds": 600},
            "status": {"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated,
                "readyReplicas": ready, "availableReplicas": available,
                "conditions": conditions(&[
                    ("Available", "True", "MinimumReplicasAvailable"), ("Progressing", "True", "NewReplicaSetAvailable")])},
        }),
    );
    json_patch::merge(&mut object, &more);
    object
}

#[test]
fn deployments() {
    let none = json!({});
    let progressing = |reason| json!({"status": {"conditions": conditions(&[("Available", "True", "A"), ("Progressing", "True", reason)])}});
    for (object, wanted) in [
        (deployment(3, [3, 3, 3, 3], none.clone()), "current: 3 replicas ready"),
        (deployment(0, [0, 0, 0, 0], none.clone()), "current: scaled to zero"),
        (deployment(3, [2, 2, 2, 2], none.clone()), "in progress: 2 of 3 replicas updated"),
        (deployment(3, [4, 3, 3, 3], none.clone()), "in progress: 1 old replica still ending"),
        (deployment(3, [3, 3, 2, 2], none.clone()), "in progress: 2 of 3 replicas ready"),
        (deployment(3, [3, 3, 3, 1], none.clone()), "in progress: 1 of 3 replicas available"),
        (
            deployment(3, [0, 0, 0, 0], json!({"metadata": {"generation": 3}})),
            "in progress: its controller has seen generation 2 of 3",
        ),
        (
            deployment(3, [0, 0, 0, 0], json!({"status": null})),
            "in progress: its controller has not seen it yet",
        ),
        (
            deployment(1, [1, 1, 1, 1], progressing("ReplicaSetUpdated")),
            "in progress: its new ReplicaSet is not complete yet",
        ),
        (
            deployment(1, [1, 1, 0, 0], progressing("ProgressDeadlineExceeded")),
            "failed: its progress deadline is exceeded: ProgressDeadlineExceeded!",
        ),
        (
            deployment(
                1,
                [1, 1, 1, 1],
                json!({"status": {"conditions": conditions(&[("Available", "False", "A"), ("Progressing", "True", "NewReplicaSetAvailable")])}}),
            ),
            "in progress: not available yet",
        ),
        (
            deployment(
                1,
                [0, 0, 0, 0],
                json!({"status": {"conditions": conditions(&[("ReplicaFailure", "True", "FailedCreate")])}}),
            ),
            "in progress: Pods are refused: FailedCreate!",
        ),
        (
            deployment(2, [1, 0, 1, 1], json!({"spec": {"paused": true}})),
            "current: paused: its rollout waits for `kubectl rollout resume`",
        ),
        (
            deployment(1, [1, 1, 1, 1], json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
            "terminating",
        ),
        // Without a deadline the controller writes no Progressing condition.
        (
            deployment(
                1,
                [1, 1, 1, 1],
                json!({"spec": {"progressDeadlineSeconds": 2_147_483_647}, "status": {"conditions": conditions(&[("Available", "True", "A")])}}),
            ),
            "current: 1 replica ready",
        ),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}

#[test]
fn stateful_sets() {
    let set = |wanted: i64, status: Value, strategy: Value| {
        let mut object = object(
            "apps/v1",
            "StatefulSet",
            json!({"metadata": {"generation": 1}, "spec": {"replicas": wanted, "updateStrategy": strategy},
                "status": {"observedGeneration": 1, "currentRevision": "a", "updateRevision": "a"}}),
        );
        json_patch::merge(&mut object["status"], &status);
        object
    };
    let all =
        |n: i64| json!({"replicas": n, "readyReplicas": n, "availableReplicas": n, "updatedReplicas": n});
    let old = |n: i64, updated: i64| {
        let mut status = all(n);
        json_patch::merge(&mut status, &json!({"updateRevision": "b", "updatedReplicas": updated}));
        status
    };
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let on_delete = json!({"type": "OnDelete"});
    for (object, wanted) in [
        (set(3, all(3), rolling.clone()), "current: 3 replicas ready"),
        (set(3, all(1), rolling.clone()), "in progress: 1 of 3 replicas created"),
        (set(1, all(3), rolling.clone()), "in progress: 2 old replicas still ending"),
        (set(3, old(3, 1), rolling.clone()), "in progress: 1 of 3 replicas updated"),
        (
            set(3, json!({"replicas": 3, "readyReplicas": 2}), rolling.clone()),
            "in progress: 2 of 3 replicas ready",
        ),
        (
            set(3, json!({"replicas": 3, "readyReplicas": 3, "availableReplicas": 1}), rolling),
            "in progress: 1 of 3 replicas available",
        ),
        (set(3, old(3, 0), partition.clone()), "in progress: 0 of 1 replicas updated"),
        (set(3, old(3, 1), partition), "current: 3 replicas ready"),
        (set(3, old(3, 0), on_delete.clone()), "current: 3 replicas ready"),
        // kstatus calls this one current.
        (set(3, json!({"replicas": 3, "readyReplicas": 0}), on_delete), "in progress: 0 of 3 replicas ready"),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}

#[test]
fn daemon_sets_and_replica_sets() {
    let set = |counts: Option<[i64; 5]>, strategy: &str| {
        let mut object = object(
            "apps/v1",
            "DaemonSet",
            json!({"metadata": {"generation": 1}, "spec": {"updateStrategy": {"type": strategy}}, "status": {"observedGeneration": 1}}),
        );
        if let Some([desired, current, updated, ready, available]) = counts {
            json_patch::merge(
                &mut object["status"],
                &json!({
                "desiredNumberScheduled": desired, "currentNumberScheduled": current, "updatedNumberScheduled": updated,
                "numberReady": ready, "numberAvailable": available}),
            );
        }
        object
    };
    let replica_set = |status: Value| {
        object(
            "apps/v1",
            "ReplicaSet",
            json!({"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": status}),
        )
    };
    for (object, wanted) in [
        (set(Some([2, 2, 2, 2, 2]), "RollingUpdate"), "current: 2 Pods ready"),
        (set(Some([0, 0, 0, 0, 0]), "RollingUpdate"), "current: no node is meant for it"),
        (set(Some([2, 1, 1, 1, 1]), "RollingUpdate"), "in progress: 1 of 2 Pods scheduled"),
        (set(Some([2, 2, 1, 2, 2]), "RollingUpdate"), "in progress: 1 of 2 Pods updated"),
        (set(Some([2, 2, 1, 2, 2]), "OnDelete"), "current: 2 Pods ready"),
        (set(Some([2, 2, 2, 2, 1]), "RollingUpdate"), "in progress: 1 of 2 Pods available"),
        (set(None, "RollingUpdate"), "in progress: its controller has not counted its nodes yet"),
        (
            replica_set(
                json!({"observedGeneration": 1, "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
            ),
            "current: 2 replicas ready",
        ),
        (
            replica_set(json!({"observedGeneration": 1, "replicas": 1})),
            "in progress: 1 of 2 replicas created",
        ),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}

#[test]
fn jobs() {
    let job = |spec: Value, status: Value| object("batch/v1", "Job", json!({"spec": spec, "status": status}));
    let with = |kind: &str| json!({"conditions": conditions(&[(kind, "True", "Because")])});
    let running = json!({"startTime": "2026-01-01T00:00:00Z", "succeeded": 1, "failed": 2});
    for (object, wanted) in [
        (job(json!({}), with("Complete")), "current: completed"),
        (job(json!({}), with("Failed")), "failed: failed: Because!"),
        (job(json!({}), json!({})), "in progress: not started yet"),
        (
            job(json!({"completions": 3}), running.clone()),
            "in progress: 1 of 3 completions, 2 failed attempts",
        ),
        (job(json!({"suspend": true}), with("Suspended")), "current: suspended"),
        (job(json!({"suspend": true}), json!({})), "in progress: being suspended"),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
    let started = Rules { wait_for_jobs: false, ..Rules::default() };
    assert!(readiness(&job(json!({}), running), &started).is_current());
    assert!(!readiness(&job(json!({}), json!({})), &started).is_current());
}

#[test]
fn pods() {
    let pod = |phase: &str, list: &[(&str, &str, &str)], statuses: Value| {
        object(
            "v1",
            "Pod",
            json!({"status": {"phase": phase, "conditions": conditions(list), "containerStatuses": statuses}}),
        )
    };
    let waiting = |reason: &str, message: &str, restarts: i64| json!([{"name": "c", "restartCount": restarts, "state": {"waiting": {"reason": reason, "message": message}}}]);
    let here = ("PodScheduled", "True", "");
    for (object, wanted) in [
        (pod("Running", &[("Ready", "True", "")], json!([])), "current: ready"),
        (pod("Succeeded", &[], json!([])), "current: completed"),
        (
            pod("Failed", &[], json!([{"name": "c", "state": {"terminated": {"exitCode": 3}}}])),
            "failed: failed: container c exited with 3",
        ),
        (pod("Pending", &[], json!([])), "in progress: not scheduled yet"),
        (pod("Pending", &[here], json!([])), "in progress: its containers are being created"),
        (
            pod("Running", &[here], json!([{"name": "a", "ready": true}, {"name": "b", "ready": false}])),
            "in progress: container b is not ready yet",
        ),
        (
            pod("Pending", &[here], waiting("ImagePullBackOff", "manifest unknown", 0)),
            "failed: container c has an image that does not exist: manifest unknown",
        ),
        (
            pod("Pending", &[here], waiting("ErrImagePull", "dial tcp: lookup r: not found", 0)),
            "in progress: container c cannot pull its image: dial tcp: lookup r: not found",
        ),
        (
            pod("Running", &[here], waiting("CrashLoopBackOff", "", 3)),
            "in progress: container c exits again and again (3 restarts)",
        ),
        (
            pod("Running", &[here], waiting("CrashLoopBackOff", "", 4)),
            "failed: container c exits again and again (4 restarts)",
        ),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}

#[test]
fn graces_of_pods_run_from_when_the_trouble_began() {
    let pod = |condition: &str, status: &str, reason: &str, waiting: &str| {
        object(
            "v1",
            "Pod",
            json!({"status": {"phase": "Pending",
            "conditions": [{"type": condition, "status": status, "reason": reason, "message": "0/1 nodes",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": waiting}}}]}}),
        )
    };
    let unschedulable = pod("PodScheduled", "False", "Unschedulable", "");
    assert_eq!(said_at(&unschedulable, "2026-01-01T00:00:14Z"), "in progress: fits no node: 0/1 nodes");
    assert_eq!(said_at(&unschedulable, "2026-01-01T00:00:15Z"), "failed: fits no node: 0/1 nodes");
    for (reason, seconds) in
        [("CreateContainerConfigError", 10), ("ErrImageNeverPull", 10), ("CreateContainerError", 20)]
    {
        let stuck = pod("PodScheduled", "True", "", reason);
        let early = said_at(&stuck, &format!("2026-01-01T00:00:{:02}Z", seconds - 1));
        let late = said_at(&stuck, &format!("2026-01-01T00:00:{seconds:02}Z"));
        assert!(early.starts_with("in progress") && late.starts_with("failed"), "{reason}: {early}, {late}");
    }
}

#[test]
fn claims_and_addresses() {
    let claim = |phase: &str| object("v1", "PersistentVolumeClaim", json!({"status": {"phase": phase}}));
    let service = |kind: &str, status: Value| {
        object("v1", "Service", json!({"spec": {"type": kind}, "status": status}))
    };
    let address = |entry: Value| json!({"loadBalancer": {"ingress": [entry]}});
    let ingress = |status: Value| {
        object(
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"ingressClassName": "nginx"}, "status": status}),
        )
    };
    for (object, wanted) in [
        (claim("Bound"), "current: bound"),
        (claim("Pending"), "in progress: not bound to a volume yet"),
        (claim("Lost"), "failed: its volume  is gone"),
        (service("ClusterIP", json!({})), "current: exists"),
        (
            service("LoadBalancer", json!({"loadBalancer": {}})),
            "in progress: no load balancer has given it an address yet",
        ),
        (service("LoadBalancer", address(json!({"ip": "10.0.0.1"}))), "current: has an address"),
        (
            ingress(json!({"loadBalancer": {}})),
            "in progress: no controller of ingress class nginx has given it an address yet",
        ),
        (ingress(address(json!({"hostname": "localhost"}))), "current: has an address"),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
    let mut rules = at("2026-01-01T00:00:00Z");
    rules.unconsumed_claims.insert(("shop".into(), "x".into()));
    assert!(readiness(&claim("Pending"), &rules).is_current());
}

#[test]
fn what_the_platform_answers_for() {
    let of = |api: &str, kind: &str, list: &[(&str, &str, &str)]| {
        object(api, kind, json!({"status": {"conditions": conditions(list)}}))
    };
    let crd = |list: &[(&str, &str, &str)]| of("apiextensions.k8s.io/v1", "CustomResourceDefinition", list);
    let api = |list: &[(&str, &str, &str)]| of("apiregistration.k8s.io/v1", "APIService", list);
    let hpa = |list: &[(&str, &str, &str)]| of("autoscaling/v2", "HorizontalPodAutoscaler", list);
    let able = ("AbleToScale", "True", "Ready");
    for (object, wanted) in [
        (crd(&[]), "in progress: not established yet"),
        (
            crd(&[("NamesAccepted", "True", ""), ("Established", "False", "Installing")]),
            "in progress: not established yet",
        ),
        (crd(&[("NamesAccepted", "True", ""), ("Established", "True", "")]), "current: established"),
        (crd(&[("NamesAccepted", "False", "Conflict")]), "failed: its names are refused: Conflict!"),
        (api(&[]), "in progress: not looked at yet"),
        (api(&[("Available", "False", "MissingEndpoints")]), "in progress: MissingEndpoints!"),
        (api(&[("Available", "True", "")]), "current: available"),
        (hpa(&[]), "in progress: its controller has not computed it yet"),
        (
            hpa(&[able, ("ScalingActive", "False", "FailedGetResourceMetric")]),
            "current: waits for its first metrics",
        ),
        (
            hpa(&[able, ("ScalingActive", "False", "InvalidSelector")]),
            "in progress: does not scale: InvalidSelector!",
        ),
        (hpa(&[able, ("ScalingActive", "True", "")]), "current: has its metrics"),
        (hpa(&[able, ("ScalingActive", "False", "ScalingDisabled")]), "current: disabled"),
        (
            hpa(&[("AbleToScale", "False", "FailedGetScale")]),
            "in progress: cannot scale its target: FailedGetScale!",
        ),
        (object("v1", "Namespace", json!({"status": {"phase": "Active"}})), "current: active"),
        (object("v1", "Namespace", json!({"status": {"phase": "Terminating"}})), "terminating"),
        (
            object("policy/v1", "PodDisruptionBudget", json!({"metadata": {"generation": 1}})),
            "in progress: its controller has not seen it yet",
        ),
        (
            object(
                "policy/v1",
                "PodDisruptionBudget",
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}),
            ),
            "current: computed",
        ),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}

#[test]
fn custom_resources_by_their_conditions() {
    let custom = |list: &[(&str, &str, &str)]| {
        object("db.io/v1", "Cluster", json!({"status": {"conditions": conditions(list)}}))
    };
    for (object, wanted) in [
        (object("db.io/v1", "Cluster", json!({})), "current: exists"),
        (custom(&[("Ready", "True", "")]), "current: ready"),
        (custom(&[("Ready", "False", "Creating")]), "in progress: Creating!"),
        (custom(&[("Ready", "Unknown", "Creating")]), "in progress: Creating!"),
        (custom(&[("Ready", "True", ""), ("Reconciling", "True", "Rolling")]), "in progress: Rolling!"),
        (custom(&[("Ready", "False", ""), ("Stalled", "True", "Broken")]), "failed: Broken!"),
        (object("v1", "ConfigMap", json!({})), "current: exists"),
        (
            object(
                "db.io/v1",
                "Cluster",
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
            ),
            "in progress: its controller has seen generation 1 of 2",
        ),
        // A condition that speaks of an older generation says nothing about this one.
        (
            object(
                "db.io/v1",
                "Cluster",
                json!({"metadata": {"generation": 2},
                "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}}),
            ),
            "in progress: its controller has not seen its latest generation",
        ),
    ] {
        assert_eq!(said(&object), wanted, "{object}");
    }
}
