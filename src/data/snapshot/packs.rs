//! All packs of a catalogue: which chunk is where, and getting it out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::digest::{ChunkId, Digest};
use super::encoding::Encoded;
use super::error::{Place, SnapshotError};
use super::lanes::Lanes;
use super::manifest::Chunk;
use super::objects::{Object, Objects, PACKS, Reads};
use super::pack::Entry;
use super::survey::{self, Unreadable};

/// The packs of a catalogue. Knows those it has seen, and looks for new ones when asked.
#[derive(Debug)]
pub(super) struct Packs {
    objects: Arc<dyn Objects>,
    index: RwLock<Index>,
}

/// What is known of the packs: some 100 bytes of memory a chunk.
#[derive(Debug, Default)]
struct Index {
    /// Packs that can be read, each with its bytes.
    packs: HashMap<Digest, u64>,
    chunks: HashMap<ChunkId, Location>,
    /// Packs that cannot be read, each with the reason.
    unreadable: BTreeMap<Digest, Unreadable>,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location {
    /// The pack.
    pub pack: Digest,
    /// Its entry there.
    pub entry: Entry,
}

/// Why a chunk cannot be had.
#[derive(Debug)]
pub(super) enum ChunkFault {
    /// It is in no pack; the catalogue, and the packs that cannot be read.
    Missing(String, Vec<String>),
    /// It is not what was written; the pack and the reason.
    Damaged(String, String),
    /// It could not be read.
    Unread(SnapshotError),
}

impl ChunkFault {
    /// The error, for the place where the chunk is used.
    pub fn at(self, place: Place) -> SnapshotError {
        let place = Box::new(place);
        match self {
            Self::Missing(catalogue, damaged) => SnapshotError::MissingChunk { place, catalogue, damaged },
            Self::Damaged(pack, reason) => SnapshotError::DamagedChunk { place, pack, reason },
            Self::Unread(error) => error,
        }
    }
}

/// A pack's key.
pub(super) fn key(pack: Digest) -> String {
    format!("{PACKS}/{pack}.pack")
}

impl Packs {
    /// None are known yet.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, index: RwLock::default() }
    }

    /// How reading is worth it.
    pub fn reads(&self) -> Reads {
        self.objects.reads()
    }

    /// Looks for packs that came and went. To be called with a hold on the catalogue, under which none goes.
    pub fn refresh(&self) -> Result<(), SnapshotError> {
        let listed = self
            .objects
            .list(PACKS)
            .map_err(|error| SnapshotError::reading(self.objects.shown(PACKS), error))?;
        let present: HashMap<Digest, u64> = listed.iter().filter_map(named).collect();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.packs.keys().any(|known| !present.contains_key(known)) {
            *index = Index::default();
        }
        index.unreadable.clear();
        let mut new: Vec<_> =
            present.into_iter().filter(|(name, _)| !index.packs.contains_key(name)).collect();
        new.sort_unstable();
        let mut lanes = Lanes::start(&new, self.reads().at_once, || {
            let objects = self.objects.clone();
            move |(name, size)| survey::entries(&*objects, name, size)
        });
        for (name, size) in new {
            match lanes.next().ok_or(SnapshotError::Stopped("reading"))? {
                Ok(entries) => index.add(name, size, entries),
                Err(Unreadable::Unread(error)) => return Err(error),
                Err(reason) => drop(index.unreadable.insert(name, reason)),
            }
        }
        Ok(())
    }

