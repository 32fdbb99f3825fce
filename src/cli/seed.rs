//! `devcluster seed`

use std::path::PathBuf;

use serde_json::json;

use super::exit::{CliError, Exit};
use super::snapshot_store::elsewhere;
use super::store::{StoreArg, leave_preparing, reach, show};
use super::{Global, printer};
use crate::data::generate::{Format, Locale};
use crate::data::postgres::Share;
use crate::data::seed::PlanOptions;
use crate::handoff::release::Made;
use crate::operation::datasets;
use crate::operation::datasets::seed;
use crate::operation::datasets::seed::Live;
use crate::operation::datasets::worker;
use crate::operation::datasets::workers;
use crate::operation::datasets::write;
use crate::operation::datasets::write::Kind;
use crate::operation::release::record;
use crate::operation::session::Session;
use crate::operation::stores::elsewhere::Elsewhere;
use crate::operation::stores::mongo_store;
use crate::words::sized;

/// What is done with synthetic data.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Write a seed.yaml from a store's live schema: it runs as it is, and is yours to edit
    Plan {
        /// The data set: written to snapshots/NAME/seed.yaml; `-` prints it
        name: String,
        #[command(flatten)]
        store: StoreArg,
        /// Rows of tables that refer to no other
        #[arg(long, default_value_t = 1000)]
        rows: u64,
        /// The number that all values are a function of
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The language of names and words: en, de
        #[arg(long, default_value = "en", value_parser = locale)]
        locale: Locale,
        /// Shape it by the profile that `seed learn` wrote: a data set, or the file's path
        #[arg(long, value_name = "PROFILE")]
        like: Option<String>,
        /// Write over a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Measure a real database, read-only, and write what it is like to snapshots/NAME/profile.yaml: no value is in it
    Learn {
        /// The data set
        name: String,
        #[command(flatten)]
        store: StoreArg,
        /// A database elsewhere: `postgres://USER@HOST:PORT/DATABASE`, with the password in PGPASSWORD, `mysql://` (MYSQL_PWD),
        /// or a context of kubeconfig whose cluster runs the store
        #[arg(long, value_name = "ADDRESS|CONTEXT")]
        from: Option<String>,
        /// A column whose values may be named, as `schema.table.column`
        #[arg(long, value_name = "COLUMN")]
        allow: Vec<String>,
        /// Write over a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Replace a store's rows by those of a seed.yaml, all or nothing
    Load {
        /// The data set, or the path of a seed.yaml
        name: String,
        #[command(flatten)]
        store: StoreArg,
        /// Have so many workers in the cluster make the rows, where one machine is too slow; the rows are the same
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        workers: Option<u16>,
    },
    /// Load one worker's share
    #[command(hide = true)]
    Worker {
        /// The database to fill; its password is in PGPASSWORD
        #[arg(long)]
        into: String,
        /// The file that says what is loaded
        #[arg(long)]
        task: PathBuf,
        /// How many workers there are
        #[arg(long)]
        workers: usize,
        /// Which of them this is
        #[arg(long, env = "JOB_COMPLETION_INDEX")]
        index: usize,
    },
    /// Write the rows of a seed.yaml to files, one a table; the store tells its schema, and is not changed
    Write {
        /// The data set, or the path of a seed.yaml
        name: String,
        #[command(flatten)]
        store: StoreArg,
        /// The files' form
        #[arg(long, value_enum, default_value_t = Form::Csv)]
        format: Form,
        /// The directory they are written to
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
}

/// How rows are written to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Comma-separated values, without a header
    Csv,
    /// A JSON object a line
    Jsonl,
    /// An INSERT a line
    Sql,
    /// What PostgreSQL's COPY reads
    Copy,
    /// Apache Parquet
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Form {
    fn kind(self) -> (Kind, &'static str) {
        match self {
            Self::Csv => (Kind::Rows(Format::Csv), "csv"),
            Self::Jsonl => (Kind::Rows(Format::JsonLines), "jsonl"),
            Self::Sql => (Kind::Rows(Format::Sql), "sql"),
            Self::Copy => (Kind::Rows(Format::Copy), "copy"),
            #[cfg(feature = "parquet")]
            Self::Parquet => (Kind::Parquet, "parquet"),
        }
    }
}

fn locale(text: &str) -> Result<Locale, String> {
    let known = Locale::ALL.iter().find(|(name, _)| *name == text);
    let names: Vec<&str> = Locale::ALL.iter().map(|(name, _)| *name).collect();
    known.map(|(_, locale)| *locale).ok_or_else(|| format!("known are {}", names.join(", ")))
}

/// Does it.
pub async fn run(global: &Global, verb: Verb) -> Result<(), CliError> {
    if let Verb::Worker { into, task, workers, index } = verb {
        let rows = worker::run(&into, &task, Share { index, workers: workers.max(1) }).await?;
        printer::talk(&format!("{rows} rows loaded"));
        return Ok(());
    }
    let session = Session::open(global.config()?, global.progress()).await?;
    match verb {
        Verb::Worker { .. } => Ok(()),
        Verb::Plan { name, store, rows, seed, locale, like, force } => {
            let options = PlanOptions { seed, locale, rows, ..PlanOptions::default() };
            let like = like.map(|like| path(&session, &like, "profile.yaml", "seed learn")).transpose()?;
            let (_, existing, store) = reach(&session, &store).await?;
            let found = Live::look(&existing, &store, None).await?;
            let text = seed::plan(&session, &found, &options, like.as_deref())?;
            keep(global, &session, &name, "seed.yaml", &text, force)?;
            if let Live::Mongo(_, shapes) = &found
                && name != "-"
            {
                mongo_store::keep_shapes(shapes, &session.config.snapshots().join(&name).join("seed.yaml"))?;
            }
            Ok(())
        }
        Verb::Learn { name, store, from, allow, force } => {
            let database = if let Some(from) = from {
                elsewhere(&session, &from, &store).await?
            } else {
                let (_, existing, store) = reach(&session, &store).await?;
                Elsewhere::own(&existing, &store).await?
            };
            let text = seed::learn(&session, &database, allow.into_iter().collect()).await?;
            keep(global, &session, &name, "profile.yaml", &text, force)
        }
        Verb::Load { name, store, workers } => load(global, &session, &name, &store, workers).await,
        Verb::Write { name, store, format, out } => {
            let (_, existing, store) = reach(&session, &store).await?;
            let path = path(&session, &name, "seed.yaml", "seed plan")?;
            let text = datasets::seed_text(&path)?;
            let (_, generator) = seed::generator(&existing, &store, &path, &text).await?;
            let (kind, ending) = format.kind();
            let reporter = session.reporter.clone();
            let written = write::write(generator, kind, ending, out, reporter).await?;
            show(global, &json!(written), || {
                let lines = written
                    .iter()
                    .map(|one| format!("{}: {} rows, {}", one.file.display(), one.rows, sized(one.bytes)));
                lines.collect::<Vec<_>>().join("\n")
            });
            Ok(())
        }
    }
}

/// A file of a data set, or the file itself; `by` writes one.
fn path(session: &Session, name: &str, file: &str, by: &str) -> Result<PathBuf, CliError> {
    let own = session.config.snapshots().join(name).join(file);
    let here = PathBuf::from(name);
    [own.clone(), here].into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let text = format!(
            "there is neither {} nor a file {name}; `devcluster {by} {name}` writes one",
            own.display()
        );
        CliError::message(Exit::Usage, text)
    })
}

