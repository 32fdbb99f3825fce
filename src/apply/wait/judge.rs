//! Decides, from what is known of the cluster and from what was seen before, whether a wait is over: all ready, still
//! waiting, or waiting is pointless. No I/O; time is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::super::pods::Owned;
use super::super::readiness::fields::{list, text, uid};
use super::super::readiness::pod::{RESTARTS_ENOUGH, Trouble, TroubleKind, describe, trouble};
use super::super::readiness::{Readiness, Rules, readiness};
use super::view::View;
use super::{Target, Wanted};
use crate::manifest::ObjectId;

/// How long an object may be absent before it counts as deleted by somebody.
const ABSENCE: Duration = Duration::from_secs(10);
/// How long a failure that stood before the wait began may take to go away.
const OLD_FAILURE: Duration = Duration::from_secs(30);
/// How long a kind may be unserved or a watch refused.
const WATCH_ERROR: Duration = Duration::from_secs(30);
/// How long a container must run that crashed before and has no probe to say that it is ready.
const STEADY: Duration = Duration::from_secs(5);
/// How long a volume may wait for a Secret or a ConfigMap that does not exist: other controllers make some.
const MOUNT: Duration = Duration::from_mins(1);

/// One object that is not ready.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Missing {
    /// Its index among the targets.
    pub(super) target: usize,
    /// What is so, in a few words.
    pub(super) message: String,
    /// Whether waiting longer is pointless for it.
    pub(super) hopeless: bool,
}

/// How a wait stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// The objects that are not ready, in the order of the targets.
    pub(super) missing: Vec<Missing>,
    /// When to judge again even if nothing happens.
    pub(super) again: Option<Instant>,
}

impl Verdict {
    /// Whether some object will not get ready.
    pub(super) fn hopeless(&self) -> bool {
        self.missing.iter().any(|missing| missing.hopeless)
    }
}

/// Something that is judged by how long it lasts.
type Lasting = (String, String);

/// Judges a wait; remembers when it first saw what.
#[derive(Debug)]
pub(super) struct Judge {
    wait_for_jobs: bool,
    /// Storage classes that bind a claim when its first Pod comes.
    pub(super) first_consumer_classes: BTreeSet<String>,
    /// Jobs that are gone and whose last event says that they completed.
    pub(super) completed: BTreeSet<ObjectId>,
    /// When each trouble was first seen; forgotten when it ends.
    since: BTreeMap<Lasting, Instant>,
    still: BTreeSet<Lasting>,
    /// Restarts of each container (Pod uid, name) when it was first seen.
    baseline: BTreeMap<Lasting, i64>,
    /// Failures that stood when the wait began.
    old_failures: Option<BTreeSet<usize>>,
    /// Restarts of each container when nothing but crashing containers was left to wait for.
    settled: BTreeMap<Lasting, i64>,
    /// Targets that crashed at any time.
    crashers: BTreeSet<usize>,
    /// Those that were restarted and have no readiness probe: they are ready whenever they run.
    unprobed: BTreeSet<usize>,
    /// Containers that crash now.
    crashing: Vec<Crashing>,
    /// Targets that have failed now.
    failures: BTreeSet<usize>,
    again: Option<Instant>,
}

impl Judge {
    pub(super) fn new(wait_for_jobs: bool) -> Self {
        Self {
            wait_for_jobs,
            first_consumer_classes: BTreeSet::new(),
            completed: BTreeSet::new(),
            since: BTreeMap::new(),
            still: BTreeSet::new(),
            baseline: BTreeMap::new(),
            old_failures: None,
            settled: BTreeMap::new(),
            crashers: BTreeSet::new(),
            unprobed: BTreeSet::new(),
            crashing: Vec::new(),
            failures: BTreeSet::new(),
            again: None,
        }
    }

    /// Judges every target. `wall` is the time of day, `now` the clock by which graces run.
    pub(super) fn judge(
        &mut self,
        targets: &[Target],
        view: &View,
        now: Instant,
        wall: Timestamp,
    ) -> Verdict {
        self.still.clear();
        self.failures.clear();
        self.crashing.clear();
        self.again = None;
        let made = [("", "Pod"), ("apps", "ReplicaSet"), ("batch", "Job")];
        let owned = Owned::new(made.iter().flat_map(|(group, kind)| view.of_kind(group, kind)));
        let scene = Scene { view, owned, rules: self.rules(view, wall), now };
        let mut missing = Vec::new();
        for (index, target) in targets.iter().enumerate() {
            let found = self.target(target, index, &scene);
            missing.extend(found.map(|(message, hopeless)| Missing { target: index, message, hopeless }));
        }
        if self.old_failures.is_none() {
            self.old_failures = Some(self.failures.clone());
        }
        self.settle(&mut missing);
        self.since.retain(|key, _| self.still.contains(key));
        Verdict { missing, again: self.again }
    }

