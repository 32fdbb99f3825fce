//! JSON: what a path names is kept or masked, everything else is left out. What is kept stays as it is written, to the digit.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::apply::Mask;
use super::json_path::Step;

/// What is done at one place and below it.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Places {
    action: Option<Action>,
    fields: Vec<(String, Places)>,
    any: Option<Box<Places>>,
    items: Option<Box<Places>>,
}

/// What is done with a value.
#[derive(Debug, Clone)]
pub(in super::super) enum Action {
    /// It stays, with all below it that has no action of its own.
    Keep,
    /// Texts and numbers are masked, also those in a list; objects are left out.
    Mask(Box<Mask>),
}

impl Places {
    /// Sets what is done at a path.
    pub(in super::super) fn set(&mut self, path: &[Step], action: Action) {
        let Some((step, rest)) = path.split_first() else {
            self.action = Some(action);
            return;
        };
        let next = match step {
            Step::AnyField => &mut **self.any.get_or_insert_default(),
            Step::Items => &mut **self.items.get_or_insert_default(),
            Step::Field(name) => {
                let at = self.fields.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    self.fields.push((name.clone(), Self::default()));
                    self.fields.len() - 1
                });
                &mut self.fields[at].1
            }
        };
        next.set(rest, action);
    }

    fn field(&self, name: &str) -> Option<&Self> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, place)| place).or(self.any.as_deref())
    }

    /// Masks a document. What is not JSON becomes `null`, and so does a document of which nothing stays.
    pub(in super::super) fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let written = serde_json::from_slice::<&RawValue>(value)
            .is_ok_and(|raw| write(Some(self), self.action.as_ref(), raw, out));
        if !written {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
    }
}

/// Writes what stays of a value, and says whether anything does.
fn write(place: Option<&Places>, action: Option<&Action>, raw: &RawValue, out: &mut Vec<u8>) -> bool {
    let is_leaf =
        place.is_none_or(|place| place.fields.is_empty() && place.any.is_none() && place.items.is_none());
    let first = raw.get().as_bytes().first();
    match (action, first) {
        (Some(Action::Mask(_)) | None, Some(b'{')) | (None, _) if is_leaf => false,
        (_, Some(b'{')) if !is_leaf => raw.deserialize_map(Object { place, action, out }).is_ok(),
        (_, Some(b'[')) if !is_leaf => raw.deserialize_seq(List { place, action, out }).is_ok(),
        (None, _) => false,
        (Some(Action::Keep), _) => {
            out.extend_from_slice(raw.get().as_bytes());
            true
        }
        (Some(Action::Mask(_)), Some(b'[')) => raw.deserialize_seq(List { place, action, out }).is_ok(),
        (Some(Action::Mask(mask)), _) => scalar(mask, raw.get(), out),
    }
}

/// Masks a text or number; null stays, and true and false are left out.
fn scalar(mask: &Mask, text: &str, out: &mut Vec<u8>) -> bool {
    if text == "null" {
        out.extend_from_slice(b"null");
        return true;
    }
    let mut masked = Vec::new();
    if text.starts_with('"') {
        let Ok(value) = serde_json::from_str::<String>(text) else { return false };
        mask.apply(value.as_bytes(), &mut masked);
    } else if text.starts_with(['t', 'f']) {
        return false;
    } else {
        mask.apply(text.as_bytes(), &mut masked);
        if super::number::is_json_number(&String::from_utf8_lossy(&masked)) {
            out.extend_from_slice(&masked);
            return true;
        }
    }
    serde_json::to_writer(out, &String::from_utf8_lossy(&masked)).is_ok()
}

struct Object<'a> {
    place: Option<&'a Places>,
    action: Option<&'a Action>,
    out: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        // A mask does not go into objects below its path: their keys may be someone's, too.
        let inherited = self.action.filter(|action| matches!(action, Action::Keep));
        self.out.push(b'{');
        let mut first = true;
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            let place = self.place.and_then(|place| place.field(&name));
            let action = place.and_then(|place| place.action.as_ref()).or(inherited);
            let start = self.out.len();
            if !first {
                self.out.push(b',');
            }
            serde_json::to_writer(&mut *self.out, &name).map_err(serde::de::Error::custom)?;
            self.out.push(b':');
            if write(place, action, raw, self.out) {
                first = false;
            } else {
                self.out.truncate(start);
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

struct List<'a> {
    place: Option<&'a Places>,
    action: Option<&'a Action>,
    out: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        let place = self.place.and_then(|place| place.items.as_deref());
        let action = place.and_then(|place| place.action.as_ref()).or(self.action);
        self.out.push(b'[');
        let mut first = true;
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            let start = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if write(place, action, raw, self.out) {
                first = false;
            } else {
                self.out.truncate(start);
            }
        }
        self.out.push(b']');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::apply::tests::mask_of;
    use super::super::super::key::Key;
    use super::super::json_path::parse;
    use super::*;

    fn masked(paths: &[(&str, Option<&str>)], value: &str) -> String {
        let key = Key::new([1; 32]);
        let mut places = Places::default();
        for (path, mask) in paths {
            let action = mask.map_or(Action::Keep, |mask| Action::Mask(Box::new(mask_of(mask, &key))));
            places.set(&parse(path).unwrap(), action);
        }
        let mut out = Vec::new();
        places.apply(value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_no_path_names_is_left_out() {
        let value = r#"{"id": 1.50, "customer": {"email": "ann@firm.com", "age": 7}, "tags": ["a", {"b": 1}], "x": null}"#;
        for (paths, expected) in [
            (vec![], "null"),
            (vec![("$", None)], value),
            (vec![("$.id", None)], r#"{"id":1.50}"#),
            (vec![("$.customer.age", None)], r#"{"customer":{"age":7}}"#),
            (vec![("$.tags", None)], r#"{"tags":["a", {"b": 1}]}"#),
            (vec![("$.tags[*]", None)], r#"{"tags":["a",{"b": 1}]}"#),
            (vec![("$.tags[*].b", None)], r#"{"tags":[{"b":1}]}"#),
            (vec![("$.id.deep", None)], "{}"),
            (
                vec![("$.*", None)],
                r#"{"id":1.50,"customer":{"email": "ann@firm.com", "age": 7},"tags":["a", {"b": 1}],"x":null}"#,
            ),
        ] {
            assert_eq!(masked(&paths, value), expected, "{paths:?}");
        }
    }

    #[test]
    fn masks_reach_texts_numbers_and_lists_but_no_objects() {
        let text = masked(&[("$.a", Some("email"))], r#"{"a": ["ann@firm.com", null, {"k": 1}, true]}"#);
        assert!(text.ends_with(".example\",null]}") && !text.contains("ann"), "{text}");
        let text = masked(&[("$", None), ("$.a", Some("id"))], r#"{"a": 41, "b": 2}"#);
        assert!(text.ends_with(r#","b":2}"#) && !text.contains("41"), "{text}");
        assert_eq!(masked(&[("$.a", Some("id"))], r#"{"a": {"b": 1}}"#), "{}");
    }

    #[test]
    fn what_is_not_json_is_null() {
        for value in ["", "{", "{\"a\":1}x", "\u{0}", &"[".repeat(100_000)] {
            assert_eq!(masked(&[("$", None)], value), "null", "{}", value.len());
        }
    }
}
