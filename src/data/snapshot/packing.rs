//! Writes chunks into packs, one pack after the other.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tempfile::NamedTempFile;

use super::digest::Digest;
use super::encoding::Encoded;
use super::error::SnapshotError;
use super::objects::Objects;
use super::pack::{Contents, MAGIC};
use super::packs;

/// What was added to a catalogue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    /// Chunks that were not there before.
    pub chunks: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// Writes packs. What is not sealed when it is dropped was never there.
#[derive(Debug)]
pub(super) struct Packing {
    objects: Arc<dyn Objects>,
    open: Option<(BufWriter<NamedTempFile>, Contents)>,
    /// The pack before: it is brought onto the disk while the next is filled.
    publishing: Option<JoinHandle<io::Result<()>>>,
    published: HashSet<Digest>,
    added: Added,
}

impl Packing {
    /// Nothing is written before there is a chunk.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, open: None, publishing: None, published: HashSet::new(), added: Added::default() }
    }

    /// Writes a chunk. A pack that is full with it is published meanwhile.
    pub fn add(&mut self, chunk: &Encoded) -> Result<(), SnapshotError> {
        self.write(chunk).map_err(|error| self.failed(error))?;
        self.added.chunks += 1;
        self.added.bytes += chunk.bytes.len() as u64;
        if self.open.as_ref().is_some_and(|(_, contents)| contents.is_full()) {
            self.publish().map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Publishes the pack that is open, if any. All chunks added so far are then in the catalogue for good.
    pub fn seal(&mut self) -> Result<(), SnapshotError> {
        self.publish().and_then(|()| self.wait()).map_err(|error| self.failed(error))
    }

    fn publish(&mut self) -> io::Result<()> {
        let Some((mut file, contents)) = self.open.take() else { return Ok(()) };
        let (name, end) = contents.finish();
        file.write_all(&end)?;
        let draft = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.wait()?;
        self.published.insert(name);
        let objects = self.objects.clone();
        self.publishing = Some(thread::spawn(move || objects.publish(draft, &packs::key(name), true)));
        Ok(())
    }

    /// Waits for the pack before.
    fn wait(&mut self) -> io::Result<()> {
        let published = self.publishing.take().map(JoinHandle::join);
        published.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err(io::Error::other("publishing stopped")))
    }

    /// Whether this pack was published here. It may have been there before: the same chunks give the same name.
    pub fn has_published(&self, pack: Digest) -> bool {
        self.published.contains(&pack)
    }

    /// What was added so far.
    pub fn added(&self) -> Added {
        self.added
    }

    fn write(&mut self, chunk: &Encoded) -> io::Result<()> {
        if self.open.is_none() {
            let mut file = BufWriter::with_capacity(1 << 18, self.objects.draft()?);
            file.write_all(MAGIC)?;
            self.open = Some((file, Contents::default()));
        }
        if let Some((file, contents)) = &mut self.open {
            file.write_all(&chunk.bytes)?;
            contents.add(chunk);
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> SnapshotError {
        SnapshotError::writing("a pack of chunks", self.objects.shown(""), error)
    }
}

impl Drop for Packing {
    /// Nothing is published any more when it is gone.
    fn drop(&mut self) {
        // Who did not seal does not ask what became of it.
        let _ = self.wait();
    }
}
