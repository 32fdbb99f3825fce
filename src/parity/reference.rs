//! Image references: their parts, and the normal form under which containerd keeps them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An image reference in its normal form: registry and tag are filled in as Docker's distribution library and
/// containerd do (`nginx` is `docker.io/library/nginx:latest`). Two spellings of one image are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The repository's name breaks the grammar.
    #[error(
        "`{0}` is not an image reference: a repository is lower-case words separated by `/`, `.`, `_` or `-`"
    )]
    Repository(String),
    /// The registry breaks the grammar.
    #[error("`{0}` is not an image reference: its registry is not a host name with an optional port")]
    Registry(String),
    /// The tag breaks the grammar.
    #[error("`{0}` is not an image reference: a tag is at most 128 letters, digits, `_`, `.` and `-`")]
    Tag(String),
    /// The digest breaks the grammar.
    #[error("`{0}` is not an image reference: a digest is written `sha256:` and 64 lower-case hex digits")]
    Digest(String),
    /// The name is too long.
    #[error("`{0}` is not an image reference: its repository is longer than 255 characters")]
    TooLong(String),
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ReferenceError::Digest(text.into()));
        }
        // A colon after the last slash begins the tag; one before it belongs to the registry's port.
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(text.into()));
        }
        let (registry, path) = split_registry(name);
        if !is_registry(registry) {
            return Err(ReferenceError::Registry(text.into()));
        }
        // Docker keeps 64 hex digits for image ids.
        let is_id = name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_id || !path.split('/').all(is_path_part) {
            return Err(ReferenceError::Repository(text.into()));
        }
        let official = registry == "docker.io" && !path.contains('/');
        let path = if official { format!("library/{path}") } else { path.to_owned() };
        if registry.len() + 1 + path.len() > 255 {
            return Err(ReferenceError::TooLong(text.into()));
        }
        let tag = tag.or(if digest.is_none() { Some("latest") } else { None }).map(str::to_owned);
        Ok(Self { registry: registry.into(), path, tag, digest: digest.map(str::to_owned) })
    }
}

/// Registry and path of a name, with Docker Hub where no registry is written.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", path)) => ("docker.io", path),
        Some((first, path))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, path)
        }
        _ => ("docker.io", name),
    }
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rfind(':') {
        Some(at) if !registry.ends_with(']') => (&registry[..at], Some(&registry[at + 1..])),
        _ => (registry, None),
    };
    let port_fits = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        }),
    };
    port_fits && host_fits
}

/// `[a-z0-9]+` words joined by `.`, `_`, `__` or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_fit = bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    ends_fit
        && part
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let lower_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lower_hex && matches!((algorithm, hex.len()), ("sha256", 64) | ("sha384", 96) | ("sha512", 128))
}

impl ImageReference {
    /// The registry's host and port, such as `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path within the registry, such as `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Registry and path, such as `docker.io/library/nginx`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The tag; none only where there is a digest alone.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, such as `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The name of the record that containerd's CRI plugin looks up for this reference: with a digest, the digest alone
    /// counts and the tag is dropped.
    pub fn containerd_name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.repository()),
            (None, Some(tag)) => format!("{}:{tag}", self.repository()),
            (None, None) => self.repository(),
        }
    }

    /// The names of all records a node should have for this reference: [`Self::containerd_name`] and, where both are
    /// written, the one by tag, under which people and other manifests look for it.
    pub fn records(&self) -> Vec<String> {
        let mut records = vec![self.containerd_name()];
        if let (Some(_), Some(tag)) = (&self.digest, &self.tag) {
            records.push(format!("{}:{tag}", self.repository()));
        }
        records
    }

    /// The short form people write: without `docker.io/library/` and `docker.io/`.
    pub fn familiar(&self) -> String {
        let text = self.to_string();
        let short = text.strip_prefix("docker.io/").map(|rest| rest.strip_prefix("library/").unwrap_or(rest));
        short.map_or(text.clone(), str::to_owned)
    }

    /// Whether this names an image under that repository, and under that tag and digest where `pattern` has them.
    /// A bare repository (`pattern` without tag and digest) covers all of its tags.
    pub fn is_covered_by(&self, pattern: &str) -> bool {
        let Ok(other) = pattern.parse::<Self>() else { return false };
        let bare = pattern.rsplit('/').next().is_some_and(|last| !last.contains([':', '@']));
        self.registry == other.registry
            && self.path == other.path
            && (bare
                || ((other.digest.is_none() || other.digest == self.digest)
                    && (other.tag.is_none() || other.tag == self.tag)))
    }

    /// Whether the kubelet pulls it at every start where no policy is written: only under the tag `latest`.
    pub fn pulls_always_by_default(&self) -> bool {
        self.tag.as_deref() == Some("latest")
    }
}

