//! The rules by which fields of live Pods come to differ from their templates.

use serde_json::Value;

use super::json;
use super::live::Rule;
use super::reference::ImageReference;

/// How a field differs.
pub(crate) enum Change<'a> {
    /// Only the Pod has it.
    Added(&'a Value),
    /// Only the template has it.
    Removed(&'a Value),
    /// Both have it, with different values.
    Changed,
}

/// Defaults of `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`: the end of a field's pattern, and its value as JSON.
const DEFAULTS: &[(&str, &str)] = &[
    ("/spec/dnsPolicy", "\"ClusterFirst\""),
    ("/spec/enableServiceLinks", "true"),
    ("/spec/restartPolicy", "\"Always\""),
    ("/spec/schedulerName", "\"default-scheduler\""),
    ("/spec/securityContext", "{}"),
    ("/spec/terminationGracePeriodSeconds", "30"),
    ("/resources", "{}"),
    ("/terminationMessagePath", "\"/dev/termination-log\""),
    ("/terminationMessagePolicy", "\"File\""),
    ("/ports/*/protocol", "\"TCP\""),
    ("/fieldRef/apiVersion", "\"v1\""),
    ("/resourceFieldRef/divisor", "\"0\""),
    ("Probe/failureThreshold", "3"),
    ("Probe/periodSeconds", "10"),
    ("Probe/successThreshold", "1"),
    ("Probe/timeoutSeconds", "1"),
    ("/httpGet/path", "\"/\""),
    ("/httpGet/scheme", "\"HTTP\""),
    ("/grpc/service", "\"\""),
    ("/defaultMode", "420"),
    ("/serviceAccountToken/expirationSeconds", "3600"),
    ("/hostPath/type", "\"\""),
    ("/emptyDir", "{}"),
    ("/volumeClaimTemplate/spec/volumeMode", "\"Filesystem\""),
    ("/volumeClaimTemplate/metadata/creationTimestamp", "null"),
];

/// Labels that Kubernetes' controllers put on the Pods they make.
const CONTROLLER_LABELS: &[&str] = &[
    "pod-template-hash",
    "pod-template-generation",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "statefulset.kubernetes.io~1pod-name",
    "apps.kubernetes.io~1pod-index",
    "batch.kubernetes.io~1controller-uid",
    "batch.kubernetes.io~1job-name",
    "batch.kubernetes.io~1job-completion-index",
    "batch.kubernetes.io~1cronjob-scheduled-timestamp",
];

const TOKEN_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Who made a field differ.
pub(crate) fn rule(pod: &Value, pointer: &str, pattern: &str, change: &Change<'_>) -> Rule {
    match change {
        Change::Removed(_) => Rule::Unexplained,
        Change::Changed => changed(pod, pointer, pattern),
        Change::Added(new) if pattern.starts_with("/metadata/") => added_metadata(pod, pattern, new),
        Change::Added(new) => defaulted(pod, pointer, pattern, new)
            .or_else(|| by_plugin(pod, pattern, new))
            .or_else(|| by_controller(pod, pattern, new))
            .or_else(|| by_limit_range(pod, pattern))
            .or_else(|| by_webhook(pattern))
            .unwrap_or(Rule::Unexplained),
    }
}

fn changed(pod: &Value, pointer: &str, pattern: &str) -> Rule {
    let is_image = matches!(pattern, "/spec/containers/*/image" | "/spec/initContainers/*/image");
    if is_image && is_swapped(pod, pointer) {
        return Rule::DevSwap;
    }
    let of_controller = match pattern {
        // The controller writes the Pod's own node into a DaemonSet's affinity, and its own hash over a label.
        _ if pattern.starts_with("/spec/affinity/nodeAffinity/") => owner(pod) == "DaemonSet",
        _ => is_controller_label(pattern),
    };
    if of_controller { Rule::Controller } else { Rule::Unexplained }
}

/// Whether devcluster's own field manager wrote a container's image.
fn is_swapped(pod: &Value, pointer: &str) -> bool {
    let container = pointer.trim_end_matches("/image");
    let list = if container.contains("/initContainers/") { "f:initContainers" } else { "f:containers" };
    let name = json::text(pod, &format!("{container}/name"));
    let key = format!("k:{{\"name\":\"{name}\"}}");
    json::items(pod, "/metadata/managedFields").iter().any(|entry| {
        let fields = entry
            .get("fieldsV1")
            .and_then(|fields| fields.get("f:spec")?.get(list)?.get(&key)?.get("f:image"));
        json::text(entry, "/manager").starts_with("devcluster") && fields.is_some()
    })
}

fn owner(pod: &Value) -> &str {
    json::text(pod, "/metadata/ownerReferences/0/kind")
}

fn is_controller_label(pattern: &str) -> bool {
    let name = pattern.rsplit('/').next().unwrap_or_default();
    pattern.starts_with("/metadata/labels/") && CONTROLLER_LABELS.contains(&name)
}

fn added_metadata(pod: &Value, pattern: &str, new: &Value) -> Rule {
    let names = |prefix: &str| pattern.strip_prefix(prefix).unwrap_or_default().to_owned();
    let annotation = names("/metadata/annotations/");
    match annotation.as_str() {
        "kubernetes.io~1limit-ranger" => return Rule::LimitRange,
        "batch.kubernetes.io~1job-completion-index" => return Rule::Controller,
        _ if annotation.starts_with("batch.kubernetes.io~1") => return Rule::Controller,
        _ => {}
    }
    if is_controller_label(pattern) {
        return Rule::Controller;
    }
    // Whoever adds a sidecar labels the Pod as well; on their own, labels can be anybody's.
    let is_single = !new.is_object();
    if is_single && has_sidecar_status(pod) { Rule::AdmissionWebhook } else { Rule::Unexplained }
}

/// Whether an injector left its mark.
fn has_sidecar_status(pod: &Value) -> bool {
    json::entries(pod, "/metadata/annotations").any(|(name, _)| {
        ["sidecar.istio.io/status", "linkerd.io/proxy-version", "vault.hashicorp.com/agent-inject-status"]
            .contains(&name.as_str())
    })
}

/// Whether the value is the one that the API server fills in.
fn defaulted(pod: &Value, pointer: &str, pattern: &str, new: &Value) -> Option<Rule> {
    let is_default = DEFAULTS.iter().any(|(end, value)| {
        pattern.ends_with(end) && serde_json::from_str::<Value>(value).is_ok_and(|v| v == *new)
    });
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let is_computed = match pattern.rsplit('/').next().unwrap_or_default() {
        "imagePullPolicy" => default_pull_policy(json::text(pod, &format!("{parent}/image"))) == new,
        "pullPolicy" => default_pull_policy(json::text(pod, &format!("{parent}/reference"))) == new,
        // With the host's network every port is one of the host.
        "hostPort" => {
            json::flag(pod, "/spec/hostNetwork")
                && pod.pointer(&format!("{parent}/containerPort")) == Some(new)
        }
        _ => defaults_to_limit(pod, pointer, pattern, new),
    };
    (is_default || is_computed || merged_label_key(pod, pointer)).then_some(Rule::Defaulting)
}

/// Whether a field belongs to a selector requirement that the API server makes of a spread constraint's `matchLabelKeys`
/// (KEP-3243, since Kubernetes 1.34).
fn merged_label_key(pod: &Value, pointer: &str) -> bool {
    let mut parts = pointer.splitn(8, '/').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    if (next(), next()) != ("spec", "topologySpreadConstraints") {
        return false;
    }
    let constraint = format!("/spec/topologySpreadConstraints/{}", next());
    if (next(), next()) != ("labelSelector", "matchExpressions") {
        return false;
    }
    let key = json::text(pod, &format!("{constraint}/labelSelector/matchExpressions/{}/key", next()));
    json::items(pod, &format!("{constraint}/matchLabelKeys")).iter().any(|known| known == key)
}

fn default_pull_policy(image: &str) -> &'static str {
    let always = image.parse::<ImageReference>().is_ok_and(|reference| reference.pulls_always_by_default());
    if always { "Always" } else { "IfNotPresent" }
}

