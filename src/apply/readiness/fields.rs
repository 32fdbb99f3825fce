//! Reads fields of objects as JSON; what is absent reads as empty, zero or none.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::manifest::at;

/// The text at a JSON pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The integer at a JSON pointer.
pub(crate) fn int(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// The count at a JSON pointer; zero where there is none, as controllers leave zeros out.
pub(crate) fn count(value: &Value, pointer: &str) -> i64 {
    int(value, pointer).unwrap_or(0)
}

/// Whether the value at a JSON pointer is `true`.
pub(crate) fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a JSON pointer; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The time at a JSON pointer.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

/// Seconds from one time to another; negative where `to` is earlier.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// One entry of `status.conditions`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition<'a> {
    value: &'a Value,
}

impl<'a> Condition<'a> {
    /// Whether its status is `True`.
    pub(crate) fn is_true(self) -> bool {
        text(self.value, "/status") == "True"
    }

    /// Whether its status is `False`.
    pub(crate) fn is_false(self) -> bool {
        text(self.value, "/status") == "False"
    }

    /// Its reason.
    pub(crate) fn reason(self) -> &'a str {
        text(self.value, "/reason")
    }

    /// Its message; the reason where it has none.
    pub(crate) fn message(self) -> &'a str {
        let message = text(self.value, "/message");
        if message.is_empty() { self.reason() } else { message }
    }

    /// When its status last changed.
    pub(crate) fn since(self) -> Option<Timestamp> {
        time(self.value, "/lastTransitionTime")
    }
}

/// The condition of that type, unless it says of itself that it speaks of an older generation.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    let value = list(object, "/status/conditions").iter().find(|c| text(c, "/type") == kind)?;
    let stale = int(value, "/observedGeneration")
        .zip(int(object, "/metadata/generation"))
        .is_some_and(|(observed, wanted)| observed < wanted);
    (!stale).then_some(Condition { value })
}

/// Whether an object has a condition of that type at all, be it of an older generation.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    list(object, "/status/conditions").iter().any(|c| text(c, "/type") == kind)
}
