//! One moment of a database, which all sessions of a dump see: each begins its transaction while nobody may commit.

use std::collections::BTreeMap;

use super::catalogue::schema_in;
use super::columns::{Written, written};
use super::connect::{Server, Session};
use super::definitions::Definitions;
use super::error::MysqlError;
use super::sql::{literal, quoted};
use crate::data::schema::{Schema, Table};
use crate::data::subset::MysqlScript;

/// The sessions, and what does not change while they last.
pub(super) struct Moment {
    pub(super) sessions: Vec<Session>,
    pub(super) definitions: Definitions,
    pub(super) schema: Schema,
    pub(super) columns: BTreeMap<String, Vec<Written>>,
    pub(super) notes: Vec<String>,
}

const TASK: &str = "beginning the dump";
/// Seconds that statements of others are waited for: while the server waits, all others wait, too.
const LONGEST_WAIT: u32 = 10;
const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

impl Moment {
    /// The moment of a dump. A subset is picked and read by one session alone: no other sees its temporary tables.
    pub(super) async fn begin(
        server: &Server,
        wanted: usize,
        subset: Option<&MysqlScript>,
    ) -> Result<Self, MysqlError> {
        let wanted = if subset.is_some() { 1 } else { wanted };
        let mut guard = server.session().await?;
        let mut sessions = Vec::new();
        for _ in 0..wanted.max(1) {
            sessions.push(server.session().await?);
        }
        let mut notes = Vec::new();
        let names = tables(&mut guard, server.database()).await?;
        if sessions.len() > 1 && !stop(&mut guard, &names).await? {
            // One session alone sees one moment by itself.
            sessions.truncate(1);
            notes.push(
                "the rows were read by one session, for this user may neither FLUSH TABLES WITH READ LOCK nor LOCK TABLES, \
                 or others kept their locks"
                    .to_owned(),
            );
        }
        for session in &mut sessions {
            if let Some(script) = subset {
                prepare(session, server, script).await?;
            }
            session.run(BEGIN, TASK).await?;
            // Until its end, the transaction keeps others from changing the tables themselves.
            for name in &names {
                session.run(&format!("SELECT 1 FROM {} LIMIT 0", quoted(name)), TASK).await?;
            }
        }
        guard.run("UNLOCK TABLES", TASK).await?;
        drop(guard);
        let Some(first) = sessions.first_mut() else { return Err(MysqlError::Stopped("beginning the dump")) };
        if let Some(script) = subset {
            pick(first, script).await?;
        }
        let definitions = Definitions::read(first, server.flavour(), server.database()).await?;
        let schema = schema_in(first, server.flavour(), server.database()).await?;
        let columns = written(first, server.database()).await?;
        notes.extend(others(first, server.database()).await?);
        Ok(Self { sessions, definitions, schema, columns, notes })
    }
}

/// Makes the tables of a subset's keys, which go with the session.
async fn prepare(session: &mut Session, server: &Server, script: &MysqlScript) -> Result<(), MysqlError> {
    for statement in &script.prepare {
        session.run(statement, "preparing the subset").await.map_err(|error| {
            if !error.is(&[1044]) {
                return error;
            }
            let (user, database) = (server.user().to_owned(), quoted(server.database()));
            let fix =
                format!("as an administrator: GRANT CREATE TEMPORARY TABLES ON {database}.* TO `{user}`");
            MysqlError::Rights {
                user,
                what: "make the temporary tables that a subset's keys are kept in",
                fix,
            }
        })?;
    }
    Ok(())
}

/// Picks the subset's rows.
async fn pick(session: &mut Session, script: &MysqlScript) -> Result<(), MysqlError> {
    for statement in &script.seeds {
        session.run(statement, "picking the subset's first rows").await?;
    }
    for round in 0.. {
        let mut added = 0;
        for step in script.round(round) {
            session.run(&step.statement, "following references").await?;
            added += if step.counts { session.affected_rows() } else { 0 };
        }
        if added == 0 {
            break;
        }
    }
    Ok(())
}

async fn tables(session: &mut Session, database: &str) -> Result<Vec<String>, MysqlError> {
    let query = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} \
         AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1",
        literal(database)
    );
    session.rows(&query, TASK).await
}

/// Keeps everyone from committing; false where that is not allowed, or not possible in time.
async fn stop(session: &mut Session, names: &[String]) -> Result<bool, MysqlError> {
    session.run(&format!("SET SESSION lock_wait_timeout = {LONGEST_WAIT}"), TASK).await?;
    let read: Vec<String> = names.iter().map(|name| format!("{} READ", quoted(name))).collect();
    let ways = ["FLUSH TABLES WITH READ LOCK".to_owned(), format!("LOCK TABLES {}", read.join(", "))];
    for way in ways.iter().take(if names.is_empty() { 1 } else { 2 }) {
        match session.run(way, TASK).await {
            Ok(()) => return Ok(true),
            // Not allowed: another way may be. Not in time: none will be.
            Err(error) if error.is(&[1227, 1044, 1142]) => {}
            Err(error) if error.is(&[1205]) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// What does not keep to the moment.
async fn others(session: &mut Session, database: &str) -> Result<Vec<String>, MysqlError> {
    let query = format!(
        "SELECT table_name, engine, table_type FROM information_schema.tables WHERE table_schema = {} \
         AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND (engine <> 'InnoDB' OR table_type = 'SYSTEM VERSIONED') \
         ORDER BY 1",
        literal(database)
    );
    let mut notes = Vec::new();
    for (name, engine, kind) in session.rows::<(String, Option<String>, String)>(&query, TASK).await? {
        let engine = engine.unwrap_or_else(|| "no engine".to_owned());
        notes.push(if kind == "SYSTEM VERSIONED" {
            format!("table {name} keeps its old rows; only those of now are in the snapshot")
        } else {
            format!("table {name} is {engine}, which has no transactions: its rows may be of a later moment")
        });
    }
    Ok(notes)
}

/// What reads a table's rows in the order of its key, so that the same rows give the same text.
pub(super) fn query(table: &Table, columns: &[Written], condition: Option<&str>) -> String {
    let list: Vec<String> = columns.iter().map(|column| column.way.select(&column.name)).collect();
    let key = table.row_key();
    let order = if key.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", super::sql::name_list(key.iter().map(String::as_str)))
    };
    let condition = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
    format!("SELECT {} FROM {}{condition}{order}", list.join(", "), super::sql::full_name(&table.name))
}
