//! One moment of a database, which all sessions of a dump see.

use futures::future::try_join_all;

use super::catalogue::schema_in;
use super::connect::{Server, Session};
use super::error::{During, PostgresError};
use super::sql::{full_name, literal, name_list};
use crate::data::relational::DumpOptions;
use crate::data::schema::{Schema, Table};
use crate::data::subset::PostgresScript;

/// What reads one table's rows.
pub(super) struct Reading<'s> {
    pub(super) table: &'s Table,
    pub(super) query: String,
}

/// The transaction that all others see the same as.
pub(super) struct Moment {
    pub(super) session: Session,
    pub(super) snapshot: String,
    pub(super) schema: Schema,
    /// What rows are written in: UTF-8, or raw bytes where the database knows no encoding.
    pub(super) encoding: String,
    script: Option<PostgresScript>,
    pub(super) notes: Vec<String>,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

impl Moment {
    pub(super) async fn begin(server: &Server, options: &DumpOptions) -> Result<Self, PostgresError> {
        let task = "beginning the dump";
        let session = server.session().await?;
        let script = options.subset.as_ref().map(PostgresScript::new);
        if let Some(script) = &script {
            session.batch_execute(&script.prepare.join(";\n")).await.during("preparing the subset")?;
        }
        session.batch_execute(BEGIN).await.during(task)?;
        let query = "SELECT pg_catalog.pg_export_snapshot(), current_setting('server_encoding'), \
             (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata)";
        let row = session.query_one(query, &[]).await.during(task)?;
        let schema = schema_in(&session).await?;
        if !schema.tables.is_empty() {
            // No one may drop or rewrite a table between now and its turn.
            let names: Vec<String> = schema.tables.iter().map(|table| full_name(&table.name)).collect();
            let statement = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
            session.batch_execute(&statement).await.during(task)?;
        }
        let mut notes = Vec::new();
        if row.get::<_, i64>(2) > 0 {
            notes.push(format!(
                "{} large objects are not in the snapshot; keep such data in a bytea column",
                row.get::<_, i64>(2)
            ));
        }
        let encoding = if row.get::<_, &str>(1) == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" }.to_owned();
        Ok(Self { session, snapshot: row.get(0), schema, encoding, script, notes })
    }

    /// Sessions that see the same.
    pub(super) async fn readers(
        &mut self,
        server: &Server,
        options: &DumpOptions,
    ) -> Result<Vec<Session>, PostgresError> {
        let count = if self.script.is_some() { 0 } else { options.sessions.max(1) };
        let open = (0..count).map(|_| async {
            let session = server.session().await?;
            let begin = format!(
                "{BEGIN}; SET TRANSACTION SNAPSHOT {}; SET LOCAL work_mem = '32MB'",
                literal(&self.snapshot)
            );
            session.batch_execute(&begin).await.during("joining the dump's transaction")?;
            Ok::<_, PostgresError>(session)
        });
        let mut sessions = try_join_all(open).await?;
        if sessions.is_empty() {
            // The subset's keys are in temporary tables, which no other session sees.
            self.pick().await?;
            let replacement = server.session().await?;
            sessions.push(std::mem::replace(&mut self.session, replacement));
        }
        Ok(sessions)
    }

    /// Picks the subset's rows.
    async fn pick(&self) -> Result<(), PostgresError> {
        let Some(script) = &self.script else { return Ok(()) };
        for statement in &script.seeds {
            self.session.execute(statement, &[]).await.during("picking the subset's first rows")?;
        }
        for round in 0.. {
            let mut added = 0;
            for step in script.round(round) {
                let changed =
                    self.session.execute(&step.statement, &[]).await.during("following references")?;
                added += if step.counts { changed } else { 0 };
            }
            if added == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What reads each table that comes into the snapshot, the largest first.
    pub(super) fn readings<'s>(&self, schema: &'s Schema, options: &DumpOptions) -> Vec<Reading<'s>> {
        let kept = |table: &&Table| options.mask.as_ref().is_none_or(|mask| mask.keeps(&table.name));
        let mut readings: Vec<Reading<'s>> = match &self.script {
            None => schema
                .tables
                .iter()
                .filter(kept)
                .map(|table| Reading { table, query: whole(table) })
                .collect(),
            Some(script) => {
                let exports = script
                    .exports
                    .iter()
                    .filter_map(|export| Some((schema.table(&export.table)?, export.reads.clone())));
                exports
                    .filter(|(table, _)| kept(table))
                    .map(|(table, query)| Reading { table, query: query.unwrap_or_else(|| nothing(table)) })
                    .collect()
            }
        };
        readings.sort_by_key(|reading| std::cmp::Reverse(reading.table.rows));
        readings
    }
}

/// All rows of a table in the order of its key, so that the same rows give the same bytes.
fn whole(table: &Table) -> String {
    let columns = name_list(table.written().map(|column| column.name.as_str()));
    let only = if table.partitioning.is_none() { "ONLY " } else { "" };
    let key = table.row_key();
    let order = if key.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", name_list(key.iter().map(String::as_str)))
    };
    format!("SELECT {columns} FROM {only}{}{order}", full_name(&table.name))
}

fn nothing(table: &Table) -> String {
    let columns = name_list(table.written().map(|column| column.name.as_str()));
    format!("SELECT {columns} FROM {} WHERE false", full_name(&table.name))
}
