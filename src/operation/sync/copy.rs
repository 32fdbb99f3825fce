//! Copies what was saved into the containers that run. Large files go a way of their own, so that they hold no other up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio_util::task::AbortOnDropHandle;

use super::command::run;
use crate::apply::pods::RunningContainer;
use crate::cluster::EngineError;
use crate::cluster::hand::{Arrival, Placed, Placement};
use crate::config::Then;
use crate::operation::error::OperationError;
use crate::operation::hands::{Hands, Reached};
use crate::operation::swap::Stage;
use crate::operation::sync::{Syncer, containers};
use crate::words::{listed, shown};

/// How many faults of one container are shown.
const SHOWN: usize = 3;

/// What is so large goes beside all else, in bytes: a tenth of a second's copying.
const LARGE: u64 = 16 << 20;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The image, as the configuration names it.
    pub image: String,
    /// Paths in its containers that were written or removed.
    pub paths: Vec<PathBuf>,
    /// How many running containers have them now.
    pub containers: usize,
    /// What could not be done, in sentences.
    pub faults: Vec<String>,
}

/// Large files on their way into an image's containers.
pub(in crate::operation) struct Bulk {
    image: String,
    placed: Vec<Placed>,
    containers: Vec<RunningContainer>,
    then: BTreeSet<Then>,
    generation: u64,
    since: Instant,
    task: AbortOnDropHandle<Result<Reached, EngineError>>,
}

impl Bulk {
    fn is_about(&self, image: &str, path: &Path) -> bool {
        self.image == image && self.placed.iter().any(|placed| placed.path == path)
    }
}

impl Syncer {
    /// Copies what is pending into the containers that run each image, and does what is to be done in them then. A restart
    /// is left to [`Self::restart`], large files to [`Self::bulk_copied`].
    pub async fn copy(&mut self, stage: Stage<'_>, hands: &mut Hands) -> Result<Vec<Copied>, OperationError> {
        let mut all = Vec::new();
        let images: Vec<String> = self
            .tops
            .iter()
            .filter(|(_, top)| !top.pending.is_empty())
            .map(|(image, _)| image.clone())
            .collect();
        for image in images {
            let containers = containers(stage, &image);
            let (batch, large) = self.split(&image);
            let copies = |batch: &[Placed]| batch.iter().any(|placed| placed.what != Placement::Anything);
            if copies(&batch) || !large.is_empty() {
                self.record(stage.session, &containers)?;
            }
            if !large.is_empty() {
                self.begin_bulk(stage, &image, large, &containers);
            }
            if batch.is_empty() {
                continue;
            }
            let Some(top) = self.tops.get_mut(&image) else { continue };
            let mut reached = hands.place(&batch, &containers, None).await?;
            top.owned(&reached.owners);
            finish(stage, hands, &top.then, &containers, &mut reached).await?;
            top.then.retain(|then| *then == Then::Restart);
            top.pending.retain(|placed| !batch.contains(placed));
            let generation = top.generation;
            if copies(&batch) {
                all.push(self.account(image, &batch, &containers, &reached, generation));
            }
        }
        Ok(all)
    }

    /// What of an image's pending is copied now, and what is large. What is on its way already waits until that is there.
    fn split(&self, image: &str) -> (Vec<Placed>, Vec<Placed>) {
        let Some(top) = self.tops.get(image) else { return Default::default() };
        let busy =
            |placed: &&Placed| self.bulk.as_ref().is_some_and(|bulk| bulk.is_about(image, &placed.path));
        let free = top.pending.iter().filter(|placed| !busy(placed)).cloned();
        let (large, batch): (Vec<Placed>, Vec<Placed>) = free.partition(is_large);
        // One at a time: more would only share the way.
        (batch, if self.bulk.is_none() { large } else { Vec::new() })
    }

    fn begin_bulk(
        &mut self,
        stage: Stage<'_>,
        image: &str,
        placed: Vec<Placed>,
        containers: &[RunningContainer],
    ) {
        let Some(top) = self.tops.get_mut(image) else { return };
        top.pending.retain(|one| !placed.contains(one));
        let (batch, into, existing) = (placed.clone(), containers.to_vec(), Arc::clone(stage.existing));
        let task = tokio::spawn(async move {
            // Hands of its own: those of all else are free meanwhile.
            Hands::new(&existing).place(&batch, &into, None).await
        });
        self.bulk = Some(Bulk {
            image: image.to_owned(),
            placed,
            containers: containers.to_vec(),
            then: top.then.clone(),
            generation: top.generation,
            since: Instant::now(),
            task: AbortOnDropHandle::new(task),
        });
    }

