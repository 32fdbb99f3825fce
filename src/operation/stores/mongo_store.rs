//! What is done with a MongoDB, and what speaks its protocol: seeds, snapshots, resets.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::masking;
use super::meter::Meter;
use super::outcome::{Held, Part, Reset, Seeded, Taken, Words};
use crate::data::discover::Store;
use crate::data::generate::Generator;
use crate::data::mongo::{self, DumpOptions, Masking, Server, Shapes};
use crate::data::progress::Progress;
use crate::data::snapshot::{Catalogue, Manifest};
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::snapshots::create::{Taking, finish};
use crate::operation::snapshots::load::{own_or_only, say_cost};

/// What of documents is kept beside a seed.yaml: a new store has none to learn it from.
const SHAPES: &str = "shapes.json";

/// What a store's streams begin with.
pub fn prefix(store: &Store) -> String {
    format!("mongo/{}", store.name())
}

/// The shapes of a store's documents: those beside a seed.yaml, or as they are inferred from what it holds.
pub async fn shapes(server: &Server, seed: Option<&Path>) -> Result<Shapes, OperationError> {
    let Some(path) = seed.map(|path| path.with_file_name(SHAPES)).filter(|path| path.is_file()) else {
        return Ok(mongo::infer(server).await?);
    };
    let failed = |source| OperationError::Data { path: path.clone(), source };
    let text = std::fs::read(&path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

/// Writes shapes beside a seed.yaml.
pub fn keep_shapes(shapes: &Shapes, seed: &Path) -> Result<(), OperationError> {
    let path = seed.with_file_name(SHAPES);
    let failed = |source| OperationError::Data { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(shapes).map_err(|error| failed(error.into()))?;
    std::fs::write(&path, text).map_err(failed)
}

/// Takes a snapshot.
pub async fn create(session: &Session, server: &Server, taking: Taking<'_>) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let meter = Meter::new("snapshot", session.reporter.clone());
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let mask = if taking.masked {
        let policy = masking::policy(session)?.unwrap_or_default();
        let schema = mongo::paths(server, &policy, &tell).await?;
        let (classified, key) = masking::classified(session, &schema)?;
        Some(Arc::new(Masking::new(&schema, classified, key)?))
    } else {
        None
    };
    let rules = mask.as_ref().map(|mask| mask.rules());
    let tool = (server.flavour().to_string(), server.release().to_owned());
    let writer = taking.begin(session, tool).await?;
    let options = DumpOptions { prefix: taking.prefix.clone(), mask };
    let dumped = mongo::dump(server, &writer, &options, &tell).await?;
    let parts = dumped.collections.iter().map(|one| Part {
        bytes: Some(one.bytes),
        ..Part::counted(&format!("{}.{}", one.database, one.name), one.documents)
    });
    let source = [("source", json!(server.name())), ("oneMoment", json!(dumped.one_moment))];
    let taken = finish(session, writer, source, rules, Words::COLLECTIONS, parts.collect(), started).await?;
    for note in dumped.notes.into_iter().chain(server.note()) {
        session.reporter.report(Event::Note(note));
    }
    Ok(taken)
}

/// Puts a snapshot's data back.
pub async fn load(
    session: &Session,
    server: &Server,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
    keep: bool,
) -> Result<Held, OperationError> {
    let meter = Meter::new("data", session.reporter.clone());
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let prefix = snapshot_prefix(manifest, store)?;
    let report = mongo::restore(server, catalogue, manifest, &prefix, &tell).await?;
    if !report.dropped.is_empty() {
        let note = format!("not in {}, and gone: {}", manifest.name, report.dropped.join(", "));
        session.reporter.report(Event::Note(note));
    }
    if keep {
        mongo::keep_pristine(server, &tell).await?;
    }
    let parts = vec![Part::counted("documents", report.documents)];
    Ok(Held { words: Words::COLLECTIONS, parts, took: report.took })
}

/// What the streams of the one server that is meant begin with.
fn snapshot_prefix(manifest: &Manifest, store: &Store) -> Result<String, OperationError> {
    let starts = manifest
        .streams
        .iter()
        .filter_map(|stream| {
            let mut parts = stream.path.as_str().split('/');
            let kind = parts.next().filter(|kind| *kind == "mongo")?;
            Some(format!("{kind}/{}/{}", parts.next()?, parts.next()?))
        })
        .collect();
    own_or_only(manifest, store, &prefix(store), starts)
}

/// Loads synthetic documents.
pub async fn seed(
    session: &Session,
    server: &Server,
    shapes: &Shapes,
    generator: &Generator,
) -> Result<Seeded, OperationError> {
    let meter = Meter::new("data", session.reporter.clone());
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let report = mongo::load(server, shapes, generator, &tell).await?;
    let parts = report.collections.iter().map(|one| Part {
        name: one.collection.to_string(),
        rows: one.documents,
        bytes: Some(one.bytes),
        took: Some(one.took),
    });
    Ok(Seeded { words: Words::COLLECTIONS, parts: parts.collect(), emptied: Vec::new(), took: report.took })
}

/// Puts the data back as it was loaded last. Gives its bytes, too.
pub async fn reset(session: &Session, server: &Server) -> Result<(Reset, u64), OperationError> {
    let meter = Meter::new("reset", session.reporter.clone());
    let cost = mongo::reset_cost(server).await?;
    say_cost(session, cost.spare, cost.bytes, cost.copy);
    let report = mongo::reset(server, &|progress| meter.tell(progress)).await?;
    Ok((Reset { spare: report.spare, took: report.took }, cost.bytes))
}

/// Keeps what it holds now.
pub async fn keep(server: &Server) -> Result<(), OperationError> {
    mongo::keep_pristine(server, &|_| {}).await?;
    Ok(())
}
