//! Restores a server's databases from a snapshot, all or nothing: the whole snapshot is checked first, then its collections are
//! loaded beside those that are there, with their indexes, and put in their place. Killed before that, the old data is as it
//! was and the next restore clears what is left; killed while they change places, the next command goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bson::RawDocumentBuf;
use tokio::sync::mpsc;

use super::connect::Server;
use super::error::MongoError;
use super::exclusive::Exclusive;
use super::fill::Filling;
use super::namespaces::CollectionKind;
use super::place::{self, Beside, Cause, Move, Plan};
use super::streams::{Contents, Documents, Kept, collection_path, contents_path};
use crate::data::progress::{OnProgress, Progress};
use crate::data::snapshot::{Catalogue, Manifest};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// Collections that are there, views among them.
    pub collections: u64,
    /// Documents that are there.
    pub documents: u64,
    /// Collections that the snapshot does not have, and are gone: `shop.drafts`.
    pub dropped: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// Puts a snapshot's databases in the place of the server's, or that of the one that is meant. Other databases stay, unless the
/// snapshot is of all.
pub async fn restore(
    server: &Server,
    catalogue: &Catalogue,
    manifest: &Manifest,
    prefix: &str,
    on_progress: OnProgress<'_>,
) -> Result<RestoreReport, MongoError> {
    let started = Instant::now();
    let source =
        Source { catalogue: catalogue.clone(), manifest: manifest.clone(), prefix: prefix.to_owned() };
    on_progress(Progress::Step("checking the snapshot"));
    let (check, only) = (source.clone(), server.database().map(str::to_owned));
    let checked = tokio::task::spawn_blocking(move || check.check(only.as_deref())).await;
    let contents = checked.map_err(|_| MongoError::Stopped("checking the snapshot"))??;
    let lock = Exclusive::take(server).await?;
    let job = Job { server, source: &source, contents: &contents, on_progress };
    let restored = job.run(&lock).await;
    lock.release().await;
    let (documents, dropped) = restored?;
    let collections = contents.databases.values().map(|collections| collections.len() as u64).sum();
    Ok(RestoreReport { collections, documents, dropped, took: started.elapsed() })
}

/// A server's streams in a snapshot.
#[derive(Clone)]
struct Source {
    catalogue: Catalogue,
    manifest: Manifest,
    prefix: String,
}

impl Source {
    fn damaged(&self, reason: impl Into<String>) -> MongoError {
        MongoError::Damaged { stream: format!("{}/mongo.bson", self.prefix), reason: reason.into() }
    }

    fn documents(&self, database: &str, name: &str) -> Result<Documents, MongoError> {
        let path = collection_path(&self.prefix, database, name)?;
        Ok(Documents::new(self.catalogue.read(&self.manifest, &path)?, path.to_string()))
    }

    /// Reads every byte; gives what there is, of one database where only that is meant.
    fn check(&self, only: Option<&str>) -> Result<Contents, MongoError> {
        let path = contents_path(&self.prefix)?;
        if self.manifest.stream(&path).is_none() {
            return Err(self.damaged("there is none, so no MongoDB data was dumped under this name"));
        }
        let mut contents = Contents::read(self.catalogue.read(&self.manifest, &path)?, &path)?;
        if let Some(only) = only {
            contents.databases.retain(|database, _| database == only);
            contents.whole = false;
            if contents.databases.is_empty() {
                return Err(self.damaged(format!("it has no database `{only}`")));
            }
        }
        for (database, collections) in &contents.databases {
            for (name, kept) in collections {
                if kept.definition.kind == CollectionKind::View {
                    continue;
                }
                let mut documents = self.documents(database, name)?;
                let mut found = 0;
                while documents.next()?.is_some() {
                    found += 1;
                }
                let expected = kept.documents;
                if found != expected {
                    let reason =
                        format!("`{database}.{name}` has {found} documents and should have {expected}");
                    return Err(self.damaged(reason));
                }
            }
        }
        Ok(contents)
    }
}

/// A restore under way.
struct Job<'j> {
    server: &'j Server,
    source: &'j Source,
    contents: &'j Contents,
    on_progress: OnProgress<'j>,
}

