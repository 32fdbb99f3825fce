//! What the registry answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use super::super::oci;
use super::REPOSITORY;

/// An answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// A document's own media type.
pub(super) fn media_type(document: &[u8]) -> String {
    serde_json::from_slice::<serde_json::Value>(document)
        .ok()
        .and_then(|value| value.get("mediaType").and_then(|kind| kind.as_str().map(Into::into)))
        .filter(|kind: &String| kind.bytes().all(|b| b.is_ascii_graphic()))
        .unwrap_or_else(|| oci::MANIFEST.into())
}

/// An answer without a body.
pub(super) fn reply(status: StatusCode, headers: &[(&str, &str)]) -> Answer {
    let mut response =
        Response::builder().status(status).header("docker-distribution-api-version", "registry/2.0");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::default()).unwrap_or_default()
}

/// A blob that is there.
pub(super) fn created(digest: &str) -> Answer {
    reply(
        StatusCode::CREATED,
        &[("docker-content-digest", digest), ("location", &format!("/v2/{REPOSITORY}/blobs/{digest}"))],
    )
}

/// An upload that goes on, `size` bytes of which have come.
pub(super) fn accepted(id: u64, size: u64) -> Answer {
    reply(
        StatusCode::ACCEPTED,
        &[
            ("location", &format!("/v2/{REPOSITORY}/blobs/uploads/{id}")),
            ("range", &format!("0-{}", size.saturating_sub(1))),
            ("docker-upload-uuid", &id.to_string()),
        ],
    )
}

/// An error as registries' clients read it.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    let mut response = reply(status, &[("content-type", "application/json")]);
    *response.body_mut() = Full::from(body);
    response
}
