//! What going back takes: names of images that must stand for other bytes, Pods that cannot be replaced without a gap.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::record::Digests;
use crate::manifest::Object;

/// What must be done to a node's image names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renames {
    /// Names that are to stand for a manifest's digest.
    pub names: Vec<(String, String)>,
    /// Names whose bytes the node has no more.
    pub gone: Vec<String>,
}

/// What must be done to a node's image names, by `standing` what each stands for there. An image is known by its manifest, and by
/// its configuration, by whose digest CRI names it: the same bytes that were sent again may have another manifest.
pub fn renames(images: &BTreeMap<String, Digests>, standing: &BTreeMap<String, String>) -> Renames {
    let mut found = Renames::default();
    for (name, digests) in images {
        let again = standing.get(&digests.config);
        if standing.get(name).is_some_and(|stands| *stands == digests.manifest || Some(stands) == again) {
            continue;
        }
        if standing.values().any(|digest| *digest == digests.manifest) {
            found.names.push((name.clone(), digests.manifest.clone()));
        } else if let Some(again) = again {
            found.names.push((name.clone(), again.clone()));
        } else {
            found.gone.push(name.clone());
        }
    }
    found
}

/// Why requests may fail while the Pods of a workload are replaced, as its manifest has it; none where it drains.
pub fn no_drain(object: &Object) -> Option<String> {
    if !matches!(object.kind(), "Deployment" | "StatefulSet" | "DaemonSet") {
        return None;
    }
    let containers = object.value.pointer("/spec/template/spec/containers").and_then(Value::as_array)?;
    let serving: Vec<&Value> =
        containers.iter().filter(|container| container.get("ports").is_some()).collect();
    if serving.is_empty() {
        return None;
    }
    let lacks = |pointer: &str| serving.iter().any(|container| container.pointer(pointer).is_none());
    let replicas = object.value.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let grace = object.value.pointer("/spec/template/spec/terminationGracePeriodSeconds");
    if object.text("/spec/strategy/type") == "Recreate" {
        return Some("its strategy is Recreate: old Pods end before new ones start".into());
    }
    if object.kind() == "StatefulSet" && replicas < 2 {
        return Some("it has one Pod, which ends before the next starts".into());
    }
    let has_no_surge = |pointer: &str, default: &str| {
        let written = object.value.pointer(pointer).map_or(default.to_owned(), ToString::to_string);
        matches!(written.trim_matches('"').trim_end_matches('%'), "0")
    };
    if object.kind() == "Deployment"
        && replicas < 2
        && has_no_surge("/spec/strategy/rollingUpdate/maxSurge", "25%")
    {
        return Some("it has one Pod and its maxSurge is 0: that ends before the next starts".into());
    }
    if object.kind() == "DaemonSet" && has_no_surge("/spec/updateStrategy/rollingUpdate/maxSurge", "0") {
        return Some("its Pod on each node ends before the next one starts there".into());
    }
    let mut why = Vec::new();
    if lacks("/readinessProbe") {
        why.push("no readiness probe says when a new Pod answers");
    }
    if grace.and_then(Value::as_u64) == Some(0) {
        why.push("its grace period is 0");
    } else if lacks("/lifecycle/preStop") {
        why.push("no preStop hook lets an ending Pod finish while it is still sent requests");
    }
    (!why.is_empty()).then(|| why.join(", and "))
}

/// A ConfigMap or Secret that a Pod reads, by kind and name.
pub type Reading = (&'static str, String);

/// What a Pod's containers read once, when they start: as variables, or as files below a path of their own. What is mounted
/// whole is kept current by the kubelet.
pub fn read_at_start(spec: &Value) -> BTreeSet<Reading> {
    let below = containers(spec).flat_map(|container| items(container, "volumeMounts"));
    let below = below.filter(|mount| mount.get("subPath").is_some());
    let names: BTreeSet<String> = below.filter_map(|mount| Some(mount.get("name")?.to_string())).collect();
    let mut found = variables(spec);
    found.extend(volumes(spec, |name| names.contains(&name.to_string())));
    found
}

/// All that a Pod's containers read.
pub fn reads(spec: &Value) -> BTreeSet<Reading> {
    let mut found = variables(spec);
    found.extend(volumes(spec, |_| true));
    found
}

fn items<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    items(spec, "initContainers").chain(items(spec, "containers"))
}

/// The images of a Pod's containers, as they are written.
pub fn images(spec: &Value) -> impl Iterator<Item = &str> {
    containers(spec).filter_map(|container| container.get("image")?.as_str())
}

fn variables(spec: &Value) -> BTreeSet<Reading> {
    let mut found = BTreeSet::new();
    for container in containers(spec) {
        for from in items(container, "env").filter_map(|variable| variable.get("valueFrom")) {
            found.extend(named(from, "configMapKeyRef", "name", "ConfigMap"));
            found.extend(named(from, "secretKeyRef", "name", "Secret"));
        }
        for from in items(container, "envFrom") {
            found.extend(named(from, "configMapRef", "name", "ConfigMap"));
            found.extend(named(from, "secretRef", "name", "Secret"));
        }
    }
    found
}

