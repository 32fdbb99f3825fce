//! Images against a real engine and a real kind cluster of two nodes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use devcluster::cluster::{Engine, Node};
use devcluster::config::model::Build;
use devcluster::event::Silent;
use devcluster::image::{BuildJob, Content, WantedImage, Workshop, deliver, mirror, node};

async fn engine() -> Engine {
    Engine::connect().await.expect("a Docker Engine")
}

/// A kind cluster that goes when the test ends.
struct Cluster {
    name: String,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn create() -> Self {
        let cluster = Self {
            name: format!("e2e-image-{}", std::process::id()),
            directory: tempfile::tempdir().unwrap(),
        };
        let config = cluster.directory.path().join("kind.yaml");
        let nodes = "nodes: [{role: control-plane}, {role: worker}]";
        std::fs::write(&config, format!("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n{nodes}\n"))
            .unwrap();
        let mut kind = Command::new("kind");
        kind.args(["create", "cluster", "--wait", "2m", "--name", &cluster.name])
            .arg("--config")
            .arg(&config);
        kind.arg("--kubeconfig").arg(cluster.kubeconfig());
        if let Some(image) = std::env::var_os("DEVCLUSTER_NODE_IMAGE").filter(|image| !image.is_empty()) {
            kind.arg("--image").arg(image);
        }
        succeeded(kind.output().expect("kind runs"));
        cluster
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.directory.path().join("kubeconfig")
    }

    fn nodes(&self, engine: &Engine) -> Vec<Node> {
        let names = ["control-plane", "worker"].map(|role| format!("{}-{role}", self.name));
        names.into_iter().map(|name| Node { name, engine: engine.clone(), containerd: None }).collect()
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let mut kubectl = Command::new("kubectl");
        succeeded(
            kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(args).output().expect("kubectl runs"),
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new("kind").args(["delete", "cluster", "--name", &self.name]).output();
    }
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A context whose image has one large layer and one that holds `text`, both unlike any other test's.
fn context(directory: &Path, text: &str, large: usize) -> Build {
    let seed = std::process::id() | 1;
    let noise: Vec<u8> = std::iter::successors(Some(seed), |x| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 17);
        Some(x ^ (x << 5))
    })
    .take(large / 4)
    .flat_map(u32::to_le_bytes)
    .collect();
    std::fs::write(directory.join("large"), noise).unwrap();
    std::fs::write(directory.join("app"), text).unwrap();
    std::fs::write(
        directory.join("Dockerfile"),
        "FROM scratch\nCOPY large /large\nCOPY app /app\nCMD [\"/app\"]\n",
    )
    .unwrap();
    Build {
        context: directory.into(),
        dockerfile: directory.join("Dockerfile"),
        target: None,
        args: BTreeMap::new(),
        secrets: Vec::new(),
        ssh: Vec::new(),
        platform: None,
        sync: Vec::new(),
    }
}

/// A text that no earlier run used.
fn unlike(text: &str) -> String {
    format!("{text} {:?}", SystemTime::now())
}

fn workshop(engine: &Engine, cache: &Path) -> Workshop {
    Workshop {
        engine: engine.clone(),
        cache: cache.into(),
        project: "e2e-image".into(),
        directory: cache.into(),
        reporter: Arc::new(Silent),
    }
}

async fn forget(engine: &Engine, reference: &str) {
    let options = None::<bollard::query_parameters::RemoveImageOptions>;
    engine.docker().remove_image(reference, options, None).await.unwrap();
}

#[tokio::test]
async fn a_known_key_is_not_built_again_and_a_failure_shows_the_step() {
    let engine = engine().await;
    let directory = tempfile::tempdir().unwrap();
    let build = context(directory.path(), &unlike(""), 4096);
    let cache = tempfile::tempdir().unwrap();
    let workshop = workshop(&engine, cache.path());
    let job = BuildJob { name: "ghcr.io/shop/app", build: &build };
    let first = workshop.build_all(&[job]).await.unwrap();
    assert!(!first[0].skipped);
    assert!(first[0].reference.starts_with("devcluster.local/e2e-image/ghcr-io-shop-app:"));
    let second = workshop.build_all(&[job]).await.unwrap();
    assert!(second[0].skipped);
    assert_eq!(second[0].image_id, first[0].image_id);
    std::fs::write(directory.path().join("app"), "other").unwrap();
    let third = workshop.build_all(&[job]).await.unwrap();
    assert!(!third[0].skipped);
    assert_ne!(third[0].key, first[0].key);
    std::fs::write(&build.dockerfile, "FROM scratch\nCOPY no-such-file /\n").unwrap();
    let error = workshop.build_all(&[job]).await.unwrap_err().to_string();
    assert!(error.contains("COPY no-such-file /") && error.contains("ghcr.io/shop/app"), "{error}");
    for built in [&first[0], &third[0]] {
        forget(&engine, &built.reference).await;
    }
}

