//! What is remembered of images between runs, all of it checked or had again where it is missing: which compressed blob
//! is which layer, how large layers are, and the configurations of images seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ImageError;

/// Images whose configuration is kept; the oldest goes first.
const MOST_IMAGES: usize = 300;

/// The memory. Digests are written `sha256:HEX`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Blobs that the engine pushes, by digest.
    pub blobs: BTreeMap<String, Blob>,
    /// Sizes of layers, uncompressed, by diff id.
    pub layers: BTreeMap<String, u64>,
    /// Configurations of images, by the engine's image id.
    pub images: BTreeMap<String, KeptImage>,
}

/// A compressed layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blob {
    /// The layer it is when uncompressed.
    pub diff_id: String,
    /// Its size in bytes, compressed.
    pub size: u64,
}

/// An image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptImage {
    /// The JSON, byte for byte: its digest is the image's identity.
    pub config: String,
    /// When it was seen last, in seconds since 1970.
    pub seen: u64,
}

impl Memory {
    /// Reads what is remembered in `cache`; what cannot be read is forgotten.
    pub fn read(cache: &Path) -> Self {
        std::fs::read(file(cache))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Writes it, together with what another run wrote meanwhile.
    pub fn write(&self, cache: &Path) -> Result<(), ImageError> {
        let path = file(cache);
        // Several clusters of one user learn at the same time; the kernel lets go of a killed run's lock.
        let lock = path.with_extension("lock");
        let failed = |path: PathBuf| move |source| ImageError::State { path, source };
        let guard = std::fs::File::create(&lock).map_err(failed(lock.clone()))?;
        guard.lock().map_err(failed(lock))?;
        let mut all = Self::read(cache);
        all.blobs.extend(self.blobs.clone());
        all.layers.extend(self.layers.clone());
        all.images.extend(self.images.clone());
        all.forget_old();
        super::files::write_atomically(&path, &serde_json::to_vec(&all).unwrap_or_default())
            .map_err(failed(path))
    }

    /// Remembers an image's configuration.
    pub fn keep(&mut self, image_id: &str, config: &[u8]) {
        if let Ok(config) = std::str::from_utf8(config) {
            let seen = std::time::SystemTime::now()
                .duration_since(std::time::SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs();
            self.images.insert(image_id.into(), KeptImage { config: config.into(), seen });
        }
    }

    fn forget_old(&mut self) {
        if self.images.len() > MOST_IMAGES {
            let mut seen: Vec<u64> = self.images.values().map(|image| image.seen).collect();
            seen.sort_unstable_by(|a, b| b.cmp(a));
            let oldest = seen[MOST_IMAGES - 1];
            self.images.retain(|_, image| image.seen >= oldest);
        }
    }
}

fn file(cache: &Path) -> PathBuf {
    cache.join("images.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_keep_what_either_learned() {
        let cache = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (Memory::default(), Memory::default());
        one.layers.insert("sha256:a".into(), 1);
        two.layers.insert("sha256:b".into(), 2);
        one.write(cache.path()).unwrap();
        two.write(cache.path()).unwrap();
        let both = Memory::read(cache.path());
        assert_eq!(both.layers.len(), 2);
        std::fs::write(file(cache.path()), "{half").unwrap();
        assert_eq!(Memory::read(cache.path()), Memory::default());
    }
}
