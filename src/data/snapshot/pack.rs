//! A pack: many chunks in one file, with an index behind them. Small chunks thus do not become a million files.
//!
//! ```text
//! "dcpack01"  stored bytes of each chunk, one after the other  index  count (8, little endian)  "dcindex1"
//! index entry: id (32)  encoding (1)  stored bytes (4, little endian)  plain bytes (4, little endian)
//! ```
//! A pack's name is the hash of its index: with the chunks' own hashes, every byte of it can be checked.

use super::chunker::LARGEST;
use super::digest::{ChunkId, Digest};
use super::encoding::{Encoded, Encoding};

/// How a pack begins.
pub(super) const MAGIC: &[u8; 8] = b"dcpack01";
/// How a pack ends, after the number of its chunks.
const END: &[u8; 8] = b"dcindex1";
/// Bytes of an index entry.
const ENTRY: usize = 41;
/// Bytes behind the index.
pub(super) const TRAILER: u64 = 16;
/// Bytes at which a pack is full: few files, and little to write anew when a part of it is garbage.
pub(super) const FULL: u64 = 32 << 20;
/// Chunks at which a pack is full.
const MOST: usize = 1 << 16;

/// A chunk of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub id: ChunkId,
    /// How it is stored.
    pub encoding: Encoding,
    /// Where it begins in the pack.
    pub offset: u64,
    /// Bytes that it takes there.
    pub stored: u32,
    /// Its plain bytes.
    pub plain: u32,
}

/// A pack's index while its chunks are written.
#[derive(Debug, Default)]
pub(super) struct Contents {
    index: Vec<u8>,
    stored: u64,
}

impl Contents {
    /// Notes a chunk that is written behind all noted before.
    pub fn add(&mut self, chunk: &Encoded) {
        let stored = u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX);
        self.index.extend_from_slice(chunk.id.0.as_bytes());
        self.index.push(chunk.encoding as u8);
        self.index.extend_from_slice(&stored.to_le_bytes());
        self.index.extend_from_slice(&chunk.plain.to_le_bytes());
        self.stored += u64::from(stored);
    }

    /// Whether no more should be added.
    pub fn is_full(&self) -> bool {
        self.stored >= FULL || self.index.len() >= MOST * ENTRY
    }

    /// The pack's name, and what is to be written behind its chunks.
    pub fn finish(mut self) -> (Digest, Vec<u8>) {
        let name = Digest::of(&self.index);
        let count = (self.index.len() / ENTRY) as u64;
        self.index.extend_from_slice(&count.to_le_bytes());
        self.index.extend_from_slice(END);
        (name, self.index)
    }
}

/// Bytes of the index, from a pack's size and its last [`TRAILER`] bytes; otherwise what is wrong.
pub(super) fn index_length(size: u64, trailer: &[u8]) -> Result<u64, String> {
    let (count, end) = trailer.split_first_chunk::<8>().ok_or("it is too short")?;
    if end != END {
        return Err("its end is missing".to_owned());
    }
    let count = u64::from_le_bytes(*count);
    let length = count.saturating_mul(ENTRY as u64);
    let room = size.saturating_sub(TRAILER + MAGIC.len() as u64);
    if count == 0 || count > MOST as u64 || length > room {
        return Err(format!("an index of {count} chunks is impossible"));
    }
    Ok(length)
}

/// The chunks of the pack `name` of `size` bytes, from its index; otherwise what is wrong.
pub(super) fn entries(name: Digest, size: u64, index: &[u8]) -> Result<Vec<Entry>, String> {
    if Digest::of(index) != name {
        return Err("its index does not hash to its name".to_owned());
    }
    let mut offset = MAGIC.len() as u64;
    let mut all = Vec::with_capacity(index.len() / ENTRY);
    for record in index.chunks(ENTRY) {
        let entry = entry(record, offset).ok_or("its index has an impossible entry")?;
        offset += u64::from(entry.stored);
        all.push(entry);
    }
    if offset + index.len() as u64 + TRAILER != size {
        return Err("its size is not what its index says".to_owned());
    }
    Ok(all)
}

fn entry(record: &[u8], offset: u64) -> Option<Entry> {
    let (id, rest) = record.split_first_chunk::<32>()?;
    let (encoding, rest) = rest.split_first()?;
    let (stored, rest) = rest.split_first_chunk::<4>()?;
    let plain = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    let stored = u32::from_le_bytes(*stored);
    let possible = 0 < stored && stored <= plain && plain as usize <= LARGEST;
    let encoding = Encoding::try_from(*encoding).ok()?;
    possible.then_some(Entry { id: ChunkId(Digest::from_bytes(*id)), encoding, offset, stored, plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bytes: &[u8]) -> Encoded {
        let plain = u32::try_from(bytes.len()).unwrap();
        Encoded { id: ChunkId::of(bytes), encoding: Encoding::Plain, plain, bytes: bytes.to_vec() }
    }

    #[test]
    fn an_index_is_read_as_it_was_written_and_not_otherwise() {
        let mut contents = Contents::default();
        contents.add(&chunk(b"one"));
        contents.add(&chunk(b"three"));
        let (name, end) = contents.finish();
        let size = 8 + 8 + end.len() as u64;
        let (index, trailer) = end.split_at(end.len() - 16);
        assert_eq!(index_length(size, trailer), Ok(82));
        let read: Vec<(u64, u32)> =
            entries(name, size, index).unwrap().iter().map(|entry| (entry.offset, entry.stored)).collect();
        assert_eq!(read, [(8, 3), (11, 5)]);
        assert!(entries(Digest::of(b""), size, index).is_err());
        assert!(entries(name, size + 1, index).is_err());
        assert!(index_length(50, trailer).is_err());
        assert!(index_length(size, &trailer[1..]).is_err());
    }
}
