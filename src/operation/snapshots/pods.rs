//! The Pods that mount a claim, and how they are kept still: their containers are frozen on their nodes, and killed where their
//! files were changed under them, so that each starts anew as its Pod's restart policy has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

use crate::data::discover::Store;
use crate::data::volume::{BEAT, Frozen, VolumeError};
use crate::operation::error::OperationError;
use crate::operation::session::Existing;
use crate::operation::stores::node_reach::NodeReach;

/// How often containers that started meanwhile are looked for before that is given up.
const ROUNDS: usize = 5;

/// Seconds for which a kubelet remembers that a container ended (its `containerBackOff`): one that ends again waits.
const REMEMBERED: i64 = 600;

/// A Pod that mounts a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::operation) struct Mounting {
    pub name: String,
    node: String,
    /// Running containers that mount it, by containerd's ids.
    containers: BTreeSet<String>,
    /// Whether a container that is killed now waits before it starts again.
    waits: bool,
    /// Whether something makes another in its place.
    owned: bool,
    uid: String,
}

/// The Pods with running containers that mount a claim.
pub(in crate::operation) async fn mounting(
    existing: &Existing,
    store: &Store,
) -> Result<Vec<Mounting>, OperationError> {
    let namespace = &store.workload.namespace;
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), namespace);
    let pods = api.list(&ListParams::default()).await;
    let pods =
        pods.map_err(|error| OperationError::request(format!("list the Pods of {namespace}"), error))?;
    let now = Timestamp::now().as_second();
    Ok(pods.items.iter().filter_map(|pod| one(pod, &store.workload.name, now)).collect())
}

fn one(pod: &Pod, claim: &str, now: i64) -> Option<Mounting> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let own = |volume: &str| format!("{}-{volume}", pod.name_any()) == claim;
    let volumes = spec.volumes.iter().flatten().filter(|volume| {
        let named = volume.persistent_volume_claim.as_ref().is_some_and(|source| source.claim_name == claim);
        named || (volume.ephemeral.is_some() && own(&volume.name))
    });
    let volumes: BTreeSet<&str> = volumes.map(|volume| volume.name.as_str()).collect();
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mounts = containers.filter(|container| {
        container.volume_mounts.iter().flatten().any(|mount| volumes.contains(mount.name.as_str()))
    });
    let mounts: BTreeSet<&str> = mounts.map(|container| container.name.as_str()).collect();
    let statuses = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let running: Vec<&ContainerStatus> = statuses
        .filter(|status| mounts.contains(status.name.as_str()))
        .filter(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()))
        .collect();
    let ended = |status: &ContainerStatus| {
        let last = status.last_state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?;
        Some(now - last.0.as_second() < REMEMBERED)
    };
    let ids = running
        .iter()
        .filter_map(|status| Some(status.container_id.as_ref()?.rsplit_once('/')?.1.to_owned()));
    let containers: BTreeSet<String> = ids.collect();
    (!containers.is_empty()).then(|| Mounting {
        name: pod.name_any(),
        node: spec.node_name.clone().unwrap_or_default(),
        containers,
        waits: running.iter().any(|status| ended(status) == Some(true)),
        owned: pod.owner_references().iter().any(|owner| owner.controller == Some(true)),
        uid: pod.uid().unwrap_or_default(),
    })
}

/// Pods that are kept still until this is dropped.
pub(in crate::operation) struct Still {
    guards: Vec<Frozen>,
    pods: BTreeMap<String, Mounting>,
}

impl Still {
    /// Freezes the containers that mount a claim, also those that start while others are frozen.
    pub async fn keep(existing: &Existing, store: &Store) -> Result<Self, OperationError> {
        let mut still = Self { guards: Vec::new(), pods: BTreeMap::new() };
        let mut frozen = BTreeSet::new();
        for _ in 0..ROUNDS {
            let mut by_node: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for pod in mounting(existing, store).await? {
                let new = pod.containers.iter().filter(|id| frozen.insert((*id).clone())).cloned();
                by_node.entry(pod.node.clone()).or_default().extend(new);
                still.pods.insert(pod.name.clone(), pod);
            }
            by_node.retain(|_, containers| !containers.is_empty());
            if by_node.is_empty() {
                return Ok(still);
            }
            let freezing = by_node.iter().map(|(node, containers)| freeze(existing, store, node, containers));
            still.guards.extend(try_join_all(freezing).await?);
        }
        let reason = "its Pods' containers start again and again; wait until they run".to_owned();
        Err(OperationError::Claim { claim: store.name(), reason })
    }

    /// How many containers are frozen.
    pub fn containers(&self) -> usize {
        self.guards.iter().map(Frozen::containers).sum()
    }

    /// The Pods' names, for messages.
    pub fn names(&self) -> String {
        self.pods.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    /// Does something while they are still. Fails where they were not until its end.
    pub async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, VolumeError>>,
    ) -> Result<T, OperationError> {
        tokio::pin!(work);
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done?),
                _ = beat.tick() => {
                    for guard in &mut self.guards {
                        guard.beat().await?;
                    }
                }
            }
        }
    }

    /// Has their containers killed in the end.
    pub async fn kill_at_the_end(&mut self) -> Result<(), OperationError> {
        for guard in &mut self.guards {
            guard.kill_at_the_end().await?;
        }
        Ok(())
    }

    /// Lets them run again. Gives how long they did not.
    pub async fn thaw(self) -> Result<Duration, OperationError> {
        let took = try_join_all(self.guards.into_iter().map(Frozen::thaw)).await?;
        Ok(took.into_iter().max().unwrap_or_default())
    }

    /// Lets them run, which ends them: see [`Still::kill_at_the_end`]. A Pod whose containers would wait to start again is
    /// replaced by another, where something makes one; the names of those are given.
    pub async fn start_anew(
        self,
        existing: &Existing,
        store: &Store,
    ) -> Result<(Duration, Vec<String>), OperationError> {
        let waiting: Vec<Mounting> =
            self.pods.values().filter(|pod| pod.waits && pod.owned).cloned().collect();
        let took = self.thaw().await?;
        let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &store.workload.namespace);
        for pod in &waiting {
            let mut params = DeleteParams::default().grace_period(0);
            params.preconditions =
                Some(kube::api::Preconditions { uid: Some(pod.uid.clone()), resource_version: None });
            match api.delete(&pod.name, &params).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => {
                    return Err(OperationError::request(format!("replace Pod {}", pod.name), error));
                }
            }
        }
        Ok((took, waiting.into_iter().map(|pod| pod.name).collect()))
    }
}

async fn freeze(
    existing: &Existing,
    store: &Store,
    node: &str,
    containers: &[String],
) -> Result<Frozen, OperationError> {
    let unknown =
        || OperationError::Claim { claim: store.name(), reason: format!("node {node} is not known") };
    let found = existing.nodes.iter().find(|known| known.node.name == node).ok_or_else(unknown)?;
    let reach = NodeReach::new(found.node.clone(), format!("{store} on {node}"));
    Ok(Frozen::freeze(&reach, containers).await?)
}
