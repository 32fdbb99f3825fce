//! An object's fields as short hashes, in the object's own structure, so that a lock alone can name the field that differs.

use serde::Serialize;
use serde_json::{Map, Value};

use super::canonical::hash;

/// How many hashes one object may have: deeper fields of larger ones (CRDs) share one, and are named by what holds them.
const MOST: usize = 300;
/// Digits of a field's hash. The object's own hash decides whether it differs; these only say where.
const DIGITS: usize = 8;

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is there no more.
    Gone,
    /// It is another.
    Differs,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What became of it.
    pub change: Change,
    /// A JSON pointer.
    pub path: String,
    /// What it is now, as JSON; none where it is gone, or is part of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// The value with a hash in place of each leaf.
pub fn outline(value: &Value) -> Value {
    let mut depth = usize::MAX;
    if leaves(value, depth) > MOST {
        depth = (1..64).rev().find(|depth| leaves(value, *depth) <= MOST).unwrap_or(1);
    }
    outlined(value, depth)
}

fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

/// How many hashes there are with everything below `depth` as one.
fn leaves(value: &Value, depth: usize) -> usize {
    if depth == 0 {
        return 1;
    }
    match value {
        Value::Object(map) if !map.is_empty() => map.values().map(|value| leaves(value, depth - 1)).sum(),
        Value::Array(items) if !items.is_empty() => items.iter().map(|value| leaves(value, depth - 1)).sum(),
        _ => 1,
    }
}

fn outlined(value: &Value, depth: usize) -> Value {
    if depth == 0 || is_leaf(value) {
        return Value::String(short(value));
    }
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), outlined(value, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|value| outlined(value, depth - 1)).collect(),
        leaf => Value::String(short(leaf)),
    }
}

fn short(value: &Value) -> String {
    let mut hash = hash(value);
    hash.truncate(DIGITS);
    hash
}

/// Where `now` differs from what an outline was made of, in order of the paths. Items of lists are held against each other
/// by their place.
pub fn differing(outline: &Value, now: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    walk(outline, now, &mut String::new(), &mut found);
    found
}

fn walk(was: &Value, now: &Value, at: &mut String, found: &mut Vec<Field>) {
    match (was, now) {
        (Value::Object(was), Value::Object(now)) => {
            for (key, was) in was {
                step(at, key, |at| match now.get(key) {
                    Some(now) => walk(was, now, at, found),
                    None => found.push(Field { change: Change::Gone, path: at.clone(), now: None }),
                });
            }
            for (key, now) in now.iter().filter(|(key, _)| !was.contains_key(*key)) {
                step(at, key, |at| found.push(added(at, now)));
            }
        }
        (Value::Array(was), Value::Array(now)) => {
            for place in 0..was.len().max(now.len()) {
                step(at, &place.to_string(), |at| match (was.get(place), now.get(place)) {
                    (Some(was), Some(now)) => walk(was, now, at, found),
                    (None, Some(now)) => found.push(added(at, now)),
                    _ => found.push(Field { change: Change::Gone, path: at.clone(), now: None }),
                });
            }
        }
        (Value::String(was), now) if *was == short(now) => {}
        (_, now) => {
            found.push(Field { change: Change::Differs, path: at.clone(), now: Some(now.clone()) });
        }
    }
}

fn added(at: &str, now: &Value) -> Field {
    Field { change: Change::Added, path: at.to_owned(), now: Some(now.clone()) }
}

/// Does something one key deeper in a JSON pointer.
pub(super) fn step(at: &mut String, key: &str, then: impl FnOnce(&mut String)) {
    let here = at.len();
    at.push('/');
    at.push_str(&key.replace('~', "~0").replace('/', "~1"));
    then(at);
    at.truncate(here);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(was: &Value, now: &Value) -> Vec<(Change, String)> {
        differing(&outline(was), now).into_iter().map(|field| (field.change, field.path)).collect()
    }

    #[test]
    fn fields_are_named() {
        let was = json!({"a": {"b/c": 1, "d": [1, 2, 3]}, "e": {}, "f": "x"});
        assert_eq!(paths(&was, &was), []);
        let now = json!({"a": {"b/c": 2, "d": [1, 3]}, "e": {"n": 1}, "g": "x"});
        assert_eq!(
            paths(&was, &now),
            [
                (Change::Differs, "/a/b~1c".to_owned()),
                (Change::Differs, "/a/d/1".to_owned()),
                (Change::Gone, "/a/d/2".to_owned()),
                (Change::Differs, "/e".to_owned()),
                (Change::Gone, "/f".to_owned()),
                (Change::Added, "/g".to_owned()),
            ]
        );
    }

    #[test]
    fn a_large_object_is_named_by_what_holds_the_field() {
        let rows: Vec<Value> = (0..200).map(|n| json!({"a": n, "b": {"c": n, "d": n}})).collect();
        let was = json!({"spec": {"rows": rows}, "kind": "X"});
        let outline = outline(&was);
        assert!(leaves(&outline, usize::MAX) <= MOST);
        let mut now = was.clone();
        now["spec"]["rows"][7]["b"]["c"] = json!("other");
        let found = differing(&outline, &now);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "/spec/rows/7");
    }
}
