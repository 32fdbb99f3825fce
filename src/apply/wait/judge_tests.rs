//! When a wait ends: with a clock in hand and statuses as the kubelet and the controllers write them.

#![allow(clippy::needless_pass_by_value, reason = "tables of json! values read better without borrows")]

use kube::runtime::watcher::Event;
use serde_json::json;

use super::super::view::Feed;
use super::*;

/// A wait for Deployments `web` and `api` of namespace `shop`, one Pod each, at whose clock the tests turn.
struct Wait {
    targets: Vec<Target>,
    view: View,
    judge: Judge,
    start: Instant,
}

fn feed(group: &str, kind: &str) -> Feed {
    Feed { group: group.into(), kind: kind.into(), namespace: "shop".into() }
}

fn target(group: &str, kind: &str, name: &str) -> Target {
    Target {
        id: ObjectId { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: name.into() },
        resource: kube::api::ApiResource {
            group: group.into(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: kind.into(),
            plural: "x".into(),
        },
        wanted: Wanted::Ready,
    }
}

impl Wait {
    fn new(targets: Vec<Target>) -> Self {
        let mut view = View::default();
        let mut feeds: Vec<Feed> =
            targets.iter().map(|target| feed(&target.id.group, &target.id.kind)).collect();
        feeds.extend([feed("", "Pod"), feed("apps", "ReplicaSet"), feed("", "Event")]);
        for feed in feeds {
            view.open(feed.clone());
            view.take(&feed, Ok(Event::InitDone));
        }
        Self { targets, view, judge: Judge::new(true), start: Instant::now() }
    }

    fn deployments() -> Self {
        let mut wait =
            Self::new(vec![target("apps", "Deployment", "web"), target("apps", "Deployment", "api")]);
        for name in ["web", "api"] {
            wait.deployment(name, false);
            wait.put(
                "apps",
                "ReplicaSet",
                json!({"kind": "ReplicaSet", "metadata": {"name": name, "uid": format!("{name}-rs"),
                "ownerReferences": [{"uid": name, "controller": true}]}}),
            );
        }
        wait
    }

    fn put(&mut self, group: &str, kind: &str, mut object: Value) {
        object["metadata"]["namespace"] = "shop".into();
        self.view.take(&feed(group, kind), Ok(Event::Apply(object)));
    }

    fn deployment(&mut self, name: &str, ready: bool) {
        let n = i64::from(ready);
        self.put("apps", "Deployment", json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "uid": name, "generation": 1},
            "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": n, "availableReplicas": n,
                "conditions": [{"type": "Available", "status": if ready { "True" } else { "False" }}]}}));
    }

    /// The Pod of a Deployment with one container in this state.
    fn pod(&mut self, of: &str, restarts: i64, state: Value) {
        self.put("", "Pod", json!({"kind": "Pod", "metadata": {"name": of, "uid": format!("{of}-pod"),
                "ownerReferences": [{"uid": format!("{of}-rs"), "controller": true}]},
            "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending", "containerStatuses": [{"name": "c", "restartCount": restarts, "state": state}]}}));
    }

    fn waiting(&mut self, of: &str, restarts: i64, reason: &str, message: &str) {
        self.pod(of, restarts, json!({"waiting": {"reason": reason, "message": message}}));
    }

    fn at(&mut self, seconds: u64) -> Verdict {
        let now = self.start + Duration::from_secs(seconds);
        self.judge.judge(&self.targets, &self.view, now, Timestamp::UNIX_EPOCH)
    }

    fn hopeless(&mut self, seconds: u64) -> Vec<String> {
        let verdict = self.at(seconds);
        let hopeless = verdict.missing.iter().filter(|missing| missing.hopeless);
        hopeless
            .map(|missing| format!("{}: {}", self.targets[missing.target].id.name, missing.message))
            .collect()
    }
}

#[test]
fn all_ready_leaves_nothing_missing() {
    let mut wait = Wait::deployments();
    assert_eq!(wait.at(0).missing.len(), 2);
    wait.deployment("web", true);
    assert_eq!(wait.at(1).missing.len(), 1);
    wait.deployment("api", true);
    assert_eq!(wait.at(2).missing, []);
    wait.deployment("web", false);
    assert_eq!(wait.at(3).missing.len(), 1, "ready means ready at one time");
}

#[test]
fn an_image_that_does_not_exist_ends_the_wait_at_once() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 0, "ImagePullBackOff", "web:9: not found");
    assert_eq!(
        wait.hopeless(0),
        ["web: Pod web container c has an image that does not exist: web:9: not found"]
    );
}

