//! What `diff` finds on a real API server, and the class it puts it in.

use std::collections::BTreeMap;

use devcluster::apply::ApplyOptions;
use devcluster::apply::diff::{Diff, DiffClass, Known, PatchedFields, diff, render};
use devcluster::manifest::Object;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        resources: {requests: {cpu: "0.5", memory: 1024Mi}}
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
data: {mode: production}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: NS}
stringData: {password: swordfish}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: NS}
spec:
  ttlSecondsAfterFinished: 60
  template: {spec: {restartPolicy: Never, containers: [{name: m, image: example.com/migrate:1}]}}
"#;

async fn applied(place: &Place, yaml: &str) -> Vec<Object> {
    let objects = place.objects(yaml);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    place.cluster.discover().await.unwrap();
    objects
}

async fn compared(place: &Place, objects: &[Object]) -> Diff {
    diff(&place.cluster, objects, &Known::of(&place.inventory().await, objects)).await.unwrap()
}

/// What differs, as `Kind name: Class path path`.
fn found(diff: &Diff) -> Vec<String> {
    diff.entries
        .iter()
        .filter(|entry| entry.class != DiffClass::Same)
        .map(|entry| {
            let paths: Vec<&str> = entry.fields.iter().map(|field| field.path.as_str()).collect();
            format!("{} {}: {:?} {}", entry.id.kind, entry.id.name, entry.class, paths.join(" "))
                .trim()
                .to_owned()
        })
        .collect()
}

async fn write(place: &Place, api_version: &str, kind: &str, name: &str, manager: &str, patch: &Value) {
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let resource = place.resource(api_version, kind);
    place.cluster.patch(&resource, &place.namespace, name, &params, &Patch::Merge(patch)).await.unwrap();
}

/// Writes a number of replicas the way the autoscaler does.
async fn scale(place: &Place, name: &str, manager: &str, replicas: i64) {
    let resource = place.resource("apps/v1", "Deployment");
    let api: Api<DynamicObject> = place.cluster.api(&resource, &place.namespace);
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    api.patch_scale(name, &params, &Patch::Merge(json!({"spec": {"replicas": replicas}}))).await.unwrap();
}

#[tokio::test]
async fn nothing_differs_after_an_apply_and_asking_changes_nothing() {
    let place = place("diff-none").await;
    let objects = applied(&place, SHOP).await;
    let before = place.live("apps/v1", "Deployment", "web").await;
    let diff = compared(&place, &objects).await;
    assert_eq!(found(&diff), [] as [&str; 0], "{}", render(&diff));
    assert_eq!(diff.entries.len(), 5);
    assert!(!diff.differs());
    assert_eq!(place.live("apps/v1", "Deployment", "web").await, before);
}

#[tokio::test]
async fn what_a_controller_wrote_is_told_from_what_a_person_changed() {
    let place = place("diff-owners").await;
    let objects = applied(&place, SHOP).await;
    scale(&place, "web", "kube-controller-manager", 5).await;
    let diff = compared(&place, &objects).await;
    assert_eq!(found(&diff), ["Deployment web: OtherManager spec.replicas"]);
    assert!(!diff.differs());
    assert!(render(&diff).contains("spec.replicas (written by kube-controller-manager)\n    - 5\n    + 2\n"));

    let (code, text) =
        place.server.kubectl(&["-n", &place.namespace, "scale", "deployment", "web", "--replicas", "7"], "");
    assert_eq!(code, 0, "{text}");
    write(&place, "v1", "ConfigMap", "settings", "kubectl-edit", &json!({"data": {"mode": "debug"}})).await;
    let diff = compared(&place, &objects).await;
    assert_eq!(
        found(&diff),
        ["ConfigMap settings: Differs data.mode", "Deployment web: Differs spec.replicas"]
    );
    assert!(diff.differs());
}

#[tokio::test]
async fn an_edited_list_element_is_named_by_its_key() {
    let place = place("diff-lists").await;
    let mut objects = applied(&place, SHOP).await;
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/web:2".into();
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}]);
    assert_eq!(
        found(&compared(&place, &objects).await),
        [
            "Deployment web: Differs spec.template.spec.containers[name=web].env spec.template.spec.containers[name=web].image"
        ]
    );
    let patch = PatchedFields {
        rule: "test".into(),
        reason: "so".into(),
        pointers: vec!["/spec/template/spec/containers/0".into()],
    };
    let known = Known { patches: BTreeMap::from([(objects[0].id(), vec![patch])]), ..Known::default() };
    let diff = diff(&place.cluster, &objects, &known).await.unwrap();
    assert_eq!(diff.entries.iter().map(|entry| entry.class).max(), Some(DiffClass::Patched));
}

