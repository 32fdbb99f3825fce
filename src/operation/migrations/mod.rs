//! What migrates the system's databases, as the configuration names it: Jobs, charts' hooks, and init containers, which run
//! ahead of their workload as Jobs of our own.

pub mod before;
pub mod judged;
pub mod migrated;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::apply::ApplyError;
use crate::apply::hook::{DeletePolicy, Hook, HookEvent, ReleaseHooks};
use crate::config::migration::recognised;
use crate::event::Event;
use crate::manifest::{Object, ObjectId, Origin, Rendered};
use crate::operation::error::OperationError;
use crate::operation::hooks;
use crate::operation::session::Session;

/// The `origin.source` of Jobs that run init containers ahead.
const SOURCE: &str = "devcluster migrations";

/// How long such a Job stays where nobody is left to delete it, in seconds.
const KEPT: u32 = 600;

/// One that migrates.
#[derive(Debug, Clone, PartialEq)]
pub enum Migration {
    /// A Job of the manifests.
    Job(Box<Object>),
    /// Hooks of a release up to the one that is named, which may need those before it.
    Hooks(Box<ReleaseHooks>, HookEvent),
    /// An init container, as the hook of a release that is no one's: a Job that goes when it has ended.
    InitContainer(Box<ReleaseHooks>),
}

impl Migration {
    /// The Jobs and Pods that it runs.
    pub fn objects(&self) -> Vec<&Object> {
        match self {
            Self::Job(job) => vec![job],
            Self::Hooks(release, _) | Self::InitContainer(release) => {
                let runs = release.hooks.iter().map(|hook| &hook.object);
                runs.filter(|object| matches!(object.kind(), "Job" | "Pod")).collect()
            }
        }
    }

    /// The charts' hooks that it runs.
    pub fn hooks(&self) -> Vec<ObjectId> {
        match self {
            Self::Hooks(release, _) => release.hooks.iter().map(|hook| hook.object.id()).collect(),
            Self::Job(_) | Self::InitContainer(_) => Vec::new(),
        }
    }
}

/// Why a hook or an init container that migrates failed, under the name that the configuration has for it.
pub fn failed(name: &str, error: ApplyError) -> OperationError {
    match error {
        ApplyError::Hook(failure) => {
            OperationError::Migration { name: name.to_owned(), why: failure.why, log: failure.log }
        }
        error => error.into(),
    }
}

/// What the configuration names, in its order. All names that nothing has are told at once.
pub fn named(session: &Session, rendered: &Rendered) -> Result<Vec<Migration>, OperationError> {
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for named in &session.config.migrations {
        match one(&named.name, rendered)? {
            Some(migration) => found.push(migration),
            None => names.push(named.name.clone()),
        }
    }
    if names.is_empty() {
        Ok(found)
    } else {
        Err(OperationError::NoMigration { names, there: proposals(rendered) })
    }
}

/// Says what looks as if it migrated, where there is data to load and no migration is named.
pub fn propose(session: &Session, rendered: &Rendered) {
    if session.config.data.is_empty() || !session.config.migrations.is_empty() {
        return;
    }
    let found = proposals(rendered);
    if !found.is_empty() {
        let note = format!(
            "to have databases migrated between snapshot and seed, name what does: `migrations: [{}]`",
            found.join(", ")
        );
        session.reporter.report(Event::Note(note));
    }
}

fn proposals(rendered: &Rendered) -> Vec<String> {
    let hooks = rendered.hooks.iter().filter(|hook| event(&hook.events).is_some()).map(|hook| &hook.object);
    rendered
        .objects
        .iter()
        .chain(hooks)
        .flat_map(|object| recognised(&object.value, object.namespace()))
        .collect()
}

/// The event at which a hook runs when its release is new.
fn event(events: &[HookEvent]) -> Option<HookEvent> {
    [HookEvent::PreInstall, HookEvent::PostInstall].into_iter().find(|event| events.contains(event))
}

/// What is called so; none where nothing is.
pub(super) fn one(name: &str, rendered: &Rendered) -> Result<Option<Migration>, OperationError> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [namespace, workload, container] => init_container(rendered, namespace, workload, container),
        [namespace, name] => Ok(job(rendered, namespace, name).or_else(|| hook(rendered, namespace, name))),
        _ => Ok(None),
    }
}

fn job(rendered: &Rendered, namespace: &str, name: &str) -> Option<Migration> {
    let mut jobs = rendered.objects.iter().filter(|object| object.kind() == "Job");
    let found = jobs.find(|object| (object.namespace(), object.name()) == (namespace, name))?;
    Some(Migration::Job(Box::new(found.clone())))
}

fn hook(rendered: &Rendered, namespace: &str, name: &str) -> Option<Migration> {
    let is = |object: &Object| {
        matches!(object.kind(), "Job" | "Pod") && (object.namespace(), object.name()) == (namespace, name)
    };
    let hook = rendered.hooks.iter().find(|hook| is(&hook.object))?;
    let event = event(&hook.events)?;
    let id = format!("{}/{}", hook.namespace, hook.release);
    let release = hooks::releases(rendered).into_iter().find(|release| release.release == id)?;
    let at = release.at(event);
    let upto = at.iter().position(|one| is(&one.object))?;
    let hooks = at.into_iter().take(upto + 1).cloned().collect();
    Some(Migration::Hooks(Box::new(ReleaseHooks { hooks, ..release }), event))
}

