//! Restores a server's data from a snapshot, all or nothing as far as the server can: the whole snapshot is checked first; then
//! spare databases are filled, which change places with the old ones in one transaction. Killed before that, the old data is
//! as it was, and the next restore clears what is left. A server without spare databases is emptied first; that is said before.
//!
//! Known by the server alone: one that evicts any key (`allkeys-*`) may evict old ones while there is no room for both, and the
//! key that marks a spare database; the restore then fails, and clears the spare database itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::connect::Server;
use super::error::RedisError;
use super::load::{Entries, Loaded, load};
use super::payload;
use super::progress::{OnProgress, Progress};
use super::spare::{MARKER, choose, cleared, clock, databases, evicted, keyspace, mark};
use super::streams::{Contents, FORMAT, contents_path, database_path, functions_path, unread};
use super::wire::{Link, Reply};
use crate::data::snapshot::{Catalogue, Manifest, StreamPath};

/// How the new data takes the place of the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In one transaction, after spare databases were filled.
    Swap,
    /// The old data was deleted first, for there was no spare database.
    Overwrite,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// How it took the place of the old data.
    pub way: Way,
    /// Entries that are there.
    pub entries: u64,
    /// Entries that had expired, and are not.
    pub expired: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// The time it took.
    pub took: Duration,
}

/// Puts a snapshot's data in the place of all of a server's data.
pub async fn restore(
    server: &Server,
    catalogue: &Catalogue,
    manifest: &Manifest,
    prefix: &str,
    on_progress: OnProgress<'_>,
) -> Result<RestoreReport, RedisError> {
    let started = Instant::now();
    let source =
        Source { catalogue: catalogue.clone(), manifest: manifest.clone(), prefix: prefix.to_owned() };
    on_progress(Progress::Step("checking the snapshot"));
    let check = source.clone();
    let checked = tokio::task::spawn_blocking(move || check.check()).await;
    let (contents, functions) = checked.map_err(|_| RedisError::Stopped("checking the snapshot"))??;
    let mut link = server.link().await?;
    let filled = cleared(server, &mut link).await?;
    let count = databases(server, &mut link).await?;
    let wanted: BTreeSet<u32> = contents.databases.keys().copied().collect();
    source.fits(server, &contents, count)?;
    let chosen = choose(count, &filled, &wanted);
    let marked = mark(server, &mut link).await?;
    let job = Job { server, source: &source, contents: &contents, functions, marked, on_progress };
    let (way, loaded) = match chosen {
        Some(spare) => {
            job.claim(&mut link, &spare).await?;
            let done = job.swap(&mut link, &spare).await;
            if done.is_err() {
                drop(link);
                job.give_up(spare.values()).await;
            }
            (Way::Swap, done?)
        }
        None => (Way::Overwrite, job.overwrite(&mut link).await?),
    };
    let Loaded { sent: entries, expired, .. } = loaded;
    Ok(RestoreReport { way, entries, expired, functions: contents.functions, took: started.elapsed() })
}

/// A server's streams in a snapshot.
#[derive(Clone)]
struct Source {
    catalogue: Catalogue,
    manifest: Manifest,
    prefix: String,
}

impl Source {
    fn damaged(&self, reason: impl Into<String>) -> RedisError {
        RedisError::Damaged { stream: format!("{}/redis.json", self.prefix), reason: reason.into() }
    }

    /// That the server has a place for all there is.
    fn fits(&self, server: &Server, contents: &Contents, count: u32) -> Result<(), RedisError> {
        if let Some(missing) = contents.databases.keys().find(|database| **database >= count) {
            let reason =
                format!("it has database {missing}, {} has {count}; raise `databases` there", server.name());
            return Err(self.damaged(reason));
        }
        if contents.functions > 0 && !server.has_functions() {
            let (flavour, release) = (server.flavour(), server.release());
            return Err(self.damaged(format!("it has functions, which {flavour} {release} has not")));
        }
        Ok(())
    }

    fn entries(&self, path: &StreamPath) -> Result<Entries, RedisError> {
        Ok(Entries::new(self.catalogue.read(&self.manifest, path)?, path.to_string()))
    }

