//! Restores a database from a snapshot, all or nothing: into a database beside the target, whose tables take the places of the
//! target's when they are whole. Every chunk is checked on the way, so a damaged snapshot ends there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::try_join_all;

use super::beside::{Beside, create};
use super::columns::{Written, written};
use super::connect::{Server, Session};
use super::copies::{Copy, make_tables, relations};
use super::definitions::{Definition, Definitions, Kind};
use super::error::{MysqlError, Shown};
use super::exclusive::Exclusive;
use super::load_data::{Into, QUICK};
use super::make::{make, remove};
use super::sql::quoted;
use super::streams::{self, RowStream};
use super::swap::{Pristine, Swap, tidy};
use crate::data::chunks::{chunks, whole};
use crate::data::mask::lock;
use crate::data::progress::{OnProgress, Progress};
use crate::data::relational::RestoreOptions;
use crate::data::schema::{Schema, TableName};
use crate::data::snapshot::{Catalogue, Manifest};

/// What was restored.
#[derive(Debug)]
pub struct RestoreReport {
    /// Tables with their rows.
    pub tables: Vec<(TableName, u64)>,
    /// Sessions that were ended, for their transactions held tables.
    pub sessions_ended: usize,
    /// The time it took.
    pub took: Duration,
}

/// The schema that a snapshot was made of, to be held against the database's.
pub async fn snapshot_schema(
    catalogue: &Catalogue,
    manifest: &Manifest,
    prefix: &str,
) -> Result<Schema, MysqlError> {
    read_json(catalogue, &Arc::new(manifest.clone()), prefix, streams::SCHEMA).await
}

/// Puts what a snapshot has of a database in the database's place. Until then, and where anything fails, its tables are
/// untouched.
pub async fn restore(
    server: &Server,
    catalogue: &Catalogue,
    manifest: &Manifest,
    options: &RestoreOptions,
    on_progress: OnProgress<'_>,
) -> Result<RestoreReport, MysqlError> {
    let started = Instant::now();
    let manifest = Arc::new(manifest.clone());
    let definitions: Definitions =
        read_json(catalogue, &manifest, &options.prefix, streams::DEFINITIONS).await?;
    let rows = row_streams(&manifest, &options.prefix, &definitions)?;
    let restoring = Restoring { server, catalogue, manifest, options, on_progress, definitions, rows };
    let mut held = Exclusive::take(server).await?;
    let replaced = restoring.replace(&mut held).await;
    held.release().await;
    let (tables, sessions_ended) = replaced?;
    Ok(RestoreReport { tables, sessions_ended, took: started.elapsed() })
}

/// The streams of rows, the largest first; refused where they do not belong to the definitions, or these are none.
fn row_streams(
    manifest: &Manifest,
    prefix: &str,
    definitions: &Definitions,
) -> Result<Vec<RowStream>, MysqlError> {
    let wrong = |what: &str| {
        MysqlError::Mismatch(format!(
            "{what} of snapshot `{}` is not what it has to be; create the snapshot again",
            manifest.name
        ))
    };
    for table in &definitions.tables {
        if !table.statement.starts_with(&format!("CREATE TABLE {} (", quoted(&table.name))) {
            return Err(wrong(&format!("the definition of table `{}`", table.name)));
        }
    }
    let creates = |statement: &str| statement.starts_with("CREATE ");
    if !definitions.sequences.iter().all(|sequence| creates(&sequence.statement))
        || !definitions.others.iter().all(|other| creates(&other.statement))
    {
        return Err(wrong("a definition"));
    }
    let start = format!("{prefix}/tables/");
    let mut rows = Vec::new();
    for stream in manifest.streams.iter().filter(|stream| stream.path.as_str().starts_with(&start)) {
        let read = RowStream::read(stream)
            .filter(|read| definitions.tables.iter().any(|table| table.name == read.table));
        rows.push(read.ok_or_else(|| wrong(&format!("stream {}", stream.path)))?);
    }
    rows.sort_by_key(|stream| std::cmp::Reverse(stream.size));
    Ok(rows)
}

struct Restoring<'r> {
    server: &'r Server,
    catalogue: &'r Catalogue,
    manifest: Arc<Manifest>,
    options: &'r RestoreOptions,
    on_progress: OnProgress<'r>,
    definitions: Definitions,
    rows: Vec<RowStream>,
}

