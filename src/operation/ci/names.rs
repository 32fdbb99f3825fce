//! Waits until Services' names resolve in a cluster that was made just now: the system's own readiness does not ask for it.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::operation::error::OperationError;

/// Where cluster DNS is by custom.
const NAMESPACE: &str = "kube-system";
const SERVICE: &str = "kube-dns";
/// How long is waited; what is slower shows in the commands themselves.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until one of the servers of names is ready, where the cluster has any.
pub(super) async fn resolve(client: &Client) -> Result<(), OperationError> {
    let failed = |error| OperationError::request("look at the cluster's DNS", error);
    let services = Api::<Service>::namespaced(client.clone(), NAMESPACE);
    if services.get_opt(SERVICE).await.map_err(failed)?.is_none() {
        return Ok(());
    }
    let own = ListParams::default().labels(&format!("kubernetes.io/service-name={SERVICE}"));
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), NAMESPACE);
    let until = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < until {
        let found = slices.list(&own).await.map_err(failed)?.items;
        let mut endpoints = found.iter().flat_map(|slice| &slice.endpoints);
        if endpoints.any(|endpoint| endpoint.conditions.as_ref().and_then(|one| one.ready) == Some(true)) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
