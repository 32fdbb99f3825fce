//! Small readers of JSON values: objects are read as they are, whatever else they hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifest::at;

/// The text at a pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The text at a pointer, where there is one that is not empty.
pub(crate) fn some_text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    Some(text(value, pointer)).filter(|text| !text.is_empty())
}

/// The items of the list at a pointer; none where there is no list.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of the map at a pointer; none where there is no map.
pub(crate) fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, pointer).and_then(Value::as_object).into_iter().flatten()
}

/// The texts of the map at a pointer, such as labels.
pub(crate) fn texts(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    entries(value, pointer).filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))).collect()
}

/// The texts of the list at a pointer.
pub(crate) fn list(value: &Value, pointer: &str) -> Vec<String> {
    items(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The count at a pointer, where there is a number that fits.
pub(crate) fn count(value: &Value, pointer: &str) -> Option<u32> {
    at(value, pointer).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// Whether the value at a pointer is `true`.
pub(crate) fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool).unwrap_or_default()
}
