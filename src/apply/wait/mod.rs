//! Waits until objects are ready, by watching; ends at once, with the reason, where waiting is pointless.

mod judge;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event as Change};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde_json::Value;
use tokio::time::Instant;

use super::client::Cluster;
use super::diagnose::{Diagnosis, Subject, diagnose, events, last_event};
use super::pods::Owned;
use super::readiness::fields::{Condition, condition, text};
use crate::event::{Event, Reporter};
use crate::manifest::{Object, ObjectId};
use judge::{Judge, Verdict};
use view::{Feed, View};

/// From how many namespaces of one kind on the whole cluster is watched instead: every watch is a connection.
const NAMESPACES_APART: usize = 3;

/// An object to wait for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The object.
    pub id: ObjectId,
    /// How its kind is served.
    pub resource: ApiResource,
    /// What is waited for.
    pub wanted: Wanted,
}

impl Target {
    /// `object` as it is served, in the namespace it really lives in; `None` where its kind is not served.
    pub fn of(cluster: &Cluster, object: &Object, wanted: Wanted) -> Option<Self> {
        let resource = cluster.resolve(object)?;
        let namespace = resource.namespace(object.namespace()).unwrap_or_default().to_owned();
        Some(Self { id: ObjectId { namespace, ..object.id() }, resource: resource.api_resource(), wanted })
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That it is ready as its kind has it.
    Ready,
    /// That it exists, for what nobody in this cluster acts on (an Ingress of a class without a controller).
    Present,
}

/// How to wait.
#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// How long at most.
    pub timeout: Duration,
    /// Whether Jobs must run to their end; else they must have started.
    pub wait_for_jobs: bool,
    /// The step under which progress is reported.
    pub step: String,
}

/// Why a wait ended before every object was ready.
#[derive(Debug, thiserror::Error)]
pub struct NotReady {
    /// How many objects were ready.
    pub ready: usize,
    /// How many were waited for.
    pub total: usize,
    /// Set where the time was over; else some object cannot become ready.
    pub timed_out: Option<Duration>,
    /// What keeps each of the others, those that cannot become ready first.
    pub diagnoses: Vec<Diagnosis>,
    /// Jobs that were seen to complete, for the inventory.
    pub completed_jobs: BTreeSet<ObjectId>,
}

/// What was seen while everything got ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waited {
    /// Jobs that completed, those that are gone since among them: for the inventory, so that they are not run again.
    pub completed_jobs: BTreeSet<ObjectId>,
}

impl fmt::Display for NotReady {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {} objects ready", self.ready, self.total)?;
        match self.timed_out {
            Some(timeout) => write!(out, " after {} s", timeout.as_secs())?,
            None => write!(out, ", and the others will not get there")?,
        }
        for diagnosis in &self.diagnoses {
            write!(out, "\n  {}: {}", diagnosis.id, diagnosis.reason)?;
        }
        Ok(())
    }
}

/// Waits until every target is ready at one time. Reports how many are and what is missing whenever that changes.
/// Nothing is left running when the future is dropped.
pub async fn wait(
    client: &Client,
    targets: &[Target],
    options: &WaitOptions,
    reporter: &dyn Reporter,
) -> Result<Waited, NotReady> {
    let deadline = Instant::now() + options.timeout;
    let mut waiting = Waiting::new(client, targets, options);
    waiting.watch_targets();
    let mut watches_pods = false;
    let mut last_said = String::new();
    loop {
        let again = waiting.again.unwrap_or(deadline).min(deadline);
        tokio::select! {
            () = waiting.take() => {}
            () = tokio::time::sleep_until(again) => {}
        }
        let now = Instant::now();
        if !waiting.view.known() && now < deadline {
            continue;
        }
        let verdict = waiting.judge.judge(targets, &waiting.view, now, Timestamp::now());
        if waiting.view.known() && verdict.missing.is_empty() {
            return Ok(Waited { completed_jobs: waiting.completed_jobs() });
        }
        // Pods and events matter only while something is missing: an unchanged system is asked for its objects alone.
        if !watches_pods && now < deadline {
            watches_pods = true;
            waiting.learn_classes().await;
            waiting.learn_completed().await;
            waiting.watch_surroundings();
            continue;
        }
        report(reporter, options, targets, &verdict, &mut last_said);
        if verdict.hopeless() || now >= deadline {
            return Err(waiting.not_ready(&verdict, now >= deadline && !verdict.hopeless()).await);
        }
        waiting.again = verdict.again;
    }
}

fn report(
    reporter: &dyn Reporter,
    options: &WaitOptions,
    targets: &[Target],
    verdict: &Verdict,
    last_said: &mut String,
) {
    let what = summary(targets, verdict);
    if *last_said == what {
        return;
    }
    last_said.clone_from(&what);
    reporter.report(Event::Progress {
        step: options.step.clone(),
        done: (targets.len() - verdict.missing.len()) as u64,
        total: targets.len() as u64,
        what,
    });
}

/// What is missing, in one line: the first few by name, with how they stand.
fn summary(targets: &[Target], verdict: &Verdict) -> String {
    const SHOWN: usize = 3;
    let mut parts: Vec<String> = verdict
        .missing
        .iter()
        .take(SHOWN)
        .map(|missing| format!("{}: {}", targets[missing.target].id, short(&missing.message)))
        .collect();
    if verdict.missing.len() > SHOWN {
        parts.push(format!("and {} more", verdict.missing.len() - SHOWN));
    }
    parts.join("; ")
}

/// No longer than a line bears; the whole text is in the diagnosis.
fn short(message: &str) -> String {
    const WIDTH: usize = 160;
    match message.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// One change of one watch.
type Item = (Feed, Result<Change<Value>, watcher::Error>);

struct Waiting<'a> {
    client: &'a Client,
    targets: &'a [Target],
    options: &'a WaitOptions,
    view: View,
    judge: Judge,
    changes: SelectAll<BoxStream<'static, Item>>,
    again: Option<Instant>,
}

impl<'a> Waiting<'a> {
    fn new(client: &'a Client, targets: &'a [Target], options: &'a WaitOptions) -> Self {
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
    async fn take(&mut self) {
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

    fn watch_targets(&mut self) {
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

    fn watch_surroundings(&mut self) {
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
    async fn learn_classes(&mut self) {
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
    async fn learn_completed(&mut self) {
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

    fn completed_jobs(&self) -> BTreeSet<ObjectId> {
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

    async fn not_ready(&self, verdict: &Verdict, timed_out: bool) -> NotReady {
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
struct Retry(u32);

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

#[cfg(test)]
mod tests;