/// The Job that runs an init container with those before it, as the workload's Pods would.
fn init_container(
    rendered: &Rendered,
    namespace: &str,
    workload: &str,
    container: &str,
) -> Result<Option<Migration>, OperationError> {
    let own = |object: &&Object| (object.namespace(), object.name()) == (namespace, workload);
    let templates =
        rendered.objects.iter().filter(own).filter_map(|object| Some((object, object.pod_template()?)));
    for (object, template) in templates {
        let Some(at) = position(template, container) else { continue };
        if let Some(claim) = claim_template(object, template, at) {
            let name = format!("{namespace}/{workload}/{container}");
            return Err(OperationError::MigrationOnClaim { name, claim });
        }
        let release = as_hook(format!("{namespace}/{workload}"), ahead(object, template, at));
        return Ok(Some(Migration::InitContainer(Box::new(release))));
    }
    Ok(None)
}

fn containers(template: &Value) -> &[Value] {
    let list = template.pointer("/spec/initContainers").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn position(template: &Value, name: &str) -> Option<usize> {
    containers(template).iter().position(|container| container["name"] == name)
}

/// A claim template that a container up to `at` mounts: such a volume is there only with the workload's own Pod.
fn claim_template(object: &Object, template: &Value, at: usize) -> Option<String> {
    let claims = object.value.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array)?;
    let claims: BTreeSet<&str> =
        claims.iter().filter_map(|claim| claim.pointer("/metadata/name")?.as_str()).collect();
    let mounts = containers(template).iter().take(at + 1);
    let mut mounts = mounts.filter_map(|container| container["volumeMounts"].as_array()).flatten();
    mounts.find_map(|mount| claims.get(mount["name"].as_str()?)).map(|name| (*name).to_owned())
}

fn ahead(object: &Object, template: &Value, at: usize) -> Object {
    let all = containers(template);
    let mut spec = template["spec"].clone();
    let container = all[at].clone();
    let container_name = container["name"].as_str().unwrap_or_default().to_owned();
    spec["initContainers"] = Value::Array(all[..at].to_vec());
    spec["containers"] = json!([container]);
    spec["restartPolicy"] = json!("Never");
    // No label of the workload's: no Service is to lead to it, and no controller to count it.
    let value = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"namespace": object.namespace(), "name": job_name(object.name(), &container_name)},
        "spec": {"backoffLimit": 2, "ttlSecondsAfterFinished": KEPT, "template": {"spec": spec}},
    });
    Object { value, origin: Origin { source: SOURCE.into(), file: None, line: 0 } }
}

fn as_hook(release: String, object: Object) -> ReleaseHooks {
    let hook = Hook {
        release: release.clone(),
        namespace: object.namespace().to_owned(),
        events: vec![HookEvent::PreInstall],
        weight: 0,
        delete_policies: vec![
            DeletePolicy::BeforeHookCreation,
            DeletePolicy::HookSucceeded,
            DeletePolicy::HookFailed,
        ],
        object,
    };
    ReleaseHooks { release, source: SOURCE.into(), hash: String::new(), hooks: vec![hook] }
}

/// A name of at most 63 characters that tells where it is from.
fn job_name(workload: &str, container: &str) -> String {
    let whole = format!("devcluster-{workload}-{container}").replace('.', "-");
    if whole.len() <= 63 {
        return whole;
    }
    let digest = blake3::hash(whole.as_bytes()).to_hex();
    format!("{}-{}", whole[..54].trim_end_matches('-'), &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: &str, extra: &Value) -> Object {
        let mut value = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"serviceAccountName": "web",
                "initContainers": [
                    {"name": "wait", "image": "busybox"},
                    {"name": "migrate", "image": "web", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
                    {"name": "warm", "image": "web"}],
                "containers": [{"name": "web", "image": "web"}]}}}});
        value["spec"]["volumeClaimTemplates"] = extra.clone();
        Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
    }

    #[test]
    fn an_init_container_runs_ahead_with_those_before_it_and_without_the_workloads_labels() {
        let object = workload("Deployment", &Value::Null);
        let template = object.pod_template().unwrap();
        let job = ahead(&object, template, position(template, "migrate").unwrap());
        let spec = &job.value["spec"]["template"]["spec"];
        assert_eq!(job.name(), "devcluster-web-migrate");
        assert_eq!(spec["initContainers"].as_array().unwrap().len(), 1);
        assert_eq!(spec["containers"][0]["name"], "migrate");
        assert_eq!(spec["serviceAccountName"], "web");
        assert!(job.value["spec"]["template"]["metadata"].is_null());
    }

    #[test]
    fn a_claim_of_the_pods_own_is_refused() {
        let object = workload("StatefulSet", &json!([{"metadata": {"name": "data"}}]));
        let template = object.pod_template().unwrap();
        assert_eq!(claim_template(&object, template, 1), Some("data".into()));
        assert_eq!(claim_template(&object, template, 0), None);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, other) = (job_name(&"a".repeat(60), "x"), job_name(&"a".repeat(60), "y"));
        assert_eq!((one.len(), other.len()), (63, 63));
        assert_ne!(one, other);
    }
}
