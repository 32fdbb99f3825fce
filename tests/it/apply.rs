//! Applying production's objects: stages, idempotence, nothing of ours on them, size.

use std::collections::BTreeMap;

use devcluster::apply::{ApplyError, ApplyOptions, Inventory, Outcome, Report, check};
use devcluster::event::Silent;
use devcluster::manifest::{Object, ObjectId, Origin};
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

/// A system with a CRD and its object, written in the wrong order.
const SYSTEM: &str = r"
apiVersion: NS.example.com/v1
kind: Widget
metadata: {name: blue, namespace: NS}
spec: {size: 3}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: example.com/web:1
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS-extra, annotations: {owner: team}}
data: {mode: production}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: NS}
stringData: {token: hunter2}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: NS}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: NS}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.com}
spec:
  group: NS.example.com
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: NS-extra}
";

fn outcomes(report: &Report) -> BTreeMap<String, String> {
    report.applied.iter().map(|applied| (applied.id.to_string(), format!("{:?}", applied.outcome))).collect()
}

fn versions(report: &Report) -> BTreeMap<ObjectId, String> {
    let version = |applied: &devcluster::apply::Applied| {
        applied.live.as_ref().and_then(|live| live.metadata.resource_version.clone()).unwrap_or_default()
    };
    report.applied.iter().map(|applied| (applied.id.clone(), version(applied))).collect()
}

/// A run that remembers nothing sends every object again.
async fn apply_anew(place: &Place, objects: &[Object], run: u32) -> Report {
    let mut inventory = Inventory::new(&format!("{}-anew-{run}", place.namespace));
    devcluster::apply::apply(&place.cluster, objects, &ApplyOptions::default(), &mut inventory, &Silent)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_whole_system_comes_up_in_one_go_and_a_second_time_nothing_is_written() {
    let place = place("system").await;
    let objects = place.objects(SYSTEM);
    let first = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert!(
        first.applied.iter().all(|applied| applied.outcome == Outcome::Created),
        "{:?}",
        outcomes(&first)
    );
    let kinds: Vec<&str> = first.applied.iter().map(|applied| applied.id.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "CustomResourceDefinition",
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "Service",
            "Widget",
            "Deployment"
        ]
    );

    let second = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert!(
        second.applied.iter().all(|applied| applied.outcome == Outcome::Unchanged),
        "{:?}",
        outcomes(&second)
    );
    let mut expected = versions(&first);
    expected.retain(|id, _| id.kind != "CustomResourceDefinition");
    let mut found = versions(&second);
    found.retain(|id, _| id.kind != "CustomResourceDefinition");
    assert_eq!(found, expected, "a CRD gets its status after it was applied; of the others nothing moves");

    // Sent again, they are unchanged as well. The first time the API server notes down who owned an object of which
    // nothing is ours; from then on it writes nothing.
    let third = apply_anew(&place, &objects, 1).await;
    let fourth = apply_anew(&place, &objects, 2).await;
    for report in [&third, &fourth] {
        assert!(
            report.applied.iter().all(|applied| applied.outcome == Outcome::Unchanged),
            "{:?}",
            outcomes(report)
        );
    }
    assert_eq!(versions(&third), versions(&fourth), "server-side apply of the same objects writes nothing");
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn production_objects_carry_nothing_of_ours_and_kubectl_sees_no_difference() {
    let place = place("pure").await;
    let objects = place.objects(SYSTEM);
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    for applied in &report.applied {
        let written = objects.iter().find(|object| object.id() == applied.id).unwrap();
        let live = applied.live.as_ref().unwrap();
        for (what, found) in [("labels", &live.metadata.labels), ("annotations", &live.metadata.annotations)]
        {
            let mut found = json!(found.clone().unwrap_or_default());
            if let Some(found) = found.as_object_mut() {
                // The API server labels namespaces itself.
                found.remove("kubernetes.io/metadata.name");
            }
            let wanted = written.value["metadata"].get(what).cloned().unwrap_or(json!({}));
            assert_eq!(found, wanted, "{what} of {}", applied.id);
        }
    }
    let yaml: Vec<String> =
        objects.iter().map(|object| serde_yaml::to_string(&object.value).unwrap()).collect();
    let args = ["diff", "--server-side", "--force-conflicts", "--field-manager", "devcluster", "-f", "-"];
    let (code, text) = place.server.kubectl(&args, &yaml.join("---\n"));
    assert_eq!((code, text.as_str()), (0, ""));
}

#[tokio::test]
async fn two_thousand_objects_are_applied_and_checked() {
    let place = place("many").await;
    let objects: Vec<Object> = (0..2_000)
        .map(|n| Object {
            value: json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("settings-{n}"), "namespace": place.namespace}, "data": {"n": n.to_string()}}),
            origin: Origin { source: "test".into(), file: None, line: 0 },
        })
        .collect();
    let report = place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(report.applied.len(), 2_000);
    assert!(report.applied.iter().all(|applied| applied.outcome == Outcome::Created));
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);
}

#[tokio::test]
async fn an_inventory_larger_than_one_object_is_kept_and_read_again() {
    let place = place("inventory").await;
    let mut inventory = place.inventory().await;
    let fill = |inventory: &mut Inventory, count: usize| {
        for n in 0..count {
            let object = Object {
                value: json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": format!("a-rather-long-name-of-settings-{n}"), "namespace": "shop"}}),
                origin: Origin { source: "test".into(), file: None, line: 0 },
            };
            inventory.applied(&object, &object.value, true, None);
        }
    };
    fill(&mut inventory, 100);
    inventory.save(&place.cluster).await.unwrap();
    let mut stale = place.inventory().await;
    fill(&mut inventory, 8_000);
    inventory.save(&place.cluster).await.unwrap();
    let read = place.inventory().await;
    assert_eq!(read.entries.len(), 8_000);
    assert_eq!(read, inventory);

    fill(&mut stale, 101);
    let error = stale.save(&place.cluster).await.unwrap_err();
    assert!(matches!(error, ApplyError::InventoryConflict { .. }), "{error}");
}

