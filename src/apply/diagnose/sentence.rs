//! The reason why an object is not ready, in one sentence for people. Pure.

use serde_json::Value;

use super::super::readiness::fields::{count, int, list, seconds_between, text, time, uid};
use super::super::readiness::pod::{Trouble, TroubleKind, statuses, trouble};
use super::{ContainerLog, Subject, container_names};

/// The sentence: what the most troubled Pod suffers from, else what the events say, else how the object stands.
pub(super) fn sentence(subject: &Subject, events: &[&Value], logs: &[ContainerLog]) -> String {
    let Some(object) = &subject.object else {
        return subject.message.clone();
    };
    let of_pods = || subject.pods.iter().find_map(|pod| of_pod(pod, events, logs));
    let reason = of_claim(subject, events).or_else(of_pods).or_else(|| of_events(object, events));
    match (subject.id.kind.as_str(), reason) {
        ("Job", Some(reason)) if subject.message.starts_with("failed") => {
            format!("{}; {reason}", subject.message)
        }
        (_, Some(reason)) => reason,
        (_, None) => subject.message.clone(),
    }
}

/// A Pod that no node takes for want of a volume: the claim's own event tells why.
fn of_claim(subject: &Subject, events: &[&Value]) -> Option<String> {
    let pod = subject.pods.iter().find(|pod| {
        trouble(pod).is_some_and(|found| {
            found.kind == TroubleKind::Unschedulable && found.message.contains("PersistentVolumeClaim")
        })
    })?;
    let event = events.iter().rev().find(|event| {
        text(event, "/involvedObject/kind") == "PersistentVolumeClaim" && text(event, "/type") == "Warning"
    })?;
    Some(format!(
        "{} waits for a volume for its claim {}: {}",
        pod_name(pod),
        text(event, "/involvedObject/name"),
        first_line(text(event, "/message"))
    ))
}

fn pod_name(pod: &Value) -> String {
    format!("Pod {}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"))
}

fn of_pod(pod: &Value, events: &[&Value], logs: &[ContainerLog]) -> Option<String> {
    let own: Vec<&Value> =
        events.iter().copied().filter(|event| text(event, "/involvedObject/uid") == uid(pod)).collect();
    if let Some(found) = trouble(pod) {
        return Some(of_trouble(pod, &found, &own, logs));
    }
    let exited = statuses(pod).find(|(status, init)| {
        let code = int(status, "/state/terminated/exitCode");
        code.is_some_and(|code| code != 0 || (!init && restarts_always(pod)))
    });
    if let Some((status, _)) = exited {
        return Some(of_exit(pod, status, &status["state"]["terminated"], &own, logs));
    }
    if text(pod, "/status/phase") == "Failed" {
        let said = [text(pod, "/status/message"), text(pod, "/status/reason")];
        let said = said.into_iter().find(|said| !said.is_empty()).unwrap_or("for no reason that it tells");
        return Some(format!("{} failed: {said}", pod_name(pod)));
    }
    if text(pod, "/status/phase") == "Running" {
        return of_probe(pod, &own);
    }
    of_creation(pod, &own)
}

fn restarts_always(pod: &Value) -> bool {
    matches!(text(pod, "/spec/restartPolicy"), "" | "Always")
}

fn of_trouble(pod: &Value, found: &Trouble, events: &[&Value], logs: &[ContainerLog]) -> String {
    let name = pod_name(pod);
    let container = &found.container;
    let image = image(pod, container);
    match found.kind {
        TroubleKind::Unschedulable => format!("{name} fits no node: {}", first_line(&found.message)),
        TroubleKind::NoSuchImage => {
            format!(
                "image {image} of container {container} in {name} does not exist: {}",
                pull_message(found, events)
            )
        }
        TroubleKind::PullFails => {
            format!(
                "image {image} of container {container} in {name} cannot be pulled: {}",
                pull_message(found, events)
            )
        }
        TroubleKind::ImageNotOnNode => format!(
            "image {image} of container {container} in {name} is not on node {}, and its pull policy is Never",
            text(pod, "/spec/nodeName")
        ),
        TroubleKind::Config => {
            format!("container {container} of {name} cannot be configured: {}", first_line(&found.message))
        }
        TroubleKind::Create | TroubleKind::NoSuchProgram => {
            format!("container {container} of {name} cannot be started: {}", runtime_message(&found.message))
        }
        TroubleKind::Crash => {
            let status =
                statuses(pod).map(|(status, _)| status).find(|status| text(status, "/name") == container);
            let Some(status) = status else {
                return format!("container {container} of {name} exits again and again");
            };
            of_exit(pod, status, &status["lastState"]["terminated"], events, logs)
        }
    }
}

