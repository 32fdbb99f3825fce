//! Dumps a database into a snapshot as it is at one moment, its definitions as the server tells them and its rows in the order
//! of their keys: the same data gives the same streams.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::connect::{Server, Session};
use super::definitions::Definitions;
use super::dump_moment::{Moment, query};
use super::dump_rows::{Reading, read_rows, treated};
use super::error::MysqlError;
use super::streams;
use crate::data::mask::{LeakSearch, Masking, Treatment, came_through, lock};
use crate::data::pieces::{drain, store, write};
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::{DumpOptions, DumpedTable};
use crate::data::schema::{Schema, TableName};
use crate::data::snapshot::{StreamWriter, Writer};
use crate::data::subset::MysqlScript;

/// What was dumped.
#[derive(Debug)]
pub struct DumpReport {
    /// The schema as it was.
    pub schema: Schema,
    /// Tables whose rows are in the snapshot.
    pub tables: Vec<DumpedTable>,
    /// What is not in the snapshot, or otherwise worth knowing.
    pub notes: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// Adds a database to a snapshot. After an error the snapshot cannot be finished: some of its streams were never ended.
pub async fn dump(
    server: &Server,
    writer: &Writer,
    options: &DumpOptions,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, MysqlError> {
    let started = Instant::now();
    let open =
        |name| Ok::<_, MysqlError>(writer.stream(streams::path(&options.prefix, name)?, BTreeMap::new())?);
    let opened = [open(streams::DEFINITIONS)?, open(streams::SCHEMA)?];
    let script = options.subset.as_ref().map(MysqlScript::new);
    on_progress(Progress::Step(if script.is_some() {
        "picking the subset's rows"
    } else {
        "waiting for a moment in which nobody commits"
    }));
    let Moment { mut sessions, definitions, schema, columns, mut notes } =
        Moment::begin(server, options.sessions, script.as_ref()).await?;
    notes.extend(server.note());
    if let Some(mask) = &options.mask {
        mask.fits(&schema)?;
    }
    let kept = |name: &TableName| options.mask.as_ref().is_none_or(|mask| mask.keeps(name));
    let mut readings: Vec<Reading<'_>> = schema
        .tables
        .iter()
        .filter(|table| kept(&table.name))
        .filter_map(|table| {
            let columns = columns.get(&table.name.name)?.as_slice();
            let condition = script.as_ref().map(|script| script.condition(&table.name));
            let (query, estimate) = (query(table, columns, condition), table.rows);
            Some(Reading { table: &table.name, columns, query, estimate })
        })
        .collect();
    // The largest first, so that no session is left with it at the end.
    readings.sort_by_key(|reading| std::cmp::Reverse(reading.estimate));
    let search = match &options.mask {
        Some(mask) => Some(observe(mask, &schema, &mut sessions, &readings, on_progress).await?),
        None => None,
    };
    let treatment = match (&options.mask, &search) {
        (Some(mask), Some(search)) => Treatment::Masked(mask.clone(), search.clone()),
        _ => Treatment::Plain,
    };
    let job = Job { writer, options, treatment, on_progress };
    let tables = job.rows(&mut sessions, &readings).await?;
    drop((job, sessions, readings));
    let texts = [text(&definitions), schema.kept()];
    if let Some(search) = search {
        nothing_came_through(search, &texts)?;
    }
    let written = tokio::task::spawn_blocking(move || finish(opened, &texts));
    written.await.map_err(|_| MysqlError::Stopped("writing definitions"))??;
    Ok(DumpReport { schema, tables, notes, took: started.elapsed() })
}

/// Streams of all that is not rows are ended last, so that a dump that failed can never become a snapshot.
fn finish(opened: [StreamWriter; 2], texts: &[String; 2]) -> Result<(), MysqlError> {
    for (mut stream, text) in opened.into_iter().zip(texts) {
        stream.attribute("format", streams::FORMAT);
        write(&mut stream, text.as_bytes())?;
        stream.finish()?;
    }
    Ok(())
}

fn text(definitions: &Definitions) -> String {
    // Names, texts, numbers and lists alone: nothing in it fails to be JSON.
    serde_json::to_string_pretty(definitions).unwrap_or_default()
}

/// Refuses a snapshot in which original values stand.
fn nothing_came_through(search: Arc<Mutex<LeakSearch>>, texts: &[String]) -> Result<(), MysqlError> {
    let leaks = came_through(search, texts).ok_or(MysqlError::Stopped("the search for original values"))?;
    if leaks.is_empty() { Ok(()) } else { Err(MysqlError::Leaks(leaks)) }
}

/// Remembers all values that may not come out.
async fn observe(
    mask: &Arc<Masking>,
    schema: &Schema,
    sessions: &mut [Session],
    readings: &[Reading<'_>],
    on_progress: OnProgress<'_>,
) -> Result<Arc<Mutex<LeakSearch>>, MysqlError> {
    on_progress(Progress::Step("remembering what must not come out"));
    let check = Arc::new(Mutex::new(mask.check()));
    let hidden = |reading: &&Reading<'_>| schema.table(reading.table).is_some_and(|table| mask.hides(table));
    let queue = Mutex::new(readings.iter().filter(hidden));
    let work = sessions.iter_mut().map(async |session| {
        while let Some(reading) = next(&queue) {
            let (to, from) = tokio::sync::mpsc::channel(1);
            let (table, treatment) =
                (reading.table.clone(), Treatment::Observed(mask.clone(), check.clone()));
            let drained = tokio::task::spawn_blocking(move || drain(from, &table, &treatment));
            let read = read_rows(session, reading, to, |_| {}).await;
            drained.await.map_err(|_| MysqlError::Stopped("masking"))??;
            read?;
        }
        Ok::<_, MysqlError>(())
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
    treatment: Treatment,
    on_progress: OnProgress<'j>,
}

impl Job<'_> {
    /// Writes all tables' rows; each session takes the next table when it is done with one.
    async fn rows(
        &self,
        sessions: &mut [Session],
        readings: &[Reading<'_>],
    ) -> Result<Vec<DumpedTable>, MysqlError> {
        let queue = Mutex::new(readings.iter());
        let work = sessions.iter_mut().map(async |session| {
            let mut dumped = Vec::new();
            while let Some(reading) = next(&queue) {
                dumped.push(self.table(session, reading).await?);
            }
            Ok::<_, MysqlError>(dumped)
        });
        let mut dumped: Vec<DumpedTable> = try_join_all(work).await?.into_iter().flatten().collect();
        dumped.sort_by(|one, other| one.table.cmp(&other.table));
        Ok(dumped)
    }

    async fn table(&self, session: &mut Session, reading: &Reading<'_>) -> Result<DumpedTable, MysqlError> {
        let table = reading.table;
        let columns: Vec<&str> = reading.columns.iter().map(|column| column.name.as_str()).collect();
        let path = streams::table_path(&self.options.prefix, &table.name)?;
        let stream = self.writer.stream(path, streams::attributes(table, &columns))?;
        let (to, from) = tokio::sync::mpsc::channel(1);
        let (name, treatment) = (table.clone(), self.treatment.clone());
        let stored = tokio::task::spawn_blocking(move || {
            store(from, stream, |lines| treated(&treatment, &name, lines))
        });
        let total = AtomicU64::new(reading.estimate);
        let full = table.to_string();
        let on_rows = |done| {
            let total = total.fetch_max(done, Ordering::Relaxed).max(done);
            (self.on_progress)(Progress::Part { name: &full, done, total });
        };
        let read = read_rows(session, reading, to, on_rows).await;
        // Where writing failed, reading failed for that: the cause is what is told.
        let stored = stored.await.map_err(|_| MysqlError::Stopped("writing rows"))??;
        let rows = read?;
        let stored = stored.ok_or(MysqlError::Stopped("reading rows"))?;
        Ok(DumpedTable { table: table.clone(), rows, bytes: stored.size })
    }
}
