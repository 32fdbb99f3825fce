//! What the engine says of its images and of itself.

use std::fmt;

use super::error::ImageError;
use crate::cluster::engine::{Engine, EngineError};

/// An image as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineImage {
    /// The reference it was asked for by.
    pub reference: String,
    /// Its id: the digest of its configuration, or, in an engine with containerd's image store, of its manifest or index.
    pub id: String,
    /// What it runs on.
    pub platform: Platform,
    /// Digests of its layers, uncompressed, lowest first.
    pub diff_ids: Vec<String>,
    /// Its size in bytes, uncompressed.
    pub size: u64,
    /// What it says it is, where it stands in for another: the value of the label for that.
    pub stand_in: Option<String>,
    /// The digest of its manifest for that platform, where the engine tells it.
    pub manifest: Option<String>,
    /// The digest of its configuration, where the engine tells it.
    pub config: Option<String>,
    /// `REPOSITORY@DIGEST` of what registries have it as.
    pub in_registries: Vec<String>,
    /// Whether a name of the user's points at it, so that it survives when a name of ours goes.
    pub named: bool,
}

/// An operating system and an architecture, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `v7`; empty where there is none.
    pub variant: String,
}

impl fmt::Display for Platform {
    /// `linux/amd64`, `linux/arm/v7`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(out, "/{}", self.variant) }
    }
}

/// The image that `reference` (a name or an id) stands for; `None` where the engine has none.
pub async fn find(engine: &Engine, reference: &str) -> Result<Option<EngineImage>, ImageError> {
    let found = match engine.docker().inspect_image(reference).await {
        Ok(found) => found,
        Err(error) => {
            let error = EngineError::from_bollard(format!("inspect image {reference}"), error);
            // A reference the engine cannot parse (400) is one it does not have.
            return if error.is_not_found() || is_bad_request(&error) { Ok(None) } else { Err(error.into()) };
        }
    };
    let named = found.repo_tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let id = found.id.unwrap_or_default();
    Ok(Some(EngineImage {
        reference: reference.into(),
        // With containerd's image store the id is that of a manifest or an index, which it then describes.
        manifest: found.descriptor.as_ref().filter(|it| is_manifest(it)).and_then(|it| it.digest.clone()),
        config: found.descriptor.is_none().then(|| id.clone()),
        in_registries: found.repo_digests.unwrap_or_default(),
        id,
        platform: Platform {
            os: found.os.unwrap_or_default(),
            architecture: found.architecture.unwrap_or_default(),
            variant: found.variant.unwrap_or_default(),
        },
        diff_ids: found.root_fs.and_then(|root| root.layers).unwrap_or_default(),
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        stand_in: found.config.and_then(|config| config.labels?.remove(super::standin::LABEL)),
        named,
    }))
}

/// Whether a descriptor is of one platform's manifest, not of an index.
fn is_manifest(descriptor: &bollard::models::OciDescriptor) -> bool {
    descriptor.media_type.as_deref().is_some_and(|media_type| media_type.contains(".manifest."))
        && !descriptor.media_type.as_deref().is_some_and(|media_type| media_type.contains("list"))
}

fn is_bad_request(error: &EngineError) -> bool {
    use bollard::errors::Error::DockerResponseServerError;
    matches!(error, EngineError::Refused { source: DockerResponseServerError { status_code: 400, .. }, .. })
}

/// What the engine runs on, and so the nodes, which are its containers.
pub async fn engine_platform(engine: &Engine) -> Result<Platform, ImageError> {
    let version = engine.version().await?;
    Ok(Platform {
        os: version.os.clone().unwrap_or_else(|| "linux".into()),
        architecture: version.arch.clone().unwrap_or_default(),
        variant: String::new(),
    })
}

/// Finds images that the nodes cannot run, all at once.
pub(super) fn check_architectures(images: &[&EngineImage], node: &Platform) -> Result<(), ImageError> {
    let foreign: Vec<(String, String)> = images
        .iter()
        // An image without layers of its own or of unknown origin may name no architecture: it runs anywhere.
        .filter(|image| !image.platform.architecture.is_empty())
        .filter(|image| {
            image.platform.architecture != node.architecture
                || (!image.platform.os.is_empty() && image.platform.os != node.os)
        })
        .map(|image| (image.reference.clone(), image.platform.to_string()))
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(ImageError::Architecture { images: foreign, node: node.architecture.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(reference: &str, platform: &str) -> EngineImage {
        let mut parts = platform.split('/').map(Into::into);
        let mut next = || parts.next().unwrap_or_default();
        EngineImage {
            reference: reference.into(),
            id: String::new(),
            platform: Platform { os: next(), architecture: next(), variant: next() },
            diff_ids: Vec::new(),
            size: 0,
            stand_in: None,
            manifest: None,
            config: None,
            in_registries: Vec::new(),
            named: true,
        }
    }

    #[test]
    fn every_foreign_image_is_named_with_the_cure() {
        let node = Platform { os: "linux".into(), architecture: "arm64".into(), variant: String::new() };
        let (good, a, b) =
            (image("ok", "linux/arm64/v8"), image("a:1", "linux/amd64"), image("b", "windows/arm64"));
        assert!(check_architectures(&[&good, &image("blank", "")], &node).is_ok());
        assert_eq!(
            check_architectures(&[&a, &good, &b], &node).unwrap_err().to_string(),
            "the nodes are arm64, but a:1 is for linux/amd64, b is for windows/arm64; build or pull for arm64 \
             (`platform: linux/arm64` in devcluster.yaml)"
        );
    }
}
