//! What is remembered of migrations beside the volumes: which scripts have run, what a run was about when it was cut short, and
//! which snapshots were taken before. It goes where the volumes go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::operation::error::OperationError;
use crate::operation::session::Session;

/// The file.
const RECORD: &str = ".migrations.json";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Migrated {
    /// Digests of the scripts that have run, by migration.
    pub ran: BTreeMap<String, BTreeSet<String>>,
    /// The snapshots of a run that has not come to its end.
    pub unfinished: Option<Unfinished>,
    /// Snapshots that were taken before migrations, the newest last.
    pub taken: Vec<Taken>,
}

/// A run that migrates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// What tells its migrations from others.
    pub mark: String,
    /// The snapshots that were taken whole before them.
    pub snapshots: BTreeSet<String>,
}

/// A snapshot that was taken before a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The store, as the configuration names it.
    pub store: String,
    /// The snapshot.
    pub snapshot: String,
    /// The migrations that it was taken before, as the configuration names them.
    #[serde(default)]
    pub migrations: Vec<String>,
}

/// What is remembered; nothing of a cluster that never migrated.
pub fn recorded(session: &Session) -> Migrated {
    let text = std::fs::read(session.state.volumes().join(RECORD)).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Remembers it.
pub fn record(session: &Session, migrated: &Migrated) -> Result<(), OperationError> {
    let directory = session.state.volumes();
    let text = serde_json::to_vec_pretty(migrated).unwrap_or_default();
    let write = || {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(directory.join(RECORD)).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source: std::io::Error| OperationError::Data { path: directory.join(RECORD), source })
}

/// A store's data is another now: nobody knows any more what has run on it.
pub fn forget(session: &Session) -> Result<(), OperationError> {
    let migrated = recorded(session);
    if migrated.ran.is_empty() && migrated.unfinished.is_none() {
        return Ok(());
    }
    record(session, &Migrated { taken: migrated.taken, ..Migrated::default() })
}
