//! Fields that cannot change: told from other faults, and what may be done about them by kind.

use kube::core::Status;

use super::error::{Refusal, first_line};
use crate::manifest::ObjectId;

/// What happens to an object when a field that cannot change has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreation {
    /// It is recreated: it does nothing but run.
    Always,
    /// It is recreated where the user asked for that.
    OnRequest,
    /// It never is: its data would go.
    Never,
}

/// The rule for a kind.
pub fn recreation(id: &ObjectId) -> Recreation {
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Pod") | ("batch", "Job") => Recreation::Always,
        ("", "Namespace" | "PersistentVolume" | "PersistentVolumeClaim" | "Node")
        | ("apiextensions.k8s.io", "CustomResourceDefinition") => Recreation::Never,
        _ => Recreation::OnRequest,
    }
}

/// A field that cannot change, and what the API server says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Immutable {
    /// The field's path, such as `spec.selector`.
    pub field: String,
    /// The message without the value it quotes.
    pub message: String,
}

impl Immutable {
    /// The refusal where the object is not recreated.
    pub fn refusal(self, rule: Recreation) -> Refusal {
        let Self { field, message } = self;
        match rule {
            Recreation::Never => Refusal::HoldsData { field, message },
            Recreation::Always | Recreation::OnRequest => Refusal::Immutable { field, message },
        }
    }
}

/// The words the API server has for it; validation is not uniform, and CRDs bring their own rules.
const MARKS: [&str; 11] = [
    "immutable",
    "may not be changed",
    "may not change",
    "must not be changed",
    "can not be changed",
    "cannot be changed",
    "cannot be updated",
    "cannot change",
    "updates to ",
    "updates may not change",
    "update is forbidden",
];

/// The first field that cannot change, where that is all that is wrong with the object: recreating it would not mend a
/// value that is invalid in itself.
pub fn immutable(status: &Status) -> Option<Immutable> {
    if status.code != 422 {
        return None;
    }
    let causes = &status.details.as_ref()?.causes;
    if causes.is_empty() || !causes.iter().all(|cause| MARKS.iter().any(|mark| cause.message.contains(mark)))
    {
        return None;
    }
    let first = causes.first()?;
    Some(Immutable { field: first.field.clone(), message: without_value(&first.message) })
}

/// `Invalid value: {"a":…}: field is immutable` says the same without the value.
fn without_value(message: &str) -> String {
    let line = first_line(message);
    let Some(rest) = line.strip_prefix("Invalid value: ") else { return line };
    rest.rsplit_once(": ").map_or(rest, |(_, said)| said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    fn status(causes: &[(&str, &str)]) -> Status {
        let mut status = Status::failure("invalid", "Invalid");
        status.code = 422;
        let causes = causes
            .iter()
            .map(|(field, message)| StatusCause {
                reason: String::new(),
                message: (*message).into(),
                field: (*field).into(),
            })
            .collect();
        status.details = Some(StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        });
        status
    }

    #[test]
    fn the_field_is_named_without_its_value() {
        let selector =
            ("spec.selector", "Invalid value: {\"matchLabels\":{\"a\":\"b: c\"}}: field is immutable");
        let found = immutable(&status(&[selector])).unwrap();
        assert_eq!(found, Immutable { field: "spec.selector".into(), message: "field is immutable".into() });
        let set =
            ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden");
        assert_eq!(immutable(&status(&[set])).unwrap().field, "spec");
    }

    #[test]
    fn an_invalid_value_beside_it_is_not_mended_by_recreating() {
        let selector = ("spec.selector", "Invalid value: {}: field is immutable");
        let replicas = ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0");
        assert_eq!(immutable(&status(&[selector, replicas])), None);
        assert_eq!(immutable(&status(&[replicas])), None);
    }
}
