//! The watches of a wait, and what they bring.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event as Change};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde_json::Value;
use tokio::time::Instant;

use super::super::diagnose::{Subject, diagnose, events, last_event};
use super::super::pods::Owned;
use super::super::readiness::fields::{Condition, condition, text};
use super::judge::{Judge, Verdict};
use super::view::{Feed, View};
use super::{NotReady, Target, WaitOptions};
use crate::manifest::ObjectId;

/// From how many namespaces of one kind on the whole cluster is watched instead: every watch is a connection.
const NAMESPACES_APART: usize = 3;

/// One change of one watch.
type Item = (Feed, Result<Change<Value>, watcher::Error>);

/// What is waited for, and what is seen of it.
pub(super) struct Waiting<'a> {
    client: &'a Client,
    targets: &'a [Target],
    options: &'a WaitOptions,
    pub(super) view: View,
    pub(super) judge: Judge,
    changes: SelectAll<BoxStream<'static, Item>>,
    /// When to look again though nothing changes.
    pub(super) again: Option<Instant>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(client: &'a Client, targets: &'a [Target], options: &'a WaitOptions) -> Self {
        Self {
            client,
            targets,
            options,
            view: View::default(),
            judge: Judge::new(options.wait_for_jobs),
            changes: SelectAll::new(),
            again: None,
        }
    }

    /// Takes what has changed: waits for one change, then takes all that are there.
    pub(super) async fn take(&mut self) {
        let Some((feed, change)) = self.changes.next().await else {
            // No watch, no target: nothing will ever change.
            if self.targets.is_empty() {
                return;
            }
            return std::future::pending().await;
        };
        self.view.take(&feed, change);
        while let Some(Some((feed, change))) = self.changes.next().now_or_never() {
            self.view.take(&feed, change);
        }
    }

    /// Watches the targets themselves.
    pub(super) fn watch_targets(&mut self) {
        let mut kinds: BTreeMap<(&str, &str), (&ApiResource, BTreeSet<&str>)> = BTreeMap::new();
        for target in self.targets {
            let id = &target.id;
            let kind = kinds.entry((&id.group, &id.kind)).or_insert((&target.resource, BTreeSet::new()));
            kind.1.insert(&id.namespace);
        }
        for (resource, namespaces) in kinds.into_values() {
            self.watch(resource, &namespaces, &watcher::Config::default());
        }
    }

    /// Watches what tells why targets are not ready: Pods, ReplicaSets and warnings.
    pub(super) fn watch_surroundings(&mut self) {
        let targets = self.targets;
        let namespaces: BTreeSet<&str> = targets
            .iter()
            .map(|target| target.id.namespace.as_str())
            .filter(|name| !name.is_empty())
            .collect();
        let kind = |group: &str, version: &str, kind: &str, plural: &str| ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: if group.is_empty() { version.into() } else { format!("{group}/{version}") },
            kind: kind.into(),
            plural: plural.into(),
        };
        self.watch(&kind("", "v1", "Pod", "pods"), &namespaces, &watcher::Config::default());
        if targets.iter().any(|target| target.id.kind == "Deployment") {
            self.watch(
                &kind("apps", "v1", "ReplicaSet", "replicasets"),
                &namespaces,
                &watcher::Config::default(),
            );
        }
        let warnings = watcher::Config::default().fields("type=Warning");
        self.watch(&kind("", "v1", "Event", "events"), &namespaces, &warnings);
    }

    /// Watches a kind in these namespaces, or everywhere where they are many.
    fn watch(&mut self, resource: &ApiResource, namespaces: &BTreeSet<&str>, config: &watcher::Config) {
        let everywhere = BTreeSet::from([""]);
        let namespaces = if namespaces.len() > NAMESPACES_APART { &everywhere } else { namespaces };
        for namespace in namespaces {
            if self.view.store(&resource.group, &resource.kind, namespace).is_some() {
                continue;
            }
            let feed = Feed {
                group: resource.group.clone(),
                kind: resource.kind.clone(),
                namespace: (*namespace).to_owned(),
            };
            let api: Api<DynamicObject> = if namespace.is_empty() {
                Api::all_with(self.client.clone(), resource)
            } else {
                Api::namespaced_with(self.client.clone(), namespace, resource)
            };
            self.view.open(feed.clone());
            let kind = (resource.api_version.clone(), resource.kind.clone());
            let changes = watch(api, config.clone())
                .backoff(Retry::default())
                .map(move |change| (feed.clone(), change.map(|change| json(change, &kind))));
            self.changes.push(changes.boxed());
        }
    }

    /// Which storage classes leave claims pending until a Pod uses them. Without an answer every claim must be bound.
    pub(super) async fn learn_classes(&mut self) {
        if !self.targets.iter().any(|target| target.id.kind == "PersistentVolumeClaim") {
            return;
        }
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        let Ok(found) = classes.list(&ListParams::default()).await else { return };
        self.judge.first_consumer_classes = found
            .into_iter()
            .filter(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"))
            .filter_map(|class| class.metadata.name)
            .collect();
    }

    /// Jobs that were done and deleted by their TTL before the wait began: their last event tells.
    pub(super) async fn learn_completed(&mut self) {
        for target in self.targets.iter().filter(|target| target.id.kind == "Job") {
            let id = &target.id;
            let key = (id.namespace.clone(), id.name.clone());
            if self
                .view
                .store(&id.group, &id.kind, &id.namespace)
                .is_none_or(|store| store.get(&key).is_some())
            {
                continue;
            }
            let fields = format!("involvedObject.kind=Job,involvedObject.name={}", id.name);
            if last_event(&events(self.client, &id.namespace, Some(&fields)).await)
                .is_some_and(|event| text(event, "/reason") == "Completed")
            {
                self.judge.completed.insert(id.clone());
            }
        }
    }

    /// Jobs among the targets that were seen to complete.
    pub(super) fn completed_jobs(&self) -> BTreeSet<ObjectId> {
        let jobs =
            self.targets.iter().map(|target| &target.id).filter(|id| id.kind == "Job" && id.group == "batch");
        let completed = jobs.filter(|id| {
            let key = (id.namespace.clone(), id.name.clone());
            let store = self.view.store(&id.group, &id.kind, &id.namespace);
            self.judge.completed.contains(*id)
                || store.is_some_and(|store| match store.get(&key) {
                    Some(job) => condition(job, "Complete").is_some_and(Condition::is_true),
                    None => store.completed(&key),
                })
        });
        completed.cloned().collect()
    }

    /// Why the wait ends early.
    pub(super) async fn not_ready(&self, verdict: &Verdict, timed_out: bool) -> NotReady {
        let made = [("", "Pod"), ("apps", "ReplicaSet"), ("batch", "Job")];
        let owned = Owned::new(made.iter().flat_map(|(group, kind)| self.view.of_kind(group, kind)));
        let mut missing: Vec<_> = verdict.missing.iter().collect();
        missing.sort_by_key(|missing| !missing.hopeless);
        let subjects = missing
            .into_iter()
            .map(|missing| {
                let id = self.targets[missing.target].id.clone();
                let key = (id.namespace.clone(), id.name.clone());
                let object =
                    self.view.store(&id.group, &id.kind, &id.namespace).and_then(|store| store.get(&key));
                Subject::new(id, object, missing.message.clone(), &owned)
            })
            .collect();
        NotReady {
            ready: self.targets.len() - verdict.missing.len(),
            total: self.targets.len(),
            timed_out: timed_out.then_some(self.options.timeout),
            diagnoses: diagnose(self.client, subjects).await,
            completed_jobs: self.completed_jobs(),
        }
    }
}

/// The change's object as plain JSON with its kind, which list items lack, and without managed fields, which nobody
/// reads here.
fn json(change: Change<DynamicObject>, (api_version, kind): &(String, String)) -> Change<Value> {
    let plain = |mut object: DynamicObject| {
        object.metadata.managed_fields = None;
        let mut value = serde_json::to_value(object).unwrap_or_default();
        if text(&value, "/kind").is_empty() {
            value["apiVersion"] = api_version.clone().into();
            value["kind"] = kind.clone().into();
        }
        value
    };
    match change {
        Change::Apply(object) => Change::Apply(plain(object)),
        Change::Delete(object) => Change::Delete(plain(object)),
        Change::InitApply(object) => Change::InitApply(plain(object)),
        Change::Init => Change::Init,
        Change::InitDone => Change::InitDone,
    }
}

/// Pauses between tries of a watch that fails: short at first, since a CRD's kind is served a moment after it is
/// established.
#[derive(Debug, Default)]
pub(super) struct Retry(u32);

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = (self.0 + 1).min(5);
        Some(Duration::from_millis(100 << self.0))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
