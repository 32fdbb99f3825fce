//! What `devcluster.lock` says.

use std::collections::BTreeMap;

use serde_json::json;

use super::canonical::hash;
use super::migration::Verdict;

/// The format written here.
pub const VERSION: i64 = 1;

/// Everything that a lock says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// One hash over all that matters.
    pub root: String,
    /// Production's Kubernetes version, as configured.
    pub kubernetes: Option<String>,
    /// API versions that production serves beyond Kubernetes' own, sorted.
    pub api_versions: Vec<String>,
    /// The images that the manifests name, sorted.
    pub images: Vec<LockedImage>,
    /// What stores hold, in the order of loading.
    pub data: Vec<DataEntry>,
    /// What migrates, in order.
    pub migrations: Vec<Migration>,
    /// Objects and hooks, by key.
    pub objects: BTreeMap<String, Entry>,
    /// Keyed hashes of Secrets' values; none where there was no key.
    pub secrets: Option<SecretValues>,
    /// What images were on machines that wrote the lock, sorted.
    pub seen: Vec<SeenImage>,
    /// What it was rendered from.
    pub inputs: Inputs,
    /// What is of this machine and never travels.
    pub local: Local,
}

/// An image that the manifests name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LockedImage {
    /// The reference as the manifests write it.
    pub reference: String,
    /// What its registry has it as, `sha256:HEX`: the digest of its index, or of its manifest where it is for one platform.
    /// None where no engine told it yet, or it is built.
    pub digest: Option<String>,
    /// What it is built from: a digest of its Dockerfile, arguments and context. None where it is not built.
    pub source: Option<String>,
}

/// An image as an engine had it. Not part of the root: it differs between platforms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenImage {
    /// The reference as the manifests write it.
    pub reference: String,
    /// Its platform, `linux/amd64`.
    pub platform: String,
    /// The digest of its manifest for that platform, where the engine tells it.
    pub manifest: Option<String>,
    /// The digest of its configuration, where the engine tells it: which decides what it runs.
    pub config: Option<String>,
}

/// A store's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataEntry {
    /// The store, `NAMESPACE/NAME`.
    pub store: String,
    /// `snapshot NAME` or `seed PATH`.
    pub from: String,
    /// The digest of its content; none where it is not on this machine.
    pub digest: Option<String>,
}

/// A migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its name in `devcluster.yaml`.
    pub name: String,
    /// Whether it can be taken back.
    pub reversible: Verdict,
    /// SHA-256 over its statements, hex; none where not all are known.
    pub statements: Option<String>,
    /// Why, the first few reasons. Not part of the root.
    pub because: Vec<String>,
}

impl Migration {
    /// Whether it is the same migration: why it can or cannot be taken back may be said in other words.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        (&self.name, self.reversible, &self.statements) == (&other.name, other.reversible, &other.statements)
    }
}

/// An object or a hook. Its key is `KIND.GROUP NAMESPACE/NAME`; a hook's has `hook NAMESPACE/RELEASE: ` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// SHA-256 of its canonical form, hex.
    pub hash: String,
    /// The source that it comes from.
    pub from: String,
    /// Its file, from the configuration's directory, where that is known.
    pub file: Option<String>,
    /// Its fields' short hashes, as JSON in printable ASCII (see `fields`); empty until the lock is to be written.
    pub fields: String,
}

/// Values of Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretValues {
    /// Tells the key that they were hashed with.
    pub key: String,
    /// Keyed hashes, by the Secret's key in `objects` and the value's own.
    pub values: BTreeMap<(String, String), String>,
}

/// What a lock was rendered from. Not part of the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// The git tree of the configuration's directory, without the lock; none outside of git, or with uncommitted changes.
    pub tree: Option<String>,
    /// Versions of the programs that rendered, by name.
    pub renderers: BTreeMap<String, String>,
    /// Files by source.
    pub files: Vec<InputFile>,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputFile {
    /// The source.
    pub source: String,
    /// The file, from the configuration's directory.
    pub path: String,
    /// BLAKE3 of its content, hex; keyed where secrets may be in it, and then none without a key.
    pub digest: Option<String>,
}

/// Local policy. Not part of the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Local {
    /// The profile's name.
    pub profile: String,
    /// How images get their bytes here, by name: `build`, `stand-in`.
    pub images: BTreeMap<String, String>,
    /// Fields of objects that are changed here, with the reason.
    pub patches: Vec<(String, String)>,
}

impl Lock {
    /// The root that the entries come to: SHA-256 of the canonical JSON of all that matters.
    pub fn computed_root(&self) -> String {
        let objects: BTreeMap<&str, &str> =
            self.objects.iter().map(|(key, entry)| (key.as_str(), entry.hash.as_str())).collect();
        let data: Vec<_> = self.data.iter().map(|data| json!([data.store, data.from, data.digest])).collect();
        let migrations: Vec<_> = self
            .migrations
            .iter()
            .map(|migration| json!([migration.name, migration.reversible, migration.statements]))
            .collect();
        let images = self.images.iter().map(|image| json!([image.reference, image.digest, image.source]));
        hash(&json!({
            "version": VERSION,
            "kubernetes": self.kubernetes,
            "apiVersions": self.api_versions,
            "images": images.collect::<Vec<_>>(),
            "data": data,
            "migrations": migrations,
            "objects": objects,
        }))
    }
}
