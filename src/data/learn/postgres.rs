//! Measures a PostgreSQL database: in one transaction that can only read, a column at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::LearnError;
use super::measure::Measuring;
use super::profile::{Profile, Rules};
use crate::data::postgres::{OnProgress, Progress, Server, Session, schema_in};
use crate::data::schema::Schema;

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

/// Measures all tables of a database as they are at one moment. Nothing is written, and no value leaves the server but labels that
/// the rules or the allow-list let through.
pub async fn learn(
    server: &Server,
    options: &LearnOptions,
    on_progress: OnProgress<'_>,
) -> Result<Profile, LearnError> {
    if options.rules.least < 2 {
        return Err(LearnError::Rules(options.rules.least));
    }
    let session = server.session().await?;
    begin(&session, options.query_time).await?;
    let schema = schema_in(&session).await?;
    check(&schema, &options.allow)?;
    let mut measuring = Measuring { session: &session, schema: &schema, options, rows: BTreeMap::new() };
    let mut profile = Profile { rules: options.rules, tables: BTreeMap::new() };
    for table in &schema.tables {
        on_progress(Progress::Step(&format!("measuring {}", table.name)));
        let measured = measuring.table(table).await?;
        profile.tables.insert(table.name.clone(), measured);
    }
    session.batch_execute("COMMIT").await.map_err(|error| LearnError::new("the database", error))?;
    Ok(profile)
}

async fn begin(session: &Session, query_time: Duration) -> Result<(), LearnError> {
    let most = query_time.as_millis();
    // Compiling a query that runs once costs more than it gains.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = {most}; \
         SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL jit = off"
    );
    session.batch_execute(&begin).await.map_err(|error| LearnError::new("the database", error))
}

fn check(schema: &Schema, allow: &BTreeSet<String>) -> Result<(), LearnError> {
    let known: BTreeSet<String> = schema
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| format!("{}.{}", table.name, column.name)))
        .collect();
    let unknown: Vec<String> = allow.difference(&known).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(LearnError::NoColumns(unknown)) }
}
