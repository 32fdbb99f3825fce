//! Replaces Pods of Deployments whose image's bytes changed under an unchanged template, without a gap: the old Pod's
//! `pod-template-hash` is changed, so that its ReplicaSet lets it go and makes a new one at once. The old one still has the
//! labels that Services select by, and serves until the new one is ready; then it is deleted as any Pod is.
//!
//! As many are let go at a time as the Deployment's strategy lets stand beside the others. A label of ours marks a Pod that
//! was let go, so that whoever comes after a run that died finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::apply::pods::StaleContainer;
use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::event::Event;
use crate::manifest::ObjectId;
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::session::{Existing, Session};
use crate::operation::up::restart::remaining;
use crate::words::counted;

/// The label of Pods that were let go; its value is the hash they had.
const LABEL: &str = "devcluster.dev/let-go";
const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
/// How often it is asked whether new Pods are ready.
const PAUSE: Duration = Duration::from_millis(100);
/// After how long new Pods that are not ready are looked at for why.
const DIAGNOSED: Duration = Duration::from_secs(3);

/// Whether one of these Pods was let go by a run that died.
pub fn is_left(pods: &[Value]) -> bool {
    let label = format!("/metadata/labels/{}", LABEL.replace('/', "~1"));
    pods.iter()
        .any(|pod| pod.pointer(&label).is_some() && pod.pointer("/metadata/deletionTimestamp").is_none())
}

/// A Deployment with the ReplicaSet that makes its Pods now, and the old Pods.
struct Shift {
    namespace: String,
    name: String,
    replica_set: String,
    hash: String,
    replicas: usize,
    surge: usize,
    old: Vec<Pod>,
}

/// Replaces the Pods of stale containers that a Deployment makes, and those that a run before let go. Gives the stale
/// containers of the others.
pub async fn run(
    session: &Session,
    existing: &Existing,
    stale: &[StaleContainer],
    deadline: Instant,
) -> Result<Vec<StaleContainer>, OperationError> {
    let started = Instant::now();
    let client = &existing.cluster.client;
    let all = Api::<Pod>::all(client.clone());
    let left = all.list(&ListParams::default().labels(LABEL)).await;
    let left = left.map_err(|error| OperationError::request("list Pods that were let go", error))?;
    let is_ending = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    let left: Vec<Pod> = left.items.into_iter().filter(|pod| !is_ending(pod)).collect();
    let namespaces: BTreeSet<&str> = stale.iter().map(|one| one.running.namespace.as_str()).collect();
    let uids: BTreeSet<&str> = stale.iter().map(|one| one.running.uid.as_str()).collect();
    let mut shifts = Vec::new();
    let mut handled: BTreeSet<String> = left.iter().filter_map(ResourceExt::uid).collect();
    for namespace in namespaces {
        let found = shifts_in(existing, namespace, &uids, &mut handled).await?;
        shifts.extend(found);
    }
    let count: usize = shifts.iter().map(|shift| shift.old.len()).sum::<usize>() + left.len();
    if count > 0 {
        let what = format!("{} make way for new ones without a gap", counted(count, "Pod"));
        session.reporter.report(Event::Started { step: "replace".into(), what });
        try_join_all(shifts.iter().map(|shift| shift.run(existing, deadline))).await?;
        finish(existing, &left, deadline).await?;
        let what = format!("{} replaced, each once the new one was ready", counted(count, "Pod"));
        session.reporter.report(Event::Done { step: "replace".into(), what, took: started.elapsed() });
    }
    Ok(stale.iter().filter(|one| !handled.contains(&one.running.uid)).cloned().collect())
}

