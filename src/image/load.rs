//! Brings images onto nodes: under their names, sending each node the layers it lacks and nothing else, all nodes at
//! once, while the engine still hands layers out; and checks afterwards what each node answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::archive::{self, Contents, Part};
use super::error::ImageError;
use super::export::Exporter;
use super::inspect::{self, EngineImage};
use super::memory::Memory;
use super::name::normalised;
use super::node::{self, ImageRecords, NodeStore};
use super::oci::{self, Document};
use super::plan::{bytes, missing_layers, missing_names};
use super::registry::lock;
use super::settle::Layer;
use super::standin;
use crate::cluster::engine::{Engine, EngineError, Node};
use crate::event::{Event, Reporter};

/// Images that the engine hands out at the same time.
const EXPORTS: usize = 2;

/// How often an import that fails is tried again with a fresh look at the nodes.
const RETRIES: usize = 2;

/// How long CRI may take to note an image that containerd has.
const NOTICE: Duration = Duration::from_secs(10);

/// An image that nodes are to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedImage {
    /// Where its bytes come from.
    pub content: Content,
    /// Names it is to stand under, as the manifests have them; a tag and a digest form of one image are two names.
    pub names: Vec<String>,
}

/// Where an image's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An image of the engine, by name or id.
    Engine(String),
    /// A stand-in.
    StandIn {
        /// The engine's image that stands in.
        image: String,
        /// Ports as it takes them: `8080`, `tcp:6379`.
        ports: Vec<String>,
    },
}

impl Content {
    fn reference(&self) -> &str {
        match self {
            Self::Engine(reference) | Self::StandIn { image: reference, .. } => reference,
        }
    }
}

/// An image as the nodes have it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its names, normalised.
    pub names: Vec<String>,
    /// The digest of its configuration: CRI's image id, and the kubelet's `imageID` where the image has no digest name.
    pub image_id: String,
    /// The digest of its manifest on the nodes: the kubelet's `imageID` may be `NAME@` this.
    pub manifest_digest: String,
    /// Whether a stand-in runs under these names.
    pub stand_in: bool,
    /// Layers that some node lacked.
    pub layers_sent: usize,
    /// Layers that every node had.
    pub layers_shared: usize,
    /// Bytes of layers sent, over all nodes. A layer of several images counts for the first of them.
    pub bytes_sent: u64,
    /// The nodes that lacked a name or a layer of it.
    pub nodes: Vec<String>,
}

impl Delivered {
    /// Whether a container status' `imageID` means these bytes.
    pub fn is(&self, image_id: &str) -> bool {
        let digest = image_id.rsplit_once('@').map_or(image_id, |(_, digest)| digest);
        digest == self.image_id
            || digest == self.manifest_digest
            || self.names.iter().any(|name| name == image_id)
    }
}

/// What a delivery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Each wanted image, in the order asked for.
    pub images: Vec<Delivered>,
}

impl DeliveryReport {
    /// Whether nodes had everything.
    pub fn nothing_done(&self) -> bool {
        self.images.iter().all(|image| image.nodes.is_empty())
    }

    /// Bytes of layers sent, over all nodes.
    pub fn bytes_sent(&self) -> u64 {
        self.images.iter().map(|image| image.bytes_sent).sum()
    }
}

struct Item<'a> {
    wanted: &'a WantedImage,
    names: Vec<String>,
    image: EngineImage,
    document: Option<Document>,
}

impl Item<'_> {
    /// The image as it is sent, where its configuration and the sizes of its layers are known.
    fn describe(&self, memory: &Memory) -> Option<Document> {
        let config = memory.images.get(&self.image.id)?.config.as_bytes();
        let config = match &self.wanted.content {
            Content::Engine(_) => config.to_vec(),
            Content::StandIn { ports, .. } => standin::configure(config, self.names.first()?, ports)?,
        };
        Document::new(config, &memory.layers)
    }

    fn stand_in(&self) -> bool {
        matches!(self.wanted.content, Content::StandIn { .. })
    }
}

/// A node and what is to happen on it.
struct Target<'a> {
    node: &'a Node,
    records: ImageRecords,
    store: NodeStore,
    lacks: BTreeSet<String>,
}

