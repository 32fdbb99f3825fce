//! What the engine and the nodes have of wanted images.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;

use super::delivery::{Content, WantedImage};
use super::error::ImageError;
use super::inspect::{self, EngineImage};
use super::memory::Memory;
use super::name::normalised;
use super::node::{self, ImageRecords, NodeStore};
use super::oci::Document;
use super::plan::{missing_layers, missing_names};
use super::standin;
use super::thin::{self, ThinLayer};
use crate::cluster::engine::{Engine, Node};

/// A wanted image and what is known of it.
pub(super) struct Item<'a> {
    pub wanted: &'a WantedImage,
    pub names: Vec<String>,
    pub image: EngineImage,
    pub document: Option<Document>,
}

impl Item<'_> {
    /// The image as it is sent, where its configuration and the sizes of its layers are known.
    pub fn describe(&self, memory: &Memory) -> Option<Document> {
        let config = memory.images.get(&self.image.id)?.config.as_bytes();
        let config = match &self.wanted.content {
            Content::Engine(_) => config.to_vec(),
            Content::StandIn { ports, .. } => standin::configure(config, self.names.first()?, ports)?,
            Content::Thin { layer, .. } => {
                // A thin layer is nothing to remember: the next save makes another.
                let mut sizes = memory.layers.clone();
                sizes.insert(layer.diff_id.clone(), layer.size);
                return Document::new(thin::configure(config, layer)?, &sizes);
            }
        };
        Document::new(config, &memory.layers)
    }

    /// Its layers, lowest first.
    pub fn diff_ids(&self) -> Vec<String> {
        let thin = self.thin().map(|layer| layer.diff_id.clone());
        self.image.diff_ids.iter().cloned().chain(thin).collect()
    }

    /// The layer that is laid on it, where one is.
    pub fn thin(&self) -> Option<&ThinLayer> {
        match &self.wanted.content {
            Content::Thin { layer, .. } => Some(layer),
            Content::Engine(_) | Content::StandIn { .. } => None,
        }
    }

    /// Whether it stands in for an image that cannot run here.
    pub fn stand_in(&self) -> bool {
        matches!(self.wanted.content, Content::StandIn { .. })
    }
}

/// A node and what is to happen on it.
pub(super) struct Target<'a> {
    pub node: &'a Node,
    pub records: ImageRecords,
    pub store: NodeStore,
    pub lacks: BTreeSet<String>,
}

/// What the engine says of the wanted images, their architecture checked.
pub(super) async fn look_up<'a>(
    engine: &Engine,
    wanted: &'a [WantedImage],
) -> Result<Vec<Item<'a>>, ImageError> {
    let references: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.content.reference()).collect();
    let finding = try_join_all(references.iter().map(|reference| inspect::find(engine, reference)));
    let (found, platform) = tokio::try_join!(finding, inspect::engine_platform(engine))?;
    let found: BTreeMap<&str, Option<EngineImage>> = references.into_iter().zip(found).collect();
    inspect::check_architectures(&found.values().flatten().collect::<Vec<_>>(), &platform)?;
    wanted
        .iter()
        .map(|wanted| {
            let reference = wanted.content.reference();
            let image = found.get(reference).cloned().flatten().ok_or_else(|| match wanted.content {
                Content::Engine(_) | Content::Thin { .. } => ImageError::Missing { image: reference.into() },
                Content::StandIn { .. } => ImageError::NoStandIn { image: reference.into() },
            })?;
            let names: BTreeSet<String> = wanted.names.iter().map(|name| normalised(name)).collect();
            Ok(Item { wanted, names: names.into_iter().collect(), image, document: None })
        })
        .collect()
}

/// Whether something is to be done for an image.
pub(super) fn is_open(item: &Item<'_>, records: &[ImageRecords]) -> bool {
    let Some(document) = &item.document else { return true };
    records.iter().any(|records| !missing_names(records, &item.names, &document.manifest_digest).is_empty())
}

/// Asks the nodes for the layers they have, and works out which they lack.
pub(super) async fn survey<'a>(
    nodes: &'a [Node],
    records: Vec<ImageRecords>,
    items: &[Item<'_>],
    open: &[usize],
) -> Result<Vec<Target<'a>>, ImageError> {
    let stores = try_join_all(nodes.iter().map(node::store)).await?;
    let targets = nodes.iter().zip(records).zip(stores).map(|((node, records), store)| {
        let lacks = open
            .iter()
            .map(|at| &items[*at])
            .filter(|item| {
                item.document.as_ref().is_none_or(|document| {
                    !missing_names(&records, &item.names, &document.manifest_digest).is_empty()
                })
            })
            .flat_map(|item| missing_layers(&item.diff_ids(), &store.unpacked))
            .collect();
        Target { node, records, store, lacks }
    });
    Ok(targets.collect())
}
