//! Quantities and durations: where Kubernetes' API has them, and one form for all ways of writing one.
//!
//! The places are those of the API's Go types (`resource.Quantity`, `metav1.Duration`; Gateway API's GEP-2257). In kinds
//! that are not named here, nothing is taken for an amount: a text that only looks like one may mean anything.

use serde_json::Value;

use crate::parity::Quantity;

/// Durations of well-known kinds beyond Kubernetes' own, which has none: group's ending, path. `*` is every item of a list.
const DURATIONS: [(&str, &str, &str); 8] = [
    ("cert-manager.io", "Certificate", "spec/duration"),
    ("cert-manager.io", "Certificate", "spec/renewBefore"),
    ("gateway.networking.k8s.io", "HTTPRoute", "spec/rules/*/timeouts/request"),
    ("gateway.networking.k8s.io", "HTTPRoute", "spec/rules/*/timeouts/backendRequest"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", "spec/interval"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", "spec/timeout"),
    ("helm.toolkit.fluxcd.io", "HelmRelease", "spec/interval"),
    ("source.toolkit.fluxcd.io", "GitRepository", "spec/interval"),
];

/// Paths of quantities in a Pod's spec; a last `*` is every value of a map.
const IN_POD: [&str; 13] = [
    "resources/limits/*",
    "resources/requests/*",
    "overhead/*",
    "containers/*/resources/limits/*",
    "containers/*/resources/requests/*",
    "containers/*/env/*/valueFrom/resourceFieldRef/divisor",
    "initContainers/*/resources/limits/*",
    "initContainers/*/resources/requests/*",
    "initContainers/*/env/*/valueFrom/resourceFieldRef/divisor",
    "volumes/*/emptyDir/sizeLimit",
    "volumes/*/downwardAPI/items/*/resourceFieldRef/divisor",
    "volumes/*/projected/sources/*/downwardAPI/items/*/resourceFieldRef/divisor",
    "volumes/*/ephemeral/volumeClaimTemplate/spec/resources/requests/*",
];

/// Gives every quantity and duration of an object one form.
pub fn normalise(object: &mut Value) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if let Some(spec) = pod_spec(group, &kind).and_then(|pointer| object.pointer_mut(pointer)) {
        for path in IN_POD {
            at(spec, path, quantity);
        }
    }
    for path in quantities(group, &kind) {
        at(object, path, quantity);
    }
    for (_, _, path) in DURATIONS.iter().filter(|(of, named, _)| *of == group && *named == kind) {
        at(object, path, duration);
    }
}

fn pod_spec(group: &str, kind: &str) -> Option<&'static str> {
    Some(match (group, kind) {
        ("", "Pod") => "/spec",
        ("", "PodTemplate") => "/template/spec",
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => "/spec/template/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    })
}

/// Quantities outside of Pods' specs.
fn quantities(group: &str, kind: &str) -> &'static [&'static str] {
    match (group, kind) {
        ("apps", "StatefulSet") => &[
            "spec/volumeClaimTemplates/*/spec/resources/requests/*",
            "spec/volumeClaimTemplates/*/spec/resources/limits/*",
        ],
        ("", "PersistentVolumeClaim") => &["spec/resources/requests/*", "spec/resources/limits/*"],
        ("", "PersistentVolume") => &["spec/capacity/*"],
        ("", "ResourceQuota") => &["spec/hard/*"],
        ("", "LimitRange") => &[
            "spec/limits/*/max/*",
            "spec/limits/*/min/*",
            "spec/limits/*/default/*",
            "spec/limits/*/defaultRequest/*",
            "spec/limits/*/maxLimitRequestRatio/*",
        ],
        ("node.k8s.io", "RuntimeClass") => &["overhead/podFixed/*"],
        ("autoscaling", "HorizontalPodAutoscaler") => &[
            "spec/metrics/*/resource/target/averageValue",
            "spec/metrics/*/containerResource/target/averageValue",
            "spec/metrics/*/pods/target/averageValue",
            "spec/metrics/*/object/target/value",
            "spec/metrics/*/object/target/averageValue",
            "spec/metrics/*/external/target/value",
            "spec/metrics/*/external/target/averageValue",
            "spec/behavior/scaleUp/tolerance",
            "spec/behavior/scaleDown/tolerance",
        ],
        _ => &[],
    }
}

