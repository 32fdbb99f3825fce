//! Every path of every document, as the columns of a schema that a masking policy is held against. Items of an array have the
//! array's path: `lines.sku`.

use std::collections::BTreeMap;

use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocument};

use super::connect::Server;
use super::definition::Definition;
use super::error::MongoError;
use super::namespaces::CollectionKind;
use super::read::Reading;
use crate::data::mask::{ColumnRule, Policy, TableRule};
use crate::data::progress::{OnProgress, Progress};
use crate::data::schema::{Column, ColumnType, Made, Schema, Table, TableName, Unique};

/// Paths of a collection, at most. More are keys that are data, as in `{ "by_email": { "a@b.c": 1 } }`.
const MOST_PATHS: usize = 5000;
/// Documents between two words of progress.
const STEP: u64 = 1 << 12;

/// Reads all documents and gives their paths, for [`crate::data::mask::classify`]. What `policy` drops as a whole is not looked
/// into: collections, and documents by their path.
pub async fn paths(
    server: &Server,
    policy: &Policy,
    on_progress: OnProgress<'_>,
) -> Result<Schema, MongoError> {
    let mut schema = Schema::default();
    for (database, collections) in server.collections().await? {
        for collection in collections.iter().filter(|one| one.kind != CollectionKind::View) {
            let name = TableName::new(&database, &collection.name);
            let definition = Definition::read(server, &database, collection).await?;
            let mut seen = Seen { dropped: dropped(policy, &name), ..Seen::default() };
            if !seen.dropped.contains(&String::new()) {
                read(server, &name, &definition, &mut seen, on_progress).await?;
            }
            schema.tables.push(seen.table(name, &definition));
        }
    }
    Ok(schema)
}

async fn read(
    server: &Server,
    name: &TableName,
    definition: &Definition,
    seen: &mut Seen,
    on_progress: OnProgress<'_>,
) -> Result<(), MongoError> {
    let total = server.count(&name.schema, &name.name).await?;
    let full = name.to_string();
    let mut reading = Reading::begin(server, (&name.schema, &name.name), definition, None).await?;
    let mut done = 0;
    while reading.advance().await? {
        seen.document(reading.current(), &mut String::new());
        if seen.paths.len() > MOST_PATHS {
            return Err(MongoError::Mismatch(format!(
                "{full} has more than {MOST_PATHS} paths: keys are data there; `drop` the documents that have them, by their path"
            )));
        }
        done += 1;
        if done % STEP == 0 {
            on_progress(Progress::Part { name: &full, done, total: total.max(done) });
        }
    }
    Ok(())
}

/// The paths that a policy drops of a collection; the empty one where it drops all.
fn dropped(policy: &Policy, name: &TableName) -> Vec<String> {
    let full = name.to_string();
    let rule = policy.tables.iter().find(|table| table.name == full || table.name == name.name);
    match rule.map(|table| &table.rule) {
        None => Vec::new(),
        Some(TableRule::Drop) => vec![String::new()],
        Some(TableRule::Columns(columns)) => {
            let drops = columns.iter().filter(|column| column.rule == ColumnRule::Drop);
            drops.map(|column| column.column.clone()).collect()
        }
    }
}

#[derive(Default)]
struct Seen {
    paths: BTreeMap<String, ColumnType>,
    /// Paths in the order in which they were seen first.
    order: Vec<String>,
    dropped: Vec<String>,
}

impl Seen {
    fn document(&mut self, document: &RawDocument, path: &mut String) {
        for (name, value) in document.iter().flatten() {
            let before = path.len();
            step(path, name.as_str());
            self.value(value, path);
            path.truncate(before);
        }
    }

    fn value(&mut self, value: RawBsonRef<'_>, path: &mut String) {
        match value {
            _ if self.dropped.contains(path) => self.leaf(path, ColumnType::Other("document".to_owned())),
            RawBsonRef::Document(document) => self.document(document, path),
            RawBsonRef::Array(array) => array.into_iter().flatten().for_each(|item| self.value(item, path)),
            value => self.leaf(path, kind(&value)),
        }
    }

