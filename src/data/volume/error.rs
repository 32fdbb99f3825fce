//! Why something could not be done with a volume.

use std::io;

use crate::data::snapshot::SnapshotError;

/// Why something could not be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// A program on the node failed.
    #[error("{volume}: cannot {task}: {source}")]
    Node {
        /// The volume.
        volume: String,
        /// What was being done, as a verb phrase.
        task: &'static str,
        /// What the program said.
        source: io::Error,
    },
    /// A program on the node said what is not understood.
    #[error("{volume}: cannot {task}: the node said `{}`", .said.escape_debug())]
    Said {
        /// The volume.
        volume: String,
        /// What was being done, as a verb phrase.
        task: &'static str,
        /// What it said.
        said: String,
    },
    /// The archive of the node's tar is not as it has to be.
    #[error("{volume}: the archive of its files: {fault}")]
    Archive {
        /// The volume.
        volume: String,
        /// What is wrong.
        fault: ArchiveFault,
    },
    /// A snapshot that must not be unpacked.
    #[error("snapshot {snapshot} is not unpacked: {fault}")]
    Refused {
        /// The snapshot.
        snapshot: String,
        /// What is wrong.
        fault: ArchiveFault,
    },
    /// A snapshot that has no such volume.
    #[error(
        "snapshot {snapshot} has no files of {volume}; `devcluster snapshot inspect {snapshot}` shows what it has"
    )]
    NotInSnapshot {
        /// The snapshot.
        snapshot: String,
        /// The volume.
        volume: String,
    },
    /// There is less room than it takes.
    #[error("{volume}: {needed} bytes are needed beside its files, {free} are free; make room there")]
    Room {
        /// The volume.
        volume: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// What it could be reset to is not there.
    #[error("{0} was never loaded: there is nothing to reset it to; load a snapshot into it first")]
    NothingToReset(String),
    /// A thread ended before its time.
    #[error("{0} stopped; run the same command again")]
    Stopped(&'static str),
    /// The snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A part of it is not understood.
    #[error("{0}")]
    Malformed(&'static str),
    /// A header is too large.
    #[error("a header of {0} bytes is larger than any file has")]
    Large(u64),
    /// A line that tells of no file.
    #[error("entry {number}: {reason}")]
    Line {
        /// The line's number, from 1.
        number: u64,
        /// What the parser said.
        reason: String,
    },
    /// An entry that leads out of the volume, or is otherwise refused.
    #[error("`{path}` {reason}")]
    Entry {
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Entries and contents do not fit each other.
    #[error("its entries have {entries} bytes, its contents {contents}")]
    Sizes {
        /// Bytes that entries have.
        entries: u64,
        /// Bytes that there are.
        contents: u64,
    },
    /// The snapshot that takes it.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}