    fn rules(&self, view: &View, wall: Timestamp) -> Rules {
        let mut rules = Rules { now: wall, wait_for_jobs: self.wait_for_jobs, ..Rules::default() };
        if self.first_consumer_classes.is_empty() {
            return rules;
        }
        let consumed: BTreeSet<(&str, &str)> = view
            .of_kind("", "Pod")
            .flat_map(|pod| {
                let namespace = text(pod, "/metadata/namespace");
                list(pod, "/spec/volumes")
                    .iter()
                    .map(move |volume| (namespace, text(volume, "/persistentVolumeClaim/claimName")))
            })
            .collect();
        rules.unconsumed_claims = view
            .of_kind("", "PersistentVolumeClaim")
            .filter(|claim| self.first_consumer_classes.contains(text(claim, "/spec/storageClassName")))
            .map(|claim| (text(claim, "/metadata/namespace"), text(claim, "/metadata/name")))
            .filter(|name| !consumed.contains(name))
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
            .collect();
        rules
    }

    /// Why a target is not ready and whether it never will be; `None` where it is ready.
    fn target(&mut self, target: &Target, index: usize, scene: &Scene<'_>) -> Option<(String, bool)> {
        let id = &target.id;
        let key = (id.namespace.clone(), id.name.clone());
        let store = scene.view.store(&id.group, &id.kind, &id.namespace)?;
        let Some(object) = store.get(&key) else {
            if store.completed(&key) || self.completed.contains(&target.id) {
                return None;
            }
            let (what, grace) = match &store.error {
                Some(error) => (error.clone(), WATCH_ERROR),
                None if !store.known() => return Some(("the API server has not told yet".into(), false)),
                None => ("does not exist".to_owned(), ABSENCE),
            };
            let over = self.lasts((id.to_string(), "absent".into()), grace, scene.now);
            return Some((what, over));
        };
        if target.wanted == Wanted::Present {
            let terminating = object.pointer("/metadata/deletionTimestamp").is_some();
            return terminating.then(|| (Readiness::Terminating.message().to_owned(), false));
        }
        let state = readiness(object, &scene.rules);
        if state.is_current() {
            if id.kind != "Job" && self.restarted_unprobed(&scene.owned.current_pods(object)) {
                self.unprobed.insert(index);
            }
            let steady = !self.unprobed.contains(&index)
                || self.lasts((id.to_string(), "steady".into()), STEADY, scene.now);
            let message = format!("ready again for less than {} s after a crash", STEADY.as_secs());
            return (!steady).then_some((message, false));
        }
        // A Pod is judged by the time its trouble lasted before our eyes, not by its own word.
        if id.kind == "Pod" && id.group.is_empty() && text(object, "/status/phase") != "Failed" {
            let (_, hopeless) = self.pods(&state, &[object], false, index, scene);
            return Some((state.message().to_owned(), hopeless));
        }
        if let Readiness::Failed(message) = &state {
            self.failures.insert(index);
            return Some((message.clone(), self.failure_is_final(target, index, scene.now)));
        }
        let pods = scene.owned.current_pods(object);
        let of_job = id.kind == "Job" && id.group == "batch";
        Some(self.pods(&state, &pods, of_job, index, scene))
    }

    /// A Job never recovers. Other failures that stood when the wait began may be those of an earlier state.
    fn failure_is_final(&mut self, target: &Target, index: usize, now: Instant) -> bool {
        let job = target.id.kind == "Job" && target.id.group == "batch";
        let new = self.old_failures.as_ref().is_some_and(|old| !old.contains(&index));
        let lasted = self.lasts((target.id.to_string(), "failed".into()), OLD_FAILURE, now);
        job || new || lasted
    }