impl Job<'_> {
    /// Gives how many documents there are, and which collections are gone.
    async fn run(&self, lock: &Exclusive) -> Result<(u64, Vec<String>), MongoError> {
        place::recover(self.server, lock).await?;
        for database in self.server.databases().await? {
            Beside::Loading.clear(self.server, &database).await?;
        }
        let loaded = self.load().await;
        if loaded.is_err() {
            self.give_up().await;
        }
        let documents = loaded?;
        (self.on_progress)(Progress::Step("putting the collections in their place"));
        let (plans, dropped) = self.plans().await?;
        place::change(self.server, lock, plans).await?;
        Ok((documents, dropped))
    }

    /// Loads every collection beside its place; gives how many documents there are.
    async fn load(&self) -> Result<u64, MongoError> {
        let mut documents = 0;
        for (database, collections) in &self.contents.databases {
            for (name, kept) in collections {
                if kept.definition.kind != CollectionKind::View {
                    documents += self.load_one(database, name, kept).await?;
                }
            }
        }
        Ok(documents)
    }

    async fn load_one(&self, database: &str, name: &str, kept: &Kept) -> Result<u64, MongoError> {
        let (_, beside) = Beside::Loading.of(database, name);
        kept.definition.create(self.server, database, &beside, true).await?;
        let source = self.source.clone();
        let (in_database, of_name) = (database.to_owned(), name.to_owned());
        let (to, mut read) = mpsc::channel(256);
        let reading = tokio::task::spawn_blocking(move || {
            let mut documents = source.documents(&in_database, &of_name)?;
            while let Some(bytes) = documents.next()? {
                let document =
                    RawDocumentBuf::from_bytes(bytes).map_err(|error| source.damaged(error.to_string()))?;
                if to.blocking_send(document).is_err() {
                    return Ok(());
                }
            }
            Ok::<_, MongoError>(())
        });
        let mut filling = Filling::new(self.server, database, &beside);
        let full = format!("{database}.{name}");
        let mut told = 0;
        while let Some(document) = read.recv().await {
            filling.add(document).await?;
            if filling.documents > told {
                told = filling.documents;
                let total = kept.documents;
                (self.on_progress)(Progress::Part { name: &full, done: told, total });
            }
        }
        reading.await.map_err(|_| MongoError::Stopped("reading the snapshot"))??;
        filling.send().await?;
        let found = self.server.count(database, &beside).await?;
        // A capped collection keeps what has room.
        if found != filling.documents && !kept.definition.is_capped() {
            return Err(MongoError::DocumentsLost { collection: full, found, given: filling.documents });
        }
        if kept.definition.kind != CollectionKind::TimeSeries {
            kept.definition.create_indexes(self.server, database, &beside).await?;
        }
        Ok(filling.documents)
    }

    /// What changes in each database, and which collections are gone by that.
    async fn plans(&self) -> Result<(Vec<(String, Plan)>, Vec<String>), MongoError> {
        let there = self.server.collections().await?;
        let mut databases: BTreeSet<&String> = self.contents.databases.keys().collect();
        if self.contents.whole {
            databases.extend(there.keys());
        }
        let (mut plans, mut dropped) = (Vec::new(), Vec::new());
        let none = BTreeMap::new();
        for database in databases {
            let new = self.contents.databases.get(database).unwrap_or(&none);
            let moves = new.iter().map(|(name, kept)| {
                let from = (kept.definition.kind != CollectionKind::View)
                    .then(|| Beside::Loading.of(database, name).1);
                Move { to: name.clone(), from, definition: kept.definition.clone() }
            });
            let old = there.get(database).into_iter().flatten().map(|collection| &collection.name);
            let drops: Vec<String> = old.filter(|name| !new.contains_key(*name)).cloned().collect();
            dropped.extend(drops.iter().map(|name| format!("{database}.{name}")));
            plans.push((database.clone(), Plan { moves: moves.collect(), drops, cause: Cause::Loaded }));
        }
        Ok((plans, dropped))
    }

    /// Clears what was loaded, as far as the server can be reached; else the next restore does.
    async fn give_up(&self) {
        for database in self.contents.databases.keys() {
            drop(Beside::Loading.clear(self.server, database).await);
        }
    }
}
