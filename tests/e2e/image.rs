//! Images against a real engine; those that need a node run against the kind cluster that `DEVCLUSTER_TEST_NODES` names
//! (containers, separated by commas).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use devcluster::cluster::{Engine, Node};
use devcluster::config::model::Build;
use devcluster::event::Silent;
use devcluster::image::{BuildJob, Content, WantedImage, Workshop, deliver, node};

async fn engine() -> Option<Engine> {
    Engine::connect().await.ok()
}

async fn nodes() -> Option<(Engine, Vec<Node>)> {
    let engine = engine().await?;
    let names = std::env::var("DEVCLUSTER_TEST_NODES").ok()?;
    let nodes = names.split(',').map(|name| Node { name: name.into(), engine: engine.clone() }).collect();
    Some((engine, nodes))
}

/// A context whose image has one large layer and one that holds `text`, both unlike any other test's.
fn context(directory: &Path, text: &str, large: usize) -> Build {
    let noise: Vec<u8> = std::iter::successors(Some(0x9e37_79b9_u32), |x| {
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
    }
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
    let Some(engine) = engine().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let build = context(directory.path(), &format!("{:?}", Instant::now()), 4096);
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
    let Some((engine, nodes)) = nodes().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let workshop = workshop(&engine, cache.path());
    let mut built = Vec::new();
    for text in [format!("one {:?}", Instant::now()), format!("two {:?}", Instant::now())] {
        let build = context(directory.path(), &text, 3 << 20);
        built.extend(workshop.build_all(&[BuildJob { name: "delta", build: &build }]).await.unwrap());
    }
    let names = vec!["delta-test:1".to_owned(), format!("delta-test@sha256:{}", "0".repeat(64))];
    let wanted =
        |reference: &str| [WantedImage { content: Content::Engine(reference.into()), names: names.clone() }];
    let go = async |reference: &str| {
        deliver(&engine, cache.path(), &nodes, &wanted(reference), &Silent).await.unwrap()
    };
    let first = go(&built[0].reference).await;
    assert_eq!(first.images[0].layers_sent, 2, "{first:?}");
    assert!(go(&built[0].reference).await.nothing_done());
    let second = go(&built[1].reference).await;
    assert_eq!((second.images[0].layers_sent, second.images[0].layers_shared), (1, 1), "{second:?}");
    assert!(second.bytes_sent() < 10_000 * nodes.len() as u64, "{second:?}");
    for node in &nodes {
        let records = node::images(node).await.unwrap();
        for name in &second.images[0].names {
            assert_eq!(records[name].digest, second.images[0].manifest_digest, "{name} on {}", node.name);
        }
        node.run(&["ctr", "-n", "k8s.io", "images", "rm", "docker.io/library/delta-test:1"]).await.unwrap();
    }
    let renamed = go(&built[1].reference).await;
    assert_eq!(
        (renamed.images[0].layers_sent, renamed.images[0].nodes.len()),
        (0, nodes.len()),
        "{renamed:?}"
    );
    // Back to the first image: its layers are still unpacked there.
    let back = go(&built[0].reference).await;
    assert_eq!(back.bytes_sent(), 0, "{back:?}");
    for node in &nodes {
        for name in &back.images[0].names {
            node.run(&["ctr", "-n", "k8s.io", "images", "rm", name]).await.unwrap();
        }
    }
    for built in &built {
        forget(&engine, &built.reference).await;
    }
}
