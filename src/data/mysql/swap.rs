//! Tables of a database beside take the places of the target's, all by one RENAME TABLE, which these servers do wholly or not
//! at all (MySQL's manual, "Atomic Data Definition Statement Support"; MariaDB's, "Atomic DDL").
//!
//! A table with triggers cannot be renamed into another database, and views and routines cannot at all. So what they are to be
//! is written into a table first, the journal, which is renamed with the rest: its name tells whoever comes next whether the
//! swap has happened, and with it whether the old triggers or the new definitions are to be made.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};

use super::beside::{Beside, create, drop_database, exists, has_table};
use super::connect::{Server, Session};
use super::copies::become_template;
use super::definitions::{Definition, Kind, others};
use super::error::{During, MysqlError};
use super::exclusive::Exclusive;
use super::make::{remove, settle};
use super::sql::{literal, quoted};

/// The journal before the swap, and after it.
const BEFORE: &str = "devcluster_undo";
const AFTER: &str = "devcluster_redo";
/// How long transactions of others are waited for before their sessions are ended.
const PATIENCE: Duration = Duration::from_millis(500);
/// Seconds until a rename that cannot happen is given up.
const LONGEST_WAIT: u32 = 30;

/// What is put where.
#[derive(Debug)]
pub(super) struct Swap<'s> {
    /// Where the new tables are.
    pub(super) from: Beside,
    /// The target's tables and sequences that make way.
    pub(super) out: Vec<String>,
    /// Those that come.
    pub(super) come: Vec<String>,
    /// Views, routines, triggers and events as they are to be.
    pub(super) wanted: &'s [Definition],
    pub(super) pristine: Pristine,
}

/// What becomes of what the target is reset to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pristine {
    /// It is what comes.
    Stays,
    /// It is other data than what comes.
    Ends,
    /// So it is, and a new one stands beside.
    Comes,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    triggers: Vec<Definition>,
    wanted: Vec<Definition>,
    pristine: Pristine,
}

impl Swap<'_> {
    /// Does it and gives how many sessions were ended for it.
    pub(super) async fn perform(&self, server: &Server, lock: &mut Exclusive) -> Result<usize, MysqlError> {
        let (target, from, old) =
            (server.database(), self.from.name(server.database()), Beside::Old.name(server.database()));
        nobody_refers(lock, target, &self.out).await?;
        drop_database(lock, &old).await?;
        create(lock, &old, target, server.user()).await?;
        let now = others(lock, target).await?;
        let triggers: Vec<Definition> =
            now.into_iter().filter(|definition| definition.kind == Kind::Trigger).collect();
        let journal = Journal { triggers, wanted: self.wanted.to_vec(), pristine: self.pristine };
        write(lock, &from, &journal).await?;
        let renamed = async {
            for trigger in &journal.triggers {
                remove(lock, trigger).await?;
            }
            let pair = |(from, one): (&str, &str), (to, other): (&str, &str)| {
                format!("{}.{} TO {}.{}", quoted(from), quoted(one), quoted(to), quoted(other))
            };
            let out = self.out.iter().map(|name| pair((target, name), (&old, name)));
            let come = self.come.iter().map(|name| pair((&from, name), (target, name)));
            let mark = std::iter::once(pair((&from, BEFORE), (&from, AFTER)));
            let all: Vec<String> = out.chain(come).chain(mark).collect();
            rename(server, lock, &format!("RENAME TABLE {}", all.join(", "))).await
        };
        let ended = match renamed.await {
            Ok(ended) => ended,
            Err(error) => {
                // The next run does it where this fails; the first error is the one to tell.
                drop(recover(server, lock).await);
                return Err(error);
            }
        };
        recover(server, lock).await?;
        Ok(ended)
    }
}

/// Finishes, or takes back, what an earlier run was interrupted in. Under the lock, before anything else.
pub(super) async fn recover(server: &Server, lock: &mut Exclusive) -> Result<(), MysqlError> {
    let target = server.database();
    for beside in [Beside::Loading, Beside::Spare] {
        let name = beside.name(target);
        if has_table(lock, &name, AFTER).await? {
            let journal = read(lock, &name, AFTER).await?;
            settle(lock, target, &journal.wanted).await?;
            if journal.pristine != Pristine::Stays {
                drop_database(lock, &Beside::Spare.name(target)).await?;
            }
            match journal.pristine {
                Pristine::Stays => {}
                Pristine::Ends => drop_database(lock, &Beside::Template.name(target)).await?,
                Pristine::Comes => become_template(server, lock).await?,
            }
            // Dropping files takes a while: a reset leaves that to who makes the next spare.
            if beside != Beside::Spare {
                drop_database(lock, &Beside::Old.name(target)).await?;
            }
            drop_database(lock, &name).await?;
        } else if has_table(lock, &name, BEFORE).await? {
            let journal = read(lock, &name, BEFORE).await?;
            let mut wanted = others(lock, target).await?;
            wanted.retain(|definition| definition.kind != Kind::Trigger);
            wanted.extend(journal.triggers);
            settle(lock, target, &wanted).await?;
            let statement = format!("DROP TABLE {}.{BEFORE}", quoted(&name));
            lock.run(&statement, "putting away the journal").await?;
        }
    }
    Ok(())
}

