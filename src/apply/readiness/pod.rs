//! Readiness of one Pod, and what keeps it from getting ready.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::fields::{Condition, condition, count, int, list, seconds_between, text, time};
use super::{Readiness, Rules};

/// What keeps a Pod from getting ready, seen in its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is.
    pub kind: TroubleKind,
    /// The container; empty where the whole Pod is concerned.
    pub container: String,
    /// What the scheduler or the kubelet says.
    pub message: String,
    /// How often the container was restarted.
    pub restarts: i64,
    /// When it began, as far as the Pod tells.
    pub since: Option<Timestamp>,
}

/// The troubles a Pod can have, by the patience each deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TroubleKind {
    /// No node takes it.
    Unschedulable,
    /// The registry or the node has no such image, or its name is malformed.
    NoSuchImage,
    /// The pull policy is Never and the node lacks the image.
    ImageNotOnNode,
    /// The pull fails for another reason: network, credentials, a registry that is down.
    PullFails,
    /// The container cannot be configured: a Secret, a ConfigMap or a key is missing.
    Config,
    /// The image has no such program.
    NoSuchProgram,
    /// The container runtime cannot create or start it for another reason.
    Create,
    /// It starts and exits, again and again.
    Crash,
}

impl TroubleKind {
    /// How long it may persist before waiting is pointless; a crash is judged by its restarts too.
    pub fn grace(self) -> Duration {
        Duration::from_secs(match self {
            Self::NoSuchImage | Self::NoSuchProgram => 0,
            Self::ImageNotOnNode | Self::Config => 10,
            Self::Unschedulable => 15,
            Self::Create => 20,
            // Two or three tries of the kubelet.
            Self::PullFails => 30,
            Self::Crash => 60,
        })
    }
}

/// Restarts after which a crashing container is given up, be its back-off however short. A dependency that comes up a
/// few seconds late costs one or two.
pub const RESTARTS_ENOUGH: i64 = 4;

/// Every container status of a Pod with whether it is of an init container, init containers first.
pub(crate) fn statuses(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let init = list(pod, "/status/initContainerStatuses").iter().map(|status| (status, true));
    init.chain(list(pod, "/status/containerStatuses").iter().map(|status| (status, false)))
}

/// What keeps a Pod from getting ready; the first in the order in which its containers start.
pub fn trouble(pod: &Value) -> Option<Trouble> {
    let refused = condition(pod, "PodScheduled").filter(|c| c.is_false() && c.reason() == "Unschedulable");
    if let Some(refused) = refused {
        return Some(Trouble {
            kind: TroubleKind::Unschedulable,
            container: String::new(),
            message: refused.message().into(),
            restarts: 0,
            since: refused.since(),
        });
    }
    statuses(pod).find_map(|(status, _)| container_trouble(pod, status))
}

fn container_trouble(pod: &Value, status: &Value) -> Option<Trouble> {
    let message = text(status, "/state/waiting/message");
    let kind = match text(status, "/state/waiting/reason") {
        "ErrImagePull" | "ImagePullBackOff" if no_such_image(message) => TroubleKind::NoSuchImage,
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => TroubleKind::PullFails,
        "InvalidImageName" => TroubleKind::NoSuchImage,
        "ErrImageNeverPull" => TroubleKind::ImageNotOnNode,
        "CreateContainerConfigError" => TroubleKind::Config,
        "CreateContainerError" | "RunContainerError" if no_such_program(message) => {
            TroubleKind::NoSuchProgram
        }
        "CreateContainerError" | "RunContainerError" => TroubleKind::Create,
        "CrashLoopBackOff" => TroubleKind::Crash,
        _ => return None,
    };
    let since = match kind {
        TroubleKind::Crash => time(status, "/lastState/terminated/finishedAt"),
        _ => condition(pod, "PodScheduled").and_then(Condition::since),
    };
    Some(Trouble {
        kind,
        container: text(status, "/name").into(),
        message: message.into(),
        restarts: count(status, "/restartCount"),
        since,
    })
}