#[tokio::test]
async fn a_changed_layer_is_all_that_is_sent() {
    let engine = engine().await;
    let cluster = Cluster::create();
    let nodes = cluster.nodes(&engine);
    let directory = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let workshop = workshop(&engine, cache.path());
    let mut images = Vec::new();
    for text in [unlike("one"), unlike("two")] {
        let build = context(directory.path(), &text, 3 << 20);
        images.extend(workshop.build_all(&[BuildJob { name: "delta", build: &build }]).await.unwrap());
    }
    let names = vec!["delta-test:1".to_owned(), format!("delta-test@sha256:{}", "0".repeat(64))];
    let wanted =
        |reference: &str| [WantedImage { content: Content::Engine(reference.into()), names: names.clone() }];
    let go = async |reference: &str| {
        deliver(&engine, cache.path(), &nodes, async { None }, &wanted(reference), &Silent).await.unwrap()
    };
    let first = go(&images[0].reference).await;
    assert_eq!(first.images[0].layers_sent, 2, "{first:?}");
    assert!(go(&images[0].reference).await.nothing_done());
    let second = go(&images[1].reference).await;
    assert_eq!((second.images[0].layers_sent, second.images[0].layers_shared), (1, 1), "{second:?}");
    assert!(second.bytes_sent() < 10_000 * nodes.len() as u64, "{second:?}");
    for node in &nodes {
        let records = node::images(node).await.unwrap();
        for name in &second.images[0].names {
            assert_eq!(records[name].digest, second.images[0].manifest_digest, "{name} on {}", node.name);
        }
        node.run(&["ctr", "-n", "k8s.io", "images", "rm", "docker.io/library/delta-test:1"]).await.unwrap();
    }
    let renamed = go(&images[1].reference).await;
    assert_eq!(
        (renamed.images[0].layers_sent, renamed.images[0].nodes.len()),
        (0, nodes.len()),
        "{renamed:?}"
    );
    // Back and forth: layers that nothing uses anymore are being collected meanwhile.
    for at in [0, 1, 0, 1] {
        go(&images[at].reference).await;
    }
    let back = go(&images[1].reference).await;
    assert!(back.nothing_done(), "{back:?}");
    for image in &images {
        forget(&engine, &image.reference).await;
    }
    pods_start_under_every_policy(&engine, &cluster, &nodes, cache.path()).await;
}

/// Pods that name an image by tag with each pull policy, and by a digest that the image does not have.
async fn pods_start_under_every_policy(engine: &Engine, cluster: &Cluster, nodes: &[Node], cache: &Path) {
    let pinned = format!("e2e.example.com/team/app@sha256:{}", "1".repeat(64));
    let tagged = "e2e.example.com/team/app:1";
    let wanted = [WantedImage {
        content: Content::StandIn { image: "devcluster/standin:latest".into(), ports: vec!["8080".into()] },
        names: vec![tagged.into(), pinned.clone()],
    }];
    let report = deliver(engine, cache, nodes, async { None }, &wanted, &Silent).await.unwrap();
    for node in nodes {
        assert!(mirror::install(node).await.unwrap());
        assert!(!mirror::install(node).await.unwrap(), "the second time there is nothing to do");
    }
    let pods = [
        ("always", tagged, "Always"),
        ("absent", tagged, "IfNotPresent"),
        ("never", tagged, "Never"),
        ("pinned", &pinned, "IfNotPresent"),
    ];
    for (name, image, policy) in pods {
        cluster.kubectl(&["run", name, "--image", image, "--image-pull-policy", policy, "--restart=Never"]);
    }
    let deadline = Instant::now() + Duration::from_secs(90);
    for (name, ..) in pods {
        let field = |path: &str| {
            cluster.kubectl(&["get", "pod", name, "-o", &format!("jsonpath={{.status.{path}}}")])
        };
        while field("phase") != "Running" {
            assert!(Instant::now() < deadline, "{name}: {}", cluster.kubectl(&["describe", "pod", name]));
            std::thread::sleep(Duration::from_millis(200));
        }
        let id = field("containerStatuses[0].imageID");
        assert!(report.images[0].is(&id), "{name} runs {id}: {report:?}");
    }
}
