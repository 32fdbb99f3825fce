//! Synthetic data: every value is a function of (seed, table, column, row) alone. Any slice of any table can be made anywhere,
//! in any order, with the same bytes; parents' keys are computed, never stored; what is unique is a permutation, never a retry.
//!
//! [`Generator::new`] brings a schema and a seed together and names everything that does not fit. [`Generator::write`] makes rows.

mod calendar;
mod check;
mod column;
mod compile;
mod dictionary;
mod digits;
mod distribution;
mod error;
mod evaluate;
mod fit;
mod form;
mod guess;
mod guess_text;
mod guess_time;
mod order;
#[cfg(feature = "parquet")]
mod parquet;
mod pattern;
mod permute;
mod random;
#[cfg(test)]
pub(crate) mod random_schema;
mod reference;
mod series;
mod special;
#[cfg(test)]
pub(crate) mod test_schema;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

pub use dictionary::Locale;
pub use error::{GenerateError, GenerateFault};
pub use order::{Step, order};
pub use write::Format;

pub(in crate::data) use calendar::{DAY, SECOND, date, parse_timestamp};
pub(in crate::data) use check::{Bound, understand};
pub(in crate::data) use compile::{Links, Required, links, make_name, required};
pub(in crate::data) use dictionary::names as dictionary_names;
pub(in crate::data) use error::Faults;
pub(in crate::data) use form::{Form, Unit};
pub(in crate::data) use guess::Known;

use super::schema::{self, Schema, TableName};
use super::seed::Seed;
use column::Table;

/// A table that gets rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlan {
    /// The table.
    pub table: TableName,
    /// How many rows it gets.
    pub rows: u64,
    /// Foreign keys, by name, that lie on a circle: they are checked after all tables of it are loaded.
    pub in_circle: Vec<String>,
}

/// Makes rows. Cheap to clone and to share between threads: it never changes.
#[derive(Debug, Clone)]
pub struct Generator {
    tables: Arc<[Table]>,
    plan: Arc<[TablePlan]>,
}

impl Generator {
    /// Brings a schema and a seed together. All that does not fit is named at once.
    pub fn new(schema: &Schema, seed: &Seed) -> Result<Self, GenerateError> {
        let tables: Arc<[Table]> = compile::compile(schema, seed)?.into();
        let rows =
            |step: &Step| tables.iter().find(|table| table.name == step.table).map_or(0, |table| table.rows);
        let plan = order(schema)
            .into_iter()
            .map(|step| TablePlan { rows: rows(&step), table: step.table, in_circle: step.in_circle })
            .filter(|plan| plan.rows > 0)
            .collect();
        Ok(Self { tables, plan })
    }

    /// The tables that get rows, in an order in which they can be loaded.
    pub fn tables(&self) -> &[TablePlan] {
        &self.plan
    }

    /// The tables that get rows, and all of a schema that refer to them, however far: those lose theirs.
    pub fn changed<'s>(&self, schema: &'s Schema) -> Vec<&'s schema::Table> {
        let mut names: BTreeSet<&TableName> = self.tables().iter().map(|plan| &plan.table).collect();
        loop {
            let refers =
                |table: &&schema::Table| table.foreign_keys.iter().any(|key| names.contains(&key.table));
            let more: Vec<&TableName> =
                schema.tables.iter().filter(refers).map(|table| &table.name).collect();
            let before = names.len();
            names.extend(more);
            if names.len() == before {
                return schema.tables.iter().filter(|table| names.contains(&table.name)).collect();
            }
        }
    }

    /// The columns that are written, in the order in which rows have them. Others get what the database makes.
    pub fn columns(&self, table: &TableName) -> Result<Vec<&str>, GenerateError> {
        let table = self.table(table)?;
        Ok(table.columns.iter().filter(|column| !column.omitted).map(|column| column.name.as_str()).collect())
    }

    /// Appends rows `rows` of a table, counted from 0. However rows are cut into ranges, the bytes are the same.
    pub fn write(
        &self,
        table: &TableName,
        rows: Range<u64>,
        format: Format,
        out: &mut Vec<u8>,
    ) -> Result<(), GenerateError> {
        let table = self.table(table)?;
        if rows.end > table.rows {
            let name = table.name.clone();
            return Err(GenerateError::NoRows { table: name, rows: table.rows, asked: rows.end });
        }
        let columns: Vec<_> = table.columns.iter().filter(|column| !column.omitted).collect();
        let mut scratch = Vec::new();
        for row in rows {
            let at = evaluate::At { tables: &self.tables, table, row };
            write::row(at, &columns, format, &mut scratch, out);
        }
        Ok(())
    }

    fn table(&self, name: &TableName) -> Result<&Table, GenerateError> {
        let found = self.tables.iter().find(|table| table.name == *name && table.rows > 0);
        found.ok_or_else(|| GenerateError::NoTable(name.clone()))
    }
}
