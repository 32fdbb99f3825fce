//! Holds a policy against a schema: every column of every table has a rule that works, or all is refused with the whole list.

mod check;
mod rules;

use std::collections::BTreeMap;

use super::kind::MaskKind;
use super::leak::LeakLimits;
use super::links::{self, At, Facts, Links};
use super::policy::{ColumnRule, Policy};
use super::refused::{Open, Unclassified};
use super::suggest;
use crate::data::schema::{ColumnType, Made, Schema, Table, TableName};

use rules::Rules;

/// A schema of which every column has a rule. Only [`classify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    pub(super) tables: BTreeMap<TableName, TableTreatment>,
    /// Which values the leak check looks for.
    pub leaks: LeakLimits,
}

/// What becomes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableTreatment {
    /// No row of it stays.
    Dropped,
    /// Its rows stay, with these columns: those that are written when rows are loaded, in the table's order.
    Rows(Vec<(String, ColumnTreatment)>),
}

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnTreatment {
    /// It stays, byte for byte.
    Keep,
    /// All its values become null, or the given one where null is excluded.
    Empty(Option<Vec<u8>>),
    /// It is masked.
    Mask(MaskPlan),
}

/// How a column is masked, but for the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskPlan {
    /// What it looks like.
    pub kind: MaskKind,
    /// The column's type, domains resolved.
    pub column: ColumnType,
    pub(super) element: ColumnType,
    pub(super) facts: Facts,
    /// The column, among those that are written, that decides how a row's dates move.
    pub(super) row: Option<usize>,
}

impl Classified {
    /// What becomes of a table.
    pub fn table(&self, name: &TableName) -> Option<&TableTreatment> {
        self.tables.get(name)
    }

    /// Every table's and column's rule in words, for a snapshot's manifest: `public.customers.email`, `mask: email`.
    pub fn rules(&self) -> Vec<(String, String)> {
        let mut rules = Vec::new();
        for (table, treatment) in &self.tables {
            let TableTreatment::Rows(columns) = treatment else {
                rules.push((table.to_string(), "drop".to_owned()));
                continue;
            };
            rules.extend(columns.iter().map(|(column, treatment)| {
                let rule = match treatment {
                    ColumnTreatment::Keep => ColumnRule::Keep,
                    ColumnTreatment::Empty(_) => ColumnRule::Drop,
                    ColumnTreatment::Mask(plan) => ColumnRule::Mask(plan.kind.clone()),
                };
                (format!("{table}.{column}"), rule.to_string())
            }));
        }
        rules
    }
}

/// Holds `policy` against `schema`.
///
/// A foreign key's column without a rule gets that of the column it refers to. Columns that the database computes need no
/// rule: they are never written.
pub fn classify(schema: &Schema, policy: &Policy) -> Result<Classified, Unclassified> {
    let links = Links::new(schema);
    let mut rules = Rules::read(schema, policy);
    let mut open = Vec::new();
    for (table_at, table) in schema.tables.iter().enumerate() {
        for (column_at, column) in table.columns.iter().enumerate() {
            let at = (table_at, column_at);
            if column.made == Made::Generated || rules.drops_table(table_at) || rules.rule(at).is_some() {
                continue;
            }
            if !rules.derive(&links, at) {
                let suggestion = suggest::rule(schema, table, column).text;
                let kind = links::type_name(&column.kind);
                open.push(Open { table: table.name.clone(), column: column.name.clone(), kind, suggestion });
            }
        }
    }
    check::check(schema, &links, &mut rules);
    let mut faults = rules.faults();
    faults.sort_by_key(|fault| fault.position);
    if !(open.is_empty() && faults.is_empty()) {
        return Err(Unclassified { open, faults });
    }
    let tables = schema.tables.iter().enumerate();
    let tables =
        tables.map(|(at, table)| (table.name.clone(), treat(schema, &links, &rules, at, table))).collect();
    Ok(Classified { tables, leaks: policy.leaks })
}

fn treat(
    schema: &Schema,
    links: &Links,
    rules: &Rules<'_>,
    table_at: usize,
    table: &Table,
) -> TableTreatment {
    if rules.drops_table(table_at) {
        return TableTreatment::Dropped;
    }
    let columns = table.columns.iter().enumerate().filter(|(_, column)| column.made != Made::Generated);
    let columns = columns.map(|(column_at, column)| {
        let at = (table_at, column_at);
        let treatment = match rules.rule(at) {
            Some(ColumnRule::Keep) => ColumnTreatment::Keep,
            Some(ColumnRule::Mask(kind)) => ColumnTreatment::Mask(plan(schema, links, table, at, kind)),
            // Every column has a rule here; if one had none, its values would go, not stay.
            Some(ColumnRule::Drop) | None => {
                let value = column.not_null.then(|| check::empty_value(schema, &column.kind)).flatten();
                ColumnTreatment::Empty(value)
            }
        };
        (column.name.clone(), treatment)
    });
    TableTreatment::Rows(columns.collect())
}

fn plan(schema: &Schema, links: &Links, table: &Table, at: At, kind: &MaskKind) -> MaskPlan {
    let row = match kind {
        MaskKind::Date { moving: super::Moving::By(by), .. } => {
            table.written().position(|column| column.name == *by)
        }
        _ => None,
    };
    let column = &table.columns[at.1].kind;
    MaskPlan {
        kind: kind.clone(),
        column: links::resolved(schema, column).clone(),
        element: links::element(schema, column).clone(),
        facts: links.facts(at),
        row,
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
