//! Writes a snapshot into one `.tar.gz`: its manifest, then its chunks.
//!
//! ```text
//! manifest.json   as in a catalogue
//! chunks          every distinct chunk in the order of its first use:
//!                 id (32)  encoding (1)  stored bytes (4, little endian)  plain bytes (4, little endian)  the stored bytes
//! ```
//! The same snapshot of the same catalogue gives the same bytes.

use std::io::{self, Read, Write};

use super::ahead::Ahead;
use super::catalogue::Catalogue;
use super::encoding::Encoded;
use super::error::SnapshotError;
use super::manifest::{Chunk, Manifest, Stream};
use super::name::SnapshotName;
use super::objects::Hold;

/// The archive's first entry.
pub(super) const MANIFEST: &str = "manifest.json";
/// The archive's second and last entry.
pub(super) const CHUNKS: &str = "chunks";
/// Bytes before each chunk's own.
pub(super) const HEAD: usize = 41;
/// What the caller's writer is called in errors.
const ARCHIVE: &str = "the archive";

impl Catalogue {
    /// Writes a snapshot as an archive. Each chunk is checked before it is written; a failed export leaves an
    /// archive that no import takes.
    pub fn export<W: Write>(&self, name: &SnapshotName, out: W) -> Result<W, SnapshotError> {
        let _guard = self.hold(Hold::Reading)?;
        self.packs.refresh()?;
        let manifest = self.find(name)?;
        let text = manifest.encode()?;
        let size = self.chunks_size(&manifest)?;
        // Chunks are compressed already, or cannot be: gzip is the form here, not the means.
        let gzip = flate2::write::GzEncoder::new(out, flate2::Compression::none());
        let mut archive = tar::Builder::new(gzip);
        append(&mut archive, MANIFEST, text.len() as u64, text.as_bytes()).map_err(failed)?;
        let places: Vec<_> = manifest.distinct().collect();
        let chunks: Vec<Chunk> = places.iter().map(|(_, _, chunk)| *chunk).collect();
        let ahead = Ahead::stored(&self.packs, &chunks);
        let places = places.into_iter();
        let mut chunks = Chunks { places, ahead, manifest: &manifest, ready: io::Cursor::default() };
        append(&mut archive, CHUNKS, size, &mut chunks).map_err(failed)?;
        archive.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)
    }

    /// Bytes of the archive's second entry.
    fn chunks_size(&self, manifest: &Manifest) -> Result<u64, SnapshotError> {
        let mut size = 0;
        for (stream, offset, Chunk { id, .. }) in manifest.distinct() {
            let found = self.packs.find(id).map_err(|fault| fault.at(manifest.place(stream, offset, id)))?;
            size += HEAD as u64 + u64::from(found.entry.stored);
        }
        Ok(size)
    }
}

/// The archive's second entry, read chunk by chunk.
struct Chunks<'a> {
    places: std::vec::IntoIter<(&'a Stream, u64, Chunk)>,
    ahead: Ahead<Encoded>,
    manifest: &'a Manifest,
    ready: io::Cursor<Vec<u8>>,
}

impl Read for Chunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ready.position() == self.ready.get_ref().len() as u64 {
            let Some((stream, offset, Chunk { id, size })) = self.places.next() else { return Ok(0) };
            let chunk = self.ahead.next().ok_or(SnapshotError::Stopped("reading"))?;
            let chunk = chunk.map_err(|fault| fault.at(self.manifest.place(stream, offset, id)))?;
            let stored = u32::try_from(chunk.bytes.len()).map_err(io::Error::other)?;
            let mut bytes = Vec::with_capacity(HEAD + chunk.bytes.len());
            bytes.extend_from_slice(id.0.as_bytes());
            bytes.push(chunk.encoding as u8);
            bytes.extend_from_slice(&stored.to_le_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&chunk.bytes);
            self.ready = io::Cursor::new(bytes);
        }
        self.ready.read(out)
    }
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    contents: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append(&header, contents)
}

/// A fault of a chunk as it is, or what writing failed with.
fn failed(error: io::Error) -> SnapshotError {
    match error.downcast::<SnapshotError>() {
        Ok(fault) => fault,
        Err(error) => SnapshotError::writing(ARCHIVE, ARCHIVE, error),
    }
}
