//! Schemas to test with.

use crate::data::schema::{Column, ColumnType, ForeignKey, Made, Table, TableName};
use std::collections::BTreeMap;

/// A column that cannot be null.
pub(in crate::data) fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.into(), kind, not_null: true, default: None, made: Made::Plain }
}

/// A table of the schema `public`.
pub(in crate::data) fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        name: TableName::new("public", name),
        columns,
        primary_key: Vec::new(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
        checks: BTreeMap::new(),
        partitioning: None,
        inherits: None,
        rows: 0,
    }
}

/// A foreign key of the table `from`.
pub(in crate::data) fn key(from: &str, columns: &[&str], table: &str, references: &[&str]) -> ForeignKey {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ForeignKey {
        name: format!("{from}_{}_fkey", columns.join("_")),
        columns: owned(columns),
        table: TableName::new("public", table),
        references: owned(references),
    }
}
