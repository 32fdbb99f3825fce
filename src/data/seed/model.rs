//! What a seed.yaml says: how many rows each table gets and how each column's values are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::data::generate::Locale;
use crate::data::schema::TableName;

/// A whole seed.yaml.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    /// The number that all values are a function of.
    pub seed: u64,
    /// What counts as now: microseconds since 1970, UTC.
    pub clock: i64,
    /// The language of names and words.
    pub locale: Locale,
    /// The tables that get rows. Others stay empty.
    pub tables: BTreeMap<TableName, TableSeed>,
    /// Remarks that are written beside tables (no column) and columns; not read back.
    pub notes: BTreeMap<(TableName, Option<String>), String>,
}

/// A table's part.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSeed {
    /// How many rows.
    pub rows: Rows,
    /// Columns that are told how. Others are guessed from name, type and constraints.
    pub columns: BTreeMap<String, ColumnSeed>,
    /// Constraints that are not understood and are taken to hold by what is written for their columns.
    pub unchecked: BTreeSet<String>,
}

/// How many rows a table gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// So many.
    Count(u64),
    /// So many for each row of another table.
    Per {
        /// The other table.
        table: TableName,
        /// How many, above 0.
        ratio: f64,
    },
}

/// How a column's values are made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnSeed {
    /// By what; guessed where it is not said.
    pub make: Option<Make>,
    /// The share of nulls, 0 to 1. Where it is not said: the guess's if the maker is guessed too, else none.
    pub null: Option<f64>,
    /// Whether no two rows have the same, besides what constraints ask.
    pub unique: bool,
    /// Another column of the table that the values go with.
    pub with: Option<Coupling>,
}

/// A correlation: ranks of both columns go together.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupling {
    /// The other column.
    pub column: String,
    /// From -1 (opposite) to 1 (the same).
    pub strength: f64,
}

/// What makes values. Constants are texts as they would be written in SQL without quotes; spans are `2d`, `1.5h`.
#[derive(Debug, Clone, PartialEq)]
pub enum Make {
    /// Always the same; none is null.
    Constant(Option<String>),
    /// Counts up.
    Sequence {
        /// The first.
        start: i64,
        /// What is added.
        step: i64,
    },
    /// Numbers or times in a range.
    Range {
        /// How they lie in it.
        shape: Spread,
        /// The least; by type and constraints where it is not said.
        min: Option<String>,
        /// The greatest, likewise.
        max: Option<String>,
    },
    /// One of several, by weight.
    Choice(Vec<(String, f64)>),
    /// An entry of a dictionary.
    Dictionary(String),
    /// A text that a regular expression matches.
    Pattern(String),
    /// Text with `{dictionary}`, `{column}`, `{unique}` in it; `{last_name:slug}` is fit for addresses.
    Template(String),
    /// So many words.
    Words {
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    },
    /// Times of events, more in some hours and on some days than in others.
    Series(Series),
    /// A time or number after another column's.
    After {
        /// The other column.
        column: String,
        /// How far on average.
        mean: String,
        /// How far at most.
        max: Option<String>,
    },
    /// A state that was reached by allowed transitions.
    States(States),
    /// The time at which another column's state was reached; null where it was not.
    Reached {
        /// The column of states.
        column: String,
        /// The state.
        state: String,
        /// The column of the time at which the first state was.
        after: String,
        /// How long a transition takes on average.
        mean: String,
    },
    /// A row of the table that the column's foreign key refers to.
    Parent(FanOut),
}

/// How values lie in a range. Means and deviations are written like constants and spans.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    /// Evenly.
    Uniform,
    /// A bell.
    Normal {
        /// Its middle.
        mean: String,
        /// Its standard deviation.
        deviation: String,
    },
    /// Many near the least.
    Exponential {
        /// How far from the least on average.
        mean: String,
    },
    /// The n-th about 1/n^exponent as likely as the first.
    Zipf {
        /// How steep.
        exponent: f64,
    },
}

/// A time series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// From when on; a year before the clock where it is not said.
    pub from: Option<String>,
    /// Until when; the clock where it is not said.
    pub to: Option<String>,
    /// How many times as many at the end as at the start; 1 where it is not said.
    pub growth: Option<f64>,
    /// Weights of Monday to Sunday; empty is even.
    pub days: Vec<f64>,
    /// Weights of the hours from midnight; empty is even.
    pub hours: Vec<f64>,
}

/// States and the transitions between them.
#[derive(Debug, Clone, PartialEq)]
pub struct States {
    /// The first.
    pub start: String,
    /// From each state, the next ones by weight; `stay` is to remain there.
    pub transitions: Vec<(String, Vec<(String, f64)>)>,
}

/// How many children parents have.
#[derive(Debug, Clone, PartialEq)]
pub enum FanOut {
    /// Each parent as likely as the other.
    Uniform,
    /// All the same number, children of one parent beside each other.
    Even,
    /// A few have most.
    Zipf {
        /// How steep.
        exponent: f64,
    },
    /// By shares of parents: number of children, weight of parents that have so many.
    Counts(Vec<(u64, f64)>),
}
