//! The sentences for what goes wrong, and the whole text.

#![allow(clippy::needless_pass_by_value, reason = "tables of json! values read better without borrows")]

use serde_json::json;

use super::*;

fn id(kind: &str, name: &str) -> ObjectId {
    let group = if kind == "Deployment" { "apps" } else { "" };
    ObjectId { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
}

/// A Deployment with one Pod.
fn subject(pod: Value) -> Subject {
    let mut pod = pod;
    pod["kind"] = "Pod".into();
    json_patch::merge(
        &mut pod,
        &json!({"metadata": {"namespace": "shop", "name": "web-1", "uid": "pod",
        "ownerReferences": [{"uid": "web", "controller": true}]}}),
    );
    let web = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "shop", "uid": "web"}});
    let objects = [pod];
    Subject::new(id("Deployment", "web"), Some(&web), "0 of 1 replicas ready".into(), &Owned::new(&objects))
}

fn event(reason: &str, message: &str, uid: &str) -> Value {
    json!({"metadata": {"name": reason}, "type": "Warning", "reason": reason, "message": message, "count": 3,
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "involvedObject": {"uid": uid, "kind": "Pod", "name": "web-1", "namespace": "shop"}})
}

fn reason(pod: Value, events: &[Value], logs: &[(bool, &[&str])]) -> String {
    conclude(&subject(pod), events, log(logs), "2026-01-01T00:00:30Z".parse().unwrap()).reason
}

fn log(logs: &[(bool, &[&str])]) -> Vec<ContainerLog> {
    logs.iter()
        .map(|(previous, lines)| ContainerLog {
            pod: "web-1".into(),
            container: "c".into(),
            previous: *previous,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        })
        .collect()
}

fn crash(last: Value, restarts: i64) -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "web:1", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": restarts,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": last}}]}})
}

#[test]
fn crashes() {
    let ended = |code: i64, reason: &str, finished: &str| json!({"exitCode": code, "reason": reason, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": finished});
    let at_once = "2026-01-01T00:00:00Z";
    assert_eq!(
        reason(
            crash(ended(1, "Error", at_once), 5),
            &[],
            &[(false, &["later"]), (true, &["starting", "panic: no database"])]
        ),
        "container c of Pod shop/web-1 exits with 1 after less than 1 s, 6 times: panic: no database"
    );
    assert_eq!(
        reason(crash(ended(137, "OOMKilled", "2026-01-01T00:00:42Z"), 1), &[], &[]),
        "container c of Pod shop/web-1 is killed for using more memory than its limit of 64Mi after 42 s, 2 times"
    );
    let events = [
        event("Killing", "Container c failed liveness probe, will be restarted", "pod"),
        event("Unhealthy", "Liveness probe failed: Get \"http://10.0.0.1/\": connection refused", "pod"),
    ];
    assert_eq!(
        reason(crash(ended(137, "Error", "2026-01-01T00:05:00Z"), 2), &events, &[]),
        "container c of Pod shop/web-1 is restarted by its liveness probe after 5 min, 3 times: \
         Get \"http://10.0.0.1/\": connection refused"
    );
    assert_eq!(
        reason(
            crash(
                json!({"exitCode": 128, "reason": "StartError", "message": "exec: \"serve\": not found"}),
                2
            ),
            &[],
            &[]
        ),
        "container c of Pod shop/web-1 cannot be started: exec: \"serve\": not found"
    );
    assert_eq!(
        reason(crash(ended(0, "Completed", at_once), 3), &[], &[]),
        "container c of Pod shop/web-1 exits with 0 after less than 1 s, 4 times"
    );
}

fn waiting(why: &str, message: &str) -> Value {
    json!({"spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "web:1"}]},
        "status": {"phase": "Pending", "containerStatuses": [
            {"name": "c", "state": {"waiting": {"reason": why, "message": message}}}]}})
}

#[test]
fn images() {
    let pulled = event(
        "Failed",
        "Failed to pull image \"web:1\": rpc error: code = NotFound desc = web:1: not found",
        "pod",
    );
    assert_eq!(
        reason(waiting("ImagePullBackOff", "Back-off pulling image \"web:1\": not found"), &[pulled], &[]),
        "image web:1 of container c in Pod shop/web-1 does not exist: web:1: not found"
    );
    assert_eq!(
        reason(waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"), &[], &[]),
        "image web:1 of container c in Pod shop/web-1 cannot be pulled: dial tcp 10.0.0.1:443: i/o timeout"
    );
    assert_eq!(
        reason(waiting("ErrImageNeverPull", "no"), &[], &[]),
        "image web:1 of container c in Pod shop/web-1 is not on node n1, and its pull policy is Never"
    );
}

#[test]
fn what_keeps_a_pod_from_starting() {
    assert_eq!(
        reason(waiting("CreateContainerConfigError", "secret \"db\" not found"), &[], &[]),
        "container c of Pod shop/web-1 cannot be configured: secret \"db\" not found"
    );
    let pending = json!({"status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 2 Insufficient cpu."}]}});
    assert_eq!(
        reason(pending, &[], &[]),
        "Pod shop/web-1 fits no node: 0/2 nodes are available: 2 Insufficient cpu."
    );
    let mount =
        event("FailedMount", "MountVolume.SetUp failed for volume \"tls\": secret \"tls\" not found", "pod");
    assert_eq!(
        reason(waiting("ContainerCreating", ""), &[mount], &[]),
        "Pod shop/web-1 cannot mount a volume: MountVolume.SetUp failed for volume \"tls\": secret \"tls\" not found"
    );
}

