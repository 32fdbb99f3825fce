//! Which live Pods stand for a workload's current generation, which bytes they run, and eviction of those that run old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::readiness::fields::{count, int, list, text, uid};

/// Objects by the controller that owns them: who made which ReplicaSet, Job and Pod.
#[derive(Debug, Default)]
pub struct Owned<'a> {
    by_owner: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Owned<'a> {
    /// Sorts Pods, ReplicaSets and Jobs by the uid of their controller. Objects without one are left out.
    pub fn new(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut by_owner: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for object in objects {
            let controller = list(object, "/metadata/ownerReferences")
                .iter()
                .find(|owner| owner["controller"].as_bool().unwrap_or(false));
            if let Some(owner) = controller {
                by_owner.entry(text(owner, "/uid")).or_default().push(object);
            }
        }
        for owned in by_owner.values_mut() {
            owned.sort_by_key(|object| name_key(object));
            owned.dedup_by_key(|object| uid(object));
        }
        Self { by_owner }
    }

    /// What an object controls directly.
    pub fn children(&self, owner: &Value) -> &[&'a Value] {
        self.by_owner.get(uid(owner)).map_or(&[], Vec::as_slice)
    }

    /// Every Pod below an object, of old generations too, those being deleted left out.
    pub fn pods(&self, owner: &Value) -> Vec<&'a Value> {
        self.collect(owner, |_, _| true)
    }

    /// The Pods of a workload's current generation, those being deleted left out: of a Deployment those of its newest
    /// ReplicaSet, of a StatefulSet or a DaemonSet those of its newest revision (with a partition or on-delete updates
    /// every Pod counts that is meant to stay as it is). Of any other owner all its Pods.
    pub fn current_pods(&self, owner: &Value) -> Vec<&'a Value> {
        self.collect(owner, is_current)
    }

    fn collect(&self, owner: &Value, keep: impl Fn(&Value, &Value) -> bool + Copy) -> Vec<&'a Value> {
        let mut found = Vec::new();
        let mut owners = vec![owner];
        let mut seen = BTreeSet::new();
        while let Some(owner) = owners.pop() {
            if !seen.insert(uid(owner)) {
                continue;
            }
            for &child in self.children(owner).iter().filter(|child| keep(owner, child)) {
                if text(child, "/kind") == "Pod" {
                    found.push(child);
                } else {
                    owners.push(child);
                }
            }
        }
        found.retain(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        found.sort_by_key(|pod| name_key(pod));
        found
    }
}

fn name_key(object: &Value) -> (&str, &str) {
    (text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

/// Whether `child` belongs to the current generation of `owner`.
fn is_current(owner: &Value, child: &Value) -> bool {
    match (text(owner, "/kind"), text(child, "/kind")) {
        // The deployment controller writes the revision on both sides; until it has, every ReplicaSet may be the one.
        ("Deployment", "ReplicaSet") => {
            text(owner, REVISION).is_empty() || text(owner, REVISION) == text(child, REVISION)
        }
        ("StatefulSet", "Pod") => {
            let revision = text(owner, "/status/updateRevision");
            let on_delete = text(owner, "/spec/updateStrategy/type") == "OnDelete";
            let partition = count(owner, "/spec/updateStrategy/rollingUpdate/partition");
            on_delete
                || revision.is_empty()
                || text(child, "/metadata/labels/controller-revision-hash") == revision
                || ordinal(child).is_some_and(|ordinal| ordinal < partition)
        }
        // The hash of a DaemonSet's revision is nowhere in its status; its template's number is.
        ("DaemonSet", "Pod") => {
            let template = text(owner, "/metadata/annotations/deprecated.daemonset.template.generation");
            let of_pod = text(child, "/metadata/labels/pod-template-generation");
            text(owner, "/spec/updateStrategy/type") == "OnDelete"
                || template.is_empty()
                || of_pod.is_empty()
                || template == of_pod
        }
        _ => true,
    }
}

/// A StatefulSet Pod's number.
fn ordinal(pod: &Value) -> Option<i64> {
    text(pod, "/metadata/name").rsplit_once('-')?.1.parse().ok()
}

/// What one running container runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningContainer {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name.
    pub pod: String,
    /// The Pod's uid, which tells it from a later one of the same name.
    pub uid: String,
    /// The node it runs on.
    pub node: String,
    /// The container's name.
    pub container: String,
    /// The image as the Pod's specification names it.
    pub image: String,
    /// What the runtime runs: `sha256:...` of the image's configuration, or `name@sha256:...` of its manifest.
    pub image_id: String,
    /// The container's id, as containerd has it: another after each start.
    pub container_id: String,
}

impl RunningContainer {
    /// The digest of what it runs.
    pub fn digest(&self) -> &str {
        digest(&self.image_id)
    }
}

/// What every running container of these Pods runs; sidecars among them, init containers that have ended not. Pods that
/// are being deleted are left out.
pub fn running_bytes<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Vec<RunningContainer> {
    let mut running: Vec<RunningContainer> = pods
        .into_iter()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .flat_map(|pod| {
            let init = containers(pod, "/spec/initContainers", "/status/initContainerStatuses");
            init.chain(containers(pod, "/spec/containers", "/status/containerStatuses"))
        })
        .collect();
    running.sort();
    running
}

fn containers<'a>(
    pod: &'a Value,
    specs: &str,
    statuses: &str,
) -> impl Iterator<Item = RunningContainer> + use<'a> {
    let statuses = list(pod, statuses);
    list(pod, specs).iter().filter_map(move |spec| {
        let name = text(spec, "/name");
        let status = statuses.iter().find(|status| text(status, "/name") == name)?;
        status.pointer("/state/running")?;
        Some(RunningContainer {
            namespace: text(pod, "/metadata/namespace").into(),
            pod: text(pod, "/metadata/name").into(),
            uid: uid(pod).into(),
            node: text(pod, "/spec/nodeName").into(),
            container: name.into(),
            image: text(spec, "/image").into(),
            image_id: text(status, "/imageID").into(),
            container_id: text(status, "/containerID").trim_start_matches("containerd://").into(),
        })
    })
}

