//! The hands on all nodes: sessions kept open while developing, opened again where one was lost.

use std::collections::BTreeMap;

use futures::future::{join_all, try_join_all};

use super::session::Existing;
use crate::apply::pods::RunningContainer;
use crate::cluster::hand::{Arrival, Hand, InContainer, Owner, Placed};
use crate::cluster::{EngineError, Node};

/// The hands on the nodes of a cluster.
pub struct Hands {
    nodes: BTreeMap<String, (Node, Option<Hand>)>,
}

/// What came of a batch in all containers.
#[derive(Debug, Default)]
pub struct Reached {
    /// In each container, in the order asked for. None for one on a node that is not known.
    pub arrivals: Vec<Option<Arrival>>,
    /// What stands at each path now, as the first container of a node that has it tells.
    pub owners: BTreeMap<std::path::PathBuf, Owner>,
}

impl Hands {
    /// For the nodes of a cluster; sessions are opened as they are needed.
    pub fn new(existing: &Existing) -> Self {
        let nodes = existing.nodes.iter();
        Self { nodes: nodes.map(|node| (node.node.name.clone(), (node.node.clone(), None))).collect() }
    }

    /// Opens sessions ahead: a first file would take 50 ms longer than the next.
    pub async fn open(&mut self) -> Result<(), EngineError> {
        try_join_all(self.nodes.values_mut().map(|(node, hand)| async move {
            if hand.is_none() {
                *hand = Some(Hand::open(node).await?);
            }
            Ok(())
        }))
        .await
        .map(|_: Vec<()>| ())
    }

    /// Puts a batch into containers, on all nodes at once, and signals their first processes then.
    pub async fn place(
        &mut self,
        batch: &[Placed],
        containers: &[RunningContainer],
        signal: Option<&str>,
    ) -> Result<Reached, EngineError> {
        let mut by_node: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, container) in containers.iter().enumerate() {
            by_node.entry(container.node.as_str()).or_default().push(at);
        }
        let works = self.nodes.iter_mut().filter_map(|(name, (node, hand))| {
            let mine = by_node.remove(name.as_str())?;
            let into: Vec<InContainer> = mine
                .iter()
                .map(|at| InContainer {
                    id: containers[*at].container_id.clone(),
                    signal: signal.map(ToOwned::to_owned),
                })
                .collect();
            Some(async move { (mine, reach(node, hand, batch, &into).await) })
        });
        let mut reached = Reached { arrivals: vec![None; containers.len()], ..Reached::default() };
        for (mine, answer) in join_all(works).await {
            let answer = answer?;
            for (at, arrival) in mine.into_iter().zip(answer.arrivals) {
                reached.arrivals[at] = Some(arrival);
            }
            for (path, owner) in answer.owners {
                reached.owners.entry(path).or_insert(owner);
            }
        }
        Ok(reached)
    }
}

async fn reach(
    node: &Node,
    kept: &mut Option<Hand>,
    batch: &[Placed],
    into: &[InContainer],
) -> Result<crate::cluster::hand::Answer, EngineError> {
    // Taken out while it works: one that is dropped midway is of no use to the next.
    if let Some(mut hand) = kept.take()
        && let Ok(answer) = hand.place(batch, into).await
    {
        *kept = Some(hand);
        return Ok(answer);
    }
    let mut hand = Hand::open(node).await?;
    let answer = hand.place(batch, into).await?;
    *kept = Some(hand);
    Ok(answer)
}
