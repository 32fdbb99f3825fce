//! Loads generated rows as documents, all or nothing: into collections beside those that are there, which they then replace.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::connect::Server;
use super::definition::Definition;
use super::error::MongoError;
use super::exclusive::Exclusive;
use super::fill::Filling;
use super::namespaces::{Collection, CollectionKind};
use super::place::{self, Beside, Cause, Move, Plan};
use super::rows;
use super::shapes::Shapes;
use crate::data::generate::{Format, Generator, TablePlan};
use crate::data::progress::{OnProgress, Progress};
use crate::data::schema::TableName;

/// Rows that are made at once.
const SLICE: u64 = 1000;

/// What was loaded.
#[derive(Debug)]
pub struct LoadReport {
    /// Collections that got documents, in the order in which they were loaded.
    pub collections: Vec<LoadedCollection>,
    /// The time it took.
    pub took: Duration,
}

/// A collection that got documents.
#[derive(Debug)]
pub struct LoadedCollection {
    /// The collection; its schema is the database.
    pub collection: TableName,
    /// Its documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The time it took.
    pub took: Duration,
}

/// Replaces the documents of all collections that the generator has rows for; options and indexes stay, and so do other
/// collections. The same seed gives the same documents.
pub async fn load(
    server: &Server,
    shapes: &Shapes,
    generator: &Generator,
    on_progress: OnProgress<'_>,
) -> Result<LoadReport, MongoError> {
    let started = Instant::now();
    let lock = Exclusive::take(server).await?;
    let loaded = replace(server, shapes, generator, &lock, on_progress).await;
    lock.release().await;
    Ok(LoadReport { collections: loaded?, took: started.elapsed() })
}

async fn replace(
    server: &Server,
    shapes: &Shapes,
    generator: &Generator,
    lock: &Exclusive,
    on_progress: OnProgress<'_>,
) -> Result<Vec<LoadedCollection>, MongoError> {
    place::recover(server, lock).await?;
    let loaded = fill_all(server, shapes, generator, on_progress).await;
    if loaded.is_err() {
        for plan in generator.tables() {
            drop(Beside::Loading.clear(server, &plan.table.schema).await);
        }
    }
    let (collections, plans) = loaded?;
    on_progress(Progress::Step("putting the collections in their place"));
    place::change(server, lock, plans).await?;
    Ok(collections)
}

type Loaded = (Vec<LoadedCollection>, Vec<(String, Plan)>);

async fn fill_all(
    server: &Server,
    shapes: &Shapes,
    generator: &Generator,
    on_progress: OnProgress<'_>,
) -> Result<Loaded, MongoError> {
    let mut collections = Vec::new();
    let mut plans: Vec<(String, Plan)> = Vec::new();
    for plan in generator.tables() {
        let TableName { schema: database, name } = &plan.table;
        if server.database().is_some_and(|only| only != database) {
            let text = format!(
                "{} has rows, but only database `{}` is meant",
                plan.table,
                server.database().unwrap_or("")
            );
            return Err(MongoError::Mismatch(text));
        }
        if !plans.iter().any(|(known, _)| known == database) {
            Beside::Loading.clear(server, database).await?;
            let changes = Plan { moves: Vec::new(), drops: Vec::new(), cause: Cause::Loaded };
            plans.push((database.clone(), changes));
        }
        let there = server.all_collections(database).await?.into_iter().find(|one| one.name == *name);
        let there = there.filter(|one| one.kind == CollectionKind::Collection);
        let fresh = || Collection {
            name: name.clone(),
            kind: CollectionKind::Collection,
            options: bson::Document::new(),
        };
        let definition = match there {
            Some(there) => Definition::read(server, database, &there).await?,
            None => {
                Definition { kind: CollectionKind::Collection, options: fresh().options, indexes: Vec::new() }
            }
        };
        collections.push(fill_one(server, shapes, generator, (plan, &definition), on_progress).await?);
        let from = Some(Beside::Loading.of(database, name).1);
        if let Some((_, changes)) = plans.iter_mut().find(|(known, _)| known == database) {
            changes.moves.push(Move { to: name.clone(), from, definition });
        }
    }
    Ok((collections, plans))
}

async fn fill_one(
    server: &Server,
    shapes: &Shapes,
    generator: &Generator,
    (plan, definition): (&TablePlan, &Definition),
    on_progress: OnProgress<'_>,
) -> Result<LoadedCollection, MongoError> {
    let started = Instant::now();
    let (table, total) = (plan.table.clone(), plan.rows);
    let (_, beside) = Beside::Loading.of(&table.schema, &table.name);
    let fields = shapes.fields(&table).map(<[_]>::to_vec).ok_or_else(|| {
        MongoError::Mismatch(format!("nothing is known of the documents of {table}; infer the schema again"))
    })?;
    definition.create(server, &table.schema, &beside, true).await?;
    let (to, mut slices) = mpsc::channel(2);
    let (of, generator) = (table.clone(), generator.clone());
    let making = tokio::task::spawn_blocking(move || {
        let mut start = 0;
        while start < total {
            let end = (start + SLICE).min(total);
            let mut lines = Vec::new();
            generator.write(&of, start..end, Format::JsonLines, &mut lines)?;
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let made: Result<Vec<_>, String> = lines.map(|line| rows::document(line, &fields)).collect();
            let made = made.map_err(|reason| MongoError::Mismatch(format!("{of}: {reason}")))?;
            if to.blocking_send(made).is_err() {
                break;
            }
            start = end;
        }
        Ok::<_, MongoError>(())
    });
    let mut filling = Filling::new(server, &table.schema, &beside);
    let full = table.to_string();
    while let Some(documents) = slices.recv().await {
        for document in documents {
            filling.add(document).await?;
        }
        on_progress(Progress::Part { name: &full, done: filling.documents, total });
    }
    making.await.map_err(|_| MongoError::Stopped("making rows"))??;
    filling.send().await?;
    definition.create_indexes(server, &table.schema, &beside).await?;
    let found = server.count(&table.schema, &beside).await?;
    if found != filling.documents && !definition.is_capped() {
        return Err(MongoError::DocumentsLost { collection: full, found, given: filling.documents });
    }
    let Filling { documents, bytes, .. } = filling;
    Ok(LoadedCollection { collection: table, documents, bytes, took: started.elapsed() })
}