/// Brings `wanted` onto `nodes`. `cache` is the directory of what is remembered between runs.
///
/// Wrong architectures are found first, then nothing was changed. Whatever a node has by any means is not sent. Safe to
/// interrupt and to call again.
pub async fn deliver(
    engine: &Engine,
    cache: &Path,
    nodes: &[Node],
    wanted: &[WantedImage],
    reporter: &dyn Reporter,
) -> Result<DeliveryReport, ImageError> {
    let started = Instant::now();
    let (mut items, mut records) =
        tokio::try_join!(look_up(engine, wanted), try_join_all(nodes.iter().map(node::images)))?;
    let memory = Memory::read(cache);
    for item in &mut items {
        item.document = item.describe(&memory);
    }
    let open: Vec<usize> = (0..items.len()).filter(|at| is_open(&items[*at], &records)).collect();
    if open.is_empty() {
        reporter.report(Event::Skipped { step: "images".into(), why: "the nodes have them all".into() });
        return Ok(DeliveryReport {
            images: items.iter().map(|item| delivered(item, &[], &memory)).collect(),
        });
    }
    reporter.report(Event::Started {
        step: "images".into(),
        what: format!("bringing {} onto the nodes", count(open.len(), "image")),
    });
    let mut tries = 0;
    let (targets, memory) = loop {
        let targets = survey(nodes, records, &items, &open).await?;
        match transfer(engine, cache, &mut items, &open, &targets, memory.clone(), reporter).await {
            Ok(memory) => break (targets, memory),
            // A layer that nothing uses anymore may be collected on a node between our look and our import.
            Err(ImageError::Import { node, reason, .. })
                if tries < RETRIES && !reason.contains("no space left") =>
            {
                tries += 1;
                reporter.report(Event::Output {
                    step: "images".into(),
                    line: format!("{node}: {reason}; again"),
                });
                records = try_join_all(nodes.iter().map(node::images)).await?;
            }
            Err(error) => return Err(error),
        }
    };
    let report = account(&items, &targets, &memory);
    reporter.report(Event::Done { step: "images".into(), what: summary(&report), took: started.elapsed() });
    Ok(report)
}

/// Finds what cannot run on the nodes, without changing anything: images of another architecture, and missing ones.
pub async fn check(engine: &Engine, wanted: &[WantedImage]) -> Result<(), ImageError> {
    look_up(engine, wanted).await.map(|_| ())
}

/// Has the engine learn the compressed forms of images' layers, so that after a change it hands out what changed alone:
/// to be called while there is nothing else to do. Costs about a second for 45 MB the first time, next to nothing after.
pub async fn teach(engine: &Engine, cache: &Path, references: &[String]) -> Result<(), ImageError> {
    let images = try_join_all(references.iter().map(|reference| inspect::find(engine, reference))).await?;
    let directory = scratch(cache)?;
    let memory = Arc::new(Mutex::new(Memory::read(cache)));
    let (layers, _nobody) = mpsc::unbounded_channel();
    let exporter = Exporter::start(engine, directory.path(), BTreeSet::new(), memory.clone(), layers).await?;
    for image in images.iter().flatten() {
        exporter.teach(image).await?;
        lock(&memory).clone().write(cache)?;
    }
    Ok(())
}

/// What the engine says of the wanted images, their architecture checked.
async fn look_up<'a>(engine: &Engine, wanted: &'a [WantedImage]) -> Result<Vec<Item<'a>>, ImageError> {
    let references: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.content.reference()).collect();
    let finding = try_join_all(references.iter().map(|reference| inspect::find(engine, reference)));
    let (found, platform) = tokio::try_join!(finding, inspect::engine_platform(engine))?;
    let found: BTreeMap<&str, Option<EngineImage>> = references.into_iter().zip(found).collect();
    inspect::check_architectures(&found.values().flatten().collect::<Vec<_>>(), &platform)?;
    wanted
        .iter()
        .map(|wanted| {
            let reference = wanted.content.reference();
            let image = found.get(reference).cloned().flatten().ok_or_else(|| match wanted.content {
                Content::Engine(_) => ImageError::Missing { image: reference.into() },
                Content::StandIn { .. } => ImageError::NoStandIn { image: reference.into() },
            })?;
            let names: BTreeSet<String> = wanted.names.iter().map(|name| normalised(name)).collect();
            Ok(Item { wanted, names: names.into_iter().collect(), image, document: None })
        })
        .collect()
}

/// Whether something is to be done for an image.
fn is_open(item: &Item<'_>, records: &[ImageRecords]) -> bool {
    let Some(document) = &item.document else { return true };
    records.iter().any(|records| !missing_names(records, &item.names, &document.manifest_digest).is_empty())
}

