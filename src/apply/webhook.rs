//! Webhooks are applied once something answers behind them: applied earlier, they would refuse the very Pods that answer.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use super::client::Cluster;
use super::error::ApplyError;
use crate::manifest::Object;

/// The Services that a webhook configuration calls, `(namespace, name)`.
pub fn backends(object: &Object) -> BTreeSet<(String, String)> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let webhooks = object.value.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    webhooks
        .filter_map(|webhook| webhook.pointer("/clientConfig/service"))
        .filter_map(|service| Some((text(service, "namespace")?, text(service, "name")?)))
        .collect()
}

/// Waits until each Service that `object` calls, and that is among `objects`, has a ready endpoint.
pub async fn wait_for_backends(
    cluster: &Cluster,
    object: &Object,
    objects: &[Object],
    patience: Duration,
) -> Result<(), ApplyError> {
    for (namespace, name) in backends(object) {
        let ours = objects.iter().any(|other| {
            other.kind() == "Service"
                && other.gvk().group.is_empty()
                && other.namespace() == namespace
                && other.name() == name
        });
        if !ours {
            continue;
        }
        let ready = tokio::time::timeout(patience, has_endpoint(cluster, &namespace, &name)).await;
        match ready {
            Ok(Ok(true)) => {}
            Ok(Err(error)) => {
                return Err(ApplyError::Request {
                    what: format!("watch the endpoints of {namespace}/{name}"),
                    message: error.to_string(),
                });
            }
            Ok(Ok(false)) | Err(_) => {
                return Err(ApplyError::WebhookBackend {
                    webhook: Box::new(object.id()),
                    service: format!("{namespace}/{name}"),
                    namespace,
                    seconds: patience.as_secs(),
                });
            }
        }
    }
    Ok(())
}

/// Resolves once the Service has a ready endpoint; false where the watch ends before that.
async fn has_endpoint(cluster: &Cluster, namespace: &str, name: &str) -> Result<bool, watcher::Error> {
    let slices: Api<EndpointSlice> = Api::namespaced(cluster.client.clone(), namespace);
    let config = watcher::Config::default().labels(&format!("kubernetes.io/service-name={name}"));
    let mut found = std::pin::pin!(watcher(slices, config).default_backoff().applied_objects());
    while let Some(slice) = found.try_next().await? {
        let ready = slice.endpoints.iter().any(|endpoint| {
            // Unset means ready, as the API has it.
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
        });
        if ready {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    #[test]
    fn the_services_behind_webhooks() {
        let webhook = |service: Value| json!({"name": "a", "clientConfig": service});
        let object = Object {
            value: json!({"kind": "ValidatingWebhookConfiguration", "webhooks": [
                webhook(json!({"service": {"namespace": "cert-manager", "name": "webhook", "port": 443}})),
                webhook(json!({"url": "https://example.com"})),
                webhook(json!({"service": {"namespace": "cert-manager", "name": "webhook"}})),
            ]}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        };
        assert_eq!(backends(&object), [("cert-manager".to_owned(), "webhook".to_owned())].into());
    }
}
