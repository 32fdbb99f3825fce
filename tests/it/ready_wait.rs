//! Waits and evictions against a real API server; the tests play the controllers and the kubelet.

use std::sync::Mutex;
use std::time::Duration;

use devcluster::apply::ApplyOptions;
use devcluster::apply::pods::{EvictError, evict};
use devcluster::apply::wait::{NotReady, Target, WaitOptions, Waited, Wanted, wait};
use devcluster::event::{Event, Reporter};
use devcluster::manifest::Object;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example.com/web:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: NS}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: "example.com/migrate:1"}]}}}
"#;

/// Keeps the progress that was reported.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Reporter for Heard {
    fn report(&self, event: Event) {
        if let Event::Progress { done, total, what, .. } = event {
            self.0.lock().unwrap().push(format!("{done}/{total} {what}"));
        }
    }
}

async fn applied(place: &Place, yaml: &str) -> Vec<Object> {
    let objects = place.objects(yaml);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    objects
}

async fn waited(place: &Place, objects: &[Object], seconds: u64, heard: &Heard) -> Result<Waited, NotReady> {
    let targets: Vec<Target> =
        objects.iter().map(|object| Target::of(&place.cluster, object, Wanted::Ready).unwrap()).collect();
    let options =
        WaitOptions { timeout: Duration::from_secs(seconds), wait_for_jobs: true, step: "ready".into() };
    wait(&place.cluster.client, &targets, &options, heard).await
}

fn api(place: &Place, api_version: &str, kind: &str) -> Api<DynamicObject> {
    place.cluster.api(&place.resource(api_version, kind), &place.namespace)
}

async fn status(place: &Place, api_version: &str, kind: &str, name: &str, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    api(place, api_version, kind).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// What the deployment controller writes once the one replica is available.
fn available() -> Value {
    json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]})
}

