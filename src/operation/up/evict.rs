//! Replaces Pods that cannot stand beside the next ones: of StatefulSets, DaemonSets, and Deployments without a surge. An owner's
//! go one after the other, each once the one before is replaced and ready, so that of several Pods the others serve meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, GroupVersionKind, ListParams};
use kube::{Resource, ResourceExt};

use crate::apply::pods::{StaleContainer, evict};
use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::event::{Event, Silent};
use crate::manifest::ObjectId;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::up::restart::remaining;
use crate::words::counted;

/// How often it is asked whether the next Pod is ready.
const PAUSE: Duration = Duration::from_millis(100);
/// After how long one that is not ready is looked at for why. By then its owner's status speaks of it.
const DIAGNOSED: Duration = Duration::from_secs(3);

/// What controls some of the Pods, and these, by their order of going: of a StatefulSet the last first, as its controller has
/// it.
struct Owner {
    uid: String,
    id: ObjectId,
    resource: ApiResource,
    pods: Vec<(String, String)>,
}

/// Evicts the Pods of stale containers as disruption budgets allow, and waits until each is replaced.
pub async fn run(
    session: &Session,
    existing: &Existing,
    stale: &[StaleContainer],
    deadline: Instant,
) -> Result<(), OperationError> {
    let pods: BTreeSet<(&str, &str, &str)> = stale
        .iter()
        .map(|StaleContainer { running, .. }| {
            (running.namespace.as_str(), running.pod.as_str(), running.uid.as_str())
        })
        .collect();
    if pods.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let (owners, others) = owners(existing, &pods).await?;
    let step = "restart".to_owned();
    let count = counted(pods.len(), "Pod");
    let what =
        format!("{count} that cannot make way without a gap, for the next ones come when they have gone");
    session.reporter.report(Event::Started { step: step.clone(), what });
    for owner in &owners {
        let pods: Vec<&str> = owner.pods.iter().map(|(name, _)| name.as_str()).collect();
        let text = format!(
            "{} has a gap: each of its Pods ends before the next one starts: {}",
            owner.id,
            pods.join(", ")
        );
        session.reporter.report(Event::Warning(text));
    }
    let client = &existing.cluster.client;
    try_join_all(owners.iter().map(|owner| owner.replace(existing, deadline))).await?;
    for (namespace, pod, uid) in others {
        evict(client, namespace, pod, uid, remaining(deadline)).await?;
    }
    let what = format!("{count} evicted and replaced, their owners untouched");
    session.reporter.report(Event::Done { step, what, took: started.elapsed() });
    Ok(())
}

type Named<'a> = (&'a str, &'a str, &'a str);

/// The owners that make new Pods for old ones at once, and the Pods of others: bare ones, and those of Jobs and of kinds that we
/// do not know.
async fn owners<'a>(
    existing: &Existing,
    pods: &BTreeSet<Named<'a>>,
) -> Result<(Vec<Owner>, Vec<Named<'a>>), OperationError> {
    let mut owners: BTreeMap<String, Owner> = BTreeMap::new();
    let mut others = Vec::new();
    for (namespace, name, uid) in pods.iter().rev() {
        let found = api(existing, namespace).get_opt(name).await;
        let found = found
            .map_err(|error| OperationError::request(format!("read Pod {namespace}/{name}"), error))?
            .filter(|pod| pod.uid().as_deref() == Some(uid));
        let owner = found.as_ref().and_then(owner);
        match owner {
            Some(owner) => {
                let owner = owners.entry(owner.uid.clone()).or_insert(owner);
                owner.pods.push(((*name).to_owned(), (*uid).to_owned()));
            }
            None => others.push((*namespace, *name, *uid)),
        }
    }
    Ok((owners.into_values().collect(), others))
}

fn api(existing: &Existing, namespace: &str) -> Api<Pod> {
    Api::namespaced(existing.cluster.client.clone(), namespace)
}

/// A Pod's controller, where it makes new Pods for those that go.
fn owner(pod: &Pod) -> Option<Owner> {
    let owners = pod.meta().owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    let (group, version) = owner.api_version.split_once('/')?;
    if group != "apps" {
        return None;
    }
    let id = ObjectId {
        group: group.into(),
        kind: owner.kind.clone(),
        namespace: pod.namespace().unwrap_or_default(),
        name: owner.name.clone(),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind));
    Some(Owner { uid: owner.uid.clone(), id, resource, pods: Vec::new() })
}

impl Owner {
    async fn replace(&self, existing: &Existing, deadline: Instant) -> Result<(), OperationError> {
        for (pod, uid) in &self.pods {
            let before = self.standing(existing, uid).await?.1;
            evict(&existing.cluster.client, &self.id.namespace, pod, uid, remaining(deadline)).await?;
            self.ready(existing, uid, before, deadline).await?;
        }
        Ok(())
    }

    /// How many of its Pods are ready and do not end, without the one that goes, and how many there are with it.
    async fn standing(&self, existing: &Existing, going: &str) -> Result<(usize, usize), OperationError> {
        let pods = api(existing, &self.id.namespace).list(&ListParams::default()).await;
        let pods =
            pods.map_err(|error| OperationError::request(format!("list Pods of {}", self.id), error))?;
        let own = |pod: &&Pod| {
            pod.metadata.deletion_timestamp.is_none() && owner(pod).is_some_and(|owner| owner.uid == self.uid)
        };
        let own: Vec<&Pod> = pods.iter().filter(own).collect();
        let others = own.iter().filter(|pod| pod.uid().as_deref() != Some(going));
        Ok((others.filter(|pod| crate::operation::up::relieve::is_ready(pod)).count(), own.len()))
    }

    /// Waits until as many Pods as before are ready, without the one that went.
    async fn ready(
        &self,
        existing: &Existing,
        gone: &str,
        before: usize,
        deadline: Instant,
    ) -> Result<(), OperationError> {
        let begun = Instant::now();
        while self.standing(existing, gone).await?.0 < before {
            if begun.elapsed() > DIAGNOSED {
                let target =
                    Target { id: self.id.clone(), resource: self.resource.clone(), wanted: Wanted::Ready };
                let options = WaitOptions {
                    timeout: remaining(deadline),
                    wait_for_jobs: false,
                    step: "restart".into(),
                };
                wait(&existing.cluster.client, &[target], &options, &Silent).await?;
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
