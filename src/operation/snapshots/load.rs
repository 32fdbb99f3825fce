//! Puts a store's data back as a snapshot has it, or as it was loaded last.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{Duration, Instant};

use super::blocking;
use super::redis;
use super::volume;
use crate::data::discover::{Store, StoreKind};
use crate::data::postgres::{self, PostgresError, RestoreOptions, Server};
use crate::data::snapshot::{Catalogue, Manifest, SnapshotName};
use crate::data::{mongo, mysql};
use crate::event::Event;
use crate::operation::datasets;
use crate::operation::error::OperationError;
use crate::operation::migrations::migrated;
use crate::operation::session::{Existing, Session};
use crate::operation::stores;
use crate::operation::stores::meter::Meter;
use crate::operation::stores::mongo_store;
use crate::operation::stores::mysql_store;
use crate::operation::stores::outcome::{self, Held, Part, Reset, Words};
use crate::words::{counted, listed, sized};

const STEP: &str = "data";

/// The stream that every database's part of a snapshot has.
const MARK: &str = "/schema.json";

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
    let (held, manifest) = fill(session, existing, store, name, keep).await?;
    datasets::record_snapshot(session, &store.name(), &manifest)?;
    Ok(held)
}

/// The same, without remembering it: for stores that are not production's.
pub(in crate::operation) async fn fill(
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: &SnapshotName,
    keep: bool,
) -> Result<(Held, Manifest), OperationError> {
    let started = Instant::now();
    let catalogue = Catalogue::open(session.config.snapshots());
    let (found, wanted) = (catalogue.clone(), name.clone());
    let manifest = blocking(move || Ok(found.find(&wanted)?)).await?;
    let reporter = &session.reporter;
    if store.kind != StoreKind::Volume {
        reporter.report(Event::Started { step: STEP.into(), what: format!("snapshot {name} into {store}") });
    }
    let client = &existing.cluster.client;
    let held = match store.kind {
        StoreKind::Volume => {
            let files = volume::load(session, existing, store, &catalogue, &manifest).await?;
            let parts = vec![Part::counted("files", files)];
            Held { words: Words::FILES, parts, took: started.elapsed() }
        }
        StoreKind::Redis => {
            let entries = redis::load(session, existing, store, &catalogue, &manifest).await?;
            let parts = vec![Part::counted("entries", entries)];
            Held { words: Words::DATABASES, parts, took: started.elapsed() }
        }
        StoreKind::MySql => {
            let server = stores::mysql_of(client, store).await?;
            mysql_store::load(session, &server, store, &catalogue, &manifest, keep).await?
        }
        StoreKind::Mongo => {
            let server = stores::mongo_of(client, store).await?;
            mongo_store::load(session, &server, store, &catalogue, &manifest, keep).await?
        }
        StoreKind::Postgres => load_postgres(session, existing, store, &catalogue, &manifest, keep).await?,
    };
    if store.kind != StoreKind::Volume {
        let (rows, words) = (outcome::rows(&held.parts), held.words.rows);
        let what = format!("{store}: {rows} {words} as {name} has them");
        reporter.report(Event::Done { step: STEP.into(), what, took: started.elapsed() });
    }
    Ok((held, manifest))
}

async fn load_postgres(
    session: &Session,
    existing: &Existing,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
    keep: bool,
) -> Result<Held, OperationError> {
    let (reporter, name) = (&session.reporter, &manifest.name);
    let prefix = own_prefix(manifest, store, &prefix(store))?;
    let server = stores::postgres(existing, store).await?;
    let moved = moved_on(&server, catalogue, manifest, &prefix).await?;
    let meter = Meter::new(STEP, reporter.clone());
    let options = RestoreOptions { prefix, sessions: 2, keep_pristine: keep };
    let report =
        postgres::restore(&server, catalogue, manifest, &options, &|progress| meter.tell(progress)).await?;
    for note in &report.notes {
        reporter.report(Event::Note(note.clone()));
    }
    tell_ended(session, report.sessions_ended);
    if !moved.is_empty() {
        let text = format!(
            "the schema had moved on since {name} was made; it is as it was then until the migrations run again:{}",
            listed(&moved)
        );
        reporter.report(Event::Warning(text));
    }
    let parts = report.tables.iter().map(|(table, rows)| Part::counted(table, *rows)).collect();
    Ok(Held { words: Words::TABLES, parts, took: report.took })
}

/// What the streams of the one database that is meant begin with: the store's own, or the only one of its kind.
pub(in crate::operation) fn own_prefix(
    manifest: &Manifest,
    store: &Store,
    own: &str,
) -> Result<String, OperationError> {
    let kind = own.split('/').next().unwrap_or_default();
    let all = manifest.streams.iter().filter_map(|stream| stream.path.as_str().strip_suffix(MARK));
    let all = all.filter(|prefix| prefix.split('/').next() == Some(kind));
    own_or_only(manifest, store, own, all.map(str::to_owned).collect())
}

