//! Who wrote a field, from an object's `metadata.managedFields`. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// The managers that own the field at a JSON pointer or anything within it.
pub(super) fn writers(live: &Value, pointer: &str) -> BTreeSet<String> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, live, &steps)))
        .filter_map(|entry| entry.get("manager")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// Whether a set of fields holds the path. An empty set is a leaf: it owns all that lies below.
fn owns(fields: &Value, value: &Value, steps: &[String]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let Some(fields) = fields.as_object() else { return false };
    if fields.is_empty() {
        return true;
    }
    if let Value::Array(list) = value {
        let element = step.parse().ok().and_then(|index: usize| list.get(index));
        return element.is_some_and(|element| {
            let sets = fields.iter().filter(|(key, _)| names_element(key, element, step));
            sets.into_iter().any(|(_, below)| owns(below, element, rest))
        });
    }
    let below = value.get(step).unwrap_or(&Value::Null);
    fields.get(&format!("f:{step}")).is_some_and(|fields| owns(fields, below, rest))
}

/// Whether a set's key (`k:{"name":"web"}`, `v:"finalizer"`, `i:0`) names this element.
fn names_element(key: &str, element: &Value, index: &str) -> bool {
    let Some((kind, of)) = key.split_once(':') else { return false };
    match kind {
        "k" => serde_json::from_str::<serde_json::Map<String, Value>>(of)
            .is_ok_and(|keys| keys.iter().all(|(name, value)| element.get(name) == Some(value))),
        "v" => serde_json::from_str::<Value>(of).is_ok_and(|value| value == *element),
        "i" => of == index,
        _ => false,
    }
}

/// Whether a manager of that name is a controller, not a person at a tool: what people change by hand is to be put right.
pub(super) fn is_controller(manager: &str) -> bool {
    const HANDS: [&str; 14] = [
        "kubectl",
        "devcluster",
        "before-first-apply",
        "k9s",
        "lens",
        "openlens",
        "freelens",
        "headlamp",
        "node-fetch",
        "mozilla",
        "curl",
        "python",
        "okhttp",
        "unknown",
    ];
    let manager = manager.to_ascii_lowercase();
    !manager.is_empty() && !HANDS.iter().any(|hand| manager.starts_with(hand))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Value {
        json!({
            "metadata": {"labels": {"a/b": "1"}, "finalizers": ["x", "y"], "managedFields": [
                {"manager": "devcluster", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:a/b": {}}},
                    "f:spec": {
                        "f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}},
                        "f:selector": {}}}},
                {"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "injector", "fieldsV1": {
                    "f:metadata": {"f:finalizers": {"v:\"y\"": {}}},
                    "f:spec": {"f:containers": {"k:{\"name\":\"proxy\"}": {".": {}, "f:image": {}}}}}},
            ]},
            "spec": {"replicas": 5, "selector": {"app": "web"},
                "containers": [{"name": "proxy", "image": "p"}, {"name": "web", "image": "w"}]},
        })
    }

    #[test]
    fn a_field_has_the_managers_whose_sets_hold_it() {
        for (pointer, wanted) in [
            ("/spec/replicas", "kube-controller-manager"),
            ("/spec/containers/0/image", "injector"),
            ("/spec/containers/1/image", "devcluster"),
            ("/spec/containers/1/command", ""),
            ("/spec/selector/app", "devcluster"),
            ("/metadata/labels/a~1b", "devcluster"),
            ("/metadata/finalizers/1", "injector"),
            ("/metadata/finalizers/0", ""),
            ("/spec/containers", "devcluster injector"),
            ("/spec/paused", ""),
        ] {
            let writers: Vec<String> = writers(&live(), pointer).into_iter().collect();
            assert_eq!(writers.join(" "), wanted, "{pointer}");
        }
    }

    #[test]
    fn what_people_use_is_no_controller() {
        assert!(is_controller("kube-controller-manager"));
        assert!(is_controller("cert-manager-cainjector"));
        for tool in ["kubectl", "kubectl-edit", "Mozilla", "k9s", "devcluster", "Lens", ""] {
            assert!(!is_controller(tool), "{tool}");
        }
    }
}
