//! Schemas for tests.

use std::collections::BTreeMap;

use crate::data::schema::{Column, ColumnType, ForeignKey, Made, Schema, Table, TableName, Unique};

/// A table of the schema `public` with columns of some types, the first of which is its key.
pub(super) fn table(name: &str, columns: &[(&str, ColumnType)]) -> Table {
    let column = |(name, kind): &(&str, ColumnType)| Column {
        name: (*name).into(),
        kind: kind.clone(),
        not_null: false,
        default: None,
        made: Made::Plain,
    };
    Table {
        name: TableName::new("public", name),
        columns: columns.iter().map(column).collect(),
        primary_key: columns.first().map(|(name, _)| (*name).into()).into_iter().collect(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
        checks: BTreeMap::new(),
        partitioning: None,
        inherits: None,
        rows: 0,
    }
}

/// A reference from one column to the column `id` of another table.
pub(super) fn refers(column: &str, table: &str) -> ForeignKey {
    ForeignKey {
        name: format!("{column}_fkey"),
        columns: vec![column.into()],
        table: TableName::new("public", table),
        references: vec!["id".into()],
    }
}

/// Customers, their orders and what they wrote.
pub(super) fn shop() -> Schema {
    use ColumnType as T;
    let mut customers = table(
        "customers",
        &[
            ("id", T::Integer),
            ("email", T::Text),
            ("name", T::VarChar(40)),
            ("phone", T::Text),
            ("born", T::Date),
            ("profile", T::Jsonb),
            ("upper", T::Text),
        ],
    );
    customers.columns[6].made = Made::Generated;
    customers.uniques.push(Unique { columns: vec!["email".into()], nulls_not_distinct: false });
    let mut orders = table(
        "orders",
        &[
            ("id", T::BigInt),
            ("customer_id", T::Integer),
            ("placed", T::Timestamp { zoned: true }),
            ("note", T::Text),
            ("contacts", T::Array(Box::new(T::Text))),
        ],
    );
    orders.foreign_keys.push(refers("customer_id", "customers"));
    Schema { tables: vec![customers, orders], ..Schema::default() }
}

/// A policy for [`shop`] that masks people's ids.
pub(super) const SHOP_POLICY: &str = "
tables:
  customers:
    id: { mask: id }
    email: { mask: email }
    name: { mask: name }
    phone: { mask: phone }
    born: { mask: date, by: id }
    profile: { mask: json, paths: { $.phone: { mask: phone }, $.customer: { mask: id }, $.language: keep } }
  orders:
    id: keep
    placed: { mask: date, by: customer_id }
    note: { mask: free-text }
    contacts: { mask: email }
";
