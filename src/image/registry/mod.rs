//! A registry on loopback that lives as long as a delivery: `docker push` talks to it and sends the layers it does not
//! claim to have. It claims every layer that no node lacks. What comes is checked against its digest and, as layers,
//! against the diff ids that the engine named: nothing else is kept, whoever sends it.

mod answer;
mod route;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::memory::Memory;
use super::settle::Layer;
use answer::{Answer, created, media_type, refuse, reply};
use route::Route;
use upload::Upload;

/// The repository that everything is pushed to. One for all images: docker remembers what a repository has by its name.
pub(super) const REPOSITORY: &str = "devcluster";

/// The port taken where it is free: a known one lets docker recognise from one run to the next what it pushed before.
const USUAL_PORT: u16 = 5319;

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
}
