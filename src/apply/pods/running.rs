//! Which bytes running containers run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::super::readiness::fields::{int, list, text, uid};

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

/// How often the containers of a Pod were restarted, by name.
pub fn restarts(pod: &Value) -> BTreeMap<String, i64> {
    super::super::readiness::pod::statuses(pod)
        .map(|(status, _)| (text(status, "/name").to_owned(), int(status, "/restartCount").unwrap_or(0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
