//! Reads a seed.yaml against a schema. Every fault of it is found at once.

use std::collections::BTreeMap;

use super::fault::{Faults, SeedFaults, suggest};
use super::node::{Reader, get};
use super::{ColumnSeed, Coupling, Rows, Seed, TableSeed, column};
use crate::data::generate::{Locale, parse_timestamp};
use crate::data::schema::{ColumnType, Schema, Table, TableName};
use crate::yaml::{Position, Spanned, SpannedValue, parse_spanned};

/// Reads `text`, shown as `name` in faults.
pub fn read(text: &str, name: &str, schema: &Schema) -> Result<Seed, SeedFaults> {
    let reader = Reader { text, faults: Faults::default() };
    let documents = parse_spanned(text).unwrap_or_else(|error| {
        let help = error.hint.unwrap_or_else(|| "correct the YAML".to_owned());
        reader.faults.add_at(error.position, error.message, help);
        Vec::new()
    });
    let mut seed =
        Seed { seed: 0, clock: 0, locale: Locale::En, tables: BTreeMap::new(), notes: BTreeMap::new() };
    match documents.as_slice() {
        [document] => whole(&reader, &document.root, schema, &mut seed),
        [_, second, ..] => {
            reader.faults.add(&second.root, "there is a second document", "one file has one seed");
        }
        [] => {
            let at = Position { line: 1, column: 1, offset: 0 };
            reader.faults.add_at(
                at,
                "there is nothing in it".to_owned(),
                "`seed plan` writes one".to_owned(),
            );
        }
    }
    reader.faults.result(name, seed)
}

fn whole(reader: &Reader<'_>, root: &Spanned, schema: &Schema, seed: &mut Seed) {
    let entries = reader.map(root, Some(&["seed", "clock", "locale", "tables"]));
    if let Some(number) = reader.need(root, entries, "seed").and_then(|node| reader.count(node)) {
        seed.seed = number;
    }
    if let Some(node) = reader.need(root, entries, "clock")
        && let Some(text) = reader.text(node)
    {
        match parse_timestamp(&text) {
            Some(clock) => seed.clock = clock,
            None => reader.wrong(node, "a time such as `2025-01-01 00:00:00`, in UTC"),
        }
    }
    if let Some(node) = get(entries, "locale")
        && let Some(text) = reader.text(node)
    {
        match Locale::ALL.iter().find(|(name, _)| *name == text) {
            Some((_, locale)) => seed.locale = *locale,
            None => reader.faults.add(
                node,
                format!("there is no locale `{text}`"),
                suggest(&text, Locale::ALL.iter().map(|(name, _)| *name)),
            ),
        }
    }
    let Some(tables) = reader.need(root, entries, "tables") else { return };
    let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    for (key, node) in reader.map(tables, None) {
        let Some(name) = reader.text(key) else { continue };
        match find(schema, &name) {
            Some(found) => {
                if let Some(read) = table(reader, node, found, schema) {
                    seed.tables.insert(found.name.clone(), read);
                }
            }
            None => reader.faults.add(
                key,
                format!("there is no table `{name}`"),
                suggest(&name, names.iter().map(String::as_str)),
            ),
        }
    }
}

fn find<'s>(schema: &'s Schema, name: &str) -> Option<&'s Table> {
    schema.tables.iter().find(|table| table.name.to_string() == name)
}

fn table(reader: &Reader<'_>, node: &Spanned, table: &Table, schema: &Schema) -> Option<TableSeed> {
    let entries = reader.map(node, Some(&["rows", "per", "ratio", "unchecked", "columns"]));
    let mut read = TableSeed {
        rows: rows(reader, node, schema)?,
        columns: BTreeMap::new(),
        unchecked: std::collections::BTreeSet::new(),
    };
    for item in get(entries, "unchecked").map_or(&[][..], |node| reader.items(node)) {
        let Some(name) = reader.text(item) else { continue };
        let known = constraints(table);
        if !known.contains(&name) {
            let help = suggest(&name, known.iter().map(String::as_str));
            reader.faults.add(item, format!("{} has no constraint `{name}`", table.name), help);
        }
        read.unchecked.insert(name);
    }
    let columns = get(entries, "columns").map_or(&[][..], |node| reader.map(node, None));
    for (key, node) in columns {
        let Some(name) = reader.text(key) else { continue };
        if table.column(&name).is_none() {
            let known = table.columns.iter().map(|column| column.name.as_str());
            reader.faults.add(key, format!("{} has no column `{name}`", table.name), suggest(&name, known));
        }
        read.columns.insert(name, seed_column(reader, node, table));
    }
    Some(read)
}

