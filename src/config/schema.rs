//! The JSON Schema (draft 2020-12) of the same tables that the check of a file goes by.

use serde_json::{Map, Value, json};

use super::fields::{CONFIG, PROFILE};
use super::shape::{Record, Shape, Text};

/// The JSON Schema of `devcluster.yaml`.
pub fn schema() -> Value {
    root(&CONFIG)
}

/// The JSON Schema of a profile in a file of its own.
pub fn profile_schema() -> Value {
    root(&PROFILE)
}

fn root(record: &Record) -> Value {
    let mut definitions = Map::new();
    let mut schema = body(record, &mut definitions);
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), record.name.into());
    if !definitions.is_empty() {
        schema.insert("$defs".into(), definitions.into());
    }
    schema.into()
}

/// A record's own schema; the records within it go to the definitions.
fn body(record: &Record, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut beside = Map::new();
    for field in record.fields {
        let mut schema = of(&field.shape, definitions);
        schema.insert("description".into(), field.doc.into());
        properties.insert(field.name.into(), schema.into());
        if field.required {
            required.push(field.name);
        }
        if let Some(with) = field.with {
            beside.insert(field.name.into(), json!([with]));
        }
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("description".into(), record.doc.into());
    schema.insert("properties".into(), properties.into());
    schema.insert("additionalProperties".into(), false.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    if !beside.is_empty() {
        schema.insert("dependentRequired".into(), beside.into());
    }
    if !record.one_of.is_empty() {
        let choices = record.one_of.iter().map(|name| json!({ "required": [name] })).collect();
        schema.insert("oneOf".into(), Value::Array(choices));
    }
    schema
}

fn of(shape: &Shape, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let schema = match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::True => json!({ "const": true }),
        Shape::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Text(form) => text(form),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Choice([word]) => json!({ "const": word }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::List(item) => json!({ "type": "array", "items": of(item, definitions) }),
        Shape::Map(keys, values) => json!({
            "type": "object",
            "propertyNames": text(keys),
            "additionalProperties": of(values, definitions),
        }),
        Shape::Record(record) => {
            if !definitions.contains_key(record.name) {
                let schema = body(record, definitions);
                definitions.insert(record.name.into(), schema.into());
            }
            json!({ "$ref": format!("#/$defs/{}", record.name) })
        }
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(|shape| of(shape, definitions)).collect::<Vec<_>>() })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn text(form: &Text) -> Value {
    json!({ "type": "string", "pattern": form.pattern, "maxLength": form.max })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::check::Checker;
    use crate::config::fault::{Document, Faults};
    use crate::config::shape::Field;
    use crate::config::tree::{self, Spanned, SpannedValue, Tree as _};

    fn plain(node: &Spanned) -> Value {
        match &node.value {
            SpannedValue::Null => Value::Null,
            SpannedValue::Bool(flag) => (*flag).into(),
            SpannedValue::Int(number) => (*number).into(),
            SpannedValue::Float(number) => (*number).into(),
            SpannedValue::String(text) => text.clone().into(),
            SpannedValue::Seq(items) => items.iter().map(plain).collect(),
            SpannedValue::Map(entries) => {
                entries.iter().map(|(key, value)| (key.text().unwrap().to_owned(), plain(value))).collect()
            }
        }
    }

    /// Whether the parser's check takes a text, and what the schema says of the same.
    fn verdicts(text: &str, record: &'static Record, validator: &jsonschema::Validator) -> (bool, bool) {
        let document = Arc::new(Document { name: "f".into(), text: text.into() });
        let faults = Faults::default();
        let tree = tree::parse(&document, &faults).unwrap();
        Checker { document: &document, faults: &faults }.check(&tree, &Shape::Record(record), "");
        (faults.is_empty(), validator.is_valid(&plain(&tree)))
    }

    const HEAD: &str = "apiVersion: devcluster.dev/v1alpha1\nname: shop\n";

    #[test]
    fn schema_and_parser_agree_on_a_corpus() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let corpus = include_str!("testdata/corpus.txt");
        let mut counted = (0, 0);
        for case in corpus.split("\n=== ").skip(1) {
            let (title, body) = case.split_once('\n').unwrap();
            let (wanted, title) = title.split_once(' ').unwrap();
            let text = if body.contains("apiVersion:") { body.to_owned() } else { format!("{HEAD}{body}") };
            let (parser, json) = verdicts(&text, &CONFIG, &validator);
            assert_eq!(parser, wanted == "good", "parser on {title:?}");
            assert_eq!(json, wanted == "good", "schema on {title:?}");
            if parser { counted.0 += 1 } else { counted.1 += 1 }
        }
        assert!(counted.0 >= 15 && counted.1 >= 40, "{counted:?}");
    }

    #[test]
    fn the_built_in_profiles_fit_the_profile_schema() {
        let validator = jsonschema::draft202012::new(&profile_schema()).unwrap();
        for (name, text) in super::super::BUILT_IN {
            assert_eq!(verdicts(text, &PROFILE, &validator), (true, true), "{name}");
        }
    }

    #[test]
    fn every_pattern_compiles_and_is_anchored() {
        fn forms(shape: &Shape, seen: &mut Vec<&'static Text>) {
            match shape {
                Shape::Text(text) => seen.push(text),
                Shape::List(item) => forms(item, seen),
                Shape::Map(key, value) => {
                    seen.push(key);
                    forms(value, seen);
                }
                Shape::Record(record) => {
                    record.fields.iter().for_each(|field: &Field| forms(&field.shape, seen));
                }
                Shape::Either(shapes) => shapes.iter().for_each(|shape| forms(shape, seen)),
                _ => {}
            }
        }
        let mut seen = Vec::new();
        forms(&Shape::Record(&CONFIG), &mut seen);
        assert!(seen.len() > 20);
        for text in seen {
            assert!(text.regex().is_some(), "{}", text.pattern);
            assert!(text.pattern.starts_with('^') && text.pattern.ends_with('$'), "{}", text.pattern);
        }
    }

    #[test]
    fn no_union_has_two_shapes_of_one_type() {
        fn kind(shape: &Shape) -> u8 {
            match shape {
                Shape::Bool | Shape::True => 0,
                Shape::Int { .. } => 1,
                Shape::Text(_) | Shape::Choice(_) => 2,
                Shape::List(_) => 3,
                Shape::Map(..) | Shape::Record(_) => 4,
                Shape::Scalar | Shape::Either(_) => panic!("not within a union"),
            }
        }
        fn walk(shape: &Shape) {
            match shape {
                Shape::Either(shapes) => {
                    let mut kinds: Vec<u8> = shapes.iter().map(kind).collect();
                    kinds.sort_unstable();
                    kinds.dedup();
                    assert_eq!(kinds.len(), shapes.len());
                    shapes.iter().for_each(walk);
                }
                Shape::List(item) | Shape::Map(_, item) => walk(item),
                Shape::Record(record) => record.fields.iter().for_each(|field| walk(&field.shape)),
                _ => {}
            }
        }
        walk(&Shape::Record(&CONFIG));
    }

    /// Values of every type, some of them right somewhere.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_i64..70_000).prop_map(Value::from),
            prop_oneof![
                Just("shop"),
                Just("10m"),
                Just("8Gi"),
                Just("kind"),
                Just("a/b"),
                Just(""),
                Just("A b")
            ]
            .prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
            Just(json!(["deploy"])),
            Just(json!([8080])),
        ]
    }

    /// A map with some of a record's keys, a stranger now and then, and values that may or may not fit.
    fn document(record: &'static Record, depth: u32) -> BoxedStrategy<Value> {
        let fields = record.fields.iter().map(|field| {
            let fitting = match &field.shape {
                Shape::Record(inner) if depth > 0 => document(inner, depth - 1),
                Shape::List(Shape::Record(inner)) if depth > 0 => {
                    prop::collection::vec(document(inner, depth - 1), 0..3).prop_map(Value::from).boxed()
                }
                Shape::Choice(words) => prop::sample::select(words.to_vec()).prop_map(Value::from).boxed(),
                Shape::Bool => any::<bool>().prop_map(Value::from).boxed(),
                _ => Just(Value::from("shop")).boxed(),
            };
            let name = field.name;
            prop::option::weighted(
                if field.required { 0.95 } else { 0.3 },
                prop_oneof![9 => fitting, 1 => value()],
            )
            .prop_map(move |value| (name, value))
        });
        (fields.collect::<Vec<_>>(), prop::bool::weighted(0.03))
            .prop_map(|(fields, stranger)| {
                let mut map: Map<String, Value> =
                    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
                if stranger {
                    map.insert("stranger".into(), Value::Null);
                }
                Value::Object(map)
            })
            .boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn schema_and_parser_agree_on_whatever_comes(value in document(&CONFIG, 3)) {
            static VALIDATOR: std::sync::OnceLock<jsonschema::Validator> = std::sync::OnceLock::new();
            let validator = VALIDATOR.get_or_init(|| jsonschema::draft202012::new(&schema()).unwrap());
            // JSON is YAML.
            let (parser, json) = verdicts(&value.to_string(), &CONFIG, validator);
            prop_assert_eq!(parser, json, "{}", value);
        }
    }
}