/// The kubelet repeats itself (`Back-off pulling image ...: ErrImagePull: ...`); the first pull's event is plainest.
fn pull_message(found: &Trouble, events: &[&Value]) -> String {
    let failed = events
        .iter()
        .map(|event| text(event, "/message"))
        .find(|message| message.starts_with("Failed to pull image"))
        .and_then(|message| message.split_once("\": ").map(|(_, why)| why));
    let why = failed.unwrap_or(&found.message);
    first_line(why.trim_start_matches("rpc error: ").rsplit_once("desc = ").map_or(why, |(_, why)| why))
        .to_owned()
}

/// How a container ended: `container web of Pod shop/web-1 exits with 1 after 3 s, 5 times: no database`.
fn of_exit(pod: &Value, status: &Value, ended: &Value, events: &[&Value], logs: &[ContainerLog]) -> String {
    let container = text(status, "/name");
    let said = first_line(text(ended, "/message"));
    let name = pod_name(pod);
    if matches!(text(ended, "/reason"), "StartError" | "ContainerCannotRun") {
        return format!("container {container} of {name} cannot be started: {}", runtime_message(said));
    }
    let probe = killed_by_probe(container, events);
    let how = match (text(ended, "/reason"), probe, int(ended, "/signal").filter(|signal| *signal > 0)) {
        ("OOMKilled", ..) => match memory_limit(pod, container) {
            Some(limit) => format!("is killed for using more memory than its limit of {limit}"),
            None => "is killed for want of memory".into(),
        },
        (_, Some(probe), _) => format!("is restarted by its {probe} probe"),
        (_, _, Some(signal)) => format!("ends by signal {signal}"),
        _ => format!("exits with {}", int(ended, "/exitCode").unwrap_or(0)),
    };
    let ran = time(ended, "/startedAt").zip(time(ended, "/finishedAt"));
    let after =
        ran.map(|(from, to)| format!(" after {}", duration(seconds_between(from, to)))).unwrap_or_default();
    // It was started once more than it was restarted.
    let times = count(status, "/restartCount") + 1;
    let times = if times > 1 { format!(", {times} times") } else { String::new() };
    let words = probe
        .and_then(|_| probe_message(events, &["Liveness", "Startup"]))
        .or_else(|| last_words(pod, container, logs))
        .or_else(|| (!said.is_empty()).then(|| said.to_owned()));
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    format!("container {container} of {name} {how}{after}{times}{words}")
}

/// The probe for whose failure the kubelet restarts a container.
fn killed_by_probe(container: &str, events: &[&Value]) -> Option<&'static str> {
    let sign = format!("Container {container} failed ");
    let message =
        events.iter().map(|event| text(event, "/message")).find(|message| message.contains(&sign))?;
    ["liveness", "startup"].into_iter().find(|probe| message.contains(&format!("{probe} probe")))
}

/// Times in a Pod's status are whole seconds.
fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "less than 1 s".into()
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// The last line a container wrote before it ended.
fn last_words(pod: &Value, container: &str, logs: &[ContainerLog]) -> Option<String> {
    let name = text(pod, "/metadata/name");
    let of_it = |log: &&ContainerLog| log.pod == name && log.container == container;
    let log = logs.iter().filter(of_it).find(|log| log.previous).or_else(|| logs.iter().find(of_it))?;
    log.lines.last().cloned()
}

