//! Synthetic data into a store: the live schema read, a seed.yaml held against it, and its rows loaded, all or nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::datasets;
use super::error::OperationError;
use super::meter::Meter;
use super::session::{Existing, Session};
use super::snapshot_load;
use super::snapshot_volume;
use super::stores;
use crate::data::discover::{Store, StoreKind};
use crate::data::generate::Generator;
use crate::data::learn::{self, LearnOptions, Profile};
use crate::data::postgres::{self, LoadOptions, LoadReport, Server};
use crate::data::schema::Schema;
use crate::data::seed::{self, PlanOptions};
use crate::event::Event;
use crate::words::{counted, listed, sized};

const STEP: &str = "data";

/// Whether a store holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It has no table, entry or file yet.
    Empty,
    /// It has some.
    HoldsData,
}

/// Looks whether a store holds anything.
pub async fn fresh(existing: &Existing, store: &Store) -> Result<Fresh, OperationError> {
    let is_empty = if store.kind == StoreKind::Volume {
        snapshot_volume::is_empty(existing, store).await?
    } else if store.kind == StoreKind::Redis {
        stores::redis(existing, store).await?.keys().await? == 0
    } else {
        let server = stores::postgres(existing, store).await?;
        postgres::schema(&server).await?.tables.is_empty()
    };
    Ok(if is_empty { Fresh::Empty } else { Fresh::HoldsData })
}

/// A seed.yaml for a store's live schema, ready to run; shaped by a profile, where one is given. What the profile knows and the
/// schema does not have is said.
pub async fn plan(
    session: &Session,
    existing: &Existing,
    store: &Store,
    options: &PlanOptions,
    like: Option<&Path>,
) -> Result<String, OperationError> {
    let profile = match like {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| OperationError::Data { path: path.to_owned(), source })?;
            Some(Profile::read(&text, &path.display().to_string())?)
        }
    };
    let server = stores::postgres(existing, store).await?;
    let schema = postgres::schema(&server).await?;
    if schema.tables.is_empty() {
        return Err(OperationError::NoTables { store: store.to_string() });
    }
    let mut seed = seed::plan(&schema, options);
    if let Some(profile) = profile {
        let unknown = learn::shape(&schema, &profile, &mut seed);
        if !unknown.is_empty() {
            let note = format!("the profile has what the schema has not:{}", listed(&unknown));
            session.reporter.report(Event::Note(note));
        }
    }
    Ok(seed.to_yaml(&schema))
}

/// Measures a database without taking a value from it, and gives the profile's text.
pub async fn learn(
    session: &Session,
    server: &Server,
    allow: BTreeSet<String>,
) -> Result<String, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    reporter.report(Event::Started { step: "learn".into(), what: format!("measuring {}", server.name()) });
    let meter = Meter::new("learn", reporter.clone());
    let options = LearnOptions { allow, ..LearnOptions::default() };
    let profile = learn::learn(server, &options, &|progress| meter.tell(progress)).await?;
    let what = format!("{} of {} measured", counted(profile.tables.len(), "table"), server.name());
    reporter.report(Event::Done { step: "learn".into(), what, took: started.elapsed() });
    Ok(profile.to_yaml())
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

/// Replaces the rows of a store's tables by those of a seed.yaml, remembers that, and keeps them as what it is reset to.
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
    datasets::record_seed(session, &store.name(), path)?;
    snapshot_load::keep(session, existing, store).await?;
    Ok(report)
}

/// What was loaded, in a line.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
pub(super) fn sentence(store: &Store, report: &LoadReport) -> String {
    let rows: u64 = report.tables.iter().map(|table| table.rows).sum();
    let bytes: u64 = report.tables.iter().map(|table| table.bytes).sum();
    let copying: Duration = report.tables.iter().map(|table| table.took).sum();
    let copying = copying.min(report.took);
    let rate = rows as f64 / copying.as_secs_f64().max(1e-3);
    let emptied = match report.emptied.len() {
        0 => String::new(),
        tables => format!("; {} that refer to them emptied", counted(tables, "table")),
    };
    let tables = counted(report.tables.len(), "table");
    format!("{store}: {rows} rows in {tables}, {}, {rate:.0} rows/s{emptied}", sized(bytes))
}
