//! Copies saved files into running containers, and keeps them as a thin layer under their image's name, so that what starts
//! anew starts with them.

pub(super) mod command;
pub(super) mod copy;
pub(super) mod delivery;
pub mod synced;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use self::copy::{Bulk, there};
use self::delivery::{Arrived, ToDeliver, deliver, on_top, scratch};
use crate::apply::pods::RunningContainer;
use crate::cluster::EngineError;
use crate::cluster::hand::{self, Owner, Placed, Placement};
use crate::config::Then;
use crate::event::Silent;
use crate::image::thin::{ThinContent, ThinEntry};
use crate::operation::error::OperationError;
use crate::operation::hands::{Hands, Reached};
use crate::operation::images;
use crate::operation::session::Session;
use crate::operation::swap::{Stage, Swapped, Swapper, exchange, is_named, is_swap_name};
use crate::watch::{Index, Now, RuleId, Sources};

/// What is on top of an image.
#[derive(Debug, Default)]
pub(super) struct Top {
    /// What stands at each path of its containers.
    entries: BTreeMap<PathBuf, ThinEntry>,
    /// What is to be copied still.
    pub(super) pending: Vec<Placed>,
    /// What is to be done in the containers then.
    pub(super) then: BTreeSet<Then>,
    /// Goes up with each change of `entries`.
    pub(super) generation: u64,
    /// The generation that the nodes have under the image's name.
    delivered: u64,
    /// Images with a thin layer, by each of their digests, and the generation that they have.
    thin: BTreeMap<String, u64>,
}

impl Top {
    fn note(&mut self, mut placed: Placed, local: &Path, restarts: bool) {
        let (what, mode) = match &placed.what {
            Placement::File { mode, .. } => (ThinContent::File(local.to_owned()), *mode),
            Placement::Link { target } => (ThinContent::Link(target.clone()), 0o777),
            Placement::Directory { mode } => (ThinContent::Directory, *mode),
            Placement::Nothing | Placement::Anything => (ThinContent::Removed, 0),
        };
        if restarts {
            // What starts anew starts with it: what runs need not have it before. Only its owner is to be known.
            placed.what = Placement::Anything;
        }
        let before = self.entries.get(&placed.path);
        let (uid, gid) = before.map(|entry| (entry.uid, entry.gid)).unwrap_or_default();
        self.entries.insert(placed.path.clone(), ThinEntry { what, uid, gid, mode });
        self.pending.push(placed);
        self.generation += 1;
    }

    pub(super) fn owned(&mut self, owners: &BTreeMap<PathBuf, Owner>) {
        for (path, owner) in owners {
            if let Some(entry) = self.entries.get_mut(path).filter(|entry| entry.what != ThinContent::Removed)
            {
                // Without a mode there, it has the one that a build would give it.
                let mode = if owner.mode == 0 { entry.mode } else { owner.mode };
                *entry = ThinEntry { what: entry.what.clone(), uid: owner.uid, gid: owner.gid, mode };
            }
        }
    }

    /// All that is on top, for a container that has nothing of it.
    fn whole(&self) -> Vec<Placed> {
        let placed = |(path, entry): (&PathBuf, &ThinEntry)| Placed {
            path: path.clone(),
            what: match &entry.what {
                ThinContent::File(local) => {
                    Placement::File { local: local.clone(), mode: entry.mode, keep_mode: false }
                }
                ThinContent::Link(target) => Placement::Link { target: target.clone() },
                ThinContent::Directory => Placement::Directory { mode: entry.mode },
                ThinContent::Removed => Placement::Nothing,
            },
        };
        // What is gone first, what is deepest first of it.
        let (gone, there): (Vec<_>, Vec<_>) =
            self.entries.iter().partition(|(_, entry)| entry.what == ThinContent::Removed);
        gone.into_iter().rev().chain(there).map(placed).collect()
    }
}

type Joined = Result<Result<Vec<Arrived>, OperationError>, JoinError>;

