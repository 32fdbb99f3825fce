//! Puts collections that were made beside others in their place. A journal in each database says which, written before the
//! first is renamed: killed after it was written the next command goes on, killed before it nothing has changed. Where several
//! databases change, the journal of the last one that is written counts for all. An application sees collections change one
//! after another.

use bson::doc;
use serde::{Deserialize, Serialize};

use super::connect::Server;
use super::definition::Definition;
use super::error::MongoError;
use super::exclusive::Exclusive;
use super::fill;
use super::namespaces::{Collection, CollectionKind, HIDDEN, OURS};
use super::state::Remembered;

/// What a collection beside another is for. Its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// It is being filled; a leftover is worth nothing.
    Loading,
    /// What the collection is reset to.
    Pristine,
    /// A copy of that, ready to take the collection's place.
    Spare,
}

impl Beside {
    /// The database, and what the collections' names begin with.
    fn place(self, database: &str) -> (&str, String) {
        match self {
            Self::Loading => (database, format!("{HIDDEN}loading_")),
            Self::Pristine => (OURS, format!("{HIDDEN}pristine_{}_", hashed(database))),
            Self::Spare => (database, format!("{HIDDEN}spare_")),
        }
    }

    /// Database and name: `devcluster_loading_` and a hash of the collection's own, which may be as long as the server takes.
    /// Without a dot, for FerretDB renames no collection whose name has one.
    pub(super) fn of(self, database: &str, collection: &str) -> (String, String) {
        let (home, prefix) = self.place(database);
        (home.to_owned(), format!("{prefix}{}", hashed(collection)))
    }

    /// Drops all collections that are there for this of a database.
    pub(super) async fn clear(self, server: &Server, database: &str) -> Result<(), MongoError> {
        let (home, prefix) = self.place(database);
        for found in server.all_collections(home).await? {
            if found.name.starts_with(&prefix) {
                drop_collection(server, home, &found.name).await?;
            }
        }
        Ok(())
    }
}

fn hashed(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex().chars().take(32).collect()
}

/// A collection that is to stand in a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Move {
    /// The place.
    pub to: String,
    /// The collection beside it; none for a view.
    pub from: Option<String>,
    /// What it is.
    pub definition: Definition,
}

/// Why collections change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    /// New data: what was kept to reset to is of no use any more.
    Loaded,
    /// A reset: the spare copy is used up.
    Reset,
}

/// What is to change in a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub moves: Vec<Move>,
    /// Collections that are to be there no more.
    pub drops: Vec<String>,
    pub cause: Cause,
}

/// What a database remembers of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Journal {
    /// The run that wrote it.
    run: String,
    /// All databases that change with this one. The last one's journal is written last: with it all count.
    databases: Vec<String>,
    plan: Plan,
}

/// Changes databases, all or none.
pub(super) async fn change(
    server: &Server,
    lock: &Exclusive,
    plans: Vec<(String, Plan)>,
) -> Result<(), MongoError> {
    lock.check().await?;
    let databases: Vec<String> = plans.iter().map(|(database, _)| database.clone()).collect();
    let run = run_name();
    for (database, plan) in &plans {
        let journal = Journal { run: run.clone(), databases: databases.clone(), plan: plan.clone() };
        Remembered::Journal.keep(server, database, &journal).await?;
    }
    for (database, plan) in &plans {
        carry_out(server, database, plan).await?;
        Remembered::Journal.forget(server, database).await?;
    }
    Ok(())
}

/// Goes on where a command was interrupted while collections changed; takes back what did not count yet.
pub(super) async fn recover(server: &Server, _lock: &Exclusive) -> Result<(), MongoError> {
    for database in server.databases().await? {
        let Some(journal) = Remembered::Journal.recall::<Journal>(server, &database).await? else { continue };
        if !counts(server, &database, &journal).await? {
            Remembered::Journal.forget(server, &database).await?;
            continue;
        }
        for other in &journal.databases {
            let Some(found) = Remembered::Journal.recall::<Journal>(server, other).await? else { continue };
            if found.run == journal.run {
                carry_out(server, other, &found.plan).await?;
                Remembered::Journal.forget(server, other).await?;
            }
        }
    }
    Ok(())
}

