//! What a database's streams in a snapshot are called, and what is said of each.
//!
//! Below a prefix: `definitions.json`, `schema.json`, and `tables/TABLE.tsv` for each table's rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::data::schema::TableName;
use crate::data::snapshot::{SnapshotError, Stream, StreamPath};

/// The form that is written, and the only one that is read.
pub(super) const FORMAT: u32 = 1;
/// What makes all but the rows.
pub(super) const DEFINITIONS: &str = "definitions.json";
/// The schema as devcluster reads it.
pub(super) const SCHEMA: &str = "schema.json";

/// The path of one of a database's streams.
pub(super) fn path(prefix: &str, name: &str) -> Result<StreamPath, SnapshotError> {
    Ok(StreamPath::below(prefix, name)?)
}

/// The path of a table's rows.
pub(super) fn table_path(prefix: &str, table: &str) -> Result<StreamPath, SnapshotError> {
    path(prefix, &format!("tables/{}.tsv", StreamPath::part(table)))
}

/// A table's rows in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowStream {
    pub(super) path: StreamPath,
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
    pub(super) size: u64,
}

/// What is said of a table's rows at the stream's beginning; `rows` is added at its end.
pub(super) fn attributes(table: &TableName, columns: &[&str]) -> BTreeMap<String, Value> {
    let pairs = [
        ("format", json!(FORMAT)),
        ("schema", json!(table.schema)),
        ("table", json!(table.name)),
        ("columns", json!(columns)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl RowStream {
    /// A table's rows, where a stream is that, says all it must, and is of the form that is known.
    pub(super) fn read(stream: &Stream) -> Option<Self> {
        let columns = stream.attributes.get("columns")?.as_array()?;
        let columns: Option<Vec<String>> =
            columns.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        let known = stream.attributes.get("format")?.as_u64()? == u64::from(FORMAT);
        known.then_some(Self {
            path: stream.path.clone(),
            table: stream.attributes.get("table")?.as_str()?.to_owned(),
            columns: columns?,
            rows: stream.attributes.get("rows")?.as_u64()?,
            size: stream.size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_share_a_path() {
        for (table, expected) in
            [("orders", "shop/tables/orders.tsv"), ("../é\n\\", "shop/tables/%2E%2E%2Fé%0A%5C.tsv")]
        {
            assert_eq!(table_path("shop", table).unwrap().as_str(), expected);
        }
    }
}
