//! What the cluster looks like when something failed, written down before anything is taken away: why objects are not ready,
//! events, Pods, logs, and every object as it is, without any Secret's value.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::out::Out;
use crate::apply::diagnose::{Diagnosis, Subject, diagnose, render};
use crate::apply::hook::pod_state;
use crate::apply::pods::{Owned, restarts};
use crate::apply::readiness::{Rules, readiness};
use crate::apply::{self, Inventory};
use crate::handoff::ci::Redactor;
use crate::manifest::emit::value_to_yaml;
use crate::manifest::{Object, Origin};
use crate::operation::error::OperationError;
use crate::operation::session::Existing;
use crate::operation::status;
use crate::operation::up::INVENTORY;

/// How long all of it may take: a cluster that answers no more must not hold the results back.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How long one log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(10);
/// Lines of the logs of Pods that are not well, and of the others.
const LINES: [i64; 2] = [5000, 200];
/// The bytes that are kept of a log.
const LARGEST_LOG: usize = 1 << 20;
/// Objects whose reason is looked for.
const DIAGNOSED: usize = 20;

/// What is written where.
pub(super) struct Gathering<'a> {
    /// The cluster.
    pub existing: &'a Existing,
    /// Where the results go.
    pub out: &'a Out,
    /// What is to be told to nobody.
    pub redactor: &'a Redactor,
    /// The directory within the results.
    pub into: &'a str,
    /// Reasons that are known already.
    pub known: &'a [Diagnosis],
}

impl Gathering<'_> {
    /// Writes all of it; what is there when something fails stays.
    pub(super) async fn run(&self) -> Result<(), OperationError> {
        let client = &self.existing.cluster.client;
        let namespaces = status::namespaces(self.existing).await?;
        self.text("diagnosis.txt", &render(self.known))?;
        let pods = list::<Pod>(client, &namespaces).await?;
        self.text("pods.txt", &table(&pods))?;
        let mut events = list::<Event>(client, &namespaces).await?;
        events.sort_by_key(|event| (seen(event).to_owned(), text(event, "/metadata/name").to_owned()));
        self.text("events.txt", &events.iter().map(event_line).collect::<String>())?;
        self.logs(&pods).await?;
        let live = self.live().await?;
        for object in live.iter().chain(&pods) {
            self.object(object)?;
        }
        if self.known.is_empty() {
            let reasons = self.reasons(&namespaces, live, &pods).await?;
            let reasons = match reasons.as_slice() {
                [] => "all that was applied is ready\n".to_owned(),
                reasons => render(reasons),
            };
            self.text("diagnosis.txt", &reasons)?;
        }
        Ok(())
    }

    fn text(&self, name: &str, text: &str) -> Result<(), OperationError> {
        let text = if text.is_empty() { "(none)\n".to_owned() } else { self.redactor.text(text) };
        self.out.write(&format!("{}/{name}", self.into), text.as_bytes())?;
        Ok(())
    }

    fn object(&self, object: &Value) -> Result<(), OperationError> {
        let (namespace, kind, name) =
            (text(object, "/metadata/namespace"), text(object, "/kind"), text(object, "/metadata/name"));
        let namespace = if namespace.is_empty() { "_cluster" } else { namespace };
        let yaml = value_to_yaml(&self.redactor.object(object));
        let path = format!("objects/{}/{}.yaml", file_name(namespace), file_name(&format!("{kind}.{name}")));
        self.text(&path, &yaml)
    }

    /// Everything that was applied, as it is now.
    async fn live(&self) -> Result<Vec<Value>, OperationError> {
        let cluster = &self.existing.cluster;
        let inventory = Inventory::load(cluster, INVENTORY).await?;
        let stubs: Vec<Object> =
            inventory.entries.iter().map(|(id, entry)| status::stub(id, &entry.api_version)).collect();
        let live = apply::live::read(cluster, &stubs, apply::client::CONCURRENCY).await?;
        Ok(live
            .into_iter()
            .map(|(id, mut value)| {
                // Items of lists carry neither.
                if let Some(entry) = inventory.entries.get(&id) {
                    value["apiVersion"] = entry.api_version.clone().into();
                }
                value["kind"] = id.kind.into();
                value
            })
            .collect())
    }

    /// Why what is not ready is not.
    async fn reasons(
        &self,
        namespaces: &BTreeSet<String>,
        live: Vec<Value>,
        pods: &[Value],
    ) -> Result<Vec<Diagnosis>, OperationError> {
        let client = &self.existing.cluster.client;
        let mut owned = list::<ReplicaSet>(client, namespaces).await?;
        owned.extend(list::<Job>(client, namespaces).await?);
        let owned = Owned::new(owned.iter().chain(pods));
        let rules = Rules { now: Timestamp::now(), wait_for_jobs: true, ..Rules::default() };
        let subjects = live.into_iter().filter_map(|value| {
            let readiness = readiness(&value, &rules);
            let message = readiness.message().to_owned();
            let origin = Origin { source: String::new(), file: None, line: 0 };
            let is_ready = readiness.is_current();
            let object = Object { value, origin };
            (!is_ready).then(|| Subject::new(object.id(), Some(&object.value), message, &owned))
        });
        Ok(diagnose(client, subjects.take(DIAGNOSED).collect()).await)
    }

    async fn logs(&self, pods: &[Value]) -> Result<(), OperationError> {
        let wanted = pods.iter().flat_map(|pod| containers(pod).into_iter().map(move |one| (pod, one)));
        let mut logs = stream::iter(wanted)
            .map(|(pod, one)| async move {
                let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
                let log = read(&self.existing.cluster.client, namespace, name, &one).await;
                let previous = if one.previous { ".previous" } else { "" };
                let file = [namespace, name, &format!("{}{previous}.log", one.name)].map(file_name).join("/");
                (file, log)
            })
            .buffered(8);
        while let Some((file, log)) = logs.next().await {
            self.text(&format!("logs/{file}"), &log)?;
        }
        Ok(())
    }
}

