//! How far a long piece of work is.

use crate::data::schema::TableName;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// Rows of a table. A restore counts bytes of the snapshot's stream instead.
    Table {
        /// The table.
        table: &'p TableName,
        /// Rows so far, or bytes.
        done: u64,
        /// Rows in all, or bytes; an estimate where the database is read.
        total: u64,
    },
    /// A step without a measure: `making tables`.
    Step(&'p str),
}

/// Hears of progress, from any thread.
pub type OnProgress<'f> = &'f (dyn Fn(Progress<'_>) + Send + Sync);