/// Changes every value that a path leads to.
fn at(value: &mut Value, path: &str, change: fn(&mut Value)) {
    let (step, rest) = match path.split_once('/') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    };
    let go = |value: &mut Value| match rest {
        Some(rest) => at(value, rest, change),
        None => change(value),
    };
    match value {
        Value::Array(items) if step == "*" => items.iter_mut().for_each(go),
        Value::Object(map) if step == "*" => map.values_mut().for_each(go),
        Value::Object(map) => {
            if let Some(value) = map.get_mut(step) {
                go(value);
            }
        }
        _ => {}
    }
}

/// A quantity as a plain decimal number, its value exact in billionths, as the API server keeps it. What is none stays as it
/// is: the API server will say so.
fn quantity(value: &mut Value) {
    if let Ok(quantity) = Quantity::from_json(value) {
        *value = Value::String(decimal(quantity.nanos()));
    }
}

/// Billionths as a decimal number without zeroes that say nothing.
fn decimal(nanos: i128) -> String {
    const BILLION: u128 = 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, fraction) = (nanos.unsigned_abs() / BILLION, nanos.unsigned_abs() % BILLION);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:09}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

fn duration(value: &mut Value) {
    if let Some(nanos) = value.as_str().and_then(nanoseconds) {
        *value = Value::String(format!("{}s", decimal(nanos)));
    }
}

/// A duration as Go's `time.ParseDuration` reads it, in nanoseconds: `1h30m`, `1.5h`, `-90s`, `0`.
fn nanoseconds(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0_i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0
            || whole.len() > 19
            || fraction.len() > 18
            || fraction.contains('.')
        {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        sum = sum.saturating_add(whole * unit + fraction * unit / scale);
        rest = after;
    }
    (sum <= i128::from(i64::MAX)).then_some(sign * sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normal(mut value: Value) -> Value {
        normalise(&mut value);
        value
    }

    fn pod(cpu: &Value, memory: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "annotations": {"memory": "1024Mi"}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "args": ["1000m"],
                "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}}}})
    }

    #[test]
    fn amounts_are_equal_however_they_are_written() {
        assert_eq!(normal(pod(&json!("1000m"), &json!("1Gi"))), normal(pod(&json!(1), &json!("1024Mi"))));
        assert_eq!(
            normal(pod(&json!("0.5"), &json!(1_073_741_824))),
            normal(pod(&json!("500m"), &json!("1Gi")))
        );
        assert_ne!(normal(pod(&json!("1"), &json!("1G"))), normal(pod(&json!("1"), &json!("1Gi"))));
        assert_ne!(normal(pod(&json!("1"), &json!("1m"))), normal(pod(&json!("1"), &json!("1M"))));
    }

    #[test]
    fn only_amounts_are_touched() {
        let value = normal(pod(&json!("1000m"), &json!("what")));
        assert_eq!(value["metadata"]["annotations"]["memory"], "1024Mi");
        assert_eq!(value["spec"]["template"]["spec"]["containers"][0]["args"][0], "1000m");
        assert_eq!(
            value["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"],
            json!({"cpu": "1", "memory": "what"})
        );
        let custom = json!({"apiVersion": "x.io/v1", "kind": "Deployment", "spec": {"template": {"spec":
            {"containers": [{"resources": {"limits": {"cpu": "1000m"}}}]}}}});
        assert_eq!(normal(custom.clone()), custom);
    }

    #[test]
    fn every_place_is_reached() {
        let value = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {
            "template": {"spec": {"volumes": [{"emptyDir": {"sizeLimit": "1Ki"}}], "initContainers": [
                {"resources": {"limits": {"hugepages-2Mi": "4Mi", "ephemeral-storage": "1k"}}}]}},
            "volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "1Mi"}}}}]}});
        let text = normal(value).to_string();
        for wanted in ["\"sizeLimit\":\"1024\"", "\"4194304\"", "\"1000\"", "\"storage\":\"1048576\""] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, wanted) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("-90s", Some(-90_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1ms1us1ns", Some(1_001_001)),
            ("0", Some(0)),
            ("1", None),
            ("", None),
            ("1d", None),
            ("h", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(nanoseconds(text), wanted, "{text}");
        }
        let certificate = |text: &str| json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "spec": {"duration": text}});
        assert_eq!(normal(certificate("2160h")), normal(certificate("2160h0m0s")));
        assert_ne!(normal(certificate("1h")), normal(certificate("1m")));
    }
}
