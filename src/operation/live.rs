//! The system's Pods as they are now, kept by a watch, so that a save asks nobody anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::gather::Desired;
use super::session::Existing;
use crate::apply::pods::{RunningContainer, running_bytes};

/// The system's Pods. Dropped, the watch ends.
pub struct Live {
    pods: Arc<Mutex<BTreeMap<String, Value>>>,
    changed: watch::Receiver<u64>,
    _task: AbortOnDropHandle<()>,
}

impl Live {
    /// Begins to watch, and waits until all that is there is known.
    pub async fn start(existing: &Existing, desired: &Desired) -> Self {
        let namespaces = desired.namespaces();
        let pods = Arc::new(Mutex::new(BTreeMap::new()));
        let (told, mut changed) = watch::channel(0);
        let api = Api::<Pod>::all(existing.cluster.client.clone());
        let keep = pods.clone();
        let task = tokio::spawn(async move {
            // What the watcher tells again after it lost the connection replaces what was known.
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            let mut first = BTreeMap::new();
            while let Some(event) = events.next().await {
                let mut known = keep.lock().unwrap_or_else(PoisonError::into_inner);
                let whole = match event {
                    Ok(watcher::Event::Init) => {
                        first.clear();
                        false
                    }
                    Ok(watcher::Event::InitApply(pod)) => {
                        insert(&mut first, &namespaces, &pod);
                        false
                    }
                    Ok(watcher::Event::InitDone) => {
                        *known = std::mem::take(&mut first);
                        true
                    }
                    Ok(watcher::Event::Apply(pod)) => {
                        insert(&mut known, &namespaces, &pod);
                        true
                    }
                    Ok(watcher::Event::Delete(pod)) => known.remove(&pod.uid().unwrap_or_default()).is_some(),
                    Err(_) => false,
                };
                drop(known);
                if whole {
                    told.send_modify(|times| *times += 1);
                }
            }
        });
        // An API server that is away is waited for by whoever needs it.
        let _ =
            tokio::time::timeout(std::time::Duration::from_secs(10), changed.wait_for(|times| *times > 0))
                .await;
        changed.mark_unchanged();
        Self { pods, changed, _task: AbortOnDropHandle::new(task) }
    }

    /// The containers that run now.
    pub fn containers(&self) -> Vec<RunningContainer> {
        running_bytes(self.pods.lock().unwrap_or_else(PoisonError::into_inner).values())
    }

    /// The Pods as they are now.
    pub fn pods(&self) -> Vec<Value> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Tells of changes that come from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Waits until something about the Pods has changed.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn insert(known: &mut BTreeMap<String, Value>, namespaces: &BTreeSet<String>, pod: &Pod) {
    let ours = pod.namespace().is_some_and(|namespace| namespaces.contains(&namespace));
    if let (true, Some(uid), Ok(value)) = (ours, pod.uid(), serde_json::to_value(pod)) {
        known.insert(uid, value);
    }
}
