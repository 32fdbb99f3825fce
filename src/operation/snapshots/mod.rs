//! What is done with snapshots that needs no store: looking at them, checking them, and moving them about.

pub(super) mod claims;
pub mod create;
pub mod load;
pub mod migrate;
pub(super) mod pods;
pub mod redis;
pub mod take;
pub mod volume;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::snapshot::{
    Bucket, Catalogue, Collected, Damage, Inspection, Manifest, ReceiveOptions, Received, SnapshotName,
    Verified,
};
use crate::operation::error::OperationError;

/// Does something that reads and writes files, on a thread that may wait for them.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<T, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A fault of ours goes on to where faults of ours are told.
        Err(error) => {
            std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
        }
    }
}

/// A catalogue at a directory, or in an object store by its URL.
pub async fn catalogue(place: &str) -> Result<Catalogue, OperationError> {
    if !place.contains("://") {
        return Ok(Catalogue::open(Path::new(place)));
    }
    let (place, runtime) = (place.to_owned(), tokio::runtime::Handle::current());
    blocking(move || {
        let bucket = Bucket::open(&place, std::env::vars(), runtime)
            .map_err(|error| OperationError::Place { place, reason: error.to_string() })?;
        Ok(Catalogue::over(Arc::new(bucket)))
    })
    .await
}

/// All there is to know of a snapshot.
pub async fn inspect(catalogue: Catalogue, name: SnapshotName) -> Result<Inspection, OperationError> {
    blocking(move || Ok(catalogue.inspect(&name)?)).await
}

/// Reads all of a snapshot and holds it against its hashes.
pub async fn verify(catalogue: Catalogue, name: SnapshotName) -> Result<Verified, OperationError> {
    blocking(move || Ok(catalogue.verify(&name)?)).await
}

/// Takes snapshots away, and what only they needed.
pub async fn remove(catalogue: Catalogue, names: Vec<SnapshotName>) -> Result<Collected, OperationError> {
    blocking(move || {
        for name in &names {
            catalogue.find(name)?;
        }
        for name in &names {
            catalogue.remove(name)?;
        }
        Ok(catalogue.collect_garbage()?)
    })
    .await
}

/// What is damaged in a catalogue.
pub async fn damage(catalogue: Catalogue) -> Result<Damage, OperationError> {
    blocking(move || Ok(catalogue.damage()?)).await
}

/// Takes away what is damaged in a catalogue, and says what that was.
pub async fn drop_damaged(catalogue: Catalogue) -> Result<Damage, OperationError> {
    blocking(move || Ok(catalogue.drop_damaged()?)).await
}

/// Writes a snapshot to one file, which is there once it is whole.
pub async fn export(catalogue: Catalogue, name: SnapshotName, to: PathBuf) -> Result<u64, OperationError> {
    blocking(move || {
        let failed = |source| OperationError::Data { path: to.clone(), source };
        let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        let out = catalogue.export(&name, BufWriter::new(draft))?;
        let draft = out.into_inner().map_err(|error| failed(error.into_error()))?;
        draft.as_file().sync_all().map_err(failed)?;
        let size = draft.as_file().metadata().map_err(failed)?.len();
        draft.persist(&to).map_err(|error| failed(error.error))?;
        Ok(size)
    })
    .await
}

/// Takes a snapshot from a file into a catalogue.
pub async fn import(
    catalogue: Catalogue,
    from: PathBuf,
    options: ReceiveOptions,
) -> Result<Received, OperationError> {
    blocking(move || {
        let file = File::open(&from).map_err(|source| OperationError::Data { path: from, source })?;
        Ok(catalogue.import(file, options)?)
    })
    .await
}

/// Copies a snapshot from one catalogue to another: what is missing there.
pub async fn copy(
    from: Catalogue,
    to: Catalogue,
    name: SnapshotName,
    options: ReceiveOptions,
) -> Result<Received, OperationError> {
    blocking(move || Ok(from.push(&name, &to, options)?)).await
}

/// Two snapshots' manifests.
pub async fn both(
    catalogue: Catalogue,
    first: SnapshotName,
    second: SnapshotName,
) -> Result<(Manifest, Manifest), OperationError> {
    blocking(move || Ok((catalogue.find(&first)?, catalogue.find(&second)?))).await
}
