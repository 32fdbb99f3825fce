//! What a `$jsonSchema` validator says of documents
//! (<https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/>). Pure.

use bson::{Bson, Document};

use super::shapes::{FieldKind, Found, Segment};

/// The schema of a collection's validator, where it has one that names properties.
pub(super) fn of_validator(options: &Document) -> Option<&Document> {
    let schema = options.get_document("validator").ok()?.get_document("$jsonSchema").ok()?;
    schema.get_document("properties").ok()?;
    Some(schema)
}

/// The paths that a schema names, in its order. What is not required is there nine times of ten.
pub(super) fn found(schema: &Document) -> Vec<Found> {
    let mut found = Vec::new();
    object(schema, &mut Vec::new(), 0.0, &mut found);
    found
}

fn object(schema: &Document, path: &mut Vec<Segment>, null: f64, found: &mut Vec<Found>) {
    let Ok(properties) = schema.get_document("properties") else { return };
    let required = schema.get_array("required").map(Vec::as_slice).unwrap_or_default();
    for (name, property) in properties {
        let Bson::Document(property) = property else { continue };
        let is_required = name == "_id" || required.iter().any(|one| one.as_str() == Some(name));
        path.push(Segment::Field(name.clone()));
        value(property, path, if is_required { null } else { 0.1 }, found);
        path.pop();
    }
}

fn value(schema: &Document, path: &mut Vec<Segment>, null: f64, found: &mut Vec<Found>) {
    // More would be an attack or a mistake.
    if path.len() > 32 {
        return;
    }
    let labels: Vec<String> = schema
        .get_array("enum")
        .into_iter()
        .flatten()
        .filter_map(|label| label.as_str().map(str::to_owned))
        .collect();
    match types(schema).find(|kind| *kind != "null") {
        Some("object") => object(schema, path, null, found),
        Some("array") => {
            if let Ok(items) = schema.get_document("items") {
                path.push(Segment::Item(0));
                value(items, path, 0.0, found);
                path.pop();
            }
        }
        kind => {
            let kind = match kind {
                Some("double" | "number") => FieldKind::Double,
                Some("string") => FieldKind::Text,
                Some("bool" | "boolean") => FieldKind::Boolean,
                Some("objectId") => FieldKind::ObjectId,
                Some("date") => FieldKind::Date,
                Some("int") => FieldKind::Int32,
                Some("long") => FieldKind::Int64,
                Some("decimal") => FieldKind::Decimal,
                Some("binData") => FieldKind::Bytes,
                None if !labels.is_empty() => FieldKind::Text,
                _ => return,
            };
            let null = if types(schema).any(|kind| kind == "null") { null.max(0.1) } else { null };
            let limits = (limit(schema, "minimum"), limit(schema, "maximum"));
            found.push(Found { path: path.clone(), kind, null, labels, limits });
        }
    }
}

/// `bsonType`, or `type`: one or several.
fn types(schema: &Document) -> impl Iterator<Item = &str> {
    let named = schema.get("bsonType").or_else(|| schema.get("type"));
    let several = named.and_then(Bson::as_array).into_iter().flatten().filter_map(Bson::as_str);
    named.and_then(Bson::as_str).into_iter().chain(several)
}

fn limit(schema: &Document, name: &str) -> Option<f64> {
    match schema.get(name)? {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => number.to_string().parse().ok(),
        Bson::Double(number) => Some(*number).filter(|number| number.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes::column_name;
    use super::*;
    use bson::doc;

    #[test]
    fn a_validator_tells_paths_types_labels_and_limits() {
        let schema = doc! { "bsonType": "object", "required": ["name", "address"], "properties": {
            "_id": { "bsonType": "objectId" },
            "name": { "bsonType": "string" },
            "status": { "enum": ["new", "paid"] },
            "age": { "bsonType": ["int", "null"], "minimum": 18, "maximum": 90 },
            "address": { "bsonType": "object", "required": ["city"], "properties": {
                "city": { "bsonType": "string" }, "since": { "bsonType": "date" } } },
            "tags": { "bsonType": "array", "items": { "bsonType": "string" } },
            "price": { "type": "number" },
            "any": {},
        } };
        let options = doc! { "validator": { "$jsonSchema": schema } };
        let found = found(of_validator(&options).unwrap());
        let told: Vec<String> = found
            .iter()
            .map(|found| {
                format!(
                    "{} {:?} {} {:?} {:?}",
                    column_name(&found.path),
                    found.kind,
                    found.null,
                    found.labels,
                    found.limits
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "_id ObjectId 0 [] (None, None)",
                "name Text 0 [] (None, None)",
                "status Text 0.1 [\"new\", \"paid\"] (None, None)",
                "age Int32 0.1 [] (Some(18.0), Some(90.0))",
                "address.city Text 0 [] (None, None)",
                "address.since Date 0.1 [] (None, None)",
                "tags.0 Text 0 [] (None, None)",
                "price Double 0.1 [] (None, None)",
            ]
        );
        assert_eq!(of_validator(&doc! { "validator": { "age": { "$gt": 1 } } }), None);
    }
}