/// A container that runs and is not ready.
fn of_probe(pod: &Value, events: &[&Value]) -> Option<String> {
    let waiting = container_names(pod);
    let container = waiting.first()?;
    let name = pod_name(pod);
    let spec = list(pod, "/spec/containers").iter().find(|spec| text(spec, "/name") == *container);
    let has = |probe: &str| spec.is_some_and(|spec| spec.get(probe).is_some());
    let started = list(pod, "/status/containerStatuses")
        .iter()
        .find(|status| text(status, "/name") == *container)
        .is_some_and(|status| status["started"].as_bool().unwrap_or(false));
    let (probe, sign) = match started {
        false if has("startupProbe") => ("startup", "Startup"),
        _ if has("readinessProbe") => ("readiness", "Readiness"),
        _ => return Some(format!("container {container} of {name} is not ready")),
    };
    let said = probe_message(events, &[sign]);
    Some(match said {
        Some(said) => format!("container {container} of {name} runs, but its {probe} probe fails: {said}"),
        None => format!("container {container} of {name} runs, but its {probe} probe has not succeeded yet"),
    })
}

/// The newest message of a failing probe, without its preamble.
fn probe_message(events: &[&Value], signs: &[&str]) -> Option<String> {
    let message = events
        .iter()
        .rev()
        .filter(|event| text(event, "/reason") == "Unhealthy")
        .map(|event| text(event, "/message"))
        .find(|message| signs.iter().any(|sign| message.starts_with(sign)))?;
    let said = message.split_once("failed: ").map_or(message, |(_, said)| said);
    Some(telling_line(said).to_owned())
}

/// Of what a program wrote, the line that names an error, else the first one that says anything: clients of databases repeat the
/// statement before, between dashes.
fn telling_line(message: &str) -> &str {
    let mut lines = message.lines().map(str::trim).filter(|line| line.contains(char::is_alphanumeric));
    let names_it = |line: &&str| line.to_ascii_lowercase().contains("error");
    lines.clone().find(names_it).or_else(|| lines.next()).unwrap_or_else(|| first_line(message))
}

/// A Pod that has a node and no containers yet.
fn of_creation(pod: &Value, events: &[&Value]) -> Option<String> {
    let event = events.iter().rev().find(|event| {
        matches!(text(event, "/reason"), "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox")
    })?;
    let what = match text(event, "/reason") {
        "FailedCreatePodSandBox" => "cannot be given its sandbox",
        _ => "cannot mount a volume",
    };
    Some(format!("{} {what}: {}", pod_name(pod), first_line(text(event, "/message"))))
}

/// What the newest warning about the object itself or what it makes says.
fn of_events(object: &Value, events: &[&Value]) -> Option<String> {
    let telling = |event: &&&Value| {
        text(event, "/type") == "Warning"
            && matches!(
                text(event, "/reason"),
                "FailedCreate"
                    | "ProvisioningFailed"
                    | "FailedBinding"
                    | "SyncLoadBalancerFailed"
                    | "FailedScheduling"
            )
    };
    let event = events.iter().rev().find(telling)?;
    let message = first_line(text(event, "/message"));
    Some(match (text(event, "/reason"), text(object, "/kind")) {
        ("FailedCreate", _) => format!("its Pods are refused: {message}"),
        (_, "PersistentVolumeClaim") => format!("no volume for it: {message}"),
        _ => message.to_owned(),
    })
}

fn image<'a>(pod: &'a Value, container: &str) -> &'a str {
    spec_of(pod, container).map_or("", |spec| text(spec, "/image"))
}

fn memory_limit<'a>(pod: &'a Value, container: &str) -> Option<&'a str> {
    spec_of(pod, container)?.pointer("/resources/limits/memory")?.as_str()
}

fn spec_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let init = list(pod, "/spec/initContainers").iter();
    init.chain(list(pod, "/spec/containers")).find(|spec| text(spec, "/name") == container)
}

/// What the runtime says, without the layers that passed it on.
fn runtime_message(message: &str) -> &str {
    let line = first_line(message);
    line.rsplit_once("unable to start container process: ").map_or(line, |(_, why)| why)
}

fn first_line(message: &str) -> &str {
    message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}
