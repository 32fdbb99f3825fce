//! Readiness of what makes Pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job.

use serde_json::Value;

use super::fields::{Condition, condition, count, flag, int, text};
use super::{Readiness, Rules};

fn progress(what: &str, have: i64, wanted: i64) -> Readiness {
    Readiness::InProgress(format!("{have} of {wanted} replicas {what}"))
}

fn surplus(extra: i64) -> Readiness {
    Readiness::InProgress(format!(
        "{extra} old {} still ending",
        if extra == 1 { "replica" } else { "replicas" }
    ))
}

fn replicas(count: i64) -> Readiness {
    Readiness::Current(match count {
        0 => "scaled to zero".into(),
        1 => "1 replica ready".into(),
        _ => format!("{count} replicas ready"),
    })
}

/// The message of a `ReplicaFailure`: the API server refuses Pods, for a quota or an admission rule.
fn refused(object: &Value) -> Option<Readiness> {
    let failure = condition(object, "ReplicaFailure").filter(|c| c.is_true())?;
    Some(Readiness::InProgress(format!("Pods are refused: {}", failure.message())))
}

pub(super) fn deployment(object: &Value) -> Readiness {
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let has = count(object, "/status/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let available = count(object, "/status/availableReplicas");
    let ready = count(object, "/status/readyReplicas");
    if flag(object, "/spec/paused") {
        return Readiness::Current("paused: its rollout waits for `kubectl rollout resume`".into());
    }
    let rollout = condition(object, "Progressing");
    if let Some(exceeded) = rollout.filter(|c| c.reason() == "ProgressDeadlineExceeded") {
        return Readiness::Failed(format!("its progress deadline is exceeded: {}", exceeded.message()));
    }
    if updated < wanted {
        return refused(object).unwrap_or_else(|| progress("updated", updated, wanted));
    }
    if has > wanted {
        return surplus(has - wanted);
    }
    if ready < wanted {
        return progress("ready", ready, wanted);
    }
    if available < wanted {
        return progress("available", available, wanted);
    }
    // The controller writes this reason with the counts above; a deadline of i32::MAX means it never does.
    let without_deadline =
        int(object, "/spec/progressDeadlineSeconds").unwrap_or(i64::from(i32::MAX)) == i64::from(i32::MAX);
    if !without_deadline && rollout.is_none_or(|c| c.reason() != "NewReplicaSetAvailable") {
        return Readiness::InProgress("its new ReplicaSet is not complete yet".into());
    }
    if condition(object, "Available").is_none_or(|c| !c.is_true()) {
        return Readiness::InProgress("not available yet".into());
    }
    replicas(wanted)
}

pub(super) fn stateful_set(object: &Value) -> Readiness {
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let has = count(object, "/status/replicas");
    let ready = count(object, "/status/readyReplicas");
    let available = int(object, "/status/availableReplicas").unwrap_or(0);
    if has < wanted {
        return progress("created", has, wanted);
    }
    if has > wanted {
        return surplus(has - wanted);
    }
    if ready < wanted {
        return progress("ready", ready, wanted);
    }
    if available < wanted {
        return progress("available", available, wanted);
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return replicas(wanted);
    }
    let updated = count(object, "/status/updatedReplicas");
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = (wanted - partition).max(0);
    if partition > 0 {
        return if updated < to_update { progress("updated", updated, to_update) } else { replicas(wanted) };
    }
    let revision = text(object, "/status/updateRevision");
    if text(object, "/status/currentRevision") != revision {
        return progress("updated", updated.min(wanted), wanted);
    }
    replicas(wanted)
}

pub(super) fn daemon_set(object: &Value) -> Readiness {
    let Some(wanted) = int(object, "/status/desiredNumberScheduled") else {
        return Readiness::InProgress("its controller has not counted its nodes yet".into());
    };
    let on_nodes = |what: &str, have: i64| Readiness::InProgress(format!("{have} of {wanted} Pods {what}"));
    let scheduled = count(object, "/status/currentNumberScheduled");
    if scheduled < wanted {
        return on_nodes("scheduled", scheduled);
    }
    let updated = count(object, "/status/updatedNumberScheduled");
    if text(object, "/spec/updateStrategy/type") != "OnDelete" && updated < wanted {
        return on_nodes("updated", updated);
    }
    let ready = count(object, "/status/numberReady");
    if ready < wanted {
        return on_nodes("ready", ready);
    }
    let available = count(object, "/status/numberAvailable");
    if available < wanted {
        return on_nodes("available", available);
    }
    Readiness::Current(match wanted {
        0 => "no node is meant for it".into(),
        1 => "1 Pod ready".into(),
        _ => format!("{wanted} Pods ready"),
    })
}

pub(super) fn replica_set(object: &Value) -> Readiness {
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let has = count(object, "/status/replicas");
    let ready = count(object, "/status/readyReplicas");
    let available = count(object, "/status/availableReplicas");
    if has < wanted {
        return refused(object).unwrap_or_else(|| progress("created", has, wanted));
    }
    if has > wanted {
        return surplus(has - wanted);
    }
    if count(object, "/status/fullyLabeledReplicas") < wanted {
        return progress("labelled", count(object, "/status/fullyLabeledReplicas"), wanted);
    }
    if ready < wanted {
        return progress("ready", ready, wanted);
    }
    if available < wanted {
        return progress("available", available, wanted);
    }
    replicas(wanted)
}

pub(super) fn job(object: &Value, rules: &Rules) -> Readiness {
    let completions =
        int(object, "/spec/completions").or_else(|| int(object, "/spec/parallelism")).unwrap_or(1);
    let succeeded = count(object, "/status/succeeded");
    if condition(object, "Complete").is_some_and(Condition::is_true) {
        return Readiness::Current("completed".into());
    }
    let failed =
        ["Failed", "FailureTarget"].iter().filter_map(|kind| condition(object, kind)).find(|c| c.is_true());
    if let Some(failed) = failed {
        return Readiness::Failed(format!("failed: {}", failed.message()));
    }
    if flag(object, "/spec/suspend") {
        return match condition(object, "Suspended") {
            Some(suspended) if suspended.is_true() => Readiness::Current("suspended".into()),
            _ => Readiness::InProgress("being suspended".into()),
        };
    }
    if text(object, "/status/startTime").is_empty() {
        return Readiness::InProgress("not started yet".into());
    }
    let so_far = match count(object, "/status/failed") {
        0 => format!("{succeeded} of {completions} completions"),
        1 => format!("{succeeded} of {completions} completions, 1 failed attempt"),
        failed => format!("{succeeded} of {completions} completions, {failed} failed attempts"),
    };
    if rules.wait_for_jobs { Readiness::InProgress(so_far) } else { Readiness::Current(so_far) }
}
