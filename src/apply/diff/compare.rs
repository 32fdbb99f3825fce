//! Compares two JSON objects field by field; list elements are matched by their keys where they have any. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// One place where two objects differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) pointer: String,
    pub(super) path: String,
    pub(super) live: Option<Value>,
    pub(super) wanted: Option<Value>,
}

/// The keys by which Kubernetes' lists tell their elements apart, the most telling first.
const KEYS: [&[&str]; 9] = [
    &["name"],
    &["key"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["devicePath"],
    &["topologyKey", "whenUnsatisfiable"],
    &["type"],
    &["ip"],
];

/// Every place where `live` differs from `wanted`, in the order of the fields.
pub(super) fn differences(live: &Value, wanted: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&Place::root(), live, wanted, true, &mut found);
    found
}

/// Every place where `live` lacks what `wanted` asks for; what `live` has beyond that is left alone.
pub(super) fn unmet(live: &Value, wanted: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&Place::root(), live, wanted, false, &mut found);
    found
}

/// Where in an object one is.
#[derive(Clone)]
struct Place {
    pointer: String,
    path: String,
}

impl Place {
    fn root() -> Self {
        Self { pointer: String::new(), path: String::new() }
    }

    fn field(&self, name: &str) -> Self {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let plain =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let path = match (plain, self.path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.path),
            (false, _) => format!("{}[{name:?}]", self.path),
        };
        Self { pointer: format!("{}/{escaped}", self.pointer), path }
    }

    fn element(&self, index: usize, key: &str) -> Self {
        let shown = if key.is_empty() { index.to_string() } else { key.to_owned() };
        Self { pointer: format!("{}/{index}", self.pointer), path: format!("{}[{shown}]", self.path) }
    }

    fn differs(self, live: Option<&Value>, wanted: Option<&Value>) -> Difference {
        Difference { pointer: self.pointer, path: self.path, live: live.cloned(), wanted: wanted.cloned() }
    }
}

fn walk(place: &Place, live: &Value, wanted: &Value, both_ways: bool, found: &mut Vec<Difference>) {
    match (live, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                pair(place.field(name), a.get(name), b.get(name), both_ways, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => lists(place, a, b, both_ways, found),
        _ if same_scalar(live, wanted) => {}
        _ => found.push(place.clone().differs(Some(live), Some(wanted))),
    }
}

fn pair(
    place: Place,
    live: Option<&Value>,
    wanted: Option<&Value>,
    both_ways: bool,
    found: &mut Vec<Difference>,
) {
    match (live, wanted) {
        (Some(live), Some(wanted)) => walk(&place, live, wanted, both_ways, found),
        (None, Some(wanted)) if !empty(wanted) => found.push(place.differs(None, Some(wanted))),
        (Some(live), None) if both_ways && !empty(live) => found.push(place.differs(Some(live), None)),
        _ => {}
    }
}

/// An absent field, a null and an empty map or list say the same to the API server's defaulting.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// `1` and `1.0` are one number.
#[allow(clippy::float_cmp, reason = "the very same number is meant")]
fn same_scalar(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b && a.abs() < 9e15)
}

fn lists(place: &Place, live: &[Value], wanted: &[Value], both_ways: bool, found: &mut Vec<Difference>) {
    let Some((a, b)) = keyed(live, wanted) else {
        if live.len() == wanted.len() && live.iter().chain(wanted).all(Value::is_object) {
            for (index, (live, wanted)) in live.iter().zip(wanted).enumerate() {
                walk(&place.element(index, ""), live, wanted, both_ways, found);
            }
        } else if live != wanted {
            found.push(place.clone().differs(Some(&live.into()), Some(&wanted.into())));
        }
        return;
    };
    let before = found.len();
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (in_live, in_wanted) = (a.get(name).copied(), b.get(name).copied());
        let index = in_live.or(in_wanted).unwrap_or_default();
        let at = place.element(index, name);
        pair(at, in_live.map(|i| &live[i]), in_wanted.map(|i| &wanted[i]), both_ways, found);
    }
    // The same elements in another order: init containers and variables mean their order.
    let order = |keys: &BTreeMap<String, usize>| {
        let mut keys: Vec<(&String, &usize)> = keys.iter().collect();
        keys.sort_by_key(|(_, index)| **index);
        keys.into_iter().map(|(key, _)| Value::from(key.as_str())).collect::<Vec<_>>()
    };
    if found.len() == before && both_ways && a.len() == b.len() && order(&a) != order(&b) {
        found.push(place.clone().differs(Some(&order(&a).into()), Some(&order(&b).into())));
    }
}

/// Both lists' elements by the first key that tells them all apart.
fn keyed(live: &[Value], wanted: &[Value]) -> Option<(BTreeMap<String, usize>, BTreeMap<String, usize>)> {
    KEYS.iter().find_map(|keys| Some((index(live, keys)?, index(wanted, keys)?)))
}

fn index(list: &[Value], keys: &[&str]) -> Option<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for (position, element) in list.iter().enumerate() {
        element.get(keys[0])?;
        let named: Vec<String> = keys
            .iter()
            .filter_map(|key| match element.get(key)? {
                Value::String(text) => Some(format!("{key}={text}")),
                other => Some(format!("{key}={other}")),
            })
            .collect();
        if found.insert(named.join(","), position).is_some() {
            return None;
        }
    }
    Some(found)
}
