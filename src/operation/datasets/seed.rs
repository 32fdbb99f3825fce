//! Synthetic data into a store: the live schema read, a seed.yaml held against it, and its rows loaded, all or nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::discover::{Store, StoreKind};
use crate::data::generate::Generator;
use crate::data::learn::{self, LearnOptions, Profile};
use crate::data::mongo::{self, Shapes};
use crate::data::mysql;
use crate::data::postgres::{self, LoadOptions, LoadReport, Server};
use crate::data::progress::Progress;
use crate::data::schema::Schema;
use crate::data::seed::{self, PlanOptions};
use crate::event::Event;
use crate::operation::datasets;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::load;
use crate::operation::snapshots::volume;
use crate::operation::stores;
use crate::operation::stores::elsewhere::Elsewhere;
use crate::operation::stores::meter::Meter;
use crate::operation::stores::mongo_store;
use crate::operation::stores::mysql_store;
use crate::operation::stores::outcome::{self, Part, Seeded, Words};
use crate::words::{counted, listed, sized};

const STEP: &str = "data";

/// Whether a store holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It has no table, entry or file yet.
    Empty,
    /// It has some.
    HoldsData,
}

/// Looks whether a store holds anything.
pub async fn fresh(existing: &Existing, store: &Store) -> Result<Fresh, OperationError> {
    let client = &existing.cluster.client;
    let is_empty = match store.kind {
        StoreKind::Volume => volume::is_empty(existing, store).await?,
        StoreKind::Redis => stores::redis(existing, store).await?.keys().await? == 0,
        StoreKind::Postgres => {
            postgres::schema(&stores::postgres(existing, store).await?).await?.tables.is_empty()
        }
        StoreKind::MySql => mysql::schema(&stores::mysql_of(client, store).await?).await?.tables.is_empty(),
        StoreKind::Mongo => stores::mongo_of(client, store).await?.collections().await?.is_empty(),
    };
    Ok(if is_empty { Fresh::Empty } else { Fresh::HoldsData })
}

/// A store that synthetic data is for, with what its tables or documents are like.
pub enum Live {
    /// A PostgreSQL.
    Postgres(Server, Schema),
    /// A MySQL or MariaDB.
    MySql(mysql::Server, Schema),
    /// A MongoDB.
    Mongo(mongo::Server, Box<Shapes>),
}

impl Live {
    /// Logs in to a store and reads what it is like; of documents, what is kept beside `seed`.
    pub async fn look(
        existing: &Existing,
        store: &Store,
        seed: Option<&Path>,
    ) -> Result<Self, OperationError> {
        let client = &existing.cluster.client;
        let no_tables = || OperationError::NoTables { store: store.to_string() };
        let live = match store.kind {
            StoreKind::Postgres => {
                let server = stores::postgres(existing, store).await?;
                let schema = postgres::schema(&server).await?;
                Self::Postgres(server, schema)
            }
            StoreKind::MySql => {
                let server = stores::mysql_of(client, store).await?;
                let schema = mysql::schema(&server).await?;
                Self::MySql(server, schema)
            }
            StoreKind::Mongo => {
                let server = stores::mongo_of(client, store).await?;
                let shapes = mongo_store::shapes(&server, seed).await?;
                Self::Mongo(server, Box::new(shapes))
            }
            StoreKind::Redis | StoreKind::Volume => {
                let what = "synthetic data is for databases; give it a snapshot";
                return Err(OperationError::Unable { store: store.to_string(), what });
            }
        };
        if live.schema().tables.is_empty() { Err(no_tables()) } else { Ok(live) }
    }

    /// What its tables are like.
    pub fn schema(&self) -> &Schema {
        match self {
            Self::Postgres(_, schema) | Self::MySql(_, schema) => schema,
            Self::Mongo(_, shapes) => &shapes.schema,
        }
    }
}

/// A seed.yaml for what a store is like, ready to run; shaped by a profile, where one is given. What the profile knows and the
/// schema does not have is said.
pub fn plan(
    session: &Session,
    found: &Live,
    options: &PlanOptions,
    like: Option<&Path>,
) -> Result<String, OperationError> {
    let schema = found.schema();
    let mut seed = seed::plan(schema, options);
    if let Live::Mongo(_, shapes) = found {
        shapes.refine(&mut seed);
        shapes.notes.iter().for_each(|note| session.reporter.report(Event::Note(note.clone())));
    }
    if let Some(path) = like {
        let text = std::fs::read_to_string(path)
            .map_err(|source| OperationError::Data { path: path.to_owned(), source })?;
        let profile = Profile::read(&text, &path.display().to_string())?;
        let unknown = learn::shape(schema, &profile, &mut seed);
        if !unknown.is_empty() {
            let note = format!("the profile has what the schema has not:{}", listed(&unknown));
            session.reporter.report(Event::Note(note));
        }
    }
    Ok(seed.to_yaml(schema))
}