/// Asks the nodes for the layers they have, and works out which they lack.
async fn survey<'a>(
    nodes: &'a [Node],
    records: Vec<ImageRecords>,
    items: &[Item<'_>],
    open: &[usize],
) -> Result<Vec<Target<'a>>, ImageError> {
    let stores = try_join_all(nodes.iter().map(node::store)).await?;
    let targets = nodes.iter().zip(records).zip(stores).map(|((node, records), store)| {
        let lacks = open
            .iter()
            .map(|at| &items[*at])
            .filter(|item| {
                item.document.as_ref().is_none_or(|document| {
                    !missing_names(&records, &item.names, &document.manifest_digest).is_empty()
                })
            })
            .flat_map(|item| missing_layers(&item.image.diff_ids, &store.unpacked))
            .collect();
        Target { node, records, store, lacks }
    });
    Ok(targets.collect())
}

/// Takes layers out of the engine and into the nodes' imports as they come, then names and checks.
async fn transfer(
    engine: &Engine,
    cache: &Path,
    items: &mut [Item<'_>],
    open: &[usize],
    targets: &[Target<'_>],
    memory: Memory,
    reporter: &dyn Reporter,
) -> Result<Memory, ImageError> {
    let directory = scratch(cache)?;
    let needed: BTreeSet<String> = targets.iter().flat_map(|target| target.lacks.clone()).collect();
    let memory = Arc::new(Mutex::new(memory));
    let (senders, receivers): (Vec<_>, Vec<_>) = targets.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let imports = targets.iter().zip(receivers).map(|(target, parts)| import(target, parts));
    let feeding = async {
        let sources: BTreeMap<&str, &EngineImage> = open
            .iter()
            .map(|at| &items[*at])
            .filter(|item| {
                item.document.is_none() || item.image.diff_ids.iter().any(|id| needed.contains(id))
            })
            .map(|item| (item.image.id.as_str(), &item.image))
            .collect();
        let (layers, incoming) = mpsc::unbounded_channel();
        let pumping = pump(incoming, targets, &senders, needed.len(), reporter);
        let exporting = async {
            if sources.is_empty() {
                drop(layers);
                return Ok(());
            }
            let exporter =
                Exporter::start(engine, directory.path(), needed.clone(), memory.clone(), layers).await?;
            futures::stream::iter(sources.values().map(|image| exporter.export(image)))
                .buffer_unordered(EXPORTS)
                .try_for_each(|_| async { Ok(()) })
                .await
        };
        let (exported, ()) = tokio::join!(exporting, pumping);
        exported?;
        for at in open {
            let document = items[*at].describe(&lock(&memory));
            items[*at].document = Some(document.ok_or_else(|| ImageError::Export {
                image: items[*at].image.reference.clone(),
                reason: "its configuration or a layer never came".into(),
            })?);
        }
        for (target, parts) in targets.iter().zip(&senders) {
            name_on(target, items, open, parts);
        }
        drop(senders);
        // Written before the check: what the nodes have is known even if one of them fails.
        let learned = lock(&memory).clone();
        learned.write(cache)?;
        Ok::<Memory, ImageError>(learned)
    };
    let transferred = tokio::try_join!(feeding, try_join_all(imports));
    let (learned, answers) = transferred.map_err(|error| named(error, items, open))?;
    try_join_all(
        targets.iter().zip(answers).map(|(target, answer)| verify(target.node, answer, items, open)),
    )
    .await?;
    Ok(learned)
}

/// Adds what was on its way to a failed import.
fn named(error: ImageError, items: &[Item<'_>], open: &[usize]) -> ImageError {
    match error {
        ImageError::Import { node, reason, .. } => {
            let images = open.iter().filter_map(|at| items[*at].names.first().cloned()).collect();
            ImageError::Import { node, images, reason }
        }
        error => error,
    }
}

/// Hands each layer, once, to the nodes that lack it.
async fn pump(
    mut incoming: mpsc::UnboundedReceiver<Layer>,
    targets: &[Target<'_>],
    senders: &[mpsc::UnboundedSender<Part>],
    total: usize,
    reporter: &dyn Reporter,
) {
    let mut seen = BTreeSet::new();
    while let Some(layer) = incoming.recv().await {
        if !seen.insert(layer.diff_id.clone()) {
            continue;
        }
        for (target, parts) in targets.iter().zip(senders) {
            if target.lacks.contains(&layer.diff_id) {
                // A node that stopped taking parts tells why by its import.
                let _ =
                    parts.send(Part::blob(&layer.diff_id, Contents::File(layer.path.clone(), layer.size)));
            }
        }
        reporter.report(Event::Progress {
            step: "images".into(),
            done: seen.len() as u64,
            total: total as u64,
            what: "layers".into(),
        });
    }
}

/// Sends a node the configurations, manifests and names of what it lacks.
fn name_on(target: &Target<'_>, items: &[Item<'_>], open: &[usize], parts: &mpsc::UnboundedSender<Part>) {
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
async fn import(
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
    let discard = if target.store.discards { "--local --discard-unpacked-layers " } else { "" };
    let script = format!(
        "ctr -n k8s.io images import --digests=false {discard}--snapshotter \"$0\" - >&2 || exit 1\n{}",
        node::list_script()
    );
    let argv = ["sh", "-c", &script, &target.store.snapshotter];
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
async fn verify(
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

/// A directory for layers on their way, on the cache's disk: they may be larger than memory.
fn scratch(cache: &Path) -> Result<tempfile::TempDir, ImageError> {
    const PREFIX: &str = "delivery-";
    let failed = |source| ImageError::State { path: cache.into(), source };
    std::fs::create_dir_all(cache).map_err(failed)?;
    // A run that was killed left its own behind.
    for entry in std::fs::read_dir(cache).map_err(failed)?.flatten() {
        let old =
            entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && old.is_some_and(|age| age > Duration::from_hours(6)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new().prefix(PREFIX).tempdir_in(cache).map_err(failed)
}

fn account(items: &[Item<'_>], targets: &[Target<'_>], memory: &Memory) -> DeliveryReport {
    let mut counted: Vec<BTreeSet<String>> = vec![BTreeSet::new(); targets.len()];
    let images = items.iter().map(|item| {
        let Some(document) = &item.document else { return delivered(item, &[], memory) };
        let mut sent = Vec::new();
        for (target, counted) in targets.iter().zip(&mut counted) {
            if missing_names(&target.records, &item.names, &document.manifest_digest).is_empty() {
                continue;
            }
            let lacked: BTreeSet<String> = missing_layers(&document.diff_ids, &target.store.unpacked)
                .into_iter()
                .filter(|layer| counted.insert(layer.clone()))
                .collect();
            sent.push((target.node.name.clone(), lacked));
        }
        delivered(item, &sent, memory)
    });
    DeliveryReport { images: images.collect() }
}

fn delivered(item: &Item<'_>, sent: &[(String, BTreeSet<String>)], memory: &Memory) -> Delivered {
    let layers: BTreeSet<&String> = sent.iter().flat_map(|(_, layers)| layers).collect();
    let all: BTreeSet<&String> = item.image.diff_ids.iter().collect();
    let document = item.document.as_ref();
    Delivered {
        names: item.names.clone(),
        image_id: document.map(|document| document.config_digest.clone()).unwrap_or_default(),
        manifest_digest: document.map(|document| document.manifest_digest.clone()).unwrap_or_default(),
        stand_in: item.stand_in(),
        layers_sent: layers.len(),
        layers_shared: all.len() - layers.len(),
        bytes_sent: sent.iter().map(|(_, layers)| bytes(layers, &memory.layers)).sum(),
        nodes: sent.iter().map(|(node, _)| node.clone()).collect(),
    }
}

fn summary(report: &DeliveryReport) -> String {
    let images: Vec<&Delivered> = report.images.iter().filter(|image| !image.nodes.is_empty()).collect();
    let nodes: BTreeSet<&String> = images.iter().flat_map(|image| &image.nodes).collect();
    let sent: usize = images.iter().map(|image| image.layers_sent).sum();
    let shared: usize = images.iter().map(|image| image.layers_shared).sum();
    format!(
        "{} on {}: {} sent ({}), {shared} there already",
        count(images.len(), "image"),
        count(nodes.len(), "node"),
        count(sent, "layer"),
        human(report.bytes_sent()),
    )
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Bytes in decimal units, as docker prints sizes.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_image_ids_are_recognised() {
        let image = Delivered {
            names: vec!["docker.io/library/a@sha256:pinned".into(), "docker.io/library/a:1".into()],
            image_id: "sha256:config".into(),
            manifest_digest: "sha256:manifest".into(),
            stand_in: false,
            layers_sent: 0,
            layers_shared: 0,
            bytes_sent: 0,
            nodes: Vec::new(),
        };
        for (id, means) in [
            ("sha256:config", true),
            ("docker.io/library/a@sha256:manifest", true),
            ("docker.io/library/a@sha256:pinned", true),
            ("docker.io/library/b@sha256:pinned", false),
            ("sha256:other", false),
            ("", false),
        ] {
            assert_eq!(image.is(id), means, "{id}");
        }
    }

    #[test]
    fn sizes_read_as_dockers() {
        let texts = [0, 999, 10_240, 503_000_000, 2_500_000_000].map(human);
        assert_eq!(texts, ["0 B", "999 B", "10.2 kB", "503.0 MB", "2.50 GB"]);
    }
}