/// A container that runs other bytes than its image's name stands for now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleContainer {
    /// What it runs.
    pub running: RunningContainer,
    /// The digests its image's name stands for on its node.
    pub wanted: BTreeSet<String>,
}

/// The containers that run old bytes. `stands_for` gives, for a node and an image as Pods name it, every digest that
/// the name may stand for there (of configuration and manifest alike), or `None` where that is not known or not ours.
pub fn stale_containers(
    running: &[RunningContainer],
    stands_for: impl Fn(&str, &str) -> Option<BTreeSet<String>>,
) -> Vec<StaleContainer> {
    running
        .iter()
        .filter(|container| !container.image_id.is_empty())
        .filter_map(|container| {
            let wanted = stands_for(&container.node, &container.image)?;
            let runs = digest(&container.image_id);
            let current = wanted.iter().any(|wanted| digest(wanted) == runs);
            (!current).then(|| StaleContainer { running: container.clone(), wanted })
        })
        .collect()
}

/// The digest in an image ID: `docker.io/library/a@sha256:1`, `docker-pullable://a@sha256:1` and `sha256:1` give `sha256:1`.
fn digest(image_id: &str) -> &str {
    let id = image_id.rsplit_once("://").map_or(image_id, |(_, id)| id);
    id.rsplit_once('@').map_or(id, |(_, digest)| digest)
}

/// Why a Pod was not evicted.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    /// A disruption budget forbade it until the time was over.
    #[error("Pod {namespace}/{pod} was not evicted within {} s: {message}", .waited.as_secs())]
    Blocked {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
        /// What the API server said, naming the budget.
        message: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// The API server refused it otherwise, or could not be asked.
    #[error("Pod {namespace}/{pod} cannot be evicted: {source}")]
    Refused {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
        /// What the API server or the connection said.
        source: Box<kube::Error>,
    },
}

