//! Why an object is not ready: one sentence for people, then its events and its containers' last words.

mod render;
mod sentence;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams, LogParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pods::Owned;
use super::readiness::fields::{Condition, condition, count, list, seconds_between, text, time, uid};
use super::readiness::pod::statuses;
use crate::manifest::ObjectId;

pub use render::render;

/// Log lines kept of each container.
const LOG_LINES: usize = 10;
/// Events kept for each object.
const EVENTS: usize = 8;
/// Pods looked at for each object: those of one workload mostly fail alike.
const PODS: usize = 2;
/// Objects whose logs are read.
const LOGGED: usize = 20;
/// How long one request may take: a kubelet that does not answer must not hold the reason back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why one object is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The object.
    pub id: ObjectId,
    /// The reason in one sentence.
    pub reason: String,
    /// What was reported about it and its Pods, oldest first.
    pub events: Vec<EventLine>,
    /// The last lines its containers wrote.
    pub logs: Vec<ContainerLog>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// Seconds since it was last seen.
    pub age_seconds: Option<i64>,
    /// How often it was seen.
    pub count: i64,
    /// Its reason, such as `BackOff`.
    pub reason: String,
    /// What it is about, such as `Pod catalogue-5d9`.
    pub about: String,
    /// Its message.
    pub message: String,
}

/// The last lines of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerLog {
    /// The Pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether they are of the container before its last restart.
    pub previous: bool,
    /// The lines, oldest first.
    pub lines: Vec<String>,
}

/// An object to diagnose, with what is known of it already.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The object.
    pub id: ObjectId,
    /// Its live state; `None` where it does not exist.
    pub object: Option<Value>,
    /// How it stands, as readiness has it.
    pub message: String,
    /// Its Pods of the current generation, those that are not ready.
    pub pods: Vec<Value>,
    /// The uids of the object and all that it controls.
    family: BTreeSet<String>,
    /// The names of the claims that its Pods use: what holds a claim up holds the Pod up.
    claims: BTreeSet<String>,
}

impl Subject {
    /// A subject with its Pods taken from `owned`.
    pub fn new(id: ObjectId, object: Option<&Value>, message: String, owned: &Owned<'_>) -> Self {
        let mut family = BTreeSet::new();
        let mut pods = Vec::new();
        if let Some(object) = object {
            let mut open = vec![object];
            while let Some(next) = open.pop() {
                if family.insert(uid(next).to_owned()) {
                    open.extend(owned.children(next));
                }
            }
            let own = text(object, "/kind") == "Pod";
            pods = if own { vec![object] } else { owned.current_pods(object) };
            pods.retain(|pod| !condition(pod, "Ready").is_some_and(Condition::is_true));
            // What is in trouble tells more than what merely is not there yet.
            pods.sort_by_key(|pod| {
                (
                    super::readiness::pod::trouble(pod).is_none(),
                    -statuses(pod).map(|(s, _)| count(s, "/restartCount")).sum::<i64>(),
                )
            });
        }
        let claims = pods
            .iter()
            .flat_map(|pod| list(pod, "/spec/volumes"))
            .map(|volume| text(volume, "/persistentVolumeClaim/claimName").to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        Self {
            id,
            object: object.cloned(),
            message,
            pods: pods.into_iter().cloned().collect(),
            family,
            claims,
        }
    }
}

/// Finds out why each subject is not ready. What cannot be asked is left out; there is always a sentence.
pub async fn diagnose(client: &Client, subjects: Vec<Subject>) -> Vec<Diagnosis> {
    let namespaces: BTreeSet<String> = subjects.iter().map(|subject| subject.id.namespace.clone()).collect();
    let reported: Vec<Value> = stream::iter(namespaces)
        .map(|namespace| async move { events(client, &namespace, None).await })
        .buffered(8)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect();
    let reported = &reported;
    let now = Timestamp::now();
    stream::iter(subjects.into_iter().enumerate())
        .map(|(index, subject)| async move {
            let logs = if index < LOGGED { logs(client, &subject).await } else { Vec::new() };
            conclude(&subject, reported, logs, now)
        })
        .buffered(8)
        .collect()
        .await
}

/// Puts together what was found. Pure.
fn conclude(subject: &Subject, reported: &[Value], logs: Vec<ContainerLog>, now: Timestamp) -> Diagnosis {
    let mut related: Vec<&Value> = reported.iter().filter(|event| concerns(subject, event)).collect();
    related.sort_by_key(|event| (seen(event), text(event, "/metadata/name")));
    let reason = sentence::sentence(subject, &related, &logs);
    let warnings = related.iter().filter(|event| text(event, "/type") == "Warning").count();
    if warnings > 0 {
        related.retain(|event| text(event, "/type") == "Warning");
    }
    let surplus = related.len().saturating_sub(EVENTS);
    let events = related.into_iter().skip(surplus).map(|event| line(event, now)).collect();
    Diagnosis { id: subject.id.clone(), reason, events, logs }
}

fn concerns(subject: &Subject, event: &Value) -> bool {
    let about = text(event, "/involvedObject/uid");
    if subject.family.contains(about) && !about.is_empty() {
        return true;
    }
    let claim = text(event, "/involvedObject/kind") == "PersistentVolumeClaim"
        && text(event, "/involvedObject/namespace") == subject.id.namespace
        && subject.claims.contains(text(event, "/involvedObject/name"));
    if claim {
        return true;
    }
    // Some components leave the uid out.
    about.is_empty()
        && text(event, "/involvedObject/kind") == subject.id.kind
        && text(event, "/involvedObject/namespace") == subject.id.namespace
        && text(event, "/involvedObject/name") == subject.id.name
}

/// When an event was last seen: the newer events API keeps it elsewhere.
fn seen(event: &Value) -> Option<Timestamp> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .find_map(|pointer| time(event, pointer))
}

