//! A registry on loopback that lives as long as a delivery: `docker push` talks to it and sends the layers it does not
//! claim to have. It claims every layer that no node lacks. What comes is checked against its digest and, as layers,
//! against the diff ids that the engine named: nothing else is kept, whoever sends it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::memory::{Blob, Memory};
use super::oci;
use super::settle::{Layer, settle};

/// The repository that everything is pushed to. One for all images: docker remembers what a repository has by its name.
pub(super) const REPOSITORY: &str = "devcluster";

/// The port taken where it is free: a known one lets docker recognise from one run to the next what it pushed before.
const USUAL_PORT: u16 = 5319;

/// Manifests and configurations are far smaller; what is larger is a layer.
const DOCUMENT_LIMIT: usize = 8 << 20;

const UPLOADS_AT_ONCE: usize = 64;

/// A running registry. It ends when it is dropped.
pub(super) struct Registry {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

struct State {
    directory: PathBuf,
    /// Diff ids of the layers that some node lacks.
    needed: BTreeSet<String>,
    memory: Arc<Mutex<Memory>>,
    layers: mpsc::UnboundedSender<Layer>,
    received: Mutex<BTreeSet<String>>,
    documents: Mutex<BTreeMap<String, Bytes>>,
    tags: Mutex<BTreeMap<String, String>>,
    uploads: Mutex<BTreeMap<u64, Upload>>,
    next_upload: AtomicU64,
    /// Bytes that may still be written to the disk.
    allowance: AtomicI64,
    reached: AtomicBool,
}

struct Upload {
    path: PathBuf,
    hasher: Sha256,
    size: u64,
}

impl Registry {
    /// Starts listening. Layers among `needed` are announced on `layers` once they are complete and checked.
    pub async fn start(
        directory: &Path,
        needed: BTreeSet<String>,
        memory: Arc<Mutex<Memory>>,
        layers: mpsc::UnboundedSender<Layer>,
    ) -> io::Result<Self> {
        let listener = match tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).await {
            Ok(listener) => listener,
            Err(_) => tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            directory: directory.to_owned(),
            needed,
            memory,
            layers,
            received: Mutex::default(),
            documents: Mutex::default(),
            tags: Mutex::default(),
            uploads: Mutex::default(),
            next_upload: AtomicU64::new(1),
            allowance: AtomicI64::new(0),
            reached: AtomicBool::new(false),
        });
        let serving = tokio::spawn(serve(listener, state.clone()));
        Ok(Self { address, state, serving })
    }

    /// Allows `bytes` more to be uploaded: what an image about to be pushed can come to.
    pub fn allow(&self, bytes: u64) {
        self.state.allowance.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX / 4), Ordering::Relaxed);
    }

    /// Whether anybody ever asked it something.
    pub fn reached(&self) -> bool {
        self.state.reached.load(Ordering::Relaxed)
    }

    /// The digest of the manifest or index pushed under `tag`.
    pub fn tagged(&self, tag: &str) -> Option<String> {
        lock(&self.state.tags).get(tag).cloned()
    }

    /// A manifest, index or configuration that was pushed.
    pub fn document(&self, digest: &str) -> Option<Bytes> {
        lock(&self.state.documents).get(digest).cloned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Locks; a holder that panicked left nothing half-done that would matter here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: tokio::net::TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let state = state.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| {
                let state = state.clone();
                async move { Ok::<_, std::convert::Infallible>(state.answer(request).await) }
            });
            // A connection that breaks is the engine's to retry.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

/// What a request asks for.
enum Route {
    Base,
    StartUpload { mount: Option<String>, digest: Option<String> },
    Upload { id: u64, digest: Option<String> },
    Blob(String),
    Manifest(String),
    Unknown,
}

