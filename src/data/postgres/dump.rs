//! Dumps a database into a snapshot as it is at one moment: one transaction exports what it sees (PostgreSQL's manual,
//! "Snapshot Synchronization Functions"), and pg_dump and further sessions read exactly that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::connect::{Server, Session};
use super::dump_definitions::{after, definitions};
use super::dump_moment::{Moment, Reading};
use super::dump_rows::copy_out;
use super::error::PostgresError;
use super::fingerprint::fingerprint;
use super::streams;
use crate::data::mask::{LeakSearch, Masking, Treatment, came_through, lock};
use crate::data::pieces::{drain, store, write};
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::{DumpOptions, DumpedTable};
use crate::data::schema::Schema;
use crate::data::snapshot::{StreamWriter, Writer};

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

/// Adds a database to a snapshot. After an error the snapshot cannot be finished: some of its streams
/// were never ended.
pub async fn dump(
    server: &Server,
    writer: &Writer,
    options: &DumpOptions,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, PostgresError> {
    let started = Instant::now();
    let opened = Opened::new(writer, &options.prefix)?;
    let mut moment = Moment::begin(server, options).await?;
    let (schema, mut notes) = (moment.schema.clone(), moment.notes.clone());
    notes.extend(server.note());
    if let Some(mask) = &options.mask {
        mask.fits(&schema)?;
    }
    on_progress(Progress::Step("dumping definitions"));
    let definitions = definitions(server, &moment.snapshot, &moment.encoding).await?;
    let after = after(&moment.session).await?;
    let sessions = moment.readers(server, options).await?;
    let readings = moment.readings(&schema, options);
    let search = match &options.mask {
        Some(mask) => Some(observe(mask, &sessions, &readings, &moment.encoding, on_progress).await?),
        None => None,
    };
    let treatment = match (&options.mask, &search) {
        (Some(mask), Some(search)) => Treatment::Masked(mask.clone(), search.clone()),
        _ => Treatment::Plain,
    };
    let job = Job { writer, options, encoding: &moment.encoding, treatment, on_progress };
    let tables = job.rows(&sessions, &readings).await?;
    drop((job, sessions));
    let texts = [schema.kept(), definitions.pre_data, definitions.post_data, after];
    if let Some(search) = search {
        nothing_came_through(search, &texts)?;
    }
    let fingerprint = fingerprint(&schema);
    opened.write(texts, &fingerprint).await?;
    Ok(DumpReport { schema, fingerprint, tables, notes, took: started.elapsed() })
}

/// Refuses a snapshot in which original values stand.
fn nothing_came_through(search: Arc<Mutex<LeakSearch>>, texts: &[String]) -> Result<(), PostgresError> {
    let leaks =
        came_through(search, texts).ok_or(PostgresError::Stopped("the search for original values"))?;
    if leaks.is_empty() { Ok(()) } else { Err(PostgresError::Leaks(leaks)) }
}

/// Remembers all values that may not come out.
async fn observe(
    mask: &Arc<Masking>,
    sessions: &[Session],
    readings: &[Reading<'_>],
    encoding: &str,
    on_progress: OnProgress<'_>,
) -> Result<Arc<Mutex<LeakSearch>>, PostgresError> {
    on_progress(Progress::Step("remembering what must not come out"));
    let check = Arc::new(Mutex::new(mask.check()));
    let queue = Mutex::new(readings.iter().filter(|reading| mask.hides(reading.table)));
    let work = sessions.iter().map(async |session| {
        while let Some(reading) = next(&queue) {
            let (to, from) = tokio::sync::mpsc::channel(1);
            let (table, treatment) =
                (reading.table.name.clone(), Treatment::Observed(mask.clone(), check.clone()));
            let drained = tokio::task::spawn_blocking(move || drain(from, &table, &treatment));
            let read = copy_out(session, reading, encoding, to, |_| {}).await;
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
    async fn rows(
        &self,
        sessions: &[Session],
        readings: &[Reading<'_>],
    ) -> Result<Vec<DumpedTable>, PostgresError> {
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
        let attributes =
            streams::attributes(&table.name, &columns, self.encoding, table.partitioning.is_some());
        let stream =
            self.writer.stream(streams::table_path(&self.options.prefix, &table.name)?, attributes)?;
        let (to, from) = tokio::sync::mpsc::channel(1);
        let (name, treatment) = (table.name.clone(), self.treatment.clone());
        let stored = tokio::task::spawn_blocking(move || {
            store(from, stream, |lines| Ok::<_, PostgresError>(treatment.apply(&name, lines)?))
        });
        let total = AtomicU64::new(table.rows);
        let full = table.name.to_string();
        let on_rows = |done| {
            let total = total.fetch_max(done, Ordering::Relaxed).max(done);
            (self.on_progress)(Progress::Part { name: &full, done, total });
        };
        let read = copy_out(session, reading, self.encoding, to, on_rows).await;
        // Where writing failed, reading failed for that: the cause is what is told.
        let stored = stored.await.map_err(|_| PostgresError::Stopped("writing rows"))??;
        let rows = read?;
        let stored = stored.ok_or(PostgresError::Stopped("reading rows"))?;
        Ok(DumpedTable { table: table.name.clone(), rows, bytes: stored.size })
    }
}

/// Streams of all that is not rows. They are ended last, so that a dump that failed can never become a snapshot.
struct Opened(Vec<StreamWriter>);

const TEXTS: [&str; 4] = [streams::SCHEMA, streams::PRE_DATA, streams::POST_DATA, streams::AFTER];

impl Opened {
    fn new(writer: &Writer, prefix: &str) -> Result<Self, PostgresError> {
        let open =
            |name| Ok::<_, PostgresError>(writer.stream(streams::path(prefix, name)?, BTreeMap::new())?);
        Ok(Self(TEXTS.into_iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Writes each its text, in the order of [`TEXTS`].
    async fn write(self, texts: [String; 4], fingerprint: &str) -> Result<(), PostgresError> {
        let fingerprint = fingerprint.to_owned();
        let written = tokio::task::spawn_blocking(move || {
            for (mut stream, text) in self.0.into_iter().zip(texts) {
                stream.attribute("fingerprint", fingerprint.as_str());
                write(&mut stream, text.as_bytes())?;
                stream.finish()?;
            }
            Ok(())
        });
        written.await.map_err(|_| PostgresError::Stopped("writing definitions"))?
    }
}
