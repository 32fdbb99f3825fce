//! Dumps a database into a snapshot as it is at one moment: one transaction exports what it sees (PostgreSQL's manual,
//! "Snapshot Synchronization Functions"), and pg_dump and further sessions read exactly that.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde_json::json;

use super::catalogue::schema_in;
use super::connect::{Server, Session};
use super::dump_definitions::{Definitions, after, definitions};
use super::dump_rows::{copy_out, drain, store};
use super::error::{During, PostgresError};
use super::fingerprint::fingerprint;
use super::masking::{Masking, Treatment, lock};
use super::progress::{OnProgress, Progress};
use super::sql::{full_name, literal, name_list};
use super::streams;
use crate::data::schema::{Schema, Table, TableName};
use crate::data::snapshot::{StreamWriter, Writer};
use crate::data::subset::{Plan, Script};

/// How a database is dumped.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// What its streams' paths begin with: `postgres/shop/orders`.
    pub prefix: String,
    /// How rows are masked, where they are.
    pub mask: Option<Arc<Masking>>,
    /// Which rows are taken, where not all are.
    pub subset: Option<Plan>,
    /// Sessions that read rows. A subset is read by one.
    pub sessions: usize,
}

impl DumpOptions {
    /// All rows as they are, read by two sessions.
    pub fn whole(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), mask: None, subset: None, sessions: 2 }
    }
}

/// What was dumped.
#[derive(Debug)]
pub struct DumpReport {
    /// The schema as it was.
    pub schema: Schema,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Tables whose rows are in the snapshot.
    pub tables: Vec<DumpedTable>,
    /// What is not in the snapshot, or otherwise worth knowing.
    pub notes: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// A table whose rows are in the snapshot.
#[derive(Debug)]
pub struct DumpedTable {
    /// The table.
    pub table: TableName,
    /// Its rows.
    pub rows: u64,
    /// Bytes in the snapshot, before they are compressed.
    pub bytes: u64,
}

/// What reads one table's rows.
pub(super) struct Reading<'s> {
    pub(super) table: &'s Table,
    pub(super) query: String,
}

/// Adds a database to a snapshot. On an error the snapshot must be given up: some of its streams were never ended.
pub async fn dump(
    server: &Server,
    writer: &Writer,
    options: &DumpOptions,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, PostgresError> {
    let started = Instant::now();
    let mut exporter = Exporter::begin(server, options).await?;
    let (schema, mut notes) = (exporter.schema.clone(), exporter.notes.clone());
    notes.extend(server.note());
    if let Some(mask) = &options.mask {
        mask.fits(&schema)?;
    }
    on_progress(Progress::Step("dumping definitions"));
    let definitions = definitions(server, &exporter.snapshot, &exporter.encoding).await?;
    let after = after(&exporter.session).await?;
    let sessions = exporter.readers(server, options).await?;
    let readings = exporter.readings(&schema, options).await?;
    let search = match &options.mask {
        Some(mask) => Some(observe(mask, &sessions, &readings, &exporter.encoding, on_progress).await?),
        None => None,
    };
    let treatment = match (&options.mask, &search) {
        (Some(mask), Some(search)) => Treatment::Masked(mask.clone(), search.clone()),
        _ => Treatment::Plain,
    };
    let job = Job { writer, options, encoding: &exporter.encoding, treatment, on_progress };
    let tables = job.rows(&sessions, &readings).await?;
    let fingerprint = fingerprint(&schema);
    write_definitions(writer, options, &schema, &fingerprint, definitions, after, search.as_deref()).await?;
    drop((sessions, exporter));
    if let Some(search) = search.and_then(Arc::into_inner) {
        let leaks = search.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).finish();
        if !leaks.is_empty() {
            return Err(PostgresError::Leaks(leaks));
        }
    }
    Ok(DumpReport { schema, fingerprint, tables, notes, took: started.elapsed() })
}

