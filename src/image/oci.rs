//! OCI documents: digests, chain ids, an image's configuration, and the manifest that devcluster gives it on the nodes.
//! That manifest is a pure function of the configuration: layers stand in it uncompressed, under their diff ids.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// `sha256:HEX` of `bytes`.
pub(super) fn digest(bytes: &[u8]) -> String {
    finish(Sha256::new_with_prefix(bytes))
}

/// `sha256:HEX` of what went into `hasher`.
pub(super) fn finish(hasher: Sha256) -> String {
    use std::fmt::Write as _;
    hasher.finalize().iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether `text` is `sha256:` and 64 lower-case hex digits, and so safe as a file name too.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// The chain ids of stacked layers: containerd's names for unpacked snapshots (OCI image specification, "Layer ChainID").
pub(super) fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => digest(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

/// The diff ids that an image's configuration lists; `None` where it is no configuration.
pub(super) fn diff_ids(config: &[u8]) -> Option<Vec<String>> {
    let config: Value = serde_json::from_slice(config).ok()?;
    match config.pointer("/rootfs/diff_ids") {
        Some(Value::Array(ids)) => ids.iter().map(|id| id.as_str().map(Into::into)).collect(),
        Some(Value::Null) => Some(Vec::new()),
        _ => None,
    }
}

/// An image as it is sent: its configuration and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// The configuration's JSON.
    pub config: Vec<u8>,
    /// The configuration's digest: what CRI calls the image's id.
    pub config_digest: String,
    /// The manifest's JSON.
    pub manifest: Vec<u8>,
    /// The manifest's digest.
    pub manifest_digest: String,
    /// Layers, lowest first.
    pub diff_ids: Vec<String>,
}

impl Document {
    /// From a configuration and the sizes of its layers; `None` where the configuration is none or a size is not known.
    pub fn new(config: Vec<u8>, sizes: &BTreeMap<String, u64>) -> Option<Self> {
        let diff_ids = diff_ids(&config)?;
        let layers: Option<Vec<Value>> = diff_ids
            .iter()
            .map(|id| Some(json!({ "mediaType": LAYER, "digest": id, "size": sizes.get(id)? })))
            .collect();
        let config_digest = digest(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
            "layers": layers?,
            "annotations": { super::mirror::MARK: "1" },
        });
        let manifest = manifest.to_string().into_bytes();
        let manifest_digest = digest(&manifest);
        Some(Self { config, config_digest, manifest, manifest_digest, diff_ids })
    }
}

/// The `index.json` of an archive: each manifest under each of its names.
pub(super) fn index<'a>(images: impl Iterator<Item = (&'a Document, &'a str)>) -> Vec<u8> {
    let manifests: Vec<Value> = images
        .map(|(document, name)| {
            json!({
                "mediaType": MANIFEST,
                "digest": document.manifest_digest,
                "size": document.manifest.len(),
                "annotations": { "io.containerd.image.name": name },
            })
        })
        .collect();
    json!({ "schemaVersion": 2, "manifests": manifests }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_follow_the_specification() {
        let ids = ["sha256:a".to_owned(), "sha256:b".to_owned()];
        assert_eq!(chain_ids(&ids), ["sha256:a".to_owned(), digest(b"sha256:a sha256:b")]);
        assert!(chain_ids(&[]).is_empty());
    }

    #[test]
    fn the_manifest_depends_on_the_configuration_alone() {
        let config = br#"{"rootfs":{"type":"layers","diff_ids":["sha256:a"]}}"#.to_vec();
        let sizes = BTreeMap::from([("sha256:a".to_owned(), 7)]);
        let document = Document::new(config.clone(), &sizes).unwrap();
        insta::assert_snapshot!(String::from_utf8(document.manifest).unwrap(), @r#"{"annotations":{"devcluster.dev/delivered":"1"},"config":{"digest":"sha256:8ebe644ea3fbbd9e1fcb213d94d5193484159bb6a2b777214786ca8c98b60d32","mediaType":"application/vnd.oci.image.config.v1+json","size":52},"layers":[{"digest":"sha256:a","mediaType":"application/vnd.oci.image.layer.v1.tar","size":7}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#);
        assert!(Document::new(config, &BTreeMap::new()).is_none(), "a size is missing");
        assert!(Document::new(b"[]".to_vec(), &sizes).is_none());
    }

    #[test]
    fn only_real_digests_pass() {
        assert!(is_digest(&digest(b"")));
        for bad in ["sha256:", "sha512:00", "sha256:../../etc/passwd", &digest(b"").to_uppercase()] {
            assert!(!is_digest(bad), "{bad}");
        }
    }
}