fn line(event: &Value, now: Timestamp) -> EventLine {
    #[allow(clippy::cast_possible_truncation, reason = "an age in seconds fits")]
    let age_seconds = seen(event).map(|seen| seconds_between(seen, now) as i64);
    EventLine {
        age_seconds,
        count: count(event, "/series/count").max(count(event, "/count")).max(1),
        reason: text(event, "/reason").into(),
        about: format!("{} {}", text(event, "/involvedObject/kind"), text(event, "/involvedObject/name")),
        message: text(event, "/message").trim().into(),
    }
}

/// The events of a namespace (of all where it is empty), at most 2,000; none where they cannot be had.
pub(super) async fn events(client: &Client, namespace: &str, fields: Option<&str>) -> Vec<Value> {
    let api: Api<Event> = if namespace.is_empty() {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), namespace)
    };
    let mut params = ListParams::default().limit(2000);
    if let Some(fields) = fields {
        params = params.fields(fields);
    }
    match tokio::time::timeout(PATIENCE, api.list(&params)).await {
        Ok(Ok(found)) => found.into_iter().filter_map(|event| serde_json::to_value(event).ok()).collect(),
        _ => Vec::new(),
    }
}

/// The event that was seen last.
pub(super) fn last_event(events: &[Value]) -> Option<&Value> {
    events.iter().max_by_key(|event| (seen(event), text(event, "/metadata/name")))
}

/// The last words of the containers that are not ready, the previous container's first where one was restarted.
async fn logs(client: &Client, subject: &Subject) -> Vec<ContainerLog> {
    let mut found = Vec::new();
    for pod in subject.pods.iter().take(PODS) {
        let name = text(pod, "/metadata/name");
        let api: Api<Pod> = Api::namespaced(client.clone(), text(pod, "/metadata/namespace"));
        for (container, previous) in worth_reading(pod) {
            let params = LogParams {
                container: Some(container.clone()),
                previous,
                tail_lines: Some(i64::try_from(LOG_LINES).unwrap_or(i64::MAX)),
                limit_bytes: Some(64 * 1024),
                ..LogParams::default()
            };
            let Ok(Ok(log)) = tokio::time::timeout(PATIENCE, api.logs(name, &params)).await else { continue };
            let lines = last_lines(&log);
            if !lines.is_empty() {
                found.push(ContainerLog { pod: name.into(), container, previous, lines });
            }
        }
    }
    found
}

/// The containers whose logs tell something, with whether the previous one's do. At most six logs.
fn worth_reading(pod: &Value) -> Vec<(String, bool)> {
    let mut wanted = Vec::new();
    for (status, init) in statuses(pod) {
        let ended_well = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64) == Some(0);
        let ready = status["ready"].as_bool().unwrap_or(false);
        let ran = status.pointer("/state/running").is_some() || status.pointer("/state/terminated").is_some();
        if ready || (init && ended_well) {
            continue;
        }
        let name = text(status, "/name").to_owned();
        if count(status, "/restartCount") > 0 {
            wanted.push((name.clone(), true));
        }
        if ran {
            wanted.push((name, false));
        }
    }
    wanted.truncate(6);
    wanted
}

fn last_lines(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| printable(line)).collect()
}

/// Without control characters, which could repaint a terminal, and no longer than a screen bears.
fn printable(line: &str) -> String {
    const WIDTH: usize = 500;
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // An escape sequence: `[`, parameters, one letter.
            if chars.next_if_eq(&'[').is_some() {
                while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
        } else if c == '\t' || !c.is_control() {
            out.push(c);
        }
        if out.chars().count() >= WIDTH {
            out.push('…');
            break;
        }
    }
    out
}

/// The names of a Pod's containers in a list, for texts.
fn container_names(pod: &Value) -> Vec<&str> {
    list(pod, "/status/containerStatuses")
        .iter()
        .filter(|status| !status["ready"].as_bool().unwrap_or(false))
        .map(|status| text(status, "/name"))
        .collect()
}

#[cfg(test)]
mod tests;
