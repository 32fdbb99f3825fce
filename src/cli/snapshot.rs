//! `devcluster snapshot`

use std::path::PathBuf;

use serde_json::json;

use super::exit::{CliError, Exit};
use super::store::show;
use super::{Global, printer, snapshot_text};
use crate::data::snapshot::{Catalogue, ReceiveOptions, SnapshotName, difference};
use crate::operation::error::OperationError;
use crate::operation::snapshots;
use crate::words::{counted, sized};

/// What is done with a snapshot.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Take a snapshot of a store
    Create(super::snapshot_store::CreateArgs),
    /// Put a store's data back as a snapshot has it
    Load(super::snapshot_store::LoadArgs),
    /// Put a store's data back as it was loaded last, from a copy that is held ready
    Reset(super::snapshot_store::ResetArgs),
    /// Prepare the copy that the next reset takes
    #[command(hide = true)]
    Prepare(super::snapshot_store::PrepareArgs),
    /// List the project's snapshots
    List,
    /// Show what is in a snapshot
    Inspect {
        /// The snapshot
        name: SnapshotName,
    },
    /// Read a snapshot whole and hold it against its hashes
    Verify {
        /// The snapshot
        name: SnapshotName,
    },
    /// Show in what two snapshots differ; exits 4 where they do
    Diff {
        /// The one
        first: SnapshotName,
        /// The other
        second: SnapshotName,
    },
    /// Take snapshots away, and what only they needed
    Rm {
        /// The snapshots
        #[arg(required_unless_present = "damaged")]
        names: Vec<SnapshotName>,
        /// Take away what is damaged instead, and nothing else: snapshots and packs that cannot be read, and damaged chunks
        #[arg(long, conflicts_with = "names")]
        damaged: bool,
        /// Do not ask
        #[arg(long, requires = "damaged")]
        yes: bool,
    },
    /// Write a snapshot to one .tar.gz file
    Export {
        /// The snapshot
        name: SnapshotName,
        /// The file; NAME.tar.gz here by default
        #[arg(value_name = "FILE")]
        archive: Option<PathBuf>,
    },
    /// Take a snapshot from a file that `export` wrote
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        archive: PathBuf,
        #[command(flatten)]
        receiving: Receiving,
    },
    /// Copy a snapshot into another catalogue: a directory, or an object store by its URL (`s3://bucket/folder`)
    Push {
        /// The snapshot
        name: SnapshotName,
        /// Where to
        to: String,
        #[command(flatten)]
        receiving: Receiving,
    },
    /// Copy a snapshot out of another catalogue
    Pull {
        /// The snapshot
        name: SnapshotName,
        /// Where from
        from: String,
        #[command(flatten)]
        receiving: Receiving,
    },
}

/// How a snapshot is taken in.
#[derive(Debug, clap::Args)]
pub struct Receiving {
    /// Give it this name
    #[arg(long, value_name = "NAME")]
    rename: Option<SnapshotName>,
    /// Let a snapshot of that name make way
    #[arg(long)]
    replace: bool,
}

impl From<Receiving> for ReceiveOptions {
    fn from(receiving: Receiving) -> Self {
        Self { name: receiving.rename, replace: receiving.replace }
    }
}

/// Does it.
pub async fn run(global: &Global, verb: Verb) -> Result<(), CliError> {
    let catalogue = || Ok::<_, CliError>(Catalogue::open(global.config()?.snapshots()));
    match verb {
        Verb::Create(args) => super::snapshot_store::create(global, args).await,
        Verb::Load(args) => super::snapshot_store::load(global, args).await,
        Verb::Reset(args) => super::snapshot_store::reset(global, args).await,
        Verb::Prepare(args) => super::snapshot_store::prepare(global, args).await,
        Verb::List => list(global, &catalogue()?),
        Verb::Inspect { name } => {
            let found = snapshots::inspect(catalogue()?, name).await?;
            show(global, &snapshot_text::inspection_value(&found), || snapshot_text::inspection(&found));
            Ok(())
        }
        Verb::Verify { name } => {
            let verified = snapshots::verify(catalogue()?, name.clone()).await?;
            let value = json!({"name": name, "streams": verified.streams, "bytes": verified.bytes});
            show(global, &value, || {
                format!("{name} is whole: {}, {}", counted(verified.streams, "stream"), sized(verified.bytes))
            });
            Ok(())
        }
        Verb::Diff { first, second } => diff(global, catalogue()?, first, second).await,
        Verb::Rm { damaged: true, yes, .. } => {
            super::snapshot_damage::remove(global, catalogue()?, yes).await
        }
        Verb::Rm { names, .. } => {
            let removed = names.len();
            let collected = snapshots::remove(catalogue()?, names).await?;
            let value = json!({"removed": removed, "freed": collected.bytes});
            show(global, &value, || {
                format!("{} removed, {} freed", counted(removed, "snapshot"), sized(collected.bytes))
            });
            Ok(())
        }
        Verb::Export { name, archive } => {
            let file = archive.unwrap_or_else(|| format!("{name}.tar.gz").into());
            let size = snapshots::export(catalogue()?, name, file.clone()).await?;
            let value = json!({"file": file, "bytes": size});
            show(global, &value, || format!("{}: {}", file.display(), sized(size)));
            Ok(())
        }
        Verb::Import { archive, receiving } => {
            let received = snapshots::import(catalogue()?, archive, receiving.into()).await?;
            show(global, &snapshot_text::received_value(&received), || snapshot_text::received(&received));
            Ok(())
        }
        Verb::Push { name, to, receiving } => {
            let other = snapshots::catalogue(&to).await?;
            let received = snapshots::copy(catalogue()?, other, name, receiving.into()).await?;
            show(global, &snapshot_text::received_value(&received), || snapshot_text::received(&received));
            Ok(())
        }
        Verb::Pull { name, from, receiving } => {
            let other = snapshots::catalogue(&from).await?;
            let received = snapshots::copy(other, catalogue()?, name, receiving.into()).await?;
            show(global, &snapshot_text::received_value(&received), || snapshot_text::received(&received));
            Ok(())
        }
    }
}

fn list(global: &Global, catalogue: &Catalogue) -> Result<(), CliError> {
    let listing = catalogue.list().map_err(OperationError::from)?;
    show(global, &snapshot_text::listing_value(&listing), || snapshot_text::listing(&listing));
    for damaged in &listing.damaged {
        printer::talk(&format!("warning: {damaged}"));
    }
    if listing.damaged.is_empty() { Ok(()) } else { Err(CliError::told(Exit::Failed)) }
}

async fn diff(
    global: &Global,
    catalogue: Catalogue,
    first: SnapshotName,
    second: SnapshotName,
) -> Result<(), CliError> {
    let (first, second) = snapshots::both(catalogue, first, second).await?;
    let found = difference(&first, &second);
    show(global, &snapshot_text::difference_value(&found), || snapshot_text::difference(&found));
    if first.content == second.content { Ok(()) } else { Err(CliError::told(Exit::Differs)) }
}
