//! What all constraints together ask of each column, brought to the column where its values begin.

use crate::data::generate::check::{Limits, Order, Understood, partitions, understand};
use crate::data::generate::compile::link::Links;
use crate::data::generate::distribution::span;
use crate::data::generate::form::Form;
use crate::data::schema::{ColumnType, Schema, Table};

/// What one table's constraints ask.
#[derive(Debug, Clone, Default)]
pub(in crate::data) struct Required {
    /// By column.
    pub(in crate::data) limits: Vec<Limits>,
    /// Between columns.
    pub(in crate::data) orders: Vec<Order>,
    /// Constraints that are not understood: name and expression.
    pub(in crate::data) unknown: Vec<(String, String)>,
}

/// Of every table, in the schema's order. `clock` is what the present is compared as.
pub(in crate::data) fn required(schema: &Schema, links: &[Links], clock: i64) -> Vec<Required> {
    let mut all: Vec<Required> = schema.tables.iter().map(|table| of(schema, table, clock)).collect();
    // What is asked of a column that a key gives its value is asked of the column referred to.
    for table in 0..all.len() {
        for column in 0..all[table].limits.len() {
            let asked = Limits { not_null: false, ..all[table].limits[column].clone() };
            if asked == Limits::default() {
                continue;
            }
            for (root_table, root) in roots(links, table, column) {
                if all[root_table].limits[root].join(asked.clone()).is_none() {
                    let name = schema.tables[table].columns[column].name.clone();
                    all[table].unknown.push((name, "it asks other than the column it refers to".to_owned()));
                }
            }
        }
    }
    all
}

/// The columns, other than itself, where a column's values begin.
pub(super) fn roots(links: &[Links], table: usize, column: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut seen = vec![(table, column)];
    let mut open = vec![(table, column)];
    while let Some((table, column)) = open.pop() {
        for (key, parent) in &links[table].columns[column] {
            let next = (links[table].keys[*key].table, *parent);
            if seen.contains(&next) {
                continue;
            }
            seen.push(next);
            found.push(next);
            open.push(next);
        }
    }
    found
}

fn of(schema: &Schema, table: &Table, clock: i64) -> Required {
    let mut required =
        Required { limits: vec![Limits::default(); table.columns.len()], ..Required::default() };
    for (at, column) in table.columns.iter().enumerate() {
        required.limits[at].not_null = column.not_null;
        domain(schema, &column.kind, &column.name, at, &mut required);
    }
    for (name, check) in &table.checks {
        let understood = understand(check).filter(|asked| {
            let named = asked
                .limits
                .keys()
                .chain(asked.orders.iter().flat_map(|order| [&order.lower, &order.higher]));
            let mut named = named;
            named.all(|column| table.column(column).is_some())
        });
        let done = understood.and_then(|asked| take(table, asked, &mut required));
        if done.is_none() {
            required.unknown.push((name.clone(), check.clone()));
        }
    }
    partitioned(schema, table, clock, &mut required);
    required
}

fn take(table: &Table, asked: Understood, required: &mut Required) -> Option<()> {
    for (column, limits) in asked.limits {
        let at = table.columns.iter().position(|known| known.name == column)?;
        required.limits[at].join(limits)?;
    }
    required.orders.extend(asked.orders);
    Some(())
}

fn domain(schema: &Schema, kind: &ColumnType, column: &str, at: usize, required: &mut Required) {
    let mut kind = kind;
    // A domain's base may be a domain.
    for _ in 0..8 {
        let ColumnType::Domain(name) = kind else { return };
        let Some(domain) = schema.domains.get(name) else { return };
        required.limits[at].not_null |= domain.not_null;
        for check in &domain.checks {
            let limits = understand(check).filter(|asked| asked.orders.is_empty()).and_then(|mut asked| {
                let (name, limits) = asked.limits.pop_first()?;
                (asked.limits.is_empty() && name.eq_ignore_ascii_case("value")).then_some(limits)
            });
            if limits.and_then(|limits| required.limits[at].join(limits)).is_none() {
                required.unknown.push((format!("{name} of {column}"), check.clone()));
            }
        }
        kind = &domain.base;
    }
}

/// Rows go where there are partitions; of ranges that do not touch, into the widest.
fn partitioned(schema: &Schema, table: &Table, clock: i64, required: &mut Required) {
    let Some(partitioning) = &table.partitioning else { return };
    let unknown = || ("partitions".to_owned(), partitioning.bounds.join(", "));
    let Some(choices) = partitions(partitioning) else { return required.unknown.push(unknown()) };
    if choices.is_empty() {
        return;
    }
    let at = partitioning
        .columns
        .first()
        .and_then(|name| table.columns.iter().position(|column| column.name == *name));
    let Some(at) = at else { return required.unknown.push(unknown()) };
    let form = Form::of(&table.columns[at].kind, schema);
    let width = |limits: &Limits| {
        let Form::Number { range, .. } = form else { return 0 };
        let unit = |bound: &crate::data::generate::check::Bound| {
            form.units(&bound.text, clock).map(|(units, _)| units)
        };
        let low = limits.low.first().and_then(unit).unwrap_or(range.0);
        let high = limits.high.first().and_then(unit).unwrap_or(range.1);
        span(low, high.max(low))
    };
    let widest = choices.into_iter().max_by_key(width);
    if widest.and_then(|limits| required.limits[at].join(limits)).is_none() {
        required.unknown.push(unknown());
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::links;
    use super::*;
    use crate::data::generate::error::Faults;
    use crate::data::generate::test_schema::{column, key, table};

    #[test]
    fn what_a_key_column_is_asked_is_asked_of_the_root() {
        let mut child = table("child", vec![column("a_id", ColumnType::Integer)]);
        child.foreign_keys.push(key("child", &["a_id"], "parent", &["id"]));
        child.checks.insert("child_check".into(), "((a_id > 10))".into());
        child.checks.insert("odd".into(), "(((a_id % 2) = 1))".into());
        let mut parent = table("parent", vec![column("id", ColumnType::Integer)]);
        parent.primary_key = vec!["id".into()];
        let schema = Schema { tables: vec![child, parent], ..Schema::default() };
        let mut faults = Faults::default();
        let links = links(&schema, &mut faults);
        assert_eq!(faults.result(), Ok(()));
        let found = required(&schema, &links, 0);
        assert_eq!(found[1].limits[0].low.len(), 1);
        assert_eq!(found[0].unknown, [("odd".to_owned(), "(((a_id % 2) = 1))".to_owned())]);
    }
}
