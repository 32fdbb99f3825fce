//! Lets the Pods of a Job of ours past production's NetworkPolicies for as long as the Job takes. Policies add up, so that none of
//! production's is changed: beside each that shuts others out stands one of ours, which selects the same Pods and admits the Job's.
//! It belongs to production's policy and goes with that one at the latest: alone it would shut out everyone else.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::core::{Selector, SelectorExt as _};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::error::OperationError;
use crate::apply::SYSTEM_NAMESPACE;

/// On policies of ours: the Job whose Pods they admit.
const LABEL: &str = "devcluster.dev/admits";

/// Admits the Job's Pods to those that policies of a namespace guard; with labels, where they guard a Pod that has these. Gives the
/// names of those policies.
pub(super) async fn open(
    client: &Client,
    job: &str,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<Vec<String>, OperationError> {
    let api = Api::<NetworkPolicy>::namespaced(client.clone(), namespace);
    let all = api.list(&ListParams::default()).await;
    let all = all.map_err(|error| OperationError::request("list NetworkPolicies", error))?;
    let mut passed = Vec::new();
    for guard in all.items.iter().filter(|policy| guards(policy, labels)) {
        let made = match beside(guard, job) {
            Ok(policy) => api.create(&PostParams::default(), &policy).await,
            Err(error) => Err(kube::Error::SerdeError(error)),
        };
        match made {
            Ok(_) => passed.push(format!("{namespace}/{}", guard.name_any())),
            // It went meanwhile, and with it what it shut out.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                return Err(OperationError::request(format!("admit Job {job} to {namespace}"), error));
            }
        }
    }
    Ok(passed)
}

/// Removes the policies of the Jobs that are meant.
pub(super) async fn close(client: &Client, is_meant: impl Fn(&str) -> bool) -> Result<(), OperationError> {
    let failed = |error| OperationError::request("remove policies that admitted a Job", error);
    let all = Api::<NetworkPolicy>::all(client.clone());
    for policy in all.list(&ListParams::default().labels(LABEL)).await.map_err(failed)?.items {
        if !policy.labels().get(LABEL).is_some_and(|job| is_meant(job)) {
            continue;
        }
        let namespace = policy.namespace().unwrap_or_default();
        let api = Api::<NetworkPolicy>::namespaced(client.clone(), &namespace);
        match api.delete(&policy.name_any(), &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Whether a policy that is not ours says who may reach the Pods that it selects.
fn guards(policy: &NetworkPolicy, labels: Option<&BTreeMap<String, String>>) -> bool {
    if policy.labels().contains_key(LABEL) {
        return false;
    }
    let spec = policy.spec.clone().unwrap_or_default();
    let of_ingress = spec.policy_types.is_none_or(|types| types.iter().any(|kind| kind == "Ingress"));
    let selects = labels.is_none_or(|labels| {
        let selector = Selector::try_from(spec.pod_selector.unwrap_or_default());
        selector.is_ok_and(|selector| selector.matches(labels))
    });
    of_ingress && selects
}

/// The policy that stands beside one of production's.
fn beside(guard: &NetworkPolicy, job: &str) -> Result<NetworkPolicy, serde_json::Error> {
    let of = guard.name_any();
    let digest = blake3::hash(of.as_bytes()).to_hex();
    let selector = guard.spec.as_ref().and_then(|spec: &NetworkPolicySpec| spec.pod_selector.clone());
    let from = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM_NAMESPACE}},
        "podSelector": {"matchLabels": {"batch.kubernetes.io/job-name": job}},
    });
    let owner = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "name": of, "uid": guard.uid()});
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("devcluster-{job}-{}", &digest[..6]),
            "labels": {LABEL: job},
            "ownerReferences": [owner],
        },
        "spec": {
            "podSelector": selector.unwrap_or_default(),
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [from]}],
        },
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn policy(metadata: &Value, spec: &Value) -> NetworkPolicy {
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn those_that_guard_are_known() {
        let named = json!({"name": "deny"});
        let web = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let other = json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]});
        assert!(guards(&policy(&named, &json!({"podSelector": {}})), None));
        assert!(guards(&policy(&named, &json!({"podSelector": {}})), Some(&web)));
        assert!(guards(&policy(&named, &json!({"podSelector": other})), None));
        assert!(!guards(&policy(&named, &json!({"podSelector": other})), Some(&web)));
        assert!(!guards(&policy(&named, &json!({"podSelector": {}, "policyTypes": ["Egress"]})), None));
        let ours = json!({"name": "ours", "labels": {LABEL: "ci-load-ab12cd"}});
        assert!(!guards(&policy(&ours, &json!({"podSelector": {}})), None));
    }

    #[test]
    fn ours_selects_the_same_pods_and_goes_with_the_other() {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]});
        let guard = policy(&json!({"name": "deny", "uid": "u-1"}), &json!({"podSelector": selector}));
        let value = serde_json::to_value(beside(&guard, "ci-load-ab12cd").unwrap()).unwrap();
        assert_eq!(value["spec"]["podSelector"], selector);
        assert_eq!(value["metadata"]["ownerReferences"][0]["uid"], "u-1");
        let from = &value["spec"]["ingress"][0]["from"][0];
        assert_eq!(from["podSelector"]["matchLabels"]["batch.kubernetes.io/job-name"], "ci-load-ab12cd");
        assert_eq!(from["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], SYSTEM_NAMESPACE);
    }
}
