//! Snapshots of Redis stores: taken by the server's own fork, put back beside the old data.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::error::OperationError;
use super::session::{Existing, Session};
use super::snapshot_create::begin;
use super::snapshots::blocking;
use super::stores;
use crate::data::discover::Store;
use crate::data::redis::{self, Progress, Way};
use crate::data::snapshot::{Catalogue, Created, Manifest, SnapshotName};
use crate::event::{Event, SharedReporter};
use crate::words::{counted, sized};

/// What a store's streams begin with.
pub fn prefix(store: &Store) -> String {
    format!("redis/{}", store.name())
}

/// What was taken: the snapshot, and how many entries of each database.
pub type Taken = (Created, BTreeMap<u32, u64>);

/// Takes a store's data into the project's catalogue.
pub async fn create(
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: SnapshotName,
    replace: bool,
) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    reporter.report(Event::Started { step: "snapshot".into(), what: format!("{name} of {store}") });
    let server = stores::redis(existing, store).await?;
    let tool = (server.flavour().to_string(), server.release().to_owned());
    let writer = begin(session.config.snapshots(), name, replace, tool).await?;
    let tell = |progress: Progress<'_>| tell(reporter, "snapshot", progress);
    let dumped = redis::dump(&server, &writer, &prefix(store), &tell).await?;
    for note in dumped.notes.into_iter().chain(server.note()) {
        reporter.report(Event::Note(note));
    }
    let attributes =
        BTreeMap::from([("source".to_owned(), json!(server.name())), ("masked".to_owned(), json!(false))]);
    let created = blocking(move || Ok(writer.finish(attributes)?)).await?;
    let entries: u64 = dumped.databases.values().sum();
    let what = format!(
        "{}: {entries} entries of {}, {} kept in {} new",
        created.manifest.name,
        counted(dumped.databases.len(), "database"),
        sized(created.manifest.size()),
        sized(created.added.bytes)
    );
    reporter.report(Event::Done { step: "snapshot".into(), what, took: started.elapsed() });
    Ok((created, dumped.databases))
}

/// Puts a store's data back as a snapshot has it. Gives how many entries there are.
pub async fn load(
    session: &Session,
    existing: &Existing,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
) -> Result<u64, OperationError> {
    let reporter = &session.reporter;
    reporter.report(Event::Started {
        step: "data".into(),
        what: format!("snapshot {} into {store}", manifest.name),
    });
    let server = stores::redis(existing, store).await?;
    let tell = |progress: Progress<'_>| tell(reporter, "data", progress);
    let report = redis::restore(&server, catalogue, manifest, &prefix(store), &tell).await?;
    let expired = match report.expired {
        0 => String::new(),
        expired => format!("; {expired} had expired"),
    };
    let way = if report.way == Way::Swap { "" } else { "; the old data was deleted first" };
    let what = format!("{store}: {} entries as {} has them{expired}{way}", report.entries, manifest.name);
    reporter.report(Event::Done { step: "data".into(), what, took: report.took });
    Ok(report.entries)
}

fn tell(reporter: &SharedReporter, step: &str, progress: Progress<'_>) {
    let (done, total, what) = match progress {
        Progress::Entries { done, total } => (done, total, "entries"),
        Progress::Step(what) => (0, 0, what),
        Progress::Warning(text) => return reporter.report(Event::Warning(text.to_owned())),
    };
    reporter.report(Event::Progress { step: step.into(), done, total, what: what.to_owned() });
}
