//! Instant reset: copies of a database's collections stand ready in hidden ones, and take their place by being renamed. All
//! there is to remember is in the server, so that any process can go on.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::connect::Server;
use super::definition::Definition;
use super::error::MongoError;
use super::exclusive::Exclusive;
use super::fill;
use super::namespaces::CollectionKind;
use super::place::{self, Beside, Cause, Move, Plan};
use super::state::{Remembered, resettable};
use crate::data::pristine::{CopyCost, ResetCost};
use crate::data::progress::{OnProgress, Progress};

/// What a reset did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetReport {
    /// Whether spare copies stood ready.
    pub spare: bool,
    /// Collections that were put back.
    pub collections: u64,
    /// The time it took.
    pub took: Duration,
}

/// A set of copies that is whole, as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Copies {
    collections: Vec<(String, Definition)>,
    bytes: u64,
    milliseconds: u64,
}

/// Keeps the databases, or the one that is meant, as they are now as what they are reset to. Nobody should write meanwhile:
/// each collection is kept as it is when it is read.
pub async fn keep_pristine(server: &Server, on_progress: OnProgress<'_>) -> Result<CopyCost, MongoError> {
    let lock = Exclusive::take(server).await?;
    let kept = keep(server, &lock, on_progress).await;
    lock.release().await;
    kept
}

async fn keep(
    server: &Server,
    lock: &Exclusive,
    on_progress: OnProgress<'_>,
) -> Result<CopyCost, MongoError> {
    let started = Instant::now();
    place::recover(server, lock).await?;
    let mut bytes = 0_u64;
    let found = server.collections().await?;
    let mut databases = server.databases().await?;
    // What is kept of a database that is not there any more.
    databases.extend(
        resettable(server)
            .await?
            .into_iter()
            .filter(|kept| server.database().is_none_or(|only| only == kept)),
    );
    databases.sort_unstable();
    databases.dedup();
    for database in databases {
        forget(server, &database).await?;
        let Some(collections) = found.get(&database) else { continue };
        let mut standing = Vec::new();
        for collection in collections {
            let definition = Definition::read(server, &database, collection).await?;
            standing.push((collection.name.clone(), definition));
        }
        let copies = copy(server, &database, standing, (None, Beside::Pristine), on_progress).await?;
        bytes = bytes.saturating_add(copies.bytes);
        Remembered::Pristine.keep(server, &database, &copies).await?;
    }
    Ok(CopyCost { bytes, took: started.elapsed() })
}

/// Forgets what a database is reset to.
async fn forget(server: &Server, database: &str) -> Result<(), MongoError> {
    for (remembered, beside) in [(Remembered::Spare, Beside::Spare), (Remembered::Pristine, Beside::Pristine)]
    {
        remembered.forget(server, database).await?;
        beside.clear(server, database).await?;
    }
    Ok(())
}

/// Makes the next spare copies where none stand ready; gives what they took.
pub async fn prepare_spare(
    server: &Server,
    on_progress: OnProgress<'_>,
) -> Result<Option<CopyCost>, MongoError> {
    let lock = Exclusive::take(server).await?;
    let prepared = prepare(server, &lock, on_progress).await;
    lock.release().await;
    prepared
}

async fn prepare(
    server: &Server,
    lock: &Exclusive,
    on_progress: OnProgress<'_>,
) -> Result<Option<CopyCost>, MongoError> {
    place::recover(server, lock).await?;
    make_spare(server, on_progress).await
}

async fn make_spare(server: &Server, on_progress: OnProgress<'_>) -> Result<Option<CopyCost>, MongoError> {
    let started = Instant::now();
    let mut bytes = None;
    for (database, pristine) in pristine(server).await? {
        if is_ready(server, &database, &pristine).await? {
            continue;
        }
        Remembered::Spare.forget(server, &database).await?;
        // What an interrupted command has left is not whole.
        Beside::Spare.clear(server, &database).await?;
        let way = (Some(Beside::Pristine), Beside::Spare);
        let copies = copy(server, &database, pristine.collections, way, on_progress).await?;
        Remembered::Spare.keep(server, &database, &copies).await?;
        bytes = Some(bytes.unwrap_or(0_u64).saturating_add(copies.bytes));
    }
    Ok(bytes.map(|bytes| CopyCost { bytes, took: started.elapsed() }))
}

