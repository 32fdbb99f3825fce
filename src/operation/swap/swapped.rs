//! The record of what swaps' names stand for: a Pod whose image was patched a moment ago still tells of the bytes it ran before.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::error::OperationError;
use crate::operation::session::Session;

/// The file of the state directory.
const RECORD: &str = "swapped.json";

/// The digests that each image name of the last swap of its repository stands for.
pub fn recorded(session: &Session) -> BTreeMap<String, BTreeSet<String>> {
    let text = session.state.read(RECORD);
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Remembers what a swap names, before any Pod is patched. Of each repository the last swap alone counts.
pub(in crate::operation) fn remember(
    session: &Session,
    names: BTreeMap<String, BTreeSet<String>>,
) -> Result<(), OperationError> {
    let repositories: BTreeSet<String> =
        names.keys().map(|name| crate::operation::swap::repository(name)).collect();
    let mut all = recorded(session);
    all.retain(|name, _| !repositories.contains(&crate::operation::swap::repository(name)));
    all.extend(names);
    session.state.write(RECORD, &serde_json::to_vec_pretty(&all).unwrap_or_default())?;
    Ok(())
}
