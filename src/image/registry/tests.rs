//! A registry that is pushed to as docker does, and otherwise.

use std::io::Write;

use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::super::memory::Blob;
use super::super::oci;
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