#[test]
fn a_pod_without_its_volume_is_explained_by_its_claim() {
    let pod = json!({"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."}]}});
    let mut failed = event("ProvisioningFailed", "storageclass \"fast-ssd\" not found", "claim");
    failed["involvedObject"] =
        json!({"kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop", "uid": "claim"});
    assert_eq!(
        reason(pod, &[failed], &[]),
        "Pod shop/web-1 waits for a volume for its claim data: storageclass \"fast-ssd\" not found"
    );
}

#[test]
fn probes() {
    let running = |started: bool| {
        json!({"spec": {"containers": [{"name": "c", "readinessProbe": {}, "startupProbe": {}}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "c", "ready": false, "started": started, "state": {"running": {}}}]}})
    };
    let unhealthy = |probe: &str| {
        event("Unhealthy", &format!("{probe} probe failed: HTTP probe failed with statuscode: 503"), "pod")
    };
    assert_eq!(
        reason(running(true), &[unhealthy("Readiness")], &[]),
        "container c of Pod shop/web-1 runs, but its readiness probe fails: HTTP probe failed with statuscode: 503"
    );
    assert_eq!(
        reason(running(false), &[unhealthy("Startup")], &[]),
        "container c of Pod shop/web-1 runs, but its startup probe fails: HTTP probe failed with statuscode: 503"
    );
    assert_eq!(
        reason(running(true), &[], &[]),
        "container c of Pod shop/web-1 runs, but its readiness probe has not succeeded yet"
    );
    let client = "Readiness probe failed: --------------\nSELECT name FROM a\n--------------\n\nERROR 1054 (42S22) at line 1: Unknown column 'name'\n";
    let told = reason(running(true), &[event("Unhealthy", client, "pod")], &[]);
    assert!(told.ends_with("fails: ERROR 1054 (42S22) at line 1: Unknown column 'name'"), "{told}");
}

#[test]
fn pods_that_are_refused_and_objects_that_are_not_there() {
    let set = json!({"kind": "StatefulSet", "metadata": {"uid": "db"}});
    let refused = event("FailedCreate", "create Pod db-0 failed error: exceeded quota", "db");
    let now = "2026-01-01T00:00:30Z".parse().unwrap();
    let diagnose = |kind: &str, object: Option<&Value>, message: &str, events: &[Value]| {
        let subject = Subject::new(id(kind, "db"), object, message.into(), &Owned::default());
        conclude(&subject, events, Vec::new(), now).reason
    };
    assert_eq!(
        diagnose("StatefulSet", Some(&set), "0 of 1 replicas created", &[refused]),
        "its Pods are refused: create Pod db-0 failed error: exceeded quota"
    );
    assert_eq!(diagnose("StatefulSet", None, "does not exist", &[]), "does not exist");
    assert_eq!(diagnose("Service", Some(&set), "no address yet", &[]), "no address yet");
}

#[test]
fn the_whole_text() {
    let ended =
        json!({"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"});
    let events = [
        event("BackOff", "Back-off restarting failed container c in pod web-1", "pod"),
        event("Unrelated", "of another Pod", "other"),
    ];
    let logs = log(&[(true, &["listening on :8080", "panic: no database"])]);
    let now = "2026-01-01T00:02:30Z".parse().unwrap();
    let diagnosis = conclude(&subject(crash(ended, 5)), &events, logs, now);
    insta::assert_snapshot!(render(&[diagnosis]), @r"
    Deployment shop/web: container c of Pod shop/web-1 exits with 1 after less than 1 s, 6 times: panic: no database
      events:
        2m ago  BackOff  Pod web-1: Back-off restarting failed container c in pod web-1 (3 times)
      last lines of container c in Pod web-1, before its last restart:
        listening on :8080
        panic: no database
    ");
}

#[test]
fn logs_are_cut_and_cannot_paint_the_terminal() {
    let log = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    let lines = last_lines(&log);
    assert_eq!((lines.len(), lines[0].as_str(), lines[9].as_str()), (10, "line 10", "line 19"));
    assert_eq!(last_lines("\u{1b}[31mred\u{1b}[0m\u{7}\tx\n\n"), ["red\tx"]);
    assert_eq!(last_lines(&"x".repeat(900))[0].chars().count(), 501);
}

#[test]
fn only_containers_that_are_not_ready_are_read() {
    let pod = json!({"status": {
        "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}}],
        "containerStatuses": [
            {"name": "fine", "ready": true, "restartCount": 3, "state": {"running": {}}},
            {"name": "crashes", "restartCount": 2, "state": {"waiting": {}}},
            {"name": "slow", "restartCount": 0, "state": {"running": {}}}]}});
    assert_eq!(worth_reading(&pod), [("crashes".to_owned(), true), ("slow".to_owned(), false)]);
}
