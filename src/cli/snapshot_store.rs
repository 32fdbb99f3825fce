//! `devcluster snapshot create`, `load` and `reset`: what needs a store.

use serde_json::json;

use super::exit::{CliError, Exit};
use super::store::{StoreArg, leave_preparing, reach, show};
use super::{Global, printer, snapshot_text};
use crate::data::discover::{Store, StoreKind};
use crate::data::snapshot::SnapshotName;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshot_create::{self, Part, Taking};
use crate::operation::{snapshot_load, snapshot_redis, snapshot_volume, stores};

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
    /// Take a volume's files while they are written, without freezing the Pods that mount them: of no one moment
    #[arg(long)]
    live: bool,
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
        if store.kind == StoreKind::Volume {
            if !part.is_whole() {
                let text = format!("{store} is taken whole: --where and --percent are for PostgreSQL");
                return Err(CliError::message(Exit::Usage, text));
            }
            let (name, replace, live) = (args.name, args.replace, args.live);
            return super::snapshot_files::create(global, &session, &existing, &store, name, replace, live)
                .await;
        }
        if store.kind == StoreKind::Redis {
            if args.from.is_some() || !part.is_whole() {
                let text = format!("{store} is taken whole: --where and --percent are for PostgreSQL");
                return Err(CliError::message(Exit::Usage, text));
            }
            return create_redis(global, &session, &existing, &store, args.name, args.replace).await;
        }
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

async fn create_redis(
    global: &Global,
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: SnapshotName,
    replace: bool,
) -> Result<(), CliError> {
    let (created, databases) = snapshot_redis::create(session, existing, store, name, replace).await?;
    let manifest = &created.manifest;
    let value = json!({
        "name": manifest.name, "content": manifest.content, "bytes": manifest.size(), "stored": created.added.bytes,
        "databases": databases,
    });
    show(global, &value, || {
        let lines =
            databases.iter().map(|(database, entries)| format!("database {database}  {entries} entries"));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// Puts a store's data back as a snapshot has it.
pub async fn load(global: &Global, args: LoadArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (_, existing, store) = reach(&session, &args.store).await?;
    let _lock = session.lock()?;
    let held = snapshot_load::load(&session, &existing, &store, &args.name, true).await?;
    let parts: serde_json::Map<String, serde_json::Value> =
        held.parts.iter().map(|(part, count)| (part.clone(), json!(count))).collect();
    let value = json!({
        "store": store.name(), "snapshot": args.name, "seconds": held.took.as_secs_f64(), "parts": parts,
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
    if store.kind == StoreKind::Volume {
        return super::snapshot_files::reset(global, &session, &existing, &store).await;
    }
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
    if store.kind == StoreKind::Volume {
        snapshot_volume::prepare(&existing, &store).await?;
        return Ok(());
    }
    snapshot_load::prepare(&existing, &store).await?;
    Ok(())
}
