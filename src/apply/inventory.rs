//! What was applied, remembered: never a label or an annotation on an object of production. `inventory_store` keeps it.

use std::collections::BTreeMap;

use kube::api::{Patch, PatchParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Cluster, Kinds, MANAGER, Resource, SYSTEM_NAMESPACE};
use super::error::ApplyError;
use super::fields;
use super::inventory_store::Stored;
use crate::manifest::{Gvk, Object, ObjectId};

/// What is remembered of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The `apiVersion` it was written in.
    pub api_version: String,
    /// Hash of the object as it was written; `None` from just before it is applied until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<String>,
    /// [`fields::live_hash`] of the live object after it was applied.
    #[serde(default)]
    pub live: String,
    /// The live object's uid.
    #[serde(default)]
    pub uid: String,
    /// Whether it was not there before we applied it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// Whether it is a Job that has run to its end: it is not run again when its TTL has removed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub completed: bool,
    /// Of an object that fell back from server-side apply: the fields it was written with, without their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Value>,
    /// Why it is kept though the manifests no longer have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What is remembered of a release's hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Hash of the chart as it was when it was last installed or upgraded to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Events, by Helm's names, whose hooks have run to their end, with the hash of the chart as it was then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, String>,
}

/// What was applied to one cluster for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub(super) name: String,
    /// By object.
    pub entries: BTreeMap<ObjectId, Entry>,
    /// By release, `namespace/name`.
    pub releases: BTreeMap<String, Release>,
    /// How the kinds of the entries are served, so that the next run need not ask.
    pub kinds: Kinds,
    pub(super) stored: BTreeMap<usize, Stored>,
}

impl Inventory {
    /// An empty one. `name` must do as part of an object's name: lower case letters, digits and dashes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            entries: BTreeMap::new(),
            releases: BTreeMap::new(),
            kinds: Kinds::new(),
            stored: BTreeMap::new(),
        }
    }

    /// Notes that `object` is about to be applied, so that it is known as ours even if this run dies before it can say how
    /// that went. True where that is news.
    pub fn intend(&mut self, object: &Object) -> bool {
        let mut news = false;
        let entry = self.entries.entry(object.id()).or_insert_with(|| {
            news = true;
            Entry { api_version: object.gvk().api_version(), ..Entry::default() }
        });
        news |= entry.kept.take().is_some();
        news
    }

    /// Notes that `object` was applied, and what came of it.
    pub fn applied(&mut self, object: &Object, live: &Value, created: bool, shape: Option<Value>) {
        let uid = uid(live).to_owned();
        let entry = self.entries.entry(object.id()).or_default();
        *entry = Entry {
            api_version: object.gvk().api_version(),
            desired: Some(object.hash()),
            live: fields::live_hash(live, &object.value),
            created: created || (entry.created && (entry.uid.is_empty() || entry.uid == uid)),
            completed: completed(live),
            uid,
            shape,
            kept: None,
        };
    }

    /// Notes what a live object that was found unchanged tells beyond that: a Job that has come to its end. Call it with
    /// the Jobs seen while waiting, too; save afterwards.
    pub fn seen(&mut self, id: &ObjectId, live: &Value) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.completed |= completed(live);
        }
    }

    /// Whether `object` is a Job that ran to its end as it is written now; then it is not missed when its TTL has removed
    /// it.
    pub fn has_run(&self, object: &Object) -> bool {
        object.value.pointer("/spec/ttlSecondsAfterFinished").is_some()
            && self.entries.get(&object.id()).is_some_and(|entry| {
                entry.completed && entry.desired.as_deref() == Some(object.hash().as_str())
            })
    }
}

/// A Job whose Complete condition is true.
fn completed(live: &Value) -> bool {
    live.pointer("/status/conditions").and_then(Value::as_array).is_some_and(|conditions| {
        live.pointer("/spec/template").is_some()
            && conditions.iter().any(|condition| {
                condition.get("type").and_then(Value::as_str) == Some("Complete")
                    && condition.get("status").and_then(Value::as_str) == Some("True")
            })
    })
}

/// A live object's uid; empty where it has none.
pub fn uid(live: &Value) -> &str {
    live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

/// Makes the namespace for objects of our own.
pub async fn ensure_namespace(cluster: &Cluster) -> Result<(), ApplyError> {
    let kind = Resource { gvk: Gvk::new("v1", "Namespace"), plural: "namespaces".into(), namespaced: false };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}});
    let params = PatchParams::apply(MANAGER).force();
    cluster
        .patch(&kind, "", SYSTEM_NAMESPACE, &params, &Patch::Apply(&namespace))
        .await
        .map(drop)
        .map_err(|error| ApplyError::request(format!("make the namespace {SYSTEM_NAMESPACE}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;

    #[test]
    fn a_job_that_ran_is_not_missed_until_it_changes() {
        let job = |image: &str| Object {
            value: json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"},
                "spec": {"ttlSecondsAfterFinished": 60, "template": {"spec": {"containers": [{"image": image}]}}}}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        };
        let mut inventory = Inventory::new("shop");
        let mut live = job("a").value;
        inventory.applied(&job("a"), &live, true, None);
        assert!(!inventory.has_run(&job("a")));
        live["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        inventory.seen(&job("a").id(), &live);
        assert!(inventory.has_run(&job("a")));
        assert!(!inventory.has_run(&job("b")));
    }
}
