//! Getting an image out of the engine: its configuration, and those of its layers that are needed. By `docker push` to our
//! own registry, which takes only these; by `docker save` where the engine cannot reach us (a virtual machine, a remote).

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bollard::query_parameters::{PushImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::error::ImageError;
use super::inspect::EngineImage;
use super::memory::Memory;
use super::oci;
use super::registry::{REPOSITORY, Registry, lock};
use super::settle::{Layer, settle};
use crate::cluster::engine::{Engine, EngineError};

/// What tar, manifests and rounding add to the sizes that the engine tells.
const SLACK: u64 = 256 << 20;

/// Gets images out of one engine during one delivery.
pub(super) struct Exporter<'a> {
    engine: &'a Engine,
    directory: &'a Path,
    needed: BTreeSet<String>,
    memory: Arc<Mutex<Memory>>,
    layers: mpsc::UnboundedSender<Layer>,
    registry: Registry,
}

impl<'a> Exporter<'a> {
    /// Starts. Layers among `needed` come on `layers` in no order, some perhaps twice; their files are in `directory`.
    pub async fn start(
        engine: &'a Engine,
        directory: &'a Path,
        needed: BTreeSet<String>,
        memory: Arc<Mutex<Memory>>,
        layers: mpsc::UnboundedSender<Layer>,
    ) -> Result<Self, ImageError> {
        let registry = Registry::start(directory, needed.clone(), memory.clone(), layers.clone())
            .await
            .map_err(|source| ImageError::State { path: directory.into(), source })?;
        Ok(Self { engine, directory, needed, memory, layers, registry })
    }

    /// Gives an image's configuration, after its needed layers came and the sizes of all of them are known.
    pub async fn export(&self, image: &EngineImage) -> Result<Vec<u8>, ImageError> {
        let config = if self.saving_is_faster(image) {
            self.save(image).await?
        } else {
            match self.push(image).await {
                Ok(config) => config,
                Err(_) if !self.registry.reached() => self.save(image).await?,
                Err(error) => return Err(error),
            }
        };
        let fault =
            |reason: &str| ImageError::Export { image: image.reference.clone(), reason: reason.into() };
        if oci::diff_ids(&config).as_ref() != Some(&image.diff_ids) {
            return Err(fault("what it sent is not the image it describes"));
        }
        lock(&self.memory).keep(&image.id, &config);
        Ok(config)
    }

    /// The engine compresses what it never pushed, whether we lack it or not (measured: 45 MB/s on two cores), while it
    /// saves whole images plain (200 MB/s). What it pushed once it knows, and then a push costs only what is new.
    pub fn saving_is_faster(&self, image: &EngineImage) -> bool {
        const SMALL: u64 = 16 << 20;
        let memory = lock(&self.memory);
        let pushed: BTreeSet<&String> = memory.blobs.values().map(|blob| &blob.diff_id).collect();
        let sizes = |ids: &mut dyn Iterator<Item = &String>| -> u64 {
            ids.filter_map(|id| memory.layers.get(id)).sum()
        };
        let known = sizes(&mut image.diff_ids.iter().filter(|id| pushed.contains(id)));
        let fresh = image.size.saturating_sub(known);
        fresh > SMALL && fresh.saturating_mul(4) > image.size
    }

    /// Pushes an image only to have the engine remember its layers.
    pub async fn teach(&self, image: &EngineImage) -> Result<(), ImageError> {
        let config = self.push(image).await?;
        lock(&self.memory).keep(&image.id, &config);
        Ok(())
    }

    async fn push(&self, image: &EngineImage) -> Result<Vec<u8>, ImageError> {
        let repository = format!("{}/{REPOSITORY}", self.registry.address);
        let tag = image.id.trim_start_matches("sha256:").chars().take(24).collect::<String>();
        self.registry.allow(image.size.saturating_mul(2) + SLACK);
        let docker = self.engine.docker();
        let refused = |what: &str| {
            let what = format!("{what} image {}", image.reference);
            move |error| ImageError::from(EngineError::from_bollard(what, error))
        };
        let options = TagImageOptionsBuilder::default().repo(&repository).tag(&tag).build();
        docker.tag_image(&image.id, Some(options)).await.map_err(refused("tag"))?;
        let options = PushImageOptionsBuilder::default().tag(&tag).build();
        let pushed =
            docker.push_image(&repository, Some(options), None).try_for_each(|_| async { Ok(()) }).await;
        if image.named {
            // Only our own name goes: the image has others.
            let options = RemoveImageOptionsBuilder::default().noprune(true).build();
            let removed = docker.remove_image(&format!("{repository}:{tag}"), Some(options), None).await;
            removed.map_err(refused("untag"))?;
        }
        pushed.map_err(refused("push"))?;
        self.pushed_config(&tag, image)
            .map_err(|reason| ImageError::Export { image: image.reference.clone(), reason })
    }