/// Whether the runtime's message says that the image lacks the program: no volume or time will bring it.
fn no_such_program(message: &str) -> bool {
    message.contains("executable file not found in $PATH")
}

/// Whether a pull's message says that asking again will not help.
fn no_such_image(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["not found", "notfound", "manifest unknown", "name unknown", "no match for platform", "does not exist"]
        .iter()
        .any(|sign| message.contains(sign))
        // A host name that does not resolve reads "no such host", or "lookup x: not found" from some resolvers.
        && !message.contains("lookup ")
}

pub(super) fn readiness(pod: &Value, rules: &Rules) -> Readiness {
    let phase = text(pod, "/status/phase");
    match phase {
        "Succeeded" => return Readiness::Current("completed".into()),
        "Failed" => return Readiness::Failed(failed_message(pod)),
        _ => {}
    }
    if phase == "Running" && condition(pod, "Ready").is_some_and(Condition::is_true) {
        return Readiness::Current("ready".into());
    }
    if let Some(trouble) = trouble(pod) {
        let waited = trouble.since.map_or(0.0, |since| seconds_between(since, rules.now));
        let message = describe(&trouble);
        let over = match trouble.kind {
            TroubleKind::Crash => {
                trouble.restarts >= RESTARTS_ENOUGH || waited > trouble.kind.grace().as_secs_f64()
            }
            kind => waited >= kind.grace().as_secs_f64(),
        };
        return if over { Readiness::Failed(message) } else { Readiness::InProgress(message) };
    }
    Readiness::InProgress(progress(pod, phase))
}

/// A trouble in a few words.
pub(crate) fn describe(trouble: &Trouble) -> String {
    let container = &trouble.container;
    let what = match trouble.kind {
        TroubleKind::Unschedulable => return format!("fits no node: {}", trouble.message),
        TroubleKind::NoSuchImage => "has an image that does not exist",
        TroubleKind::ImageNotOnNode => "has an image that its node lacks",
        TroubleKind::PullFails => "cannot pull its image",
        TroubleKind::Config => "cannot be configured",
        TroubleKind::NoSuchProgram | TroubleKind::Create => "cannot be started",
        TroubleKind::Crash => {
            return format!("container {container} exits again and again ({} restarts)", trouble.restarts);
        }
    };
    if trouble.message.is_empty() {
        format!("container {container} {what}")
    } else {
        format!("container {container} {what}: {}", trouble.message)
    }
}

fn failed_message(pod: &Value) -> String {
    let said = text(pod, "/status/message");
    if !said.is_empty() {
        return format!("failed: {said}");
    }
    let exit = statuses(pod).find_map(|(status, _)| {
        let code = int(status, "/state/terminated/exitCode").filter(|code| *code != 0)?;
        Some(format!("failed: container {} exited with {code}", text(status, "/name")))
    });
    exit.unwrap_or_else(|| "failed".into())
}

fn progress(pod: &Value, phase: &str) -> String {
    if condition(pod, "PodScheduled").is_none_or(|c| !c.is_true()) && phase != "Running" {
        return "not scheduled yet".into();
    }
    let initializing = list(pod, "/status/initContainerStatuses").iter().find(|status| {
        status.pointer("/state/running").is_some() && !status["started"].as_bool().unwrap_or(false)
    });
    if let Some(init) = initializing.filter(|_| phase == "Pending") {
        return format!("init container {} is running", text(init, "/name"));
    }
    let waiting: Vec<&str> = list(pod, "/status/containerStatuses")
        .iter()
        .filter(|status| !status["ready"].as_bool().unwrap_or(false))
        .map(|status| text(status, "/name"))
        .collect();
    match (phase, waiting.as_slice()) {
        ("Running", [one]) => format!("container {one} is not ready yet"),
        ("Running", [_, ..]) => format!("containers {} are not ready yet", waiting.join(", ")),
        ("Running", []) => "not ready yet".into(),
        _ => "its containers are being created".into(),
    }
}
