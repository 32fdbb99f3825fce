//! The record of containers with files in them that their image has not: what `status` and `parity` tell and `up` puts right.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::OperationError;
use super::session::Session;

/// The file of the state directory that names containers with files in them that their image has not.
const RECORD: &str = "synced.json";

/// A running container with files in it that its image has not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncedContainer {
    /// Its id, as containerd has it.
    pub container_id: String,
    /// Its Pod, as `NAMESPACE/NAME`.
    pub pod: String,
    /// Its name.
    pub container: String,
}

/// The containers that have files in them that their image has not, as far as they were not replaced since.
pub fn recorded(session: &Session) -> Vec<SyncedContainer> {
    let text = session.state.read(RECORD);
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Forgets containers, which were replaced.
pub fn forget(session: &Session) -> Result<(), OperationError> {
    if session.state.read(RECORD).is_some() {
        session.state.write(RECORD, b"[]")?;
    }
    Ok(())
}

/// Remembers containers. What an earlier run noted may still run, and stays.
pub fn add(session: &Session, containers: &BTreeSet<SyncedContainer>) -> Result<(), OperationError> {
    let all: BTreeSet<SyncedContainer> =
        recorded(session).into_iter().chain(containers.iter().cloned()).collect();
    session.state.write(RECORD, &serde_json::to_vec_pretty(&all).unwrap_or_default())?;
    Ok(())
}