/// The Deployments of a namespace that make some of these Pods. Pods of a Deployment's earlier ReplicaSets are its own
/// controller's to replace: they count as handled.
async fn shifts_in(
    existing: &Existing,
    namespace: &str,
    uids: &BTreeSet<&str>,
    handled: &mut BTreeSet<String>,
) -> Result<Vec<Shift>, OperationError> {
    let client = &existing.cluster.client;
    let failed = |error| OperationError::request(format!("list what makes Pods in {namespace}"), error);
    let everything = ListParams::default();
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), namespace);
    let (pods, sets) = tokio::try_join!(pods.list(&everything), sets.list(&everything)).map_err(failed)?;
    let is_old = |pod: &Pod| pod.uid().is_some_and(|uid| uids.contains(uid.as_str()));
    let mut by_set: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
    for pod in pods.items.into_iter().filter(is_old) {
        if let Some(("ReplicaSet", uid, _)) = controller(&pod) {
            by_set.entry(uid.to_owned()).or_default().push(pod);
        }
    }
    let mut shifts = Vec::new();
    for set in &sets.items {
        let Some(old) = set.uid().and_then(|uid| by_set.remove(&uid)) else { continue };
        let Some(("Deployment", _, name)) = controller(set) else { continue };
        let deployment = settled(existing, namespace, name).await?;
        let uids: Vec<String> = old.iter().filter_map(ResourceExt::uid).collect();
        if deployment.annotations().get(REVISION) != set.annotations().get(REVISION) {
            handled.extend(uids);
            continue;
        }
        if let Some(shift) = shift(&deployment, set, old) {
            handled.extend(uids);
            shifts.push(shift);
        }
    }
    Ok(shifts)
}

/// What controls an object: kind, uid and name.
fn controller<T: Resource>(object: &T) -> Option<(&str, &str, &str)> {
    let owners = object.meta().owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some((&owner.kind, &owner.uid, &owner.name))
}

