//! What production's apply takes and server-side apply refuses: created or patched as client-side apply does.
//!
//! Server-side apply needs an object that fits its schema and lists without duplicate keys; an environment variable that
//! is written twice, which Kubernetes itself takes, stops it.

use kube::core::Status;
use serde_json::{Map, Value};

use super::error::first_line;

/// Why server-side apply cannot take an object that the API server may take otherwise; `None` for every other refusal.
pub fn reason(status: &Status) -> Option<String> {
    let message = status.message.as_str();
    let typed = status.code == 500
        && [
            "field not declared in schema",
            "failed to create typed patch object",
            "duplicate entries for key",
        ]
        .iter()
        .any(|mark| message.contains(mark));
    // Exported objects carry it; client-side apply sends it along.
    let managed = status.code == 400 && message.contains("metadata.managedFields must be nil");
    (typed || managed).then(|| {
        let line = first_line(message);
        // `failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec…`: the object is known.
        match line.split_once("): ") {
            Some((start, said)) if start.starts_with("failed to create typed patch object") => {
                said.to_owned()
            }
            _ => line,
        }
    })
}

/// The merge patch that brings a live object to `desired`: fields that `previous` (a [`super::fields::shape`]) has and
/// `desired` has not are removed; lists are replaced.
pub fn merge_patch(previous: &Value, desired: &Value) -> Value {
    let (Value::Object(new), old) = (desired, previous.as_object()) else { return desired.clone() };
    let mut patch = Map::new();
    for (key, value) in new {
        let before = old.and_then(|old| old.get(key)).unwrap_or(&Value::Null);
        patch.insert(key.clone(), merge_patch(before, value));
    }
    for key in old.into_iter().flat_map(Map::keys) {
        if !new.contains_key(key) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    Value::Object(patch)
}

/// The object as client-side apply would send it: without nulls, status and managedFields.
pub fn body(desired: &Value) -> Value {
    let mut body = without_nulls(desired);
    if let Some(object) = body.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    body
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, child)| !child.is_null())
                .map(|(key, child)| (key.clone(), without_nulls(child)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::fields::shape;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_what_the_schema_refuses_falls_back() {
        let mut status = Status::failure(
            "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
            "",
        );
        status.code = 500;
        assert_eq!(reason(&status).unwrap(), ".spec.foo: field not declared in schema");
        status.message = "etcdserver: leader changed".into();
        assert_eq!(reason(&status), None);
    }

    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<u8>().prop_map(|n| json!(n)), Just(json!([1, {"a": 1}]))];
        let tree = leaf.prop_recursive(3, 24, 4, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::btree_map("[a-d]", tree, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        /// Whatever was applied before, the patch leaves what is desired now, and nothing of ours besides.
        #[test]
        fn a_patch_leads_from_the_previous_to_the_desired(previous in object(), desired in object()) {
            let mut live = previous.clone();
            json_patch::merge(&mut live, &merge_patch(&shape(&previous), &desired));
            prop_assert_eq!(without_empty(&live), without_empty(&desired));
        }
    }

    /// A map that was emptied and one that is not there are the same to the API.
    fn without_empty(value: &Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, child)| (key.clone(), without_empty(child)))
                    .filter(|(_, child)| child != &json!({}))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}