/// Something that was on its way and is there.
pub enum Arrival {
    /// Large files, in the containers: [`Syncer::bulk_copied`] goes on with them.
    Large(Option<Result<Reached, EngineError>>),
    /// Layers, on the nodes.
    Layer(Result<(), OperationError>),
}

/// Copies files and remembers what it copied.
pub struct Syncer {
    index: Index,
    pub(super) tops: BTreeMap<String, Top>,
    /// The generation that each container has, by its id.
    pub(super) has: BTreeMap<String, u64>,
    /// Large files on their way.
    pub(super) bulk: Option<Bulk>,
    /// The containers that something was copied into, by id.
    record: BTreeSet<String>,
    delivery: Option<JoinHandle<Result<Vec<Arrived>, OperationError>>>,
}

impl Syncer {
    /// Looks at the files that rules cover, before anything is built of them.
    pub fn start(sources: &Sources) -> Self {
        let rules = sources.images.iter().flat_map(|image| &image.sync);
        let roots: Vec<PathBuf> = rules.map(|rule| rule.rule.from.clone()).collect();
        let skips = |path: &Path| {
            path.ends_with(".git") || path.ends_with("node_modules") && sources.git.ignores(path)
        };
        let index = Index::of(roots, skips);
        Self {
            index,
            tops: BTreeMap::new(),
            has: BTreeMap::new(),
            bulk: None,
            record: BTreeSet::new(),
            delivery: None,
        }
    }

    /// Takes note of what changed; [`Self::copy`] does the rest, again where it failed.
    pub fn note(&mut self, sources: &Sources, changed: &BTreeMap<RuleId, BTreeSet<PathBuf>>) {
        // A file may be under several images' rules, but is looked at once.
        let mut rules: BTreeMap<&PathBuf, Vec<&RuleId>> = BTreeMap::new();
        for (rule, paths) in changed {
            for path in paths {
                rules.entry(path).or_default().push(rule);
            }
        }
        for (path, rules) in rules {
            for (local, now) in self.index.changes(path) {
                for id in &rules {
                    let Some(rule) = sources.rule(id) else { continue };
                    let Some(at) = rule.place(&local) else { continue };
                    let what = match &now {
                        Now::File { mode, same_mode } => {
                            Placement::File { local: local.clone(), mode: *mode, keep_mode: *same_mode }
                        }
                        Now::Link { target } => Placement::Link { target: target.clone() },
                        Now::Directory { mode } => Placement::Directory { mode: *mode },
                        Now::Gone => Placement::Nothing,
                    };
                    let top = self.tops.entry(id.0.clone()).or_default();
                    let restarts = rule.rule.then == Then::Restart;
                    top.note(Placed { path: at, what }, &local, restarts);
                    if rule.rule.then != Then::Nothing {
                        top.then.insert(rule.rule.then.clone());
                    }
                }
            }
        }
    }

    /// Copies all that is on top of an image into containers that started without it.
    pub async fn catch_up(&mut self, stage: Stage<'_>, hands: &mut Hands) -> Result<(), OperationError> {
        let images: Vec<String> = self.tops.keys().cloned().collect();
        for image in images {
            let Some(top) = self.tops.get(&image).filter(|top| top.generation > 0) else { continue };
            let mut behind = Vec::new();
            for container in containers(stage, &image) {
                let digest = container.image_id.rsplit('@').next().unwrap_or_default();
                let started_with = top.thin.get(digest).copied().unwrap_or_default();
                let has = self.has.entry(container.container_id.clone()).or_insert(started_with);
                if *has < top.generation {
                    behind.push(container);
                }
            }
            if behind.is_empty() {
                continue;
            }
            let (whole, generation) = (top.whole(), top.generation);
            self.record(stage.session, &behind)?;
            let reached = hands.place(&whole, &behind, None).await?;
            for (container, arrival) in behind.iter().zip(reached.arrivals) {
                if matches!(arrival, Some(hand::Arrival::There(_) | hand::Arrival::Gone)) {
                    self.has.insert(container.container_id.clone(), generation);
                }
            }
        }
        Ok(())
    }

