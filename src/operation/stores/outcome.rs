//! What came of work with a store, whichever kind it is.

use std::time::Duration;

use crate::data::relational::{DumpedTable, LoadedTable};
use crate::data::snapshot::Created;

/// A part of what a store holds: a table, a collection, a database of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its rows, documents or entries.
    pub rows: u64,
    /// Their bytes, where they are known.
    pub bytes: Option<u64>,
    /// The time that they took, where each has its own.
    pub took: Option<Duration>,
}

/// What the parts of a kind of store are called, and what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// `table`
    pub part: &'static str,
    /// `rows`
    pub rows: &'static str,
}

impl Words {
    /// A relational database's.
    pub const TABLES: Self = Self { part: "table", rows: "rows" };
    /// MongoDB's.
    pub const COLLECTIONS: Self = Self { part: "collection", rows: "documents" };
    /// Redis'.
    pub const DATABASES: Self = Self { part: "database", rows: "entries" };
    /// A volume's.
    pub const FILES: Self = Self { part: "volume", rows: "files" };
}

/// A snapshot that was taken.
#[derive(Debug)]
pub struct Taken {
    /// The snapshot.
    pub created: Created,
    /// Of what its parts are.
    pub words: Words,
    /// What is in it.
    pub parts: Vec<Part>,
    /// The time that reading took.
    pub took: Duration,
}

/// What a store holds now.
#[derive(Debug)]
pub struct Held {
    /// Of what its parts are.
    pub words: Words,
    /// What it holds.
    pub parts: Vec<Part>,
    /// The time it took.
    pub took: Duration,
}

/// Synthetic data that was loaded.
#[derive(Debug)]
pub struct Seeded {
    /// Of what its parts are.
    pub words: Words,
    /// What was loaded.
    pub parts: Vec<Part>,
    /// Parts that were emptied, for they refer to those.
    pub emptied: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// A store that is as it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// Whether a spare copy stood ready.
    pub spare: bool,
    /// The time it took.
    pub took: Duration,
}

impl Part {
    /// One of which no more is known than how many rows it has.
    pub fn counted(name: &(impl ToString + ?Sized), rows: u64) -> Self {
        Self { name: name.to_string(), rows, bytes: None, took: None }
    }

    /// A table of a snapshot.
    pub fn dumped(table: &DumpedTable) -> Self {
        Self { bytes: Some(table.bytes), ..Self::counted(&table.table, table.rows) }
    }

    /// A table that got rows of a generator.
    pub fn loaded(table: &LoadedTable) -> Self {
        let (bytes, took) = (Some(table.bytes), Some(table.took));
        Self { bytes, took, ..Self::counted(&table.table, table.rows) }
    }
}

/// All rows of all parts.
pub fn rows(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.rows).sum()
}