    /// Reads every byte; gives what there is, and a payload of all functions.
    fn check(&self) -> Result<(Contents, Vec<u8>), RedisError> {
        let path = contents_path(&self.prefix)?;
        if self.manifest.stream(&path).is_none() {
            return Err(self.damaged("there is none, so no Redis data was dumped under this name"));
        }
        let mut text = Vec::new();
        let reader = self.catalogue.read(&self.manifest, &path)?;
        let read = std::io::Read::read_to_end(&mut std::io::Read::take(reader, 1 << 20), &mut text);
        read.map_err(|error| unread(path.as_str(), error))?;
        let contents: Contents =
            serde_json::from_slice(&text).map_err(|error| self.damaged(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(self.damaged(format!("it has format {}; update devcluster", contents.format)));
        }
        for (database, expected) in &contents.databases {
            let entries = self.entries(&database_path(&self.prefix, *database)?)?;
            let found = entries.check()?;
            if found != *expected {
                return Err(self
                    .damaged(format!("database {database} has {found} entries and should have {expected}")));
            }
        }
        let mut functions = Vec::new();
        if contents.functions > 0 {
            let mut entries = self.entries(&functions_path(&self.prefix)?)?;
            while let Some(entry) = entries.next()? {
                functions.extend_from_slice(&entry.value);
            }
            let end = payload::trailer(&functions, contents.rdb_version);
            functions.extend_from_slice(&end);
        }
        Ok((contents, functions))
    }
}

/// A restore under way.
struct Job<'j> {
    server: &'j Server,
    source: &'j Source,
    contents: &'j Contents,
    functions: Vec<u8>,
    /// What marks databases as being filled by this.
    marked: String,
    on_progress: OnProgress<'j>,
}