/// As [`recover`], and drops what was being filled.
pub(super) async fn tidy(server: &Server, lock: &mut Exclusive) -> Result<(), MysqlError> {
    recover(server, lock).await?;
    for beside in [Beside::Loading, Beside::New, Beside::Old] {
        let name = beside.name(server.database());
        if exists(lock, &name).await? {
            drop_database(lock, &name).await?;
        }
    }
    Ok(())
}

async fn write(session: &mut Session, database: &str, journal: &Journal) -> Result<(), MysqlError> {
    let task = "writing the journal";
    // Texts, lists and a truth alone: nothing in it fails to be JSON.
    let text = serde_json::to_string(journal).unwrap_or_default();
    let table = format!("{}.{BEFORE}", quoted(database));
    session.run(&format!("DROP TABLE IF EXISTS {table}"), task).await?;
    // A table without its text never counts: it is made whole under another name first.
    let new = format!("{}.devcluster_new", quoted(database));
    session.run(&format!("DROP TABLE IF EXISTS {new}"), task).await?;
    session
        .run(&format!("CREATE TABLE {new} (text longtext CHARACTER SET utf8mb4) ENGINE = InnoDB"), task)
        .await?;
    session.run(&format!("INSERT INTO {new} VALUES ({})", literal(&text)), task).await?;
    session.run(&format!("RENAME TABLE {new} TO {table}"), task).await
}

async fn read(session: &mut Session, database: &str, table: &str) -> Result<Journal, MysqlError> {
    let query = format!("SELECT text FROM {}.{table}", quoted(database));
    let text: Option<String> = session.first(&query, "reading the journal").await?;
    serde_json::from_str(&text.unwrap_or_default())
        .map_err(|error| MysqlError::Mismatch(format!("the journal in `{database}` cannot be read: {error}")))
}

/// Renames; sessions whose transactions keep it from happening are ended after a while.
async fn rename(server: &Server, session: &mut Session, statement: &str) -> Result<usize, MysqlError> {
    let task = "putting the new tables in the old ones' places";
    session.run(&format!("SET SESSION lock_wait_timeout = {LONGEST_WAIT}"), task).await?;
    let mut helper = server.outside().await?;
    let own = session.id();
    let mut renamed = std::pin::pin!(session.query_drop(statement));
    // The server keeps its list of transactions until nobody has asked for a tenth of a second.
    let mut pause =
        tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, Duration::from_millis(250));
    let mut ended = 0;
    loop {
        tokio::select! {
            biased;
            done = &mut renamed => {
                done.during(task)?;
                return Ok(ended);
            }
            // Sessions that this user may not end keep the renaming from happening, and the server says so.
            _ = pause.tick() => ended += end_transactions(&mut helper, server.database(), own).await.unwrap_or(0),
        }
    }
}

async fn end_transactions(helper: &mut Session, database: &str, own: u32) -> Result<usize, MysqlError> {
    let task = "ending transactions";
    let query = format!(
        "SELECT p.id FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
         WHERE p.db = {} AND p.id <> {own} AND p.id <> connection_id()",
        literal(database)
    );
    let holders: Vec<u64> = helper.rows(&query, task).await?;
    for id in &holders {
        // It may have ended by itself meanwhile.
        drop(helper.run(&format!("KILL {id}"), task).await);
    }
    Ok(holders.len())
}

/// Refuses where tables of other databases refer to the target's: they would go on referring to the old ones.
async fn nobody_refers(session: &mut Session, target: &str, out: &[String]) -> Result<(), MysqlError> {
    let query = format!(
        "SELECT table_schema, table_name, constraint_name, referenced_table_name FROM information_schema.key_column_usage \
         WHERE referenced_table_schema = {} AND table_schema <> {} AND table_schema NOT LIKE 'devcluster\\_%'",
        literal(target),
        literal(target)
    );
    let rows: Vec<(String, String, String, String)> =
        session.rows(&query, "looking for foreign keys of other databases").await?;
    match rows.into_iter().find(|row| out.contains(&row.3)) {
        None => Ok(()),
        Some((database, table, key, referred)) => Err(MysqlError::Mismatch(format!(
            "foreign key `{key}` of {database}.{table}, in another database, refers to `{referred}`, which would be replaced; drop it first"
        ))),
    }
}
