//! Learns what is in a pack from its end, with two reads.

use std::fmt;
use std::io;

use super::digest::Digest;
use super::error::SnapshotError;
use super::objects::Objects;
use super::pack::{self, Entry, MAGIC, TRAILER};
use super::packs::key;

/// Bytes that are read at a pack's end at first: as good as every index is shorter.
const END: u64 = 1 << 15;

/// Why a pack cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is damaged, and how.
    Damaged(String),
    /// It does not begin as packs of this version do: another version may know what it is.
    Foreign,
    /// Reading failed, and it may be whole.
    Unread(SnapshotError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(reason) => out.write_str(reason),
            Self::Foreign => out.write_str("it does not begin as a pack of this version"),
            Self::Unread(error) => error.fmt(out),
        }
    }
}

/// The chunks of a pack of `size` bytes.
pub(super) fn entries(objects: &dyn Objects, name: Digest, size: u64) -> Result<Vec<Entry>, Unreadable> {
    let key = key(name);
    let read = |offset, length: u64| {
        let length = usize::try_from(length).map_err(io::Error::other);
        let bytes = length.and_then(|length| objects.read(&key, offset, length));
        bytes.map_err(|error| Unreadable::Unread(SnapshotError::reading(objects.shown(&key), error)))
    };
    let damaged = |reason: &str| Unreadable::Damaged(reason.to_owned());
    if size < MAGIC.len() as u64 + TRAILER {
        return Err(damaged("it is too short"));
    }
    if read(0, MAGIC.len() as u64)? != MAGIC {
        return Err(Unreadable::Foreign);
    }
    let end = read(size - size.min(END), size.min(END))?;
    let (before, trailer) = end.split_last_chunk::<16>().ok_or_else(|| damaged("it is too short"))?;
    let length = pack::index_length(size, trailer).map_err(Unreadable::Damaged)?;
    let start = usize::try_from(length).ok().and_then(|length| before.len().checked_sub(length));
    match start.and_then(|start| before.get(start..)) {
        Some(index) => pack::entries(name, size, index),
        None => pack::entries(name, size, &read(size - TRAILER - length, length)?),
    }
    .map_err(Unreadable::Damaged)
}
