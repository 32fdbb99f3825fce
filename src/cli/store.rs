//! What the verbs about data share: which store is meant, and how a result is shown.

use std::process::{Command, Stdio};

use super::exit::CliError;
use super::{Global, printer};
use crate::data::discover::{Store, StoreKind};
use crate::operation::error::OperationError;
use crate::operation::gather::{self, Desired};
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::volume;
use crate::operation::stores;

/// Which store.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArg {
    /// The store's workload, or a volume's claim, NAMESPACE/NAME; `pvc/NAMESPACE/NAME` for a claim where a workload is called
    /// alike; the only PostgreSQL of the manifests where unset
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
}

/// The manifests, the cluster, and the store that is meant.
pub(super) async fn reach(
    session: &Session,
    store: &StoreArg,
) -> Result<(Desired, Existing, Store), CliError> {
    let desired = gather::gather(session).await?;
    let store = match stores::choose(&desired, store.store.as_deref()) {
        Err(OperationError::UnknownStore { name, help }) => {
            let existing = session.existing().await.ok();
            let found = match &existing {
                Some(existing) => volume::in_cluster(existing, &name).await?,
                None => None,
            };
            found.ok_or(OperationError::UnknownStore { name, help })?
        }
        chosen => chosen?,
    };
    let existing = session.existing().await?;
    Ok((desired, existing, store))
}

/// Prints a result: the value for machines, the text for people.
pub(super) fn show(global: &Global, value: &serde_json::Value, text: impl FnOnce() -> String) {
    if global.is_for_machines() {
        printer::value(global.output, value);
    } else {
        printer::data(&text());
    }
}

/// Starts `prepare` apart from this command and its terminal. Where that fails, the next reset takes longer and says so.
pub(super) fn leave_preparing(session: &Session, store: &Store) {
    use std::os::unix::process::CommandExt;
    if store.kind == StoreKind::Redis {
        return;
    }
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
