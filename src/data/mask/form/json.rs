//! JSON: what a path names is kept or masked, everything else is left out. What is kept stays as it is written, to the digit.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::apply::Mask;
use super::json_path::Step;

/// How deep a document is looked into, as deep as serde_json reads values of its own. What lies deeper is left out.
const DEEPEST: usize = 128;

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
    /// It is left out, with all below it that has no action of its own.
    Drop,
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
        let written = serde_json::from_slice::<&RawValue>(value).is_ok_and(|raw| {
            write(Here { place: Some(self), action: self.action.as_ref(), depth: 0 }, raw, out)
        });
        if !written {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
    }
}

impl Places {
    /// Gives each text of a document that is masked, with the path that the policy has for it.
    pub(in super::super) fn originals(&self, value: &[u8], each: &mut dyn FnMut(&str, &[u8])) {
        if let Ok(raw) = serde_json::from_slice::<&RawValue>(value) {
            let here = Here { place: Some(self), action: self.action.as_ref(), depth: 0 };
            originals(here, "$", raw, each);
        }
    }
}

/// Where in a document, what is said of it, and what holds there.
#[derive(Clone, Copy)]
struct Here<'p> {
    place: Option<&'p Places>,
    action: Option<&'p Action>,
    depth: usize,
}

impl<'p> Here<'p> {
    /// A field of it. A mask does not go into objects below its path: their keys may be someone's, too.
    fn field(self, name: &str) -> Self {
        let inherited = self.action.filter(|action| matches!(action, Action::Keep));
        let place = self.place.and_then(|place| place.field(name));
        let action = place.and_then(|place| place.action.as_ref()).or(inherited);
        Self { place, action, depth: self.depth + 1 }
    }

    /// Each item of it.
    fn items(self) -> Self {
        let place = self.place.and_then(|place| place.items.as_deref());
        let action = place.and_then(|place| place.action.as_ref()).or(self.action);
        Self { place, action, depth: self.depth + 1 }
    }

    /// What is done with it.
    fn action(self) -> Option<&'p Action> {
        self.action.filter(|action| !matches!(action, Action::Drop))
    }

    /// Whether nothing is said of what is below it.
    fn is_leaf(self) -> bool {
        self.place.is_none_or(|place| place.fields.is_empty() && place.any.is_none() && place.items.is_none())
    }
}

fn originals(here: Here<'_>, path: &str, raw: &RawValue, each: &mut dyn FnMut(&str, &[u8])) {
    let masks = matches!(here.action, Some(Action::Mask(_)));
    if here.depth > DEEPEST || here.is_leaf() && !masks {
        return;
    }
    match raw.get().as_bytes().first() {
        Some(b'{') => {
            let pairs = serde_json::from_str::<Pairs<'_>>(raw.get());
            for (name, raw) in pairs.map(|pairs| pairs.0).unwrap_or_default() {
                // Only the policy's own names are told: others may be someone's.
                let is_named = |place: &Places| place.fields.iter().any(|(field, _)| *field == name);
                let shown = if here.place.is_some_and(is_named) { name.as_str() } else { "*" };
                originals(here.field(&name), &format!("{path}.{shown}"), raw, each);
            }
        }
        Some(b'[') => {
            for raw in serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default() {
                originals(here.items(), path, raw, each);
            }
        }
        Some(b'"') if masks => {
            if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
                each(path, text.as_bytes());
            }
        }
        _ => {}
    }
}

/// An object's fields in their order, those that stand twice twice.
struct Pairs<'r>(Vec<(String, &'r RawValue)>);

impl<'de: 'r, 'r> serde::Deserialize<'de> for Pairs<'r> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Fields).map(Pairs)
    }
}

