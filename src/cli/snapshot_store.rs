//! `devcluster snapshot create`, `load` and `reset`: what needs a store.

use std::process::{Command, Stdio};

use serde_json::json;

use super::exit::CliError;
use super::seed::{StoreArg, reach};
use super::snapshot::show;
use super::{Global, printer, snapshot_text};
use crate::data::discover::Store;
use crate::data::snapshot::SnapshotName;
use crate::operation::session::Session;
use crate::operation::snapshot_create::{self, Part, Taking};
use crate::operation::{snapshot_load, stores};

/// What `create` takes.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// The snapshot's name
    name: SnapshotName,
    #[command(flatten)]
    store: StoreArg,
    /// Take it of a PostgreSQL elsewhere, masked: `postgres://USER@HOST:PORT/DATABASE`, with the password in PGPASSWORD
    #[arg(long, value_name = "ADDRESS", conflicts_with = "store")]
    from: Option<String>,
    /// Only rows that meet a condition such as `customers.id in (1, 2)`, with all that they need and what refers to them
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Only a share of a table, such as `customers=5`, with all that it needs and what refers to it; `5` for every table that
    /// refers to no other
    #[arg(long, value_name = "PERCENT")]
    percent: Vec<String>,
    /// The most rows that are taken of what refers to a row, by each reference
    #[arg(long, value_name = "ROWS")]
    cap: Option<u32>,
    /// Let a snapshot of that name make way
    #[arg(long)]
    replace: bool,
}

/// What `load` takes.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// The snapshot
    name: SnapshotName,
    #[command(flatten)]
    store: StoreArg,
}

/// What `prepare` takes.
#[derive(Debug, clap::Args)]
pub struct PrepareArgs {
    #[command(flatten)]
    store: StoreArg,
}

/// What `reset` takes.
#[derive(Debug, clap::Args)]
pub struct ResetArgs {
    #[command(flatten)]
    store: StoreArg,
}

/// Takes a snapshot.
pub async fn create(global: &Global, args: CreateArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let part = Part { conditions: args.conditions, percent: args.percent, cap: args.cap };
    let (server, prefix, masked) = if let Some(address) = &args.from {
        let server = snapshot_create::elsewhere(address).await?;
        let prefix = format!("postgres/{}", server.database());
        (server, prefix, true)
    } else {
        let (_, existing, store) = reach(&session, &args.store).await?;
        (stores::postgres(&existing, &store).await?, snapshot_load::prefix(&store), false)
    };
    let taking = Taking { name: args.name, prefix, replace: args.replace, masked, part: &part };
    let taken = snapshot_create::create(&session, &server, taking, &|plan| printer::talk(plan)).await?;
    let manifest = &taken.created.manifest;
    let value = json!({
        "name": manifest.name, "content": manifest.content, "bytes": manifest.size(), "stored": taken.created.added.bytes,
        "tables": taken.dumped.tables.iter().map(|one| json!({"table": one.table.to_string(), "rows": one.rows})).collect::<Vec<_>>(),
        "seconds": taken.dumped.took.as_secs_f64(),
    });
    show(global, &value, || snapshot_text::taken(&taken));
    Ok(())
}

/// Puts a store's data back as a snapshot has it.
pub async fn load(global: &Global, args: LoadArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (_, existing, store) = reach(&session, &args.store).await?;
    let _lock = session.lock()?;
    let report = snapshot_load::load(&session, &existing, &store, &args.name).await?;
    let tables: Vec<_> =
        report.tables.iter().map(|(table, rows)| json!({"table": table.to_string(), "rows": rows})).collect();
    let value = json!({
        "store": store.name(), "snapshot": args.name, "seconds": report.took.as_secs_f64(), "tables": tables,
    });
    show(global, &value, || format!("{store} holds {}", args.name));
    leave_preparing(&session, &store);
    Ok(())
}

/// Puts a store's data back as it was loaded last.
pub async fn reset(global: &Global, args: ResetArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (_, existing, store) = reach(&session, &args.store).await?;
    let _lock = session.lock()?;
    let report = snapshot_load::reset(&session, &existing, &store).await?;
    let value = json!({"store": store.name(), "seconds": report.took.as_secs_f64(), "spare": report.spare});
    show(global, &value, || format!("{store} is as it was loaded"));
    leave_preparing(&session, &store);
    Ok(())
}

/// Makes the next spare copy.
pub async fn prepare(global: &Global, args: PrepareArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (_, existing, store) = reach(&session, &args.store).await?;
    snapshot_load::prepare(&existing, &store).await?;
    Ok(())
}

/// Starts `prepare` apart from this command and its terminal. Where that fails, the next reset takes longer and says so.
pub(super) fn leave_preparing(session: &Session, store: &Store) {
    use std::os::unix::process::CommandExt;
    let Ok(program) = std::env::current_exe() else { return };
    let _ = Command::new(program)
        .args(["snapshot", "prepare", "--quiet", "--store", &store.name(), "--file"])
        .arg(&session.config.file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
}
