//! What a delivery is asked for and what came of it.

use std::collections::BTreeSet;

use super::thin::ThinLayer;
use crate::words::{counted, sized};

/// An image that nodes are to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedImage {
    /// Where its bytes come from.
    pub content: Content,
    /// Names it is to stand under, as the manifests have them; a tag and a digest form of one image are two names.
    pub names: Vec<String>,
}

/// Where an image's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An image of the engine, by name or id.
    Engine(String),
    /// A stand-in.
    StandIn {
        /// The engine's image that stands in.
        image: String,
        /// Ports as it takes them: `8080`, `tcp:6379`.
        ports: Vec<String>,
    },
    /// An image with files on top.
    Thin {
        /// The engine's image beneath.
        image: String,
        /// The files.
        layer: ThinLayer,
    },
}

impl Content {
    /// The engine's image.
    pub fn reference(&self) -> &str {
        match self {
            Self::Engine(reference)
            | Self::StandIn { image: reference, .. }
            | Self::Thin { image: reference, .. } => reference,
        }
    }
}

/// An image as the nodes have it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its names, normalised.
    pub names: Vec<String>,
    /// The digest of its configuration: CRI's image id, and the kubelet's `imageID` where the image has no digest name.
    pub image_id: String,
    /// The digest of its manifest on the nodes: the kubelet's `imageID` may be `NAME@` this.
    pub manifest_digest: String,
    /// Whether a stand-in runs under these names.
    pub stand_in: bool,
    /// Layers that some node lacked.
    pub layers_sent: usize,
    /// Layers that every node had.
    pub layers_shared: usize,
    /// Bytes of layers sent, over all nodes. A layer of several images counts for the first of them.
    pub bytes_sent: u64,
    /// The nodes that lacked a name or a layer of it.
    pub nodes: Vec<String>,
}

impl Delivered {
    /// Whether a container status' `imageID` means these bytes.
    pub fn is(&self, image_id: &str) -> bool {
        let digest = image_id.rsplit_once('@').map_or(image_id, |(_, digest)| digest);
        digest == self.image_id
            || digest == self.manifest_digest
            || self.names.iter().any(|name| name == image_id)
    }
}

/// What a delivery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Each wanted image, in the order asked for.
    pub images: Vec<Delivered>,
}

impl DeliveryReport {
    /// Whether nodes had everything.
    pub fn nothing_done(&self) -> bool {
        self.images.iter().all(|image| image.nodes.is_empty())
    }

    /// What was sent, in a line.
    pub(super) fn summary(&self) -> String {
        let images: Vec<&Delivered> = self.images.iter().filter(|image| !image.nodes.is_empty()).collect();
        let nodes: BTreeSet<&String> = images.iter().flat_map(|image| &image.nodes).collect();
        let sent: usize = images.iter().map(|image| image.layers_sent).sum();
        let shared: usize = images.iter().map(|image| image.layers_shared).sum();
        format!(
            "{} on {}: {} sent ({}), {shared} there already",
            counted(images.len(), "image"),
            counted(nodes.len(), "node"),
            counted(sent, "layer"),
            sized(self.bytes_sent()),
        )
    }

    /// Bytes of layers sent, over all nodes.
    pub fn bytes_sent(&self) -> u64 {
        self.images.iter().map(|image| image.bytes_sent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_image_ids_are_recognised() {
        let image = Delivered {
            names: vec!["docker.io/library/a@sha256:pinned".into(), "docker.io/library/a:1".into()],
            image_id: "sha256:config".into(),
            manifest_digest: "sha256:manifest".into(),
            stand_in: false,
            layers_sent: 0,
            layers_shared: 0,
            bytes_sent: 0,
            nodes: Vec::new(),
        };
        for (id, means) in [
            ("sha256:config", true),
            ("docker.io/library/a@sha256:manifest", true),
            ("docker.io/library/a@sha256:pinned", true),
            ("docker.io/library/b@sha256:pinned", false),
            ("sha256:other", false),
            ("", false),
        ] {
            assert_eq!(image.is(id), means, "{id}");
        }
    }
}
