//! What must be moved by hand when nothing in the manifests changed: containers that run old bytes, and volumes whose
//! claim was made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::evict;
use super::relieve;
use crate::apply::pods::{RunningContainer, StaleContainer, running_bytes, stale_containers};
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::images;
use crate::operation::session::{Existing, Session};
use crate::operation::swap;

/// The least time that is waited for, which is what looking once takes.
const LOOK: Duration = Duration::from_secs(1);

/// The Pods of the system's namespaces.
pub async fn pods(existing: &Existing, desired: &Desired) -> Result<Vec<Value>, OperationError> {
    let lists = desired.namespaces().into_iter().map(|namespace| async move {
        let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &namespace);
        api.list(&ListParams::default()).await.map_err(|error| OperationError::request("list Pods", error))
    });
    let pods = try_join_all(lists).await?.into_iter().flat_map(|list| list.items);
    Ok(pods.filter_map(|pod| serde_json::to_value(pod).ok()).collect())
}

/// What runs in `pods`, but for those that a kubelet has from a file: evicting what mirrors them changes nothing.
fn running(pods: &[Value]) -> Vec<RunningContainer> {
    let is_mirror =
        |pod: &&Value| pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
    running_bytes(pods.iter().filter(|pod| !is_mirror(pod)))
}

/// What runs in `pods`, all of it to be started anew.
pub fn all(pods: &[Value]) -> Vec<StaleContainer> {
    running(pods).into_iter().map(|running| StaleContainer { running, wanted: BTreeSet::new() }).collect()
}

/// The containers of `pods` that run other bytes than their image's name now stands for.
pub fn stale(pods: &[Value], stands_for: &BTreeMap<String, BTreeSet<String>>) -> Vec<StaleContainer> {
    stale_containers(&running(pods), |_, image| stands_for.get(&images::normalised(image)).cloned())
}

/// The containers of `pods` that `dev` left: with files in them that their image has not, or under a swap's name, which is
/// not as their owner would make them. While `developing`, with what swaps' names stand for, these stay where their bytes are
/// right, or about to be.
pub fn left_by_dev(
    pods: &[Value],
    stands_for: &BTreeMap<String, BTreeSet<String>>,
    synced: &BTreeSet<String>,
    developing: Option<&BTreeMap<String, BTreeSet<String>>>,
) -> Vec<StaleContainer> {
    let digests_of = |container: &RunningContainer| -> Vec<&BTreeSet<String>> {
        let repository = swap::repository(&container.image);
        let own = stands_for.iter().filter(|(name, _)| swap::repository(name) == repository);
        own.map(|(_, digests)| digests).collect()
    };
    let is_left = |container: &RunningContainer| {
        let own = digests_of(container);
        let is_right = own.iter().any(|digests| digests.contains(container.digest()));
        // Until the kubelet has told of the new container, its status is that of the one before, which is gone.
        let named = developing.and_then(|swapped| swapped.get(&container.image));
        let is_coming = named.is_some_and(|named| own.iter().any(|digests| !named.is_disjoint(digests)));
        if is_coming && !is_right {
            return false;
        }
        let is_kept = developing.is_some() && is_right;
        (swap::is_swap_name(&container.image) && !is_kept) || synced.contains(&container.container_id)
    };
    let left = running(pods).into_iter().filter(is_left);
    left.map(|running| StaleContainer { running, wanted: BTreeSet::new() }).collect()
}

/// Replaces the Pods of stale containers: those of Deployments without a gap; the others are evicted. Done once the new ones
/// are ready, which all of them may take `timeout` for.
pub async fn run(
    session: &Session,
    existing: &Existing,
    stale: &[StaleContainer],
    timeout: Duration,
) -> Result<(), OperationError> {
    let deadline = Instant::now() + timeout;
    let others = relieve::run(session, existing, stale, deadline).await?;
    evict::run(session, existing, &others, deadline).await
}

/// What is left until then, and at least what it takes to look once.
pub fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(LOOK)
}

/// Lets volumes of ours that were bound to a claim since deleted be bound again, by the claim of the same name.
pub async fn free_volumes(existing: &Existing) -> Result<(), OperationError> {
    let api = Api::<PersistentVolume>::all(existing.cluster.client.clone());
    let volumes = api
        .list(&ListParams::default())
        .await
        .map_err(|error| OperationError::request("list volumes", error))?;
    for volume in &volumes.items {
        let released = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Released");
        let hosted = volume
            .spec
            .as_ref()
            .and_then(|spec| spec.host_path.as_ref())
            .is_some_and(|host| host.path.starts_with(crate::cluster::provider::VOLUMES_ON_NODE));
        if released && hosted {
            let patch = json!({"spec": {"claimRef": {"uid": null, "resourceVersion": null}}});
            api.patch(&volume.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(
                |error| OperationError::request(format!("free volume {}", volume.name_any()), error),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_developing_left_goes_unless_it_is_right_and_goes_on() {
        let pod = |name: &str, image: &str, id: &str| {
            json!({
                "metadata": {"namespace": "n", "name": name, "uid": name},
                "spec": {"containers": [{"name": "c", "image": image}]},
                "status": {"containerStatuses": [{
                    "name": "c", "imageID": id, "containerID": format!("containerd://{name}"), "state": {"running": {}},
                }]},
            })
        };
        let pods = [
            pod("written", "example.com/web:1", "sha256:new"),
            pod("right", "example.com/web:devcluster-1", "sha256:new"),
            pod("old", "example.com/web:devcluster-2", "sha256:old"),
            pod("begun", "example.com/web:devcluster-3", "sha256:old"),
            pod("copied", "example.com/web:1", "sha256:new"),
        ];
        let stands_for =
            BTreeMap::from([("example.com/web:1".to_owned(), BTreeSet::from(["sha256:new".to_owned()]))]);
        let synced = BTreeSet::from(["copied".to_owned(), "begun".to_owned()]);
        let swapped = BTreeMap::from([
            ("example.com/web:devcluster-2".to_owned(), BTreeSet::from(["sha256:older".to_owned()])),
            ("example.com/web:devcluster-3".to_owned(), BTreeSet::from(["sha256:new".to_owned()])),
        ]);
        let left = |developing: bool| {
            let left = left_by_dev(&pods, &stands_for, &synced, developing.then_some(&swapped));
            left.into_iter().map(|stale| stale.running.pod).collect::<Vec<_>>()
        };
        assert_eq!(left(true), ["copied", "old"]);
        assert_eq!(left(false), ["begun", "copied", "old", "right"]);
    }
}