    /// Does what is to be done once large files are there, and gives what was copied and since when.
    pub async fn bulk_copied(
        &mut self,
        stage: Stage<'_>,
        hands: &mut Hands,
        reached: Option<Result<Reached, EngineError>>,
    ) -> Result<Option<(Copied, Instant)>, OperationError> {
        let (Some(bulk), Some(reached)) = (self.bulk.take(), reached) else { return Ok(None) };
        let mut reached = match reached {
            Ok(reached) => reached,
            Err(error) => {
                // They are pending again, with whatever was saved since after them.
                if let Some(top) = self.tops.get_mut(&bulk.image) {
                    let later = std::mem::take(&mut top.pending);
                    top.pending = bulk.placed.into_iter().chain(later).collect();
                }
                return Err(error.into());
            }
        };
        if let Some(top) = self.tops.get_mut(&bulk.image) {
            top.owned(&reached.owners);
        }
        finish(stage, hands, &bulk.then, &bulk.containers, &mut reached).await?;
        let copied = self.account(bulk.image, &bulk.placed, &bulk.containers, &reached, bulk.generation);
        Ok(Some((copied, bulk.since)))
    }

    /// Notes what each container has now.
    fn account(
        &mut self,
        image: String,
        batch: &[Placed],
        containers: &[RunningContainer],
        reached: &Reached,
        generation: u64,
    ) -> Copied {
        let paths = batch.iter().filter(|placed| placed.what != Placement::Anything);
        let paths = paths.map(|placed| placed.path.clone()).collect();
        let mut copied = Copied { image, paths, containers: 0, faults: Vec::new() };
        for (container, arrival) in containers.iter().zip(&reached.arrivals) {
            if account(&mut copied, container, arrival.as_ref()) {
                let has = self.has.entry(container.container_id.clone()).or_default();
                *has = generation.max(*has);
            }
        }
        copied
    }
}

/// Waits until large files are there; for ever where none is on its way.
pub(in crate::operation) async fn there(bulk: &mut Option<Bulk>) -> Option<Result<Reached, EngineError>> {
    match bulk {
        // A task that panicked has said so.
        Some(bulk) => (&mut bulk.task).await.ok(),
        None => std::future::pending().await,
    }
}

fn is_large(placed: &Placed) -> bool {
    matches!(&placed.what, Placement::File { local, .. } if local.metadata().is_ok_and(|found| found.len() >= LARGE))
}

/// Signals or runs what rules ask for once files are there.
async fn finish(
    stage: Stage<'_>,
    hands: &mut Hands,
    then: &BTreeSet<Then>,
    containers: &[RunningContainer],
    reached: &mut Reached,
) -> Result<(), OperationError> {
    for then in then {
        match then {
            Then::Signal(signal) => {
                let signalled = hands.place(&[], containers, Some(signal)).await?;
                for (arrival, signalled) in reached.arrivals.iter_mut().zip(signalled.arrivals) {
                    if let Some(Arrival::Failed(_)) = signalled {
                        *arrival = signalled;
                    }
                }
            }
            Then::Command(command) => {
                for container in containers {
                    run(stage, container, command).await?;
                }
            }
            Then::Nothing | Then::Restart => {}
        }
    }
    Ok(())
}

/// Counts what came of one container; whether it is up to date.
fn account(copied: &mut Copied, container: &RunningContainer, arrival: Option<&Arrival>) -> bool {
    let name = format!("{}/{} {}", container.namespace, container.pod, container.container);
    match arrival {
        Some(Arrival::There(faults)) => {
            copied.containers += usize::from(faults.is_empty());
            let mut said: Vec<String> = faults
                .iter()
                .take(SHOWN)
                .map(|(path, reason)| {
                    let hint = if reason.contains("ead-only") {
                        "; its root is read-only: a container that starts anew has it (`then: restart`)"
                    } else {
                        ""
                    };
                    format!("{}: {reason}{hint}", shown(path))
                })
                .collect();
            if faults.len() > SHOWN {
                said.push(format!("and {} more", faults.len() - SHOWN));
            }
            if !said.is_empty() {
                copied.faults.push(format!("in {name}:{}", listed(&said)));
            }
            true
        }
        // Another starts in its place, and is told of all.
        Some(Arrival::Gone) => false,
        Some(Arrival::Failed(reason)) => {
            copied.faults.push(format!("in {name}: {reason}"));
            false
        }
        None => {
            copied.faults.push(format!("in {name}: its node {} is not known", container.node));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_known_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let placed = |name: &str, size: u64| {
            let local = directory.path().join(name);
            std::fs::File::create(&local).unwrap().set_len(size).unwrap();
            let what = Placement::File { local, mode: 0o644, keep_mode: false };
            Placed { path: Path::new("/").join(name), what }
        };
        assert!(is_large(&placed("large", LARGE)));
        assert!(!is_large(&placed("small", LARGE - 1)));
        let gone = Placement::File { local: directory.path().join("gone"), mode: 0, keep_mode: false };
        assert!(!is_large(&Placed { path: "/gone".into(), what: gone }));
    }
}
