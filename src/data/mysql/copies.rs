//! Copies of a data set in databases beside the target, made by the server alone. The last table that a copy gets says that it
//! is whole, and what belongs to it that is no table.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::beside::{Beside, create, drop_database, has_table};
use super::columns::{Written, written};
use super::connect::{Server, Session};
use super::definitions::{Definition, Definitions, NEXT_VALUE, within};
use super::error::MysqlError;
use super::exclusive::Exclusive;
use super::load_data::QUICK;
use super::sql::{literal, name_list, quoted};
use crate::data::mask::lock as locked;
use crate::data::pristine::CopyCost;

/// The table that says that a copy is whole.
pub(super) const WHOLE: &str = "devcluster_whole";
/// Sessions that copy.
const SESSIONS: usize = 2;
/// Seconds that transactions of others are waited for.
const LONGEST_WAIT: u32 = 30;

/// What is known of a whole copy.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) cost: CopyCost,
    /// Views, routines, triggers and events that belong to it.
    pub(super) others: Vec<Definition>,
}

/// A copy to be made.
pub(super) struct Copy<'c> {
    pub(super) from: &'c str,
    pub(super) to: Beside,
    pub(super) others: Vec<Definition>,
    /// Whether others may write to it meanwhile: they wait then.
    pub(super) live: bool,
}

impl Copy<'_> {
    /// Makes it.
    pub(super) async fn make(self, server: &Server, lock: &mut Exclusive) -> Result<CopyCost, MysqlError> {
        let started = Instant::now();
        let to = self.to.name(server.database());
        drop_database(lock, &to).await?;
        create(lock, &to, server.database(), server.user()).await?;
        let mut guard = server.session_in(self.from).await?;
        let mut definitions = Definitions::read(&mut guard, server.flavour(), self.from).await?;
        definitions.tables.retain(|table| !is_own(&table.name));
        if self.live && !definitions.tables.is_empty() {
            let names: Vec<String> =
                definitions.tables.iter().map(|table| format!("{} READ", quoted(&table.name))).collect();
            let task = "waiting for transactions of others to end";
            guard.run(&format!("SET SESSION lock_wait_timeout = {LONGEST_WAIT}"), task).await?;
            guard.run(&format!("LOCK TABLES {}", names.join(", ")), task).await?;
        }
        let mut sessions = try_join_all((0..SESSIONS).map(async |_| server.session_in(&to).await)).await?;
        if let Some(first) = sessions.first_mut() {
            make_tables(first, &definitions, server.database()).await?;
        }
        let columns = written(lock, self.from).await?;
        rows(&mut sessions, self.from, &definitions, &columns).await?;
        drop(guard);
        let cost = CopyCost { bytes: bytes(lock, &to).await, took: started.elapsed() };
        remember(lock, &to, &Whole { cost, others: self.others }).await?;
        Ok(cost)
    }
}

/// Whether a table is one of ours, not the data set's.
pub(super) fn is_own(table: &str) -> bool {
    table == WHOLE || table.starts_with("devcluster_undo") || table.starts_with("devcluster_redo")
}

/// Makes tables and sequences in the session's database, empty, which are to be the target's.
pub(super) async fn make_tables(
    session: &mut Session,
    definitions: &Definitions,
    target: &str,
) -> Result<(), MysqlError> {
    session.run(QUICK, "setting up a session").await?;
    for sequence in &definitions.sequences {
        let (name, task) = (&sequence.name, format!("making sequence `{}`", sequence.name));
        session.run(&sequence.statement, &task).await?;
        let set = format!("DO setval({}, {}, 0)", quoted(name), sequence.next);
        session.run(&set, &task).await?;
    }
    let counted = definitions.tables.iter().any(|table| table.statement.contains(NEXT_VALUE));
    for sequence in definitions.sequences.iter().filter(|_| counted) {
        // A default is made only where its sequence is; that one makes way for the new one with the tables.
        let name = quoted(&sequence.name);
        let there = format!("CREATE SEQUENCE IF NOT EXISTS {}.{name}", quoted(target));
        session.run(&there, &format!("making sequence {name} for defaults")).await?;
    }
    for table in &definitions.tables {
        session.run(&within(&table.statement, target), &format!("making table `{}`", table.name)).await?;
    }
    Ok(())
}

