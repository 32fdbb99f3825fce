//! A kubeconfig for commands that are run on a copy: the API server lets them at the copies' namespaces and at nothing else.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::handoff::rehearse::{Copies, GROUND};
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};

/// Who the commands are.
const NAME: &str = "devcluster-rehearsal";
/// How long the token counts, in seconds, where its account is not deleted before: longer than the commands of `ci:` take.
const LASTS: u64 = 6 * 3600;

/// Makes an account that may do everything in the copies, and gives a kubeconfig for it.
pub(in crate::operation) async fn kubeconfig(
    session: &Session,
    existing: &Existing,
    copies: &Copies,
) -> Result<String, OperationError> {
    let client = &existing.cluster.client;
    let failed = |error| OperationError::request("give the commands access to the copy", error);
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), GROUND);
    let params = PostParams::default();
    let account = made(json!({"metadata": {"name": NAME}, "automountServiceAccountToken": false}));
    accounts.create(&params, &account?).await.map_err(failed)?;
    for namespace in copies.iter().map(|(_, copy)| copy).chain([GROUND]) {
        let binding: RoleBinding = made(json!({
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": GROUND}],
        }))?;
        Api::namespaced(client.clone(), namespace).create(&params, &binding).await.map_err(failed)?;
    }
    let wanted: TokenRequest = made(json!({"spec": {"audiences": [], "expirationSeconds": LASTS}}))?;
    let request = accounts.create_token_request(NAME, &params, &wanted).await.map_err(failed)?;
    let token = request.status.map(|status| status.token).unwrap_or_default();
    let path = session.state.kubeconfig();
    let unread = |error: std::io::Error| OperationError::Data { path: path.clone(), source: error };
    let own = std::fs::read_to_string(&path).map_err(unread)?;
    let own: Value =
        serde_yaml::from_str(&own).map_err(|error| unread(std::io::Error::other(error.to_string())))?;
    Ok(written(&own, copies.unnamed().unwrap_or(GROUND), &token))
}

/// A kubeconfig that reaches the server of another one's first cluster with a token. JSON is YAML.
fn written(own: &Value, namespace: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": own["clusters"][0]["cluster"]}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": namespace}}],
    })
    .to_string()
}

fn made<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, OperationError> {
    serde_json::from_value(value)
        .map_err(|error| OperationError::request("write", kube::Error::SerdeError(error)))
}