#[tokio::test]
async fn a_secrets_values_are_never_shown() {
    let place = place("diff-secret").await;
    let objects = applied(&place, SHOP).await;
    write(&place, "v1", "Secret", "db", "kubectl-edit", &json!({"stringData": {"password": "herring"}}))
        .await;
    let diff = compared(&place, &objects).await;
    assert_eq!(found(&diff), ["Secret db: Differs data.password"]);
    let shown = format!("{}{}", render(&diff), serde_json::to_string(&diff).unwrap());
    // base64 of both passwords, and the passwords.
    for value in ["swordfish", "herring", "c3dvcmRmaXNo", "aGVycmluZw=="] {
        assert!(!shown.contains(value), "{shown}");
    }
}

#[tokio::test]
async fn what_is_gone_is_missed_unless_it_has_done_its_work() {
    let place = place("diff-absent").await;
    let objects = applied(&place, SHOP).await;
    let job = place.resource("batch/v1", "Job");
    place.cluster.delete(&job, &place.namespace, "migrate", None).await.unwrap();
    place.cluster.delete(&place.resource("v1", "Service"), &place.namespace, "web", None).await.unwrap();
    assert_eq!(found(&compared(&place, &objects).await), ["Service web: Absent", "Job migrate: Absent"]);

    let mut inventory = place.inventory().await;
    inventory.entries.get_mut(&objects[4].id()).unwrap().completed = true;
    let diff = diff(&place.cluster, &objects, &Known::of(&inventory, &objects)).await.unwrap();
    assert_eq!(found(&diff), ["Service web: Absent", "Job migrate: Expired"]);
}

#[tokio::test]
async fn what_cannot_change_says_so() {
    let place = place("diff-immutable").await;
    let mut objects = applied(&place, SHOP).await;
    objects[4].value["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/migrate:2".into();
    let diff = compared(&place, &objects).await;
    assert_eq!(found(&diff), ["Job migrate: Differs spec.template.spec.containers[name=m].image"]);
    let entry = diff.entries.iter().find(|entry| entry.class == DiffClass::Differs).unwrap();
    assert!(entry.note.contains("field is immutable"), "{}", entry.note);
}

#[tokio::test]
async fn what_server_side_apply_refuses_is_compared_all_the_same() {
    let place = place("diff-twice").await;
    let twice = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: twice, namespace: NS}
spec:
  selector: {matchLabels: {app: twice}}
  template:
    metadata: {labels: {app: twice}}
    spec: {containers: [{name: c, image: "example.com/c:1", env: [{name: A, value: "1"}, {name: A, value: "2"}]}]}
"#;
    let mut objects = applied(&place, twice).await;
    assert_eq!(found(&compared(&place, &objects).await), [] as [&str; 0]);
    objects[0].value["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/c:2".into();
    assert_eq!(
        found(&compared(&place, &objects).await),
        ["Deployment twice: Differs spec.template.spec.containers[name=c].image"]
    );
}

#[tokio::test]
async fn a_kind_that_is_not_served_cannot_be_compared() {
    let place = place("diff-unknown").await;
    place.cluster.discover().await.unwrap();
    let objects = place
        .objects("{apiVersion: db.example.com/v1, kind: Cluster, metadata: {name: main, namespace: NS}}");
    let diff = compared(&place, &objects).await;
    assert_eq!(found(&diff), ["Cluster main: NotAskable"]);
    assert!(!diff.differs());
}

#[tokio::test]
async fn what_is_being_deleted_counts_as_gone() {
    let place = place("diff-going").await;
    let objects = applied(&place, SHOP).await;
    let held = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    write(&place, "v1", "ConfigMap", "settings", "holder", &held).await;
    place
        .cluster
        .delete(&place.resource("v1", "ConfigMap"), &place.namespace, "settings", None)
        .await
        .unwrap();
    assert_eq!(found(&compared(&place, &objects).await), ["ConfigMap settings: Absent"]);
    write(&place, "v1", "ConfigMap", "settings", "holder", &json!({"metadata": {"finalizers": null}})).await;
}
