//! Pods by the workload they stand for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::readiness::fields::{count, list, text, uid};

/// Objects by the controller that owns them: who made which ReplicaSet, Job and Pod.
#[derive(Debug, Default)]
pub struct Owned<'a> {
    by_owner: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Owned<'a> {
    /// Sorts Pods, ReplicaSets and Jobs by the uid of their controller. Objects without one are left out.
    pub fn new(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut by_owner: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for object in objects {
            let controller = list(object, "/metadata/ownerReferences")
                .iter()
                .find(|owner| owner["controller"].as_bool().unwrap_or(false));
            if let Some(owner) = controller {
                by_owner.entry(text(owner, "/uid")).or_default().push(object);
            }
        }
        for owned in by_owner.values_mut() {
            owned.sort_by_key(|object| name_key(object));
            owned.dedup_by_key(|object| uid(object));
        }
        Self { by_owner }
    }

    /// What an object controls directly.
    pub fn children(&self, owner: &Value) -> &[&'a Value] {
        self.by_owner.get(uid(owner)).map_or(&[], Vec::as_slice)
    }

    /// Every Pod below an object, of old generations too, those being deleted left out.
    pub fn pods(&self, owner: &Value) -> Vec<&'a Value> {
        self.collect(owner, |_, _| true)
    }

    /// The Pods of a workload's current generation, those being deleted left out: of a Deployment those of its newest
    /// ReplicaSet, of a StatefulSet or a DaemonSet those of its newest revision (with a partition or on-delete updates
    /// every Pod counts that is meant to stay as it is). Of any other owner all its Pods.
    pub fn current_pods(&self, owner: &Value) -> Vec<&'a Value> {
        self.collect(owner, is_current)
    }

    fn collect(&self, owner: &Value, keep: impl Fn(&Value, &Value) -> bool + Copy) -> Vec<&'a Value> {
        let mut found = Vec::new();
        let mut owners = vec![owner];
        let mut seen = BTreeSet::new();
        while let Some(owner) = owners.pop() {
            if !seen.insert(uid(owner)) {
                continue;
            }
            for &child in self.children(owner).iter().filter(|child| keep(owner, child)) {
                if text(child, "/kind") == "Pod" {
                    found.push(child);
                } else {
                    owners.push(child);
                }
            }
        }
        found.retain(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        found.sort_by_key(|pod| name_key(pod));
        found
    }
}

fn name_key(object: &Value) -> (&str, &str) {
    (text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

/// Whether `child` belongs to the current generation of `owner`.
fn is_current(owner: &Value, child: &Value) -> bool {
    match (text(owner, "/kind"), text(child, "/kind")) {
        // The deployment controller writes the revision on both sides; until it has, every ReplicaSet may be the one.
        ("Deployment", "ReplicaSet") => {
            text(owner, REVISION).is_empty() || text(owner, REVISION) == text(child, REVISION)
        }
        ("StatefulSet", "Pod") => {
            let revision = text(owner, "/status/updateRevision");
            let on_delete = text(owner, "/spec/updateStrategy/type") == "OnDelete";
            let partition = count(owner, "/spec/updateStrategy/rollingUpdate/partition");
            on_delete
                || revision.is_empty()
                || text(child, "/metadata/labels/controller-revision-hash") == revision
                || ordinal(child).is_some_and(|ordinal| ordinal < partition)
        }
        // The hash of a DaemonSet's revision is nowhere in its status; its template's number is.
        ("DaemonSet", "Pod") => {
            let template = text(owner, "/metadata/annotations/deprecated.daemonset.template.generation");
            let of_pod = text(child, "/metadata/labels/pod-template-generation");
            text(owner, "/spec/updateStrategy/type") == "OnDelete"
                || template.is_empty()
                || of_pod.is_empty()
                || template == of_pod
        }
        _ => true,
    }
}

/// A StatefulSet Pod's number.
fn ordinal(pod: &Value) -> Option<i64> {
    text(pod, "/metadata/name").rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(kind: &str, name: &str, owner: &str, more: &Value) -> Value {
        let mut object = json!({"kind": kind, "metadata": {
            "namespace": "shop", "name": name, "uid": format!("{name}-uid"),
            "ownerReferences": [{"uid": format!("{owner}-uid"), "controller": true}],
        }});
        json_patch::merge(&mut object, more);
        object
    }

    fn names(pods: &[&Value]) -> Vec<String> {
        pods.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect()
    }

    #[test]
    fn a_deployment_stands_by_the_pods_of_its_newest_replica_set() {
        let revision =
            |n: &str| json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": n}}});
        let mut web = json!({"kind": "Deployment", "metadata": {"uid": "web-uid"}});
        json_patch::merge(&mut web, &revision("2"));
        let objects = [
            owned("ReplicaSet", "old", "web", &revision("1")),
            owned("ReplicaSet", "new", "web", &revision("2")),
            owned("Pod", "old-a", "old", &json!({})),
            owned("Pod", "new-b", "new", &json!({})),
            owned("Pod", "new-a", "new", &json!({})),
            owned(
                "Pod",
                "new-gone",
                "new",
                &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            ),
            owned("Pod", "other", "else", &json!({})),
        ];
        let owners = Owned::new(&objects);
        assert_eq!(names(&owners.current_pods(&web)), ["new-a", "new-b"]);
        assert_eq!(names(&owners.pods(&web)), ["new-a", "new-b", "old-a"]);
    }

    #[test]
    fn a_stateful_set_keeps_old_pods_below_its_partition() {
        let hash = |h: &str| json!({"metadata": {"labels": {"controller-revision-hash": h}}});
        let mut db =
            json!({"kind": "StatefulSet", "metadata": {"uid": "db-uid"}, "status": {"updateRevision": "r2"}});
        let objects = [
            owned("Pod", "db-0", "db", &hash("r1")),
            owned("Pod", "db-1", "db", &hash("r1")),
            owned("Pod", "db-2", "db", &hash("r2")),
        ];
        let owners = Owned::new(&objects);
        assert_eq!(names(&owners.current_pods(&db)), ["db-2"]);
        db["spec"] = json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}});
        assert_eq!(names(&owners.current_pods(&db)), ["db-0", "db-2"]);
        db["spec"] = json!({"updateStrategy": {"type": "OnDelete"}});
        assert_eq!(names(&owners.current_pods(&db)), ["db-0", "db-1", "db-2"]);
    }

    #[test]
    fn a_daemon_set_stands_by_the_pods_of_its_newest_template() {
        let label = |n: &str| json!({"metadata": {"labels": {"pod-template-generation": n}}});
        let agent = json!({"kind": "DaemonSet", "metadata": {"uid": "agent-uid",
            "annotations": {"deprecated.daemonset.template.generation": "3"}}});
        let objects = [owned("Pod", "a", "agent", &label("2")), owned("Pod", "b", "agent", &label("3"))];
        assert_eq!(names(&Owned::new(&objects).current_pods(&agent)), ["b"]);
    }
}
