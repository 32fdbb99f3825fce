//! The algebra of `managedFields`: who owns what of an object, and the part of it that is ours.
//!
//! `fieldsV1` is a trie: `f:name` is a member of a map, `k:{…}` an item of a list by its keys, `v:…` an item of a set,
//! `i:…` an item by position, `.` the node itself; a node without children is owned whole. See
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/> and sigs.k8s.io/structured-merge-diff.

use serde_json::{Map, Value};

use super::client::MANAGER;
use crate::manifest::object::canonical_hash;

/// One manager's entry in `managedFields`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a>(&'a Value);

impl<'a> Entry<'a> {
    fn text(self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The manager's name.
    pub fn manager(self) -> &'a str {
        self.text("manager")
    }

    /// Whether it comes from server-side apply, and not from a create, update or patch.
    pub fn is_apply(self) -> bool {
        self.text("operation") == "Apply"
    }

    /// The subresource it was written through, such as `scale`; empty for the object itself.
    pub fn subresource(self) -> &'a str {
        self.text("subresource")
    }

    /// The version its field names belong to.
    pub fn api_version(self) -> &'a str {
        self.text("apiVersion")
    }

    /// Its trie.
    pub fn fields(self) -> &'a Value {
        self.0.get("fieldsV1").unwrap_or(&Value::Null)
    }

    /// Whether it owns the member of maps that `path` leads to, such as `["spec", "replicas"]`.
    pub fn owns(self, path: &[&str]) -> bool {
        let mut node = self.fields();
        for name in path {
            match node.get(format!("f:{name}")) {
                Some(child) => node = child,
                None => return false,
            }
        }
        true
    }
}

/// The entries of an object, as the API server orders them.
pub fn entries(live: &Value) -> impl Iterator<Item = Entry<'_>> {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().map(Entry)
}

/// Whether this program has ever written the object itself.
pub fn is_ours(live: &Value) -> bool {
    entries(live).any(|entry| entry.manager() == MANAGER)
}

/// The union of two tries.
pub fn union(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut merged = a.clone();
            for (key, child) in b {
                let both = merged.get(key).map_or_else(|| child.clone(), |known| union(known, child));
                merged.insert(key.clone(), both);
            }
            Value::Object(merged)
        }
        (Value::Object(_), _) => a.clone(),
        _ => b.clone(),
    }
}

/// The union of what we own of the object itself, by apply or by fallback; `None` where we own nothing.
pub fn ours(live: &Value) -> Option<Value> {
    entries(live)
        .filter(|entry| entry.manager() == MANAGER && entry.subresource().is_empty())
        .map(|entry| entry.fields().clone())
        .reduce(|a, b| union(&a, &b))
}

/// The part of `value` that `fields` owns. What is owned but not there is null. Lists become maps by the trie's keys, so
/// that another order, or items of others in between, make no difference.
pub fn project(value: &Value, fields: &Value) -> Value {
    let Some(children) = fields.as_object().filter(|children| !children.is_empty()) else {
        return value.clone();
    };
    let mut owned = Map::new();
    for (key, child) in children {
        let part = match key.split_once(':') {
            Some(("f", name)) => value.get(name).map_or(Value::Null, |part| project(part, child)),
            Some(("k", keys)) => item_by_keys(value, keys).map_or(Value::Null, |part| project(part, child)),
            Some(("v", scalar)) => item_by_value(value, scalar),
            Some(("i", index)) => index
                .parse()
                .ok()
                .and_then(|index: usize| value.get(index))
                .map_or(Value::Null, |part| project(part, child)),
            _ => continue,
        };
        owned.insert(key.clone(), part);
    }
    Value::Object(owned)
}

fn item_by_keys<'a>(list: &'a Value, keys: &str) -> Option<&'a Value> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    list.as_array()?.iter().find(|item| keys.iter().all(|(key, wanted)| item.get(key) == Some(wanted)))
}

fn item_by_value(list: &Value, scalar: &str) -> Value {
    let wanted: Value = serde_json::from_str(scalar).unwrap_or(Value::Null);
    let there = list.as_array().is_some_and(|items| items.contains(&wanted));
    if there { wanted } else { Value::Null }
}

/// The hash by which a later run tells whether anybody has touched what we applied. It covers the fields that we own. The
/// API server keeps no entry for an object of which we own nothing beyond its name, nor for one whose lists have duplicate
/// keys; then it covers the fields that `written` has.
pub fn live_hash(live: &Value, written: &Value) -> String {
    match ours(live) {
        Some(fields) => canonical_hash(&project(live, &fields)),
        None => canonical_hash(&project_written(&content(live), &content(written))),
    }
}

/// The part of `live` that `written` speaks of. Lists count whole.
fn project_written(live: &Value, written: &Value) -> Value {
    let Some(members) = written.as_object() else { return live.clone() };
    let part = |(key, child): (&String, &Value)| {
        // A Secret's stringData is kept as its data.
        let key = if key == "stringData" { "data" } else { key };
        let found = live.get(key).map_or(Value::Null, |found| project_written(found, child));
        (key.to_owned(), if key == "data" { live.get(key).cloned().unwrap_or_default() } else { found })
    };
    Value::Object(members.iter().map(part).collect())
}

