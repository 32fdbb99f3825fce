//! Brings images onto nodes: under their names, sending each node the layers it lacks and nothing else, all nodes at
//! once, while the engine still hands layers out; and checks afterwards what each node answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::account::{account, delivered};
use super::archive::{Contents, Part};
use super::delivery::{Delivered, DeliveryReport, WantedImage};
use super::error::ImageError;
use super::export::Exporter;
use super::import::{import, name_on, verify};
use super::inspect::{self, EngineImage};
use super::memory::Memory;
use super::node::{self, ImageRecords};
use super::registry::lock;
use super::settle::Layer;
use super::survey::{Item, Target, is_open, look_up, survey};
use super::thin::ThinLayer;
use crate::cluster::engine::{Engine, Node};
use crate::event::{Event, Reporter};
use crate::words::counted;

/// Images that the engine hands out at the same time.
const EXPORTS: usize = 2;

/// How often an import that fails is tried again with a fresh look at the nodes.
const RETRIES: usize = 2;

/// Brings `wanted` onto `nodes`. `cache` is the directory of what is remembered between runs; `asking` gives what the
/// nodes have, in their order, where they were asked already.
///
/// Wrong architectures are found first, then nothing was changed. Whatever a node has by any means is not sent. Safe to
/// interrupt and to call again.
pub async fn deliver(
    engine: &Engine,
    cache: &Path,
    nodes: &[Node],
    asking: impl Future<Output = Option<Vec<ImageRecords>>>,
    wanted: &[WantedImage],
    reporter: &dyn Reporter,
) -> Result<DeliveryReport, ImageError> {
    let started = Instant::now();
    let asking = async {
        match asking.await {
            Some(records) if records.len() == nodes.len() => Ok(records),
            _ => try_join_all(nodes.iter().map(node::images)).await,
        }
    };
    let (mut items, mut records) = tokio::try_join!(look_up(engine, wanted), asking)?;
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
        what: format!("bringing {} onto the nodes", counted(open.len(), "image")),
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
    reporter.report(Event::Done { step: "images".into(), what: report.summary(), took: started.elapsed() });
    Ok(report)
}

/// Finds what cannot run on the nodes, without changing anything: images of another architecture, and missing ones.
pub async fn check(engine: &Engine, wanted: &[WantedImage]) -> Result<(), ImageError> {
    look_up(engine, wanted).await.map(|_| ())
}

/// What a delivery would begin with: of each of `wanted` what it is, as far as that is known without sending it, and the nodes that
/// lack a name or a layer of it. Nothing is changed.
pub async fn look(
    engine: &Engine,
    cache: &Path,
    nodes: &[Node],
    wanted: &[WantedImage],
) -> Result<DeliveryReport, ImageError> {
    let (mut items, records) =
        tokio::try_join!(look_up(engine, wanted), try_join_all(nodes.iter().map(node::images)))?;
    let memory = Memory::read(cache);
    let mut images = Vec::new();
    for item in &mut items {
        item.document = item.describe(&memory);
        let lacks = |records: &ImageRecords| is_open(item, std::slice::from_ref(records));
        let lacking = nodes.iter().zip(&records).filter(|(_, records)| lacks(records));
        let nodes = lacking.map(|(node, _)| node.name.clone()).collect();
        images.push(Delivered { nodes, ..delivered(item, &[], &memory) });
    }
    Ok(DeliveryReport { images })
}

/// Has the engine learn the compressed forms of images' layers where a change would else cost the whole image again, so
/// that it hands out what changed alone: to be called while there is nothing else to do. Costs about a second for 45 MB
/// the first time. Images that are not there are passed over.
pub async fn teach(engine: &Engine, cache: &Path, references: &[String]) -> Result<(), ImageError> {
    let images = try_join_all(references.iter().map(|reference| inspect::find(engine, reference))).await?;
    let directory = scratch(cache)?;
    let memory = Arc::new(Mutex::new(Memory::read(cache)));
    let (layers, _nobody) = mpsc::unbounded_channel();
    let exporter = Exporter::start(engine, directory.path(), BTreeSet::new(), memory.clone(), layers).await?;
    for image in images.iter().flatten().filter(|image| exporter.saving_is_faster(image)) {
        exporter.teach(image).await?;
        lock(&memory).clone().write(cache)?;
    }
    Ok(())
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
        let thin = open.iter().filter_map(|at| items[*at].thin());
        for layer in thin.filter(|layer| needed.contains(&layer.diff_id)) {
            let ThinLayer { diff_id, size, path } = layer.clone();
            let _ = layers.send(Layer { diff_id, size, path });
        }
        let exporting = async {
            if sources.is_empty() {
                drop(layers);
                return Ok(());
            }
            let exporter =
                Exporter::start(engine, directory.path(), needed.clone(), memory.clone(), layers).await?;
            // Gathered first: a closure in the stream would keep this future from being sent to another thread.
            let mut exports = Vec::new();
            for image in sources.values() {
                exports.push(exporter.export(image));
            }
            futures::stream::iter(exports).buffer_unordered(EXPORTS).try_for_each(|_| async { Ok(()) }).await
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