/// A Deployment whose controller has seen what it says now.
async fn settled(existing: &Existing, namespace: &str, name: &str) -> Result<Deployment, OperationError> {
    let api = Api::<Deployment>::namespaced(existing.cluster.client.clone(), namespace);
    let begun = Instant::now();
    loop {
        let found = api.get(name).await;
        let found = found
            .map_err(|error| OperationError::request(format!("read Deployment {namespace}/{name}"), error))?;
        let seen = found.status.as_ref().and_then(|status| status.observed_generation);
        if seen >= found.metadata.generation || begun.elapsed() > Duration::from_secs(10) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How Pods are replaced; none where the strategy has no Pod stand beside the others.
fn shift(deployment: &Deployment, set: &ReplicaSet, old: Vec<Pod>) -> Option<Shift> {
    let spec = deployment.spec.as_ref()?;
    let replicas = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or_default();
    let strategy = spec.strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
        return None;
    }
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = surge(rolling.and_then(|rolling| rolling.max_surge.as_ref()), replicas);
    let hash = set.labels().get(HASH)?.clone();
    (surge > 0).then(|| Shift {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        replica_set: set.uid().unwrap_or_default(),
        hash,
        replicas,
        surge,
        old,
    })
}

/// How many Pods may stand beside the others: a quarter where nothing is said.
fn surge(written: Option<&IntOrString>, replicas: usize) -> usize {
    let percent = |percent: usize| (replicas * percent).div_ceil(100);
    match written {
        None => percent(25),
        Some(IntOrString::Int(count)) => usize::try_from(*count).unwrap_or_default(),
        Some(IntOrString::String(text)) => {
            text.trim_end_matches('%').parse().map_or_else(|_| percent(25), percent)
        }
    }
}

impl Shift {
    fn pods(&self, existing: &Existing) -> Api<Pod> {
        Api::namespaced(existing.cluster.client.clone(), &self.namespace)
    }

    async fn run(&self, existing: &Existing, deadline: Instant) -> Result<(), OperationError> {
        for batch in self.old.chunks(self.surge) {
            for pod in batch {
                self.let_go(existing, pod).await?;
            }
            fault::point("release-let-go");
            self.ready(existing, deadline).await?;
            for pod in batch {
                delete(existing, pod).await?;
            }
        }
        Ok(())
    }

    /// Has the ReplicaSet let a Pod go. One that is gone meanwhile is no matter.
    async fn let_go(&self, existing: &Existing, pod: &Pod) -> Result<(), OperationError> {
        let labels = json!({HASH: format!("{}-let-go", self.hash), LABEL: self.hash});
        let patch = json!({"metadata": {"uid": pod.uid(), "labels": labels}});
        let name = pod.name_any();
        let answer = self.pods(existing).patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        match answer {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => {
                Err(OperationError::request(format!("let Pod {}/{name} go", self.namespace), error))
            }
        }
    }

    /// Waits until as many Pods of the ReplicaSet as there should be are ready. The old ones serve meanwhile.
    async fn ready(&self, existing: &Existing, deadline: Instant) -> Result<(), OperationError> {
        let begun = Instant::now();
        let params = ListParams::default().labels(&format!("{HASH}={}", self.hash));
        loop {
            let pods = self.pods(existing).list(&params).await;
            let pods =
                pods.map_err(|error| OperationError::request(format!("list Pods of {}", self.name), error))?;
            let own = |pod: &&Pod| controller(*pod).is_some_and(|(_, uid, _)| uid == self.replica_set);
            if pods.iter().filter(own).filter(|pod| is_ready(pod)).count() >= self.replicas {
                return Ok(());
            }
            if begun.elapsed() > DIAGNOSED {
                return self.diagnosed(existing, deadline).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits as `up` does, which tells why where waiting is pointless.
    async fn diagnosed(&self, existing: &Existing, deadline: Instant) -> Result<(), OperationError> {
        let target = Target {
            id: ObjectId {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: self.namespace.clone(),
                name: self.name.clone(),
            },
            resource: kube::api::ApiResource::erase::<Deployment>(&()),
            wanted: Wanted::Ready,
        };
        let options =
            WaitOptions { timeout: remaining(deadline), wait_for_jobs: false, step: "replace".into() };
        wait(&existing.cluster.client, &[target], &options, &crate::event::Silent).await?;
        Ok(())
    }
}

/// Whether a Pod is ready and does not end.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready =
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// Deletes Pods that a run before let go, once the Deployments of their namespaces that made them are ready.
async fn finish(existing: &Existing, left: &[Pod], deadline: Instant) -> Result<(), OperationError> {
    let client = &existing.cluster.client;
    for pod in left {
        let (namespace, hash) = (pod.namespace().unwrap_or_default(), pod.labels().get(LABEL).cloned());
        let sets = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
        let params = ListParams::default().labels(&format!("{HASH}={}", hash.unwrap_or_default()));
        let sets = sets.list(&params).await;
        let sets = sets.map_err(|error| OperationError::request("list ReplicaSets", error))?;
        for set in &sets.items {
            let Some(("Deployment", _, name)) = controller(set) else { continue };
            let deployment = settled(existing, &namespace, name).await?;
            let is_current = deployment.annotations().get(REVISION) == set.annotations().get(REVISION);
            if let Some(shift) = shift(&deployment, set, Vec::new()).filter(|_| is_current) {
                shift.ready(existing, deadline).await?;
            }
        }
        delete(existing, pod).await?;
    }
    Ok(())
}

async fn delete(existing: &Existing, pod: &Pod) -> Result<(), OperationError> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &namespace);
    let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
    let answer = api.delete(&name, &DeleteParams { preconditions, ..DeleteParams::default() }).await;
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(OperationError::request(format!("delete Pod {namespace}/{name}"), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_stand_beside_as_the_strategy_has_it() {
        let text = |text: &str| IntOrString::String(text.into());
        assert_eq!(surge(None, 1), 1);
        assert_eq!(surge(None, 8), 2);
        assert_eq!(surge(Some(&IntOrString::Int(0)), 3), 0);
        assert_eq!(surge(Some(&text("50%")), 3), 2);
        assert_eq!(surge(Some(&text("100%")), 0), 0);
    }

    #[test]
    fn what_a_run_before_let_go_is_seen() {
        let pod = |labels: Value| json!({"metadata": {"labels": labels}});
        assert!(!is_left(&[pod(json!({"app": "a"}))]));
        assert!(is_left(&[pod(json!({"devcluster.dev/let-go": "h"}))]));
    }
}
