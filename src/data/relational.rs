//! How databases of tables are dumped, restored and loaded, and what came of it, whichever server has them.

use std::sync::Arc;
use std::time::Duration;

use super::mask::Masking;
use super::schema::TableName;
use super::subset::Plan;

/// How a database is dumped.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// What its streams' paths begin with: `postgres/shop/orders`, `mysql/shop/orders`.
    pub prefix: String,
    /// How rows are masked, where they are.
    pub mask: Option<Arc<Masking>>,
    /// Which rows are dumped, where not all are.
    pub subset: Option<Plan>,
    /// Sessions that read rows. A subset is read by one.
    pub sessions: usize,
}

impl DumpOptions {
    /// All rows as they are, read by two sessions.
    pub fn whole(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), mask: None, subset: None, sessions: 2 }
    }
}

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

/// How a database is restored.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// What its streams' paths begin with, as it was dumped.
    pub prefix: String,
    /// Sessions that load.
    pub sessions: usize,
    /// Whether a copy is kept for `reset`.
    pub keep_pristine: bool,
}

/// A table that got rows of a generator.
#[derive(Debug)]
pub struct LoadedTable {
    /// The table.
    pub table: TableName,
    /// Its rows.
    pub rows: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// The time that loading them took.
    pub took: Duration,
}

/// What a server's fault may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Shown {
    /// All: the rows are synthetic, or there are none.
    All,
    /// No values: the rows may be real.
    NoValues,
}
