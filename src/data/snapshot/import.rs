//! Reads a snapshot out of a `.tar.gz` that anyone may have made: nothing shows before all of it is proven.

use std::io::{self, BufRead, BufReader, Read};

use super::catalogue::Catalogue;
use super::digest::{ChunkId, Digest};
use super::encoding::{Decoder, Encoded, Encoding};
use super::error::SnapshotError;
use super::export::{CHUNKS, HEAD, MANIFEST};
use super::manifest::{Chunk, LARGEST_MANIFEST, Manifest};
use super::objects::Hold;
use super::packing::Packing;
use super::transfer::{ReceiveOptions, Received};

/// Zeros that may follow a tar's last entry: GNU tar fills up to a record, others to none.
const PADDING: u64 = 1 << 16;

impl Catalogue {
    /// Brings an archive's snapshot into the catalogue. What is not exactly an archive of
    /// [`Catalogue::export`] is refused: other entries, links, sizes beyond the limits, a chunk that is not
    /// the manifest's next, anything missing, damaged or behind the end.
    pub fn import(&self, archive: impl Read, options: ReceiveOptions) -> Result<Received, SnapshotError> {
        let _guard = self.hold(Hold::Adding)?;
        self.packs.refresh()?;
        let mut gzip = flate2::bufread::GzDecoder::new(BufReader::with_capacity(1 << 18, archive));
        let (manifest, mut packing) = {
            let mut tar = tar::Archive::new(&mut gzip);
            // Raw: extensions, whose sizes nobody bounds, are entries like others here, and refused like
            // others.
            let mut entries = tar.entries().map_err(unreadable)?.raw(true);
            let mut manifest = read_manifest(entry(entries.next(), MANIFEST)?)?;
            manifest.name = options.name.unwrap_or(manifest.name);
            self.free(&manifest.name, options.replace)?;
            let packing = self.take_chunks(entry(entries.next(), CHUNKS)?, &manifest)?;
            if entries.next().is_some() {
                return refuse(format!("there is something behind its entry `{CHUNKS}`"));
            }
            (manifest, packing)
        };
        ended(gzip)?;
        packing.seal()?;
        self.publish(&manifest, options.replace)?;
        Ok(Received { manifest, added: packing.added() })
    }

    /// Packs the chunks that are not here yet, and checks all.
    fn take_chunks(&self, mut entry: impl Read, manifest: &Manifest) -> Result<Packing, SnapshotError> {
        let mut decoder = Decoder::default();
        let mut packing = Packing::new(self.objects.clone());
        for (stream, offset, chunk) in manifest.distinct() {
            let refused = |reason: String| {
                let place = format!("stream {}, byte {offset} (chunk {})", stream.path, chunk.id);
                SnapshotError::Archive(format!("{place}: {reason}"))
            };
            let encoded = read_chunk(&mut entry, chunk).map_err(refused)?;
            let (encoding, stored) = (encoded.encoding, encoded.bytes.clone());
            decoder.decode(chunk.id, encoding, chunk.size, stored).map_err(refused)?;
            if !self.packs.has(chunk.id) {
                packing.add(&encoded)?;
            }
        }
        if entry.read(&mut [0]).map_err(unreadable)? != 0 {
            return refuse("it has chunks that its manifest does not name");
        }
        Ok(packing)
    }
}

/// The next entry, which has to be a plain file of this name.
fn entry<'a, R: Read>(
    next: Option<io::Result<tar::Entry<'a, R>>>,
    name: &str,
) -> Result<tar::Entry<'a, R>, SnapshotError> {
    let Some(entry) = next.transpose().map_err(unreadable)? else {
        return refuse(format!("its entry `{name}` is missing"));
    };
    let found = String::from_utf8_lossy(&entry.path_bytes()).escape_debug().to_string();
    if found != name {
        return refuse(format!("its entry `{found}` should be `{name}`"));
    }
    if entry.header().entry_type() != tar::EntryType::Regular {
        return refuse(format!("its entry `{name}` is not a plain file"));
    }
    Ok(entry)
}

fn read_manifest(entry: tar::Entry<'_, impl Read>) -> Result<Manifest, SnapshotError> {
    let size = entry.header().entry_size().map_err(unreadable)?;
    if size > LARGEST_MANIFEST {
        return refuse(format!("its manifest of {size} bytes is larger than any"));
    }
    let mut bytes = Vec::new();
    entry.take(LARGEST_MANIFEST).read_to_end(&mut bytes).map_err(unreadable)?;
    Manifest::decode(&bytes, "the archive's manifest")
}

/// The next chunk, which has to be this one; otherwise what is wrong.
fn read_chunk(entry: &mut impl Read, expected: Chunk) -> Result<Encoded, String> {
    let failed = |error: io::Error| format!("the archive ends early or is damaged ({error})");
    let mut head = [0; HEAD];
    entry.read_exact(&mut head).map_err(failed)?;
    let (id, encoding, stored, plain) = parse(&head).ok_or("it is stored in an unknown way")?;
    if id != expected.id || plain != expected.size {
        return Err(format!("the archive has chunk {id} of {plain} bytes in its place"));
    }
    if stored == 0 || stored > plain {
        return Err(format!("{stored} stored bytes are declared for {plain}"));
    }
    let mut bytes = vec![0; stored as usize];
    entry.read_exact(&mut bytes).map_err(failed)?;
    Ok(Encoded { id, encoding, plain, bytes })
}

fn parse(head: &[u8; HEAD]) -> Option<(ChunkId, Encoding, u32, u32)> {
    let (id, rest) = head.split_first_chunk::<32>()?;
    let (encoding, rest) = rest.split_first()?;
    let (stored, rest) = rest.split_first_chunk::<4>()?;
    let plain = rest.first_chunk::<4>()?;
    let encoding = Encoding::try_from(*encoding).ok()?;
    Some((
        ChunkId(Digest::from_bytes(*id)),
        encoding,
        u32::from_le_bytes(*stored),
        u32::from_le_bytes(*plain),
    ))
}

/// That nothing follows but the tar's padding, that gzip's own checksum fits, and that nothing follows that.
fn ended<R: BufRead>(mut gzip: flate2::bufread::GzDecoder<R>) -> Result<(), SnapshotError> {
    let mut padding = Vec::new();
    gzip.by_ref().take(PADDING + 1).read_to_end(&mut padding).map_err(unreadable)?;
    if padding.len() as u64 > PADDING || padding.iter().any(|byte| *byte != 0) {
        return refuse("something follows its end");
    }
    let rest = gzip.into_inner().fill_buf().map_err(unreadable)?.len();
    if rest == 0 { Ok(()) } else { refuse("something follows its end") }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, SnapshotError> {
    Err(SnapshotError::Archive(reason.into()))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err has it")]
fn unreadable(error: io::Error) -> SnapshotError {
    SnapshotError::Archive(format!("it cannot be read ({error})"))
}
