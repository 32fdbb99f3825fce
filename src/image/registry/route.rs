//! Requests by what they ask for.

use super::super::oci;
use super::REPOSITORY;

/// What a request asks for.
pub(super) enum Route {
    Base,
    StartUpload { mount: Option<String>, digest: Option<String> },
    Upload { id: u64, digest: Option<String> },
    Blob(String),
    Manifest(String),
    Unknown,
}

impl Route {
    /// By its path and query.
    pub(super) fn of(path: &str, query: &str) -> Self {
        let value = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.replace("%3A", ":").replace("%3a", ":"))
                .filter(|value| oci::is_digest(value))
        };
        if path == "/v2/" || path == "/v2" {
            return Self::Base;
        }
        let Some(rest) = path.strip_prefix("/v2/").and_then(|rest| rest.strip_prefix(REPOSITORY)) else {
            return Self::Unknown;
        };
        if let Some(id) = rest.strip_prefix("/blobs/uploads/") {
            return match (id, id.parse()) {
                ("", _) => Self::StartUpload { mount: value("mount"), digest: value("digest") },
                (_, Ok(id)) => Self::Upload { id, digest: value("digest") },
                _ => Self::Unknown,
            };
        }
        if rest == "/blobs/uploads" {
            return Self::StartUpload { mount: value("mount"), digest: value("digest") };
        }
        if let Some(digest) = rest.strip_prefix("/blobs/").filter(|digest| oci::is_digest(digest)) {
            return Self::Blob(digest.into());
        }
        match rest.strip_prefix("/manifests/") {
            Some(reference) if !reference.is_empty() && !reference.contains('/') => {
                Self::Manifest(reference.into())
            }
            _ => Self::Unknown,
        }
    }
}
