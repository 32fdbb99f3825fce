//! The content key of a build: equal keys give equal images, so a known key is not built again.

use std::collections::BTreeMap;

/// Everything that decides on a build's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInputs<'a> {
    /// The hash of the context as its ignore file leaves it.
    pub context: &'a str,
    /// The Dockerfile's text.
    pub dockerfile: &'a str,
    /// The build arguments.
    pub args: &'a BTreeMap<String, String>,
    /// The stage to build.
    pub target: Option<&'a str>,
    /// The platform, such as `linux/amd64`.
    pub platform: &'a str,
    /// Each image built upon, and its id in the engine where it is there.
    pub bases: &'a BTreeMap<String, Option<String>>,
    /// Each build secret's id and the hash of its contents.
    pub secrets: &'a BTreeMap<String, String>,
    /// The `--ssh` values.
    pub ssh: &'a [String],
}

/// Changes when the meaning of keys does, so that old ones are not taken for new ones.
const VERSION: &str = "devcluster build key 1";

/// The key: 64 hex digits. Every field is hashed with its name and length: no two inputs run into one another.
pub fn content_key(inputs: &KeyInputs<'_>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(VERSION);
    let mut field = |name: &str, value: &str| {
        for part in [name, value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    };
    field("context", inputs.context);
    field("dockerfile", inputs.dockerfile);
    field("platform", inputs.platform);
    if let Some(target) = inputs.target {
        field("target", target);
    }
    for (name, value) in inputs.args {
        field("arg", name);
        field("=", value);
    }
    for (image, id) in inputs.bases {
        field("base", image);
        field(if id.is_some() { "at" } else { "absent" }, id.as_deref().unwrap_or_default());
    }
    for (id, hash) in inputs.secrets {
        field("secret", id);
        field("=", hash);
    }
    for ssh in inputs.ssh {
        field("ssh", ssh);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn every_input_counts() {
        let (none, one, other) = (map(&[]), map(&[("A", "1")]), map(&[("A1", "")]));
        let (here, gone) = (
            BTreeMap::from([("debian".to_owned(), Some("sha256:1".to_owned()))]),
            BTreeMap::from([("debian".to_owned(), None)]),
        );
        let no_bases = BTreeMap::new();
        let ssh = ["default".to_owned()];
        let plain = KeyInputs {
            context: "c",
            dockerfile: "FROM debian",
            args: &none,
            target: None,
            platform: "linux/amd64",
            bases: &no_bases,
            secrets: &none,
            ssh: &[],
        };
        let variants = [
            plain.clone(),
            KeyInputs { context: "d", ..plain.clone() },
            KeyInputs { dockerfile: "FROM debian:1", ..plain.clone() },
            KeyInputs { args: &one, ..plain.clone() },
            KeyInputs { args: &other, ..plain.clone() },
            KeyInputs { target: Some(""), ..plain.clone() },
            KeyInputs { target: Some("build"), ..plain.clone() },
            KeyInputs { platform: "linux/arm64", ..plain.clone() },
            KeyInputs { bases: &here, ..plain.clone() },
            KeyInputs { bases: &gone, ..plain.clone() },
            KeyInputs { secrets: &one, ..plain.clone() },
            KeyInputs { ssh: &ssh, ..plain.clone() },
        ];
        let keys: std::collections::BTreeSet<String> = variants.iter().map(content_key).collect();
        assert_eq!(keys.len(), variants.len());
        assert_eq!(content_key(&plain), content_key(&plain.clone()));
    }
}
