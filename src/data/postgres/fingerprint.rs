//! What a schema is, in one short text, and how two of them differ: so it is noticed when a schema has moved on.

use std::collections::BTreeMap;
use std::fmt;

use crate::data::schema::{Column, Made, Schema, Table};

/// A digest of a schema's tables, columns, types and constraints, whatever number of rows there are. 64 hexadecimal digits.
pub fn fingerprint(schema: &Schema) -> String {
    let mut schema = schema.clone();
    for table in &mut schema.tables {
        table.rows = 0;
        table.uniques.sort_by(|one, other| one.columns.cmp(&other.columns));
        table.foreign_keys.sort_by(|one, other| one.name.cmp(&other.name));
    }
    schema.tables.sort_by(|one, other| one.name.cmp(&other.name));
    let mut hasher = blake3::Hasher::new();
    // Of a schema every part is a text, a number, a list or an ordered map: nothing in it fails to be JSON.
    drop(serde_json::to_writer(&mut hasher, &schema));
    hasher.finalize().to_hex().to_string()
}

/// One way in which a schema has moved on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// The table, column, constraint or type.
    pub place: String,
    /// What became of it: `added`, `removed`, `was bigint, is text`.
    pub change: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.change)
    }
}

/// What is otherwise in `after` than in `before`, ordered by place. Empty exactly where the fingerprints agree.
pub fn moved(before: &Schema, after: &Schema) -> Vec<Moved> {
    let (before, after) = (parts(before), parts(after));
    let mut found = Vec::new();
    let mut note = |place: &str, change: String| found.push(Moved { place: place.to_owned(), change });
    for (place, part) in &before {
        match after.get(place) {
            None => note(place, "removed".to_owned()),
            Some(now) if now != part => note(place, format!("was {part}, is {now}")),
            Some(_) => {}
        }
    }
    for place in after.keys().filter(|place| !before.contains_key(*place)) {
        note(place, "added".to_owned());
    }
    found.sort();
    // What is gone or new as a whole is said once.
    let whole: Vec<String> = found
        .iter()
        .filter(|one| one.change == "added" || one.change == "removed")
        .map(|one| format!("{} ", one.place))
        .collect();
    found.retain(|one| !whole.iter().any(|place| one.place.starts_with(place.as_str())));
    found
}

/// Every part of a schema, with what it is.
fn parts(schema: &Schema) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for (name, labels) in &schema.enums {
        parts.insert(format!("enum {name}"), labels.join(", "));
    }
    for (name, domain) in &schema.domains {
        parts.insert(format!("domain {name}"), format!("{domain:?}"));
    }
    for table in &schema.tables {
        table_parts(table, &mut parts);
    }
    parts
}

fn table_parts(table: &Table, parts: &mut BTreeMap<String, String>) {
    let name = format!("table {}", table.name);
    let parent = table.inherits.as_ref().map_or_else(String::new, |parent| format!(", inherits {parent}"));
    let kind = table.partitioning.as_ref().map_or_else(|| "plain".to_owned(), |by| format!("{by:?}"));
    let order: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    parts.insert(name.clone(), format!("{kind}{parent}"));
    for column in &table.columns {
        parts.insert(format!("{name} column {}", column.name), described(column));
    }
    parts.insert(format!("{name} order of columns"), order.join(", "));
    if !table.primary_key.is_empty() {
        parts.insert(format!("{name} primary key"), table.primary_key.join(", "));
    }
    for unique in &table.uniques {
        let nulls = if unique.nulls_not_distinct { "nulls not distinct" } else { "nulls distinct" };
        parts.insert(format!("{name} unique ({})", unique.columns.join(", ")), nulls.to_owned());
    }
    for key in &table.foreign_keys {
        let text = format!("({}) to {} ({})", key.columns.join(", "), key.table, key.references.join(", "));
        parts.insert(format!("{name} foreign key {}", key.name), text);
    }
    for (check, text) in &table.checks {
        parts.insert(format!("{name} check {check}"), text.clone());
    }
}

fn described(column: &Column) -> String {
    let null = if column.not_null { " not null" } else { "" };
    let default = column.default.as_ref().map_or_else(String::new, |text| format!(" default {text}"));
    let made = if column.made == Made::Plain { String::new() } else { format!(" {:?}", column.made) };
    format!("{:?}{null}{default}{made}", column.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schema::{ColumnType, TableName, Unique};

    fn schema() -> Schema {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
            not_null: true,
            default: None,
            made: Made::Plain,
        };
        let table = Table {
            name: TableName::new("public", "orders"),
            columns: vec![column("id", ColumnType::BigInt), column("note", ColumnType::Text)],
            primary_key: vec!["id".into()],
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            checks: BTreeMap::new(),
            partitioning: None,
            inherits: None,
            rows: 10,
        };
        Schema { tables: vec![table], ..Schema::default() }
    }

    type Change = (fn(&mut Schema), &'static [&'static str]);

    #[test]
    fn each_move_is_noticed_and_named() {
        let before = schema();
        let changes: [Change; 6] = [
            (|schema| schema.tables[0].rows = 99, &[]),
            (
                |schema| schema.tables[0].columns[1].kind = ColumnType::Jsonb,
                &["table public.orders column note: was Text not null, is Jsonb not null"],
            ),
            (
                |schema| schema.tables[0].columns[1].not_null = false,
                &["table public.orders column note: was Text not null, is Text"],
            ),
            (
                |schema| {
                    schema.tables[0]
                        .uniques
                        .push(Unique { columns: vec!["note".into()], nulls_not_distinct: false });
                },
                &["table public.orders unique (note): added"],
            ),
            (|schema| schema.tables.clear(), &["table public.orders: removed"]),
            (
                |schema| {
                    schema.enums.insert("public.mood".into(), vec!["ok".into()]);
                },
                &["enum public.mood: added"],
            ),
        ];
        for (change, expected) in changes {
            let mut after = before.clone();
            change(&mut after);
            let found: Vec<String> = moved(&before, &after).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
            assert_eq!(fingerprint(&before) == fingerprint(&after), expected.is_empty());
        }
    }
}
