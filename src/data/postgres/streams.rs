//! What a database's streams in a snapshot are called, and what is said of each.
//!
//! Below a prefix: `schema.json`, `pre-data.sql`, `tables/SCHEMA.TABLE.copy`, `post-data.sql`, `after.sql`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::data::schema::TableName;
use crate::data::snapshot::{SnapshotError, Stream, StreamPath};

/// The schema as devcluster reads it.
pub(super) const SCHEMA: &str = "schema.json";
/// What makes types, tables and functions.
pub(super) const PRE_DATA: &str = "pre-data.sql";
/// What makes indexes, constraints and triggers.
pub(super) const POST_DATA: &str = "post-data.sql";
/// What sets sequences and fills materialized views.
pub(super) const AFTER: &str = "after.sql";

/// The path of one of a database's streams.
pub(super) fn path(prefix: &str, name: &str) -> Result<StreamPath, SnapshotError> {
    Ok(StreamPath::below(prefix, name)?)
}

/// The path of a table's rows.
pub(super) fn table_path(prefix: &str, table: &TableName) -> Result<StreamPath, SnapshotError> {
    path(
        prefix,
        &format!("tables/{}.{}.copy", StreamPath::part(&table.schema), StreamPath::part(&table.name)),
    )
}

/// A table's rows in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowStream {
    pub(super) path: StreamPath,
    pub(super) table: TableName,
    pub(super) columns: Vec<String>,
    pub(super) encoding: String,
    pub(super) partitioned: bool,
    pub(super) size: u64,
}

/// What is said of a table's rows.
pub(super) fn attributes(
    table: &TableName,
    columns: &[&str],
    encoding: &str,
    partitioned: bool,
) -> BTreeMap<String, Value> {
    let pairs = [
        ("schema", json!(table.schema)),
        ("table", json!(table.name)),
        ("columns", json!(columns)),
        ("encoding", json!(encoding)),
        ("partitioned", json!(partitioned)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl RowStream {
    /// A table's rows, where a stream is that and says all it must.
    pub(super) fn read(stream: &Stream) -> Option<Self> {
        let text = |key: &str| stream.attributes.get(key)?.as_str().map(str::to_owned);
        let columns = stream.attributes.get("columns")?.as_array()?;
        let columns: Option<Vec<String>> =
            columns.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        let encoding = text("encoding")?;
        let is_name =
            !encoding.is_empty() && encoding.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Some(Self {
            path: stream.path.clone(),
            table: TableName::new(text("schema")?, text("table")?),
            columns: columns?,
            encoding: Some(encoding).filter(|_| is_name)?,
            partitioned: stream.attributes.get("partitioned")?.as_bool()?,
            size: stream.size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_share_a_path() {
        for (schema, table, expected) in [
            ("public", "orders", "shop/tables/public.orders.copy"),
            ("a.b", "c", "shop/tables/a%2Eb.c.copy"),
            ("a", "b.c", "shop/tables/a.b%2Ec.copy"),
            ("x", "../é\n\\", "shop/tables/x.%2E%2E%2Fé%0A%5C.copy"),
        ] {
            assert_eq!(table_path("shop", &TableName::new(schema, table)).unwrap().as_str(), expected);
        }
    }
}