/// A container's log.
struct Container {
    name: String,
    previous: bool,
    lines: i64,
}

/// The logs of a Pod, most of those of one that is not ready or was restarted.
fn containers(pod: &Value) -> Vec<Container> {
    let restarted = restarts(pod);
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True");
    let is_well = is_ready && restarted.values().all(|count| *count == 0);
    let lines = LINES[usize::from(is_well)];
    let both = restarted.into_iter().flat_map(|(name, count)| {
        let current = Container { name: name.clone(), previous: false, lines };
        let before = (count > 0).then_some(Container { name, previous: true, lines });
        [Some(current), before]
    });
    both.flatten().collect()
}

/// The end of a log, or why there is none.
async fn read(client: &Client, namespace: &str, pod: &str, container: &Container) -> String {
    let params = LogParams {
        container: Some(container.name.clone()),
        previous: container.previous,
        tail_lines: Some(container.lines),
        timestamps: true,
        ..LogParams::default()
    };
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    match tokio::time::timeout(LOG_PATIENCE, api.logs(pod, &params)).await {
        Ok(Ok(mut text)) => {
            let cut = text.len().saturating_sub(LARGEST_LOG);
            text.drain(..text.ceil_char_boundary(cut));
            text
        }
        Ok(Err(error)) => format!("(no log: {error})\n"),
        Err(_) => "(no log: it did not come in time)\n".into(),
    }
}

async fn list<K>(client: &Client, namespaces: &BTreeSet<String>) -> Result<Vec<Value>, OperationError>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let mut all = Vec::new();
    for namespace in namespaces {
        let listed = Api::<K>::namespaced(client.clone(), namespace).list(&ListParams::default()).await;
        let what = format!("list {}", K::plural(&()));
        let listed = listed.map_err(|error| OperationError::request(what, error))?;
        all.extend(listed.items.iter().filter_map(|item| serde_json::to_value(item).ok()));
    }
    Ok(all)
}

/// Pods as `kubectl get pods` shows them, with what holds each up.
fn table(pods: &[Value]) -> String {
    let mut out = String::new();
    for pod in pods {
        let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
        let statuses = statuses.map(Vec::as_slice).unwrap_or_default();
        let ready = statuses.iter().filter(|status| status["ready"] == true).count();
        let restarts: i64 = restarts(pod).values().sum();
        let state = pod_state(pod).map(|state| format!("  {state}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "{}/{}  {}  ready {ready}/{}  restarts {restarts}  node {}{state}",
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
            text(pod, "/status/phase"),
            statuses.len(),
            text(pod, "/spec/nodeName"),
        );
    }
    out
}

fn seen(event: &Value) -> &str {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .into_iter()
        .map(|pointer| text(event, pointer))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn event_line(event: &Value) -> String {
    let count = event.get("count").and_then(Value::as_i64).filter(|count| *count > 1);
    let times = count.map(|count| format!(" ({count} times)")).unwrap_or_default();
    format!(
        "{}  {}  {}  {} {}/{}: {}{times}\n",
        seen(event),
        text(event, "/type"),
        text(event, "/reason"),
        text(event, "/involvedObject/kind"),
        text(event, "/involvedObject/namespace"),
        text(event, "/involvedObject/name"),
        text(event, "/message").trim().replace('\n', " "),
    )
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A name that is one component of a path.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name.chars().all(|c| c == '.') { "_".into() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_are_not_well_are_read_whole_and_before_their_restart() {
        let pod = |ready: &str, restarts: u32| {
            json!({"metadata": {"name": "web", "namespace": "shop"}, "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{"name": "web", "restartCount": restarts, "ready": ready == "True"}]}})
        };
        let read = |pod: &Value| {
            containers(pod).into_iter().map(|one| (one.previous, one.lines)).collect::<Vec<_>>()
        };
        assert_eq!(read(&pod("True", 0)), [(false, 200)]);
        assert_eq!(read(&pod("False", 0)), [(false, 5000)]);
        assert_eq!(read(&pod("True", 2)), [(false, 5000), (true, 5000)]);
    }

    #[test]
    fn names_stay_within_their_directory() {
        assert_eq!(file_name("ClusterRole.system:a/b"), "ClusterRole.system_a_b");
        assert_eq!(file_name(".."), "_");
    }
}
