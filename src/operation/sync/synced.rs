//! The record of containers with files in them that their image has not: what `status` and `parity` tell and `up` puts right.

use std::collections::BTreeSet;

use crate::operation::error::OperationError;
use crate::operation::session::Session;

/// The file of the state directory that names containers with files in them that their image has not.
const RECORD: &str = "synced.json";

/// The ids of containers that have files in them that their image has not, and of some that were replaced since.
pub fn recorded(session: &Session) -> BTreeSet<String> {
    let text = session.state.read(RECORD);
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Forgets containers, which were replaced.
pub fn forget(session: &Session) -> Result<(), OperationError> {
    if !recorded(session).is_empty() {
        session.state.write(RECORD, b"[]")?;
    }
    Ok(())
}

/// Remembers containers. What an earlier run noted may still run, and stays.
pub fn add(session: &Session, containers: &BTreeSet<String>) -> Result<(), OperationError> {
    let all: BTreeSet<String> = recorded(session).union(containers).cloned().collect();
    session.state.write(RECORD, &serde_json::to_vec_pretty(&all).unwrap_or_default())?;
    Ok(())
}
