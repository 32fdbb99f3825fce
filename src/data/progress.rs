//! How far a long piece of work is, and what came of it, for stores that have tables.

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

/// A table whose rows are in a snapshot.
#[derive(Debug)]
pub struct DumpedTable {
    /// The table.
    pub table: TableName,
    /// Its rows.
    pub rows: u64,
    /// Bytes in the snapshot, before they are compressed.
    pub bytes: u64,
}
