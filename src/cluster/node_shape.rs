//! Labels, taints, devices and room for Pods of nodes, changed while the cluster lives.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node as ApiNode, Taint};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::engine::Node;
use super::provider::ClusterError;

/// What one node is to carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeMarks {
    /// Labels, beside those Kubernetes sets.
    pub labels: BTreeMap<String, String>,
    /// Taints: key, value, effect.
    pub taints: Vec<(String, String, String)>,
}

/// The annotation on a node that lists the labels we set, so that they can be taken away again.
const OURS: &str = "devcluster.dev/labels";

/// The taint kubeadm puts on a control plane in a cluster of several nodes. On a laptop that node works as well.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The change that gives `node` its marks; none where it has them.
pub fn change(node: &ApiNode, marks: &NodeMarks) -> Option<Value> {
    let labels = node.labels();
    let ours: Vec<&str> =
        node.annotations().get(OURS).map(|list| list.split(',').collect()).unwrap_or_default();
    let mut patch = serde_json::Map::new();
    for (name, value) in &marks.labels {
        if labels.get(name) != Some(value) {
            patch.insert(name.clone(), json!(value));
        }
    }
    for name in ours.iter().filter(|name| !name.is_empty() && !marks.labels.contains_key(**name)) {
        if labels.contains_key(*name) {
            patch.insert((*name).to_owned(), Value::Null);
        }
    }
    let list = marks.labels.keys().cloned().collect::<Vec<_>>().join(",");
    let taints = taints(node, marks);
    let current = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    if patch.is_empty() && list == ours.join(",") && taints == current {
        return None;
    }
    Some(json!({
        "metadata": {"labels": patch, "annotations": {OURS: list}},
        "spec": {"taints": taints},
    }))
}

/// The taints a node is to have: ours, and those Kubernetes puts there by itself (not ready, under pressure).
fn taints(node: &ApiNode, marks: &NodeMarks) -> Vec<Taint> {
    let current = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let kept = current.into_iter().filter(|taint| {
        taint.key.starts_with("node.kubernetes.io/")
            || marks.taints.iter().any(|(key, value, effect)| {
                taint.key == *key
                    && taint.value.clone().unwrap_or_default() == *value
                    && taint.effect == *effect
                    && taint.key != CONTROL_PLANE
            })
    });
    let mut all: Vec<Taint> = kept.collect();
    for (key, value, effect) in &marks.taints {
        let there = all.iter().any(|taint| {
            taint.key == *key && taint.value.clone().unwrap_or_default() == *value && taint.effect == *effect
        });
        if !there {
            all.push(Taint {
                key: key.clone(),
                value: Some(value.clone()).filter(|value| !value.is_empty()),
                effect: effect.clone(),
                time_added: None,
            });
        }
    }
    all
}

/// The change of its status that has `node` advertise devices and other resources of its own names; none where it does.
pub fn devices(node: &ApiNode, extended: &BTreeMap<String, u64>) -> Option<Value> {
    let capacity = node.status.as_ref().and_then(|status| status.capacity.as_ref());
    let has = |name: &str, amount: u64| {
        capacity.and_then(|capacity| capacity.get(name)).is_some_and(|had| had.0 == amount.to_string())
    };
    let missing: serde_json::Map<String, Value> = extended
        .iter()
        .filter(|(name, amount)| !has(name, **amount))
        .map(|(name, amount)| (name.clone(), json!(amount.to_string())))
        .collect();
    (!missing.is_empty()).then(|| json!({"status": {"capacity": missing, "allocatable": missing}}))
}

/// Whether `node` takes fewer Pods than `wanted`. More do no harm.
pub fn is_short_of_pods(node: &ApiNode, wanted: u32) -> bool {
    let capacity = node.status.as_ref().and_then(|status| status.capacity.as_ref());
    let pods = capacity.and_then(|capacity| capacity.get("pods")?.0.parse::<u32>().ok());
    pods.is_some_and(|pods| pods < wanted)
}