/// Copies all rows; each session takes the next table when it is done with one.
async fn rows(
    sessions: &mut [Session],
    from: &str,
    definitions: &Definitions,
    columns: &BTreeMap<String, Vec<Written>>,
) -> Result<(), MysqlError> {
    let queue = Mutex::new(definitions.tables.iter());
    let next = || locked(&queue).next();
    let work = sessions.iter_mut().map(async |session| {
        // Rows of others are not locked by reading them: nobody writes them now.
        session.run(QUICK, "setting up a session").await?;
        session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "setting up a session").await?;
        while let Some(table) = next() {
            let Some(columns) = columns.get(&table.name) else { continue };
            let list = name_list(columns.iter().map(|column| column.name.as_str()));
            let (name, from) = (quoted(&table.name), quoted(from));
            let copy = format!("INSERT INTO {name} ({list}) SELECT {list} FROM {from}.{name}");
            session.run(&copy, &format!("copying table `{}`", table.name)).await?;
        }
        Ok::<_, MysqlError>(())
    });
    try_join_all(work).await.map(drop)
}

/// Bytes of a database's files, where this user may see that; else of its tables, as the server estimates them.
async fn bytes(session: &mut Session, database: &str) -> u64 {
    let like = literal(&format!("{}/%", database.replace('_', "\\_").replace('%', "\\%")));
    for view in ["innodb_sys_tablespaces", "innodb_tablespaces"] {
        let query = format!(
            "SELECT CAST(SUM(file_size) AS unsigned) FROM information_schema.{view} WHERE name LIKE {like}"
        );
        if let Ok(Some(Some(bytes))) = session.first::<Option<u64>>(&query, "reading sizes").await {
            return bytes;
        }
    }
    let query = format!(
        "SELECT CAST(SUM(data_length + index_length) AS unsigned) FROM information_schema.tables WHERE table_schema = {}",
        literal(database)
    );
    session.first::<Option<u64>>(&query, "reading sizes").await.ok().flatten().flatten().unwrap_or(0)
}

async fn remember(session: &mut Session, database: &str, whole: &Whole) -> Result<(), MysqlError> {
    let task = "remembering a copy";
    let text = serde_json::to_string(whole).unwrap_or_default();
    let (new, table) =
        (format!("{}.devcluster_new", quoted(database)), format!("{}.{WHOLE}", quoted(database)));
    session
        .run(&format!("CREATE TABLE {new} (text longtext CHARACTER SET utf8mb4) ENGINE = InnoDB"), task)
        .await?;
    session.run(&format!("INSERT INTO {new} VALUES ({})", literal(&text)), task).await?;
    session.run(&format!("RENAME TABLE {new} TO {table}"), task).await
}

/// What is known of a copy; none where there is no whole one.
pub(super) async fn known(session: &mut Session, database: &str) -> Result<Option<Whole>, MysqlError> {
    if !has_table(session, database, WHOLE).await? {
        return Ok(None);
    }
    let query = format!("SELECT text FROM {}.{WHOLE}", quoted(database));
    let text: Option<String> = session.first(&query, "reading what a copy is").await?;
    Ok(serde_json::from_str(&text.unwrap_or_default()).ok())
}

/// Tables and sequences of a database that are the data set's.
pub(super) async fn relations(session: &mut Session, database: &str) -> Result<Vec<String>, MysqlError> {
    let query = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY 1",
        literal(database)
    );
    let names: Vec<String> = session.rows(&query, "looking for tables").await?;
    Ok(names.into_iter().filter(|name| !is_own(name)).collect())
}

/// Makes the new copy the template, whatever of it was done before.
pub(super) async fn become_template(server: &Server, lock: &mut Exclusive) -> Result<(), MysqlError> {
    let target = server.database();
    let (new, template) = (Beside::New.name(target), Beside::Template.name(target));
    if has_table(lock, &new, WHOLE).await? {
        drop_database(lock, &template).await?;
        create(lock, &template, target, server.user()).await?;
        let mut names = relations(lock, &new).await?;
        names.push(WHOLE.to_owned());
        let pairs: Vec<String> = names
            .iter()
            .map(|name| format!("{}.{n} TO {}.{n}", quoted(&new), quoted(&template), n = quoted(name)))
            .collect();
        lock.run(&format!("RENAME TABLE {}", pairs.join(", ")), "keeping a copy to reset to").await?;
    }
    drop_database(lock, &new).await
}
