//! Which digests the manifests' images are known by: as written, as the user says, as the lock has them, or as the engine
//! pulled or pushed them.

use std::collections::BTreeSet;

use super::locked_images;
use crate::cluster::Engine;
use crate::config::{Config, ImageFrom};
use crate::event::{Event, Reporter};
use crate::handoff::pin::{AsWritten, GivenDigest, Pins};
use crate::handoff::{Lock, LockedImage};
use crate::image::inspect;
use crate::operation::error::OperationError;
use crate::parity::ImageReference;

/// The digests of images as the manifests write them. An engine that does not answer knows none.
pub(in crate::operation) async fn pins(
    config: &Config,
    lock: &Lock,
    given: &[GivenDigest],
    reporter: &dyn Reporter,
) -> Result<Pins, OperationError> {
    let engine = match Engine::connect().await {
        Ok(engine) => Some(engine),
        Err(error) => {
            reporter.report(Event::Note(format!("images are pinned by what is written alone: {error}")));
            None
        }
    };
    let mut pins = Pins::default();
    let mut used = BTreeSet::new();
    for LockedImage { reference: text, digest: locked, .. } in &lock.images {
        let Ok(reference) = text.parse::<ImageReference>() else { continue };
        if let Some(known) = given.iter().find(|given| given.image == reference) {
            used.insert(&known.digest);
            pins.digests.insert(text.clone(), known.digest.clone());
        } else if reference.digest().is_none() {
            let known = match locked {
                Some(digest) => Ok(digest.clone()),
                None => digest(config, engine.as_ref(), &reference).await?,
            };
            match known {
                Ok(digest) => {
                    pins.digests.insert(text.clone(), digest);
                }
                Err(why) => pins.as_written.push(AsWritten { image: text.clone(), why: why.into() }),
            }
        }
    }
    for unused in given.iter().filter(|given| !used.contains(&given.digest)) {
        reporter.report(Event::Warning(format!("no manifest names {}, whose digest is given", unused.image)));
    }
    Ok(pins)
}

/// The digest, or why there is none.
async fn digest(
    config: &Config,
    engine: Option<&Engine>,
    reference: &ImageReference,
) -> Result<Result<String, &'static str>, OperationError> {
    let own = config.images.iter().find(|image| reference.is_covered_by(&image.name));
    match own.map(|image| &image.from) {
        Some(ImageFrom::Build(_)) => {
            return Ok(Err(
                "built here, and only its registry knows the digest: `--image NAME@sha256:DIGEST` tells it",
            ));
        }
        Some(ImageFrom::StandIn { .. }) => return Ok(Err("a stand-in ran in its place")),
        None => {}
    }
    let Some(engine) = engine else { return Ok(Err("no engine was there to ask")) };
    let Some(image) = inspect::find(engine, &reference.to_string()).await? else {
        return Ok(Err("the engine does not have it"));
    };
    if image.stand_in.is_some() {
        return Ok(Err("a stand-in ran in its place"));
    }
    Ok(locked_images::in_registry(&reference.to_string(), &image.in_registries)
        .ok_or("only this machine has it: no registry gave it a digest"))
}
