//! Images of releases on the nodes: kept there for the last ten, and brought back under their names.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use super::error::OperationError;
use super::session::Existing;
use crate::handoff::release::takes::{Renames, renames};
use crate::handoff::release::{Digests, Ledger, Record, ReleaseError};
use crate::image::{keep as names, node};

/// Keeps the images of the last ten releases on every node, and lets go of older ones.
pub async fn keep(existing: &Existing, ledger: &Ledger) -> Result<(), OperationError> {
    let images = ledger.recent().flat_map(|record| record.content.images.values());
    let manifests: BTreeSet<String> = images.map(|digests| digests.manifest.clone()).collect();
    try_join_all(existing.nodes.iter().map(|node| names::keep(&node.node, &manifests))).await?;
    Ok(())
}

/// What it takes on each node to have a release's images under their names. Refuses where bytes are gone.
pub async fn due(existing: &Existing, record: &Record) -> Result<Vec<Renames>, OperationError> {
    let asking = existing.nodes.iter().map(|node| node::images(&node.node));
    let mut dues = Vec::new();
    for records in try_join_all(asking).await? {
        let standing: BTreeMap<String, String> =
            records.into_iter().map(|(name, record)| (name, record.digest)).collect();
        dues.push(renames(&record.content.images, &standing));
    }
    let gone: Vec<String> = existing
        .nodes
        .iter()
        .zip(&dues)
        .flat_map(|(node, due)| due.gone.iter().map(|name| format!("{name} from {}", node.node.name)))
        .collect();
    if gone.is_empty() {
        return Ok(dues);
    }
    let source = sources(record);
    let cure = format!("check out {source} and run `devcluster up`, which builds or pulls them again");
    Err(ReleaseError::ImagesGone { number: record.number, images: gone, cure }.into())
}

/// Where a release's files are to be found.
pub fn sources(record: &Record) -> String {
    match (&record.commit, &record.lock) {
        (Some(commit), _) => format!("commit {}", commit.get(..12).unwrap_or(commit)),
        (None, Some(root)) => format!("what has lock root {}", root.get(..12).unwrap_or(root)),
        (None, None) => "its files".into(),
    }
}

/// Has names stand for a release's bytes again on every node. Gives how many names that were.
pub async fn bring_back(existing: &Existing, dues: &[Renames]) -> Result<usize, OperationError> {
    let nodes = existing.nodes.iter().zip(dues);
    let renaming = nodes.filter(|(_, due)| !due.names.is_empty());
    try_join_all(renaming.map(|(node, due)| names::rename(&node.node, &due.names))).await?;
    let all: BTreeSet<&String> = dues.iter().flat_map(|due| due.names.iter().map(|(name, _)| name)).collect();
    Ok(all.len())
}

/// The digests that each name stands for, as the kubelet may tell them.
pub fn stands_for(images: &BTreeMap<String, Digests>) -> BTreeMap<String, BTreeSet<String>> {
    let of = |(name, digests): (&String, &Digests)| {
        let pinned = name.rsplit_once('@').map(|(_, digest)| digest.to_owned());
        let both = [digests.config.clone(), digests.manifest.clone()];
        (name.clone(), both.into_iter().chain(pinned).collect())
    };
    images.iter().map(of).collect()
}
