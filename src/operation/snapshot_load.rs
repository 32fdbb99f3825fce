//! Puts a store's data back as a snapshot has it, or as it was loaded last.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::datasets;
use super::error::OperationError;
use super::meter::Meter;
use super::session::{Existing, Session};
use super::snapshot_redis;
use super::snapshot_volume;
use super::snapshots::blocking;
use super::stores;
use crate::data::discover::{Store, StoreKind};
use crate::data::postgres::{
    self, CopyCost, PostgresError, ResetReport, RestoreOptions, RestoreReport, Server,
};
use crate::data::snapshot::{Catalogue, Manifest, SnapshotName};
use crate::event::Event;
use crate::words::{counted, listed, sized};

const STEP: &str = "data";

/// The stream that every database's part of a snapshot has.
const MARK: &str = "/schema.json";

/// What a store holds now.
#[derive(Debug)]
pub struct Held {
    /// Rows of each table, all entries, or all files.
    pub parts: Vec<(String, u64)>,
    /// The time it took.
    pub took: Duration,
}

/// What the streams of a store's database begin with.
pub fn prefix(store: &Store) -> String {
    format!("postgres/{}", store.name())
}

/// Puts a store's data back as a snapshot has it. What the store holds is replaced, its sessions are ended. With `keep` this is
/// what it is reset to; without, that is for the caller to say, once migrations have followed.
pub async fn load(
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: &SnapshotName,
    keep: bool,
) -> Result<Held, OperationError> {
    let started = Instant::now();
    let catalogue = Catalogue::open(session.config.snapshots());
    let (found, wanted) = (catalogue.clone(), name.clone());
    let manifest = blocking(move || Ok(found.find(&wanted)?)).await?;
    let parts = if store.kind == StoreKind::Volume {
        let files = snapshot_volume::load(session, existing, store, &catalogue, &manifest).await?;
        vec![("files".to_owned(), files)]
    } else if store.kind == StoreKind::Redis {
        let entries = snapshot_redis::load(session, existing, store, &catalogue, &manifest).await?;
        vec![("entries".to_owned(), entries)]
    } else {
        let report = load_postgres(session, existing, store, &catalogue, &manifest, keep).await?;
        report.tables.into_iter().map(|(table, rows)| (table.to_string(), rows)).collect()
    };
    datasets::record_snapshot(session, &store.name(), &manifest)?;
    Ok(Held { parts, took: started.elapsed() })
}

async fn load_postgres(
    session: &Session,
    existing: &Existing,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
    keep: bool,
) -> Result<RestoreReport, OperationError> {
    let (reporter, name) = (&session.reporter, &manifest.name);
    let prefix = own_prefix(manifest, store)?;
    reporter.report(Event::Started { step: STEP.into(), what: format!("snapshot {name} into {store}") });
    let server = stores::postgres(existing, store).await?;
    let moved = moved_on(&server, catalogue, manifest, &prefix).await?;
    let meter = Meter::new(STEP, reporter.clone());
    let options = RestoreOptions { prefix, sessions: 2, keep_pristine: keep };
    let report =
        postgres::restore(&server, catalogue, manifest, &options, &|progress| meter.tell(progress)).await?;
    let rows: u64 = report.tables.iter().map(|(_, rows)| rows).sum();
    let what =
        format!("{store}: {rows} rows in {} as {name} has them", counted(report.tables.len(), "table"));
    reporter.report(Event::Done { step: STEP.into(), what, took: report.took });
    for note in &report.notes {
        reporter.report(Event::Note(note.clone()));
    }
    tell_ended(session, report.sessions_ended);
    if !moved.is_empty() {
        let text = format!(
            "the schema had moved on since {name} was made; the migrations are to run again:{}",
            listed(&moved)
        );
        reporter.report(Event::Warning(text));
    }
    Ok(report)
}

/// What the streams of the one database that is meant begin with.
fn own_prefix(manifest: &Manifest, store: &Store) -> Result<String, OperationError> {
    let prefixes: BTreeSet<&str> =
        manifest.streams.iter().filter_map(|stream| stream.path.as_str().strip_suffix(MARK)).collect();
    let own = prefix(store);
    let mut all = prefixes.iter();
    match (all.next(), all.next()) {
        _ if prefixes.contains(own.as_str()) => Ok(own),
        (Some(only), None) => Ok((*only).to_owned()),
        _ => Err(OperationError::NotInSnapshot {
            store: store.to_string(),
            snapshot: manifest.name.to_string(),
            there: prefixes.into_iter().map(str::to_owned).collect(),
        }),
    }
}

/// In what the store's schema is not as it was when the snapshot was made; nothing of a store without tables.
async fn moved_on(
    server: &Server,
    catalogue: &Catalogue,
    manifest: &Manifest,
    prefix: &str,
) -> Result<Vec<String>, OperationError> {
    let live = postgres::schema(server).await?;
    if live.tables.is_empty() {
        return Ok(Vec::new());
    }
    let before = postgres::snapshot_schema(catalogue, manifest, prefix).await?;
    Ok(postgres::moved(&before, &live).iter().map(|one| format!("{}: {}", one.place, one.change)).collect())
}

/// Puts a store's data back as it was loaded last.
pub async fn reset(
    session: &Session,
    existing: &Existing,
    store: &Store,
) -> Result<ResetReport, OperationError> {
    let reporter = &session.reporter;
    let server = stores::postgres(existing, store).await?;
    let cost = postgres::reset_cost(&server).await?;
    if !cost.spare {
        let last = cost.copy.map(|took| format!(", about {:.1} s", took.as_secs_f64())).unwrap_or_default();
        let note = format!("no spare copy stands ready: one is made now, {}{last}", sized(cost.bytes));
        reporter.report(Event::Note(note));
    }
    let report = postgres::reset(&server).await?;
    let what = format!("{store} is as it was loaded, {}", sized(cost.bytes));
    reporter.report(Event::Done { step: "reset".into(), what, took: report.took });
    tell_ended(session, report.sessions_ended);
    Ok(report)
}

/// Says that sessions were ended.
pub(super) fn tell_ended(session: &Session, sessions: usize) {
    if sessions > 0 {
        let sessions = counted(sessions, "session");
        let note = format!("{sessions} ended: what was connected has to connect again");
        session.reporter.report(Event::Note(note));
    }
}

/// Keeps what a store holds now as what it is reset to. Nothing is lost where its server does not allow that.
pub async fn keep(session: &Session, existing: &Existing, store: &Store) -> Result<(), OperationError> {
    let server = stores::postgres(existing, store).await?;
    match postgres::keep_pristine(&server).await {
        Ok(_) => Ok(()),
        Err(error @ PostgresError::Rights { .. }) => {
            session.reporter.report(Event::Note(format!("no copy is kept for `snapshot reset`: {error}")));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the next spare copy, where none stands ready.
pub async fn prepare(existing: &Existing, store: &Store) -> Result<Option<CopyCost>, OperationError> {
    let server = stores::postgres(existing, store).await?;
    Ok(postgres::prepare_spare(&server).await?)
}