impl Job<'_> {
    /// Marks spare databases as being filled: one that another restore has marked since then stops this.
    async fn claim(&self, link: &mut Link, spare: &BTreeMap<u32, u32>) -> Result<(), RedisError> {
        for database in spare.values() {
            link.select(*database).await?;
            let words: [&[u8]; 4] = [b"SET", MARKER, self.marked.as_bytes(), b"NX"];
            if link.ask("marking a spare database", &words).await? == Reply::Null {
                return Err(RedisError::Busy { store: self.server.name().to_owned(), database: *database });
            }
        }
        Ok(())
    }

    async fn swap(&self, link: &mut Link, spare: &BTreeMap<u32, u32>) -> Result<Loaded, RedisError> {
        let evicted_before = evicted(link).await?;
        let mut all = Loaded::default();
        for (database, spare) in spare {
            link.select(*spare).await?;
            self.readable(link).await?;
            let loaded = self.fill(link, *database, all).await?;
            let kept = match link.ask("counting the entries", &[b"DBSIZE"]).await? {
                Reply::Integer(count) => u64::try_from(count).unwrap_or(0).saturating_sub(1),
                _ => 0,
            };
            if kept < loaded.lasting || evicted(link).await? != evicted_before {
                return Err(RedisError::EntriesLost { database: *spare, kept, given: loaded.lasting });
            }
            all = Loaded { sent: all.sent + loaded.sent, expired: all.expired + loaded.expired, ..all };
        }
        self.restore_functions(link).await?;
        self.change_places(link, spare).await?;
        Ok(all)
    }

    /// In one transaction, the last step.
    async fn change_places(&self, link: &mut Link, spare: &BTreeMap<u32, u32>) -> Result<(), RedisError> {
        let task = "putting the new data in its place";
        let mut emptied: BTreeSet<u32> = keyspace(link).await?.into_keys().collect();
        emptied.retain(|database| {
            !spare.contains_key(database) && !spare.values().any(|spare| spare == database)
        });
        let mut queue: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut add = |words: &[&[u8]]| queue.push(words.iter().map(|word| word.to_vec()).collect());
        for (database, spare) in spare {
            let (database, spare) = (database.to_string(), spare.to_string());
            add(&[b"SELECT", spare.as_bytes()]);
            add(&[b"DEL", MARKER]);
            add(&[b"SWAPDB", database.as_bytes(), spare.as_bytes()]);
            add(&[b"FLUSHDB", b"ASYNC"]);
        }
        for database in emptied {
            add(&[b"SELECT", database.to_string().as_bytes()]);
            add(&[b"FLUSHDB", b"ASYNC"]);
        }
        link.ask(task, &[b"MULTI"]).await?;
        for words in &queue {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            link.ask(task, &words).await?;
        }
        let Reply::Array(replies) = link.ask(task, &[b"EXEC"]).await? else {
            return Err(RedisError::protocol(task, "the transaction was not run"));
        };
        let fault = replies.into_iter().find_map(|reply| match reply {
            Reply::Fault(said) => Some(said),
            _ => None,
        });
        fault.map_or(Ok(()), |said| Err(RedisError::Server { task: task.to_owned(), said }))
    }

    async fn overwrite(&self, link: &mut Link) -> Result<Loaded, RedisError> {
        let warning = format!(
            "{} has no database to spare: its data is deleted before the snapshot is loaded, and if that is interrupted, it is gone",
            self.server.name()
        );
        link.select(0).await?;
        link.ask("trying the server", &[b"SET", MARKER, self.marked.as_bytes()]).await?;
        if let Err(error) = self.readable(link).await {
            link.ask("trying the server", &[b"DEL", MARKER]).await?;
            return Err(error);
        }
        (self.on_progress)(Progress::Warning(&warning));
        let half = |error: RedisError| RedisError::HalfLoaded(Box::new(error));
        link.ask("emptying the server", &[b"FLUSHALL"]).await?;
        self.refill(link).await.map_err(half)
    }

    async fn refill(&self, link: &mut Link) -> Result<Loaded, RedisError> {
        let mut all = Loaded::default();
        self.restore_functions(link).await?;
        for database in self.contents.databases.keys() {
            link.select(*database).await?;
            let loaded = self.fill(link, *database, all).await?;
            all = Loaded { sent: all.sent + loaded.sent, expired: all.expired + loaded.expired, ..all };
        }
        Ok(all)
    }

    /// That the server reads values of the snapshot's version: it tells by how it writes the marker's.
    async fn readable(&self, link: &mut Link) -> Result<(), RedisError> {
        let task = "learning which values the server reads";
        let (found, store) = (self.contents.rdb_version, self.server.name().to_owned());
        let Reply::Bulk(dumped) = link.ask(task, &[b"DUMP", MARKER]).await? else {
            return Err(RedisError::protocol(task, "the marker is gone"));
        };
        let (_, known) = payload::open(&dumped)
            .ok_or_else(|| RedisError::protocol(task, "a payload's checksum is wrong"))?;
        if found > known { Err(RedisError::TooNew { store, found, known }) } else { Ok(()) }
    }

    async fn fill(&self, link: &mut Link, database: u32, before: Loaded) -> Result<Loaded, RedisError> {
        let now = clock(&link.ask("reading the clock", &[b"TIME"]).await?)?;
        let source = self.source.clone();
        let path = database_path(&source.prefix, database)?;
        let opened = tokio::task::spawn_blocking(move || source.entries(&path)).await;
        let entries = opened.map_err(|_| RedisError::Stopped("reading the snapshot"))??;
        let total = self.contents.entries();
        let on_done =
            |done| (self.on_progress)(Progress::Entries { done: before.sent + before.expired + done, total });
        load(link, entries, (self.contents.rdb_version, now), on_done).await
    }

    /// Puts the snapshot's functions in the place of all others, all or none.
    async fn restore_functions(&self, link: &mut Link) -> Result<(), RedisError> {
        let task = "restoring functions";
        if !self.functions.is_empty() {
            link.ask(task, &[b"FUNCTION", b"RESTORE", &self.functions, b"FLUSH"]).await?;
        } else if self.server.has_functions() {
            link.ask(task, &[b"FUNCTION", b"FLUSH"]).await?;
        }
        Ok(())
    }

    /// Clears the databases that this was filling, as far as the server can be reached; else the next restore does. The mark
    /// may be gone: a server that evicts keys takes any.
    async fn give_up(&self, spare: impl Iterator<Item = &u32>) {
        let Ok(mut link) = self.server.link().await else { return };
        for database in spare {
            if link.select(*database).await.is_ok() {
                drop(link.reply("clearing a spare database", &[b"FLUSHDB", b"ASYNC"]).await);
            }
        }
    }
}
