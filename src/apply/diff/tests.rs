//! How differences are found, explained and shown; the API server's part is tested against a real one.

#![allow(clippy::needless_pass_by_value, reason = "tables of json! values read better without borrows")]

use kube::core::Status;
use serde_json::json;

use super::*;
use crate::manifest::Origin;

fn object(value: Value) -> Object {
    Object { value, origin: Origin { source: "test".into(), file: None, line: 0 } }
}

fn deployment(replicas: i64, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn with<T>(known: &Known, objects: &[Object], then: impl FnOnce(Asking<'_>) -> T) -> T {
    let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let cluster = Cluster::new(super::super::client::client(&config).unwrap());
    let scaled = Scaled::of(objects);
    then(Asking { cluster: &cluster, known, scaled: &scaled })
}

fn compared_with(known: &Known, live: &Value, merged: &Value) -> DiffEntry {
    let object = object(merged.clone());
    with(known, std::slice::from_ref(&object), |asking| compared(&object, live, merged, asking))
}

#[test]
fn what_the_api_server_writes_for_itself_is_no_difference() {
    let mut live = deployment(1, "web:1");
    live["metadata"]["resourceVersion"] = "5".into();
    live["metadata"]["managedFields"] = json!([{}]);
    live["metadata"]["generation"] = 3.into();
    live["status"] = json!({"replicas": 1});
    let entry = compared_with(&Known::default(), &live, &deployment(1, "web:1"));
    assert_eq!((entry.class, entry.fields.len()), (DiffClass::Same, 0));
}

#[test]
fn the_gravest_cause_gives_the_class() {
    let managed = |manager: &str| {
        let mut live = deployment(5, "web:1");
        live["metadata"]["managedFields"] =
            json!([{"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        live
    };
    let wanted = deployment(1, "web:1");
    let by_hpa = compared_with(&Known::default(), &managed("kube-controller-manager"), &wanted);
    assert_eq!(by_hpa.class, DiffClass::OtherManager);
    assert_eq!(by_hpa.fields[0].path, "spec.replicas");
    assert_eq!(compared_with(&Known::default(), &managed("kubectl"), &wanted).class, DiffClass::Differs);
    let both = compared_with(&Known::default(), &managed("kube-controller-manager"), &deployment(1, "web:2"));
    assert_eq!(both.class, DiffClass::Differs);
    assert_eq!(both.fields[1].path, "spec.template.spec.containers[name=c].image");
    assert_eq!(both.fields[1].pointer, "/spec/template/spec/containers/0/image");
}

#[test]
fn a_named_patch_explains_what_it_changes() {
    let mut known = Known::default();
    let patch = |pointer: &str| PatchedFields {
        rule: "ports".into(),
        reason: "80 is taken".into(),
        pointers: vec![pointer.into()],
    };
    let id = object(deployment(1, "web:1")).id();
    known.patches.insert(id.clone(), vec![patch("/spec/template/spec/containers/0")]);
    let entry = compared_with(&known, &deployment(1, "web:1"), &deployment(1, "web:2"));
    assert_eq!(entry.class, DiffClass::Patched);
    known.patches.insert(id, vec![patch("/spec/template/spec/containers/0/im")]);
    let entry = compared_with(&known, &deployment(1, "web:1"), &deployment(1, "web:2"));
    assert_eq!(entry.class, DiffClass::Differs);
}

#[test]
fn absent_objects_are_missed_unless_they_have_done_their_work() {
    let job = object(
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"}}),
    );
    let mut known = Known::default();
    assert_eq!(absent(&job, &known).class, DiffClass::Absent);
    known.deleted_hooks.insert(job.id());
    assert_eq!(absent(&job, &known).class, DiffClass::HookDeleted);
    known.completed.insert(job.id());
    assert_eq!(absent(&job, &known).class, DiffClass::Expired);
}

fn secret(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "data": {"password": value}})
}

#[test]
fn a_secret_shows_only_that_it_differs() {
    let mut live = secret("c2VjcmV0LW9uZQ==");
    live["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": "{secret-one}"});
    let entry = compared_with(&Known::default(), &live, &secret("c2VjcmV0LXR3bw=="));
    assert_eq!(entry.class, DiffClass::Differs);
    let all = format!("{}{}", serde_json::to_string(&entry).unwrap(), render(&Diff { entries: vec![entry] }));
    for leak in ["c2VjcmV0", "secret-one"] {
        assert!(!all.contains(leak), "{all}");
    }
    assert!(all.contains("data.password"), "{all}");
}

#[test]
fn a_refused_secret_does_not_quote_its_value() {
    let mut status = Status::failure("data[x]: Invalid value: \"c2VjcmV0\"", "Invalid");
    status.code = 422;
    let live = secret("YQ==");
    let wanted = object(secret("c2VjcmV0"));
    let entry = with(&Known::default(), &[], |asking| refused(&wanted, &live, &status, asking));
    assert_eq!(entry.class, DiffClass::Differs);
    assert!(!serde_json::to_string(&entry).unwrap().contains("c2VjcmV0"), "{entry:?}");
}

#[test]
fn a_refusal_is_told_with_what_is_unmet() {
    let mut status = Status::failure("spec.template: field is immutable", "Invalid");
    status.code = 422;
    let wanted = object(deployment(1, "web:2"));
    let refuse =
        |known: &Known| with(known, &[], |asking| refused(&wanted, &deployment(1, "web:1"), &status, asking));
    let entry = refuse(&Known::default());
    assert_eq!(entry.class, DiffClass::Differs);
    assert_eq!(entry.note, "spec.template: field is immutable");
    assert_eq!(entry.fields.len(), 1);
    let patch =
        PatchedFields { rule: "r".into(), reason: "w".into(), pointers: vec!["/spec/template".into()] };
    let known = Known { patches: BTreeMap::from([(wanted.id(), vec![patch])]), ..Known::default() };
    assert_eq!(refuse(&known).class, DiffClass::Patched);
    status.message = "admission webhook \"w\" does not support dry run".into();
    status.code = 400;
    let entry =
        with(&Known::default(), &[], |asking| refused(&wanted, &deployment(1, "web:1"), &status, asking));
    assert_eq!((entry.class, entry.fields.len()), (DiffClass::NotAskable, 0));
}

fn places(live: Value, wanted: Value) -> Vec<(String, String)> {
    let differences = compare::differences(&live, &wanted);
    differences.into_iter().map(|difference| (difference.pointer, difference.path)).collect()
}

fn place(pointer: &str, path: &str) -> (String, String) {
    (pointer.into(), path.into())
}

#[test]
fn list_elements_are_matched_by_their_keys() {
    assert_eq!(
        places(
            json!({"c": [{"name": "proxy", "a": 1}, {"name": "web", "a": 1}]}),
            json!({"c": [{"name": "web", "a": 2}, {"name": "new", "a": 1}]})
        ),
        [place("/c/1", "c[name=new]"), place("/c/0", "c[name=proxy]"), place("/c/1/a", "c[name=web].a")]
    );
    assert_eq!(
        places(json!({"l": [{"a": 1}, {"a": 2}]}), json!({"l": [{"a": 1}, {"a": 3}]})),
        [place("/l/1/a", "l[1].a")]
    );
    assert_eq!(places(json!({"l": [1, 2]}), json!({"l": [1, 3]})), [place("/l", "l")]);
    assert_eq!(
        places(json!({"e": [{"name": "A"}, {"name": "B"}]}), json!({"e": [{"name": "B"}, {"name": "A"}]})),
        [place("/e", "e")],
        "an order that means something"
    );
    let twice = json!({"e": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]});
    assert_eq!(places(twice.clone(), twice), []);
}

#[test]
fn what_says_the_same_is_no_difference() {
    let live = json!({"a": 1, "gone": {}, "list": [], "n": null, "annotations": {"x/y": "1"}});
    assert_eq!(places(live.clone(), json!({"a": 1.0, "annotations": {"x/y": "1"}})), []);
    assert_eq!(places(live, json!({"a": 1})), [place("/annotations", "annotations")]);
    assert_eq!(
        places(json!({"m": {"x/y": "1", "z": 1}}), json!({"m": {"x/y": "2", "z": 1}})),
        [place("/m/x~1y", "m[\"x/y\"]")]
    );
}

#[test]
fn the_whole_text() {
    let id = |name: &str| ObjectId {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: "shop".into(),
        name: name.into(),
    };
    let field = |path: &str, live: Option<Value>, wanted: Option<Value>, cause: FieldCause| FieldDiff {
        pointer: String::new(),
        path: path.into(),
        live,
        wanted,
        cause,
    };
    let entry = |name: &str, class: DiffClass, fields: Vec<FieldDiff>, note: &str| DiffEntry {
        id: id(name),
        class,
        fields,
        note: note.into(),
    };
    let text = |n: u32| {
        json!(
            (1..=9)
                .map(|line| if line == 5 { format!("line {n}\n") } else { format!("line {line}\n") })
                .collect::<String>()
        )
    };
    let managers = BTreeSet::from(["kube-controller-manager".to_owned()]);
    let diff = Diff {
        entries: vec![
            entry("absent", DiffClass::Absent, vec![], ""),
            entry(
                "differs",
                DiffClass::Differs,
                vec![
                    field("data.long", Some(text(50)), Some(text(5)), FieldCause::Unexplained),
                    field("data.new", None, Some(json!({"a": [1]})), FieldCause::Unexplained),
                    field("data.old", Some(json!("x")), None, FieldCause::Unexplained),
                ],
                "",
            ),
            entry("expired", DiffClass::Expired, vec![], "completed, and removed by its TTL"),
            entry(
                "scaled",
                DiffClass::OtherManager,
                vec![field(
                    "spec.replicas",
                    Some(json!(5)),
                    Some(json!(3)),
                    FieldCause::Manager { managers },
                )],
                "",
            ),
            entry("same", DiffClass::Same, vec![], ""),
        ],
    };
    assert!(diff.differs());
    insta::assert_snapshot!(render(&diff), @r#"
    ConfigMap shop/absent is not in the cluster
    ConfigMap shop/differs differs
      data.long
          line 3
          line 4
        - line 50
        + line 5
          line 6
          line 7
      data.new
        + a:
        + - 1
      data.old
        - "x"
    ConfigMap shop/expired is gone: completed, and removed by its TTL
    ConfigMap shop/scaled was changed by a controller
      spec.replicas (written by kube-controller-manager)
        - 5
        + 3

    5 objects: 1 the same, 1 not in the cluster, 1 different, 1 changed by a controller, 1 completed and expired
    "#);
    let calm = Diff {
        entries: diff.entries.into_iter().filter(|entry| entry.class < DiffClass::NotAskable).collect(),
    };
    assert!(!calm.differs());
}