/// Evicts one Pod and leaves its owner to make the next: disruption budgets are respected, an eviction that one
/// forbids now is tried again until `timeout` is over. `uid` keeps a later Pod of the same name safe. Done when the
/// eviction is granted or the Pod is gone; it may still be ending then.
pub async fn evict(
    client: &kube::Client,
    namespace: &str,
    pod: &str,
    uid: &str,
    timeout: Duration,
) -> Result<(), EvictError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let started = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        let answer =
            pods.create_subresource::<_, Value>("eviction", pod, &PostParams::default(), &eviction).await;
        let refusal = match answer {
            Ok(_) => return Ok(()),
            // Gone, or another Pod has its name now: either way the one that was meant no longer runs.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 && status.message.contains("recondition") => {
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 429 => status,
            Err(source) => {
                return Err(EvictError::Refused {
                    namespace: namespace.into(),
                    pod: pod.into(),
                    source: Box::new(source),
                });
            }
        };
        if started.elapsed() + pause > timeout {
            return Err(EvictError::Blocked {
                namespace: namespace.into(),
                pod: pod.into(),
                message: blocked_message(&refusal),
                waited: started.elapsed(),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// The budget's sentence is in the causes, beside a message that says no more than "cannot evict".
fn blocked_message(status: &kube::core::Status) -> String {
    let causes: Vec<&str> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| cause.message.as_str())
        .filter(|message| !message.is_empty())
        .collect();
    if causes.is_empty() { status.message.clone() } else { causes.join("; ") }
}

/// How often the containers of a Pod were restarted, by name.
pub fn restarts(pod: &Value) -> BTreeMap<String, i64> {
    super::readiness::pod::statuses(pod)
        .map(|(status, _)| (text(status, "/name").to_owned(), int(status, "/restartCount").unwrap_or(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(kind: &str, name: &str, owner: &str, more: &Value) -> Value {
        let mut object = json!({"kind": kind, "metadata": {
            "namespace": "shop", "name": name, "uid": format!("{name}-uid"),
            "ownerReferences": [{"uid": format!("{owner}-uid"), "controller": true}],
        }});
        json_patch::merge(&mut object, more);
        object
    }

    fn names(pods: &[&Value]) -> Vec<String> {
        pods.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect()
    }

    #[test]
    fn a_deployment_stands_by_the_pods_of_its_newest_replica_set() {
        let revision =
            |n: &str| json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": n}}});
        let mut web = json!({"kind": "Deployment", "metadata": {"uid": "web-uid"}});
        json_patch::merge(&mut web, &revision("2"));
        let objects = [
            owned("ReplicaSet", "old", "web", &revision("1")),
            owned("ReplicaSet", "new", "web", &revision("2")),
            owned("Pod", "old-a", "old", &json!({})),
            owned("Pod", "new-b", "new", &json!({})),
            owned("Pod", "new-a", "new", &json!({})),
            owned(
                "Pod",
                "new-gone",
                "new",
                &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            ),
            owned("Pod", "other", "else", &json!({})),
        ];
        let owners = Owned::new(&objects);
        assert_eq!(names(&owners.current_pods(&web)), ["new-a", "new-b"]);
        assert_eq!(names(&owners.pods(&web)), ["new-a", "new-b", "old-a"]);
    }

    #[test]
    fn a_stateful_set_keeps_old_pods_below_its_partition() {
        let hash = |h: &str| json!({"metadata": {"labels": {"controller-revision-hash": h}}});
        let mut db =
            json!({"kind": "StatefulSet", "metadata": {"uid": "db-uid"}, "status": {"updateRevision": "r2"}});
        let objects = [
            owned("Pod", "db-0", "db", &hash("r1")),
            owned("Pod", "db-1", "db", &hash("r1")),
            owned("Pod", "db-2", "db", &hash("r2")),
        ];
        let owners = Owned::new(&objects);
        assert_eq!(names(&owners.current_pods(&db)), ["db-2"]);
        db["spec"] = json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}});
        assert_eq!(names(&owners.current_pods(&db)), ["db-0", "db-2"]);
        db["spec"] = json!({"updateStrategy": {"type": "OnDelete"}});
        assert_eq!(names(&owners.current_pods(&db)), ["db-0", "db-1", "db-2"]);
    }

    #[test]
    fn a_daemon_set_stands_by_the_pods_of_its_newest_template() {
        let label = |n: &str| json!({"metadata": {"labels": {"pod-template-generation": n}}});
        let agent = json!({"kind": "DaemonSet", "metadata": {"uid": "agent-uid",
            "annotations": {"deprecated.daemonset.template.generation": "3"}}});
        let objects = [owned("Pod", "a", "agent", &label("2")), owned("Pod", "b", "agent", &label("3"))];
        assert_eq!(names(&Owned::new(&objects).current_pods(&agent)), ["b"]);
    }

    fn pod(image_id: &str, state: &Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": "web", "uid": "u"},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "web:1"}]},
            "status": {"containerStatuses": [{"name": "c", "imageID": image_id, "state": state}]}})
    }

    #[test]
    fn only_running_containers_run_bytes() {
        let running = [pod("sha256:1", &json!({"running": {}})), pod("sha256:1", &json!({"waiting": {}}))];
        let bytes = running_bytes(&running);
        assert_eq!(bytes.len(), 1);
        assert_eq!((bytes[0].image.as_str(), bytes[0].image_id.as_str()), ("web:1", "sha256:1"));
    }

    #[test]
    fn old_bytes_are_told_by_digest_whatever_form_the_runtime_gives() {
        let forms = ["docker.io/library/web@sha256:aa", "sha256:aa", "docker-pullable://web@sha256:aa"];
        for form in forms {
            let running = running_bytes([&pod(form, &json!({"running": {}}))]);
            let wants = |digest: &str| {
                let set = BTreeSet::from([digest.to_owned()]);
                stale_containers(&running, |node, image| {
                    assert_eq!((node, image), ("n1", "web:1"));
                    Some(set.clone())
                })
            };
            assert!(wants("sha256:aa").is_empty(), "{form}");
            assert!(wants("web@sha256:aa").is_empty(), "{form}");
            assert_eq!(wants("sha256:bb").len(), 1, "{form}");
            assert!(stale_containers(&running, |_, _| None).is_empty(), "{form}");
        }
    }
}