fn completed() -> Value {
    json!({"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z", "succeeded": 1,
        "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]})
}

/// Makes the ReplicaSet and the Pod of `web`, as the controllers do; the Pod's uid.
async fn pod_of_web(place: &Place) -> String {
    let web = place.live("apps/v1", "Deployment", "web").await.unwrap();
    let owned = |kind: &str, name: &str, owner: &Value| {
        json!({"apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind,
            "metadata": {"name": name, "namespace": place.namespace, "labels": {"app": "web"},
                "ownerReferences": [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": true,
                    "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]}})
    };
    let mut set = owned("ReplicaSet", "web-1", &web);
    set["spec"] = json!({"selector": {"matchLabels": {"app": "web"}}, "template": web["spec"]["template"]});
    let set =
        place.cluster.create(&place.resource("apps/v1", "ReplicaSet"), &place.namespace, &set).await.unwrap();
    let mut pod = owned("Pod", "web-1-a", &set);
    pod["spec"] = json!({"containers": [{"name": "web", "image": "example.com/web:1"}]});
    let pod = place.cluster.create(&place.resource("v1", "Pod"), &place.namespace, &pod).await.unwrap();
    pod["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_wait_ends_when_everything_is_ready_and_tells_what_is_missing_until_then() {
    let place = place("wait-ready").await;
    let objects = applied(&place, SHOP).await;
    let heard = Heard::default();
    let play = async {
        // Once the wait has said what is missing it is watching.
        while heard.0.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        status(&place, "batch/v1", "Job", "migrate", completed()).await;
        let job = place.resource("batch/v1", "Job");
        place.cluster.delete(&job, &place.namespace, "migrate", None).await.unwrap();
        while heard.0.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        status(&place, "apps/v1", "Deployment", "web", available()).await;
    };
    let (result, ()) = tokio::join!(waited(&place, &objects, 60, &heard), play);
    let jobs: Vec<String> = result.unwrap().completed_jobs.iter().map(|id| id.name.clone()).collect();
    assert_eq!(jobs, ["migrate"], "a Job that its TTL removed counts as completed");
    let heard = heard.0.into_inner().unwrap();
    let ns = &place.namespace;
    assert_eq!(
        heard[0],
        format!(
            "1/3 Deployment {ns}/web: its controller has not seen it yet; Job {ns}/migrate: not started yet"
        )
    );
    assert_eq!(
        *heard.last().unwrap(),
        format!("2/3 Deployment {ns}/web: its controller has not seen it yet")
    );
}

#[tokio::test]
async fn what_is_ready_already_is_not_waited_for() {
    let place = place("wait-none").await;
    let objects = applied(&place, SHOP).await;
    status(&place, "apps/v1", "Deployment", "web", available()).await;
    status(&place, "batch/v1", "Job", "migrate", completed()).await;
    let heard = Heard::default();
    waited(&place, &objects, 60, &heard).await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), [] as [&str; 0]);
}

#[tokio::test]
async fn an_image_that_does_not_exist_ends_the_wait_with_the_reason() {
    let place = place("wait-image").await;
    let objects = applied(&place, SHOP).await;
    let uid = pod_of_web(&place).await;
    let stuck = json!({"phase": "Pending", "containerStatuses": [{"name": "web", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: not found"}}}]});
    status(&place, "v1", "Pod", "web-1-a", stuck).await;
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "pull", "namespace": place.namespace},
        "type": "Warning", "reason": "Failed", "count": 2, "lastTimestamp": "2026-01-01T00:00:00Z",
        "message": "Failed to pull image \"example.com/web:1\": rpc error: code = NotFound desc = web:1: not found",
        "involvedObject": {"kind": "Pod", "name": "web-1-a", "namespace": place.namespace, "uid": uid}});
    place.cluster.create(&place.resource("v1", "Event"), &place.namespace, &event).await.unwrap();

    let error = waited(&place, &objects[..2], 300, &Heard::default()).await.unwrap_err();
    assert_eq!((error.ready, error.total, error.timed_out), (1, 2, None));
    let diagnosis = &error.diagnoses[0];
    assert_eq!(
        diagnosis.reason,
        format!(
            "image example.com/web:1 of container web in Pod {}/web-1-a does not exist: web:1: not found",
            place.namespace
        )
    );
    assert_eq!(diagnosis.events.len(), 1);
    assert_eq!(diagnosis.events[0].about, "Pod web-1-a");
}

#[tokio::test]
async fn a_timeout_is_never_success() {
    let place = place("wait-timeout").await;
    let objects = applied(&place, SHOP).await;
    let error = waited(&place, &objects, 1, &Heard::default()).await.unwrap_err();
    assert_eq!(error.timed_out, Some(Duration::from_secs(1)));
    let ids: Vec<String> = error.diagnoses.iter().map(|diagnosis| diagnosis.id.kind.clone()).collect();
    assert_eq!(ids, ["Deployment", "Job"]);
}

#[tokio::test]
async fn a_failed_job_ends_the_wait() {
    let place = place("wait-job").await;
    let objects = applied(&place, SHOP).await;
    let failed = json!({"startTime": "2026-01-01T00:00:00Z", "failed": 7, "conditions": [
        {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"},
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]});
    status(&place, "batch/v1", "Job", "migrate", failed).await;
    let error = waited(&place, &objects[2..], 300, &Heard::default()).await.unwrap_err();
    assert_eq!(error.timed_out, None);
    assert_eq!(error.diagnoses[0].reason, "failed: Job has reached the specified backoff limit");
}

#[tokio::test]
async fn an_object_that_somebody_deletes_is_missed() {
    let place = place("wait-absent").await;
    let objects = applied(&place, SHOP).await;
    let settings = place.resource("v1", "ConfigMap");
    place.cluster.delete(&settings, &place.namespace, "settings", None).await.unwrap();
    let error = waited(&place, &objects[1..2], 300, &Heard::default()).await.unwrap_err();
    assert_eq!(error.diagnoses[0].reason, "does not exist");
}

#[tokio::test]
async fn an_eviction_respects_budgets_and_spares_later_pods() {
    let place = place("evict").await;
    applied(&place, SHOP).await;
    let uid = pod_of_web(&place).await;
    let running = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    status(&place, "v1", "Pod", "web-1-a", running).await;
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": place.namespace},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    let budgets = place.resource("policy/v1", "PodDisruptionBudget");
    place.cluster.create(&budgets, &place.namespace, &budget).await.unwrap();
    let counted = json!({"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1});
    status(&place, "policy/v1", "PodDisruptionBudget", "web", counted).await;

    let client = &place.cluster.client;
    let briefly = Duration::from_millis(300);
    let blocked = evict(client, &place.namespace, "web-1-a", &uid, briefly).await.unwrap_err();
    let EvictError::Blocked { message, .. } = &blocked else { panic!("{blocked}") };
    assert!(message.contains("disruption budget web"), "{message}");

    place.cluster.delete(&budgets, &place.namespace, "web", None).await.unwrap();
    let other = "00000000-0000-0000-0000-000000000000";
    evict(client, &place.namespace, "web-1-a", other, briefly).await.unwrap();
    assert!(place.live("v1", "Pod", "web-1-a").await.is_some(), "another Pod had been meant");
    evict(client, &place.namespace, "web-1-a", &uid, briefly).await.unwrap();
    assert_eq!(place.live("v1", "Pod", "web-1-a").await, None);
    evict(client, &place.namespace, "web-1-a", &uid, briefly).await.unwrap();
}
