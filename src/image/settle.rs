//! A layer as it comes from the engine, compressed or not, becomes a plain tar file whose digest is known.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::oci;

/// A layer, uncompressed, in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// `sha256:HEX` of the file.
    pub diff_id: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file.
    pub path: PathBuf,
}

/// Uncompresses `path` into a file beside it, which replaces it. Writes `most` bytes at most.
pub(super) fn settle(path: &Path, most: u64) -> io::Result<Layer> {
    let mut magic = [0; 4];
    let read = File::open(path)?.take(4).read(&mut magic)?;
    let magic = &magic[..read];
    if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "layers compressed with zstd are not supported",
        ));
    }
    let source = BufReader::with_capacity(1 << 18, File::open(path)?);
    if !magic.starts_with(&[0x1f, 0x8b]) {
        let (digest, size) = copy_hashed(source, io::sink(), u64::MAX)?;
        return Ok(Layer { diff_id: digest, size, path: path.to_owned() });
    }
    let target = path.with_extension("tar");
    let out = BufWriter::with_capacity(1 << 20, File::create(&target)?);
    match copy_hashed(flate2::read::MultiGzDecoder::new(source), out, most) {
        Ok((diff_id, size)) => {
            std::fs::remove_file(path)?;
            Ok(Layer { diff_id, size, path: target })
        }
        Err(error) => {
            let _ = std::fs::remove_file(&target);
            Err(error)
        }
    }
}

/// Copies to the end and gives digest and size.
pub(super) fn copy_hashed(mut from: impl Read, mut to: impl Write, most: u64) -> io::Result<(String, u64)> {
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 17];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        size += read as u64;
        if size > most {
            return Err(io::Error::other("larger than the image it is to belong to"));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
    to.flush()?;
    Ok((oci::finish(hasher), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_and_plain_layers_end_up_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let contents = vec![7_u8; 300_000];
        let (plain, zipped) = (directory.path().join("a"), directory.path().join("b"));
        std::fs::write(&plain, &contents).unwrap();
        std::fs::write(&zipped, gzip(&contents)).unwrap();
        for path in [plain, zipped] {
            let layer = settle(&path, 1 << 20).unwrap();
            assert_eq!(layer.diff_id, oci::digest(&contents));
            assert_eq!(layer.size, 300_000);
            assert_eq!(std::fs::read(layer.path).unwrap(), contents);
        }
    }

    #[test]
    fn a_bomb_is_stopped_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bomb");
        std::fs::write(&path, gzip(&vec![0; 1 << 20])).unwrap();
        assert!(settle(&path, 1000).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "only what was sent");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("layer");
        for (bytes, part) in [(&[0x1f, 0x8b, 9, 9][..], ""), (&[0x28, 0xb5, 0x2f, 0xfd][..], "zstd")] {
            std::fs::write(&path, bytes).unwrap();
            let error = settle(&path, 1 << 20).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
