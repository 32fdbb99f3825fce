//! Which columns hold the same values: foreign keys and what they refer to, across all tables.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::kind::is_text;
use crate::data::generate::{Bound, understand};
use crate::data::schema::{ColumnType, Schema, Table};

/// A column by the places of its table and itself.
pub(super) type At = (usize, usize);

/// Columns in groups that are joined by foreign keys; a column without any is a group of its own.
pub(super) struct Links {
    /// The columns that each foreign key's column refers to.
    pub(super) refers: BTreeMap<At, BTreeSet<At>>,
    /// The least column of each column's group.
    heads: BTreeMap<At, At>,
    facts: BTreeMap<At, Facts>,
}

/// What a group's masks must heed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether a key or a unique list has one of them.
    pub(super) unique: bool,
    /// The most characters that the narrowest of them takes.
    pub(super) limit: Option<usize>,
    /// Whether one of them ignores case.
    pub(super) folds: bool,
    /// Whether one of them ignores spaces at a text's end.
    pub(super) pads: bool,
    /// What whole numbers must stay below, where that is less than 16 bits hold.
    pub(super) border: Option<u128>,
}

impl Links {
    /// Reads them from a schema. References to tables or columns that the schema does not have are passed over.
    pub(super) fn new(schema: &Schema) -> Self {
        let mut refers: BTreeMap<At, BTreeSet<At>> = BTreeMap::new();
        for (table_at, table) in schema.tables.iter().enumerate() {
            for key in &table.foreign_keys {
                let Some(target_at) = schema.tables.iter().position(|other| other.name == key.table) else {
                    continue;
                };
                for (own, other) in key.columns.iter().zip(&key.references) {
                    let own = place(table, own).map(|at| (table_at, at));
                    let other = place(&schema.tables[target_at], other).map(|at| (target_at, at));
                    if let (Some(own), Some(other)) = (own, other) {
                        refers.entry(own).or_default().insert(other);
                    }
                }
            }
        }
        let heads = heads(schema, &refers);
        let mut facts: BTreeMap<At, Facts> = BTreeMap::new();
        for (at, head) in &heads {
            facts.entry(*head).or_default().add(schema, *at);
        }
        Self { refers, heads, facts }
    }

    /// What stands for a column's group.
    pub(super) fn head(&self, at: At) -> At {
        self.heads.get(&at).copied().unwrap_or(at)
    }

    /// What a column's masks must heed.
    pub(super) fn facts(&self, at: At) -> Facts {
        self.facts.get(&self.head(at)).cloned().unwrap_or_default()
    }

    /// All that a column refers to, directly and through others, nearest first.
    pub(super) fn upward(&self, at: At) -> Vec<At> {
        let mut found = vec![at];
        let mut next = 0;
        while let Some(from) = found.get(next).copied() {
            for to in self.refers.get(&from).into_iter().flatten() {
                if !found.contains(to) {
                    found.push(*to);
                }
            }
            next += 1;
        }
        found.remove(0);
        found
    }
}

impl Facts {
    fn add(&mut self, schema: &Schema, (table, column): At) {
        let table = &schema.tables[table];
        let column = &table.columns[column];
        let kind = element(schema, &column.kind);
        let least = |one: Option<usize>, other: usize| Some(one.map_or(other, |one| one.min(other)));
        match kind {
            ColumnType::VarChar(limit) | ColumnType::Char(limit) => {
                self.limit = least(self.limit, *limit as usize);
            }
            ColumnType::Numeric { precision: Some(precision @ 0..5), .. } => {
                let border = 10_u128.pow((*precision).into());
                self.border = Some(self.border.map_or(border, |known| known.min(border)));
            }
            _ => {}
        }
        self.domains(schema, &column.kind);
        self.folds |= matches!(kind, ColumnType::CiText);
        self.pads |= matches!(kind, ColumnType::Char(_));
        self.unique |= keys(table).any(|key| key.contains(&column.name));
    }
}

