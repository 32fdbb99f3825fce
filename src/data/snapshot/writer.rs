//! Writes a snapshot: streams in any number at once, and at the end the manifest that makes it one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::catalogue::Catalogue;
use super::chunker::Chunker;
use super::digest::Digest;
use super::encoding::Compression;
use super::error::SnapshotError;
use super::manifest::{Chunk, FORMAT, Manifest, Stream};
use super::name::{SnapshotName, StreamPath, Timestamp};
use super::objects::Guard;
use super::packing::Added;
use super::pipeline::{Intake, Job, Pipeline};

/// How a snapshot is to be created.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The time of creation.
    pub created: Timestamp,
    /// Versions of the tools that have a hand in it.
    pub tools: BTreeMap<String, String>,
    /// How chunks are compressed.
    pub compression: Compression,
    /// Whether a snapshot of that name makes way, once the new one is whole.
    pub replace: bool,
}

impl CreateOptions {
    /// Created at this time, with all else as usual.
    pub fn at(created: Timestamp) -> Self {
        Self { created, tools: BTreeMap::new(), compression: Compression::default(), replace: false }
    }
}

/// What was created.
#[derive(Debug)]
pub struct Created {
    /// The snapshot.
    pub manifest: Manifest,
    /// What it added to the catalogue.
    pub added: Added,
}

/// Streams of a snapshot in the making.
#[derive(Debug, Default)]
struct Streams {
    begun: BTreeSet<StreamPath>,
    finished: BTreeMap<StreamPath, Stream>,
}

/// Writes a snapshot. Dropped before [`Writer::finish`], there is none: chunks already stored wait for the
/// next try, or for the garbage collection.
#[derive(Debug)]
pub struct Writer {
    catalogue: Catalogue,
    name: SnapshotName,
    options: CreateOptions,
    pipeline: Pipeline,
    streams: Arc<Mutex<Streams>>,
    _guard: Arc<Guard>,
}

impl Writer {
    pub(super) fn new(
        catalogue: Catalogue,
        name: SnapshotName,
        options: CreateOptions,
        guard: Guard,
    ) -> Result<Self, SnapshotError> {
        let guard = Arc::new(guard);
        let pipeline = Pipeline::start(&catalogue, options.compression, guard.clone())?;
        Ok(Self { catalogue, name, options, pipeline, streams: Arc::default(), _guard: guard })
    }

    /// Begins a stream. Several may be written at once, each by a thread of its own.
    pub fn stream(
        &self,
        path: StreamPath,
        attributes: BTreeMap<String, Value>,
    ) -> Result<StreamWriter, SnapshotError> {
        if !lock(&self.streams).begun.insert(path.clone()) {
            return Err(SnapshotError::StreamTaken(path));
        }
        let (reply, replies) = mpsc::channel();
        let (chunker, hasher) = (Chunker::default(), blake3::Hasher::new());
        let cut = Cut { intake: self.pipeline.intake(), reply, hasher, size: 0, sequence: 0 };
        Ok(StreamWriter { path, attributes, chunker, cut, replies, streams: self.streams.clone() })
    }

    /// Makes the snapshot out of all finished streams; it is refused while there are others.
    pub fn finish(self, attributes: BTreeMap<String, Value>) -> Result<Created, SnapshotError> {
        let Streams { begun, finished } = std::mem::take(&mut *lock(&self.streams));
        let open: Vec<StreamPath> = begun.into_iter().filter(|path| !finished.contains_key(path)).collect();
        if !open.is_empty() {
            return Err(SnapshotError::Unfinished(open));
        }
        let added = self.pipeline.finish()?;
        let streams: Vec<Stream> = finished.into_values().collect();
        let CreateOptions { created, tools, replace, .. } = self.options;
        let content = Manifest::content_of(&streams);
        let manifest =
            Manifest { format: FORMAT, name: self.name, created, content, tools, attributes, streams };
        self.catalogue.publish(&manifest, replace)?;
        Ok(Created { manifest, added })
    }
}

/// Writes a stream. Its end is told by [`StreamWriter::finish`]; dropped before, the snapshot cannot be
/// finished.
#[derive(Debug)]
pub struct StreamWriter {
    path: StreamPath,
    attributes: BTreeMap<String, Value>,
    chunker: Chunker,
    cut: Cut,
    replies: Receiver<(usize, Chunk)>,
    streams: Arc<Mutex<Streams>>,
}

/// What is known of the part of a stream that is cut.
#[derive(Debug)]
struct Cut {
    intake: Intake,
    reply: Sender<(usize, Chunk)>,
    hasher: blake3::Hasher,
    size: u64,
    sequence: usize,
}

impl Cut {
    fn submit(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        let job = Job { plain: chunk.to_vec(), sequence: self.sequence, reply: self.reply.clone() };
        self.sequence += 1;
        self.intake.submit(job)
    }
}

impl StreamWriter {
    /// Adds to what was said about the stream at its beginning: what is known only at its end.
    pub fn attribute(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.attributes.insert(key.into(), value.into());
    }

    /// Ends the stream and waits until its chunks have their names.
    pub fn finish(mut self) -> Result<Stream, SnapshotError> {
        self.chunker.finish(|chunk| self.cut.submit(chunk))?;
        let Cut { intake, reply, hasher, size, sequence } = self.cut;
        drop(reply);
        let mut named: Vec<(usize, Chunk)> = self.replies.iter().collect();
        if named.len() != sequence {
            return Err(intake.failure());
        }
        named.sort_unstable_by_key(|(sequence, _)| *sequence);
        let chunks = named.into_iter().map(|(_, chunk)| chunk).collect();
        let stream = Stream {
            path: self.path,
            size,
            hash: Digest::finished(&hasher),
            attributes: self.attributes,
            chunks,
        };
        lock(&self.streams).finished.insert(stream.path.clone(), stream.clone());
        Ok(stream)
    }
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunker.push(bytes, |chunk| self.cut.submit(chunk))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(streams: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}