/// Measures a database without taking a value from it, and gives the profile's text.
pub async fn learn(
    session: &Session,
    database: &Elsewhere,
    allow: BTreeSet<String>,
) -> Result<String, OperationError> {
    let started = Instant::now();
    let (reporter, name) = (&session.reporter, database.name());
    reporter.report(Event::Started { step: "learn".into(), what: format!("measuring {name}") });
    let meter = Meter::new("learn", reporter.clone());
    let options = LearnOptions { allow, ..LearnOptions::default() };
    let tell = |progress: Progress<'_>| meter.tell(progress);
    let profile = match database {
        Elsewhere::Postgres(server) => postgres::learn(server, &options, &tell).await?,
        Elsewhere::MySql(server) => mysql::learn(server, &options, &tell).await?,
        Elsewhere::Mongo(_) => {
            let what = "what is measured are tables: of PostgreSQL, MySQL and MariaDB";
            return Err(OperationError::Unable { store: name.to_owned(), what });
        }
    };
    let what = format!("{} of {name} measured", counted(profile.tables.len(), "table"));
    reporter.report(Event::Done { step: "learn".into(), what, took: started.elapsed() });
    Ok(profile.to_yaml())
}

/// A seed.yaml, whose text was read from `path`, held against what a store is like.
pub async fn generator(
    existing: &Existing,
    store: &Store,
    path: &Path,
    text: &str,
) -> Result<(Live, Generator), OperationError> {
    let live = Live::look(existing, store, Some(path)).await?;
    let seed = seed::read(text, &path.display().to_string(), live.schema())?;
    let generator = Generator::new(live.schema(), &seed)?;
    Ok((live, generator))
}

/// Replaces the rows of a store's tables by those of a seed.yaml, remembers that, and keeps them as what it is reset to.
pub async fn seed(
    session: &Session,
    existing: &Existing,
    store: &Store,
    path: &Path,
) -> Result<Seeded, OperationError> {
    let reporter = &session.reporter;
    let shown = path.strip_prefix(session.config.directory()).unwrap_or(path);
    let what = format!("{} into {store}", shown.display());
    reporter.report(Event::Started { step: STEP.into(), what });
    let text = datasets::seed_text(path)?;
    let (live, generator) = generator(existing, store, path, &text).await?;
    let seeded = match &live {
        Live::Postgres(server, schema) => seed_postgres(session, server, schema, &generator).await?,
        Live::MySql(server, schema) => mysql_store::seed(session, server, schema, &generator).await?,
        Live::Mongo(server, shapes) => mongo_store::seed(session, server, shapes, &generator).await?,
    };
    reporter.report(Event::Done { step: STEP.into(), what: sentence(store, &seeded), took: seeded.took });
    datasets::record_seed(session, &store.name(), path, &text)?;
    load::keep(session, existing, store).await?;
    Ok(seeded)
}

async fn seed_postgres(
    session: &Session,
    server: &Server,
    schema: &Schema,
    generator: &Generator,
) -> Result<Seeded, OperationError> {
    if let Some(note) = server.note() {
        session.reporter.report(Event::Note(note));
    }
    let meter = Meter::new(STEP, session.reporter.clone());
    let tell = |progress: postgres::Progress<'_>| meter.tell(progress);
    let report = postgres::load(server, schema, generator, &LoadOptions::default(), &tell).await?;
    Ok(seeded(&report))
}

/// What a PostgreSQL was given.
pub(in crate::operation) fn seeded(report: &LoadReport) -> Seeded {
    let parts = report.tables.iter().map(Part::loaded);
    let emptied = report.emptied.iter().map(ToString::to_string).collect();
    Seeded { words: Words::TABLES, parts: parts.collect(), emptied, took: report.took }
}

/// What was loaded, in a line.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
pub(in crate::operation) fn sentence(store: &Store, seeded: &Seeded) -> String {
    let (words, parts) = (seeded.words, &seeded.parts);
    let rows = outcome::rows(parts);
    let bytes: u64 = parts.iter().filter_map(|part| part.bytes).sum();
    let copying: Duration = parts.iter().filter_map(|part| part.took).sum();
    let rate = rows as f64 / copying.min(seeded.took).as_secs_f64().max(1e-3);
    let emptied = match seeded.emptied.len() {
        0 => String::new(),
        tables => format!("; {} that refer to them emptied", counted(tables, words.part)),
    };
    let held = counted(parts.len(), words.part);
    format!("{store}: {rows} {} in {held}, {}, {rate:.0}/s{emptied}", words.rows, sized(bytes))
}
