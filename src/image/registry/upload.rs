//! What is pushed: blobs in pieces, and manifests.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::super::memory::Blob;
use super::super::oci;
use super::super::settle::settle;
use super::answer::{Answer, accepted, created, refuse, reply};
use super::{REPOSITORY, State, lock};

/// Manifests and configurations are far smaller; what is larger is a layer.
const DOCUMENT_LIMIT: usize = 8 << 20;

const UPLOADS_AT_ONCE: usize = 64;

/// A blob on its way.
pub(super) struct Upload {
    path: PathBuf,
    hasher: Sha256,
    size: u64,
}

impl State {
    pub(super) async fn start_upload(&self, request: Request<Incoming>, digest: Option<String>) -> Answer {
        let id = self.next_upload.fetch_add(1, Ordering::Relaxed);
        let upload =
            Upload { path: self.directory.join(format!("upload-{id}")), hasher: Sha256::new(), size: 0 };
        {
            let mut uploads = lock(&self.uploads);
            if uploads.len() >= UPLOADS_AT_ONCE {
                return refuse(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many uploads at once");
            }
            uploads.insert(id, upload);
        }
        match digest {
            Some(digest) => self.finish(id, &digest, request).await,
            None => accepted(id, 0),
        }
    }

    pub(super) async fn append(&self, id: u64, request: Request<Incoming>) -> Answer {
        let Some(mut upload) = lock(&self.uploads).remove(&id) else {
            return refuse(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "no such upload");
        };
        match self.receive(&mut upload, request).await {
            Ok(()) => {
                let size = upload.size;
                lock(&self.uploads).insert(id, upload);
                accepted(id, size)
            }
            Err(error) => {
                let _ = std::fs::remove_file(&upload.path);
                refuse(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", &error.to_string())
            }
        }
    }

    /// Writes a request's body to the end of an upload.
    async fn receive(&self, upload: &mut Upload, request: Request<Incoming>) -> io::Result<()> {
        let mut body = request.into_body();
        let file = tokio::fs::OpenOptions::new().create(true).append(true).open(&upload.path).await?;
        let mut file = tokio::io::BufWriter::with_capacity(1 << 20, file);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            let size = i64::try_from(data.len()).unwrap_or(i64::MAX);
            if self.allowance.fetch_sub(size, Ordering::Relaxed) < size {
                return Err(io::Error::other("more than the image being pushed can come to"));
            }
            upload.hasher.update(&data);
            upload.size += data.len() as u64;
            file.write_all(&data).await?;
        }
        file.flush().await
    }

    pub(super) async fn finish(&self, id: u64, digest: &str, request: Request<Incoming>) -> Answer {
        let Some(mut upload) = lock(&self.uploads).remove(&id) else {
            return refuse(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "no such upload");
        };
        if let Err(error) = self.receive(&mut upload, request).await {
            let _ = std::fs::remove_file(&upload.path);
            return refuse(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", &error.to_string());
        }
        let is = oci::finish(upload.hasher);
        if is != digest {
            let _ = std::fs::remove_file(&upload.path);
            return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID", &format!("the blob is {is}"));
        }
        match self.take_in(&upload.path, digest, upload.size).await {
            Ok(()) => created(digest),
            Err(error) => {
                let _ = std::fs::remove_file(&upload.path);
                refuse(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", &error.to_string())
            }
        }
    }

    /// Sorts a complete blob in: a document, a layer that is needed, or one that only its sizes are wanted of.
    async fn take_in(&self, path: &Path, digest: &str, size: u64) -> io::Result<()> {
        if size < DOCUMENT_LIMIT as u64 {
            let bytes = tokio::fs::read(path).await?;
            if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() {
                lock(&self.documents).insert(digest.into(), bytes.into());
                return tokio::fs::remove_file(path).await;
            }
        }
        let allowance = u64::try_from(self.allowance.load(Ordering::Relaxed)).unwrap_or(0);
        let from = path.to_owned();
        let settling = tokio::task::spawn_blocking(move || settle(&from, allowance));
        let layer = settling.await.map_err(io::Error::other)??;
        let written = i64::try_from(layer.size).unwrap_or(i64::MAX);
        self.allowance.fetch_sub(written, Ordering::Relaxed);
        {
            let mut memory = lock(&self.memory);
            memory.blobs.insert(digest.into(), Blob { diff_id: layer.diff_id.clone(), size });
            memory.layers.insert(layer.diff_id.clone(), layer.size);
        }
        let wanted =
            self.needed.contains(&layer.diff_id) && lock(&self.received).insert(layer.diff_id.clone());
        if !wanted {
            return tokio::fs::remove_file(&layer.path).await;
        }
        // Nobody listens anymore only when the delivery has failed already.
        let _ = self.layers.send(layer);
        Ok(())
    }

    pub(super) async fn put_manifest(&self, reference: String, request: Request<Incoming>) -> Answer {
        let body = match Limited::new(request.into_body(), DOCUMENT_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refuse(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", &error.to_string()),
        };
        let digest = oci::digest(&body);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
            return refuse(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "not JSON");
        }
        if reference.contains(':') && reference != digest {
            return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID", &format!("the manifest is {digest}"));
        }
        lock(&self.documents).insert(digest.clone(), body);
        lock(&self.tags).insert(reference, digest.clone());
        reply(
            StatusCode::CREATED,
            &[
                ("docker-content-digest", &digest),
                ("location", &format!("/v2/{REPOSITORY}/manifests/{digest}")),
            ],
        )
    }
}
