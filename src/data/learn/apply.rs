//! Shapes a seed by a profile: rows, ratios, null shares, frequencies, fan-out and seasons. What does not fit the schema's
//! constraints is taken back, so that the seed runs.

use std::collections::BTreeSet;

use super::apply_column::{Shaping, fan_out};
use super::profile::{Profile, Quantity, TableProfile, ratio, two_digits_of};
use crate::data::generate::{GenerateError, GenerateFault, Generator};
use crate::data::schema::{Schema, Table, TableName};
use crate::data::seed::{Make, Rows, Seed, Series};

/// Shapes the tables and columns of `seed` that `profile` knows; the seed's notes say what has no counterpart. Gives what the profile has
/// and the schema has not: a table or column that was renamed or dropped since.
pub fn shape(schema: &Schema, profile: &Profile, seed: &mut Seed) -> Vec<String> {
    let before = seed.clone();
    for table in &schema.tables {
        let Some(learned) = profile.tables.get(&table.name) else { continue };
        columns(schema, profile, table, learned, seed);
        rows(profile, table, learned, seed);
        correlate(table, learned, seed);
    }
    settle(schema, &before, seed);
    unknown(schema, profile)
}

fn unknown(schema: &Schema, profile: &Profile) -> Vec<String> {
    let mut found = Vec::new();
    for (name, learned) in &profile.tables {
        match schema.table(name) {
            None => found.push(name.to_string()),
            Some(table) => {
                let missing = learned.columns.keys().filter(|column| table.column(column).is_none());
                found.extend(missing.map(|column| format!("{name}.{column}")));
            }
        }
    }
    found
}

fn columns(schema: &Schema, profile: &Profile, table: &Table, learned: &TableProfile, seed: &mut Seed) {
    let clock = seed.clock;
    let rows = if let Quantity::About(rows) = learned.rows { rows } else { 0 };
    let Some(told) = seed.tables.get_mut(&table.name) else { return };
    for (name, column) in &mut told.columns {
        let (Some(known), Some(found)) = (table.column(name), learned.columns.get(name)) else { continue };
        let mut shaping = Shaping {
            schema,
            table,
            column: known,
            found,
            rules: &profile.rules,
            rows,
            clock,
            notes: Vec::new(),
        };
        if let Some(Make::Parent(parents)) = &mut column.make {
            let key = table.foreign_keys.iter().find(|key| key.columns.contains(name));
            if let Some(children) = key.and_then(|key| learned.keys.get(&key.name)).and_then(fan_out) {
                *parents = children;
            }
        } else {
            shaping.make(column);
        }
        shaping.nulls(column);
        let note = if shaping.notes.is_empty() {
            "measured".to_owned()
        } else {
            format!("measured: {}", shaping.notes.join("; "))
        };
        seed.notes.insert((table.name.clone(), Some(name.clone())), note);
    }
}

/// A table that takes its rows by another's keeps doing so, with the ratio that was measured.
fn rows(profile: &Profile, table: &Table, learned: &TableProfile, seed: &mut Seed) {
    let Some(told) = seed.tables.get_mut(&table.name) else { return };
    let note = match learned.rows {
        Quantity::None => "it was empty when it was measured".to_owned(),
        Quantity::Under => format!("it had fewer than {} rows when it was measured", profile.rules.least),
        Quantity::About(count) => {
            let per =
                if let Rows::Per { table: parent, .. } = &told.rows { Some(parent.clone()) } else { None };
            let by_key = per.as_ref().and_then(|parent| children(table, parent, learned, &told.columns));
            let parents = per.as_ref().and_then(|parent| match profile.tables.get(parent)?.rows {
                Quantity::About(parents) => Some(two_digits_of(ratio(count, parents))),
                _ => None,
            });
            told.rows = match (per, by_key.or(parents)) {
                (Some(parent), Some(ratio)) if ratio > 0.0 => Rows::Per { table: parent, ratio },
                _ => Rows::Count(count),
            };
            "measured".to_owned()
        }
    };
    seed.notes.insert((table.name.clone(), None), note);
}

