//! Readiness of what Pods lean on: claims, addresses, autoscalers, budgets, definitions, API services, namespaces.

use serde_json::Value;

use super::fields::{condition, list, text};
use super::{Readiness, Rules, or};

pub(super) fn claim(object: &Value, rules: &Rules) -> Readiness {
    match text(object, "/status/phase") {
        "Bound" => Readiness::Current("bound".into()),
        "Lost" => Readiness::Failed(format!("its volume {} is gone", text(object, "/spec/volumeName"))),
        _ => {
            let key =
                (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned());
            if rules.unconsumed_claims.contains(&key) {
                Readiness::Current("pending until a Pod uses it, as its storage class wants".into())
            } else {
                Readiness::InProgress("not bound to a volume yet".into())
            }
        }
    }
}

/// Whether a load balancer status names an address.
fn has_address(object: &Value) -> bool {
    list(object, "/status/loadBalancer/ingress")
        .iter()
        .any(|entry| !text(entry, "/ip").is_empty() || !text(entry, "/hostname").is_empty())
}

pub(super) fn service(object: &Value) -> Readiness {
    if text(object, "/spec/type") != "LoadBalancer" {
        return Readiness::Current("exists".into());
    }
    if has_address(object) {
        return Readiness::Current("has an address".into());
    }
    Readiness::InProgress("no load balancer has given it an address yet".into())
}

pub(super) fn ingress(object: &Value) -> Readiness {
    if has_address(object) {
        return Readiness::Current("has an address".into());
    }
    let class = text(object, "/spec/ingressClassName");
    Readiness::InProgress(if class.is_empty() {
        "no ingress controller has given it an address yet".into()
    } else {
        format!("no controller of ingress class {class} has given it an address yet")
    })
}

pub(super) fn autoscaler(object: &Value) -> Readiness {
    if let Some(able) = condition(object, "AbleToScale").filter(|c| c.is_false()) {
        return Readiness::InProgress(format!("cannot scale its target: {}", able.message()));
    }
    match condition(object, "ScalingActive") {
        Some(active) if active.is_true() => Readiness::Current("has its metrics".into()),
        // Its target is scaled to zero on purpose.
        Some(active) if active.reason() == "ScalingDisabled" => Readiness::Current("disabled".into()),
        // Metrics of Pods that just started come a scrape or two later; an autoscaler that never gets any is inert, which
        // is the parity report's to say, and production's roll-outs do not wait for it either.
        Some(active) if active.reason().starts_with("FailedGet") => {
            Readiness::Current("waits for its first metrics".into())
        }
        Some(active) => Readiness::InProgress(format!("does not scale: {}", active.message())),
        None => Readiness::InProgress("its controller has not computed it yet".into()),
    }
}

pub(super) fn disruption_budget(object: &Value) -> Readiness {
    match condition(object, "DisruptionAllowed") {
        Some(allowed) if allowed.reason() == "SyncFailed" => {
            Readiness::InProgress(format!("cannot be computed: {}", allowed.message()))
        }
        _ => Readiness::Current("computed".into()),
    }
}

pub(super) fn definition(object: &Value) -> Readiness {
    if let Some(names) = condition(object, "NamesAccepted").filter(|c| c.is_false()) {
        return Readiness::Failed(format!("its names are refused: {}", names.message()));
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => Readiness::Current("established".into()),
        Some(established) if established.is_false() && established.reason() != "Installing" => {
            Readiness::Failed(format!("not established: {}", established.message()))
        }
        _ => Readiness::InProgress("not established yet".into()),
    }
}

pub(super) fn api_service(object: &Value) -> Readiness {
    match condition(object, "Available") {
        Some(available) if available.is_true() => Readiness::Current("available".into()),
        Some(available) => Readiness::InProgress(or(available.message(), "not available yet")),
        None => Readiness::InProgress("not looked at yet".into()),
    }
}

pub(super) fn namespace(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Active" => Readiness::Current("active".into()),
        "Terminating" => Readiness::Terminating,
        _ => Readiness::InProgress("not active yet".into()),
    }
}
