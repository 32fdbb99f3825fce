//! The images that sharded commands run in: those of the manifests are on the nodes already, others are built and sent.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CiError;
use crate::config::{Config, Image, ImageFrom, Place};
use crate::image::{Content, WantedImage, load};
use crate::operation::error::OperationError;
use crate::operation::images;
use crate::operation::session::{Existing, Session};
use crate::parity::reference::ImageReference;

/// How an image is come by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ShardImage {
    /// It is one of the manifests', under this name.
    Manifests(String),
    /// It is built for this.
    Built(Box<Image>, String),
}

/// The images of the sharded commands, by command. Nothing is done yet.
pub(super) fn find(
    config: &Config,
    manifests: &BTreeSet<String>,
) -> Result<BTreeMap<String, ShardImage>, CiError> {
    let mut found = BTreeMap::new();
    for command in &config.ci {
        let Place::Shards { image, .. } = &command.place else { continue };
        let one = one(config, manifests, image).ok_or_else(|| {
            let built = config.images.iter().filter(|image| matches!(image.from, ImageFrom::Build(_)));
            let there: BTreeSet<String> =
                manifests.iter().cloned().chain(built.map(|image| image.name.clone())).collect();
            CiError::Image {
                command: command.name.clone(),
                image: image.clone(),
                there: there.into_iter().collect(),
            }
        })?;
        found.insert(command.name.clone(), one);
    }
    Ok(found)
}

fn one(config: &Config, manifests: &BTreeSet<String>, image: &str) -> Option<ShardImage> {
    let is_covered = |written: &&String| {
        written.parse::<ImageReference>().is_ok_and(|reference| reference.is_covered_by(image))
    };
    let of_manifests = manifests.get(image).or_else(|| manifests.iter().find(is_covered));
    if let Some(written) = of_manifests {
        return Some(ShardImage::Manifests(written.clone()));
    }
    let reference = image.parse::<ImageReference>().ok()?;
    let mut built = config.images.iter().filter(|image| matches!(image.from, ImageFrom::Build(_)));
    let built = built.find(|one| reference.is_covered_by(&one.name))?;
    Some(ShardImage::Built(Box::new(built.clone()), image.to_owned()))
}

impl ShardImage {
    /// Sees to it that the nodes have it, and gives its name there.
    pub(super) async fn deliver(
        &self,
        session: &Session,
        existing: &Existing,
    ) -> Result<String, OperationError> {
        match self {
            Self::Manifests(name) => Ok(name.clone()),
            Self::Built(_, name) => self.deliver_as(session, existing, name).await,
        }
    }

    /// The same under another name: one of the manifests' is there already and keeps its own.
    pub(super) async fn deliver_as(
        &self,
        session: &Session,
        existing: &Existing,
        name: &str,
    ) -> Result<String, OperationError> {
        let image = match self {
            Self::Manifests(own) => return Ok(own.clone()),
            Self::Built(image, _) => image,
        };
        let reference = images::build_alone(session, image).await?;
        let wanted = [WantedImage { content: Content::Engine(reference), names: vec![name.to_owned()] }];
        let nodes: Vec<_> = existing.nodes.iter().map(|node| node.node.clone()).collect();
        let (cache, reporter) = (session.state.cache(), session.reporter.as_ref());
        load::deliver(&session.engine, cache, &nodes, async { None }, &wanted, reporter).await?;
        Ok(name.to_owned())
    }
}
