//! Masks whole rows, one COPY line at a time, in constant memory but for the longest row.

use std::collections::BTreeMap;

use super::apply::{Form, Mask};
use super::classify::{Classified, ColumnTreatment, TableTreatment};
use super::copy_text::{Fields, escape, unescape};
use super::form::array;
use super::key::Key;
use super::leak::LeakCheck;
use crate::data::schema::TableName;

/// Why a row is not masked. No text holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The policy was classified against a schema without this table.
    #[error("table {table} is not classified; read the schema again and classify it")]
    UnknownTable {
        /// The table.
        table: TableName,
    },
    /// Columns came or went after the schema was classified.
    #[error(
        "table {table} has changed since its columns were classified; read the schema again and give every column a rule"
    )]
    Changed {
        /// The table.
        table: TableName,
    },
    /// A row does not have a field for each column.
    #[error(
        "a row of table {table} has {found} fields where {expected} columns were classified; read the schema again"
    )]
    Fields {
        /// The table.
        table: TableName,
        /// The fields of the row.
        found: usize,
        /// The columns.
        expected: usize,
    },
}

/// The masks of a classified schema, made with a key.
#[derive(Debug, Clone)]
pub struct Masker {
    /// No columns where the table's rows are dropped.
    tables: BTreeMap<TableName, Option<Vec<Column>>>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    /// `schema.table.column`, for the leak check.
    full_name: String,
    action: ColumnAction,
}

#[derive(Debug, Clone)]
enum ColumnAction {
    Keep,
    Empty(Option<Vec<u8>>),
    Mask { mask: Box<Mask>, row: Option<usize> },
}

impl Column {
    /// Shows the check what must not come out of a value: parts of lists and of JSON one by one.
    fn observe(&self, value: &[u8], check: &mut LeakCheck) {
        let form = if let ColumnAction::Mask { mask, .. } = &self.action { Some(&mask.form) } else { None };
        match form {
            Some(Form::Json(places)) => {
                places.originals(value, &mut |path, value| {
                    check.observe(&format!("{} {path}", self.full_name), value);
                });
            }
            Some(Form::Array(_)) => array::elements(value, |element| check.observe(&self.full_name, element)),
            _ => check.observe(&self.full_name, value),
        }
    }
}

impl Masker {
    /// Makes every mask of a classified schema.
    pub fn new(classified: &Classified, key: &Key) -> Self {
        let tables = classified.tables.iter().map(|(name, treatment)| {
            let columns = match treatment {
                TableTreatment::Dropped => None,
                TableTreatment::Rows(columns) => Some(
                    columns.iter().map(|(column, treatment)| action(name, column, treatment, key)).collect(),
                ),
            };
            (name.clone(), columns)
        });
        Self { tables: tables.collect() }
    }

    /// What masks the rows of a table; none where no row of it stays.
    pub fn table(&self, name: &TableName) -> Result<Option<TableMasker<'_>>, MaskError> {
        let columns = self.tables.get(name).ok_or_else(|| MaskError::UnknownTable { table: name.clone() })?;
        Ok(columns.as_ref().map(|columns| TableMasker {
            table: name.clone(),
            columns,
            value: Vec::new(),
            row: Vec::new(),
            masked: Vec::new(),
        }))
    }
}

fn action(table: &TableName, column: &str, treatment: &ColumnTreatment, key: &Key) -> Column {
    let action = match treatment {
        ColumnTreatment::Keep => ColumnAction::Keep,
        ColumnTreatment::Empty(value) => ColumnAction::Empty(value.clone()),
        ColumnTreatment::Mask(plan) => ColumnAction::Mask { mask: Box::new(plan.mask(key)), row: plan.row },
    };
    Column { name: column.to_owned(), full_name: format!("{table}.{column}"), action }
}

/// Masks the rows of one table.
#[derive(Debug)]
pub struct TableMasker<'m> {
    table: TableName,
    columns: &'m [Column],
    value: Vec<u8>,
    row: Vec<u8>,
    masked: Vec<u8>,
}

impl TableMasker<'_> {
    /// The columns that rows must have, in this order: name them to COPY, so that a schema that changed in between fails
    /// there and no column takes another's rule.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Masks one line of `COPY ... TO STDOUT (FORMAT text)` over the columns that are written, without its line end, and
    /// appends the masked line with one. On an error nothing is appended.
    pub fn mask(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), MaskError> {
        self.run(line, out, None)
    }

    /// As [`TableMasker::mask`], and shows the check every original value that is masked or dropped.
    pub fn mask_observed(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        check: &mut LeakCheck,
    ) -> Result<(), MaskError> {
        self.run(line, out, Some(check))
    }

    fn run(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        mut check: Option<&mut LeakCheck>,
    ) -> Result<(), MaskError> {
        let found = Fields::new(line).count();
        // PostgreSQL writes a row without columns as an empty line.
        let is_sound = found == self.columns.len() || self.columns.is_empty() && line.is_empty();
        if !is_sound {
            return Err(MaskError::Fields { table: self.table.clone(), found, expected: self.columns.len() });
        }
        let columns = self.columns;
        for (at, (column, field)) in columns.iter().zip(Fields::new(line)).enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            if let ColumnAction::Keep = column.action {
                out.extend_from_slice(field);
                continue;
            }
            self.value.clear();
            let has_value = unescape(field, &mut self.value);
            if let Some(check) = check.as_deref_mut().filter(|_| has_value) {
                column.observe(&self.value, check);
            }
            match &column.action {
                ColumnAction::Empty(Some(value)) => escape(value, out),
                ColumnAction::Mask { mask, row } if has_value => {
                    self.row.clear();
                    if let Some(field) = row.and_then(|row| Fields::new(line).nth(row)) {
                        unescape(field, &mut self.row);
                    }
                    self.masked.clear();
                    mask.apply_in_row(&self.row, &self.value, &mut self.masked);
                    escape(&self.masked, out);
                }
                _ => out.extend_from_slice(b"\\N"),
            }
        }
        out.push(b'\n');
        Ok(())
    }
}
