//! Infers a schema: of each collection from its validator, where that names properties, else from a sample of its documents;
//! references from names and from what the values refer to.

use std::collections::BTreeMap;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::TryStreamExt as _;

use super::connect::Server;
use super::error::{During, MongoError};
use super::json_schema;
use super::namespaces::{Collection, CollectionKind};
use super::shapes::{Field, FieldKind, Found, Learner, Segment, Shapes, column_name};
use crate::data::schema::{Column, ColumnType, ForeignKey, Made, Schema, Table, TableName, Unique};

/// Documents of a collection that are looked at, at most: as many from both ends of its order.
const SAMPLE: i64 = 2000;
/// Values of a field that are looked for in what it may refer to.
const REFERENCES: usize = 20;

/// Infers the schema of the server's databases, or of the one that is meant.
pub async fn infer(server: &Server) -> Result<Shapes, MongoError> {
    let mut shapes = Shapes {
        schema: Schema::default(),
        notes: Vec::new(),
        nulls: BTreeMap::new(),
        fields: BTreeMap::new(),
    };
    for (database, collections) in server.collections().await? {
        let first = shapes.schema.tables.len();
        for collection in &collections {
            if collection.kind == CollectionKind::Collection {
                infer_one(server, &database, collection, &mut shapes).await?;
            }
        }
        references(server, &database, first, &mut shapes).await?;
    }
    shapes.schema.tables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(shapes)
}

async fn infer_one(
    server: &Server,
    database: &str,
    collection: &Collection,
    shapes: &mut Shapes,
) -> Result<(), MongoError> {
    let table = TableName::new(database, &collection.name);
    let sample = sample(server, database, &collection.name).await?;
    let mut learner = Learner::default();
    for document in &sample {
        learner.see(document);
    }
    let from_sample = learner.found();
    let mut found = match json_schema::of_validator(&collection.options) {
        Some(schema) => json_schema::found(schema),
        None => from_sample.clone(),
    };
    let is_id = |found: &Found| found.path == [Segment::Field("_id".to_owned())];
    if !found.iter().any(is_id) {
        let kind =
            from_sample.iter().find(|found| is_id(found)).map_or(FieldKind::ObjectId, |found| found.kind);
        let path = vec![Segment::Field("_id".to_owned())];
        found.insert(0, Found { path, kind, null: 0.0, labels: Vec::new(), limits: (None, None) });
    }
    if sample.iter().any(|document| matches!(document.get("_id"), Ok(Some(bson::RawBsonRef::Document(_))))) {
        shapes.notes.push(format!("{table} is left out: its `_id` is a document"));
        return Ok(());
    }
    shapes.notes.extend(learner.notes.into_values().map(|note| format!("{table}: {note}")));
    let rows = server.count(database, &collection.name).await?;
    let indexes = server.indexes(database, &collection.name).await?;
    let made = as_table(&table, &found, rows, &indexes, &mut shapes.schema);
    shapes.schema.tables.push(made);
    let nulls = found.iter().filter(|found| found.null > 0.0);
    let nulls: BTreeMap<String, f64> = nulls.map(|found| (column_name(&found.path), found.null)).collect();
    shapes.nulls.insert(table.to_string(), nulls);
    let fields = found.into_iter().map(|found| Field {
        column: column_name(&found.path),
        path: found.path,
        kind: found.kind,
    });
    shapes.fields.insert(table.to_string(), fields.collect());
    Ok(())
}

/// Documents from both ends of a collection.
async fn sample(server: &Server, database: &str, name: &str) -> Result<Vec<RawDocumentBuf>, MongoError> {
    let collection = server.on(database).collection::<RawDocumentBuf>(name);
    let task = format!("reading a sample of `{database}.{name}`");
    let mut all: Vec<RawDocumentBuf> = Vec::new();
    for way in [1, -1] {
        let cursor =
            collection.find(doc! {}).sort(doc! { "_id": way }).limit(SAMPLE / 2).await.during(&task)?;
        let found: Vec<RawDocumentBuf> = cursor.try_collect().await.during(&task)?;
        let more = i64::try_from(found.len()).is_ok_and(|found| found == SAMPLE / 2);
        all.extend(found);
        if !more {
            break;
        }
    }
    Ok(all)
}

