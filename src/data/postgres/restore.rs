//! Restores a database from a snapshot, all or nothing: into a new database beside the target, which takes the target's
//! place by one transaction when it is whole. Every chunk is checked on the way, so a damaged snapshot ends in the new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::try_join_all;
use serde_json::Value;

use super::connect::{Server, Session};
use super::copies::copy_database;
use super::copy_in::copy_in;
use super::databases::{Beside, Swap, check_rights, drop_database, drop_retired, swap, tidy};
use super::error::{During, PostgresError, Shown};
use super::exclusive::Exclusive;
use super::restore_definitions::{Script, create_database};
use super::sql::{full_name, name_list};
use super::streams::{self, RowStream};
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
    /// What could not be as it was: roles that this server does not have.
    pub notes: Vec<String>,
    /// Sessions that were ended when the new database took the old one's place.
    pub sessions_ended: usize,
    /// The time it took.
    pub took: Duration,
}

/// The schema that a snapshot was made of, to be held against the database's with [`super::moved`].
pub async fn snapshot_schema(
    catalogue: &Catalogue,
    manifest: &Manifest,
    prefix: &str,
) -> Result<Schema, PostgresError> {
    let text = read_text(catalogue, &Arc::new(manifest.clone()), prefix, streams::SCHEMA).await?;
    let wrong = |error| {
        PostgresError::Mismatch(format!(
            "snapshot `{}` has a schema that cannot be read ({error}); create it again",
            manifest.name
        ))
    };
    serde_json::from_str(&text).map_err(wrong)
}

/// Puts what a snapshot has of a database in the database's place. Until then, and where anything fails, the database is
/// untouched; it need not exist.
pub async fn restore(
    server: &Server,
    catalogue: &Catalogue,
    manifest: &Manifest,
    options: &RestoreOptions,
    on_progress: OnProgress<'_>,
) -> Result<RestoreReport, PostgresError> {
    let started = Instant::now();
    let restoring = Restoring::new(server, catalogue, manifest, options, on_progress)?;
    let [pre_data, post_data, after] = restoring.texts().await?;
    let held = Exclusive::take(server, "restore").await?;
    let replaced = restoring.replace(&held, [&pre_data, &post_data, &after]).await;
    held.release().await;
    let (tables, notes, sessions_ended) = replaced?;
    Ok(RestoreReport { tables, notes, sessions_ended, took: started.elapsed() })
}

struct Restoring<'r> {
    server: &'r Server,
    catalogue: &'r Catalogue,
    manifest: Arc<Manifest>,
    options: &'r RestoreOptions,
    on_progress: OnProgress<'r>,
    rows: Vec<RowStream>,
}

/// Rows of each table, notes, and sessions that were ended.
type Replaced = (Vec<(TableName, u64)>, Vec<String>, usize);

impl<'r> Restoring<'r> {
    /// Fills a new database and puts it in the target's place.
    async fn replace(
        &self,
        held: &Exclusive,
        [pre_data, post_data, after]: [&str; 3],
    ) -> Result<Replaced, PostgresError> {
        let (server, target) = (self.server, self.server.database());
        check_rights(server, held).await?;
        tidy(held, target).await?;
        let loading = Beside::Loading.name(target);
        let filled = async {
            create_database(held, target, &loading, self.encoding()).await?;
            let filled = self.fill(pre_data, post_data, after).await?;
            if self.options.keep_pristine {
                (self.on_progress)(Progress::Step("keeping a copy to reset to"));
                copy_database(server, held, &loading, &Beside::New.name(target), true).await?;
            }
            (self.on_progress)(Progress::Step("putting the new database in the old one's place"));
            Ok((filled, swap(server, held, Swap::Loaded).await?))
        };
        match filled.await {
            Ok(((tables, notes), sessions_ended)) => {
                drop_retired(held, target).await?;
                Ok((tables, notes, sessions_ended))
            }
            Err(error) => {
                // The next run drops it where this fails; the first error is the one to tell.
                drop(drop_database(held, &loading).await);
                Err(error)
            }
        }
    }

    fn new(
        server: &'r Server,
        catalogue: &'r Catalogue,
        manifest: &Manifest,
        options: &'r RestoreOptions,
        on_progress: OnProgress<'r>,
    ) -> Result<Self, PostgresError> {
        let start = format!("{}/tables/", options.prefix);
        let mut rows = Vec::new();
        for stream in manifest.streams.iter().filter(|stream| stream.path.as_str().starts_with(&start)) {
            let wrong = || {
                format!(
                    "stream {} of snapshot `{}` does not say whose rows it has; create the snapshot again",
                    stream.path, manifest.name
                )
            };
            rows.push(RowStream::read(stream).ok_or_else(|| PostgresError::Mismatch(wrong()))?);
        }
        rows.sort_by_key(|stream| std::cmp::Reverse(stream.size));
        Ok(Self { server, catalogue, manifest: Arc::new(manifest.clone()), options, on_progress, rows })
    }

