//! Gives back the room of chunks that no snapshot uses, and of what killed writers left.

use std::collections::HashSet;

use super::ahead::Ahead;
use super::catalogue::Catalogue;
use super::digest::{ChunkId, Digest};
use super::error::SnapshotError;
use super::manifest::Chunk;
use super::objects::Hold;
use super::pack::Entry;
use super::packing::Packing;
use super::packs;

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packs taken away.
    pub packs: usize,
    /// Half-written files taken away.
    pub drafts: usize,
    /// Bytes of packs given back, less those written anew.
    pub bytes: u64,
}

impl Catalogue {
    /// Takes away chunks that no snapshot uses. A pack that is less than half used is written anew, a pack
    /// that is more than half used stays. Refused while others use the catalogue, and while a manifest in it
    /// cannot be read: its chunks are not known.
    pub fn collect_garbage(&self) -> Result<Collected, SnapshotError> {
        let _guard = self.hold(Hold::Alone)?;
        let live = self.live()?;
        let drafts = self.objects.sweep().map_err(|source| self.uncleared(source))?;
        self.packs.refresh()?;
        let mut packing = Packing::new(self.objects.clone());
        let mut collected = Collected { drafts, ..Collected::default() };
        let mut gone: Vec<Digest> = Vec::new();
        for (pack, (size, mut entries)) in self.packs.by_pack() {
            entries.retain(|entry| live.contains(&entry.id));
            let used: u64 = entries.iter().map(|entry| u64::from(entry.stored)).sum();
            if used < size / 2 && self.rescue(&entries, &mut packing)? {
                gone.push(pack);
                collected.bytes += size;
            }
        }
        packing.seal()?;
        if live.iter().all(|id| self.packs.has(*id)) {
            gone.extend(self.packs.damaged());
        }
        collected.bytes = collected.bytes.saturating_sub(packing.added().bytes);
        collected.packs = self.discard(gone, &packing)?;
        Ok(collected)
    }

    /// Removes packs, and says how many. One that was just written anew under the name of an old one stays:
    /// a collection that was cut short before has left it.
    pub(super) fn discard(&self, mut gone: Vec<Digest>, packing: &Packing) -> Result<usize, SnapshotError> {
        gone.retain(|pack| !packing.has_published(*pack));
        for pack in &gone {
            self.objects.remove(&packs::key(*pack)).map_err(|source| self.uncleared(source))?;
        }
        self.packs.refresh()?;
        Ok(gone.len())
    }

    pub(super) fn uncleared(&self, source: std::io::Error) -> SnapshotError {
        SnapshotError::Io { what: "clear", path: self.objects.shown(""), source }
    }

    /// Chunks that snapshots use.
    fn live(&self) -> Result<HashSet<ChunkId>, SnapshotError> {
        let mut live = HashSet::new();
        for (name, size) in self.names()? {
            let manifest = self.manifest(&name, size)?;
            live.extend(manifest.streams.iter().flat_map(|stream| &stream.chunks).map(|chunk| chunk.id));
        }
        Ok(live)
    }

    /// Writes chunks anew. False where one is damaged: its pack then stays as it is, with whatever can still
    /// be learned from it.
    pub(super) fn rescue(&self, entries: &[Entry], packing: &mut Packing) -> Result<bool, SnapshotError> {
        let mut ahead = Ahead::stored(&self.packs, &chunks(entries));
        for _ in entries {
            match ahead.next().ok_or(SnapshotError::Stopped("reading"))? {
                Ok(chunk) => packing.add(&chunk)?,
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

pub(super) fn chunks(entries: &[Entry]) -> Vec<Chunk> {
    entries.iter().map(|entry| Chunk { id: entry.id, size: entry.plain }).collect()
}
