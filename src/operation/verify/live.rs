//! Holds the running cluster against a lock that the manifests agree with: objects, the bytes that stand under images' names,
//! the bytes that containers run, the data that stores were given. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::apply::Inventory;
use crate::apply::diff::Diff;
use crate::apply::pods::RunningContainer;
use crate::handoff::Lock;
use crate::operation::datasets::{self, Loaded};
use crate::operation::diff;
use crate::operation::error::OperationError;
use crate::operation::gather::gather;
use crate::operation::images;
use crate::operation::lock::locked_images;
use crate::operation::session::Session;
use crate::operation::sync::synced;
use crate::operation::up::INVENTORY;
use crate::operation::up::restart;
use crate::parity::{ImageAction, ImageWork};

/// How a running cluster stands against a lock.
#[derive(Debug, Clone, Serialize)]
pub struct LiveComparison {
    /// Its objects against the manifests.
    pub objects: Diff,
    /// Images whose names do not stand for what they would be now, in words.
    pub images: Vec<String>,
    /// Containers that run other bytes than their image's name is to stand for, in words.
    pub containers: Vec<String>,
    /// Stores that were not given the lock's data, in words.
    pub data: Vec<String>,
    /// What runs in place of production's bytes, in words: it is no difference, and no proof either.
    pub notes: Vec<String>,
}

impl LiveComparison {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        self.objects.differs()
            || !self.images.is_empty()
            || !self.containers.is_empty()
            || !self.data.is_empty()
    }
}

/// Compares. The manifests are those that `lock` was found to agree with.
pub async fn run(session: &Session, lock: &Lock) -> Result<LiveComparison, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    existing.cluster.discover().await?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    let nodes: Vec<_> = existing.nodes.iter().map(|node| node.node.clone()).collect();
    let (objects, (actions, looked), moved, pods) = tokio::try_join!(
        diff::compare(&desired, &existing, &inventory),
        images::look(session, &desired, &nodes),
        async { Ok(locked_images::moved(&session.engine, lock).await) },
        restart::pods(&existing, &desired),
    )?;
    let stand_ins = actions.iter().filter(|action| action.action == ImageWork::StandIn);
    let told = stand_ins.map(|action| format!("a stand-in runs as {}", action.name)).collect();
    let images = actions.iter().filter_map(differing).chain(moved).collect();
    let containers = containers(&pods, &images::stands_for(&looked), &synced::recorded(session));
    let data = data(lock, &datasets::recorded(session));
    Ok(LiveComparison { objects, images, containers, data, notes: told })
}

/// Containers that run other bytes, and those that `dev` left with some.
fn containers(
    pods: &[Value],
    stands_for: &BTreeMap<String, BTreeSet<String>>,
    synced: &BTreeSet<String>,
) -> Vec<String> {
    let told = |running: &RunningContainer, what: &str| {
        let RunningContainer { namespace, pod, container, image, .. } = running;
        format!("container {container} of Pod {namespace}/{pod} {what} {image} stands for")
    };
    let stale = restart::stale(pods, stands_for).into_iter();
    let stale = stale.map(|one| told(&one.running, "runs other bytes than"));
    let left = restart::left_by_dev(pods, stands_for, synced, None).into_iter();
    stale.chain(left.map(|one| told(&one.running, "has what `dev` brought beside what"))).collect()
}

/// Stores that were not given what the lock says.
fn data(lock: &Lock, recorded: &BTreeMap<String, Vec<Loaded>>) -> Vec<String> {
    let differing = lock.data.iter().filter_map(|wanted| {
        let own = recorded.get(&wanted.store).map(Vec::as_slice).unwrap_or_default();
        let digest = wanted.digest.as_ref()?;
        match own.iter().find(|one| one.from == wanted.from) {
            None => Some(format!("{} was never given {}", wanted.store, wanted.from)),
            Some(one) if one.digest != *digest => {
                Some(format!("{} was given {} as it was before", wanted.store, wanted.from))
            }
            Some(_) => None,
        }
    });
    differing.collect()
}

fn differing(action: &ImageAction) -> Option<String> {
    match &action.action {
        ImageWork::Skip | ImageWork::StandIn => None,
        ImageWork::Build => Some(format!("{} runs as it was built before", action.name)),
        ImageWork::Pull => Some(format!("{} is not in the engine: what runs cannot be told", action.name)),
        ImageWork::Send { nodes } => {
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            Some(format!("{} stands for other bytes on {}", action.name, nodes.join(", ")))
        }
    }
}