impl Route {
    fn of(path: &str, query: &str) -> Self {
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

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.reached.store(true, Ordering::Relaxed);
        let route = Route::of(request.uri().path(), request.uri().query().unwrap_or_default());
        let method = request.method().clone();
        match (method, route) {
            (Method::GET | Method::HEAD, Route::Base) => reply(StatusCode::OK, &[]),
            (Method::HEAD | Method::GET, Route::Blob(digest)) => self.blob(&digest),
            (Method::HEAD | Method::GET, Route::Manifest(reference)) => self.manifest(&reference),
            (Method::POST, Route::StartUpload { mount: Some(mount), .. })
                if self.has_blob(&mount).is_some() =>
            {
                created(&mount)
            }
            (Method::POST, Route::StartUpload { digest, .. }) => self.start_upload(request, digest).await,
            (Method::PATCH, Route::Upload { id, .. }) => self.append(id, request).await,
            (Method::PUT, Route::Upload { id, digest: Some(digest) }) => {
                self.finish(id, &digest, request).await
            }
            (Method::PUT, Route::Manifest(reference)) => self.put_manifest(reference, request).await,
            (_, Route::Unknown) => refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such thing here"),
            _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "pushing only"),
        }
    }

    /// The size of a blob that is had or that nobody lacks.
    fn has_blob(&self, digest: &str) -> Option<u64> {
        if let Some(document) = lock(&self.documents).get(digest) {
            return Some(document.len() as u64);
        }
        let memory = lock(&self.memory);
        let blob = memory.blobs.get(digest)?;
        // A size that is not known anymore makes the layer worth having again: manifests tell it.
        let wanted = self.needed.contains(&blob.diff_id) || !memory.layers.contains_key(&blob.diff_id);
        (!wanted || lock(&self.received).contains(&blob.diff_id)).then_some(blob.size)
    }

    fn blob(&self, digest: &str) -> Answer {
        match self.has_blob(digest) {
            Some(size) => reply(
                StatusCode::OK,
                &[
                    ("docker-content-digest", digest),
                    ("content-length", &size.to_string()),
                    ("content-type", "application/octet-stream"),
                ],
            ),
            None => refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", digest),
        }
    }

    fn manifest(&self, reference: &str) -> Answer {
        let digest = lock(&self.tags).get(reference).cloned().unwrap_or_else(|| reference.into());
        match lock(&self.documents).get(&digest) {
            Some(document) => reply(
                StatusCode::OK,
                &[
                    ("docker-content-digest", &digest),
                    ("content-length", &document.len().to_string()),
                    ("content-type", &media_type(document)),
                ],
            ),
            None => refuse(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", reference),
        }
    }

    async fn start_upload(&self, request: Request<Incoming>, digest: Option<String>) -> Answer {
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

    async fn append(&self, id: u64, request: Request<Incoming>) -> Answer {
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

    async fn finish(&self, id: u64, digest: &str, request: Request<Incoming>) -> Answer {
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

    async fn put_manifest(&self, reference: String, request: Request<Incoming>) -> Answer {
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

/// A document's own media type.
fn media_type(document: &[u8]) -> String {
    serde_json::from_slice::<serde_json::Value>(document)
        .ok()
        .and_then(|value| value.get("mediaType").and_then(|kind| kind.as_str().map(Into::into)))
        .filter(|kind: &String| kind.bytes().all(|b| b.is_ascii_graphic()))
        .unwrap_or_else(|| oci::MANIFEST.into())
}

fn reply(status: StatusCode, headers: &[(&str, &str)]) -> Answer {
    let mut response =
        Response::builder().status(status).header("docker-distribution-api-version", "registry/2.0");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::default()).unwrap_or_default()
}

fn created(digest: &str) -> Answer {
    reply(
        StatusCode::CREATED,
        &[("docker-content-digest", digest), ("location", &format!("/v2/{REPOSITORY}/blobs/{digest}"))],
    )
}

fn accepted(id: u64, size: u64) -> Answer {
    reply(
        StatusCode::ACCEPTED,
        &[
            ("location", &format!("/v2/{REPOSITORY}/blobs/uploads/{id}")),
            ("range", &format!("0-{}", size.saturating_sub(1))),
            ("docker-upload-uuid", &id.to_string()),
        ],
    )
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    let mut response = reply(status, &[("content-type", "application/json")]);
    *response.body_mut() = Full::from(body);
    response
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    use super::*;

    struct Fixture {
        registry: Registry,
        memory: Arc<Mutex<Memory>>,
        layers: mpsc::UnboundedReceiver<Layer>,
        directory: tempfile::TempDir,
    }

    impl Fixture {
        async fn new(needed: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let memory = Arc::new(Mutex::new(Memory::default()));
            let (send, layers) = mpsc::unbounded_channel();
            let needed = needed.iter().map(ToString::to_string).collect();
            let registry = Registry::start(directory.path(), needed, memory.clone(), send).await.unwrap();
            registry.allow(1 << 20);
            Self { registry, memory, layers, directory }
        }

        async fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
            let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
            let request = Request::builder()
                .method(method)
                .uri(format!("http://{}{path}", self.registry.address))
                .body(Full::from(body.to_vec()))
                .unwrap();
            let response = client.request(request).await.unwrap();
            let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), location.unwrap_or_default())
        }

        /// Uploads as docker does: POST, PATCH, PUT with the digest.
        async fn upload(&self, bytes: &[u8], digest: &str) -> u16 {
            let (status, location) = self.ask("POST", "/v2/devcluster/blobs/uploads/", b"").await;
            assert_eq!(status, 202);
            let (status, location) = self.ask("PATCH", &location, bytes).await;
            if status != 202 {
                return status;
            }
            self.ask("PUT", &format!("{location}?digest={}", digest.replace(':', "%3A")), b"").await.0
        }

        fn files(&self) -> usize {
            std::fs::read_dir(self.directory.path()).unwrap().count()
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn only_layers_that_nodes_lack_are_kept() {
        let (needed, other) = (vec![1_u8; 4096], vec![2_u8; 4096]);
        let mut fixture = Fixture::new(&[&oci::digest(&needed)]).await;
        for layer in [&needed, &other] {
            let packed = gzip(layer);
            let digest = oci::digest(&packed);
            assert_eq!(fixture.ask("HEAD", &format!("/v2/devcluster/blobs/{digest}"), b"").await.0, 404);
            assert_eq!(fixture.upload(&packed, &digest).await, 201);
            assert_eq!(fixture.ask("HEAD", &format!("/v2/devcluster/blobs/{digest}"), b"").await.0, 200);
            let mount = format!("/v2/devcluster/blobs/uploads/?mount={digest}&from=x");
            assert_eq!(fixture.ask("POST", &mount, b"").await.0, 201);
        }
        let layer = fixture.layers.try_recv().unwrap();
        assert_eq!((layer.diff_id, layer.size), (oci::digest(&needed), 4096));
        assert!(fixture.layers.try_recv().is_err(), "the other layer is nobody's");
        assert_eq!(fixture.files(), 1);
        assert_eq!(lock(&fixture.memory).blobs.len(), 2, "both are remembered");
    }

    #[tokio::test]
    async fn a_remembered_layer_is_asked_for_again_when_it_is_needed() {
        let layer = oci::digest(b"layer");
        for (needed, status) in [(&[][..], 200), (&[layer.as_str()][..], 404)] {
            let fixture = Fixture::new(needed).await;
            let blob = oci::digest(b"blob");
            lock(&fixture.memory).blobs.insert(blob.clone(), Blob { diff_id: layer.clone(), size: 3 });
            lock(&fixture.memory).layers.insert(layer.clone(), 5);
            assert_eq!(fixture.ask("HEAD", &format!("/v2/devcluster/blobs/{blob}"), b"").await.0, status);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_and_leaves_nothing() {
        let fixture = Fixture::new(&[]).await;
        let digest = oci::digest(b"right");
        assert_eq!(fixture.upload(b"wrong", &digest).await, 400, "digest");
        assert_eq!(fixture.upload(&vec![0; 2 << 20], &digest).await, 400, "more than allowed");
        let bomb = gzip(&vec![0; 8 << 20]);
        assert_eq!(fixture.upload(&bomb, &oci::digest(&bomb)).await, 400, "a bomb");
        for (method, path, body, status) in [
            ("GET", "/v2/", &b""[..], 200),
            ("GET", "/", b"", 404),
            ("GET", "/v2/other/blobs/uploads/", b"", 404),
            ("DELETE", "/v2/", b"", 405),
            ("HEAD", "/v2/devcluster/blobs/sha256:../../../etc/passwd", b"", 404),
            ("PATCH", "/v2/devcluster/blobs/uploads/999", b"x", 404),
            ("PUT", "/v2/devcluster/blobs/uploads/999?digest=sha256:00", b"", 405),
            ("PUT", "/v2/devcluster/blobs/uploads/..%2f..", b"", 404),
            ("PUT", "/v2/devcluster/manifests/a", b"not json", 400),
            ("PUT", &format!("/v2/devcluster/manifests/{digest}"), b"{}", 400),
            ("PUT", "/v2/devcluster/manifests/a", b"{}", 201),
            ("HEAD", "/v2/devcluster/manifests/a", b"", 200),
            ("HEAD", "/v2/devcluster/manifests/b", b"", 404),
        ] {
            assert_eq!(fixture.ask(method, path, body).await.0, status, "{method} {path}");
        }
        assert_eq!(fixture.files(), 0);
        assert_eq!(fixture.registry.document(&fixture.registry.tagged("a").unwrap()).unwrap(), "{}");
    }
}
