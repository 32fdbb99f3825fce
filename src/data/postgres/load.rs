//! Loads generated rows, all or nothing: one transaction that empties the tables, fills them by COPY and puts indexes and
//! constraints back, so that whatever ends it early leaves the old rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;

use super::connect::{Server, Session};
use super::copy_in::copy_in;
use super::databases::{drop_retired, retire};
use super::error::{During, PostgresError, Shown};
use super::exclusive::Exclusive;
use super::rebuild::Rebuild;
use super::sequences::set_sequences;
use super::sql::{full_name, name_list};
use crate::data::generate::{Format, GenerateError, Generator, TablePlan};
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::LoadedTable;
use crate::data::schema::{Schema, Table, TableName};
use crate::data::slices::slices;

/// How rows are loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Threads that make rows.
    pub generators: usize,
    /// Tables that get so many rows have their indexes made anew; in smaller ones they grow.
    pub rebuild_from: u64,
    /// How long other sessions may hold the tables before the load gives up.
    pub lock_wait: Duration,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let generators = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
        Self { generators, rebuild_from: 10_000, lock_wait: Duration::from_secs(10) }
    }
}

/// What was loaded.
#[derive(Debug)]
pub struct LoadReport {
    /// Tables that got rows, in the order in which they were loaded.
    pub tables: Vec<LoadedTable>,
    /// Tables that were emptied, for they refer to tables that were.
    pub emptied: Vec<TableName>,
    /// The time it took.
    pub took: Duration,
}

/// Replaces the rows of all tables that the generator has rows for. Tables that refer to them are emptied; others stay.
pub async fn load(
    server: &Server,
    schema: &Schema,
    generator: &Generator,
    options: &LoadOptions,
    on_progress: OnProgress<'_>,
) -> Result<LoadReport, PostgresError> {
    let lock = Exclusive::take(server, "load").await?;
    let loaded = replace(server, schema, generator, options, on_progress, &lock).await;
    lock.release().await;
    loaded
}

async fn replace(
    server: &Server,
    schema: &Schema,
    generator: &Generator,
    options: &LoadOptions,
    on_progress: OnProgress<'_>,
    lock: &Exclusive,
) -> Result<LoadReport, PostgresError> {
    let started = Instant::now();
    drop_retired(lock, server.database()).await?;
    let session = server.session().await?;
    let changed = generator.changed(schema);
    begin(&session, &changed, options).await?;
    let all = relations(&session, changed.iter().map(|table| &table.name)).await?;
    let rows = |table: &Table| {
        generator.tables().iter().find(|plan| plan.table == table.name).map_or(0, |plan| plan.rows)
    };
    let large = changed.iter().filter(|table| rows(table) >= options.rebuild_from);
    let large = relations(&session, large.map(|table| &table.name)).await?;
    let rebuild = Rebuild::plan(&session, &all, &large).await?;
    rebuild.take_off(&session).await?;
    let named = changed.iter().map(|table| only(table)).collect::<Vec<_>>().join(", ");
    session.batch_execute(&format!("TRUNCATE {named}")).await.during("emptying the tables")?;
    let mut tables = Vec::new();
    for plan in generator.tables() {
        let table = schema.table(&plan.table).ok_or_else(|| GenerateError::NoTable(plan.table.clone()))?;
        tables.push(fill(&session, table, plan, generator, options, on_progress).await?);
    }
    rebuild.put_back(&session, |step| on_progress(Progress::Step(step))).await?;
    finish(server, &session, &all, &changed, on_progress).await?;
    drop_retired(lock, server.database()).await?;
    let emptied = changed.iter().filter(|table| rows(table) == 0).map(|table| table.name.clone()).collect();
    Ok(LoadReport { tables, emptied, took: started.elapsed() })
}

/// A table without those that inherit from it.
fn only(table: &Table) -> String {
    let only = if table.partitioning.is_none() { "ONLY " } else { "" };
    format!("{only}{}", full_name(&table.name))
}

async fn begin(session: &Session, changed: &[&Table], options: &LoadOptions) -> Result<(), PostgresError> {
    let wait = options.lock_wait.as_millis();
    let named = changed.iter().map(|table| only(table)).collect::<Vec<_>>().join(", ");
    let begin = format!("BEGIN; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL lock_timeout = {wait}");
    session.batch_execute(&begin).await.during("beginning the load")?;
    if !named.is_empty() {
        let lock = format!("LOCK TABLE {named} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout = 0");
        session.batch_execute(&lock).await.during("waiting for other sessions to let go of the tables")?;
    }
    Ok(())
}

/// The numbers of tables and their partitions.
pub(super) async fn relations<'t>(
    session: &Session,
    tables: impl Iterator<Item = &'t TableName>,
) -> Result<Vec<u32>, PostgresError> {
    let names: Vec<String> = tables.map(full_name).collect();
    let query = "SELECT r.id FROM unnest($1::text[]) AS n(name), \
         LATERAL (SELECT n.name::regclass::oid AS id UNION SELECT relid FROM pg_catalog.pg_partition_tree(n.name::regclass)) AS r";
    let rows = session.query(query, &[&names]).await.during("looking for the tables")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Fills one table.
async fn fill(
    session: &Session,
    table: &Table,
    plan: &TablePlan,
    generator: &Generator,
    options: &LoadOptions,
    on_progress: OnProgress<'_>,
) -> Result<LoadedTable, PostgresError> {
    let (started, bytes, done) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    let columns = generator.columns(&plan.table)?;
    let (name, full, total) = (full_name(&plan.table), plan.table.to_string(), plan.rows);
    let taken = if columns.is_empty() {
        let insert = format!("INSERT INTO {name} SELECT FROM pg_catalog.generate_series(1, {total})");
        session.execute(&insert, &[]).await.during_shown(format!("filling {}", plan.table))?
    } else {
        let freeze = if table.partitioning.is_none() { ", FREEZE" } else { "" };
        let copy =
            format!("COPY {name} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8'{freeze})", name_list(columns));
        let chunks = slices(
            generator,
            &plan.table,
            0..plan.rows,
            Format::Copy,
            options.generators,
            PostgresError::Stopped,
        )?
        .inspect(|slice: &Result<_, PostgresError>| {
            if let Ok((rows, chunk)) = slice {
                bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                let done = done.fetch_add(*rows, Ordering::Relaxed) + rows;
                on_progress(Progress::Part { name: &full, done, total });
            }
        });
        copy_in(session, &copy, Shown::All, chunks.map(|slice| slice.map(|(_, chunk)| chunk))).await?
    };
    if taken != total {
        return Err(PostgresError::RowsLost { table: plan.table.clone(), taken, given: total });
    }
    Ok(LoadedTable {
        table: plan.table.clone(),
        rows: taken,
        bytes: bytes.into_inner(),
        took: started.elapsed(),
    })
}

async fn finish(
    server: &Server,
    session: &Session,
    all: &[u32],
    changed: &[&Table],
    on_progress: OnProgress<'_>,
) -> Result<(), PostgresError> {
    on_progress(Progress::Step("setting sequences"));
    set_sequences(session, all).await?;
    on_progress(Progress::Step("analyzing"));
    let named = changed.iter().map(|table| full_name(&table.name)).collect::<Vec<_>>().join(", ");
    if !named.is_empty() {
        session.batch_execute(&format!("ANALYZE {named}")).await.during("analyzing")?;
    }
    // What the database was reset to is no longer what was loaded last.
    retire(session, server.database()).await?;
    session.batch_execute("COMMIT").await.during_shown("committing the load")
}
