//! Puts what was copied onto the nodes, as a thin layer under its image's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::thin::{self, ThinEntry};
use crate::image::{Content, WantedImage};
use crate::operation::error::OperationError;
use crate::operation::images::{self, Provided};
use crate::operation::session::{Existing, Session};
use crate::parity::ImageBytes;

/// What is on top of an image, to be put onto the nodes.
pub(in crate::operation) struct ToDeliver {
    /// The image, as the configuration names it.
    pub image: String,
    /// How often what is on top of it has changed.
    pub generation: u64,
    /// What the engine calls it.
    pub reference: String,
    /// The names it is to stand under.
    pub names: Vec<String>,
    /// What is on top.
    pub entries: BTreeMap<PathBuf, ThinEntry>,
}

/// An image, the generation that the nodes have of what is on top of it, and the digests they have it under.
pub(in crate::operation) type Arrived = (String, u64, [String; 2]);

/// Writes layers and brings them onto the nodes.
pub(in crate::operation) async fn deliver(
    session: Session,
    existing: Arc<Existing>,
    layers: Vec<ToDeliver>,
) -> Result<Vec<Arrived>, OperationError> {
    let scratch = scratch(&session)?;
    let directory = scratch.path().to_owned();
    let written = tokio::task::spawn_blocking(move || {
        let all = layers.into_iter().map(|one| {
            let wanted = on_top(&one.image, &one.reference, one.names, &one.entries, &directory)?;
            Ok((one.image, one.generation, wanted))
        });
        all.collect::<Result<Vec<_>, OperationError>>()
    });
    let written = written.await.unwrap_or_else(|_| Ok(Vec::new()))?;
    let provided: Vec<Provided> = written.iter().map(|(_, _, one)| one.clone()).collect();
    let report = images::deliver(&session, &existing, None, &provided).await?;
    let arrived = written.into_iter().zip(report.images);
    Ok(arrived
        .map(|((image, generation, _), delivered)| {
            (image, generation, [delivered.image_id, delivered.manifest_digest])
        })
        .collect())
}

/// A directory for layers on their way.
pub(in crate::operation) fn scratch(session: &Session) -> Result<tempfile::TempDir, OperationError> {
    let directory = session.state.directory();
    tempfile::Builder::new()
        .prefix("thin-")
        .tempdir_in(directory)
        .map_err(|source| OperationError::Data { path: directory.to_owned(), source })
}

/// An image of the engine with what is on top of it, under `names`. The layer is written to `scratch`.
pub(in crate::operation) fn on_top(
    image: &str,
    reference: &str,
    names: Vec<String>,
    entries: &BTreeMap<PathBuf, ThinEntry>,
    scratch: &Path,
) -> Result<Provided, OperationError> {
    let path = scratch.join(format!("{}.tar", &blake3::hash(image.as_bytes()).to_hex()[..16]));
    let layer = thin::write(&path, entries).map_err(|source| OperationError::Data { path, source })?;
    let content = Content::Thin { image: reference.to_owned(), layer };
    Ok(Provided { wanted: WantedImage { content, names }, bytes: ImageBytes::LocalBuild })
}
