//! `devcluster snapshot create` of a volume's files.

use serde_json::json;

use super::Global;
use super::exit::CliError;
use super::store::show;
use crate::data::discover::Store;
use crate::data::snapshot::SnapshotName;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::volume;
use crate::words::sized;

/// Takes a snapshot.
pub(super) async fn create(
    global: &Global,
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: SnapshotName,
    replace: bool,
    live: bool,
) -> Result<(), CliError> {
    let _lock = session.lock()?;
    let taken = volume::create(session, existing, store, name, replace, live).await?;
    let manifest = &taken.created.manifest;
    let value = json!({
        "name": manifest.name, "content": manifest.content, "bytes": manifest.size(), "stored": taken.created.added.bytes,
        "files": taken.dumped.entries, "frozen": taken.frozen.map(|frozen| frozen.as_secs_f64()),
        "seconds": taken.dumped.took.as_secs_f64(), "leftOut": taken.dumped.notes,
    });
    show(global, &value, || format!("{} files, {}", taken.dumped.entries, sized(taken.dumped.bytes)));
    Ok(())
}
