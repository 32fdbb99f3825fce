//! Eviction of Pods, which their owners then make anew.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

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