/// As [`recover`], for commands that change nothing themselves: only where there is something to go on with.
pub(super) async fn settle(server: &Server) -> Result<(), MongoError> {
    let mut pending = false;
    for database in server.databases().await? {
        pending |= Remembered::Journal.recall::<Journal>(server, &database).await?.is_some();
    }
    if !pending {
        return Ok(());
    }
    let lock = Exclusive::take(server).await?;
    let recovered = recover(server, &lock).await;
    lock.release().await;
    recovered
}

/// Whether the last journal of a run was written. Journals are forgotten in the order in which they were written, so that it
/// is there until all is done.
async fn counts(server: &Server, database: &str, journal: &Journal) -> Result<bool, MongoError> {
    let Some(last) = journal.databases.last() else { return Ok(false) };
    if last == database {
        return Ok(true);
    }
    let found = Remembered::Journal.recall::<Journal>(server, last).await?;
    Ok(found.is_some_and(|found| found.run == journal.run))
}

/// Does what a journal says, or the rest of it.
async fn carry_out(server: &Server, database: &str, plan: &Plan) -> Result<(), MongoError> {
    let found = server.all_collections(database).await?;
    for one in &plan.moves {
        let there = found.iter().find(|collection| collection.name == one.to);
        match &one.from {
            None => put_view(server, database, one, there).await?,
            Some(from) if found.iter().any(|collection| collection.name == *from) => {
                put(server, database, from, one, there).await?;
            }
            Some(_) => {}
        }
    }
    for name in &plan.drops {
        drop_collection(server, database, name).await?;
    }
    if plan.cause == Cause::Loaded {
        Beside::Pristine.clear(server, database).await?;
        Beside::Spare.clear(server, database).await?;
        Remembered::Pristine.forget(server, database).await?;
    }
    Remembered::Spare.forget(server, database).await
}

async fn put_view(
    server: &Server,
    database: &str,
    one: &Move,
    there: Option<&Collection>,
) -> Result<(), MongoError> {
    if let Some(there) = there {
        if there.kind == CollectionKind::View && there.options == one.definition.options {
            return Ok(());
        }
        drop_collection(server, database, &one.to).await?;
    }
    one.definition.create(server, database, &one.to, false).await
}

async fn put(
    server: &Server,
    database: &str,
    from: &str,
    one: &Move,
    there: Option<&Collection>,
) -> Result<(), MongoError> {
    if one.definition.kind == CollectionKind::TimeSeries {
        return copy_into(server, database, from, one).await;
    }
    if there.is_some_and(|there| there.kind != CollectionKind::Collection) {
        drop_collection(server, database, &one.to).await?;
    }
    match rename(server, database, from, &one.to, true).await {
        Err(error) if error.is_not_implemented() => {}
        done => return done,
    }
    drop_collection(server, database, &one.to).await?;
    match rename(server, database, from, &one.to, false).await {
        Err(error) if error.is_invalid_namespace() => copy_into(server, database, from, one).await,
        done => done,
    }
}

/// Where the server does not rename: time series, and in FerretDB names with a dot. Begun again where it was interrupted.
async fn copy_into(server: &Server, database: &str, from: &str, one: &Move) -> Result<(), MongoError> {
    drop_collection(server, database, &one.to).await?;
    one.definition.create(server, database, &one.to, false).await?;
    fill::copy(server, (database, from), (database, &one.to), &one.definition, |_| {}).await?;
    one.definition.create_indexes(server, database, &one.to).await?;
    drop_collection(server, database, from).await
}

async fn rename(
    server: &Server,
    database: &str,
    from: &str,
    to: &str,
    replace: bool,
) -> Result<(), MongoError> {
    let full = |name: &str| format!("{database}.{name}");
    let mut command = doc! { "renameCollection": full(from), "to": full(to) };
    if replace {
        command.insert("dropTarget", true);
    }
    server.run("admin", command, format!("putting collection `{}` in its place", full(to))).await.map(drop)
}

/// Drops a collection, where it is there.
pub(super) async fn drop_collection(server: &Server, database: &str, name: &str) -> Result<(), MongoError> {
    let task = format!("dropping collection `{database}.{name}`");
    match server.run(database, doc! { "drop": name }, task).await {
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map(drop),
    }
}

/// What tells a run from all others.
fn run_name() -> String {
    bson::oid::ObjectId::new().to_hex()
}
