//! Images of releases on the nodes: kept there for the last ten, and brought back under their names, from the engine where
//! nodes have them no more, as those of a new cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};

use crate::cluster::Node;
use crate::event::Event;
use crate::handoff::release::takes::{Renames, renames};
use crate::handoff::release::{Digests, Ledger, Record, ReleaseError};
use crate::image::{Content, WantedImage, inspect, keep as names, load, node};
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::words::counted;

/// How many images the engine is asked for at once.
const AT_ONCE: usize = 16;

/// What it takes to have a release's images under their names again.
pub struct Due {
    /// What names take on each node.
    renames: Vec<Renames>,
    /// Images that the engine has and some node has not.
    sent: Vec<WantedImage>,
}

impl Due {
    /// Whether all stand under their names.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.renames.iter().all(|due| due.names.is_empty())
    }
}

/// What each name stands for on each node.
type Standing = Vec<BTreeMap<String, String>>;

async fn standing(existing: &Existing) -> Result<Standing, OperationError> {
    let asking = existing.nodes.iter().map(|node| node::images(&node.node));
    let all = try_join_all(asking).await?.into_iter();
    Ok(all.map(|records| records.into_iter().map(|(name, record)| (name, record.digest)).collect()).collect())
}

/// Those of these configurations' digests that the engine has.
async fn in_engine(session: &Session, configs: BTreeSet<&str>) -> Result<BTreeSet<String>, OperationError> {
    let asking = configs.into_iter().filter(|config| !config.is_empty()).map(|config| async move {
        let found = inspect::find(&session.engine, config).await?;
        Ok::<_, OperationError>(found.filter(|image| image.id == config).map(|image| image.id))
    });
    let asking: Vec<_> = asking.collect();
    let found: Vec<Option<String>> =
        futures::stream::iter(asking).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Keeps the images of the last ten releases on every node, and lets go of older ones.
pub async fn keep(existing: &Existing, ledger: &Ledger) -> Result<(), OperationError> {
    let images = ledger.recent().flat_map(|record| record.content.images.values());
    let manifests: BTreeSet<String> = images.map(|digests| digests.manifest.clone()).collect();
    try_join_all(existing.nodes.iter().map(|node| names::keep(&node.node, &manifests))).await?;
    Ok(())
}

/// What it takes to have a release's images under their names. Refuses where bytes are nowhere anymore.
pub async fn due(session: &Session, existing: &Existing, record: &Record) -> Result<Due, OperationError> {
    let images = &record.content.images;
    let standing = standing(existing).await?;
    let renames: Vec<Renames> = standing.iter().map(|standing| renames(images, standing)).collect();
    let lacking: BTreeSet<&String> = renames.iter().flat_map(|due| &due.gone).collect();
    let configs = lacking.iter().filter_map(|name| Some(images.get(*name)?.config.as_str())).collect();
    let there = in_engine(session, configs).await?;
    let is_there = |name: &&String| images.get(*name).is_some_and(|digests| there.contains(&digests.config));
    let (sent, gone): (Vec<&String>, Vec<&String>) = lacking.into_iter().partition(is_there);
    if gone.is_empty() {
        return Ok(Due { sent: wanted(images, &sent), renames });
    }
    let nodes = |name: &String| {
        let nodes = existing.nodes.iter().zip(&renames).filter(|(_, due)| due.gone.contains(name));
        nodes.map(|(node, _)| node.node.name.clone()).collect::<Vec<_>>().join(", ")
    };
    let gone = gone.into_iter().map(|name| format!("{name} from {}", nodes(name))).collect();
    let source = sources(record);
    let cure = format!("check out {source} and run `devcluster up`, which builds or pulls them again");
    Err(ReleaseError::ImagesGone { number: record.number, images: gone, cure }.into())
}

/// The engine's images, each with all of its names.
fn wanted(images: &BTreeMap<String, Digests>, sent: &[&String]) -> Vec<WantedImage> {
    let mut by_config: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in sent {
        if let Some(digests) = images.get(*name) {
            by_config.entry(&digests.config).or_default().push((*name).clone());
        }
    }
    let image = |(config, names): (&str, Vec<String>)| WantedImage {
        content: Content::Engine(config.to_owned()),
        names,
    };
    by_config.into_iter().map(image).collect()
}

/// The images of each release that neither all nodes nor the engine have: these releases cannot be gone back to.
pub async fn gone(
    session: &Session,
    existing: &Existing,
    ledger: &Ledger,
) -> Result<BTreeMap<u64, Vec<String>>, OperationError> {
    let standing = standing(existing).await?;
    let lacking: Vec<(&Record, BTreeSet<String>)> = ledger
        .releases()
        .map(|record| {
            let gone = standing.iter().flat_map(|standing| renames(&record.content.images, standing).gone);
            (record, gone.collect())
        })
        .collect();
    let config = |record: &Record, name: &String| {
        record.content.images.get(name).map(|digests| digests.config.clone()).unwrap_or_default()
    };
    let configs: BTreeSet<String> = lacking
        .iter()
        .flat_map(|(record, names)| names.iter().map(move |name| config(record, name)))
        .collect();
    let there = in_engine(session, configs.iter().map(String::as_str).collect()).await?;
    let gone = lacking.into_iter().filter_map(|(record, mut names)| {
        names.retain(|name| !there.contains(&config(record, name)));
        (!names.is_empty()).then(|| (record.number, names.into_iter().collect()))
    });
    Ok(gone.collect())
}

/// Where a release's files are to be found.
pub fn sources(record: &Record) -> String {
    match (&record.commit, &record.lock) {
        (Some(commit), _) => format!("commit {}", commit.get(..12).unwrap_or(commit)),
        (None, Some(root)) => format!("what has lock root {}", root.get(..12).unwrap_or(root)),
        (None, None) => "its files".into(),
    }
}

/// Has names stand for a release's bytes again on every node.
pub async fn bring_back(
    session: &Session,
    existing: &Existing,
    record: &Record,
    due: &Due,
) -> Result<(), OperationError> {
    if !due.sent.is_empty() {
        let what =
            format!("{} of release {} from the engine", counted(due.sent.len(), "image"), record.number);
        session.reporter.report(Event::Started { step: "images".into(), what });
        let nodes: Vec<Node> = existing.nodes.iter().map(|node| node.node.clone()).collect();
        let (engine, cache) = (&session.engine, session.state.cache());
        load::deliver(engine, cache, &nodes, async { None }, &due.sent, session.reporter.as_ref()).await?;
    }
    let started = Instant::now();
    let renaming = existing.nodes.iter().zip(&due.renames).filter(|(_, due)| !due.names.is_empty());
    try_join_all(renaming.map(|(node, due)| names::rename(&node.node, &due.names))).await?;
    let all: BTreeSet<&String> =
        due.renames.iter().flat_map(|due| due.names.iter().map(|(name, _)| name)).collect();
    if !all.is_empty() {
        let what =
            format!("{} of release {} under their names again, nothing sent", all.len(), record.number);
        session.reporter.report(Event::Done { step: "images".into(), what, took: started.elapsed() });
    }
    Ok(())
}

/// A release's images as they stand on the nodes now: what was sent again may have another manifest than it had. And the
/// digests that each name stands for, as the kubelet may tell them.
pub async fn now(
    existing: &Existing,
    images: &BTreeMap<String, Digests>,
) -> Result<(BTreeMap<String, Digests>, BTreeMap<String, BTreeSet<String>>), OperationError> {
    let standing = standing(existing).await?;
    let mut stands_for = stands_for(images);
    let mut now = images.clone();
    for (name, digests) in &mut now {
        let manifests: Vec<&String> = standing.iter().filter_map(|standing| standing.get(name)).collect();
        if let Some(first) = manifests.first() {
            digests.manifest.clone_from(first);
        }
        stands_for.entry(name.clone()).or_default().extend(manifests.into_iter().cloned());
    }
    Ok((now, stands_for))
}

/// The digests that each name stands for, as the kubelet may tell them.
fn stands_for(images: &BTreeMap<String, Digests>) -> BTreeMap<String, BTreeSet<String>> {
    let of = |(name, digests): (&String, &Digests)| {
        let pinned = name.rsplit_once('@').map(|(_, digest)| digest.to_owned());
        let both = [digests.config.clone(), digests.manifest.clone()];
        (name.clone(), both.into_iter().chain(pinned).collect())
    };
    images.iter().map(of).collect()
}