    /// Whether nodes lack what is on top of some image, and nothing is on its way to them.
    pub fn is_ahead(&self) -> bool {
        self.delivery.is_none() && self.tops.values().any(|top| top.delivered < top.generation)
    }

    /// Begins to put what is on top of images under their names on every node, beside whatever else is done. Nothing that
    /// runs is touched.
    pub fn begin_delivery(&mut self, stage: Stage<'_>, swapper: &Swapper) {
        let mut layers = Vec::new();
        for (image, top) in self.tops.iter().filter(|(_, top)| top.delivered < top.generation) {
            let Some(reference) = swapper.reference(image) else { continue };
            let own = images::of_build(stage.session, stage.desired, image, reference);
            // Containers that a swap gave another name start anew under that.
            let names: BTreeSet<String> = containers(stage, image)
                .into_iter()
                .map(|container| container.image)
                .filter(|name| is_swap_name(name))
                .chain(own.into_iter().flat_map(|one| one.wanted.names))
                .collect();
            layers.push(ToDeliver {
                image: image.clone(),
                generation: top.generation,
                reference: reference.to_owned(),
                names: names.into_iter().collect(),
                entries: top.entries.clone(),
            });
        }
        let quiet = Session { reporter: Arc::new(Silent), ..stage.session.clone() };
        self.delivery = Some(tokio::spawn(deliver(quiet, stage.existing.clone(), layers)));
    }

    /// Waits until something that is on its way is there; for ever where nothing is.
    pub async fn arrival(&mut self) -> Arrival {
        let Self { bulk, delivery, .. } = self;
        let layer = async {
            match delivery {
                Some(delivery) => delivery.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reached = there(bulk) => Arrival::Large(reached),
            joined = layer => Arrival::Layer(self.landed(joined)),
        }
    }

    /// Takes note of what the nodes have now.
    fn landed(&mut self, joined: Joined) -> Result<(), OperationError> {
        self.delivery = None;
        // A task that panicked has said so.
        let Ok(delivered) = joined else { return Ok(()) };
        for (image, generation, digests) in delivered? {
            // It may have been built anew meanwhile.
            let Some(top) = self.tops.get_mut(&image).filter(|top| top.generation >= generation) else {
                continue;
            };
            top.delivered = generation;
            top.thin.extend(digests.into_iter().map(|digest| (digest, generation)));
        }
        Ok(())
    }

    /// Waits until nothing is on its way to the nodes, whatever comes of it.
    pub async fn settle(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            let joined = delivery.await;
            let _ = self.landed(joined);
        }
    }

    /// Whether containers are to start anew with what is on top of their image.
    pub fn restarts(&self) -> bool {
        self.tops.values().any(|top| top.then.contains(&Then::Restart))
    }

    /// Has the containers of images whose rules say so start anew, in place, with what is on top of their image.
    pub async fn restart(
        &mut self,
        stage: Stage<'_>,
        hands: &mut Hands,
        swapper: &Swapper,
    ) -> Result<Vec<Swapped>, OperationError> {
        let scratch = scratch(stage.session)?;
        self.settle().await;
        let mut images = Vec::new();
        let mut done = Vec::new();
        for (image, top) in self.tops.iter().filter(|(_, top)| top.then.contains(&Then::Restart)) {
            let Some(reference) = swapper.reference(image) else { continue };
            let own = images::of_build(stage.session, stage.desired, image, reference);
            let names = own.into_iter().flat_map(|one| one.wanted.names).collect();
            images.push((image.clone(), on_top(image, reference, names, &top.entries, scratch.path())?));
            done.push((image.clone(), top.generation));
        }
        let exchanged = exchange(stage, hands, images).await;
        // What failed for good is for the next save to try; only what was away is still to be done.
        if !exchanged.as_ref().is_err_and(OperationError::is_absence) {
            for top in self.tops.values_mut() {
                top.then.remove(&Then::Restart);
            }
        }
        let changed = exchanged?;
        for (image, generation) in done {
            let Some(top) = self.tops.get_mut(&image) else { continue };
            top.delivered = generation;
            let own = changed.iter().filter(|one| one.image == image).flat_map(|one| &one.digests);
            top.thin.extend(own.map(|digest| (digest.clone(), generation)));
            // They started with all of it.
            for container in containers(stage, &image) {
                self.has.insert(container.container_id, generation);
            }
        }
        Ok(changed)
    }