    async fn texts(&self) -> Result<[String; 3], PostgresError> {
        let read = |name| read_text(self.catalogue, &self.manifest, &self.options.prefix, name);
        Ok([read(streams::PRE_DATA).await?, read(streams::POST_DATA).await?, read(streams::AFTER).await?])
    }

    /// The encoding of a database that is not there yet.
    fn encoding(&self) -> &str {
        self.rows.first().map_or("UTF8", |stream| stream.encoding.as_str())
    }

    async fn fill(
        &self,
        pre_data: &str,
        post_data: &str,
        after: &str,
    ) -> Result<(Vec<(TableName, u64)>, Vec<String>), PostgresError> {
        let name = Beside::Loading.name(self.server.database());
        let open = (0..self.options.sessions.max(1)).map(async |_| {
            let session = self.server.session_in(&name).await?;
            session.batch_execute("SET synchronous_commit = off; SET maintenance_work_mem = '128MB'; SET check_function_bodies = off").await.during("setting up a session")?;
            Ok::<_, PostgresError>(session)
        });
        let sessions = try_join_all(open).await?;
        let Some(first) = sessions.first() else { return Err(PostgresError::Stopped("restoring")) };
        let mut script = Script::default();
        (self.on_progress)(Progress::Step("making tables"));
        script.run(first, pre_data).await?;
        let tables = self.rows(&sessions).await?;
        script.post_data(&sessions, post_data, &|step| (self.on_progress)(Progress::Step(step))).await?;
        (self.on_progress)(Progress::Step("setting sequences and analyzing"));
        script.run(first, after).await?;
        first.batch_execute("ANALYZE").await.during("analyzing")?;
        Ok((tables, script.notes()))
    }

    /// Loads all tables; each session takes the next when it is done with one.
    async fn rows(&self, sessions: &[Session]) -> Result<Vec<(TableName, u64)>, PostgresError> {
        let queue = Mutex::new(self.rows.iter());
        let next = || lock(&queue).next();
        let work = sessions.iter().map(async |session| {
            let mut loaded = Vec::new();
            while let Some(stream) = next() {
                loaded.push((stream.table.clone(), self.table(session, stream).await?));
            }
            Ok::<_, PostgresError>(loaded)
        });
        let mut loaded: Vec<_> = try_join_all(work).await?.into_iter().flatten().collect();
        loaded.sort();
        Ok(loaded)
    }

    async fn table(&self, session: &Session, stream: &RowStream) -> Result<u64, PostgresError> {
        let (name, task) = (full_name(&stream.table), format!("loading {}", stream.table));
        // In a table that this transaction emptied, rows are written as old ones at once.
        let (empty, freeze) = if stream.partitioned {
            (String::new(), "")
        } else {
            (format!("; TRUNCATE ONLY {name}"), ", FREEZE")
        };
        session.batch_execute(&format!("BEGIN{empty}")).await.during(&task)?;
        let columns = name_list(stream.columns.iter().map(String::as_str));
        let copy = format!(
            "COPY {name} ({columns}) FROM STDIN (FORMAT text, ENCODING '{}'{freeze})",
            stream.encoding
        );
        let (done, full) = (AtomicU64::new(0), stream.table.to_string());
        let chunks = chunks::<PostgresError>(self.catalogue, &self.manifest, &stream.path).inspect(|chunk| {
            let more = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            (self.on_progress)(Progress::Part { name: &full, done, total: stream.size });
        });
        let rows = if stream.columns.is_empty() {
            self.without_columns(session, stream).await?
        } else {
            copy_in(session, &copy, Shown::NoValues, chunks).await?
        };
        let given = self
            .manifest
            .stream(&stream.path)
            .and_then(|stream| stream.attributes.get("rows"))
            .and_then(Value::as_u64);
        if let Some(given) = given.filter(|given| *given != rows) {
            return Err(PostgresError::RowsLost { table: stream.table.clone(), taken: rows, given });
        }
        session.batch_execute("COMMIT").await.during(&task)?;
        Ok(rows)
    }

    /// Rows that have no value of their own are but a number of line ends.
    async fn without_columns(&self, session: &Session, stream: &RowStream) -> Result<u64, PostgresError> {
        let insert = format!(
            "INSERT INTO {} SELECT FROM pg_catalog.generate_series(1, $1::int8)",
            full_name(&stream.table)
        );
        let rows = i64::try_from(stream.size).unwrap_or(i64::MAX);
        session.execute(&insert, &[&rows]).await.during(format!("loading {}", stream.table))
    }
}

async fn read_text(
    catalogue: &Catalogue,
    manifest: &Arc<Manifest>,
    prefix: &str,
    name: &str,
) -> Result<String, PostgresError> {
    let path = streams::path(prefix, name)?;
    let bytes = whole(catalogue, manifest, &path, PostgresError::Mismatch).await?;
    let wrong =
        |_| PostgresError::Mismatch(format!("stream {path} of snapshot `{}` is not text", manifest.name));
    String::from_utf8(bytes).map_err(wrong)
}