/// Has a node's kubelet take `wanted` Pods; those that run go on running.
pub async fn make_room(node: &Node, wanted: u32) -> Result<(), ClusterError> {
    const SCRIPT: &str = "f=/var/lib/kubelet/config.yaml; sed '/^maxPods:/d' $f > $f.new && echo \"maxPods: $1\" >> $f.new \
        && mv $f.new $f && systemctl restart kubelet";
    node.run(&["sh", "-c", SCRIPT, "sh", &wanted.to_string()]).await?;
    Ok(())
}

/// Applies what [`change`] found to the node called `name`.
pub async fn apply(cluster: &str, client: &Client, name: &str, change: &Value) -> Result<(), ClusterError> {
    let api = Api::<ApiNode>::all(client.clone());
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(|_| ()).map_err(|error| refused(cluster, format!("label and taint node {name}"), error))
}

/// Applies what [`devices`] found to the node called `name`.
pub async fn advertise(
    cluster: &str,
    client: &Client,
    name: &str,
    change: &Value,
) -> Result<(), ClusterError> {
    let api = Api::<ApiNode>::all(client.clone());
    let patched = api.patch_status(name, &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(|_| ()).map_err(|error| refused(cluster, format!("give node {name} its devices"), error))
}

fn refused(cluster: &str, what: String, source: kube::Error) -> ClusterError {
    ClusterError::Api { cluster: cluster.into(), what, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: &Value, ours: &str, taints: &Value) -> ApiNode {
        serde_json::from_value(json!({
            "metadata": {"name": "n", "labels": labels, "annotations": {OURS: ours}},
            "spec": {"taints": taints},
        }))
        .unwrap()
    }

    fn marks(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> NodeMarks {
        NodeMarks {
            labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            taints: taints.iter().map(|(k, v, e)| ((*k).into(), (*v).into(), (*e).into())).collect(),
        }
    }

    #[test]
    fn a_node_that_has_its_marks_is_left_alone() {
        let taint = json!([{"key": "dedicated", "value": "data", "effect": "NoSchedule"}]);
        let node = node(&json!({"pool": "data", "else": "x"}), "pool", &taint);
        assert_eq!(change(&node, &marks(&[("pool", "data")], &[("dedicated", "data", "NoSchedule")])), None);
    }

    #[test]
    fn our_labels_go_when_no_longer_wanted_and_others_stay() {
        let node = node(&json!({"pool": "data", "else": "x"}), "pool", &json!([]));
        let change = change(&node, &marks(&[("zone", "a")], &[])).unwrap();
        assert_eq!(change["metadata"]["labels"], json!({"zone": "a", "pool": null}));
        assert_eq!(change["metadata"]["annotations"][OURS], "zone");
    }

    #[test]
    fn the_control_planes_own_taint_goes_and_kubernetes_stay() {
        let taints = json!([
            {"key": CONTROL_PLANE, "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
        ]);
        let change = change(&node(&json!({}), "", &taints), &marks(&[], &[])).unwrap();
        let left = &change["spec"]["taints"];
        assert_eq!(left.as_array().unwrap().len(), 1);
        assert_eq!(left[0]["key"], "node.kubernetes.io/not-ready");
    }

    #[test]
    fn devices_and_room_are_given_where_they_lack() {
        let status = json!({"capacity": {"nvidia.com/gpu": "1", "pods": "110"}});
        let node: ApiNode = serde_json::from_value(json!({"status": status})).unwrap();
        let wanted = |amount| BTreeMap::from([("nvidia.com/gpu".to_owned(), amount)]);
        assert_eq!(devices(&node, &wanted(1)), None);
        let change = devices(&node, &wanted(4)).unwrap();
        assert_eq!(change["status"]["allocatable"], json!({"nvidia.com/gpu": "4"}));
        assert!(is_short_of_pods(&node, 120) && !is_short_of_pods(&node, 110));
    }
}