    /// Forgets all that was copied: the system was brought up with it.
    pub fn forget(&mut self) {
        self.tops.clear();
        self.has.clear();
        self.bulk = None;
        self.record.clear();
    }

    /// Leaves the nodes as they are until the next change.
    pub fn give_up(&mut self) {
        for top in self.tops.values_mut() {
            top.delivered = top.generation;
            top.then.clear();
            top.pending.clear();
        }
    }

    /// Forgets what was on top of an image: it was built anew, with all of it.
    pub fn built(&mut self, image: &str) {
        self.tops.remove(image);
    }

    pub(super) fn record(
        &mut self,
        session: &Session,
        containers: &[RunningContainer],
    ) -> Result<(), OperationError> {
        let before = self.record.len();
        self.record.extend(containers.iter().map(|container| container.container_id.clone()));
        if self.record.len() > before {
            synced::add(session, &self.record)?;
        }
        Ok(())
    }
}

/// The containers that run the image that the configuration calls `image`.
pub(super) fn containers(stage: Stage<'_>, image: &str) -> Vec<RunningContainer> {
    let own = images::of_build(stage.session, stage.desired, image, "");
    let running = stage.live.containers();
    running
        .into_iter()
        .filter(|container| own.iter().any(|image| is_named(&container.image, image)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> Placed {
        let what = Placement::File { local: format!("/local{path}").into(), mode, keep_mode: true };
        Placed { path: path.into(), what }
    }

    fn gone(path: &str) -> Placed {
        Placed { path: path.into(), what: Placement::Nothing }
    }

    #[test]
    fn what_is_on_top_is_made_in_an_order_that_works() {
        let mut top = Top::default();
        for placed in [file("/a/b", 0o644), gone("/c"), gone("/c/d"), file("/a/c", 0o755)] {
            top.note(placed, Path::new("/local"), false);
        }
        let order: Vec<PathBuf> = top.whole().into_iter().map(|placed| placed.path).collect();
        assert_eq!(order, ["/c/d", "/c", "/a/b", "/a/c"].map(PathBuf::from));
        assert_eq!(top.pending.len(), 4);
        let owner = Owner { uid: 7, gid: 8, mode: 0o600 };
        top.owned(&BTreeMap::from([("/a/b".into(), owner), ("/c".into(), owner), ("/new".into(), owner)]));
        let entry = &top.entries[Path::new("/a/b")];
        assert_eq!((entry.uid, entry.gid, entry.mode), (7, 8, 0o600));
        assert_eq!(top.entries[Path::new("/c")].uid, 0, "what is gone has no owner");
        assert_eq!(top.entries.len(), 4);
    }

    #[test]
    fn what_starts_anew_is_not_copied_into_what_runs() {
        let mut top = Top::default();
        top.note(file("/a", 0o755), Path::new("/local/a"), true);
        assert_eq!(top.pending[0].what, Placement::Anything);
        top.owned(&BTreeMap::from([("/a".into(), Owner { uid: 7, gid: 8, mode: 0 })]));
        assert_eq!(top.entries[Path::new("/a")].mode, 0o755, "the mode that a build would give it");
        assert_eq!(top.entries[Path::new("/a")].uid, 7);
    }
}
