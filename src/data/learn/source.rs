//! What a store answers when it is measured. Each has queries of its own for it; what comes back are counts, and shapes that are
//! relative to themselves: labels alone are values.

use super::column::Counts;
use super::error::LearnError;
use super::kind::Kind;
use crate::data::schema::{Column, ForeignKey, Table};

/// Values that are counted one by one, the most frequent first.
pub(in crate::data) const TOP: u64 = 20;
/// A label that may be named without being allowed by name is no longer.
pub(in crate::data) const LONGEST_LABEL: u64 = 64;
/// Labels of an allowed column.
pub(in crate::data) const MOST_LABELS: u64 = 200;

/// A table's rows, or a sample of them that is the same each time.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Taken<'t> {
    pub(in crate::data) table: &'t Table,
    /// The share that is looked at; all where it is none.
    pub(in crate::data) percent: Option<f64>,
}

/// A column that is measured.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Asked<'t> {
    pub(in crate::data) column: &'t Column,
    pub(in crate::data) kind: Kind,
}

/// What labels may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Named {
    /// All of them: they are schema, or the column was allowed by name.
    All,
    /// Those that so many rows have.
    From(u64),
}

/// How the ranks of two columns go together.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Ranks {
    /// Rows that have both.
    pub(in crate::data) rows: u64,
    /// Spearman's rank correlation, where it is defined.
    pub(in crate::data) correlation: Option<f64>,
}

/// How many children parents have.
#[derive(Debug, Clone, Default)]
pub(in crate::data) struct Children {
    /// Parents, with and without.
    pub(in crate::data) parents: u64,
    /// Parents and children, by classes of parents with about as many; rising.
    pub(in crate::data) classes: Vec<(u64, u64)>,
}

/// A database in a transaction that can only read.
pub(in crate::data) trait Source {
    /// How many rows a table has: an estimate is enough where that says that there are more than `enough`.
    async fn rows(&mut self, table: &Table, enough: u64) -> Result<u64, LearnError>;

    /// Counts and shapes of a column; widths and tails rest on `least` rows.
    async fn counts(&mut self, taken: Taken<'_>, asked: Asked<'_>, least: u64) -> Result<Counts, LearnError>;

    /// Labels and how many rows have them, the most frequent first.
    async fn labels(
        &mut self,
        taken: Taken<'_>,
        asked: Asked<'_>,
        named: Named,
    ) -> Result<Vec<(String, u64)>, LearnError>;

    /// How the ranks of each two of a table's columns go together, in the order of [`pairs`].
    async fn correlations(
        &mut self,
        taken: Taken<'_>,
        columns: &[Asked<'_>],
    ) -> Result<Vec<Ranks>, LearnError>;

    /// How many children a key's parents have; one parent in `one_in` is looked at.
    async fn children(
        &mut self,
        table: &Table,
        parent: &Table,
        key: &ForeignKey,
        one_in: u64,
    ) -> Result<Children, LearnError>;
}

/// All pairs of so many columns.
pub(in crate::data) fn pairs(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..columns).flat_map(move |other| (0..other).map(move |one| (one, other)))
}

/// What is called by its table in messages.
pub(in crate::data) fn place(table: &Table, column: &Column) -> String {
    format!("{}.{}", table.name, column.name)
}
