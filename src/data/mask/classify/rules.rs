//! A policy's rules by the columns they are for, written or derived, and the faults met on the way.

use std::collections::BTreeMap;

use super::super::links::{At, Links};
use super::super::policy::{ColumnRule, Declared, Policy, PolicyFault, TablePolicy, TableRule, nearest};
use crate::data::schema::{Made, Schema, Table};
use crate::yaml::Position;

/// Rules by column.
pub(super) struct Rules<'p> {
    dropped: BTreeMap<usize, Position>,
    columns: BTreeMap<At, (&'p ColumnRule, Position)>,
    faults: Vec<PolicyFault>,
}

impl<'p> Rules<'p> {
    /// Takes the rules from a policy; what names no table or column is a fault.
    pub(super) fn read(schema: &Schema, policy: &'p Policy) -> Self {
        let mut rules = Self { dropped: BTreeMap::new(), columns: BTreeMap::new(), faults: Vec::new() };
        let mut seen = BTreeMap::new();
        for table in &policy.tables {
            let Some(at) = rules.table(schema, table) else { continue };
            if let Some(first) = seen.insert(at, &table.name) {
                let message = format!("`{}` and `{first}` are one table", table.name);
                rules.fault(table.position, message, "write its columns in one place".to_owned());
                continue;
            }
            match &table.rule {
                TableRule::Drop => {
                    rules.dropped.insert(at, table.position);
                }
                TableRule::Columns(columns) => {
                    for declared in columns {
                        rules.column(&schema.tables[at], at, declared);
                    }
                }
            }
        }
        rules
    }

    fn table(&mut self, schema: &Schema, policy: &TablePolicy) -> Option<usize> {
        let tables = || schema.tables.iter().enumerate();
        if let Some((at, _)) = tables().find(|(_, table)| table.name.to_string() == policy.name) {
            return Some(at);
        }
        let found: Vec<usize> =
            tables().filter(|(_, table)| table.name.name == policy.name).map(|(at, _)| at).collect();
        if let [at] = found[..] {
            return Some(at);
        }
        let names: Vec<String> = if found.is_empty() {
            schema.tables.iter().flat_map(|table| [table.name.to_string(), table.name.name.clone()]).collect()
        } else {
            found.iter().map(|at| schema.tables[*at].name.to_string()).collect()
        };
        if found.is_empty() {
            let help = nearest(&policy.name, names.iter().map(String::as_str));
            self.fault(policy.position, format!("there is no table `{}`", policy.name), help);
        } else {
            let message = format!("`{}` is a table of several schemas", policy.name);
            self.fault(policy.position, message, format!("write one of {}", names.join(", ")));
        }
        None
    }

    fn column(&mut self, table: &Table, at: usize, declared: &'p Declared) {
        let Some(column_at) = table.columns.iter().position(|column| column.name == declared.column) else {
            let help = nearest(&declared.column, table.columns.iter().map(|column| column.name.as_str()));
            let message = format!("`{}` has no column `{}`", table.name, declared.column);
            return self.fault(declared.position, message, help);
        };
        if table.columns[column_at].made == Made::Generated {
            let message = format!("`{}.{}` is computed by the database", table.name, declared.column);
            return self.fault(declared.position, message, "leave it out: it is never written".to_owned());
        }
        self.columns.insert((at, column_at), (&declared.rule, declared.position));
    }

    /// Gives a column the rule of the nearest column that it refers to, where one of them has a rule that can be followed.
    pub(super) fn derive(&mut self, links: &Links, at: At) -> bool {
        let followed = links.upward(at).into_iter().filter(|other| !self.drops_table(other.0));
        let followed = followed.filter_map(|other| self.columns.get(&other));
        let found = followed.copied().find(|(rule, _)| !matches!(rule, ColumnRule::Drop));
        found.map(|found| self.columns.insert(at, found)).is_some()
    }

    /// A column's rule.
    pub(super) fn rule(&self, at: At) -> Option<&'p ColumnRule> {
        self.columns.get(&at).map(|(rule, _)| *rule)
    }

    /// Where a column's rule is written, or its table's.
    pub(super) fn position(&self, at: At) -> Position {
        let column = self.columns.get(&at).map(|(_, position)| *position);
        column.or(self.dropped.get(&at.0).copied()).unwrap_or_default()
    }

    /// Whether no row of a table stays.
    pub(super) fn drops_table(&self, table: usize) -> bool {
        self.dropped.contains_key(&table)
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, position: Position, message: String, help: impl Into<Option<String>>) {
        self.faults.push(PolicyFault { position, message, help: help.into() });
    }

    /// The faults so far, out of the rules.
    pub(super) fn faults(&mut self) -> Vec<PolicyFault> {
        std::mem::take(&mut self.faults)
    }
}
