//! `devcluster snapshot create`, `load` and `reset`: what needs a store.

use serde_json::json;

use super::exit::{CliError, Exit};
use super::store::{StoreArg, leave_preparing, reach, show};
use super::{Global, printer, snapshot_text};
use crate::data::discover::StoreKind;
use crate::data::snapshot::SnapshotName;
use crate::handoff::release::Made;
use crate::operation::gather;
use crate::operation::release::record;
use crate::operation::session::Session;
use crate::operation::snapshots::create::Part;
use crate::operation::snapshots::load;
use crate::operation::snapshots::migrate::{self, Migrations};
use crate::operation::snapshots::take::{self, Request};
use crate::operation::stores;
use crate::operation::stores::elsewhere::Elsewhere;
use crate::operation::stores::users;

/// What `create` takes.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// The snapshot's name
    name: SnapshotName,
    #[command(flatten)]
    store: StoreArg,
    /// Take it of a database elsewhere, masked: `postgres://USER@HOST:PORT/DATABASE` (its password in PGPASSWORD), `mysql://`
    /// (MYSQL_PWD) or `mongodb://` (MONGODB_PASSWORD), or a context of kubeconfig whose cluster runs the store
    #[arg(long, value_name = "ADDRESS|CONTEXT")]
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
    /// Run what migrates the store after it, as `up` does after a snapshot of `data:`
    #[arg(long)]
    migrate: bool,
    /// Start the Pods of what uses the store anew
    #[arg(long)]
    restart: bool,
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
    /// Run what migrates the store after it, as `up` does after a snapshot of `data:`
    #[arg(long)]
    migrate: bool,
    /// Start the Pods of what uses the store anew
    #[arg(long)]
    restart: bool,
}

/// Takes a snapshot.
pub async fn create(global: &Global, args: CreateArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let part = Part { conditions: args.conditions, percent: args.percent, cap: args.cap };
    let show_plan = |plan: &str| printer::talk(plan);
    let request = Request { name: args.name, replace: args.replace, part: &part, show: &show_plan };
    let taken = if let Some(from) = &args.from {
        let database = elsewhere(&session, from, &args.store).await?;
        take::elsewhere(&session, &database, request).await?
    } else {
        let (_, existing, store) = reach(&session, &args.store).await?;
        if store.kind == StoreKind::Volume {
            if !part.is_whole() {
                let text =
                    format!("{store} is taken whole: --where and --percent are for databases with tables");
                return Err(CliError::message(Exit::Usage, text));
            }
            let (name, replace, live) = (request.name, request.replace, args.live);
            return super::snapshot_files::create(global, &session, &existing, &store, name, replace, live)
                .await;
        }
        take::own(&session, &existing, &store, request).await?
    };
    let manifest = &taken.created.manifest;
    let parts = taken.parts.iter().map(|one| json!({taken.words.part: one.name, taken.words.rows: one.rows}));
    let value = json!({
        "name": manifest.name, "content": manifest.content, "bytes": manifest.size(), "stored": taken.created.added.bytes,
        format!("{}s", taken.words.part): parts.collect::<Vec<_>>(), "seconds": taken.took.as_secs_f64(),
    });
    show(global, &value, || snapshot_text::taken(&taken));
    Ok(())
}

/// A database outside the project's cluster, by an address or by a context whose cluster runs a store of the manifests.
pub(super) async fn elsewhere(
    session: &Session,
    from: &str,
    store: &StoreArg,
) -> Result<Elsewhere, CliError> {
    if let Some(database) = Elsewhere::address(from).await? {
        if store.store.is_some() {
            let text = "--store is for a context: an address names its database itself".to_owned();
            return Err(CliError::message(Exit::Usage, text));
        }
        return Ok(database);
    }
    let desired = gather::gather(session).await?;
    let store = stores::choose(&desired, store.store.as_deref())?;
    Ok(Elsewhere::context(from, &store).await?)
}

/// Puts a store's data back as a snapshot has it.
pub async fn load(global: &Global, args: LoadArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (desired, existing, store) = reach(&session, &args.store).await?;
    let _lock = session.lock()?;
    let mut migrations = if args.migrate {
        Some(Migrations::begin(&session, &desired, &existing, &store).await?)
    } else {
        None
    };
    let held = load::load(&session, &existing, &store, &args.name, migrations.is_none()).await?;
    let migrated = if let Some(migrations) = &mut migrations {
        migrations.run().await?
    } else {
        migrate::propose(&session, &desired, &store, &args.name);
        Vec::new()
    };
    let parts: serde_json::Map<String, serde_json::Value> =
        held.parts.iter().map(|part| (part.name.clone(), json!(part.rows))).collect();
    let value = json!({
        "store": store.name(), "snapshot": args.name, "seconds": held.took.as_secs_f64(), "parts": parts, "migrated": migrated,
    });
    let made = Made::Load { store: store.name(), from: format!("snapshot {}", args.name) };
    record::after_data(&session, &desired, &existing, made).await;
    users::after_change(&session, &desired, &existing, &store, args.restart).await?;
    show(global, &value, || format!("{store} holds {}", args.name));
    leave_preparing(&session, &store);
    Ok(())
}

/// Puts a store's data back as it was loaded last.
pub async fn reset(global: &Global, args: ResetArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (desired, existing, store) = reach(&session, &args.store).await?;
    let _lock = session.lock()?;
    let mut migrations = if args.migrate {
        Some(Migrations::begin(&session, &desired, &existing, &store).await?)
    } else {
        None
    };
    let report = load::reset(&session, &existing, &store).await?;
    let migrated = match &mut migrations {
        Some(migrations) => migrations.run().await?,
        None => Vec::new(),
    };
    let value = json!({
        "store": store.name(), "seconds": report.took.as_secs_f64(), "spare": report.spare, "migrated": migrated,
    });
    let made = Made::Reset { store: store.name() };
    record::after_data(&session, &desired, &existing, made).await;
    users::after_change(&session, &desired, &existing, &store, args.restart).await?;
    show(global, &value, || format!("{store} is as it was loaded"));
    leave_preparing(&session, &store);
    Ok(())
}

/// Makes the next spare copy.
pub async fn prepare(global: &Global, args: PrepareArgs) -> Result<(), CliError> {
    let session = Session::open(global.config()?, global.progress()).await?;
    let (_, existing, store) = reach(&session, &args.store).await?;
    load::prepare(&existing, &store).await?;
    Ok(())
}
