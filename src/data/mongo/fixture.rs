//! Values of every BSON type, for tests.

use bson::spec::BinarySubtype;
use bson::{
    Binary, Bson, DateTime, DbPointer, JavaScriptCodeWithScope, Regex, Timestamp, doc, oid::ObjectId,
};

/// One or more of each.
pub(crate) fn every_type() -> Vec<Bson> {
    let binary = |subtype| Bson::Binary(Binary { subtype, bytes: (0..16).collect() });
    // What extended JSON alone can write: the crate keeps this type's parts to itself.
    let pointer =
        serde_json::json!({"$dbPointer": {"$ref": "a.b", "$id": {"$oid": "0123456789abcdef01234567"}}});
    let pointer: DbPointer = match Bson::try_from(pointer) {
        Ok(Bson::DbPointer(pointer)) => pointer,
        other => panic!("{other:?}"),
    };
    vec![
        Bson::Double(0.5),
        Bson::Double(f64::NAN),
        Bson::String("grün\0".into()),
        Bson::Document(doc! { "b": 1, "a": { "c": [] } }),
        Bson::Array(vec![Bson::Array(vec![Bson::Null]), Bson::Document(doc! {})]),
        binary(BinarySubtype::Generic),
        binary(BinarySubtype::BinaryOld),
        binary(BinarySubtype::Uuid),
        binary(BinarySubtype::Md5),
        binary(BinarySubtype::UserDefined(200)),
        Bson::Undefined,
        Bson::ObjectId(ObjectId::from_bytes([7; 12])),
        Bson::Boolean(true),
        Bson::DateTime(DateTime::from_millis(-1)),
        Bson::Null,
        Bson::RegularExpression(Regex { pattern: c_string("^a"), options: c_string("ix") }),
        Bson::DbPointer(pointer),
        Bson::JavaScriptCode("f()".into()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "x": 1 } }),
        Bson::Symbol("s".into()),
        Bson::Int32(i32::MIN),
        Bson::Timestamp(Timestamp { time: 7, increment: 8 }),
        Bson::Int64(i64::MAX),
        Bson::Decimal128("1.50".parse().unwrap()),
        Bson::MinKey,
        Bson::MaxKey,
    ]
}

fn c_string(text: &str) -> bson::raw::CString {
    text.to_owned().try_into().unwrap()
}
