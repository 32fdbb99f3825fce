//! What others do to applied objects is found and put right; what they own is left to them.

use devcluster::apply::{ApplyOptions, Outcome};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example.com/web:1", args: [serve]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
data: {mode: production}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80}]}
"#;

fn kubectl(place: &Place, args: &[&str], input: &str) -> String {
    let namespaced = [&["-n", place.namespace.as_str()], args].concat();
    let (code, text) = place.server.kubectl(&namespaced, input);
    assert_eq!(code, 0, "kubectl {args:?}: {text}");
    text
}

async fn write(place: &Place, api_version: &str, kind: &str, name: &str, manager: &str, patch: &Value) {
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let resource = place.resource(api_version, kind);
    place.cluster.patch(&resource, &place.namespace, name, &params, &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_edited_and_scaled_is_found_and_put_right() {
    let place = place("drift").await;
    let objects = place.objects(WEB);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);

    kubectl(&place, &["delete", "service", "web"], "");
    kubectl(&place, &["scale", "deployment", "web", "--replicas", "5"], "");
    kubectl(&place, &["patch", "configmap", "settings", "-p", r#"{"data":{"mode":"debug"}}"#], "");
    assert_eq!(
        place.check(&objects).await,
        ["ConfigMap settings: Drifted", "Service web: Absent", "Deployment web: Drifted"]
    );
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let found: Vec<String> =
        report.applied.iter().map(|applied| format!("{} {:?}", applied.id.kind, applied.outcome)).collect();
    assert_eq!(found, ["ConfigMap Configured", "Service Created", "Deployment Configured"]);
    assert_eq!(place.live("apps/v1", "Deployment", "web").await.unwrap()["spec"]["replicas"], 2);
    assert_eq!(
        place.live("v1", "ConfigMap", "settings").await.unwrap()["data"],
        json!({"mode": "production"})
    );
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn what_controllers_and_others_add_is_no_drift() {
    let place = place("others").await;
    let objects = place.objects(WEB);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let revision = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "4"}}});
    write(&place, "apps/v1", "Deployment", "web", "kube-controller-manager", &revision).await;
    write(&place, "v1", "ConfigMap", "settings", "injector", &json!({"data": {"ca.crt": "x"}})).await;
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn an_autoscalers_replicas_stay() {
    let place = place("hpa").await;
    let scaler = r"
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NS}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
";
    let mut objects = place.objects(&format!("{WEB}{scaler}"));
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    kubectl(&place, &["scale", "deployment", "web", "--replicas", "6"], "");
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/web:2");
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let web = report.applied.iter().find(|applied| applied.id.kind == "Deployment").unwrap();
    assert_eq!(
        web.notes,
        ["spec.replicas stays 6 as HorizontalPodAutoscaler web set it; the manifest says 2"]
    );
    let live = place.live("apps/v1", "Deployment", "web").await.unwrap();
    assert_eq!(live["spec"]["replicas"], 6);
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "example.com/web:2");
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
    kubectl(&place, &["scale", "deployment", "web", "--replicas", "7"], "");
    assert_eq!(place.check(&objects).await, [] as [&str; 0], "the autoscaler's next step is no drift either");
}

#[tokio::test]
async fn a_field_that_left_a_client_side_applied_object_really_goes() {
    let place = place("takeover").await;
    let mut objects = place.objects(WEB);
    objects.truncate(1);
    let mut before = objects[0].value.clone();
    before["metadata"]["labels"] = json!({"old": "label"});
    before["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "OLD", "value": "1"}]);
    before["spec"]["minReadySeconds"] = json!(7);
    kubectl(&place, &["apply", "-f", "-"], &before.to_string());

    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(report.applied[0].outcome, Outcome::Configured);
    let live = place.live("apps/v1", "Deployment", "web").await.unwrap();
    assert_eq!(live["spec"].get("minReadySeconds"), None, "{live}");
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0].get("env"), None);
    assert_eq!(live["metadata"].get("labels"), None);
    assert_eq!(live["metadata"].get("annotations"), None, "the last-applied annotation goes as well");
    let managers: Vec<&Value> =
        live["metadata"]["managedFields"].as_array().unwrap().iter().map(|entry| &entry["manager"]).collect();
    assert_eq!(managers, ["devcluster"]);
}

#[tokio::test]
async fn a_job_that_its_ttl_removed_is_not_run_again() {
    let place = place("ttl").await;
    let mut objects = place.objects(
        r#"
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: NS}
spec:
  ttlSecondsAfterFinished: 30
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: "example.com/migrate:1"}]}}
"#,
    );
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let time = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": time, "lastTransitionTime": time});
    let status = json!({"status": {"conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        "startTime": time, "completionTime": time, "succeeded": 1}});
    let api = place.cluster.api(&place.resource("batch/v1", "Job"), &place.namespace);
    api.patch_status("migrate", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    kubectl(&place, &["delete", "job", "migrate", "--cascade=orphan", "--wait=false"], "");
    kubectl(
        &place,
        &["patch", "job", "migrate", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#],
        "",
    );
    assert!(place.live("batch/v1", "Job", "migrate").await.is_none());

    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(report.applied[0].outcome, Outcome::HasRun);
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/migrate:2");
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(report.applied[0].outcome, Outcome::Created);
}
