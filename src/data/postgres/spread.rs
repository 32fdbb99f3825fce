//! A load that many workers share: into a database beside the target, which takes the target's place when all parts are
//! there. Until then, and where anything fails, the target is untouched.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join_all;

use super::connect::{Server, Session};
use super::copy_in::copy_in;
use super::databases::{Beside, Swap, check_rights, drop_database, drop_retired, swap, tidy};
use super::dump_definitions::{after, definitions};
use super::dump_moment::{Moment, Reading};
use super::dump_rows::copy_out;
use super::error::{During, PostgresError, Shown};
use super::exclusive::Exclusive;
use super::load::{LoadReport, relations};
use super::part::{self, Part};
use super::restore_definitions::{Script, create_database};
use super::sequences::set_sequences;
use super::sql::{full_name, name_list};
use crate::data::generate::Generator;
use crate::data::pieces::Piece;
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::{DumpOptions, LoadedTable};
use crate::data::schema::{Schema, TableName};

/// Sessions that make indexes at the end.
const SESSIONS: usize = 2;

/// How long other sessions may write to the tables that stay before the load gives up.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A load under way.
pub struct Spread {
    server: Server,
    held: Exclusive,
    loading: String,
    prepared: Prepared,
    started: Instant,
}

/// What was loaded, and what is worth knowing of it.
#[derive(Debug)]
pub struct SpreadReport {
    /// What was loaded; no table has a time of its own.
    pub loaded: LoadReport,
    /// What could not be as it was.
    pub notes: Vec<String>,
    /// Sessions that were ended when the new database took the old one's place.
    pub sessions_ended: usize,
}