    fn leaf(&mut self, path: &str, kind: ColumnType) {
        if let Some(known) = self.paths.get_mut(path) {
            *known = both(known, kind);
        } else {
            self.order.push(path.to_owned());
            self.paths.insert(path.to_owned(), kind);
        }
    }

    fn table(self, name: TableName, definition: &Definition) -> Table {
        let Self { mut paths, order, .. } = self;
        let column = |path: String| {
            let kind = paths.remove(&path).filter(|kind| *kind != nothing()).unwrap_or(ColumnType::Text);
            Column { name: path, kind, not_null: false, default: None, made: Made::Plain }
        };
        let columns: Vec<Column> = order.into_iter().map(column).collect();
        let known = |name: &String| columns.iter().any(|column| column.name == *name);
        let primary_key: Vec<String> = [String::from("_id")].into_iter().filter(|id| known(id)).collect();
        let unique = definition.indexes.iter().filter(|index| index.get_bool("unique").unwrap_or(false));
        let uniques = unique.filter_map(|index| {
            let columns: Vec<String> = index.get_document("key").ok()?.keys().cloned().collect();
            columns.iter().all(known).then_some(Unique { columns, nulls_not_distinct: false })
        });
        Table {
            uniques: uniques.collect(),
            name,
            columns,
            primary_key,
            foreign_keys: Vec::new(),
            checks: BTreeMap::new(),
            partitioning: None,
            inherits: None,
            rows: 0,
        }
    }
}

/// Goes on to a field.
pub(super) fn step(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// What is known of a path whose values all are null.
fn nothing() -> ColumnType {
    ColumnType::Other("null".to_owned())
}

/// The column type of a value. Object ids are masked as UUIDs are.
pub(super) fn kind(value: &RawBsonRef<'_>) -> ColumnType {
    let other = |name: &str| ColumnType::Other(name.to_owned());
    match value {
        RawBsonRef::Double(_) => ColumnType::Double,
        RawBsonRef::String(_) => ColumnType::Text,
        RawBsonRef::Boolean(_) => ColumnType::Boolean,
        RawBsonRef::ObjectId(_) => ColumnType::Uuid,
        RawBsonRef::Binary(binary) if is_uuid(binary.subtype, binary.bytes) => ColumnType::Uuid,
        RawBsonRef::Binary(_) => ColumnType::Bytes,
        RawBsonRef::DateTime(_) => ColumnType::Timestamp { zoned: true },
        RawBsonRef::Int32(_) => ColumnType::Integer,
        RawBsonRef::Int64(_) => ColumnType::BigInt,
        RawBsonRef::Decimal128(_) => ColumnType::Numeric { precision: None, scale: 2 },
        RawBsonRef::Null => nothing(),
        RawBsonRef::RegularExpression(_) => other("regex"),
        RawBsonRef::JavaScriptCode(_) | RawBsonRef::JavaScriptCodeWithScope(_) => other("javascript"),
        RawBsonRef::Timestamp(_) => other("timestamp"),
        RawBsonRef::Symbol(_) => other("symbol"),
        RawBsonRef::DbPointer(_) => other("dbPointer"),
        RawBsonRef::MinKey | RawBsonRef::MaxKey | RawBsonRef::Undefined => other("constant"),
        RawBsonRef::Document(_) | RawBsonRef::Array(_) => other("document"),
    }
}

pub(super) fn is_uuid(subtype: BinarySubtype, bytes: &[u8]) -> bool {
    subtype == BinarySubtype::Uuid && bytes.len() == 16
}

/// The type of a path that has values of both. Numbers are one kind; what has nothing in common can only be kept or dropped.
pub(super) fn both(known: &ColumnType, found: ColumnType) -> ColumnType {
    let rank = |kind: &ColumnType| match kind {
        ColumnType::Integer => Some(0),
        ColumnType::BigInt => Some(1),
        ColumnType::Numeric { .. } => Some(2),
        ColumnType::Double => Some(3),
        _ => None,
    };
    if *known == found || found == nothing() {
        return known.clone();
    }
    if *known == nothing() {
        return found;
    }
    match (rank(known), rank(&found)) {
        (Some(a), Some(b)) => {
            if a >= b {
                known.clone()
            } else {
                found
            }
        }
        _ => ColumnType::Other("mixed".to_owned()),
    }
}
