//! Rows that a generator made as documents. Pure: the same row is the same bytes.

use std::collections::HashMap;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawDocumentBuf};
use serde_json::value::RawValue;

use super::shapes::{Field, FieldKind, Segment};
use crate::data::generate::parse_timestamp;

/// The time that made object ids say they were made at, in seconds since 1970: 2024-01-01.
const MADE_AT: u32 = 1_704_067_200;

/// The document of one line of JSON. An error says which column does not fit.
pub(super) fn document(line: &[u8], fields: &[Field]) -> Result<RawDocumentBuf, String> {
    let row: HashMap<String, &RawValue> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut whole = Bson::Document(Document::new());
    for field in fields {
        let Some(text) = row.get(&field.column).map(|value| value.get()) else { continue };
        if text == "null" {
            // The items of an array stay in their places.
            let item = field.path.iter().rposition(|segment| matches!(segment, Segment::Item(_)));
            if let Some(parent) =
                item.and_then(|at| field.path.get(..=at)).filter(|parent| parent.len() < field.path.len())
            {
                set(&mut whole, parent, None);
            }
            continue;
        }
        let value = value(text, field.kind)
            .ok_or_else(|| format!("column `{}`: {text} is no value of its type", field.column))?;
        set(&mut whole, &field.path, Some(value));
    }
    let bytes = bson::serialize_to_vec(&whole.as_document()).map_err(|error| error.to_string())?;
    RawDocumentBuf::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Puts a value in its place, and makes what is on the way; without a value only that, where nothing is there yet.
fn set(target: &mut Bson, path: &[Segment], value: Option<Bson>) {
    let Some((first, rest)) = path.split_first() else {
        match value {
            Some(value) => *target = value,
            None if *target == Bson::Null => *target = Bson::Document(Document::new()),
            None => {}
        }
        return;
    };
    match first {
        Segment::Field(name) => {
            if !matches!(target, Bson::Document(_)) {
                *target = Bson::Document(Document::new());
            }
            let Bson::Document(document) = target else { return };
            if !document.contains_key(name) {
                document.insert(name.clone(), Bson::Null);
            }
            if let Some(inner) = document.get_mut(name) {
                set(inner, rest, value);
            }
        }
        Segment::Item(at) => {
            if !matches!(target, Bson::Array(_)) {
                *target = Bson::Array(Vec::new());
            }
            let Bson::Array(items) = target else { return };
            // Items that are null are not there, so that those after them move up.
            let at = (*at).min(items.len());
            if at == items.len() {
                items.push(Bson::Null);
            }
            if let Some(inner) = items.get_mut(at) {
                set(inner, rest, value);
            }
        }
    }
}

fn value(text: &str, kind: FieldKind) -> Option<Bson> {
    let string = || serde_json::from_str::<String>(text).ok();
    match kind {
        FieldKind::Double => text.trim_matches('"').parse().ok().map(Bson::Double),
        FieldKind::Text => Some(Bson::String(string().unwrap_or_else(|| text.to_owned()))),
        FieldKind::Boolean => text.parse().ok().map(Bson::Boolean),
        FieldKind::ObjectId => text.parse().ok().map(object_id).map(Bson::ObjectId),
        FieldKind::Date => {
            let micros = parse_timestamp(&string()?)?;
            Some(Bson::DateTime(DateTime::from_millis(micros.div_euclid(1000))))
        }
        FieldKind::Int32 => text.parse().ok().map(Bson::Int32),
        FieldKind::Int64 => text.parse().ok().map(Bson::Int64),
        FieldKind::Decimal => text.trim_matches('"').parse().ok().map(Bson::Decimal128),
        FieldKind::Uuid => binary(BinarySubtype::Uuid, &string()?.replace('-', "")),
        FieldKind::Bytes => binary(BinarySubtype::Generic, string()?.strip_prefix("\\x")?),
    }
}

/// The object id that stands for a number, the same in every collection: so references to it agree.
fn object_id(number: i64) -> ObjectId {
    let mut bytes = [0; 12];
    let (time, rest) = bytes.split_at_mut(4);
    time.copy_from_slice(&MADE_AT.to_be_bytes());
    rest.copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn binary(subtype: BinarySubtype, digits: &str) -> Option<Bson> {
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    Some(Bson::Binary(Binary { subtype, bytes: pairs.collect::<Option<_>>()? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn field(path: &str, kind: FieldKind) -> Field {
        let segment =
            |part: &str| part.parse().map_or_else(|_| Segment::Field(part.to_owned()), Segment::Item);
        Field { column: path.to_owned(), path: path.split('.').map(segment).collect(), kind }
    }

    #[test]
    fn rows_become_nested_documents_of_the_right_types() {
        use FieldKind as K;
        let fields = [
            field("_id", K::ObjectId),
            field("a.b", K::Date),
            field("a.c.d", K::Decimal),
            field("lines.0.sku", K::Int32),
            field("lines.1.sku", K::Int64),
            field("lines.1.n", K::Boolean),
            field("tags.0", K::Text),
            field("tags.1", K::Text),
            field("u", K::Uuid),
            field("x", K::Bytes),
            field("y", K::Double),
            field("gone", K::Text),
        ];
        let line = br#"{"_id": 7, "a.b": "2024-02-29 10:30:00.25+00", "a.c.d": 12.50, "lines.0.sku": -1, "lines.1.sku": null,
            "lines.1.n": null, "tags.0": null, "tags.1": "\u00e4\"", "u": "00010203-0405-0607-0809-0a0b0c0d0e0f", "x": "\\xff00", "y": 1, "gone": null}"#;
        let made = document(line, &fields).unwrap();
        let expected = doc! {
            "_id": ObjectId::parse_str("659200800000000000000007").unwrap(),
            "a": { "b": DateTime::from_millis(1_709_202_600_250), "c": { "d": "12.50".parse::<bson::Decimal128>().unwrap() } },
            "lines": [{ "sku": -1 }, {}],
            "tags": ["ä\""],
            "u": Binary { subtype: BinarySubtype::Uuid, bytes: (0..16).collect() },
            "x": Binary { subtype: BinarySubtype::Generic, bytes: vec![255, 0] },
            "y": 1.0,
        };
        assert_eq!(bson::deserialize_from_slice::<Document>(made.as_bytes()).unwrap(), expected);
        let error = document(br#"{"_id": 7, "y": true}"#, &fields).unwrap_err();
        assert!(error.contains("column `y`"), "{error}");
    }
}
