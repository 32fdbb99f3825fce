//! Images for a rehearsal: those of the release that runs by the names that the ledger keeps on the nodes, those of the files here
//! by names of their own, so that the real ones go on standing for what runs.

use std::collections::BTreeMap;

use crate::cluster::Node;
use crate::handoff::rehearse::RehearseError;
use crate::handoff::release::{Record, takes};
use crate::image::{keep, load, node};
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::images::{self, Provided};
use crate::operation::session::{Existing, Session};

/// The names that a release's images have on the nodes, by the written ones.
pub(in crate::operation) async fn old<'a>(
    existing: &Existing,
    record: &Record,
    objects: impl Iterator<Item = &'a Object>,
) -> Result<BTreeMap<String, String>, OperationError> {
    let mut standing = Vec::new();
    for node in &existing.nodes {
        standing.push(node::images(&node.node).await?);
    }
    let (mut names, mut gone) = (BTreeMap::new(), Vec::new());
    let specs = objects.filter_map(|object| object.pod_template()?.get("spec"));
    for written in specs.flat_map(takes::images) {
        let normalised = images::normalised(written);
        let Some(digests) = record.content.images.get(&normalised) else { continue };
        let kept = keep::kept_name(&digests.manifest);
        let everywhere = |name: &str| {
            standing
                .iter()
                .all(|images| images.get(name).is_some_and(|image| image.digest == digests.manifest))
        };
        if everywhere(&kept) {
            names.insert(written.to_owned(), kept);
        } else if !everywhere(&normalised) {
            gone.push(written.to_owned());
        }
    }
    if gone.is_empty() {
        return Ok(names);
    }
    gone.sort();
    gone.dedup();
    Err(RehearseError::ImagesGone { number: record.number, images: gone }.into())
}

/// Builds or finds the images of the files here, sends the nodes those that they have not under their names, and gives the names
/// that they have there, by the written ones.
pub(in crate::operation) async fn new(
    session: &Session,
    existing: &Existing,
    desired: &Desired,
) -> Result<BTreeMap<String, String>, OperationError> {
    let mut provided = images::provide(session, desired).await?.images;
    images::check(session, &provided).await?;
    let nodes: Vec<Node> = existing.nodes.iter().map(|node| node.node.clone()).collect();
    let wanted: Vec<_> = provided.iter().map(|image| image.wanted.clone()).collect();
    let looked = load::look(&session.engine, session.state.cache(), &nodes, &wanted).await?;
    let mut lacking = looked.images.iter().map(|image| !image.nodes.is_empty());
    provided.retain(|_| lacking.next().unwrap_or(true));
    let mut names = BTreeMap::new();
    for Provided { wanted, .. } in &mut provided {
        for name in &mut wanted.names {
            let own = keep::rehearsed_name(name);
            names.insert(std::mem::replace(name, own.clone()), own);
        }
    }
    images::deliver(session, existing, None, &provided).await?;
    Ok(names)
}
