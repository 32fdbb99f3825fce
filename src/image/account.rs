//! What a delivery came to.

use std::collections::BTreeSet;

use super::delivery::{Delivered, DeliveryReport};
use super::memory::Memory;
use super::plan::{bytes, missing_layers, missing_names};
use super::survey::{Item, Target};

/// What each node was sent: a layer that several images share counts for the first.
pub(super) fn account(items: &[Item<'_>], targets: &[Target<'_>], memory: &Memory) -> DeliveryReport {
    let mut counted: Vec<BTreeSet<String>> = vec![BTreeSet::new(); targets.len()];
    let images = items.iter().map(|item| {
        let Some(document) = &item.document else { return delivered(item, &[], memory) };
        let mut sent = Vec::new();
        for (target, counted) in targets.iter().zip(&mut counted) {
            if missing_names(&target.records, &item.names, &document.manifest_digest).is_empty() {
                continue;
            }
            let lacked: BTreeSet<String> = missing_layers(&document.diff_ids, &target.store.unpacked)
                .into_iter()
                .filter(|layer| counted.insert(layer.clone()))
                .collect();
            sent.push((target.node.name.clone(), lacked));
        }
        delivered(item, &sent, memory)
    });
    DeliveryReport { images: images.collect() }
}

/// What one image came to.
pub(super) fn delivered(item: &Item<'_>, sent: &[(String, BTreeSet<String>)], memory: &Memory) -> Delivered {
    let layers: BTreeSet<&String> = sent.iter().flat_map(|(_, layers)| layers).collect();
    let all: BTreeSet<String> = item.diff_ids().into_iter().collect();
    let document = item.document.as_ref();
    Delivered {
        names: item.names.clone(),
        image_id: document.map(|document| document.config_digest.clone()).unwrap_or_default(),
        manifest_digest: document.map(|document| document.manifest_digest.clone()).unwrap_or_default(),
        stand_in: item.stand_in(),
        layers_sent: layers.len(),
        layers_shared: all.len() - layers.len(),
        bytes_sent: sent.iter().map(|(_, layers)| bytes(layers, &memory.layers)).sum(),
        nodes: sent.iter().map(|(node, _)| node.clone()).collect(),
    }
}