/// Whether requests are the container's limits.
fn defaults_to_limit(pod: &Value, pointer: &str, pattern: &str, new: &Value) -> bool {
    if pattern.ends_with("/resources/requests") {
        let limits = pod.pointer(&pointer.replace("/requests", "/limits"));
        return new.as_object().is_some_and(|requests| {
            requests.iter().all(|(name, amount)| limits.and_then(|limits| limits.get(name)) == Some(amount))
        }) && !has_limit_range(pod);
    }
    pattern.contains("/resources/requests/")
        && !has_limit_range(pod)
        && pod.pointer(&pointer.replace("/requests/", "/limits/")) == Some(new)
}

/// What the admission plugins that are always on add.
fn by_plugin(pod: &Value, pattern: &str, new: &Value) -> Option<Rule> {
    let name = json::text(new, "/name");
    match pattern {
        "/spec/nodeName" => Some(Rule::Scheduler),
        "/spec/priority" | "/spec/priorityClassName" | "/spec/preemptionPolicy" => Some(Rule::Priority),
        "/spec/serviceAccountName" => (new == "default").then_some(Rule::ServiceAccount),
        "/spec/serviceAccount" => (json::text(pod, "/spec/serviceAccountName")
            == new.as_str().unwrap_or_default())
        .then_some(Rule::ServiceAccount),
        "/spec/imagePullSecrets" => Some(Rule::ServiceAccount),
        "/spec/volumes" => {
            let all = new
                .as_array()
                .is_some_and(|all| all.iter().all(|volume| is_token(json::text(volume, "/name"))));
            all.then_some(Rule::ServiceAccount)
        }
        "/spec/volumes/*" => is_token(name).then_some(Rule::ServiceAccount),
        "/spec/containers/*/volumeMounts" | "/spec/initContainers/*/volumeMounts" => {
            let all = new.as_array().is_some_and(|all| all.iter().all(is_token_mount));
            all.then_some(Rule::ServiceAccount)
        }
        "/spec/containers/*/volumeMounts/*" | "/spec/initContainers/*/volumeMounts/*" => {
            is_token_mount(new).then_some(Rule::ServiceAccount)
        }
        "/spec/tolerations/*" => toleration(pod, new),
        "/spec/overhead" => Some(Rule::RuntimeClass),
        _ if pattern.starts_with("/spec/nodeSelector") => {
            json::some_text(pod, "/spec/runtimeClassName").map(|_| Rule::RuntimeClass)
        }
        _ => None,
    }
}