fn volumes(spec: &Value, wanted: impl Fn(&Value) -> bool) -> BTreeSet<Reading> {
    let mut found = BTreeSet::new();
    for volume in items(spec, "volumes").filter(|volume| volume.get("name").is_some_and(&wanted)) {
        found.extend(named(volume, "configMap", "name", "ConfigMap"));
        found.extend(named(volume, "secret", "secretName", "Secret"));
        for source in volume.get("projected").into_iter().flat_map(|all| items(all, "sources")) {
            found.extend(named(source, "configMap", "name", "ConfigMap"));
            found.extend(named(source, "secret", "name", "Secret"));
        }
    }
    found
}

fn named(from: &Value, reference: &str, key: &str, kind: &'static str) -> Option<Reading> {
    Some((kind, from.get(reference)?.get(key)?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    #[test]
    fn names_move_to_bytes_that_are_there_and_others_are_gone() {
        let bytes = |manifest: &str| Digests { config: String::new(), manifest: manifest.into() };
        let images = [("a:1", "m1"), ("b:1", "m2"), ("c:1", "m3")]
            .map(|(name, manifest)| (name.to_owned(), bytes(manifest)));
        let standing = [("a:1", "m1"), ("b:1", "new"), ("kept", "m2"), ("c:1", "new")];
        let standing = standing.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
        let found = renames(&images.into(), &standing.into());
        assert_eq!(found.names, [("b:1".to_owned(), "m2".to_owned())]);
        assert_eq!(found.gone, ["c:1"]);
        // Sent again, the same bytes may have another manifest.
        let images = [("a:1", "old"), ("b:1", "old")].map(|(name, manifest)| {
            (name.to_owned(), Digests { config: "sha256:c".into(), manifest: manifest.into() })
        });
        let standing = [("a:1", "again"), ("b:1", "new"), ("sha256:c", "again")];
        let standing = standing.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
        let found = renames(&images.into(), &standing.into());
        assert_eq!(found, Renames { names: vec![("b:1".into(), "again".into())], gone: Vec::new() });
    }

    #[test]
    fn what_is_read_once_is_found_and_what_is_kept_current_is_not() {
        let spec = json!({
            "initContainers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
            "containers": [{
                "env": [{"name": "B", "value": "x"}, {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}],
                "envFrom": [{"configMapRef": {"name": "b"}}, {"secretRef": {"name": "t"}}],
                "volumeMounts": [{"name": "v", "subPath": "f"}, {"name": "w"}],
            }],
            "volumes": [{"name": "v", "secret": {"secretName": "u"}}, {"name": "w", "configMap": {"name": "whole"}}],
        });
        let found: Vec<String> =
            read_at_start(&spec).into_iter().map(|(kind, name)| format!("{kind} {name}")).collect();
        assert_eq!(found, ["ConfigMap a", "ConfigMap b", "Secret s", "Secret t", "Secret u"]);
        assert!(reads(&spec).contains(&("ConfigMap", "whole".to_owned())));
        assert!(read_at_start(&json!(null)).is_empty());
    }

    #[test]
    fn what_has_no_drain_is_told() {
        let deployment = |container: Value, more: Value| {
            let mut value = json!({"kind": "Deployment", "apiVersion": "apps/v1", "spec": {
                "template": {"spec": {"containers": [container]}}}});
            json_patch::merge(&mut value, &json!({"spec": more}));
            Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
        };
        let bare = json!({"name": "web", "ports": [{"containerPort": 80}]});
        let mut drains = bare.clone();
        drains["readinessProbe"] = json!({"httpGet": {}});
        drains["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 2}}});
        assert_eq!(no_drain(&deployment(drains.clone(), json!({}))), None);
        assert_eq!(
            no_drain(&deployment(json!({"name": "worker"}), json!({}))),
            None,
            "nobody sends it requests"
        );
        let why = |container: &Value, more: Value| no_drain(&deployment(container.clone(), more)).unwrap();
        assert!(why(&drains, json!({"strategy": {"type": "Recreate"}})).contains("Recreate"));
        let surge =
            |replicas: usize| json!({"replicas": replicas, "strategy": {"rollingUpdate": {"maxSurge": 0}}});
        assert!(why(&drains, surge(1)).contains("maxSurge is 0"));
        assert_eq!(no_drain(&deployment(drains.clone(), surge(2))), None);
        let mut agent = deployment(drains.clone(), json!({}));
        agent.value["kind"] = "DaemonSet".into();
        assert!(no_drain(&agent).unwrap().contains("on each node"));
        agent.value["spec"]["updateStrategy"] = json!({"rollingUpdate": {"maxSurge": "10%"}});
        assert_eq!(no_drain(&agent), None);
        let both = why(&bare, json!({}));
        assert!(both.contains("readiness") && both.contains("preStop"), "{both}");
        assert!(
            why(&drains, json!({"template": {"spec": {"terminationGracePeriodSeconds": 0}}}))
                .contains("grace")
        );
    }
}
