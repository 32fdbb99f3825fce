//! Snapshots of Redis stores: taken by the server's own fork, put back beside the old data.

use std::time::Instant;

use serde_json::json;

use super::create::{Taking, finish};
use super::load::own_or_only;
use crate::data::discover::Store;
use crate::data::redis::{self, Progress, Way};
use crate::data::snapshot::{Catalogue, Manifest};
use crate::event::{Event, SharedReporter};
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::stores;
use crate::operation::stores::outcome::{Part, Taken, Words};

/// What a store's streams begin with.
pub fn prefix(store: &Store) -> String {
    format!("redis/{}", store.name())
}

/// Takes a store's data into the project's catalogue.
pub async fn create(
    session: &Session,
    existing: &Existing,
    store: &Store,
    taking: Taking<'_>,
) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    let server = stores::redis(existing, store).await?;
    let tool = (server.flavour().to_string(), server.release().to_owned());
    let writer = taking.begin(session, tool).await?;
    let tell = |progress: Progress<'_>| tell(reporter, "snapshot", progress);
    let dumped = redis::dump(&server, &writer, &taking.prefix, &tell).await?;
    for note in dumped.notes.into_iter().chain(server.note()) {
        reporter.report(Event::Note(note));
    }
    let parts =
        dumped.databases.iter().map(|(database, entries)| Part::counted(database, *entries)).collect();
    let source = [("source", json!(server.name()))];
    finish(session, writer, source, None, Words::DATABASES, parts, started).await
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
    let server = stores::redis(existing, store).await?;
    let tell = |progress: Progress<'_>| tell(reporter, "data", progress);
    let report = redis::restore(&server, catalogue, manifest, &own_prefix(manifest, store), &tell).await?;
    if report.expired > 0 {
        reporter.report(Event::Note(format!("{} entries had expired", report.expired)));
    }
    if report.way != Way::Swap {
        reporter.report(Event::Note("the old data was deleted first".to_owned()));
    }
    Ok(report.entries)
}

/// What the streams of the one store that is meant begin with: its own, or those of the only one. Where neither is there, reading
/// the snapshot tells.
fn own_prefix(manifest: &Manifest, store: &Store) -> String {
    let starts = manifest.streams.iter().filter_map(|stream| {
        let mut parts = stream.path.as_str().splitn(4, '/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        (kind == "redis").then(|| format!("{kind}/{namespace}/{name}"))
    });
    let own = prefix(store);
    own_or_only(manifest, store, &own, starts.collect()).unwrap_or(own)
}

fn tell(reporter: &SharedReporter, step: &str, progress: Progress<'_>) {
    let (done, total, what) = match progress {
        Progress::Entries { done, total } => (done, total, "entries"),
        Progress::Step(what) => (0, 0, what),
        Progress::Warning(text) => return reporter.report(Event::Warning(text.to_owned())),
    };
    reporter.report(Event::Progress { step: step.into(), done, total, what: what.to_owned() });
}