fn as_table(
    name: &TableName,
    found: &[Found],
    rows: u64,
    indexes: &[Document],
    schema: &mut Schema,
) -> Table {
    let mut checks = BTreeMap::new();
    let mut columns = Vec::new();
    for one in found {
        let column = column_name(&one.path);
        let quoted = format!("\"{}\"", column.replace('"', "\"\""));
        for (limit, sign) in [(one.limits.0, ">="), (one.limits.1, "<=")] {
            if let Some(limit) = limit {
                checks.insert(format!("{column} {sign}"), format!("({quoted} {sign} ({limit})::numeric)"));
            }
        }
        let kind = if one.labels.is_empty() {
            one.kind.column()
        } else {
            let label = format!("{name}.{column}");
            schema.enums.insert(label.clone(), one.labels.clone());
            ColumnType::Enum(label)
        };
        let not_null = one.null == 0.0;
        columns.push(Column { name: column, kind, not_null, default: None, made: Made::Plain });
    }
    let known = |name: &String| columns.iter().any(|column| column.name == *name);
    let unique = indexes.iter().filter(|index| index.get_bool("unique").unwrap_or(false));
    let unique = unique.filter_map(|index| {
        let columns: Vec<String> = index.get_document("key").ok()?.keys().cloned().collect();
        columns.iter().all(known).then_some(Unique { columns, nulls_not_distinct: false })
    });
    let uniques = unique.collect();
    Table {
        name: name.clone(),
        columns,
        primary_key: vec!["_id".to_owned()],
        uniques,
        foreign_keys: Vec::new(),
        checks,
        partitioning: None,
        inherits: None,
        rows,
    }
}

/// Finds what fields refer to: `customerId`, `customer_id` or `customer` to `customers`, and object ids to whichever
/// collection has them, if all of their values that are looked at are there.
async fn references(
    server: &Server,
    database: &str,
    first: usize,
    shapes: &mut Shapes,
) -> Result<(), MongoError> {
    let ids: Vec<(TableName, FieldKind)> = shapes
        .schema
        .tables
        .iter()
        .skip(first)
        .filter_map(|table| {
            let fields = shapes.fields(&table.name)?;
            Some((table.name.clone(), fields.iter().find(|field| field.column == "_id")?.kind))
        })
        .collect();
    for at in first..shapes.schema.tables.len() {
        let Some(table) = shapes.schema.tables.get(at).map(|table| table.name.clone()) else { continue };
        let fields = shapes.fields(&table).unwrap_or_default().to_vec();
        for field in fields.iter().filter(|field| field.column != "_id") {
            let mut targets: Vec<&TableName> =
                ids.iter().filter(|(_, kind)| *kind == field.kind).map(|(name, _)| name).collect();
            targets.sort_by_key(|target| !is_named_after(&field.path, &target.name));
            targets.retain(|target| {
                field.kind == FieldKind::ObjectId || is_named_after(&field.path, &target.name)
            });
            for target in targets {
                if refers(server, database, (&table.name, field), &target.name).await? {
                    let key = ForeignKey {
                        name: format!("{} refers to {target}", field.column),
                        columns: vec![field.column.clone()],
                        table: target.clone(),
                        references: vec!["_id".to_owned()],
                    };
                    if let Some(table) = shapes.schema.tables.get_mut(at) {
                        table.foreign_keys.push(key);
                    }
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Whether a field's name says that it refers to a collection.
fn is_named_after(path: &[Segment], collection: &str) -> bool {
    let name = path.iter().rev().find_map(|segment| match segment {
        Segment::Field(name) => Some(name.to_lowercase()),
        Segment::Item(_) => None,
    });
    let name = name.unwrap_or_default();
    let stem = ["_ids", "_id", "ids", "id"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let collection = collection.to_lowercase();
    !stem.is_empty()
        && (stem == collection
            || format!("{stem}s") == collection
            || format!("{stem}es") == collection
            || stem.strip_suffix('y').is_some_and(|stem| format!("{stem}ies") == collection))
}

/// Whether the values of a field that are looked at all are ids of a collection.
async fn refers(
    server: &Server,
    database: &str,
    (from, field): (&str, &Field),
    to: &str,
) -> Result<bool, MongoError> {
    let task = format!("looking for what `{database}.{from}.{}` refers to", field.column);
    let dotted = column_name(&field.path);
    let collection = server.on(database).collection::<Document>(from);
    let some = doc! { &dotted: { "$exists": true } };
    let cursor = collection
        .find(some)
        .projection(doc! { &dotted: 1 })
        .sort(doc! { "_id": 1 })
        .limit(200)
        .await
        .during(&task)?;
    let found: Vec<Document> = cursor.try_collect().await.during(&task)?;
    let mut values: Vec<Bson> = Vec::new();
    for value in found.into_iter().filter_map(|document| at(Bson::Document(document), &field.path)) {
        if value != Bson::Null && values.len() < REFERENCES && !values.contains(&value) {
            values.push(value);
        }
    }
    if values.is_empty() {
        return Ok(false);
    }
    let wanted = values.len() as u64;
    let targets = server.on(database).collection::<Document>(to);
    let there = targets.count_documents(doc! { "_id": { "$in": values } }).await.during(task)?;
    Ok(there == wanted)
}

/// A value within a document.
fn at(value: Bson, path: &[Segment]) -> Option<Bson> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    match (first, value) {
        (Segment::Field(name), Bson::Document(mut document)) => at(document.remove(name)?, rest),
        (Segment::Item(place), Bson::Array(mut items)) if *place < items.len() => {
            at(items.swap_remove(*place), rest)
        }
        _ => None,
    }
}
