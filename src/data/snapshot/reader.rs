//! Reads a stream: chunks are fetched, decompressed and checked ahead, on threads of their own.

use std::io::{self, Read};
use std::sync::Arc;

use super::ahead::Ahead;
use super::error::{Place, SnapshotError};
use super::manifest::{Chunk, Manifest, Stream};
use super::name::{SnapshotName, StreamPath};
use super::objects::Guard;
use super::packs::Packs;

/// Reads a stream's plain bytes. Nothing is handed out unchecked; after an error there is nothing more. It
/// holds the catalogue: no garbage is collected meanwhile.
#[derive(Debug)]
pub struct StreamReader {
    snapshot: SnapshotName,
    stream: StreamPath,
    chunks: std::vec::IntoIter<Chunk>,
    ahead: Ahead<Vec<u8>>,
    /// Where the next chunk begins.
    offset: u64,
    current: io::Cursor<Vec<u8>>,
    _guard: Arc<Guard>,
}

impl StreamReader {
    pub(super) fn new(packs: &Arc<Packs>, manifest: &Manifest, stream: &Stream, guard: Arc<Guard>) -> Self {
        Self {
            ahead: Ahead::plain(packs, &stream.chunks),
            snapshot: manifest.name.clone(),
            stream: stream.path.clone(),
            chunks: stream.chunks.clone().into_iter(),
            offset: 0,
            current: io::Cursor::default(),
            _guard: guard,
        }
    }

    /// The next chunk's plain bytes, whatever of the one before was not read; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        let Some(Chunk { id, .. }) = self.chunks.as_slice().first().copied() else { return Ok(None) };
        match self.ahead.next() {
            Some(Ok(bytes)) => {
                self.chunks.next();
                self.offset += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Err(fault)) => {
                self.ahead.stop();
                let (snapshot, stream) = (self.snapshot.clone(), self.stream.clone());
                Err(fault.at(Place { snapshot, stream, offset: self.offset, chunk: id }))
            }
            None => Err(SnapshotError::Stopped("reading")),
        }
    }
}

impl Read for StreamReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.current.position() == self.current.get_ref().len() as u64 {
            self.current = io::Cursor::new(self.next_chunk()?.unwrap_or_default());
        }
        self.current.read(out)
    }
}