/// The transaction that all others see the same as.
struct Exporter {
    session: Session,
    snapshot: String,
    schema: Schema,
    /// What rows are written in: UTF-8, or raw bytes where the database knows no encoding.
    encoding: String,
    script: Option<Script>,
    notes: Vec<String>,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

impl Exporter {
    async fn begin(server: &Server, options: &DumpOptions) -> Result<Self, PostgresError> {
        let task = "beginning the dump";
        let session = server.session().await?;
        let script = options.subset.as_ref().map(Script::new);
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
            notes.push(format!("{} large objects are not in the snapshot; keep such data in a bytea column", row.get::<_, i64>(2)));
        }
        let encoding = if row.get::<_, &str>(1) == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" }.to_owned();
        Ok(Self { session, snapshot: row.get(0), schema, encoding, script, notes })
    }

    /// Sessions that see the same.
    async fn readers(&mut self, server: &Server, options: &DumpOptions) -> Result<Vec<Session>, PostgresError> {
        let count = if self.script.is_some() { 0 } else { options.sessions.max(1) };
        let open = (0..count).map(|_| async {
            let session = server.session().await?;
            let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}; SET LOCAL work_mem = '32MB'", literal(&self.snapshot));
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
            for statement in script.round(round) {
                added += self.session.execute(&statement, &[]).await.during("following references")?;
            }
            if added == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What reads each table that comes into the snapshot, the largest first.
    async fn readings<'s>(&self, schema: &'s Schema, options: &DumpOptions) -> Result<Vec<Reading<'s>>, PostgresError> {
        let kept = |table: &&Table| options.mask.as_ref().is_none_or(|mask| mask.keeps(&table.name));
        let mut readings: Vec<Reading<'s>> = match &self.script {
            None => schema.tables.iter().filter(kept).map(|table| Reading { table, query: whole(table) }).collect(),
            Some(script) => {
                let exports = script.exports.iter().filter_map(|export| Some((schema.table(&export.table)?, export.query.clone())));
                exports.filter(|(table, _)| kept(table)).map(|(table, query)| Reading { table, query: query.unwrap_or_else(|| nothing(table)) }).collect()
            }
        };
        readings.sort_by_key(|reading| std::cmp::Reverse(reading.table.rows));
        Ok(readings)
    }
}

/// All rows of a table in the order of its key, so that the same rows give the same bytes.
fn whole(table: &Table) -> String {
    let columns = name_list(table.written().map(|column| column.name.as_str()));
    let only = if table.partitioning.is_none() { "ONLY " } else { "" };
    let key = key(table);
    let order = if key.is_empty() { String::new() } else { format!(" ORDER BY {}", name_list(key.iter().map(String::as_str))) };
    format!("SELECT {columns} FROM {only}{}{order}", full_name(&table.name))
}

fn nothing(table: &Table) -> String {
    let columns = name_list(table.written().map(|column| column.name.as_str()));
    format!("SELECT {columns} FROM {} WHERE false", full_name(&table.name))
}

/// The columns that tell rows apart; none where there are no such.
fn key(table: &Table) -> &[String] {
    let never_null = |name: &String| table.column(name).is_some_and(|column| column.not_null);
    let unique = table.uniques.iter().find(|unique| unique.columns.iter().all(never_null));
    match unique {
        Some(unique) if table.primary_key.is_empty() => &unique.columns,
        _ => &table.primary_key,
    }
}

/// Remembers all values that may not come out.
async fn observe(
    mask: &Arc<Masking>,
    sessions: &[Session],
    readings: &[Reading<'_>],
    encoding: &str,
    on_progress: OnProgress<'_>,
) -> Result<Arc<Mutex<crate::data::mask::LeakSearch>>, PostgresError> {
    on_progress(Progress::Step("remembering what must not come out"));
    let check = Arc::new(Mutex::new(mask.check()));
    let queue = Mutex::new(readings.iter().filter(|reading| mask.hides(reading.table)));
    let work = sessions.iter().map(async |session| {
        while let Some(reading) = next(&queue) {
            let (to, from) = tokio::sync::mpsc::channel(2);
            let (table, treatment) = (reading.table.name.clone(), Treatment::Observed(mask.clone(), check.clone()));
            let drained = tokio::task::spawn_blocking(move || drain(from, &table, &treatment));
            let read = copy_out(session, &reading.query, encoding, to, |_| {}).await;
            drained.await.map_err(|_| PostgresError::Stopped("masking"))??;
            read?;
        }
        Ok::<_, PostgresError>(())
    });
    try_join_all(work).await?;
    let check = std::mem::replace(&mut *lock(&check), mask.check());
    Ok(Arc::new(Mutex::new(check.search())))
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    lock(queue).next()
}

/// What all tables' rows are written with.
struct Job<'j> {
    writer: &'j Writer,
    options: &'j DumpOptions,
    encoding: &'j str,
    treatment: Treatment,
    on_progress: OnProgress<'j>,
}