#[test]
fn troubles_that_may_pass_have_their_grace() {
    for (reason, seconds) in
        [("CreateContainerConfigError", 10), ("ErrImagePull", 30), ("CreateContainerError", 20)]
    {
        let mut wait = Wait::deployments();
        wait.waiting("web", 0, reason, "so");
        let verdict = wait.at(5);
        assert!(!verdict.hopeless());
        assert_eq!(verdict.again, Some(wait.start + Duration::from_secs(5 + seconds)), "{reason}");
        assert_eq!(wait.hopeless(5 + seconds - 1), [""; 0], "{reason}");
        assert_eq!(wait.hopeless(5 + seconds).len(), 1, "{reason}");
    }
}

#[test]
fn a_trouble_that_passes_is_forgotten() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 0, "CreateContainerConfigError", "secret not found");
    wait.at(0);
    wait.pod("web", 0, json!({"running": {}}));
    wait.at(9);
    wait.waiting("web", 0, "CreateContainerConfigError", "secret not found");
    assert_eq!(wait.hopeless(11), [""; 0]);
    assert_eq!(wait.hopeless(21).len(), 1);
}

#[test]
fn a_dependency_that_comes_late_may_cost_restarts() {
    let mut wait = Wait::deployments();
    for restarts in 0..4 {
        wait.waiting("web", restarts, "CrashLoopBackOff", "");
        assert_eq!(wait.hopeless(10), [""; 0], "{restarts}");
    }
    wait.waiting("web", 4, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(70), ["web: Pod web container c exits again and again (4 restarts)"]);
}

#[test]
fn restarts_before_the_wait_do_not_count() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 12, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(0), [""; 0]);
    wait.waiting("web", 13, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(50), [""; 0]);
    assert_eq!(wait.hopeless(61).len(), 1, "a minute in back-off");
}

#[test]
fn once_all_else_is_ready_one_more_crash_is_enough() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 1, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(0), [""; 0], "api may be what it needs");
    wait.deployment("api", true);
    assert_eq!(wait.hopeless(5), [""; 0], "it crashed before api was ready");
    wait.pod("web", 2, json!({"running": {}}));
    assert_eq!(wait.hopeless(12), [""; 0]);
    wait.waiting("web", 2, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(13).len(), 1);
}

#[test]
fn what_crashed_and_has_no_probe_must_run_for_a_while() {
    let mut wait = Wait::deployments();
    wait.deployment("api", true);
    wait.waiting("web", 1, "CrashLoopBackOff", "");
    wait.at(0);
    wait.deployment("web", true);
    let verdict = wait.at(10);
    assert_eq!(verdict.missing[0].message, "ready again for less than 5 s after a crash");
    assert_eq!(verdict.again, Some(wait.start + Duration::from_secs(15)));
    assert_eq!(wait.at(15).missing, []);
}

#[test]
fn the_first_restart_comes_without_back_off_and_counts_all_the_same() {
    let mut wait = Wait::deployments();
    wait.deployment("api", true);
    wait.pod("web", 0, json!({"running": {}}));
    wait.at(0);
    wait.pod("web", 1, json!({"running": {}}));
    wait.deployment("web", true);
    assert_eq!(wait.at(1).missing.len(), 1);
    assert_eq!(wait.at(6).missing, []);
}

#[test]
fn a_program_that_the_image_lacks_ends_the_wait_at_once() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 0, "RunContainerError", "exec: \"serve\": executable file not found in $PATH");
    assert_eq!(wait.hopeless(0).len(), 1);
}

#[test]
fn something_new_to_wait_for_gives_a_crash_its_time_again() {
    let mut wait = Wait::deployments();
    wait.deployment("api", true);
    wait.waiting("web", 1, "CrashLoopBackOff", "");
    wait.at(0);
    wait.deployment("api", false);
    wait.at(1);
    wait.deployment("api", true);
    wait.waiting("web", 2, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(2), [""; 0]);
    wait.waiting("web", 3, "CrashLoopBackOff", "");
    assert_eq!(wait.hopeless(3).len(), 1);
}

#[test]
fn what_old_generations_suffer_does_not_matter() {
    let mut wait = Wait::deployments();
    wait.put(
        "apps",
        "Deployment",
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "uid": "web", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "2"}}, "status": {"observedGeneration": 1}}),
    );
    wait.waiting("web", 9, "ImagePullBackOff", "not found");
    assert_eq!(wait.hopeless(0), [""; 0], "its ReplicaSet has no such revision");
}

