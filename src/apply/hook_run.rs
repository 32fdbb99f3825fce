//! Runs hooks on the cluster: the old object away, the new one there, waited for, cleaned up; its log where it fails.

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DynamicObject, ListParams, LogParams};
use kube::runtime::wait::await_condition;
use serde_json::Value;

use super::ApplyOptions;
use super::client::{Cluster, Resource};
use super::error::{ApplyError, HookFailure};
use super::hook::{DeletePolicy, Hook, HookEvent, ReleaseHooks, finished, pod_state};
use super::replicas::Scaled;
use super::server_side::Applier;
use crate::event::{Event, Reporter};

/// How many of the last log lines of a failed hook are shown.
const LOG_LINES: i64 = 20;

/// Runs a release's hooks of one event in turn, each to its end, and gives their number. Whether the event is due is the
/// caller's to know. A hook object that another run left behind is taken up where its policy does not delete it.
pub async fn run_hooks(
    cluster: &Cluster,
    release: &ReleaseHooks,
    event: HookEvent,
    options: &ApplyOptions,
    reporter: &dyn Reporter,
) -> Result<usize, ApplyError> {
    let hooks = release.at(event);
    let scaled = Scaled::default();
    let run = HookRun {
        release,
        event,
        options,
        applier: Applier { cluster, scaled: &scaled, recreate_immutable: true, patience: options.patience },
    };
    for hook in &hooks {
        let step = format!("{event} hook {}", hook.object.name());
        let started = Instant::now();
        reporter.report(Event::Started { step: step.clone(), what: hook.object.id().to_string() });
        run.one(hook).await?;
        reporter.report(Event::Done { step, what: "finished".into(), took: started.elapsed() });
    }
    for hook in hooks.iter().rev().filter(|hook| hook.is_deleted(DeletePolicy::HookSucceeded)) {
        run.delete(hook).await?;
    }
    Ok(hooks.len())
}

struct HookRun<'a> {
    release: &'a ReleaseHooks,
    event: HookEvent,
    options: &'a ApplyOptions,
    applier: Applier<'a>,
}

impl HookRun<'_> {
    fn failed(&self, hook: &Hook, why: String, log: Vec<String>) -> ApplyError {
        ApplyError::Hook(Box::new(HookFailure {
            event: self.event.name(),
            hook: hook.object.id(),
            release: self.release.release.clone(),
            why,
            log,
        }))
    }

    fn resource(&self, hook: &Hook) -> Result<Resource, ApplyError> {
        let unknown = || self.failed(hook, "the cluster does not serve its kind".into(), Vec::new());
        self.applier.cluster.resolve(&hook.object).ok_or_else(unknown)
    }

    async fn live(&self, hook: &Hook, resource: &Resource) -> Result<Option<Value>, ApplyError> {
        let object = &hook.object;
        self.applier
            .cluster
            .get(resource, object.namespace(), object.name())
            .await
            .map_err(|error| ApplyError::request(format!("read {}", object.id()), &error))
    }

    async fn one(&self, hook: &Hook) -> Result<(), ApplyError> {
        let object = &hook.object;
        let resource = self.resource(hook)?;
        let mut live = self.live(hook, &resource).await?;
        if let Some(old) = live.take_if(|_| hook.is_deleted(DeletePolicy::BeforeHookCreation)) {
            let gone = self.applier.delete_and_wait(object, &resource, &old).await;
            gone.map_err(|refusal| self.failed(hook, refusal.to_string(), Vec::new()))?;
        }
        let applied = self.applier.settle(object, &resource, live, None).await;
        let applied = applied.map_err(|error| self.failed(hook, error.reason.to_string(), Vec::new()))?;
        let ended = match finished(object.kind(), &applied.live) {
            Some(ended) => ended,
            None => self.wait(hook, &resource).await?,
        };
        let Err(why) = ended else { return Ok(()) };
        let log = self.log(hook).await;
        if hook.is_deleted(DeletePolicy::HookFailed) {
            self.delete(hook).await?;
        }
        Err(self.failed(hook, why, log))
    }

    async fn wait(&self, hook: &Hook, resource: &Resource) -> Result<Result<(), String>, ApplyError> {
        let object = &hook.object;
        let state = |live: Option<&DynamicObject>| {
            let Some(live) = live else { return Some(Err("it was deleted while it ran".to_owned())) };
            serde_json::to_value(live).ok().and_then(|live| finished(object.kind(), &live))
        };
        let ended = await_condition(
            self.applier.cluster.api(resource, object.namespace()),
            object.name(),
            |live: Option<&DynamicObject>| state(live).is_some(),
        );
        match tokio::time::timeout(self.options.hook_patience, ended).await {
            Ok(Ok(live)) => Ok(state(live.as_ref()).unwrap_or(Ok(()))),
            Ok(Err(error)) => Err(ApplyError::Request {
                what: format!("watch {}", object.id()),
                message: error.to_string(),
            }),
            Err(_) => {
                let why = format!("it has not finished within {} s", self.options.hook_patience.as_secs());
                let state = self.pods(hook).await.iter().rev().find_map(pod_state);
                Ok(Err(state.map_or(why.clone(), |state| format!("{why}; {state}"))))
            }
        }
    }

    async fn delete(&self, hook: &Hook) -> Result<(), ApplyError> {
        let resource = self.resource(hook)?;
        let object = &hook.object;
        self.applier
            .cluster
            .delete(&resource, object.namespace(), object.name(), None)
            .await
            .map(drop)
            .map_err(|error| ApplyError::request(format!("delete {}", object.id()), &error))
    }

    /// The hook's Pods, oldest first; none where they cannot be read: this only explains a failure that is known already.
    async fn pods(&self, hook: &Hook) -> Vec<Value> {
        let object = &hook.object;
        let api = self.pod_api(hook);
        let params = match object.kind() {
            "Job" => ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", object.name())),
            "Pod" => ListParams::default().fields(&format!("metadata.name={}", object.name())),
            _ => return Vec::new(),
        };
        let found = api.list(&params).await.map(|list| list.items).unwrap_or_default();
        let mut pods: Vec<Value> = found.iter().filter_map(|pod| serde_json::to_value(pod).ok()).collect();
        pods.sort_by_key(|pod| {
            pod.pointer("/metadata/creationTimestamp").and_then(Value::as_str).map(str::to_owned)
        });
        pods
    }

    fn pod_api(&self, hook: &Hook) -> Api<Pod> {
        let namespace = hook.object.namespace();
        let namespace = if namespace.is_empty() { "default" } else { namespace };
        Api::namespaced(self.applier.cluster.client.clone(), namespace)
    }

    /// The last lines of the newest Pod's containers.
    async fn log(&self, hook: &Hook) -> Vec<String> {
        let api = self.pod_api(hook);
        let pods = self.pods(hook).await;
        let Some(pod) = pods.last() else { return Vec::new() };
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let containers: Vec<&str> = ["/spec/initContainers", "/spec/containers"]
            .into_iter()
            .filter_map(|pointer| pod.pointer(pointer)?.as_array())
            .flatten()
            .filter_map(|container| container.get("name")?.as_str())
            .collect();
        let mut lines = Vec::new();
        for container in containers {
            let params = LogParams {
                container: Some(container.into()),
                tail_lines: Some(LOG_LINES),
                ..LogParams::default()
            };
            // A container that never started has no log.
            let text = api.logs(name, &params).await.unwrap_or_default();
            lines.extend(text.lines().map(|line| format!("{name}/{container}: {line}")));
        }
        lines
    }
}