impl Job<'_> {
    /// Writes all tables' rows; each session takes the next table when it is done with one.
    async fn rows(&self, sessions: &[Session], readings: &[Reading<'_>]) -> Result<Vec<DumpedTable>, PostgresError> {
        let queue = Mutex::new(readings.iter());
        let work = sessions.iter().map(async |session| {
            let mut dumped = Vec::new();
            while let Some(reading) = next(&queue) {
                dumped.push(self.table(session, reading).await?);
            }
            Ok::<_, PostgresError>(dumped)
        });
        let mut dumped: Vec<DumpedTable> = try_join_all(work).await?.into_iter().flatten().collect();
        dumped.sort_by(|one, other| one.table.cmp(&other.table));
        Ok(dumped)
    }

    async fn table(&self, session: &Session, reading: &Reading<'_>) -> Result<DumpedTable, PostgresError> {
        let table = reading.table;
        let columns: Vec<&str> = table.written().map(|column| column.name.as_str()).collect();
        let attributes = streams::attributes(&table.name, &columns, self.encoding, table.partitioning.is_some());
        let stream = self.writer.stream(streams::table_path(&self.options.prefix, &table.name)?, attributes)?;
        let (to, from) = tokio::sync::mpsc::channel(2);
        let (name, treatment) = (table.name.clone(), self.treatment.clone());
        let stored = tokio::task::spawn_blocking(move || store(from, stream, &name, &treatment));
        let total = AtomicU64::new(table.rows);
        let on_rows = |done| {
            let total = total.fetch_max(done, Ordering::Relaxed).max(done);
            (self.on_progress)(Progress::Table { table: &table.name, done, total });
        };
        let read = copy_out(session, &reading.query, self.encoding, to, on_rows).await;
        // Where writing failed, reading failed for that: the cause is what is told.
        let stored = stored.await.map_err(|_| PostgresError::Stopped("writing rows"))??;
        let rows = read?;
        let stored = stored.ok_or(PostgresError::Stopped("reading rows"))?;
        Ok(DumpedTable { table: table.name.clone(), rows, bytes: stored.size })
    }
}

/// Writes all that is not rows.
async fn write_definitions(
    writer: &Writer,
    options: &DumpOptions,
    schema: &Schema,
    fingerprint: &str,
    definitions: Definitions,
    after: String,
    search: Option<&Mutex<crate::data::mask::LeakSearch>>,
) -> Result<(), PostgresError> {
    let mut counted = schema.clone();
    counted.tables.iter_mut().for_each(|table| table.rows = 0);
    let schema = serde_json::to_string_pretty(&counted).unwrap_or_default();
    let texts = [
        (streams::SCHEMA, schema),
        (streams::PRE_DATA, definitions.pre_data),
        (streams::POST_DATA, definitions.post_data),
        (streams::AFTER, after),
    ];
    let mut work: Vec<(StreamWriter, String)> = Vec::new();
    for (name, text) in texts {
        if let Some(search) = search {
            text.lines().for_each(|line| lock(search).seen(line.as_bytes()));
        }
        let attributes = [("fingerprint".to_owned(), json!(fingerprint))].into();
        work.push((writer.stream(streams::path(&options.prefix, name)?, attributes)?, text));
    }
    let written = tokio::task::spawn_blocking(move || {
        for (mut stream, text) in work {
            stream.write_all(text.as_bytes()).map_err(super::dump_rows::unwrap)?;
            stream.finish()?;
        }
        Ok(())
    });
    written.await.map_err(|_| PostgresError::Stopped("writing definitions"))?
}
