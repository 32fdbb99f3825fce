//! What left the manifests goes; data never does unasked.

use devcluster::apply::ApplyOptions;
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

const OBJECTS: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: NS-data}
---
apiVersion: v1
kind: Namespace
metadata: {name: NS-plain}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: NS-data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: old, namespace: NS-plain}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: replaced, namespace: NS}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: stays, namespace: NS}
";

async fn going(place: &Place, kind: &str, namespace: &str, name: &str) -> bool {
    let live: Option<Value> = place.cluster.get(&place.resource("v1", kind), namespace, name).await.unwrap();
    live.is_none_or(|live| live.pointer("/metadata/deletionTimestamp").is_some())
}

#[tokio::test]
async fn what_left_goes_and_data_stays_and_is_named() {
    let place = place("prune").await;
    let objects = place.objects(OBJECTS);
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    // Deleted and made again by somebody else: no longer ours.
    let maps = place.resource("v1", "ConfigMap");
    place.cluster.delete(&maps, &place.namespace, "replaced", None).await.unwrap();
    let (code, text) = place.server.kubectl(&["create", "configmap", "replaced", "-n", &place.namespace], "");
    assert_eq!(code, 0, "{text}");

    let left = &objects[5..];
    let plain = place.apply(left, &ApplyOptions::default()).await.unwrap();
    assert_eq!(plain.pruned.deleted, [], "nothing goes unless asked");
    let options = ApplyOptions { prune: true, ..ApplyOptions::default() };
    let report = place.apply(left, &options).await.unwrap();
    let name = |id: &devcluster::manifest::ObjectId| format!("{} {}", id.kind, id.name);
    let deleted: Vec<String> = report.pruned.deleted.iter().map(name).collect();
    assert_eq!(deleted, ["ConfigMap old".to_owned(), format!("Namespace {}-plain", place.namespace)]);
    let kept: Vec<String> =
        report.pruned.kept.iter().map(|kept| format!("{}: {}", name(&kept.id), kept.why)).collect();
    assert_eq!(
        kept,
        [
            "PersistentVolumeClaim data: it holds data; delete it with `devcluster down --data` or kubectl"
                .to_owned(),
            "ConfigMap replaced: it was not applied by devcluster".to_owned(),
            format!("Namespace {0}-data: it holds PersistentVolumeClaim {0}-data/data", place.namespace),
        ]
    );
    let data = format!("{}-data", place.namespace);
    assert!(!going(&place, "PersistentVolumeClaim", &data, "data").await);
    assert!(!going(&place, "Namespace", "", &data).await);
    assert!(going(&place, "Namespace", "", &format!("{}-plain", place.namespace)).await);

    // Said once; from then on there is nothing to do.
    assert_eq!(place.check(left).await, [] as [&str; 0]);
    let again = place.apply(left, &options).await.unwrap();
    assert_eq!((again.pruned.deleted.len(), again.pruned.kept.len()), (0, 0));

    // Back in the manifests, it is ours as before.
    place.apply(&objects[..3], &ApplyOptions::default()).await.unwrap();
    let all = ApplyOptions { prune: true, prune_volumes: true, ..ApplyOptions::default() };
    let report = place.apply(&[], &all).await.unwrap();
    let deleted: Vec<String> = report.pruned.deleted.iter().map(name).collect();
    assert!(deleted.contains(&"PersistentVolumeClaim data".to_owned()), "{deleted:?}");
}

#[tokio::test]
async fn a_namespace_with_others_objects_or_older_than_us_stays() {
    let place = place("foreign").await;
    let objects = place.objects("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: NS-new}\n");
    place.apply(&objects, &ApplyOptions::default()).await.unwrap();
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}});
    let new = format!("{}-new", place.namespace);
    place.cluster.create(&place.resource("v1", "ConfigMap"), &new, &foreign).await.unwrap();
    // The cluster's own manager is ours here, so only the inventory tells.
    let options = ApplyOptions { prune: true, prune_volumes: true, ..ApplyOptions::default() };
    let report = place.apply(&[], &options).await.unwrap();
    assert_eq!(report.pruned.deleted, []);
    let kept: Vec<&str> = report.pruned.kept.iter().map(|kept| kept.why.as_str()).collect();
    assert_eq!(
        kept,
        ["it was there before devcluster".to_owned(), format!("it holds ConfigMap {new}/notes")]
    );
}
