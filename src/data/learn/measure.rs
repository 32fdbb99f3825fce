//! Measures tables one after the other, whatever the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::column;
use super::error::LearnError;
use super::kind::Kind;
use super::profile::{
    ColumnProfile, Correlation, FanOutProfile, Profile, Quantity, Rules, Share, TableProfile,
};
use super::source::{Asked, Named, Source, Taken, pairs, place};
use crate::data::progress::{OnProgress, Progress};
use crate::data::schema::{Column, ForeignKey, Schema, Table, TableName};

/// Columns of a table that are compared with each other.
const COMPARED: usize = 12;
/// Rows that ranks are compared in.
const RANKED: u64 = 20_000;
/// Weaker correlations are not told.
const WEAKEST: f64 = 0.3;

/// How a database is measured.
#[derive(Debug, Clone)]
pub struct LearnOptions {
    /// Columns whose values may be named, each as `schema.table.column`.
    pub allow: BTreeSet<String>,
    /// What keeps rows from being read off.
    pub rules: Rules,
    /// Tables with more rows are measured by a sample.
    pub sample_above: u64,
    /// About how many rows a sample has.
    pub sample_rows: u64,
    /// How long one query may take.
    pub query_time: Duration,
}

impl Default for LearnOptions {
    /// No column allowed; samples of 300,000 rows above a million; five minutes a query.
    fn default() -> Self {
        Self {
            allow: BTreeSet::new(),
            rules: Rules::default(),
            sample_above: 1_000_000,
            sample_rows: 300_000,
            query_time: Duration::from_mins(5),
        }
    }
}

/// Measures all tables of a database. No value leaves the server but labels that the rules or the allow-list let through.
pub(in crate::data) async fn measure(
    source: &mut impl Source,
    schema: &Schema,
    options: &LearnOptions,
    on_progress: OnProgress<'_>,
) -> Result<Profile, LearnError> {
    check(schema, options)?;
    let mut measuring = Measuring { source, schema, options, rows: BTreeMap::new() };
    let mut profile = Profile { rules: options.rules, tables: BTreeMap::new() };
    for table in &schema.tables {
        on_progress(Progress::Step(&format!("measuring {}", table.name)));
        let measured = measuring.table(table).await?;
        profile.tables.insert(table.name.clone(), measured);
    }
    Ok(profile)
}

fn check(schema: &Schema, options: &LearnOptions) -> Result<(), LearnError> {
    if options.rules.least < 2 {
        return Err(LearnError::Rules(options.rules.least));
    }
    let of_table =
        |table: &Table| table.columns.iter().map(|column| place(table, column)).collect::<Vec<_>>();
    let known: BTreeSet<String> = schema.tables.iter().flat_map(of_table).collect();
    let unknown: Vec<String> = options.allow.difference(&known).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(LearnError::NoColumns(unknown)) }
}

/// What is measured, and how.
struct Measuring<'a, S> {
    source: &'a mut S,
    schema: &'a Schema,
    options: &'a LearnOptions,
    /// Rows of tables so far.
    rows: BTreeMap<TableName, u64>,
}

impl<S: Source> Measuring<'_, S> {
    /// All of one table.
    async fn table(&mut self, table: &Table) -> Result<TableProfile, LearnError> {
        let LearnOptions { sample_above, sample_rows, .. } = *self.options;
        let rows = self.source.rows(table, sample_above).await?;
        self.rows.insert(table.name.clone(), rows);
        let least = self.options.rules.least;
        let mut profile = TableProfile {
            rows: Quantity::of(rows, least),
            columns: BTreeMap::new(),
            correlations: Vec::new(),
            keys: BTreeMap::new(),
        };
        if rows < least {
            return Ok(profile);
        }
        let taken = Taken { table, percent: (rows > sample_above).then(|| percent(sample_rows, rows)) };
        for column in &table.columns {
            let measured = self.column(taken, column, rows).await?;
            profile.columns.insert(column.name.clone(), measured);
        }
        profile.correlations = self.correlations(table, rows).await?;
        for key in &table.foreign_keys {
            if let Some(found) = self.fan_out(table, key).await? {
                profile.keys.insert(key.name.clone(), found);
            }
        }
        Ok(profile)
    }

    fn asked<'t>(&self, column: &'t Column) -> Asked<'t> {
        Asked { column, kind: Kind::of(&column.kind, self.schema) }
    }

    async fn column(
        &mut self,
        taken: Taken<'_>,
        column: &Column,
        rows: u64,
    ) -> Result<ColumnProfile, LearnError> {
        let (asked, rules) = (self.asked(column), &self.options.rules);
        let kind = asked.kind;
        let counts = self.source.counts(taken, asked, rules.least).await?;
        let mut profile = column::profile(&counts, kind, taken.percent.map(|_| rows), rules);
        let allowed = self.options.allow.contains(&place(taken.table, column));
        let named = if allowed || matches!(kind, Kind::Label | Kind::Truth) {
            Some(Named::All)
        } else if kind.may_be_named(taken.table, column) && counts.distinct <= rules.most_labels {
            Some(Named::From(rules.least.max(column::part(counts.rows, rules.label_share))))
        } else {
            None
        };
        if let Some(named) = named.filter(|_| counts.filled >= rules.least) {
            let share = |count| Share::of(count, counts.filled, rules.least);
            let labels = self.source.labels(taken, asked, named).await?;
            profile.labels = labels.into_iter().map(|(label, count)| (label, share(count))).collect();
        }
        if !profile.labels.is_empty() {
            profile.frequencies.clear();
        }
        Ok(profile)
    }

    /// Ranks of numbers and times, the first few columns with one another.
    async fn correlations(&mut self, table: &Table, rows: u64) -> Result<Vec<Correlation>, LearnError> {
        let is_key =
            |column: &Column| table.foreign_keys.iter().any(|key| key.columns.contains(&column.name));
        let asked = table.columns.iter().map(|column| self.asked(column));
        let ordered = asked.filter(|asked| asked.kind.is_ordered() && !is_key(asked.column));
        let columns: Vec<Asked<'_>> = ordered.take(COMPARED).collect();
        if columns.len() < 2 {
            return Ok(Vec::new());
        }
        let taken = Taken { table, percent: (rows > RANKED).then(|| percent(RANKED, rows)) };
        let ranks = self.source.correlations(taken, &columns).await?;
        let least = 2 * self.options.rules.least;
        let told = |((one, other), ranks): ((usize, usize), super::source::Ranks)| {
            let rank = ranks.correlation.filter(|rank| ranks.rows >= least && rank.abs() >= WEAKEST)?;
            let columns = [one, other].map(|at| columns[at].column.name.clone());
            Some(Correlation { columns, rank: (rank * 10.0).round() / 10.0 })
        };
        Ok(pairs(columns.len()).zip(ranks).filter_map(told).collect())
    }

    async fn fan_out(
        &mut self,
        table: &Table,
        key: &ForeignKey,
    ) -> Result<Option<FanOutProfile>, LearnError> {
        let Some(parent) = self.schema.table(&key.table) else { return Ok(None) };
        let rows = self.rows.get(&table.name).copied().unwrap_or(0);
        let one_in =
            if rows > self.options.sample_above { rows.div_ceil(self.options.sample_rows.max(1)) } else { 1 };
        let found = self.source.children(table, parent, key, one_in).await?;
        Ok(column::fan_out(found.parents, &found.classes, self.options.rules.least))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sample's size is not exact")]
fn percent(wanted: u64, rows: u64) -> f64 {
    (100.0 * wanted as f64 / rows as f64).min(100.0)
}
