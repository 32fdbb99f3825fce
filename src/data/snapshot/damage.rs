//! Finds what is damaged in a catalogue, and takes that away and nothing else.

use std::collections::HashSet;

use super::ahead::Ahead;
use super::catalogue::{Catalogue, key};
use super::collect::chunks;
use super::digest::{ChunkId, Digest};
use super::error::SnapshotError;
use super::name::SnapshotName;
use super::objects::Hold;
use super::pack::Entry;
use super::packing::Packing;
use super::packs::{self, ChunkFault};

/// What is damaged in a catalogue.
#[derive(Debug, Default)]
pub struct Damage {
    /// Snapshots whose manifests are not what was written, each with what is wrong. Nothing brings them back.
    pub manifests: Vec<(SnapshotName, SnapshotError)>,
    /// Packs with damaged chunks.
    pub packs: Vec<DamagedPack>,
    /// Snapshots that are not whole without those chunks. They are again when the same chunks are stored anew: by creating,
    /// importing or pulling any snapshot that has them.
    pub lacking: Vec<SnapshotName>,
}

/// A pack with damaged chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPack {
    /// Its file.
    pub file: String,
    /// Its damaged chunks; none where it cannot be read at all, and nobody knows which it had.
    pub chunks: Option<usize>,
}

/// A pack, what is whole in it, and what is not.
struct Sorted {
    pack: Digest,
    whole: Vec<Entry>,
    damaged: Vec<ChunkId>,
}

impl Damage {
    /// Whether there is none that could be taken away.
    pub fn is_none(&self) -> bool {
        self.manifests.is_empty() && self.packs.is_empty()
    }
}

impl Catalogue {
    /// Reads every manifest, and every chunk of every pack, and says what is damaged. What cannot be read for other reasons may be
    /// whole: files of a newer version are passed over, and a disk that fails is an error.
    pub fn damage(&self) -> Result<Damage, SnapshotError> {
        let _guard = self.hold(Hold::Reading)?;
        self.packs.refresh()?;
        Ok(self.look()?.0)
    }

    /// Takes away what [`Catalogue::damage`] finds, and says what that was. Chunks that are whole stay, those of damaged packs
    /// in packs of their own. Refused while others use the catalogue.
    pub fn drop_damaged(&self) -> Result<Damage, SnapshotError> {
        let _guard = self.hold(Hold::Alone)?;
        self.packs.refresh()?;
        let (damage, sorted) = self.look()?;
        let mut packing = Packing::new(self.objects.clone());
        let mut gone = self.packs.damaged();
        for one in sorted {
            self.rescue(&one.whole, &mut packing)?;
            gone.push(one.pack);
        }
        packing.seal()?;
        self.discard(gone, &packing)?;
        for (name, _) in &damage.manifests {
            self.objects.remove(&key(name)).map_err(|source| self.uncleared(source))?;
        }
        Ok(damage)
    }

    fn look(&self) -> Result<(Damage, Vec<Sorted>), SnapshotError> {
        let mut sorted = Vec::new();
        for (pack, (_, entries)) in self.packs.by_pack() {
            let (whole, damaged) = self.sort_out(entries)?;
            if !damaged.is_empty() {
                sorted.push(Sorted { pack, whole, damaged });
            }
        }
        let file = |pack: Digest| self.objects.shown(&packs::key(pack));
        let unreadable = self.packs.damaged();
        let unreadable = unreadable.into_iter().map(|pack| DamagedPack { file: file(pack), chunks: None });
        let partly =
            sorted.iter().map(|one| DamagedPack { file: file(one.pack), chunks: Some(one.damaged.len()) });
        let mut damage = Damage { packs: unreadable.chain(partly).collect(), ..Damage::default() };
        damage.packs.sort_by(|one, other| one.file.cmp(&other.file));
        let lost: HashSet<ChunkId> = sorted.iter().flat_map(|one| one.damaged.iter().copied()).collect();
        for (name, size) in self.names()? {
            match self.manifest(&name, size) {
                Ok(manifest) => {
                    let mut chunks = manifest.streams.iter().flat_map(|stream| &stream.chunks);
                    if chunks.any(|chunk| lost.contains(&chunk.id) || !self.packs.has(chunk.id)) {
                        damage.lacking.push(name);
                    }
                }
                Err(error @ SnapshotError::DamagedManifest { .. }) => damage.manifests.push((name, error)),
                Err(SnapshotError::Newer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((damage, sorted))
    }

    /// The chunks that are whole, and the others. What cannot be read at all may be whole, and is an error.
    fn sort_out(&self, entries: Vec<Entry>) -> Result<(Vec<Entry>, Vec<ChunkId>), SnapshotError> {
        let mut ahead = Ahead::stored(&self.packs, &chunks(&entries));
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for entry in entries {
            match ahead.next().ok_or(SnapshotError::Stopped("reading"))? {
                Ok(_) => whole.push(entry),
                Err(ChunkFault::Unread(error)) => return Err(error),
                Err(ChunkFault::Damaged(..) | ChunkFault::Missing(..)) => damaged.push(entry.id),
            }
        }
        Ok((whole, damaged))
    }
}
