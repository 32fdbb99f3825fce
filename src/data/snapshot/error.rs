//! Why a snapshot could not be written, read, moved or removed.

use std::fmt;
use std::io;

use super::digest::ChunkId;
use super::name::{NameError, SnapshotName, StreamPath};
use crate::words::{listed, sized};

/// Where in a snapshot something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// The stream.
    pub stream: StreamPath,
    /// Where the chunk begins in the stream's plain bytes.
    pub offset: u64,
    /// The chunk.
    pub chunk: ChunkId,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, stream, offset, chunk } = self;
        write!(out, "snapshot `{snapshot}`, stream {stream}, byte {offset} (chunk {chunk})")
    }
}

/// Why a snapshot could not be written, read, moved or removed. An [`io::Error`] of a stream's reader or
/// writer carries one of these: [`io::Error::downcast`] gives it back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A text is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No snapshot has this name.
    #[error("no snapshot `{name}` in {catalogue}; {help}")]
    Unknown {
        /// The name asked for.
        name: SnapshotName,
        /// The catalogue.
        catalogue: String,
        /// The nearest right name, or all there are.
        help: String,
    },
    /// A snapshot has no such stream.
    #[error("snapshot `{snapshot}` has no stream {stream}")]
    UnknownStream {
        /// The snapshot.
        snapshot: SnapshotName,
        /// The stream asked for.
        stream: StreamPath,
    },
    /// The name belongs to another snapshot.
    #[error("snapshot `{name}` exists in {catalogue}; choose another name, or replace it")]
    NameTaken {
        /// The name.
        name: SnapshotName,
        /// The catalogue.
        catalogue: String,
    },
    /// A stream's path was used before in the same snapshot.
    #[error("stream {0} is written twice")]
    StreamTaken(StreamPath),
    /// A snapshot was finished while streams of it were not.
    #[error("streams were begun and not finished:{}", listed(.0))]
    Unfinished(Vec<StreamPath>),
    /// A manifest, an archive or a pack was written by a newer version of the tool.
    #[error("{what} has format {found}; this version reads formats up to {known}: update devcluster")]
    Newer {
        /// What was read.
        what: String,
        /// Its format.
        found: u64,
        /// The newest format known.
        known: u64,
    },
    /// A manifest is not what was written.
    #[error("{manifest} is damaged: {reason}; fetch or create the snapshot again")]
    DamagedManifest {
        /// The file.
        manifest: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A chunk is not what was written.
    #[error(
        "{place} is damaged in {pack}: {reason}; `devcluster snapshot rm --damaged` drops what is damaged; then import, pull or create it again"
    )]
    DamagedChunk {
        /// Where it is used.
        place: Box<Place>,
        /// The pack it is in.
        pack: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A chunk is in no pack that can be read.
    #[error("{place} is missing from {catalogue}{}", damage(.damaged))]
    MissingChunk {
        /// Where it is used.
        place: Box<Place>,
        /// The catalogue.
        catalogue: String,
        /// The packs that cannot be read, each with the reason.
        damaged: Vec<String>,
    },
    /// A whole stream's hash or size is not what the manifest says.
    #[error("snapshot `{snapshot}`, stream {stream}: its bytes do not hash to what the manifest says")]
    DamagedStream {
        /// The snapshot.
        snapshot: SnapshotName,
        /// The stream.
        stream: StreamPath,
    },
    /// Several things are wrong with one snapshot.
    #[error("snapshot `{name}` is damaged:{}", listed(.faults))]
    Faulty {
        /// The snapshot.
        name: SnapshotName,
        /// The first fault of each stream.
        faults: Vec<SnapshotError>,
    },
    /// An archive is not one of a snapshot, or not whole.
    #[error("the archive is refused: {0}; nothing was imported")]
    Archive(String),
    /// A snapshot is beyond what a manifest holds.
    #[error("the snapshot is too large: {0}")]
    TooLarge(String),
    /// Another process uses the catalogue.
    #[error("{0} is in use by another command; try again when it is done")]
    Busy(String),
    /// No room is left.
    #[error("no space is left for {}: {what} could not be written; free some space and run it again, what was written is used", .path)]
    DiskFull {
        /// What was being written.
        what: String,
        /// Where.
        path: String,
    },
    /// Reading or writing failed otherwise.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried: `read`, `write`.
        what: &'static str,
        /// On what.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Work that others wait for has ended early.
    #[error("the snapshot's {0} stopped before it was done")]
    Stopped(&'static str),
}

/// The packs that may hold what is missing.
fn damage(packs: &[String]) -> String {
    if packs.is_empty() { String::new() } else { format!("; packs that cannot be read:{}", listed(packs)) }
}

impl SnapshotError {
    /// What writing failed with: a full disk is told apart from all else.
    pub(super) fn writing(what: impl Into<String>, path: impl Into<String>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { what: what.into(), path: path.into() }
            }
            _ => Self::Io { what: "write", path: path.into(), source },
        }
    }

    /// What reading failed with.
    pub(super) fn reading(path: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: "read", path: path.into(), source }
    }

    /// A manifest that is not what was written.
    pub(super) fn manifest(manifest: &str, reason: impl fmt::Display) -> Self {
        Self::DamagedManifest { manifest: manifest.to_owned(), reason: reason.to_string() }
    }

    /// A limit that was passed.
    pub(super) fn too_large(what: &str, limit: u64) -> Self {
        Self::TooLarge(format!("{what} may have {} at most; split it into several", sized(limit)))
    }
}

impl From<SnapshotError> for io::Error {
    fn from(error: SnapshotError) -> Self {
        let kind = match &error {
            SnapshotError::DiskFull { .. } => io::ErrorKind::StorageFull,
            SnapshotError::DamagedChunk { .. } | SnapshotError::MissingChunk { .. } => {
                io::ErrorKind::InvalidData
            }
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
