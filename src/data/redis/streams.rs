//! What a server's streams in a snapshot are called: below a prefix `redis.json`, which says what there is,
//! `dbN.rdb-entries` for each database with keys, and `functions.rdb-entries`.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::error::RedisError;
use crate::data::snapshot::{SnapshotError, StreamPath};

/// The form that is written, and the only one that is read.
pub(super) const FORMAT: u32 = 1;

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// The form of the streams.
    pub format: u32,
    /// The RDB version that values are in.
    pub rdb_version: u16,
    /// Entries of each database.
    pub databases: BTreeMap<u32, u64>,
    /// Libraries of functions.
    pub functions: u64,
}

impl Contents {
    /// Entries in all.
    pub(super) fn entries(&self) -> u64 {
        self.databases.values().fold(0, |sum, entries| sum.saturating_add(*entries))
    }
}

/// The path of what says what there is.
pub(super) fn contents_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/redis.json").parse()?)
}

/// The path of a database's entries.
pub(super) fn database_path(prefix: &str, database: u32) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/db{database}.rdb-entries").parse()?)
}

/// The path of libraries of functions.
pub(super) fn functions_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/functions.rdb-entries").parse()?)
}

/// What writing to a stream failed with.
pub(super) fn unwritten(error: io::Error) -> RedisError {
    match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(source) => SnapshotError::Io { what: "write", path: "the snapshot".to_owned(), source }.into(),
    }
}

/// What reading a stream failed with.
pub(super) fn unread(stream: &str, error: io::Error) -> RedisError {
    match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(error) => RedisError::Damaged { stream: stream.to_owned(), reason: error.to_string() },
    }
}