/// An object without what changes by itself: status, managedFields, resourceVersion, generation, and the type, which items
/// of a list do not carry.
pub fn content(live: &Value) -> Value {
    let mut content = live.clone();
    if let Some(object) = content.as_object_mut() {
        for key in ["status", "apiVersion", "kind"] {
            object.remove(key);
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for key in ["managedFields", "resourceVersion", "generation"] {
                metadata.remove(key);
            }
        }
    }
    content
}

/// The maps that `fields` leads through, with null at their ends and for lists: what a three-way merge needs to know of the
/// last applied configuration, without any of its values.
pub fn shape_of_fields(fields: &Value) -> Value {
    let Some(children) = fields.as_object() else { return Value::Null };
    let members: Map<String, Value> = children
        .iter()
        .filter_map(|(key, child)| Some((key.strip_prefix("f:")?.to_owned(), shape_of_fields(child))))
        .collect();
    if members.is_empty() { Value::Null } else { Value::Object(members) }
}

/// As [`shape_of_fields`], of an object as it is written.
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, child)| (key.clone(), shape(child))).collect())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn deployment(replicas: u32, image: &str, extra: bool) -> Value {
        let mut containers = vec![json!({"name": "web", "image": image, "terminationMessagePath": "/dev/x"})];
        if extra {
            containers.insert(0, json!({"name": "sidecar", "image": "proxy"}));
        }
        json!({
            "metadata": {"name": "web", "annotations": {"deployment.kubernetes.io/revision": "7"}, "managedFields": [
                {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template":
                    {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}},
                                "f:finalizers": {"v:\"a\"": {}}}}}}},
                {"manager": MANAGER, "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
                {"manager": "kcm", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
            ]},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers, "finalizers": ["b", "a"]}}}
        })
    }

    #[test]
    fn only_what_is_ours_counts_for_drift() {
        let hash = |live: &Value| live_hash(live, &Value::Null);
        let before = hash(&deployment(1, "a", false));
        assert_eq!(before, hash(&deployment(1, "a", true)), "another's container");
        assert_ne!(before, hash(&deployment(2, "a", false)), "our replicas");
        assert_ne!(before, hash(&deployment(1, "b", false)), "our image");
        let projected = project(&deployment(1, "a", true), &ours(&deployment(1, "a", true)).unwrap());
        insta::assert_snapshot!(projected.to_string(), @r#"{"f:spec":{"f:replicas":1,"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":"a","f:name":"web"}},"f:finalizers":{"v:\"a\"":"a"}}}}}"#);
    }

    #[test]
    fn a_field_that_is_gone_is_seen() {
        let mut live = deployment(1, "a", false);
        let before = live_hash(&live, &Value::Null);
        live["spec"].as_object_mut().unwrap().remove("replicas");
        assert_ne!(before, live_hash(&live, &Value::Null));
    }

    #[test]
    fn without_an_entry_what_is_written_counts() {
        let written = json!({"kind": "A", "metadata": {"name": "a"}, "spec": {"x": 1, "list": [{"a": 1}]}});
        let live = |x: u8, version: &str| {
            json!({"metadata": {"name": "a", "resourceVersion": version, "annotations": {"revision": version}},
                   "spec": {"x": x, "defaulted": version, "list": [{"a": 1, "defaulted": true}]}})
        };
        assert_eq!(live_hash(&live(1, "1"), &written), live_hash(&live(1, "2"), &written));
        assert_ne!(live_hash(&live(1, "1"), &written), live_hash(&live(2, "1"), &written));
        let secret = json!({"kind": "Secret", "stringData": {"a": "x"}});
        let kept = |data: &str| json!({"data": {"a": data}});
        assert_ne!(live_hash(&kept("eA=="), &secret), live_hash(&kept("eQ=="), &secret));
    }

    #[test]
    fn shapes_hold_no_values() {
        let object = json!({"data": {"password": "hunter2"}, "list": [1], "spec": {"a": {"b": 1}}});
        assert_eq!(
            shape(&object),
            json!({"data": {"password": null}, "list": null, "spec": {"a": {"b": null}}})
        );
        let fields = json!({"f:data": {".": {}, "f:password": {}}, "f:list": {"v:1": {}}, "f:spec": {"f:a": {"f:b": {}}}});
        assert_eq!(shape_of_fields(&fields), shape(&object));
    }

    fn trie() -> impl Strategy<Value = Value> {
        let leaf = Just(json!({}));
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("f:[a-c]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        })
    }

    proptest! {
        #[test]
        fn a_union_is_commutative_and_keeps_what_was_there(a in trie(), b in trie()) {
            let both = union(&a, &b);
            prop_assert_eq!(&both, &union(&b, &a));
            prop_assert_eq!(&both, &union(&both, &a));
        }
    }
}
