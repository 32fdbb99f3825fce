//! Holds the running cluster against a lock that the manifests agree with: objects, the bytes that stand under images' names,
//! the data that stores were given. Changes nothing.

use serde::Serialize;

use super::error::OperationError;
use super::gather::gather;
use super::session::Session;
use super::up::INVENTORY;
use super::{datasets, diff, images, lock_images};
use crate::apply::Inventory;
use crate::apply::diff::Diff;
use crate::handoff::Lock;
use crate::parity::{ImageAction, ImageWork};

/// How a running cluster stands against a lock.
#[derive(Debug, Clone, Serialize)]
pub struct LiveComparison {
    /// Its objects against the manifests.
    pub objects: Diff,
    /// Images whose names do not stand for what they would be now, in words.
    pub images: Vec<String>,
    /// Stores that were not given the lock's data, in words.
    pub data: Vec<String>,
    /// What runs in place of production's bytes, in words: it is no difference, and no proof either.
    pub notes: Vec<String>,
}

impl LiveComparison {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        self.objects.differs() || !self.images.is_empty() || !self.data.is_empty()
    }
}

/// Compares. The manifests are those that `lock` was found to agree with.
pub async fn run(session: &Session, lock: &Lock) -> Result<LiveComparison, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    existing.cluster.discover().await?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    let nodes: Vec<_> = existing.nodes.iter().map(|node| node.node.clone()).collect();
    let (objects, actions, moved) = tokio::try_join!(
        diff::compare(&desired, &existing, &inventory),
        images::plan(session, &desired, &nodes),
        async { Ok(lock_images::moved(&session.engine, lock).await) }
    )?;
    let stand_ins = actions.iter().filter(|action| action.action == ImageWork::StandIn);
    let told = stand_ins.map(|action| format!("a stand-in runs as {}", action.name)).collect();
    let recorded = datasets::recorded(session);
    let data = lock.data.iter().filter_map(|wanted| {
        let own = recorded.get(&wanted.store).map(Vec::as_slice).unwrap_or_default();
        let digest = wanted.digest.as_ref()?;
        let differs = match own.iter().find(|one| one.from == wanted.from) {
            None => format!("{} was never given {}", wanted.store, wanted.from),
            Some(one) if one.digest != *digest => {
                format!("{} was given {} as it was before", wanted.store, wanted.from)
            }
            Some(_) => return None,
        };
        Some(differs)
    });
    let data = data.collect();
    let images = actions.iter().filter_map(differing).chain(moved).collect();
    Ok(LiveComparison { objects, images, data, notes: told })
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