/// Whether all spare copies of a database are there: an application that drops every collection it sees drops them, too.
async fn is_ready(server: &Server, database: &str, pristine: &Copies) -> Result<bool, MongoError> {
    let Some(spare) = Remembered::Spare.recall::<Copies>(server, database).await? else { return Ok(false) };
    let found = server.all_collections(database).await?;
    let is_there = |(name, definition): &(String, Definition)| {
        let (_, beside) = Beside::Spare.of(database, name);
        definition.kind == CollectionKind::View || found.iter().any(|collection| collection.name == beside)
    };
    Ok(spare.collections == pristine.collections && pristine.collections.iter().all(is_there))
}

/// What is kept of each database.
async fn pristine(server: &Server) -> Result<Vec<(String, Copies)>, MongoError> {
    let mut kept = Vec::new();
    for database in resettable(server).await? {
        if server.database().is_some_and(|only| only != database) {
            continue;
        }
        if let Some(copies) = Remembered::Pristine.recall::<Copies>(server, &database).await? {
            kept.push((database, copies));
        }
    }
    if kept.is_empty() {
        let what = server.database().unwrap_or(server.name()).to_owned();
        return Err(MongoError::NoPristine(what));
    }
    Ok(kept)
}

/// What a reset would take now.
pub async fn reset_cost(server: &Server) -> Result<ResetCost, MongoError> {
    let mut cost = ResetCost { spare: true, bytes: 0, copy: None };
    let mut copy = Duration::ZERO;
    for (database, pristine) in pristine(server).await? {
        cost.spare &= is_ready(server, &database, &pristine).await?;
        let spare = Remembered::Spare.recall::<Copies>(server, &database).await?;
        cost.bytes = cost.bytes.saturating_add(pristine.bytes);
        copy += Duration::from_millis(spare.unwrap_or(pristine).milliseconds);
    }
    Ok(ResetCost { copy: Some(copy), ..cost })
}

/// Puts the data set back. Collections that it does not have are dropped; databases that nothing is kept of stay as they are.
/// [`prepare_spare`] makes the next reset as quick.
pub async fn reset(server: &Server, on_progress: OnProgress<'_>) -> Result<ResetReport, MongoError> {
    let lock = Exclusive::take(server).await?;
    let done = put_back(server, &lock, on_progress).await;
    lock.release().await;
    done
}

async fn put_back(
    server: &Server,
    lock: &Exclusive,
    on_progress: OnProgress<'_>,
) -> Result<ResetReport, MongoError> {
    let started = Instant::now();
    place::recover(server, lock).await?;
    let spare = make_spare(server, on_progress).await?.is_none();
    let there = server.collections().await?;
    let (mut plans, mut count) = (Vec::new(), 0);
    for (database, Copies { collections, .. }) in pristine(server).await? {
        count += collections.len() as u64;
        let old = there.get(&database).into_iter().flatten().map(|collection| &collection.name);
        let drops = old.filter(|old| !collections.iter().any(|(name, _)| name == *old)).cloned().collect();
        let moves = collections.into_iter().map(|(to, definition)| {
            let from = (definition.kind != CollectionKind::View).then(|| Beside::Spare.of(&database, &to).1);
            Move { to, from, definition }
        });
        let plan = Plan { moves: moves.collect(), drops, cause: Cause::Reset };
        plans.push((database, plan));
    }
    place::change(server, lock, plans).await?;
    Ok(ResetReport { spare, collections: count, took: started.elapsed() })
}

/// Copies collections, from those beside where it says so.
async fn copy(
    server: &Server,
    database: &str,
    collections: Vec<(String, Definition)>,
    (from, to): (Option<Beside>, Beside),
    on_progress: OnProgress<'_>,
) -> Result<Copies, MongoError> {
    let started = Instant::now();
    let mut bytes = 0_u64;
    for (name, definition) in &collections {
        if definition.kind == CollectionKind::View {
            continue;
        }
        let (home, original) =
            from.map_or_else(|| (database.to_owned(), name.clone()), |from| from.of(database, name));
        let (new_home, beside) = to.of(database, name);
        let full = format!("{database}.{name}");
        let total = server.count(&home, &original).await?;
        definition.create(server, &new_home, &beside, true).await?;
        let on_done = |done: u64| {
            on_progress(Progress::Part { name: &full, done, total: total.max(done) });
        };
        bytes += fill::copy(server, (&home, &original), (&new_home, &beside), definition, on_done).await?.1;
        if to == Beside::Spare && definition.kind == CollectionKind::Collection {
            definition.create_indexes(server, &new_home, &beside).await?;
        }
    }
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Copies { collections, bytes, milliseconds })
}
