//! Measures tables one after the other within a transaction.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::column::{self, Counts};
use super::error::LearnError;
use super::kind::Kind;
use super::postgres::LearnOptions;
use super::profile::{ColumnProfile, Correlation, FanOutProfile, Quantity, Share, TableProfile};
use super::queries::{self, Named};
use crate::data::postgres::Session;
use crate::data::schema::{Column, ForeignKey, Schema, Table, TableName};

/// Columns of a table that are compared with each other.
const COMPARED: usize = 12;
/// Weaker correlations are not told.
const WEAKEST: f64 = 0.3;

/// What is measured, and how.
pub(super) struct Measuring<'a> {
    pub(super) session: &'a Session,
    pub(super) schema: &'a Schema,
    pub(super) options: &'a LearnOptions,
    /// Rows of tables so far.
    pub(super) rows: BTreeMap<TableName, u64>,
}

/// A table's rows, and how many of them are looked at.
struct Taken {
    rows: u64,
    from: String,
    is_sample: bool,
}

impl Measuring<'_> {
    /// All of one table.
    pub(super) async fn table(&mut self, table: &Table) -> Result<TableProfile, LearnError> {
        let taken = self.taken(table).await?;
        let least = self.options.rules.least;
        let mut profile = TableProfile {
            rows: Quantity::of(taken.rows, least),
            columns: BTreeMap::new(),
            correlations: Vec::new(),
            keys: BTreeMap::new(),
        };
        if taken.rows < least {
            return Ok(profile);
        }
        for column in &table.columns {
            let measured = self.column(table, column, &taken).await?;
            profile.columns.insert(column.name.clone(), measured);
        }
        profile.correlations = self.correlations(table, taken.rows).await?;
        for key in &table.foreign_keys {
            if let Some(found) = self.fan_out(table, key).await? {
                profile.keys.insert(key.name.clone(), found);
            }
        }
        Ok(profile)
    }

    async fn one(&self, what: &str, query: &str) -> Result<Row, LearnError> {
        self.session.query_one(query, &[]).await.map_err(|error| LearnError::new(what, error))
    }

    /// The rows of a table: counted, or estimated where only a sample is taken.
    async fn taken(&mut self, table: &Table) -> Result<Taken, LearnError> {
        let what = table.name.to_string();
        let estimate = self.one(&what, &queries::estimate(table)).await?;
        let estimate = u64::try_from(number::<i64>(&estimate, 0, &what)?).unwrap_or(0);
        let is_sample = estimate > self.options.sample_above;
        #[expect(clippy::cast_precision_loss, reason = "a sample's size is not exact")]
        let percent =
            is_sample.then(|| (100.0 * self.options.sample_rows as f64 / estimate as f64).min(100.0));
        let from = queries::rows_of(table, percent);
        let rows = if is_sample {
            estimate
        } else {
            let counted = self.one(&what, &format!("SELECT pg_catalog.count(*) FROM {from}")).await?;
            u64::try_from(number::<i64>(&counted, 0, &what)?).unwrap_or(0)
        };
        self.rows.insert(table.name.clone(), rows);
        Ok(Taken { rows, from, is_sample })
    }

    async fn column(
        &self,
        table: &Table,
        column: &Column,
        taken: &Taken,
    ) -> Result<ColumnProfile, LearnError> {
        let what = format!("{}.{}", table.name, column.name);
        let kind = Kind::of(&column.kind, self.schema);
        let rules = &self.options.rules;
        let row = self.one(&what, &queries::column(&taken.from, column, kind, rules.least)).await?;
        let counts = Counts::read(&row).map_err(|error| LearnError::new(&*what, error))?;
        let mut profile = column::profile(&counts, kind, taken.is_sample.then_some(taken.rows), rules);
        let allowed = self.options.allow.contains(&what);
        let named = if allowed || matches!(kind, Kind::Label | Kind::Truth) {
            Some(Named::All)
        } else if kind.may_be_named(table, column) && counts.distinct <= rules.most_labels {
            Some(Named::From(rules.least.max(column::part(counts.rows, rules.label_share))))
        } else {
            None
        };
        if let Some(named) = named.filter(|_| counts.filled >= rules.least) {
            let query = queries::labels(&taken.from, column, named);
            let rows =
                self.session.query(&query, &[]).await.map_err(|error| LearnError::new(&*what, error))?;
            for row in &rows {
                let count = u64::try_from(number::<i64>(row, 1, &what)?).unwrap_or(0);
                let share = Share::of(count, counts.filled, rules.least);
                profile.labels.push((number(row, 0, &what)?, share));
            }
        }
        if !profile.labels.is_empty() {
            profile.frequencies.clear();
        }
        Ok(profile)
    }

    /// Ranks of numbers and times, the first few columns with one another.
    async fn correlations(&self, table: &Table, rows: u64) -> Result<Vec<Correlation>, LearnError> {
        let keyed =
            |column: &&Column| table.foreign_keys.iter().any(|key| key.columns.contains(&column.name));
        let ordered = |column: &&Column| Kind::of(&column.kind, self.schema).is_ordered() && !keyed(column);
        let columns: Vec<&Column> = table.columns.iter().filter(ordered).take(COMPARED).collect();
        if columns.len() < 2 {
            return Ok(Vec::new());
        }
        let what = format!("correlations of {}", table.name);
        let row = self.one(&what, &queries::correlations(table, &columns, self.schema, rows)).await?;
        let mut found = Vec::new();
        for (at, (one, other)) in queries::pairs(columns.len()).enumerate() {
            let both: i64 = number(&row, 2 * at, &what)?;
            let rank: Option<f64> = number(&row, 2 * at + 1, &what)?;
            let enough = u64::try_from(both).is_ok_and(|both| both >= 2 * self.options.rules.least);
            if let Some(rank) = rank.filter(|rank| enough && rank.abs() >= WEAKEST) {
                let columns = [columns[one].name.clone(), columns[other].name.clone()];
                found.push(Correlation { columns, rank: (rank * 10.0).round() / 10.0 });
            }
        }
        Ok(found)
    }

    async fn fan_out(&self, table: &Table, key: &ForeignKey) -> Result<Option<FanOutProfile>, LearnError> {
        let Some(parent) = self.schema.table(&key.table) else { return Ok(None) };
        let rows = self.rows.get(&table.name).copied().unwrap_or(0);
        let one_in =
            if rows > self.options.sample_above { rows.div_ceil(self.options.sample_rows.max(1)) } else { 1 };
        let what = format!("{} of {}", key.name, table.name);
        let query = queries::fan_out(table, parent, key, one_in);
        let rows = self.session.query(&query, &[]).await.map_err(|error| LearnError::new(&*what, error))?;
        let mut classes = Vec::new();
        let mut parents = 0;
        for row in &rows {
            let [class, count, children]: [i64; 3] =
                [number(row, 0, &what)?, number(row, 1, &what)?, number(row, 2, &what)?];
            let (count, children) = (u64::try_from(count).unwrap_or(0), u64::try_from(children).unwrap_or(0));
            match class {
                -1 => parents = count,
                _ => classes.push((count, children)),
            }
        }
        Ok(column::fan_out(parents, &classes, self.options.rules.least))
    }
}

fn number<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    at: usize,
    what: &str,
) -> Result<T, LearnError> {
    row.try_get(at).map_err(|error| LearnError::new(what, error))
}
