//! A catalogue: snapshots that share their chunks.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::Directory;
use super::error::SnapshotError;
use super::manifest::{LARGEST_MANIFEST, Manifest};
use super::name::{SnapshotName, StreamPath, Timestamp};
use super::objects::{Guard, Hold, Objects, SNAPSHOTS};
use super::packs::Packs;
use super::reader::StreamReader;
use super::writer::{CreateOptions, Writer};

/// Snapshots that share their chunks, in a directory or wherever [`Objects`] keeps files. Cheap to clone; any
/// number of threads and processes may use it at once.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) packs: Arc<Packs>,
}

/// What a catalogue holds.
#[derive(Debug)]
pub struct Listing {
    /// Snapshots, ordered by name.
    pub snapshots: Vec<Summary>,
    /// Why others cannot be read.
    pub damaged: Vec<SnapshotError>,
}

/// A snapshot at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: SnapshotName,
    /// When it was created, as its maker says.
    pub created: Timestamp,
    /// What is in it.
    pub content: super::digest::Digest,
    /// Streams.
    pub streams: usize,
    /// Plain bytes.
    pub size: u64,
}

impl Catalogue {
    /// The catalogue of a directory. The directory need not exist; it is made by the first snapshot.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        Self::over(Arc::new(Directory::new(directory)))
    }

    /// The catalogue whose files are kept by `objects`.
    pub fn over(objects: Arc<dyn Objects>) -> Self {
        Self { packs: Arc::new(Packs::new(objects.clone())), objects }
    }

    /// All snapshots. A damaged one hides no other.
    pub fn list(&self) -> Result<Listing, SnapshotError> {
        let mut listing = Listing { snapshots: Vec::new(), damaged: Vec::new() };
        for (name, size) in self.names()? {
            match self.manifest(&name, size) {
                Ok(manifest) => listing.snapshots.push(Summary {
                    name,
                    size: manifest.size(),
                    streams: manifest.streams.len(),
                    created: manifest.created,
                    content: manifest.content,
                }),
                Err(error) => listing.damaged.push(error),
            }
        }
        Ok(listing)
    }

    /// A snapshot by its name.
    pub fn find(&self, name: &SnapshotName) -> Result<Manifest, SnapshotError> {
        let names = self.names()?;
        match names.iter().find(|(known, _)| known == name) {
            Some((_, size)) => self.manifest(name, *size),
            None => Err(self.unknown(name, names.iter().map(|(known, _)| known.as_str()))),
        }
    }

    /// Begins a snapshot.
    pub fn create(&self, name: SnapshotName, options: CreateOptions) -> Result<Writer, SnapshotError> {
        let guard = self.hold(Hold::Adding)?;
        self.free(&name, options.replace)?;
        self.packs.refresh()?;
        Writer::new(self.clone(), name, options, guard)
    }

    /// Reads a stream of a snapshot.
    pub fn read(&self, manifest: &Manifest, stream: &StreamPath) -> Result<StreamReader, SnapshotError> {
        let guard = self.hold(Hold::Reading)?;
        self.packs.refresh()?;
        let found = manifest.stream(stream).ok_or_else(|| SnapshotError::UnknownStream {
            snapshot: manifest.name.clone(),
            stream: stream.clone(),
        })?;
        Ok(StreamReader::new(&self.packs, manifest, found, Arc::new(guard)))
    }

    /// Takes a snapshot away. Its chunks stay until [`Catalogue::collect_garbage`].
    pub fn remove(&self, name: &SnapshotName) -> Result<(), SnapshotError> {
        let _guard = self.hold(Hold::Reading)?;
        let names = self.names()?;
        if !names.iter().any(|(known, _)| known == name) {
            return Err(self.unknown(name, names.iter().map(|(known, _)| known.as_str())));
        }
        let key = key(name);
        let failed = |source| SnapshotError::Io { what: "remove", path: self.objects.shown(&key), source };
        self.objects.remove(&key).map_err(failed)
    }

    /// Takes a hold on the catalogue.
    pub(super) fn hold(&self, hold: Hold) -> Result<Guard, SnapshotError> {
        self.objects.hold(hold).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => SnapshotError::Busy(self.objects.shown("")),
            _ => SnapshotError::Io { what: "lock", path: self.objects.shown(""), source },
        })
    }

    /// That a name may be given to a new snapshot.
    pub(super) fn free(&self, name: &SnapshotName, replace: bool) -> Result<(), SnapshotError> {
        let taken = !replace && self.names()?.iter().any(|(known, _)| known == name);
        if taken { Err(self.taken(name)) } else { Ok(()) }
    }

    /// Makes a snapshot visible, all of whose chunks are stored.
    pub(super) fn publish(&self, manifest: &Manifest, replace: bool) -> Result<(), SnapshotError> {
        let text = manifest.encode()?;
        let key = key(&manifest.name);
        // What could not be read again is not written: attributes are the caller's.
        Manifest::decode(text.as_bytes(), &self.objects.shown(&key))?;
        let published = self.objects.draft().and_then(|mut draft| {
            draft.write_all(text.as_bytes())?;
            self.objects.publish(draft, &key, replace)
        });
        published.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => self.taken(&manifest.name),
            _ => SnapshotError::writing("a snapshot's manifest", self.objects.shown(&key), error),
        })
    }

    /// The names of all snapshots in order, each with its manifest's bytes. Files that are none are passed
    /// over.
    pub(super) fn names(&self) -> Result<Vec<(SnapshotName, u64)>, SnapshotError> {
        let files = self.objects.list(SNAPSHOTS);
        let files = files.map_err(|error| SnapshotError::reading(self.objects.shown(SNAPSHOTS), error))?;
        let mut names: Vec<(SnapshotName, u64)> = files
            .iter()
            .filter_map(|file| Some((file.name.strip_suffix(".json")?.parse().ok()?, file.size)))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// A manifest of so many bytes.
    pub(super) fn manifest(&self, name: &SnapshotName, size: u64) -> Result<Manifest, SnapshotError> {
        let key = key(name);
        let shown = self.objects.shown(&key);
        if size > LARGEST_MANIFEST {
            return Err(SnapshotError::manifest(&shown, "it is larger than any manifest"));
        }
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let bytes = self
            .objects
            .read(&key, 0, length)
            .map_err(|error| SnapshotError::reading(shown.clone(), error))?;
        let manifest = Manifest::decode(&bytes, &shown)?;
        if manifest.name != *name {
            return Err(SnapshotError::manifest(
                &shown,
                format!("it is that of snapshot `{}`", manifest.name),
            ));
        }
        Ok(manifest)
    }

    fn taken(&self, name: &SnapshotName) -> SnapshotError {
        SnapshotError::NameTaken { name: name.clone(), catalogue: self.objects.shown("") }
    }

    fn unknown<'a>(
        &self,
        name: &SnapshotName,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> SnapshotError {
        let help = suggestion(name.as_str(), known);
        SnapshotError::Unknown { name: name.clone(), catalogue: self.objects.shown(""), help }
    }
}

/// A manifest's key.
pub(super) fn key(name: &SnapshotName) -> String {
    format!("{SNAPSHOTS}/{name}.json")
}

/// The nearest right name, or all there are.
fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let allowed = (name.chars().count() / 3).max(1);
    let near = known.clone().map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let near = near.filter(|(distance, candidate)| *distance <= allowed || candidate.starts_with(name)).min();
    let all: Vec<String> = known.map(|candidate| format!("`{candidate}`")).collect();
    match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if all.is_empty() => "there are none".to_owned(),
        None => format!("there are: {}", all.join(", ")),
    }
}