impl Spread {
    /// Makes the database that workers fill: with the target's tables, without their indexes, and with the rows of those
    /// tables that the generator has none for.
    pub async fn begin(
        server: &Server,
        schema: &Schema,
        generator: &Generator,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, PostgresError> {
        let started = Instant::now();
        let held = Exclusive::take(server, "load").await?;
        match prepare(server, &held, schema, generator, on_progress).await {
            Ok(prepared) => {
                let loading = Beside::Loading.name(server.database());
                Ok(Self { server: server.clone(), held, loading, prepared, started })
            }
            Err(error) => {
                held.release().await;
                Err(error)
            }
        }
    }

    /// The database that workers fill.
    pub fn database(&self) -> &str {
        &self.loading
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.prepared.parts.iter().map(Part::rows).sum()
    }

    /// Rows that workers have loaded so far.
    pub async fn loaded(&self) -> Result<u64, PostgresError> {
        Ok(part::done(self.session()?).await?.into_iter().map(|(_, rows, _)| rows).sum())
    }

    /// Makes indexes and constraints, which are checked by that, and puts the database in the target's place. Refused where a
    /// part is missing.
    pub async fn finish(mut self, on_progress: OnProgress<'_>) -> Result<SpreadReport, PostgresError> {
        let finished = self.complete(on_progress).await;
        match finished {
            Ok((tables, sessions_ended)) => {
                let filled: BTreeSet<&TableName> = tables.iter().map(|table| &table.table).collect();
                let emptied =
                    self.prepared.changed.iter().filter(|name| !filled.contains(name)).cloned().collect();
                self.prepared.notes.extend(self.prepared.script.notes());
                self.held.release().await;
                let loaded = LoadReport { tables, emptied, took: self.started.elapsed() };
                Ok(SpreadReport { loaded, notes: self.prepared.notes, sessions_ended })
            }
            Err(error) => {
                self.give_up().await;
                Err(error)
            }
        }
    }

    fn session(&self) -> Result<&Session, PostgresError> {
        self.prepared.session.as_ref().ok_or(PostgresError::Stopped("loading"))
    }

    /// Leaves the target as it is.
    pub async fn give_up(self) {
        drop(self.prepared.session);
        // The next run drops it where this fails.
        drop(drop_database(&self.held, &self.loading).await);
        self.held.release().await;
    }

    async fn complete(
        &mut self,
        on_progress: OnProgress<'_>,
    ) -> Result<(Vec<LoadedTable>, usize), PostgresError> {
        let tables = self.account().await?;
        part::forget(self.session()?).await?;
        let more = (1..SESSIONS).map(|_| open(&self.server, &self.loading));
        let mut sessions = try_join_all(more).await?;
        sessions.extend(self.prepared.session.take());
        let step = |step: &str| on_progress(Progress::Step(step));
        self.prepared.script.post_data(&sessions, &self.prepared.post_data, &step).await?;
        let Some(first) = sessions.first() else { return Err(PostgresError::Stopped("loading")) };
        on_progress(Progress::Step("setting sequences and analyzing"));
        self.prepared.script.run(first, &self.prepared.after).await?;
        let changed = relations(first, self.prepared.changed.iter()).await?;
        set_sequences(first, &changed).await?;
        first.batch_execute("ANALYZE").await.during("analyzing")?;
        drop(sessions);
        on_progress(Progress::Step("putting the new database in the old one's place"));
        let ended = swap(&self.server, &self.held, Swap::Loaded).await?;
        drop_retired(&self.held, self.server.database()).await?;
        Ok((tables, ended))
    }

    /// What workers loaded of each table, all of it or an error.
    async fn account(&self) -> Result<Vec<LoadedTable>, PostgresError> {
        let done = part::done(self.session()?).await?;
        let mut tables: Vec<LoadedTable> = Vec::new();
        for (number, part) in self.prepared.parts.iter().enumerate() {
            let found =
                done.iter().find(|(done, ..)| *done == number).map(|(_, rows, bytes)| (*rows, *bytes));
            let (rows, bytes) = found.unwrap_or_default();
            if rows != part.rows() {
                let table = part.table.clone();
                return Err(PostgresError::RowsLost { table, taken: rows, given: part.rows() });
            }
            match tables.last_mut().filter(|table| table.table == part.table) {
                Some(table) => {
                    table.rows += rows;
                    table.bytes += bytes;
                }
                None => tables.push(LoadedTable {
                    table: part.table.clone(),
                    rows,
                    bytes,
                    took: self.started.elapsed(),
                }),
            }
        }
        Ok(tables)
    }
}

/// What is made before workers begin.
struct Prepared {
    /// In the database that is filled; none once that is to take the target's place, which no session may hold up.
    session: Option<Session>,
    script: Script,
    post_data: String,
    after: String,
    parts: Vec<Part>,
    /// Tables that get rows or are emptied.
    changed: Vec<TableName>,
    notes: Vec<String>,
    /// Keeps others from writing rows that the new database would not have.
    _stay: Session,
}

async fn prepare(
    server: &Server,
    held: &Exclusive,
    schema: &Schema,
    generator: &Generator,
    on_progress: OnProgress<'_>,
) -> Result<Prepared, PostgresError> {
    check_rights(server, held).await?;
    tidy(held, server.database()).await?;
    on_progress(Progress::Step("making tables"));
    let changed: Vec<TableName> =
        generator.changed(schema).into_iter().map(|table| table.name.clone()).collect();
    let stay = hold_back_writers(server, schema, &changed).await?;
    let moment = Moment::begin(server, &DumpOptions::whole("")).await?;
    let definitions = definitions(server, &moment.snapshot, &moment.encoding).await?;
    let after = after(&moment.session).await?;
    let loading = Beside::Loading.name(server.database());
    create_database(held, server.database(), &loading, &moment.encoding).await?;
    let session = open(server, &loading).await?;
    let mut script = Script::default();
    script.run(&session, &definitions.pre_data).await?;
    keep_rows(&moment, &session, &changed, on_progress).await?;
    part::prepare(&session).await?;
    let (notes, parts, post_data) = (moment.notes.clone(), part::all(generator), definitions.post_data);
    let session = Some(session);
    Ok(Prepared { session, script, post_data, after, parts, changed, notes, _stay: stay })
}

/// A transaction that others may read beside: what they wrote meanwhile to tables that stay would be lost.
async fn hold_back_writers(
    server: &Server,
    schema: &Schema,
    changed: &[TableName],
) -> Result<Session, PostgresError> {
    let session = server.session().await?;
    let stay = schema.tables.iter().map(|table| &table.name).filter(|name| !changed.contains(name));
    let names: Vec<String> = stay.map(full_name).collect();
    if !names.is_empty() {
        let wait = LOCK_WAIT.as_millis();
        let lock =
            format!("BEGIN; SET LOCAL lock_timeout = {wait}; LOCK TABLE {} IN SHARE MODE", names.join(", "));
        session.batch_execute(&lock).await.during("waiting for other sessions to let go of the tables")?;
    }
    Ok(session)
}

/// A session in the database that is filled: what is not whole there is worth nothing, so nothing waits for the disk.
pub(super) async fn open(server: &Server, database: &str) -> Result<Session, PostgresError> {
    let session = server.session_in(database).await?;
    let settings =
        "SET synchronous_commit = off; SET maintenance_work_mem = '128MB'; SET check_function_bodies = off";
    session.batch_execute(settings).await.during("setting up a session")?;
    Ok(session)
}

/// Brings the rows of tables that stay as they are.
async fn keep_rows(
    moment: &Moment,
    session: &Session,
    changed: &[TableName],
    on_progress: OnProgress<'_>,
) -> Result<(), PostgresError> {
    let readings = moment.readings(&moment.schema, &DumpOptions::whole(""));
    for reading in readings.iter().filter(|reading| !changed.contains(&reading.table.name)) {
        keep_table(moment, session, reading, on_progress).await?;
    }
    Ok(())
}

async fn keep_table(
    moment: &Moment,
    session: &Session,
    reading: &Reading<'_>,
    on_progress: OnProgress<'_>,
) -> Result<(), PostgresError> {
    let columns: Vec<&str> = reading.table.written().map(|column| column.name.as_str()).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let name = &reading.table.name;
    let statement = format!(
        "COPY {} ({}) FROM STDIN (FORMAT text, ENCODING '{}')",
        full_name(name),
        name_list(columns.into_iter()),
        moment.encoding
    );
    let (to, from) = tokio::sync::mpsc::channel(1);
    let total = reading.table.rows;
    let full = name.to_string();
    let tell = |done| on_progress(Progress::Part { name: &full, done, total: total.max(done) });
    let lines = futures::stream::unfold(from, async |mut from| match from.recv().await {
        Some(Piece::Lines(lines)) => Some((Ok::<Bytes, PostgresError>(lines), from)),
        Some(Piece::End(_)) => None,
        None => Some((Err(PostgresError::Stopped("reading rows")), from)),
    });
    let reading = copy_out(&moment.session, reading, &moment.encoding, to, tell);
    let (read, written) = tokio::join!(reading, copy_in(session, &statement, Shown::NoValues, lines.boxed()));
    let (written, read) = (written?, read?);
    if written != read {
        return Err(PostgresError::RowsLost { table: name.clone(), taken: written, given: read });
    }
    Ok(())
}