    /// Where a chunk is.
    pub fn locate(&self, id: ChunkId) -> Option<Location> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).chunks.get(&id).copied()
    }

    /// Where a chunk has to be.
    pub fn find(&self, id: ChunkId) -> Result<Location, ChunkFault> {
        self.locate(id).ok_or_else(|| ChunkFault::Missing(self.objects.shown(""), self.unreadable()))
    }

    /// Whether a chunk is there.
    pub fn has(&self, id: ChunkId) -> bool {
        self.locate(id).is_some()
    }

    /// The packs that can be read, each with its bytes and its chunks in order. A chunk that is in several is
    /// in one of them here.
    pub fn by_pack(&self) -> BTreeMap<Digest, (u64, Vec<Entry>)> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: BTreeMap<_, _> =
            index.packs.iter().map(|(pack, size)| (*pack, (*size, Vec::new()))).collect();
        for Location { pack, entry } in index.chunks.values() {
            all.entry(*pack).or_insert((0, Vec::new())).1.push(*entry);
        }
        for (_, entries) in all.values_mut() {
            entries.sort_unstable_by_key(|entry| entry.offset);
        }
        all
    }

    /// Packs that cannot be read, each with the reason.
    fn unreadable(&self) -> Vec<String> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let packs = index.unreadable.iter();
        packs.map(|(pack, reason)| format!("{}: {reason}", self.objects.shown(&key(*pack)))).collect()
    }

    /// The names of packs that are damaged beyond reading.
    pub fn damaged(&self) -> Vec<Digest> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let damaged = index.unreadable.iter().filter(|(_, reason)| matches!(reason, Unreadable::Damaged(_)));
        damaged.map(|(pack, _)| *pack).collect()
    }

    /// A chunk as it is stored, unchecked.
    pub fn stored(&self, id: ChunkId) -> Result<Encoded, ChunkFault> {
        let Location { pack, entry } = self.find(id)?;
        let key = key(pack);
        let bytes = self.objects.read(&key, entry.offset, entry.stored as usize);
        let bytes = bytes.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                ChunkFault::Damaged(self.objects.shown(&key), "it ends early".into())
            }
            _ => ChunkFault::Unread(SnapshotError::reading(self.objects.shown(&key), error)),
        })?;
        Ok(Encoded { id, encoding: entry.encoding, plain: entry.plain, bytes })
    }

    /// A list of chunks as ranges of it, each of neighbours in a pack that are worth one read.
    pub fn runs(&self, chunks: &[Chunk]) -> Vec<(usize, usize)> {
        let most = self.reads().bytes;
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut end: Option<(Digest, u64)> = None;
        let mut length = 0;
        for (at, found) in chunks.iter().map(|chunk| self.locate(chunk.id)).enumerate() {
            let begin = found.map(|Location { pack, entry }| (pack, entry.offset));
            let stored = found.map_or(0, |found| u64::from(found.entry.stored));
            length += stored;
            match runs.last_mut() {
                Some(run) if begin.is_some() && begin == end && length <= most => run.1 = at + 1,
                _ => {
                    runs.push((at, at + 1));
                    length = stored;
                }
            }
            end = begin.map(|(pack, offset)| (pack, offset + stored));
        }
        runs
    }

    /// The chunks of a run as they are stored, unchecked: with one read, or where that fails one by one, so
    /// that the fault has its place.
    pub fn stored_run(&self, run: &[Chunk]) -> Vec<Result<Encoded, ChunkFault>> {
        if run.len() > 1
            && let Some(all) = self.read_run(run)
        {
            return all.into_iter().map(Ok).collect();
        }
        run.iter().map(|chunk| self.stored(chunk.id)).collect()
    }

    fn read_run(&self, run: &[Chunk]) -> Option<Vec<Encoded>> {
        let found: Vec<Location> = run.iter().map(|chunk| self.locate(chunk.id)).collect::<Option<_>>()?;
        let first = found.first()?;
        let length = found.iter().map(|found| found.entry.stored as usize).sum();
        let bytes = self.objects.read(&key(first.pack), first.entry.offset, length).ok()?;
        let mut rest = bytes.as_slice();
        let mut cut = |Location { entry, .. }: Location| {
            let (now, later) = rest.split_at_checked(entry.stored as usize)?;
            rest = later;
            Some(Encoded { id: entry.id, encoding: entry.encoding, plain: entry.plain, bytes: now.to_vec() })
        };
        found.into_iter().map(&mut cut).collect()
    }

    /// That a chunk is not what was written.
    pub fn damage(&self, id: ChunkId, reason: String) -> ChunkFault {
        let pack = self.locate(id).map(|found| self.objects.shown(&key(found.pack))).unwrap_or_default();
        ChunkFault::Damaged(pack, reason)
    }
}

impl Index {
    fn add(&mut self, pack: Digest, size: u64, entries: Vec<Entry>) {
        for entry in entries {
            self.chunks.entry(entry.id).or_insert(Location { pack, entry });
        }
        self.packs.insert(pack, size);
    }
}

/// A pack's name and size, where the file is one.
fn named(object: &Object) -> Option<(Digest, u64)> {
    Some((object.name.strip_suffix(".pack")?.parse().ok()?, object.size))
}