impl Restoring<'_> {
    /// Fills new tables and puts them in the target's place.
    async fn replace(&self, held: &mut Exclusive) -> Result<(Vec<(TableName, u64)>, usize), MysqlError> {
        let (server, target) = (self.server, self.server.database());
        tidy(server, held).await?;
        let loading = Beside::Loading.name(target);
        let filled = async {
            create(held, &loading, target, server.user()).await?;
            let tables = self.fill(&loading).await?;
            let mut pristine = Pristine::Ends;
            if self.options.keep_pristine {
                (self.on_progress)(Progress::Step("keeping a copy to reset to"));
                let others = self.definitions.others.clone();
                Copy { from: &loading, to: Beside::New, others, live: false }.make(server, held).await?;
                pristine = Pristine::Comes;
            }
            (self.on_progress)(Progress::Step("putting the new tables in the old ones' places"));
            let swap = Swap {
                from: Beside::Loading,
                out: relations(held, target).await?,
                come: relations(held, &loading).await?,
                wanted: &self.definitions.others,
                pristine,
            };
            Ok((tables, swap.perform(server, held).await?))
        };
        let filled = filled.await;
        if filled.is_err() {
            // The next run does it where this fails; the first error is the one to tell.
            drop(tidy(server, held).await);
        }
        filled
    }

    async fn fill(&self, loading: &str) -> Result<Vec<(TableName, u64)>, MysqlError> {
        let open = (0..self.options.sessions.max(1)).map(async |_| {
            let mut session = self.server.session_in(loading).await?;
            session.run(QUICK, "setting up a session").await?;
            Ok::<_, MysqlError>(session)
        });
        let mut sessions = try_join_all(open).await?;
        (self.on_progress)(Progress::Step("making tables"));
        let Some(first) = sessions.first_mut() else { return Err(MysqlError::Stopped("restoring")) };
        make_tables(first, &self.definitions, self.server.database()).await?;
        let columns = written(first, loading).await?;
        let tables = self.load(loading, &mut sessions, &columns).await?;
        let Some(first) = sessions.first_mut() else { return Err(MysqlError::Stopped("restoring")) };
        self.try_others(first).await?;
        Ok(tables)
    }

    /// Makes all but events where nobody sees it: what does not work is known before the swap.
    async fn try_others(&self, session: &mut Session) -> Result<(), MysqlError> {
        (self.on_progress)(Progress::Step("trying views, routines and triggers"));
        let quiet = |definition: &&Definition| definition.kind != Kind::Event;
        let tried: Vec<Definition> = self.definitions.others.iter().filter(quiet).cloned().collect();
        make(session, &tried).await?;
        for trigger in tried.iter().filter(|definition| definition.kind == Kind::Trigger) {
            // A table with triggers stays where it is.
            remove(session, trigger).await?;
        }
        Ok(())
    }

    /// Loads all tables; each session takes the next when it is done with one.
    async fn load(
        &self,
        loading: &str,
        sessions: &mut [Session],
        columns: &BTreeMap<String, Vec<Written>>,
    ) -> Result<Vec<(TableName, u64)>, MysqlError> {
        let queue = Mutex::new(self.rows.iter());
        let next = || lock(&queue).next();
        let work = sessions.iter_mut().map(async |session| {
            let mut loaded = Vec::new();
            while let Some(stream) = next() {
                let columns = columns.get(&stream.table).map_or(&[][..], Vec::as_slice);
                let rows = self.table(loading, session, stream, columns).await?;
                loaded.push((TableName::new(self.server.database(), &stream.table), rows));
            }
            Ok::<_, MysqlError>(loaded)
        });
        let mut loaded: Vec<_> = try_join_all(work).await?.into_iter().flatten().collect();
        loaded.sort();
        Ok(loaded)
    }

    async fn table(
        &self,
        loading: &str,
        session: &mut Session,
        stream: &RowStream,
        columns: &[Written],
    ) -> Result<u64, MysqlError> {
        let table = TableName::new(self.server.database(), &stream.table);
        if !columns.iter().map(|column| &column.name).eq(&stream.columns) {
            return Err(MysqlError::Mismatch(format!(
                "stream {} has rows of other columns than table {table} is made with; create the snapshot again",
                stream.path
            )));
        }
        let full = table.to_string();
        // Progress is told from within a stream that outlives this borrow: what was handed on is counted, and told here.
        let done = Arc::new(AtomicU64::new(0));
        let counted = done.clone();
        let chunks =
            chunks::<MysqlError>(self.catalogue, &self.manifest, &stream.path).inspect(move |chunk| {
                let more = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                counted.fetch_add(more, Ordering::Relaxed);
            });
        let into = Into { database: loading, table: &stream.table, columns, shown: Shown::NoValues };
        let mut loaded = std::pin::pin!(into.load(session, chunks));
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let rows = loop {
            tokio::select! {
                biased;
                rows = &mut loaded => break rows?,
                _ = pause.tick() => {
                    let done = done.load(Ordering::Relaxed);
                    (self.on_progress)(Progress::Part { name: &full, done, total: stream.size });
                }
            }
        };
        (self.on_progress)(Progress::Part { name: &full, done: stream.size, total: stream.size });
        if rows != stream.rows {
            return Err(MysqlError::RowsLost { table, taken: rows, given: stream.rows });
        }
        Ok(rows)
    }
}

async fn read_json<T: serde::de::DeserializeOwned>(
    catalogue: &Catalogue,
    manifest: &Arc<Manifest>,
    prefix: &str,
    name: &str,
) -> Result<T, MysqlError> {
    let path = streams::path(prefix, name)?;
    let bytes = whole(catalogue, manifest, &path, MysqlError::Mismatch).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        MysqlError::Mismatch(format!(
            "stream {path} of snapshot `{}` cannot be read ({error}); create it again",
            manifest.name
        ))
    })
}
