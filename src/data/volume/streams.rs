//! What a volume's streams in a snapshot are called: below a prefix `volume.json`, which says what there is, `entries.jsonl`
//! with a line for each file, and `contents`, the bytes of all files in that order without what is in holes.

use serde::{Deserialize, Serialize};

use crate::data::snapshot::{SnapshotError, StreamPath};

/// The form that is written, and the only one that is read.
pub(super) const FORMAT: u32 = 1;
/// The stream that every volume's part of a snapshot has.
pub(super) const MARK: &str = "/volume.json";

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// The form of the streams.
    pub format: u32,
    /// Entries, the volume's directory among them.
    pub entries: u64,
    /// Bytes of all files, holes and all.
    pub bytes: u64,
}

/// The path of what says what there is.
pub(super) fn summary_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}{MARK}").parse()?)
}

/// The path of the entries.
pub(super) fn entries_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/entries.jsonl").parse()?)
}

/// The path of the contents.
pub(super) fn contents_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/contents").parse()?)
}
