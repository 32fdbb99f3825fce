//! When an object is ready: kstatus' rules per kind, with the gaps closed that let a wait end too early or never.
//!
//! After sigs.k8s.io/cli-utils/pkg/kstatus. Different from it: a status that no controller has written yet is not
//! current; conditions that speak of an older generation do not count; a Pod that failed is Failed; a StatefulSet
//! updated on delete still needs its replicas ready; a load balancer needs its address; HPAs, Ingresses, APIServices and
//! Namespaces have rules of their own.

pub(crate) mod fields;
mod platform;
pub mod pod;
mod workload;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use fields::{condition, flag, has_condition, int, text};

/// How far an object is. The texts say what is so, in a few words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "message")]
pub enum Readiness {
    /// It is as its specification wants it.
    Current(String),
    /// Its controller works on it, or nobody has looked at it yet.
    InProgress(String),
    /// It will not get there by itself.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

impl Readiness {
    /// Whether it is as its specification wants it.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Current(_))
    }

    /// What is so, in a few words for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Current(message) | Self::InProgress(message) | Self::Failed(message) => message,
            Self::Terminating => "is being deleted",
        }
    }
}

/// What readiness depends on besides the object.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The time by which graces are counted.
    pub now: Timestamp,
    /// Whether a Job must run to its end; else it is current once started.
    pub wait_for_jobs: bool,
    /// Namespace and name of claims that stay pending until a Pod uses them, and that none uses.
    pub unconsumed_claims: BTreeSet<(String, String)>,
}

/// How far an object is, judged from its status alone.
pub fn readiness(object: &Value, rules: &Rules) -> Readiness {
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Readiness::Terminating;
    }
    let (group, _) = text(object, "/apiVersion").split_once('/').unwrap_or(("", ""));
    if let Some(unseen) = unseen_generation(object, group) {
        return unseen;
    }
    match (group, text(object, "/kind")) {
        ("", "Pod") => pod::readiness(object, rules),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object, rules),
        ("batch", "CronJob") if flag(object, "/spec/suspend") => Readiness::Current("suspended".into()),
        ("", "PersistentVolumeClaim") => platform::claim(object, rules),
        ("", "Service") => platform::service(object),
        ("networking.k8s.io", "Ingress") => platform::ingress(object),
        ("autoscaling", "HorizontalPodAutoscaler") => platform::autoscaler(object),
        ("policy", "PodDisruptionBudget") => platform::disruption_budget(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => platform::definition(object),
        ("apiregistration.k8s.io", "APIService") => platform::api_service(object),
        ("", "Namespace") => platform::namespace(object),
        _ => by_conditions(object),
    }
}

/// Kinds whose controllers always say which generation they have seen, so that silence means nobody has looked yet.
fn always_observed(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("", "ReplicationController")
            | ("policy", "PodDisruptionBudget")
    )
}

fn unseen_generation(object: &Value, group: &str) -> Option<Readiness> {
    let wanted = int(object, "/metadata/generation")?;
    match int(object, "/status/observedGeneration") {
        // A status kept from an earlier object of this name may run ahead; only what lags is unseen.
        Some(seen) if seen < wanted => {
            Some(Readiness::InProgress(format!("its controller has seen generation {seen} of {wanted}")))
        }
        None if always_observed(group, text(object, "/kind")) => {
            Some(Readiness::InProgress("its controller has not seen it yet".into()))
        }
        _ => None,
    }
}

/// The conditions that controllers of custom resources agree on.
fn by_conditions(object: &Value) -> Readiness {
    if let Some(stalled) = condition(object, "Stalled").filter(|c| c.is_true()) {
        return Readiness::Failed(stalled.message().into());
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(|c| c.is_true()) {
        return Readiness::InProgress(reconciling.message().into());
    }
    match condition(object, "Ready") {
        Some(ready) if ready.is_true() => Readiness::Current("ready".into()),
        Some(ready) => Readiness::InProgress(or(ready.message(), "not ready yet")),
        None if has_condition(object, "Ready") => {
            Readiness::InProgress("its controller has not seen its latest generation".into())
        }
        None => Readiness::Current("exists".into()),
    }
}

fn or(message: &str, otherwise: &str) -> String {
    if message.is_empty() { otherwise.into() } else { message.into() }
}

#[cfg(test)]
mod tests;
