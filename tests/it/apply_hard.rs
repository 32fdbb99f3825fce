//! Objects that server-side apply or the API server makes hard: duplicate keys, unknown fields, fields that cannot change,
//! webhooks.

use std::time::Duration;

use devcluster::apply::{ApplyError, ApplyOptions, Outcome};
use serde_json::{Value, json};

use crate::apiserver::place;

const TWICE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {a: "1", b: "2"}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: A, value: "3"}]
        ports: [{containerPort: 53, name: dns, protocol: UDP}, {containerPort: 53, name: dns-tcp, protocol: TCP}]
"#;

fn version(live: &Value) -> &str {
    live["metadata"]["resourceVersion"].as_str().unwrap()
}

#[tokio::test]
async fn an_environment_variable_written_twice_falls_back_and_is_named() {
    let place = place("twice").await;
    let mut objects = place.objects(TWICE);
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let Outcome::FellBack { why } = &report.applied[0].outcome else { panic!("{:?}", report.applied[0]) };
    assert!(why.contains("env") && why.contains("duplicate"), "{why}");
    let live = place.live("apps/v1", "Deployment", "web").await.unwrap();
    let env = |live: &Value| live["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    assert_eq!(env(&live).as_array().unwrap().len(), 3);
    assert_eq!(live["metadata"].get("annotations"), None, "what was applied is remembered elsewhere");

    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
    let again = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(again.applied[0].outcome, Outcome::Unchanged);
    assert_eq!(version(&live), version(&place.live("apps/v1", "Deployment", "web").await.unwrap()));

    // Changed, still written twice: what left the manifest goes, too.
    objects[0].value["metadata"]["labels"] = json!({"a": "9"});
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = json!("4");
    let changed = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert!(
        matches!(changed.applied[0].outcome, Outcome::FellBack { .. }),
        "{:?}",
        changed.applied[0].outcome
    );
    let live = place.live("apps/v1", "Deployment", "web").await.unwrap();
    assert_eq!(live["metadata"]["labels"], json!({"a": "9"}));
    assert_eq!(env(&live)[1]["value"], "4");

    // Drift of it is found and put right.
    let edit = json!({"spec": {"replicas": 4}});
    let resource = place.resource("apps/v1", "Deployment");
    let params = kube::api::PatchParams { field_manager: Some("somebody".into()), ..Default::default() };
    place
        .cluster
        .patch(&resource, &place.namespace, "web", &params, &kube::api::Patch::Merge(&edit))
        .await
        .unwrap();
    assert_eq!(place.check(&objects).await, ["Deployment web: Drifted"]);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(place.live("apps/v1", "Deployment", "web").await.unwrap()["spec"]["replicas"], 1);
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);

    // Once mended, server-side apply takes it, and what it had by fallback alone goes.
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}]);
    objects[0].value["metadata"].as_object_mut().unwrap().remove("labels");
    let mended = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(mended.applied[0].outcome, Outcome::Configured);
    let live = place.live("apps/v1", "Deployment", "web").await.unwrap();
    assert_eq!(env(&live), json!([{"name": "A", "value": "1"}]));
    assert_eq!(live["metadata"].get("labels"), None);
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_field_that_is_not_in_the_schema_falls_back_and_is_named() {
    let place = place("field").await;
    let mut objects = place.objects(TWICE);
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    objects[0].value["spec"]["replcas"] = json!(3);
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let Outcome::FellBack { why } = &report.applied[0].outcome else { panic!("{:?}", report.applied[0]) };
    assert_eq!(why, ".spec.replcas: field not declared in schema");
}

const JOB: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: NS}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: "example.com/migrate:1"}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: tool, namespace: NS}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: "example.com/tool:1", args: [a]}]}
"#;

#[tokio::test]
async fn jobs_and_pods_are_recreated_where_they_cannot_change() {
    let place = place("job").await;
    let mut objects = place.objects(JOB);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let uid = place.live("batch/v1", "Job", "migrate").await.unwrap()["metadata"]["uid"].clone();
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/migrate:2");
    objects[1].value["spec"]["containers"][0]["args"] = json!(["b"]);
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let outcomes: Vec<&Outcome> = report.applied.iter().map(|applied| &applied.outcome).collect();
    assert_eq!(
        outcomes,
        [&Outcome::Recreated { field: "spec.template".into() }, &Outcome::Recreated { field: "spec".into() }]
    );
    let live = place.live("batch/v1", "Job", "migrate").await.unwrap();
    assert_ne!(live["metadata"]["uid"], uid);
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "example.com/migrate:2");
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_selector_is_changed_by_request_only_and_a_claim_never() {
    let place = place("selector").await;
    let mut objects = place.objects(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: web, image: "example.com/web:1"}]}
"#,
    );
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    objects[0].value["spec"]["selector"]["matchLabels"] = json!({"tier": "front"});
    let error = place.apply(&objects, &ApplyOptions::default()).await.unwrap_err().to_string();
    let expected = format!(
        "1 object(s) could not be applied in stage workloads\n  Deployment {}/web (test.yaml:1): field spec.selector is \
         immutable (field is immutable); `--recreate-immutable`, or recreateImmutable in the profile, deletes and \
         recreates the object",
        place.namespace
    );
    assert_eq!(error, expected);
    let options = ApplyOptions { recreate_immutable: true, ..ApplyOptions::default() };
    let report = place.apply(&objects, &options).await.unwrap();
    assert_eq!(report.applied[0].outcome, Outcome::Recreated { field: "spec.selector".into() });

    let mut claim = place.objects(
        r"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: NS}
spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
",
    );
    place.apply(&claim, &options).await.unwrap();
    claim[0].value["spec"]["storageClassName"] = json!("slow");
    let error = place.apply(&claim, &options).await.unwrap_err().to_string();
    assert!(error.contains("the object holds data, so it is never recreated here"), "{error}");
    assert!(place.live("v1", "PersistentVolumeClaim", "data").await.is_some());
}

#[tokio::test]
async fn a_webhook_is_applied_once_something_answers_behind_it() {
    let place = place("webhook").await;
    let objects = place.objects(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NS}
webhooks:
- name: check.NS.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
  clientConfig: {service: {namespace: NS, name: checker}}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
---
apiVersion: v1
kind: Service
metadata: {name: checker, namespace: NS}
spec: {ports: [{port: 443}]}
"#,
    );
    let hurried = ApplyOptions { patience: Duration::from_millis(300), ..ApplyOptions::default() };
    let error = place.apply(&objects, &hurried).await.unwrap_err();
    assert!(matches!(error, ApplyError::WebhookBackend { .. }), "{error}");
    let kind = place.resource("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration");
    assert_eq!(place.cluster.get(&kind, "", &place.namespace).await.unwrap(), None);

    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "checker-1", "labels": {"kubernetes.io/service-name": "checker"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": true}}],
        "ports": [{"port": 443}]});
    let slices = place.resource("discovery.k8s.io/v1", "EndpointSlice");
    let making = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        place.cluster.create(&slices, &place.namespace, &slice).await.unwrap();
    };
    let options = ApplyOptions::default();
    let (report, ()) = tokio::join!(place.apply(&objects, &options), making);
    assert_eq!(report.unwrap().applied.len(), 2);
    assert!(place.cluster.get(&kind, "", &place.namespace).await.unwrap().is_some());
}
