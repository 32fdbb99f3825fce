//! A value as masks read it, a text as COPY writes it, and back as what it was. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawBson, RawBsonRef, RawDocument};

use super::paths::is_uuid;
use crate::data::generate::{Unit, parse_timestamp};
use crate::data::mask::Mask;

/// A value's text; none of types that masks do not know.
pub(super) fn text<'v>(value: &RawBsonRef<'v>) -> Option<Cow<'v, str>> {
    Some(match value {
        RawBsonRef::String(text) => Cow::Borrowed(*text),
        RawBsonRef::Double(number) => number.to_string().into(),
        RawBsonRef::Int32(number) => number.to_string().into(),
        RawBsonRef::Int64(number) => number.to_string().into(),
        RawBsonRef::Decimal128(number) => number.to_string().into(),
        RawBsonRef::ObjectId(id) => padded(&id.to_hex()).into(),
        RawBsonRef::Binary(binary) if is_uuid(binary.subtype, binary.bytes) => {
            dashed(&hex(binary.bytes)).into()
        }
        RawBsonRef::Binary(binary) => format!("\\x{}", hex(binary.bytes)).into(),
        RawBsonRef::DateTime(time) => {
            let mut out = Vec::new();
            Unit::Instant { zoned: true }.write(time.timestamp_millis().checked_mul(1000)?, &mut out);
            String::from_utf8(out).ok()?.into()
        }
        _ => return None,
    })
}

/// Masks a value; `row` decides how dates move where the policy says that another path does. None where what comes out is no
/// value of its type.
pub(super) fn masked(value: &RawBsonRef<'_>, mask: &Mask, row: &[u8]) -> Option<RawBson> {
    let mut out = Vec::new();
    mask.apply_in_row(row, text(value)?.as_bytes(), &mut out);
    let out = String::from_utf8(out).ok()?;
    Some(match value {
        RawBsonRef::String(_) => RawBson::String(out),
        RawBsonRef::Double(_) => RawBson::Double(out.parse().ok()?),
        RawBsonRef::Int32(_) => match out.parse() {
            Ok(number) => RawBson::Int32(number),
            // A path that has both kinds of numbers is masked as the wider one.
            Err(_) => RawBson::Int64(out.parse().ok()?),
        },
        RawBsonRef::Int64(_) => RawBson::Int64(out.parse().ok()?),
        RawBsonRef::Decimal128(_) => RawBson::Decimal128(out.parse().ok()?),
        RawBsonRef::ObjectId(_) => {
            RawBson::ObjectId(ObjectId::parse_str(out.replace('-', "").get(..24)?).ok()?)
        }
        RawBsonRef::Binary(binary) if is_uuid(binary.subtype, binary.bytes) => {
            RawBson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: bytes(&out.replace('-', ""))? })
        }
        RawBsonRef::Binary(binary) => {
            RawBson::Binary(Binary { subtype: binary.subtype, bytes: bytes(out.strip_prefix("\\x")?)? })
        }
        RawBsonRef::DateTime(_) => {
            RawBson::DateTime(DateTime::from_millis(parse_timestamp(&out)?.div_euclid(1000)))
        }
        _ => return None,
    })
}

/// The text of the value at a path, where there is one that is no list.
pub(super) fn at(document: &RawDocument, path: &str) -> Option<String> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (document.get(first).ok()??, rest) {
        (RawBsonRef::Document(inner), Some(rest)) => at(inner, rest),
        (value, None) => text(&value).map(Cow::into_owned),
        _ => None,
    }
}

/// An object id as a UUID, so that it is permuted as those are: of 96 random bits none will come twice.
fn padded(id: &str) -> String {
    dashed(&format!("{id}00000000"))
}

fn dashed(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