/// Of what parts of a snapshot begin with, the store's own, or the only one.
pub(in crate::operation) fn own_or_only(
    manifest: &Manifest,
    store: &Store,
    own: &str,
    prefixes: BTreeSet<String>,
) -> Result<String, OperationError> {
    let mut all = prefixes.iter();
    match (all.next(), all.next()) {
        _ if prefixes.contains(own) => Ok(own.to_owned()),
        (Some(only), None) => Ok(only.clone()),
        _ => Err(OperationError::NotInSnapshot {
            store: store.to_string(),
            snapshot: manifest.name.to_string(),
            there: prefixes.into_iter().collect(),
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
pub async fn reset(session: &Session, existing: &Existing, store: &Store) -> Result<Reset, OperationError> {
    let client = &existing.cluster.client;
    let (reset, bytes) = match store.kind {
        StoreKind::Postgres => reset_postgres(session, &stores::postgres(existing, store).await?).await?,
        StoreKind::MySql => mysql_store::reset(session, &stores::mysql_of(client, store).await?).await?,
        StoreKind::Mongo => mongo_store::reset(session, &stores::mongo_of(client, store).await?).await?,
        StoreKind::Volume => return volume::reset(session, existing, store).await,
        StoreKind::Redis => return Err(OperationError::Unable { store: store.to_string(), what: NO_COPY }),
    };
    migrated::forget(session)?;
    let what = format!("{store} is as it was loaded, {}", sized(bytes));
    session.reporter.report(Event::Done { step: "reset".into(), what, took: reset.took });
    Ok(reset)
}

const NO_COPY: &str =
    "no copy is kept to reset to, for loading its snapshot again takes no longer: `snapshot load NAME`";

async fn reset_postgres(session: &Session, server: &Server) -> Result<(Reset, u64), OperationError> {
    let cost = postgres::reset_cost(server).await?;
    say_cost(session, cost.spare, cost.bytes, cost.copy);
    let report = postgres::reset(server).await?;
    tell_ended(session, report.sessions_ended);
    Ok((Reset { spare: report.spare, took: report.took }, cost.bytes))
}

/// Says what a reset without a spare takes, before it is done.
pub(in crate::operation) fn say_cost(session: &Session, spare: bool, bytes: u64, copy: Option<Duration>) {
    if !spare {
        let last = copy.map(|took| format!(", about {:.1} s", took.as_secs_f64())).unwrap_or_default();
        let note = format!("no spare copy stands ready: one is made now, {}{last}", sized(bytes));
        session.reporter.report(Event::Note(note));
    }
}

/// Says that sessions were ended.
pub(in crate::operation) fn tell_ended(session: &Session, sessions: usize) {
    if sessions > 0 {
        let sessions = counted(sessions, "session");
        let note = format!("{sessions} ended: what was connected has to connect again");
        session.reporter.report(Event::Note(note));
    }
}

/// Keeps what a store holds now as what it is reset to. Nothing is lost where its server does not allow that.
pub async fn keep(session: &Session, existing: &Existing, store: &Store) -> Result<(), OperationError> {
    let client = &existing.cluster.client;
    match store.kind {
        StoreKind::Postgres => keep_postgres(session, &stores::postgres(existing, store).await?).await,
        StoreKind::MySql => mysql_store::keep(session, &stores::mysql_of(client, store).await?).await,
        StoreKind::Mongo => mongo_store::keep(&stores::mongo_of(client, store).await?).await,
        // Of files a copy is kept as they are loaded, and of a Redis none.
        StoreKind::Redis | StoreKind::Volume => Ok(()),
    }
}

/// Says that nothing is lost where a server does not allow a copy, but resets.
pub(in crate::operation) fn say_not_kept(session: &Session, why: &dyn Display) {
    session.reporter.report(Event::Note(format!("no copy is kept for `snapshot reset`: {why}")));
}

async fn keep_postgres(session: &Session, server: &Server) -> Result<(), OperationError> {
    match postgres::keep_pristine(server).await {
        Ok(_) => Ok(()),
        Err(error @ PostgresError::Rights { .. }) => {
            say_not_kept(session, &error);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the next spare copy, where none stands ready.
pub async fn prepare(existing: &Existing, store: &Store) -> Result<(), OperationError> {
    let client = &existing.cluster.client;
    match store.kind {
        StoreKind::Postgres => {
            postgres::prepare_spare(&stores::postgres(existing, store).await?).await?;
        }
        StoreKind::MySql => {
            mysql::prepare_spare(&stores::mysql_of(client, store).await?).await?;
        }
        StoreKind::Mongo => {
            mongo::prepare_spare(&stores::mongo_of(client, store).await?, &|_| {}).await?;
        }
        StoreKind::Volume => {
            volume::prepare(existing, store).await?;
        }
        StoreKind::Redis => {}
    }
    Ok(())
}
