//! What can be said of snapshots without loading them: sizes, wholeness, differences.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::digest::{ChunkId, Digest};
use super::error::SnapshotError;
use super::manifest::{Manifest, Stream};
use super::name::{SnapshotName, StreamPath};
use super::objects::{Guard, Hold};
use super::reader::StreamReader;

/// A snapshot and the room it takes.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The snapshot.
    pub manifest: Manifest,
    /// Its distinct chunks.
    pub chunks: usize,
    /// Bytes that its chunks take in the catalogue.
    pub stored: u64,
    /// Of these, bytes that no other snapshot of the catalogue uses: what removing it gives back in the end.
    pub own: u64,
    /// Chunks that are in no pack: whether it is whole but for damage, which [`Catalogue::verify`] finds.
    pub missing: usize,
}

/// What was found whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Streams.
    pub streams: usize,
    /// Plain bytes.
    pub bytes: u64,
}

/// What one snapshot has and another has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Streams that only the second has, with their bytes.
    pub added: Vec<(StreamPath, u64)>,
    /// Streams that only the first has, with their bytes.
    pub removed: Vec<(StreamPath, u64)>,
    /// Streams whose bytes differ.
    pub changed: Vec<Changed>,
    /// Streams that are the same.
    pub same: usize,
    /// Plain bytes of the second's chunks that the first has, too.
    pub shared: u64,
    /// Plain bytes of the second's chunks that the first has not.
    pub new: u64,
}

/// A stream whose bytes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its place.
    pub path: StreamPath,
    /// Its bytes in the first.
    pub before: u64,
    /// Its bytes in the second.
    pub after: u64,
    /// Plain bytes in the second whose chunks the same stream of the first has, too.
    pub shared: u64,
}

impl Catalogue {
    /// A snapshot and the room it takes.
    pub fn inspect(&self, name: &SnapshotName) -> Result<Inspection, SnapshotError> {
        let _guard = self.hold(Hold::Reading)?;
        self.packs.refresh()?;
        let manifest = self.find(name)?;
        let mut sizes = HashMap::new();
        let mut missing = 0;
        for (_, _, chunk) in manifest.distinct() {
            match self.packs.locate(chunk.id) {
                Some(found) => drop(sizes.insert(chunk.id, u64::from(found.entry.stored))),
                None => missing += 1,
            }
        }
        let (stored, chunks) = (sizes.values().sum(), sizes.len() + missing);
        for (other, size) in self.names()?.into_iter().filter(|(other, _)| other != name) {
            // What cannot be read claims nothing here; `list` shows it.
            let Ok(other) = self.manifest(&other, size) else { continue };
            for chunk in other.streams.iter().flat_map(|stream| &stream.chunks) {
                sizes.remove(&chunk.id);
            }
        }
        Ok(Inspection { own: sizes.values().sum(), manifest, chunks, stored, missing })
    }

    /// Reads all of a snapshot and checks every chunk and every stream. The error has the first fault of each
    /// stream.
    pub fn verify(&self, name: &SnapshotName) -> Result<Verified, SnapshotError> {
        let guard = Arc::new(self.hold(Hold::Reading)?);
        self.packs.refresh()?;
        let manifest = self.find(name)?;
        let check = |stream| self.verify_stream(&manifest, stream, guard.clone()).err();
        let faults: Vec<SnapshotError> = manifest.streams.iter().filter_map(check).collect();
        if faults.is_empty() {
            Ok(Verified { streams: manifest.streams.len(), bytes: manifest.size() })
        } else {
            Err(SnapshotError::Faulty { name: name.clone(), faults })
        }
    }

    fn verify_stream(
        &self,
        manifest: &Manifest,
        stream: &Stream,
        guard: Arc<Guard>,
    ) -> Result<(), SnapshotError> {
        let mut reader = StreamReader::new(&self.packs, manifest, stream, guard);
        let mut hasher = blake3::Hasher::new();
        while let Some(bytes) = reader.next_chunk()? {
            hasher.update(&bytes);
        }
        if Digest::finished(&hasher) == stream.hash {
            return Ok(());
        }
        Err(SnapshotError::DamagedStream { snapshot: manifest.name.clone(), stream: stream.path.clone() })
    }

    /// What `second` has and `first` has not, and the other way round.
    pub fn diff(&self, first: &SnapshotName, second: &SnapshotName) -> Result<Difference, SnapshotError> {
        Ok(difference(&self.find(first)?, &self.find(second)?))
    }
}

/// What `second` has and `first` has not, and the other way round: from their manifests alone.
pub fn difference(first: &Manifest, second: &Manifest) -> Difference {
    let known: HashSet<ChunkId> = first.distinct().map(|(_, _, chunk)| chunk.id).collect();
    let sum = |wanted: bool| -> u64 {
        let chunks = second.distinct().filter(|(_, _, chunk)| known.contains(&chunk.id) == wanted);
        chunks.map(|(_, _, chunk)| u64::from(chunk.size)).sum()
    };
    let mut difference = Difference { shared: sum(true), new: sum(false), ..Difference::default() };
    for after in &second.streams {
        match first.stream(&after.path) {
            None => difference.added.push((after.path.clone(), after.size)),
            Some(before) if before.hash == after.hash => difference.same += 1,
            Some(before) => difference.changed.push(changed(before, after)),
        }
    }
    let removed = first.streams.iter().filter(|before| second.stream(&before.path).is_none());
    difference.removed = removed.map(|before| (before.path.clone(), before.size)).collect();
    difference
}

fn changed(before: &Stream, after: &Stream) -> Changed {
    let known: HashSet<ChunkId> = before.chunks.iter().map(|chunk| chunk.id).collect();
    let shared = after.chunks.iter().filter(|chunk| known.contains(&chunk.id));
    let shared = shared.map(|chunk| u64::from(chunk.size)).sum();
    Changed { path: after.path.clone(), before: before.size, after: after.size, shared }
}