#[tokio::test]
async fn all_that_is_wrong_in_a_stage_is_said_at_once() {
    let place = place("faults").await;
    let objects = place.objects(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: good, namespace: NS}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: homeless, namespace: NS-nowhere}
---
apiVersion: v1
kind: Secret
metadata: {name: broken, namespace: NS}
data: {token: "not base64: hunter2"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: later, namespace: NS}
"#,
    );
    let error = place.apply(&objects, &ApplyOptions::default()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("2 object(s) could not be applied in stage configuration\n"), "{text}");
    let homeless = format!(
        "ConfigMap {0}-nowhere/homeless (test.yaml:2): namespace {0}-nowhere does not exist; add it to the manifests",
        place.namespace
    );
    assert!(text.contains(&homeless), "{text}");
    assert!(text.contains(&format!("Secret {}/broken (test.yaml:3): ", place.namespace)), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(place.live("v1", "ConfigMap", "good").await.is_some(), "the others of the stage are applied");

    // What was applied before the failure is known, and goes when it leaves the manifests.
    let options = ApplyOptions { prune: true, ..ApplyOptions::default() };
    let report = place.apply(&[], &options).await.unwrap();
    assert_eq!(report.pruned.deleted.len(), 1, "{:?}", report.pruned);
    assert!(place.live("v1", "ConfigMap", "good").await.is_none());
}

/// Fails as a killed run does: between two awaits, with nothing cleaned up.
async fn cut_short(place: &Place, objects: &[Object], after: std::time::Duration) {
    let mut inventory = place.inventory().await;
    let options = ApplyOptions { concurrency: 1, ..ApplyOptions::default() };
    let run = devcluster::apply::apply(&place.cluster, objects, &options, &mut inventory, &Silent);
    let _ = tokio::time::timeout(after, run).await;
}

#[tokio::test]
async fn wherever_a_run_is_cut_short_the_next_completes_it_and_nothing_is_forgotten() {
    let place = place("cut").await;
    let objects = place.objects(SYSTEM);
    for millis in (5..400).step_by(45) {
        cut_short(&place, &objects, std::time::Duration::from_millis(millis)).await;
    }
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    assert_eq!(place.check(&objects).await, [] as [&str; 0]);

    // What a cut run wrote without saying so is known as ours all the same.
    let mut more = objects.clone();
    more.extend(
        place.objects(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: NS}\ndata: {a: b}\n",
        ),
    );
    let mut inventory = place.inventory().await;
    assert!(inventory.intend(more.last().unwrap()));
    inventory.save(&place.cluster).await.unwrap();
    let late = more.last().unwrap();
    let resource = place.cluster.resolve(late).unwrap();
    devcluster::apply::server_side::patch(
        &place.cluster,
        &resource,
        late.namespace(),
        late.name(),
        &late.value,
        false,
    )
    .await
    .unwrap();
    let options = ApplyOptions { prune: true, ..ApplyOptions::default() };
    let report = place.apply(&objects, &options).await.unwrap();
    assert_eq!(report.pruned.deleted, [late.id()]);
}

#[tokio::test]
async fn an_unknown_kind_is_named_before_anything_is_applied() {
    let place = place("unknown").await;
    let objects = place.objects(
        r"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: web, namespace: NS}
---
apiVersion: NS.example.com/v1
kind: Gadget
metadata: {name: a, namespace: NS}
",
    );
    let error = place.apply(&objects, &ApplyOptions::default()).await.unwrap_err().to_string();
    let expected = format!(
        "the cluster does not serve 2 kind(s) that the manifests use\n  extensions/v1beta1 Ingress (Ingress {0}/web, \
         test.yaml:2): the cluster serves it as networking.k8s.io/v1\n  {0}.example.com/v1 Gadget \
         (Gadget.{0}.example.com {0}/a, test.yaml:3): add its CRD to the manifests, or set missingCrds in the profile",
        place.namespace
    );
    assert_eq!(error, expected);
    assert!(place.live("v1", "ConfigMap", "settings").await.is_none());

    // An open schema in its place keeps the object.
    place.cluster.discover().await.unwrap();
    let missing = devcluster::apply::crd::missing(&objects, &place.cluster.kinds());
    let gadget = missing.iter().find(|kind| kind.can_be_supplied()).unwrap();
    let mut supplied = vec![objects[0].clone(), objects[2].clone()];
    supplied.push(Object { value: gadget.open_schema(), ..objects[0].clone() });
    let report = place.apply(&supplied, &ApplyOptions::default()).await.unwrap();
    assert_eq!(report.applied.len(), 3);
    let again = check(&place.cluster, &supplied, &place.inventory().await).await.unwrap();
    assert_eq!((again.changes.len(), again.live.len()), (0, 3));
}

#[tokio::test]
async fn a_fresh_connection_checks_without_discovery() {
    let place = place("fresh").await;
    let objects = place.objects(SYSTEM);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let cluster = devcluster::apply::Cluster::connect(&place.server.kubeconfig, None).await.unwrap();
    let inventory = Inventory::load(&cluster, &place.namespace).await.unwrap();
    let checked = check(&cluster, &objects, &inventory).await.unwrap();
    assert_eq!(checked.changes, []);
    assert_eq!(cluster.kinds().len(), inventory.kinds.len(), "only what the inventory told");
    let unknown = |value: &Value| value.get("kind").is_none();
    assert!(!checked.live.values().any(unknown), "items of lists are given their type");
}
