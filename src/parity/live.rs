//! A live Pod against its owner's template: which fields differ, and who is known to have made them so.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::json;
use super::live_rules::{Change, rule};
use super::quantity::Quantity;

/// A field of a live Pod that is not as its template has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodDifference {
    /// The field, as a JSON pointer into the Pod; into the template where the Pod lacks it.
    pub pointer: String,
    /// Who made it.
    pub rule: Rule,
}

/// Who changes Pods on their way from the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// The API server fills in defaults and leaves out what is empty.
    Defaulting,
    /// The ServiceAccount admission plugin: account, token volume, pull secrets.
    ServiceAccount,
    /// The DefaultTolerationSeconds admission plugin.
    DefaultTolerationSeconds,
    /// The Priority admission plugin.
    Priority,
    /// The LimitRanger admission plugin.
    LimitRange,
    /// The RuntimeClass admission plugin.
    RuntimeClass,
    /// The scheduler chose the node.
    Scheduler,
    /// The controller that made the Pod: names, labels, claims, a DaemonSet's tolerations and affinity.
    Controller,
    /// An admission webhook or policy added something, such as a sidecar.
    AdmissionWebhook,
    /// `kubectl debug` added an ephemeral container.
    Debug,
    /// devcluster swapped the image while developing.
    DevSwap,
    /// Nobody that is known.
    Unexplained,
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Defaulting => "API server defaults",
            Self::ServiceAccount => "service account admission",
            Self::DefaultTolerationSeconds => "default tolerations",
            Self::Priority => "priority admission",
            Self::LimitRange => "LimitRange",
            Self::RuntimeClass => "runtime class admission",
            Self::Scheduler => "scheduler",
            Self::Controller => "workload controller",
            Self::AdmissionWebhook => "admission webhook",
            Self::Debug => "kubectl debug",
            Self::DevSwap => "devcluster dev swap",
            Self::Unexplained => "unexplained",
        })
    }
}

/// The fields of a live Pod that differ from its owner's Pod template (`metadata` and `spec`), in order. The Pod's name, its
/// status and what else tells one Pod from the next is not compared.
pub fn pod_differences(template: &Value, pod: &Value) -> Vec<PodDifference> {
    let mut walk = Walk { pod, found: Vec::new() };
    let null = Value::Null;
    for pointer in ["/metadata/labels", "/metadata/annotations", "/spec"] {
        let (old, new) = (template.pointer(pointer).unwrap_or(&null), pod.pointer(pointer).unwrap_or(&null));
        walk.compare(pointer, pointer, old, new);
    }
    walk.found.sort();
    walk.found.dedup();
    walk.found
}

struct Walk<'a> {
    pod: &'a Value,
    found: Vec<PodDifference>,
}

impl Walk<'_> {
    /// Compares two values. `pattern` is the pointer with `*` for every place in a list.
    fn compare(&mut self, pointer: &str, pattern: &str, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(olds), Value::Object(news)) => {
                for (key, old) in olds {
                    let (pointer, pattern) = (join(pointer, key), join(pattern, key));
                    match news.get(key) {
                        Some(new) => self.compare(&pointer, &pattern, old, new),
                        None => self.report(&pointer, &pattern, &Change::Removed(old)),
                    }
                }
                for (key, new) in news.iter().filter(|(key, _)| !olds.contains_key(*key)) {
                    self.added(&join(pointer, key), &join(pattern, key), new);
                }
            }
            (Value::Array(olds), Value::Array(news)) => self.lists(pointer, pattern, olds, news),
            (Value::Null, Value::Null) => {}
            (Value::Null, new) => self.added(pointer, pattern, new),
            (old, Value::Null) => self.report(pointer, pattern, &Change::Removed(old)),
            (old, new) if equal(pattern, old, new) => {}
            (_, _) => self.report(pointer, pattern, &Change::Changed),
        }
    }

    /// Something that only the Pod has: named as a whole where one rule explains it, else field by field.
    fn added(&mut self, pointer: &str, pattern: &str, new: &Value) {
        let explained = rule(self.pod, pointer, pattern, &Change::Added(new)) != Rule::Unexplained;
        match new {
            Value::Object(fields) if !explained && !fields.is_empty() => {
                for (key, field) in fields {
                    self.added(&join(pointer, key), &join(pattern, key), field);
                }
            }
            Value::Array(items) if !explained && !items.is_empty() => {
                self.lists(pointer, pattern, &[], items);
            }
            _ => self.report(pointer, pattern, &Change::Added(new)),
        }
    }

    fn lists(&mut self, pointer: &str, pattern: &str, olds: &[Value], news: &[Value]) {
        let pattern = join(pattern, "*");
        let mut taken = vec![false; news.len()];
        for (at, old) in olds.iter().enumerate() {
            let same = |(place, new): &(usize, &Value)| {
                !taken[*place] && same_item(&pattern, (at, old), (*place, new))
            };
            match news.iter().enumerate().find(same) {
                Some((place, new)) => {
                    taken[place] = true;
                    self.compare(&join(pointer, &place.to_string()), &pattern, old, new);
                }
                None => self.report(&join(pointer, &at.to_string()), &pattern, &Change::Removed(old)),
            }
        }
        for (place, new) in news.iter().enumerate().filter(|(place, _)| !taken[*place]) {
            self.added(&join(pointer, &place.to_string()), &pattern, new);
        }
    }

    fn report(&mut self, pointer: &str, pattern: &str, change: &Change<'_>) {
        if let Change::Removed(old) = change
            && is_empty(old)
        {
            return;
        }
        let rule = rule(self.pod, pointer, pattern, change);
        self.found.push(PodDifference { pointer: pointer.to_owned(), rule });
    }
}

fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether the API server drops a field of this value when it stores the object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}

/// Whether two items of a list are the same one, by the key that Kubernetes merges that list by.
fn same_item(pattern: &str, (old_at, old): (usize, &Value), (new_at, new): (usize, &Value)) -> bool {
    let same = |key: &str| old.get(key).is_some() && old.get(key) == new.get(key);
    let list = pattern.trim_end_matches("/*").rsplit('/').next().unwrap_or_default();
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "ephemeralContainers" => {
            same("name")
        }
        "volumeMounts" => same("mountPath"),
        "volumeDevices" => same("devicePath"),
        "ports" => {
            let protocol = |port: &Value| json::some_text(port, "/protocol").unwrap_or("TCP").to_owned();
            same("containerPort") && protocol(old) == protocol(new)
        }
        "tolerations" => old == new,
        _ => old_at == new_at,
    }
}

/// Equal as the API server stores them: quantities by their amount.
fn equal(pattern: &str, old: &Value, new: &Value) -> bool {
    let is_quantity = ["/resources/", "/overhead/"].iter().any(|part| pattern.contains(part))
        || pattern.ends_with("/sizeLimit")
        || pattern.ends_with("/divisor");
    old == new
        || is_quantity
            && matches!((Quantity::from_json(old), Quantity::from_json(new)), (Ok(old), Ok(new)) if old == new)
}
