//! What kustomize and helm made of their inputs, kept by the inputs' hash.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Warning;
use super::hook::Hook;
use super::index::{Index, write_private};
use super::object::Object;
use super::volatile::VolatileField;

/// Changes when what is kept means something else.
const FORMAT: &str = concat!("1 ", env!("CARGO_PKG_VERSION"));

/// What one source comes to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub objects: Vec<Object>,
    pub hooks: Vec<Hook>,
    pub warnings: Vec<Warning>,
    pub volatile: Vec<VolatileField>,
}

/// The inputs of one source, hashed piece by piece.
pub(super) struct Inputs {
    hasher: blake3::Hasher,
}

impl Inputs {
    pub(super) fn new() -> Self {
        let mut inputs = Self { hasher: blake3::Hasher::new() };
        inputs.text("format", FORMAT);
        inputs
    }

    /// A named text. Lengths are hashed, too, so that no two lists of texts look alike.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        for part in [name, text] {
            self.hasher.update(&(part.len() as u64).to_le_bytes());
            self.hasher.update(part.as_bytes());
        }
    }

    /// A file's content under a name.
    pub(super) fn file(&mut self, index: &Index, name: &str, file: &Path) -> std::io::Result<()> {
        let hash = index.hash(file)?;
        self.text(name, &hash);
        Ok(())
    }

    pub(super) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

#[derive(Serialize, Deserialize)]
struct Kept<O> {
    inputs: String,
    outcome: O,
}

/// Where outcomes are kept: one file a source, so that old ones do not pile up.
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn file(&self, source: &str) -> PathBuf {
        self.directory.join(format!("{}.json", &blake3::hash(source.as_bytes()).to_hex()[..16]))
    }

    /// What is known of a source with these inputs.
    pub(super) fn get(&self, source: &str, inputs: &str) -> Option<Outcome> {
        let bytes = std::fs::read(self.file(source)).ok()?;
        let kept: Kept<Outcome> = serde_json::from_slice(&bytes).ok()?;
        (kept.inputs == inputs).then_some(kept.outcome)
    }

    /// Keeps an outcome. Failing to only costs time later.
    pub(super) fn put(&self, source: &str, inputs: &str, outcome: &Outcome) {
        let kept = Kept { inputs: inputs.into(), outcome };
        if let Ok(bytes) = serde_json::to_vec(&kept) {
            let _ = write_private(&self.file(source), &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_counts_for_its_inputs_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("render"));
        assert!(cache.get("helm a", "1").is_none());
        cache.put("helm a", "1", &Outcome::default());
        assert!(cache.get("helm a", "1").is_some());
        assert!(cache.get("helm a", "2").is_none());
        assert!(cache.get("helm b", "1").is_none());
        std::fs::write(cache.file("helm a"), "torn").unwrap();
        assert!(cache.get("helm a", "1").is_none());
    }

    #[test]
    fn no_two_lists_of_texts_hash_alike() {
        let hash = |texts: &[(&str, &str)]| {
            let mut inputs = Inputs::new();
            for (name, text) in texts {
                inputs.text(name, text);
            }
            inputs.hash()
        };
        assert_ne!(hash(&[("a", "bc")]), hash(&[("ab", "c")]));
        assert_ne!(hash(&[("a", "b"), ("c", "d")]), hash(&[("a", "bcd")]));
    }
}