/// Children for each parent by the key's fan-out; more where some refer to none.
fn children(
    table: &Table,
    parent: &TableName,
    learned: &TableProfile,
    columns: &std::collections::BTreeMap<String, crate::data::seed::ColumnSeed>,
) -> Option<f64> {
    let key = table.foreign_keys.iter().find(|key| key.table == *parent)?;
    let children = &learned.keys.get(&key.name)?.children;
    let (sum, weight) = children.iter().fold((0.0, 0.0), |sum, (count, percent)| {
        (sum.0 + super::profile::ratio(*count, 1) * percent, sum.1 + percent)
    });
    let nulls = key.columns.iter().find_map(|column| columns.get(column)?.null).unwrap_or(0.0);
    let found = sum / weight / (1.0 - nulls);
    (found.is_finite() && found > 0.0).then(|| (found * 1000.0).round() / 1000.0)
}

/// A column goes with the earlier one that it is correlated with most, where both are free to.
fn correlate(table: &Table, learned: &TableProfile, seed: &mut Seed) {
    let Some(told) = seed.tables.get_mut(&table.name) else { return };
    let mut found: Vec<_> = learned.correlations.iter().collect();
    found.sort_by(|one, other| other.rank.abs().total_cmp(&one.rank.abs()));
    for correlation in found {
        let [one, other] = &correlation.columns;
        let is_free = |name: &String| {
            told.columns.get(name).is_some_and(|column| {
                column.with.is_none()
                    && !column.unique
                    && matches!(column.make, Some(Make::Range { .. } | Make::Series(Series { .. })))
            })
        };
        if is_free(one)
            && is_free(other)
            && let Some(column) = told.columns.get_mut(other)
        {
            column.with =
                Some(crate::data::seed::Coupling { column: one.clone(), strength: correlation.rank });
        }
    }
}

/// Takes back what does not fit: a column's part first, then its table's, at last all.
fn settle(schema: &Schema, before: &Seed, seed: &mut Seed) {
    let columns: usize = schema.tables.iter().map(|table| table.columns.len()).sum();
    for _ in 0..=columns + 2 * schema.tables.len() {
        let Err(GenerateError::Faults(faults)) = Generator::new(schema, seed) else { return };
        let mut done = BTreeSet::new();
        let changed =
            faults.iter().filter(|fault| done.insert(fault.table.clone()) && give_back(fault, before, seed));
        if changed.count() == 0 {
            break;
        }
    }
    if Generator::new(schema, seed).is_err() {
        *seed = before.clone();
    }
}

/// Whether there was something to take back.
fn give_back(fault: &GenerateFault, before: &Seed, seed: &mut Seed) -> bool {
    let (Some(old), Some(new)) = (before.tables.get(&fault.table), seed.tables.get_mut(&fault.table)) else {
        return false;
    };
    let named: Vec<&str> = fault.part.split(", ").collect();
    let differs = |name: &&String| new.columns.get(*name) != old.columns.get(*name);
    let mut changed: Vec<String> =
        old.columns.keys().filter(differs).filter(|name| named.contains(&name.as_str())).cloned().collect();
    if changed.is_empty() {
        changed = old.columns.keys().filter(differs).cloned().collect();
    }
    for name in &changed {
        let Some(column) = old.columns.get(name) else { continue };
        new.columns.insert(name.clone(), column.clone());
        let note = format!("not as measured: {}", fault.message);
        seed.notes.insert((fault.table.clone(), Some(name.clone())), note);
    }
    let rows = new.rows.clone();
    if changed.is_empty() {
        new.rows = match fault.room {
            Some(room) if room > 0 && new.rows != Rows::Count(room) => Rows::Count(room),
            _ => old.rows.clone(),
        };
        seed.notes.insert((fault.table.clone(), None), format!("not as measured: {}", fault.message));
    }
    !changed.is_empty() || rows != new.rows
}