    /// What a not-ready object's Pods tell: the first trouble that makes waiting pointless, else the first one.
    fn pods(
        &mut self,
        state: &Readiness,
        pods: &[&Value],
        of_job: bool,
        index: usize,
        scene: &Scene<'_>,
    ) -> (String, bool) {
        let mut first = None;
        for pod in pods {
            self.remember_restarts(pod);
            let Some(found) = trouble(pod) else {
                if let Some(message) = unmountable(pod, scene.view) {
                    if self.lasts((uid(pod).into(), "mount".into()), MOUNT, scene.now) {
                        return (message, true);
                    }
                    first.get_or_insert(message);
                }
                continue;
            };
            // A Job counts its Pods' failures itself and gives up by its own limit.
            let counted_elsewhere = of_job && found.kind == TroubleKind::Crash;
            if !counted_elsewhere && self.trouble_is_final(pod, &found, scene.now) {
                return (in_pod(pod, &found), true);
            }
            if found.kind == TroubleKind::Crash && !of_job {
                self.crashers.insert(index);
                if !is_probed(pod, &found.container) {
                    self.unprobed.insert(index);
                }
                self.crashing.push(Crashing {
                    target: index,
                    container: (uid(pod).into(), found.container.clone()),
                    restarts: found.restarts,
                });
            }
            first.get_or_insert_with(|| in_pod(pod, &found));
        }
        let message = match first {
            Some(first) => format!("{}; {first}", state.message()),
            None => state.message().to_owned(),
        };
        (message, false)
    }

    /// Whether a container without a readiness probe was restarted before our eyes.
    fn restarted_unprobed(&mut self, pods: &[&Value]) -> bool {
        let mut found = false;
        for pod in pods {
            self.remember_restarts(pod);
            found |= super::super::pods::restarts(pod).into_iter().any(|(container, restarts)| {
                let probed = is_probed(pod, &container);
                let before = self.baseline.get(&(uid(pod).into(), container)).copied().unwrap_or(restarts);
                restarts > before && !probed
            });
        }
        found
    }

    fn remember_restarts(&mut self, pod: &Value) {
        for (container, restarts) in super::super::pods::restarts(pod) {
            self.baseline.entry((uid(pod).into(), container)).or_insert(restarts);
        }
    }

    fn trouble_is_final(&mut self, pod: &Value, found: &Trouble, now: Instant) -> bool {
        let container = (uid(pod).to_owned(), found.container.clone());
        let lasted = self.lasts(
            (container.0.clone(), format!("{:?} {}", found.kind, found.container)),
            found.kind.grace(),
            now,
        );
        let restarted = found.restarts - self.baseline.get(&container).copied().unwrap_or(0);
        lasted || (found.kind == TroubleKind::Crash && restarted >= RESTARTS_ENOUGH)
    }

    /// Whether what `key` names has been so for `grace`; sees to being asked again when it will have been.
    fn lasts(&mut self, key: Lasting, grace: Duration, now: Instant) -> bool {
        let since = *self.since.entry(key.clone()).or_insert(now);
        self.still.insert(key);
        let due = since + grace;
        if now >= due {
            return true;
        }
        self.again = Some(self.again.map_or(due, |again| again.min(due)));
        false
    }

    /// Where nothing is left to wait for but containers that crash, no dependency can come up any more: one that was
    /// started since and crashed again will not get ready.
    fn settle(&mut self, missing: &mut [Missing]) {
        // Between two crashes a container runs; its target stays one that crashes.
        if !missing.iter().all(|missing| self.crashers.contains(&missing.target)) {
            self.settled.clear();
            return;
        }
        for crash in &self.crashing {
            let restarts = *self.settled.entry(crash.container.clone()).or_insert(crash.restarts);
            if crash.restarts > restarts && crash.restarts >= 2 {
                for missing in missing.iter_mut().filter(|missing| missing.target == crash.target) {
                    missing.hopeless = true;
                }
            }
        }
    }
}

/// What one judgement looks at.
struct Scene<'a> {
    view: &'a View,
    owned: Owned<'a>,
    rules: Rules,
    now: Instant,
}

/// A container that crashes, of a target that is not ready.
#[derive(Debug)]
struct Crashing {
    target: usize,
    container: Lasting,
    restarts: i64,
}

fn is_probed(pod: &Value, container: &str) -> bool {
    let spec = list(pod, "/spec/containers").iter().find(|spec| text(spec, "/name") == container);
    // An init container ends: the Pod is not ready before.
    spec.is_none_or(|spec| spec.get("readinessProbe").is_some())
}

fn in_pod(pod: &Value, found: &Trouble) -> String {
    format!("Pod {} {}", text(pod, "/metadata/name"), describe(found))
}

/// The kubelet's last word on a volume whose Secret or ConfigMap does not exist; it is told in events only.
fn unmountable(pod: &Value, view: &View) -> Option<String> {
    if text(pod, "/status/phase") != "Pending" {
        return None;
    }
    view.of_kind("", "Event")
        .filter(|event| {
            text(event, "/involvedObject/uid") == uid(pod) && text(event, "/reason") == "FailedMount"
        })
        .map(|event| text(event, "/message"))
        .find(|message| message.contains(" not found"))
        .map(|message| format!("Pod {} cannot mount a volume: {message}", text(pod, "/metadata/name")))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