    /// The configuration that was pushed under `tag`, found by digests alone.
    fn pushed_config(&self, tag: &str, image: &EngineImage) -> Result<Vec<u8>, String> {
        let document =
            |digest: &str| self.registry.document(digest).ok_or_else(|| format!("it never sent {digest}"));
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned)
        };
        let top_digest = self.registry.tagged(tag).ok_or("it sent no manifest")?;
        let mut manifest: Value =
            serde_json::from_slice(&document(&top_digest)?).map_err(|error| error.to_string())?;
        if let Some(manifests) = manifest.get("manifests").and_then(Value::as_array) {
            let chosen = manifests
                .iter()
                .filter(|entry| {
                    text(entry, "/platform/architecture").as_deref() == Some(&image.platform.architecture)
                })
                .find(|entry| text(entry, "/platform/os").as_deref() == Some(&image.platform.os))
                .and_then(|entry| text(entry, "/digest"))
                .ok_or_else(|| format!("it has nothing for {}", image.platform))?;
            manifest = serde_json::from_slice(&document(&chosen)?).map_err(|error| error.to_string())?;
        }
        let config_digest = text(&manifest, "/config/digest").ok_or("its manifest names no configuration")?;
        if image.id != config_digest && image.id != top_digest {
            return Err(format!("it sent {config_digest} for {}", image.id));
        }
        Ok(document(&config_digest)?.to_vec())
    }

    async fn save(&self, image: &EngineImage) -> Result<Vec<u8>, ImageError> {
        let fault = |reason: String| ImageError::Export { image: image.reference.clone(), reason };
        let stream = self.engine.docker().export_image(&image.id).map_err(io::Error::other).boxed();
        let reader = SyncIoBridge::new(StreamReader::new(stream));
        let (directory, most) = (self.directory.to_owned(), image.size.saturating_mul(2) + SLACK);
        let (needed, memory, layers) = (self.needed.clone(), self.memory.clone(), self.layers.clone());
        let take = move |layer: Layer| {
            lock(&memory).layers.insert(layer.diff_id.clone(), layer.size);
            if !needed.contains(&layer.diff_id) {
                return std::fs::remove_file(&layer.path);
            }
            // Nobody listens anymore only when the delivery has failed already.
            let _ = layers.send(layer);
            Ok(())
        };
        let reading = tokio::task::spawn_blocking(move || read_saved(reader, &directory, most, take));
        let documents = reading.await.map_err(|error| fault(error.to_string()))?;
        documents
            .map_err(|error| fault(error.to_string()))?
            .into_iter()
            .find(|document| oci::diff_ids(document).as_ref() == Some(&image.diff_ids))
            .ok_or_else(|| fault("what it saved has no configuration".into()))
    }
}

/// Reads what `docker save` writes, in either of its layouts: layers, handed to `take` one by one, and small JSON files,
/// whatever they are called.
fn read_saved(
    reader: impl Read,
    directory: &Path,
    most: u64,
    mut take: impl FnMut(Layer) -> io::Result<()>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut documents = Vec::new();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut start = Vec::new();
        entry.by_ref().take(1).read_to_end(&mut start)?;
        if matches!(start.first(), Some(b'{' | b'[')) && entry.size() < 8 << 20 {
            entry.read_to_end(&mut start)?;
            documents.push(start);
            continue;
        }
        if entry.size() < 16 {
            continue; // version files
        }
        let (mut file, path) = tempfile::Builder::new().prefix("saved-").tempfile_in(directory)?.keep()?;
        io::copy(&mut start.as_slice().chain(entry), &mut file)?;
        take(settle(&path, most)?)?;
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_image_is_read_whatever_its_files_are_called() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        let layer = vec![0_u8; 2048];
        add("abc/VERSION", b"1.0");
        add("abc/json", b"{\"id\":\"abc\"}");
        add("abc/layer.tar", &layer);
        add("config.json", b"{\"rootfs\":{\"diff_ids\":[]}}");
        let bytes = builder.into_inner().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut layers = Vec::new();
        let take = |layer: Layer| {
            layers.push(layer.diff_id);
            Ok(())
        };
        let documents = read_saved(bytes.as_slice(), directory.path(), 1 << 20, take).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(layers, [oci::digest(&layer)]);
    }
}
