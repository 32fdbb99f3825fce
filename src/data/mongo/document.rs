//! Checks a document's bytes before anything is made of them (<https://bsonspec.org/spec.html>): every length within its
//! bounds, every text UTF-8, and no deeper than servers take.

use bson::{RawArray, RawBsonRef, RawDocument};

/// Bytes of the largest document: the servers' own limit.
pub(super) const LARGEST: usize = 16 << 20;
/// Documents within documents: the most that servers take.
const DEEPEST: u8 = 200;

/// Sees that all of a document can be read.
pub(super) fn check(document: &RawDocument) -> Result<(), String> {
    within(document, DEEPEST)
}

fn within(document: &RawDocument, deep: u8) -> Result<(), String> {
    for element in document.iter_elements() {
        let element = element.map_err(|error| error.to_string())?;
        value(element.value().map_err(|error| error.to_string())?, deep)?;
    }
    Ok(())
}

fn value(value: RawBsonRef<'_>, deep: u8) -> Result<(), String> {
    let below = |document: &RawDocument| {
        let deep = deep.checked_sub(1).ok_or_else(|| format!("a document is more than {DEEPEST} deep"))?;
        within(document, deep)
    };
    match value {
        RawBsonRef::Document(document) => below(document),
        RawBsonRef::Array(array) => below(as_document(array)?),
        RawBsonRef::JavaScriptCodeWithScope(code) => below(code.scope),
        _ => Ok(()),
    }
}

/// An array is a document whose keys are ignored.
fn as_document(array: &RawArray) -> Result<&RawDocument, String> {
    RawDocument::from_bytes(array.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Bson, doc};

    fn bytes(value: Bson) -> Vec<u8> {
        bson::serialize_to_vec(&doc! { "_id": 1, "v": value }).unwrap()
    }

    fn checked(bytes: &[u8]) -> Result<(), String> {
        RawDocument::from_bytes(bytes).map_err(|error| error.to_string()).and_then(check)
    }

    fn nested(levels: usize) -> Bson {
        (0..levels).fold(Bson::Null, |inner, level| match level % 2 {
            0 => Bson::Array(vec![inner]),
            _ => Bson::Document(doc! { "a": inner }),
        })
    }

    #[test]
    fn every_type_is_read_and_no_cut_or_flipped_document_panics() {
        for value in crate::data::mongo::fixture::every_type() {
            let whole = bytes(value.clone());
            assert_eq!(checked(&whole), Ok(()), "{value}");
            for end in 0..whole.len() {
                assert!(checked(&whole[..end]).is_err());
            }
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut other = whole.clone();
                    other[at] ^= 1 << bit;
                    drop(checked(&other));
                }
            }
        }
    }

    #[test]
    fn what_is_too_deep_or_ill_formed_is_refused() {
        assert_eq!(checked(&bytes(nested(200))), Ok(()));
        assert!(checked(&bytes(nested(201))).unwrap_err().contains("200 deep"));
        let mut text = bytes(Bson::String("x".into()));
        let at = text.iter().rposition(|byte| *byte == b'x').unwrap();
        text[at] = 0xff;
        assert!(checked(&text).is_err(), "no UTF-8");
        let mut long = bytes(Bson::String("x".into()));
        let at = long.iter().position(|byte| *byte == b'v').unwrap() + 2;
        long[at..at + 4].copy_from_slice(&i32::MAX.to_le_bytes());
        assert!(checked(&long).is_err(), "a length beyond the end");
        long[at..at + 4].copy_from_slice(&(-1_i32).to_le_bytes());
        assert!(checked(&long).is_err(), "a negative length");
    }
}