/// Writes what stays of a value, and says whether anything does.
fn write(here: Here<'_>, raw: &RawValue, out: &mut Vec<u8>) -> bool {
    if here.depth > DEEPEST {
        return false;
    }
    let is_leaf = here.is_leaf();
    match (here.action(), raw.get().as_bytes().first()) {
        (Some(Action::Mask(_)) | None, Some(b'{')) | (None, _) if is_leaf => false,
        (_, Some(b'{')) if !is_leaf => object(here, raw, out),
        (_, Some(b'[')) if !is_leaf => list(here, raw, out),
        (None | Some(Action::Drop), _) => false,
        (Some(Action::Keep), _) => {
            out.extend_from_slice(raw.get().as_bytes());
            true
        }
        (Some(Action::Mask(_)), Some(b'[')) => list(here, raw, out),
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

fn object(here: Here<'_>, raw: &RawValue, out: &mut Vec<u8>) -> bool {
    let Ok(Pairs(pairs)) = serde_json::from_str(raw.get()) else { return false };
    out.push(b'{');
    let mut first = true;
    for (name, raw) in pairs {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        let named = serde_json::to_writer(&mut *out, &name).is_ok();
        out.push(b':');
        if named && write(here.field(&name), raw, out) {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b'}');
    true
}

fn list(here: Here<'_>, raw: &RawValue, out: &mut Vec<u8>) -> bool {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return false };
    out.push(b'[');
    let mut first = true;
    for raw in items {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        if write(here.items(), raw, out) {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b']');
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::super::apply::tests::mask_of;
    use super::super::super::key::Key;
    use super::super::json_path::parse;
    use super::*;

    fn masked(paths: &[(&str, Option<&str>)], value: &str) -> String {
        let key = Key::new([1; 32]);
        let mut places = Places::default();
        for (path, mask) in paths {
            let action = match mask {
                None => Action::Keep,
                Some("drop") => Action::Drop,
                Some(mask) => Action::Mask(Box::new(mask_of(mask, &key))),
            };
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
        assert_eq!(
            masked(
                &[("$", None), ("$.a", Some("drop")), ("$.a.c", None)],
                r#"{"a": {"b": 1, "c": 2}, "d": 3}"#
            ),
            r#"{"a":{"c":2},"d":3}"#
        );
        assert_eq!(masked(&[("$", None), ("$.a", Some("drop"))], r#"{"a": {"b": 1}, "d": 3}"#), r#"{"d":3}"#);
        let text = masked(&[("$", None), ("$.a", Some("id"))], r#"{"a": 41, "b": 2}"#);
        assert!(text.ends_with(r#","b":2}"#) && !text.contains("41"), "{text}");
        assert_eq!(masked(&[("$.a", Some("id"))], r#"{"a": {"b": 1}}"#), "{}");
    }

    #[test]
    fn what_is_masked_is_shown_with_its_path() {
        let mask = || Action::Mask(Box::new(mask_of("code", &Key::new([1; 32]))));
        let mut places = Places::default();
        places.set(&parse("$.a.kept").unwrap(), Action::Keep);
        places.set(&parse("$.a.b").unwrap(), mask());
        places.set(&parse("$.by.*").unwrap(), mask());
        let mut shown = Vec::new();
        let value = br#"{"a": {"kept": "x", "b": ["1\u0041", {"c": "2"}, 3]}, "d": "e", "by": {"ann": "f"}}"#;
        places.originals(value, &mut |path, text| {
            shown.push(format!("{path}={}", String::from_utf8_lossy(text)));
        });
        assert_eq!(shown, ["$.a.b=1A", "$.by.*=f"]);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0_u32..1000).prop_map(|number| Value::from(format!("canary-{number}-"))),
            any::<i32>().prop_map(Value::from),
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            let fields = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_comes_out_that_is_not_named(document in documents()) {
            let paths = [("$.a", None), ("$.b[*].c", Some("code")), ("$.c", None), ("$.c.d", Some("drop"))];
            let text = masked(&paths, &document.to_string());
            let written: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(written.get("a"), document.get("a"));
            let mut kept = document.get("c").cloned();
            if let Some(Value::Object(fields)) = &mut kept {
                fields.remove("d");
            }
            prop_assert_eq!(written.get("c"), kept.as_ref());
            let mut rest = written;
            if let Value::Object(fields) = &mut rest {
                fields.remove("a");
                fields.remove("c");
                prop_assert!(fields.keys().all(|name| name == "b"));
            }
            prop_assert!(!rest.to_string().contains("canary"), "{}", rest);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{{\"a\":{}\"ann\"{}}}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(!masked(&[("$.a", Some("code"))], &deep).contains("ann"));
        let mut places = Places::default();
        places.set(&parse("$.a").unwrap(), Action::Mask(Box::new(mask_of("code", &Key::new([1; 32])))));
        places.originals(deep.as_bytes(), &mut |_, _| panic!("deeper than it looks"));
        assert_eq!(masked(&[("$", None)], &deep), deep);
    }

    #[test]
    fn what_is_not_json_is_null() {
        for value in ["", "{", "{\"a\":1}x", "\u{0}", &"[".repeat(100_000)] {
            assert_eq!(masked(&[("$", None)], value), "null", "{}", value.len());
        }
    }
}