/// Writes a file of a data set; `-` prints it. What is there is not written over unasked.
fn keep(
    global: &Global,
    session: &Session,
    name: &str,
    file: &str,
    text: &str,
    force: bool,
) -> Result<(), CliError> {
    if name == "-" {
        printer::data(text.trim_end());
        return Ok(());
    }
    let path = session.config.snapshots().join(name).join(file);
    if path.exists() && !force {
        let text = format!("{} is there already; --force writes over it", path.display());
        return Err(CliError::message(Exit::Usage, text));
    }
    let failed = |error: std::io::Error| {
        CliError::message(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    std::fs::write(&path, text).map_err(failed)?;
    show(global, &json!({"file": path}), || path.display().to_string());
    Ok(())
}

async fn load(
    global: &Global,
    session: &Session,
    name: &str,
    store: &StoreArg,
    workers: Option<u16>,
) -> Result<(), CliError> {
    let path = path(session, name, "seed.yaml", "seed plan")?;
    let (desired, existing, store) = reach(session, store).await?;
    let _lock = session.lock()?;
    let report = match workers {
        None => seed::seed(session, &existing, &store, &path).await?,
        Some(workers) => workers::seed(session, &existing, &store, &path, workers.into()).await?,
    };
    let shown = path.strip_prefix(session.config.directory()).unwrap_or(&path);
    let made = Made::Load { store: store.name(), from: format!("seed {}", shown.display()) };
    record::after_data(session, &desired, &existing, made).await;
    leave_preparing(session, &store);
    let (part, rows) = (report.words.part, report.words.rows);
    let parts = report.parts.iter().map(|one| {
        let seconds = one.took.map(|took| took.as_secs_f64());
        json!({part: one.name, rows: one.rows, "bytes": one.bytes, "seconds": seconds})
    });
    let value = json!({
        "store": store.name(), "seconds": report.took.as_secs_f64(), format!("{part}s"): parts.collect::<Vec<_>>(),
        "emptied": report.emptied,
    });
    show(global, &value, || {
        let lines = report.parts.iter().map(|one| format!("{}: {} {rows}", one.name, one.rows));
        lines
            .chain(report.emptied.iter().map(|name| format!("{name}: emptied")))
            .collect::<Vec<_>>()
            .join("\n")
    });
    Ok(())
}