impl fmt::Display for ImageReference {
    /// Everything that was written, in normal form: `docker.io/library/nginx:1.27@sha256:…`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.path)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(out, "@{digest}"))
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn normal(text: &str) -> Result<String, ReferenceError> {
        text.parse::<ImageReference>().map(|reference| reference.to_string())
    }

    #[test]
    fn normal_forms() {
        let table = [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("grafana/loki:3", "docker.io/grafana/loki:3"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("registry:5000", "docker.io/library/registry:5000"),
            ("registry:5000/app:v1", "registry:5000/app:v1"),
            ("gcr.io/a/b/c__d:e", "gcr.io/a/b/c__d:e"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("Host/app", "Host/app:latest"),
        ];
        for (text, expected) in table {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_digest_drops_the_tag_in_containerd() {
        let both: ImageReference = format!("redis:7@{DIGEST}").parse().unwrap();
        assert_eq!(both.containerd_name(), format!("docker.io/library/redis@{DIGEST}"));
        let by_tag = "docker.io/library/redis:7".to_owned();
        assert_eq!(both.records(), [format!("docker.io/library/redis@{DIGEST}"), by_tag]);
        let alone: ImageReference = format!("redis@{DIGEST}").parse().unwrap();
        assert_eq!((alone.tag(), alone.records().len()), (None, 1));
        assert_eq!(both.familiar(), format!("redis:7@{DIGEST}"));
    }

    #[test]
    fn refuses_with_the_part_that_is_wrong() {
        use ReferenceError as E;
        let is = |text: &str, check: fn(&E) -> bool| {
            assert!(normal(text).as_ref().is_err_and(check), "{text}: {:?}", normal(text));
        };
        for text in
            ["", "Nginx", "a//b", "a/", "/a", "a_", "a..b", "a___b", "gcr.io/A/b", &DIGEST[7..], "a b"]
        {
            is(text, |error| matches!(error, E::Repository(_) | E::Registry(_)));
        }
        is("nginx:", |error| matches!(error, E::Tag(_)));
        is("nginx:-1", |error| matches!(error, E::Tag(_)));
        is(&format!("nginx:{}", "a".repeat(129)), |error| matches!(error, E::Tag(_)));
        is("nginx@sha256:12", |error| matches!(error, E::Digest(_)));
        is("nginx@", |error| matches!(error, E::Digest(_)));
        is("gcr..io/a", |error| matches!(error, E::Registry(_)));
        is("gcr.io:/a", |error| matches!(error, E::Registry(_)));
        is(&format!("gcr.io/{}", "a".repeat(255)), |error| matches!(error, E::TooLong(_)));
    }

    #[test]
    fn patterns_cover() {
        let image: ImageReference = format!("eu.gcr.io/shop/web:1@{DIGEST}").parse().unwrap();
        assert!(image.is_covered_by("eu.gcr.io/shop/web"));
        assert!(image.is_covered_by("eu.gcr.io/shop/web:1"));
        assert!(image.is_covered_by(&format!("eu.gcr.io/shop/web@{DIGEST}")));
        assert!(!image.is_covered_by("eu.gcr.io/shop/web:2"));
        assert!(!image.is_covered_by("shop/web"));
    }

    #[test]
    fn only_latest_is_pulled_always() {
        let always = |text: &str| text.parse::<ImageReference>().unwrap().pulls_always_by_default();
        assert!(always("a") && always("a:latest") && always(&format!("a:latest@{DIGEST}")));
        assert!(!always("a:1") && !always(&format!("a@{DIGEST}")));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(
            host in prop::option::of("[a-z]{1,8}\\.[a-z]{2,3}(:[0-9]{1,4})?"),
            // Without a registry, a dot in the first part would make it one.
            path in "[a-z0-9]{1,6}(/[a-z0-9]{1,6}([._-]{1}[a-z0-9]{1,4}){0,2}){0,2}",
            tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
            digest in prop::bool::ANY,
        ) {
            let host = host.map(|host| host + "/").unwrap_or_default();
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = if digest { format!("@{DIGEST}") } else { String::new() };
            let text = format!("{host}{path}{tag}{digest}");
            let reference: ImageReference = text.parse().expect(&text);
            let again: ImageReference = reference.to_string().parse().unwrap();
            prop_assert_eq!(&again, &reference);
            let familiar: ImageReference = reference.familiar().parse().unwrap();
            prop_assert_eq!(&familiar, &reference);
            let record: ImageReference = reference.containerd_name().parse().unwrap();
            prop_assert_eq!(record.containerd_name(), reference.containerd_name());
            prop_assert_eq!(record.repository(), reference.repository());
        }

        #[test]
        fn never_panics(text in "[a-zA-Z0-9:/@._-]{0,40}|\\PC{0,20}") {
            if let Ok(reference) = text.parse::<ImageReference>() {
                prop_assert!(reference.to_string().parse::<ImageReference>().is_ok());
            }
        }
    }
}
