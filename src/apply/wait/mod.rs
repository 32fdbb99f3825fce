//! Waits until objects are ready, by watching; ends at once, with the reason, where waiting is pointless.

mod judge;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::ApiResource;
use tokio::time::Instant;

use super::client::Cluster;
use super::diagnose::Diagnosis;
use crate::event::{Event, Reporter};
use crate::manifest::{Object, ObjectId};
use judge::Verdict;
use waiting::Waiting;

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
