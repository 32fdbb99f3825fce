//! An OCI archive written as its parts become known, straight into a node's import.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// A file of the archive.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its path in the archive.
    pub name: String,
    /// What is in it.
    pub contents: Contents,
}

/// What is in a file of the archive.
#[derive(Debug, Clone)]
pub(super) enum Contents {
    /// These bytes.
    Bytes(Bytes),
    /// A file of this size.
    File(PathBuf, u64),
}

impl Part {
    /// A blob, under its digest.
    pub fn blob(digest: &str, contents: Contents) -> Self {
        Self { name: format!("blobs/{}", digest.replacen(':', "/", 1)), contents }
    }

    /// A file with a name of its own.
    pub fn file(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), contents: Contents::Bytes(bytes.into()) }
    }
}

/// Writes parts until their sender is gone, then the archive's end. A reader that went away ends it with an error.
pub(super) async fn write(
    out: &mut (impl AsyncWrite + Unpin),
    mut parts: mpsc::UnboundedReceiver<Part>,
) -> std::io::Result<()> {
    const BLOCK: u64 = 512;
    while let Some(part) = parts.recv().await {
        let size = match &part.contents {
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::File(_, size) => *size,
        };
        let mut header = tar::Header::new_gnu();
        header.set_path(&part.name)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        out.write_all(header.as_bytes()).await?;
        match part.contents {
            Contents::Bytes(bytes) => out.write_all(&bytes).await?,
            Contents::File(path, _) => {
                let file = tokio::fs::File::open(&path).await?;
                tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(1 << 20, file), out).await?;
            }
        }
        let padding = usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or(0);
        out.write_all(&[0; 512][..padding]).await?;
    }
    out.write_all(&[0; 1024]).await?;
    out.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [1; 700]).unwrap();
        let (send, receive) = mpsc::unbounded_channel();
        send.send(Part::file("oci-layout", &b"{}"[..])).unwrap();
        send.send(Part::blob("sha256:aa", Contents::File(file.path().into(), 700))).unwrap();
        drop(send);
        let mut out = std::io::Cursor::new(Vec::new());
        write(&mut out, receive).await.unwrap();
        let bytes = out.into_inner();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let read: Vec<(String, Vec<u8>)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).unwrap();
                (entry.path().unwrap().to_string_lossy().into_owned(), contents)
            })
            .collect();
        assert_eq!(read, [("oci-layout".into(), b"{}".to_vec()), ("blobs/sha256/aa".into(), vec![1; 700])]);
    }
}
