//! What can be swapped in a Pod and how: in place, by another Pod, or not at all.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{LogParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::apply::MANAGER;
use crate::apply::pods::RunningContainer;
use crate::operation::error::OperationError;
use crate::operation::session::Existing;

/// How a container gets another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Its image is patched, in `containers`.
    InPlace,
    /// Its image is patched, in `initContainers`: it is a sidecar.
    Sidecar,
    /// Its Pod is replaced: it ran when the Pod started.
    Replace,
    /// Not at all, for it belongs to a Job.
    Job,
    /// Not at all, for its kubelet has it from a file.
    Static,
    /// Not at all, for it was added for debugging.
    Ephemeral,
}

impl Manner {
    /// Why it is left alone, where it is.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::InPlace | Self::Sidecar | Self::Replace => None,
            Self::Job => Some(
                "it belongs to a Job, which runs to its end as it began; key j runs the Jobs of the manifests anew",
            ),
            Self::Static => Some("its kubelet has it from a file on the node"),
            Self::Ephemeral => Some("it was added for debugging and cannot change"),
        }
    }
}

/// Every container of a Pod that has an image, and how it would get another.
pub fn containers(pod: &Value) -> Vec<(&str, &str, Manner)> {
    let owner = pod.pointer("/metadata/ownerReferences/0/kind").and_then(Value::as_str).unwrap_or_default();
    let whole = if owner == "Job" {
        Some(Manner::Job)
    } else if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
        Some(Manner::Static)
    } else {
        None
    };
    let lists = [
        ("initContainers", Manner::Replace),
        ("containers", Manner::InPlace),
        ("ephemeralContainers", Manner::Ephemeral),
    ];
    let of = |(list, manner): (&str, Manner)| {
        let containers = pod["spec"][list].as_array().map(Vec::as_slice).unwrap_or_default();
        let containers = containers.iter().filter_map(move |container| {
            let sidecar = manner == Manner::Replace && container["restartPolicy"] == "Always";
            let manner = whole.unwrap_or(if sidecar { Manner::Sidecar } else { manner });
            Some((container["name"].as_str()?, container["image"].as_str()?, manner))
        });
        containers.collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(of).collect()
}

/// The status of a Pod's container.
pub(in crate::operation) fn status<'p>(pod: &'p Value, container: &str) -> Option<&'p Value> {
    let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
    let mut statuses =
        lists.into_iter().flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    statuses.find(|status| status["name"] == container)
}

/// What the runtime ran of a container last, running or ended.
pub fn image_id<'p>(pod: &'p Value, container: &str) -> Option<&'p str> {
    status(pod, container)?["imageID"].as_str().filter(|id| !id.is_empty())
}

/// Whether a container runs now.
pub fn is_running(pod: &Value, container: &str) -> bool {
    status(pod, container).is_some_and(|status| status["state"]["running"].is_object())
}

/// Patches one container's image.
pub async fn patch(
    existing: &Existing,
    container: &RunningContainer,
    manner: Manner,
    image: &str,
) -> Result<(), OperationError> {
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &container.namespace);
    let list = if manner == Manner::Sidecar { "initContainers" } else { "containers" };
    let patch = json!({"metadata": {"uid": container.uid}, "spec": {list: [{"name": container.container, "image": image}]}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api.patch(&container.pod, &params, &Patch::Strategic(&patch)).await {
        Ok(_) => Ok(()),
        // Gone, or another has its name: its owner makes a Pod that starts with the new bytes.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(OperationError::request(what(container), error)),
    }
}

/// What is done, as a verb phrase.
pub fn what(container: &RunningContainer) -> String {
    format!("swap the image of {} in Pod {}/{}", container.container, container.namespace, container.pod)
}

/// What came of a swap to `image`; none while it goes on. `pod` is the Pod as it is now, none where it is gone.
pub fn outcome(
    pod: Option<&Value>,
    container: &str,
    image: &str,
    is_new: impl Fn(&str) -> bool,
) -> Option<Result<(), String>> {
    let Some(pod) = pod else {
        // Its owner replaced it; what comes starts from the image's own name, which stands for the new bytes.
        return Some(Ok(()));
    };
    let status = status(pod, container)?;
    let waiting = &status["state"]["waiting"];
    let reason = waiting["reason"].as_str().unwrap_or_default();
    let message = waiting["message"].as_str().unwrap_or_default();
    let runs_new = is_new(status["imageID"].as_str().unwrap_or_default());
    let failed = match reason {
        // For a moment the kubelet may hold back what ran before, which was killed.
        "CrashLoopBackOff" | "RunContainerError" | "CreateContainerError" => runs_new,
        "ErrImagePull" | "ImagePullBackOff" => message.contains(image),
        _ => false,
    };
    if failed {
        return Some(Err(format!("{reason}: {message}")));
    }
    (status["ready"] == true && runs_new).then_some(Ok(()))
}

/// The last lines that a container said, of the one before where it was started again.
pub async fn last_words(existing: &Existing, container: &RunningContainer) -> String {
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &container.namespace);
    for previous in [true, false] {
        let params = LogParams {
            container: Some(container.container.clone()),
            tail_lines: Some(10),
            previous,
            ..LogParams::default()
        };
        let asked = tokio::time::timeout(Duration::from_secs(3), api.logs(&container.pod, &params)).await;
        if let Ok(Ok(said)) = asked
            && !said.trim().is_empty()
        {
            return format!("; its last words:\n  {}", said.trim_end().replace('\n', "\n  "));
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_gets_its_image_as_its_kind_allows() {
        let mut pod = json!({
            "metadata": {"ownerReferences": [{"kind": "ReplicaSet"}]},
            "spec": {
                "initContainers": [
                    {"name": "migrate", "image": "a"},
                    {"name": "proxy", "image": "b", "restartPolicy": "Always"}
                ],
                "containers": [{"name": "web", "image": "c"}],
                "ephemeralContainers": [{"name": "debugger", "image": "d"}]
            }
        });
        let manners =
            |pod: &Value| containers(pod).into_iter().map(|(_, _, manner)| manner).collect::<Vec<_>>();
        assert_eq!(manners(&pod), [Manner::Replace, Manner::Sidecar, Manner::InPlace, Manner::Ephemeral]);
        pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
        assert!(manners(&pod).iter().all(|manner| *manner == Manner::Job));
    }

    #[test]
    fn a_swap_ends_when_the_new_bytes_are_ready_or_cannot_be() {
        let pod = |status: Value| json!({"status": {"containerStatuses": [status]}});
        let is_new = |id: &str| id == "new";
        let of = |status: Value| outcome(Some(&pod(status)), "web", "web:2", is_new);
        assert_eq!(of(json!({"name": "web", "ready": true, "imageID": "old"})), None);
        assert_eq!(of(json!({"name": "web", "ready": false, "imageID": "new"})), None);
        assert_eq!(of(json!({"name": "web", "ready": true, "imageID": "new"})), Some(Ok(())));
        let crashed = |id: &str| {
            let waiting = json!({"reason": "CrashLoopBackOff", "message": "m"});
            json!({"name": "web", "imageID": id, "state": {"waiting": waiting}})
        };
        assert_eq!(of(crashed("new")), Some(Err("CrashLoopBackOff: m".into())));
        assert_eq!(of(crashed("old")), None, "what ran before was killed");
        assert_eq!(outcome(None, "web", "web:2", is_new), Some(Ok(())));
    }
}