/// What a table's constraints are called where they are not understood.
fn constraints(table: &Table) -> Vec<String> {
    let domains = table.columns.iter().filter_map(|column| match &column.kind {
        ColumnType::Domain(domain) => Some(format!("{domain} of {}", column.name)),
        _ => None,
    });
    let partitions = table.partitioning.iter().map(|_| "partitions".to_owned());
    table.checks.keys().cloned().chain(domains).chain(partitions).collect()
}

/// `rows: 1000`, or `per: public.customers` with `ratio: 3.5`.
fn rows(reader: &Reader<'_>, node: &Spanned, schema: &Schema) -> Option<Rows> {
    let SpannedValue::Map(entries) = &node.value else { return None };
    let (rows, per) = (get(entries, "rows"), get(entries, "per"));
    match (rows, per) {
        (Some(rows), None) => Some(Rows::Count(reader.count(rows)?)),
        (None, Some(per)) => {
            let ratio = match get(entries, "ratio") {
                Some(node) => reader.number(node, "a number above 0", |ratio| ratio > 0.0)?,
                None => 1.0,
            };
            Some(Rows::Per { table: per_table(reader, per, schema)?, ratio })
        }
        (Some(_), Some(per)) => {
            reader.faults.add(per, "the number of rows is told twice", "keep `rows`, or `per` and `ratio`");
            None
        }
        (None, None) => {
            reader.faults.add(
                node,
                "nothing says how many rows it gets",
                "write `rows`, or `per` and `ratio`",
            );
            None
        }
    }
}

fn per_table(reader: &Reader<'_>, node: &Spanned, schema: &Schema) -> Option<TableName> {
    let name = reader.text(node)?;
    let found = find(schema, &name);
    if found.is_none() {
        let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
        reader.faults.add(
            node,
            format!("there is no table `{name}`"),
            suggest(&name, names.iter().map(String::as_str)),
        );
    }
    found.map(|table| table.name.clone())
}

fn seed_column(reader: &Reader<'_>, node: &Spanned, table: &Table) -> ColumnSeed {
    let mut read = ColumnSeed::default();
    let keys: Vec<&str> = column::MAKERS.iter().copied().chain(["nulls", "unique", "with"]).collect();
    for (key, value) in reader.map(node, Some(&keys)) {
        match reader.scalar(key).as_deref() {
            Some("nulls") => {
                read.null = reader.number(value, "a share from 0 to 1", |share| (0.0..=1.0).contains(&share));
            }
            Some("unique") => match value.value {
                SpannedValue::Bool(unique) => read.unique = unique,
                _ => reader.wrong(value, "`true` or `false`"),
            },
            Some("with") => {
                let entries = reader.map(value, Some(&["column", "strength"]));
                let column = reader
                    .need(value, entries, "column")
                    .and_then(|node| column::sibling(reader, node, table));
                let strength = get(entries, "strength");
                let strength = strength.map_or(Some(0.8), |node| {
                    reader.number(node, "a number from -1 to 1", |n| (-1.0..=1.0).contains(&n))
                });
                read.with = column.zip(strength).map(|(column, strength)| Coupling { column, strength });
            }
            Some(maker) if read.make.is_none() => read.make = column::make(reader, maker, value, table),
            Some(maker) if column::MAKERS.contains(&maker) => {
                reader.faults.add(key, format!("`{maker}` stands beside another maker"), "keep one of them");
            }
            _ => {}
        }
    }
    read
}