impl Facts {
    /// What the checks of domains ask: lengths, and numbers to stay below. What they ask else is not kept by masks.
    fn domains(&mut self, schema: &Schema, kind: &ColumnType) {
        let mut kind = kind;
        for _ in 0..=schema.domains.len() {
            let ColumnType::Domain(name) = kind else { return };
            let Some(domain) = schema.domains.get(name) else { return };
            for limits in domain.checks.iter().filter_map(|check| understand(check)?.limits.pop_first()) {
                let longest = limits.1.longest.and_then(|longest| usize::try_from(longest).ok());
                self.limit = self.limit.into_iter().chain(longest).min();
                let above =
                    |bound: &Bound| Some(bound.text.parse::<u128>().ok()? + u128::from(bound.inclusive));
                self.border = self.border.into_iter().chain(limits.1.high.iter().filter_map(above)).min();
            }
            kind = &domain.base;
        }
    }
}

/// The column lists that are unique in a table.
pub(super) fn keys(table: &Table) -> impl Iterator<Item = &Vec<String>> {
    std::iter::once(&table.primary_key).chain(table.uniques.iter().map(|unique| &unique.columns))
}

fn place(table: &Table, column: &str) -> Option<usize> {
    table.columns.iter().position(|known| known.name == column)
}

/// The type below domains; a domain that is not known, or that is based on itself, comes back as it is.
pub(super) fn resolved<'s>(schema: &'s Schema, kind: &'s ColumnType) -> &'s ColumnType {
    let mut kind = kind;
    for _ in 0..=schema.domains.len() {
        let ColumnType::Domain(name) = kind else { return kind };
        let Some(domain) = schema.domains.get(name) else { return kind };
        kind = &domain.base;
    }
    kind
}

/// The type of what a mask sees: an array's elements.
pub(super) fn element<'s>(schema: &'s Schema, kind: &'s ColumnType) -> &'s ColumnType {
    match resolved(schema, kind) {
        ColumnType::Array(inner) => element(schema, inner),
        other => other,
    }
}

/// A type's name, as a person knows it.
pub(super) fn type_name(kind: &ColumnType) -> String {
    match kind {
        ColumnType::VarChar(limit) => format!("varchar({limit})"),
        ColumnType::Char(limit) => format!("char({limit})"),
        ColumnType::Enum(name) | ColumnType::Domain(name) | ColumnType::Other(name) => name.clone(),
        ColumnType::Array(inner) => format!("{}[]", type_name(inner)),
        ColumnType::Range(inner) => format!("range of {}", type_name(inner)),
        ColumnType::Numeric { .. } => "numeric".into(),
        ColumnType::Timestamp { zoned: true } => "timestamptz".into(),
        ColumnType::Timestamp { .. } => "timestamp".into(),
        kind if is_text(kind) => "text".into(),
        kind => {
            let name = format!("{kind:?}").to_lowercase();
            name.split([' ', '(']).next().unwrap_or_default().to_owned()
        }
    }
}

fn heads(schema: &Schema, refers: &BTreeMap<At, BTreeSet<At>>) -> BTreeMap<At, At> {
    let mut neighbours: BTreeMap<At, Vec<At>> = BTreeMap::new();
    for (own, others) in refers {
        for other in others {
            neighbours.entry(*own).or_default().push(*other);
            neighbours.entry(*other).or_default().push(*own);
        }
    }
    let all = schema.tables.iter().enumerate();
    let all = all.flat_map(|(table, known)| (0..known.columns.len()).map(move |column| (table, column)));
    let mut heads = BTreeMap::new();
    for head in all {
        let mut open = vec![head];
        while let Some(at) = open.pop() {
            if let Entry::Vacant(free) = heads.entry(at) {
                free.insert(head);
                open.extend(neighbours.get(&at).into_iter().flatten().copied());
            }
        }
    }
    heads
}
