//! What keeps a generator from being made: all of it at once, each with the way out.

use std::fmt;

use crate::data::schema::TableName;

/// Why there is no generator, or why it gives no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The schema and the seed do not fit.
    #[error("the seed does not fit the schema:{}", crate::words::listed(.0))]
    Faults(Vec<GenerateFault>),
    /// A table was asked for that has none.
    #[error("no table {0} among those that are generated")]
    NoTable(TableName),
    /// Rows were asked for that there are not.
    #[error("table {table} has {rows} rows; rows up to {asked} were asked for")]
    NoRows {
        /// The table.
        table: TableName,
        /// How many it has.
        rows: u64,
        /// The end of the range asked for.
        asked: u64,
    },
    /// A Parquet file that could not be written.
    #[error("cannot write Parquet: {0}")]
    Parquet(String),
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GenerateFault {
    /// The table.
    pub table: TableName,
    /// The column or constraint.
    pub part: String,
    /// What is wrong.
    pub message: String,
    /// What to write in seed.yaml.
    pub help: String,
    /// How many rows there is room for, where that is what is wrong.
    pub room: Option<u64>,
}

impl fmt::Display for GenerateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {}: {}; {}", self.table, self.part, self.message, self.help)
    }
}

/// Collects faults.
#[derive(Debug, Default)]
pub(in crate::data) struct Faults(Vec<GenerateFault>);

impl Faults {
    /// Adds one.
    pub(in crate::data) fn add(
        &mut self,
        table: &TableName,
        part: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        self.0.push(GenerateFault { table: table.clone(), part: part.to_owned(), message, help, room: None });
    }

    /// Notes that the last one is about there being room for so many rows only.
    pub(in crate::data) fn set_room(&mut self, room: Option<u64>) {
        if let Some(fault) = self.0.last_mut() {
            fault.room = room;
        }
    }

    /// Takes over another's, of tables that are `wanted`.
    pub(in crate::data) fn extend(&mut self, other: Self, wanted: impl Fn(&TableName) -> bool) {
        self.0.extend(other.0.into_iter().filter(|fault| wanted(&fault.table)));
    }

    /// The error, where there are any: sorted, each once.
    pub(in crate::data) fn result(mut self) -> Result<(), GenerateError> {
        self.0.sort();
        self.0.dedup();
        if self.0.is_empty() { Ok(()) } else { Err(GenerateError::Faults(self.0)) }
    }
}