fn is_token(volume: &str) -> bool {
    volume.starts_with("kube-api-access-")
}

fn is_token_mount(mount: &Value) -> bool {
    json::text(mount, "/mountPath") == TOKEN_MOUNT && is_token(json::text(mount, "/name"))
}

fn toleration(pod: &Value, new: &Value) -> Option<Rule> {
    let key = json::text(new, "/key");
    let seconds = new.get("tolerationSeconds").and_then(Value::as_u64);
    match key {
        "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable" if seconds == Some(300) => {
            Some(Rule::DefaultTolerationSeconds)
        }
        _ if key.starts_with("node.kubernetes.io/") && owner(pod) == "DaemonSet" => Some(Rule::Controller),
        _ if json::some_text(pod, "/spec/runtimeClassName").is_some() => Some(Rule::RuntimeClass),
        _ => None,
    }
}

/// What the controller that made the Pod adds.
fn by_controller(pod: &Value, pattern: &str, new: &Value) -> Option<Rule> {
    let owner = owner(pod);
    let is_its = match pattern {
        "/spec/hostname" | "/spec/subdomain" => matches!(owner, "StatefulSet" | "Job"),
        "/spec/volumes/*" => {
            let claim = format!("{}-{}", json::text(new, "/name"), json::text(pod, "/metadata/name"));
            owner == "StatefulSet" && json::text(new, "/persistentVolumeClaim/claimName") == claim
        }
        "/spec/containers/*/env/*" | "/spec/initContainers/*/env/*" => {
            owner == "Job" && json::text(new, "/name") == "JOB_COMPLETION_INDEX"
        }
        _ => {
            owner == "DaemonSet"
                && (pattern == "/spec/affinity" || pattern.starts_with("/spec/affinity/nodeAffinity"))
        }
    };
    is_its.then_some(Rule::Controller)
}

fn has_limit_range(pod: &Value) -> bool {
    json::entries(pod, "/metadata/annotations").any(|(name, _)| name == "kubernetes.io/limit-ranger")
}

fn by_limit_range(pod: &Value, pattern: &str) -> Option<Rule> {
    let of_resources = pattern.ends_with("/resources") || pattern.contains("/resources/");
    (of_resources && has_limit_range(pod)).then_some(Rule::LimitRange)
}

/// These parts of a Pod cannot be added once it exists, so only admission can have done it.
fn by_webhook(pattern: &str) -> Option<Rule> {
    if pattern.starts_with("/spec/ephemeralContainers") {
        return Some(Rule::Debug);
    }
    let ends =
        ["containers/*", "/initContainers", "/volumes/*", "/env/*", "/env", "/envFrom/*", "/volumeMounts/*"];
    ends.iter()
        .any(|end| pattern.ends_with(end))
        .then_some(Rule::AdmissionWebhook)
        .or_else(|| matches!(pattern, "/spec/initContainers/*").then_some(Rule::AdmissionWebhook))
}
