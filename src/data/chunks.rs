//! A snapshot's streams on their way into a server, read and checked ahead on a thread that may block.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::snapshot::{Catalogue, Manifest, SnapshotError, StreamPath};

/// Bytes of the largest definitions that are read.
const LARGEST_WHOLE: u64 = 256 << 20;

/// A stream's chunks.
pub(in crate::data) fn chunks<E>(
    catalogue: &Catalogue,
    manifest: &Arc<Manifest>,
    path: &StreamPath,
) -> impl Stream<Item = Result<Bytes, E>> + Send + use<E>
where
    E: From<SnapshotError> + Send + 'static,
{
    let (catalogue, manifest, path) = (catalogue.clone(), manifest.clone(), path.clone());
    let (to, from) = tokio::sync::mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let read = || {
            let mut reader = catalogue.read(&manifest, &path)?;
            while let Some(chunk) = reader.next_chunk()? {
                if to.blocking_send(Ok(Bytes::from(chunk))).is_err() {
                    break;
                }
            }
            Ok(())
        };
        if let Err(error) = read() {
            // Nobody listens any more where it was given up.
            drop(to.blocking_send(Err(error)));
        }
    });
    futures::stream::unfold(from, |mut from| async { from.recv().await.map(|chunk| (chunk, from)) })
}

/// All of a stream that holds definitions. `mismatch` is the store's error for one that is too large to do so.
pub(in crate::data) async fn whole<E>(
    catalogue: &Catalogue,
    manifest: &Arc<Manifest>,
    path: &StreamPath,
    mismatch: fn(String) -> E,
) -> Result<Vec<u8>, E>
where
    E: From<SnapshotError> + Send + 'static,
{
    if manifest.stream(path).is_some_and(|stream| stream.size > LARGEST_WHOLE) {
        let name = &manifest.name;
        return Err(mismatch(format!("stream {path} of snapshot `{name}` is larger than any definitions")));
    }
    let mut chunks = std::pin::pin!(chunks::<E>(catalogue, manifest, path));
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
