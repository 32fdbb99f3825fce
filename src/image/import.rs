//! One node's side of a delivery: layers and names go into its containerd as they come, and what it lists afterwards is
//! held against what was sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::archive::{self, Contents, Part};
use super::error::ImageError;
use super::node;
use super::oci;
use super::plan::missing_names;
use super::survey::{Item, Target};
use crate::cluster::engine::{EngineError, Node};

/// How long CRI may take to note an image that containerd has.
const NOTICE: Duration = Duration::from_secs(10);

/// Sends a node the configurations, manifests and names of what it lacks.
pub(super) fn name_on(
    target: &Target<'_>,
    items: &[Item<'_>],
    open: &[usize],
    parts: &mpsc::UnboundedSender<Part>,
) {
    let (mut blobs, mut names) = (BTreeMap::new(), Vec::new());
    for item in open.iter().map(|at| &items[*at]) {
        let Some(document) = &item.document else { continue };
        for name in missing_names(&target.records, &item.names, &document.manifest_digest) {
            blobs.insert(&document.config_digest, &document.config);
            blobs.insert(&document.manifest_digest, &document.manifest);
            names.push((document, name));
        }
    }
    if names.is_empty() {
        return;
    }
    for (digest, bytes) in blobs {
        let _ = parts.send(Part::blob(digest, Contents::Bytes(bytes.clone().into())));
    }
    let _ = parts.send(Part::file("index.json", oci::index(names.into_iter())));
    let _ = parts.send(Part::file("oci-layout", &br#"{"imageLayoutVersion":"1.0.0"}"#[..]));
}

/// One node's import. Gives what its containerd lists afterwards; `None` where nothing came to import.
pub(super) async fn import(
    target: &Target<'_>,
    mut parts: mpsc::UnboundedReceiver<Part>,
) -> Result<Option<Vec<u8>>, ImageError> {
    let Some(first) = parts.recv().await else { return Ok(None) };
    let (send, all) = mpsc::unbounded_channel();
    let forwarding = async move {
        let _ = send.send(first);
        while let Some(part) = parts.recv().await {
            if send.send(part).is_err() {
                break;
            }
        }
    };
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let writing = async move { archive::write(&mut near, all).await };
    let discard = if target.store.settings.discards { "--local --discard-unpacked-layers " } else { "" };
    let script = format!(
        "ctr -n k8s.io images import --digests=false {discard}--snapshotter \"$0\" - >&2 || exit 1\n{}",
        node::list_script()
    );
    let argv = ["sh", "-c", &script, &target.store.settings.snapshotter];
    let running = target.node.engine.exec(&target.node.name, &argv, Some(Box::pin(far)));
    let feeding = async {
        let ((), written) = tokio::join!(forwarding, writing);
        match written {
            // A reader that went away says why itself.
            Ok(()) => std::future::pending().await,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::future::pending().await,
            Err(error) => error,
        }
    };
    let failed =
        |reason: String| ImageError::Import { node: target.node.name.clone(), images: Vec::new(), reason };
    tokio::select! {
        answer = running => match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(EngineError::Failed { output, .. }) => Err(failed(last_words(&output))),
            Err(error) => Err(error.into()),
        },
        error = feeding => Err(failed(error.to_string())),
    }
}

/// The end of what a program said, in a line.
fn last_words(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Holds what a node answers against what was sent, and waits until the kubelet sees it.
pub(super) async fn verify(
    node: &Node,
    answer: Option<Vec<u8>>,
    items: &[Item<'_>],
    open: &[usize],
) -> Result<(), ImageError> {
    let Some(answer) = answer else { return Ok(()) };
    let mut records = node::read_records(&answer).unwrap_or_default();
    let deadline = Instant::now() + NOTICE;
    loop {
        let wrong = open.iter().find_map(|at| {
            let document = items[*at].document.as_ref()?;
            let name =
                missing_names(&records, &items[*at].names, &document.manifest_digest).into_iter().next()?;
            Some((name, document))
        });
        let Some((name, document)) = wrong else { return Ok(()) };
        if Instant::now() >= deadline {
            let found = match records.get(name) {
                None => "nothing".into(),
                Some(record) if record.digest != document.manifest_digest => record.digest.clone(),
                Some(_) => "an image that its CRI plugin does not list".into(),
            };
            return Err(ImageError::Check {
                node: node.name.clone(),
                name: name.into(),
                expected: document.manifest_digest.clone(),
                found,
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        records = node::images(node).await?;
    }
}
