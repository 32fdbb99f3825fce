//! Synthetic data into a store: the live schema read, a seed.yaml held against it, and its rows loaded, all or nothing.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::error::OperationError;
use super::session::{Existing, Session};
use super::stores;
use crate::data::discover::Store;
use crate::data::generate::Generator;
use crate::data::postgres::{self, LoadOptions, LoadReport, Progress, Server};
use crate::data::schema::Schema;
use crate::data::seed::{self, PlanOptions};
use crate::event::{Event, SharedReporter};
use crate::words::{counted, sized};

const STEP: &str = "data";

/// Whether a store holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It has no table yet.
    Empty,
    /// It has tables.
    HoldsData,
}

/// Looks whether a store holds anything.
pub async fn fresh(existing: &Existing, store: &Store) -> Result<Fresh, OperationError> {
    let server = stores::postgres(existing, store).await?;
    let schema = postgres::schema(&server).await?;
    Ok(if schema.tables.is_empty() { Fresh::Empty } else { Fresh::HoldsData })
}

/// A seed.yaml for a store's live schema, ready to run.
pub async fn plan(
    existing: &Existing,
    store: &Store,
    options: &PlanOptions,
) -> Result<String, OperationError> {
    let server = stores::postgres(existing, store).await?;
    let schema = postgres::schema(&server).await?;
    if schema.tables.is_empty() {
        return Err(OperationError::NoTables { store: store.to_string() });
    }
    Ok(seed::plan(&schema, options).to_yaml(&schema))
}

/// A seed.yaml held against a store's live schema.
pub async fn generator(
    existing: &Existing,
    store: &Store,
    path: &Path,
) -> Result<(Server, Schema, Generator), OperationError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| OperationError::Data { path: path.to_owned(), source })?;
    let server = stores::postgres(existing, store).await?;
    let schema = postgres::schema(&server).await?;
    let seed = seed::read(&text, &path.display().to_string(), &schema)?;
    let generator = Generator::new(&schema, &seed)?;
    Ok((server, schema, generator))
}

/// Replaces the rows of a store's tables by those of a seed.yaml.
pub async fn seed(
    session: &Session,
    existing: &Existing,
    store: &Store,
    path: &Path,
) -> Result<LoadReport, OperationError> {
    let reporter = &session.reporter;
    let shown = path.strip_prefix(session.config.directory()).unwrap_or(path);
    let what = format!("{} into {store}", shown.display());
    reporter.report(Event::Started { step: STEP.into(), what });
    let (server, schema, generator) = generator(existing, store, path).await?;
    if let Some(note) = server.note() {
        reporter.report(Event::Note(note));
    }
    let meter = Meter::new(STEP, reporter.clone());
    let report = postgres::load(&server, &schema, &generator, &LoadOptions::default(), &|progress| {
        meter.tell(progress);
    })
    .await?;
    reporter.report(Event::Done { step: STEP.into(), what: sentence(store, &report), took: report.took });
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
fn sentence(store: &Store, report: &LoadReport) -> String {
    let rows: u64 = report.tables.iter().map(|table| table.rows).sum();
    let bytes: u64 = report.tables.iter().map(|table| table.bytes).sum();
    let copying: Duration = report.tables.iter().map(|table| table.took).sum();
    let rate = rows as f64 / copying.as_secs_f64().max(1e-3);
    let emptied = match report.emptied.len() {
        0 => String::new(),
        tables => format!("; {} that refer to them emptied", counted(tables, "table")),
    };
    let tables = counted(report.tables.len(), "table");
    format!("{store}: {rows} rows in {tables}, {}, {rate:.0} rows/s{emptied}", sized(bytes))
}

/// Tells of progress with its rate.
pub(super) struct Meter {
    step: &'static str,
    reporter: SharedReporter,
    table: Mutex<(String, Instant)>,
}

impl Meter {
    pub fn new(step: &'static str, reporter: SharedReporter) -> Self {
        Self { step, reporter, table: Mutex::new((String::new(), Instant::now())) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
    pub fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Table { table, done, total } => {
                let name = table.to_string();
                let Ok(mut known) = self.table.lock() else { return };
                if known.0 != name {
                    *known = (name.clone(), Instant::now());
                }
                let rate = done as f64 / known.1.elapsed().as_secs_f64().max(1e-3);
                let what = format!("{name}, {rate:.0}/s");
                self.reporter.report(Event::Progress { step: self.step.into(), done, total, what });
            }
            Progress::Step(what) => self.reporter.report(Event::Progress {
                step: self.step.into(),
                done: 0,
                total: 0,
                what: what.to_owned(),
            }),
        }
    }
}