#[test]
fn a_failed_job_ends_the_wait_and_its_crashing_pods_do_not() {
    let mut wait = Wait::new(vec![target("batch", "Job", "migrate")]);
    let job = |status: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "uid": "j"}, "status": status});
    wait.put("batch", "Job", job(json!({"startTime": "2026-01-01T00:00:00Z"})));
    wait.put("", "Pod", json!({"kind": "Pod", "metadata": {"name": "m", "uid": "m", "ownerReferences": [{"uid": "j", "controller": true}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}));
    assert_eq!(wait.hopeless(0), [""; 0]);
    assert_eq!(wait.hopeless(100), [""; 0]);
    wait.put(
        "batch",
        "Job",
        job(json!({"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]})),
    );
    assert_eq!(wait.hopeless(101), ["migrate: failed: backoff limit"]);
}

#[test]
fn a_job_that_its_ttl_removed_is_done() {
    let mut wait = Wait::new(vec![target("batch", "Job", "migrate")]);
    let done = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]}});
    assert_eq!(wait.at(0).missing[0].message, "does not exist");
    wait.view.take(&feed("batch", "Job"), Ok(Event::Delete(done)));
    assert_eq!(wait.at(1).missing, []);
}

#[test]
fn what_stays_absent_ends_the_wait() {
    let mut wait = Wait::new(vec![target("", "Service", "web")]);
    assert_eq!(wait.hopeless(0), [""; 0]);
    assert_eq!(wait.hopeless(10), ["web: does not exist"]);
}

#[test]
fn a_failure_from_before_has_time_to_go_and_a_new_one_ends_the_wait() {
    let custom = |stalled: &str| {
        json!({"apiVersion": "db.io/v1", "kind": "Cluster", "metadata": {"name": "db"},
            "status": {"conditions": [{"type": "Stalled", "status": stalled, "message": "no quota"}, {"type": "Ready", "status": "False"}]}})
    };
    let mut wait = Wait::new(vec![target("db.io", "Cluster", "db")]);
    wait.put("db.io", "Cluster", custom("True"));
    assert_eq!(wait.hopeless(0), [""; 0]);
    assert_eq!(wait.hopeless(30), ["db: no quota"]);
    let mut wait = Wait::new(vec![target("db.io", "Cluster", "db")]);
    wait.put("db.io", "Cluster", custom("False"));
    assert_eq!(wait.hopeless(0), [""; 0]);
    wait.put("db.io", "Cluster", custom("True"));
    assert_eq!(wait.hopeless(1), ["db: no quota"]);
}

#[test]
fn a_volume_without_its_secret_ends_the_wait_after_a_minute() {
    let mut wait = Wait::deployments();
    wait.waiting("web", 0, "ContainerCreating", "");
    wait.put("", "Event", json!({"kind": "Event", "metadata": {"name": "e"}, "reason": "FailedMount",
        "involvedObject": {"uid": "web-pod"}, "message": "MountVolume.SetUp failed: secret \"tls\" not found"}));
    assert_eq!(wait.hopeless(0), [""; 0]);
    assert_eq!(
        wait.hopeless(60),
        ["web: Pod web cannot mount a volume: MountVolume.SetUp failed: secret \"tls\" not found"]
    );
}

#[test]
fn a_claim_that_waits_for_its_first_pod_is_ready_until_one_uses_it() {
    let mut wait = Wait::new(vec![target("", "PersistentVolumeClaim", "data")]);
    wait.judge.first_consumer_classes.insert("late".into());
    wait.put(
        "",
        "PersistentVolumeClaim",
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"}, "spec": {"storageClassName": "late"}, "status": {"phase": "Pending"}}),
    );
    assert_eq!(wait.at(0).missing, []);
    wait.put(
        "",
        "Pod",
        json!({"kind": "Pod", "metadata": {"name": "db", "uid": "db"},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}}),
    );
    assert_eq!(wait.at(1).missing.len(), 1);
}

#[test]
fn what_nobody_acts_on_need_only_exist() {
    let mut wait =
        Wait::new(vec![Target { wanted: Wanted::Present, ..target("networking.k8s.io", "Ingress", "web") }]);
    assert_eq!(wait.at(0).missing.len(), 1);
    wait.put(
        "networking.k8s.io",
        "Ingress",
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}),
    );
    assert_eq!(wait.at(0).missing, []);
}
