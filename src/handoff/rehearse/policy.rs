//! The NetworkPolicy of a copy: its Pods reach the copies and ask for names, nothing else.

use serde_json::json;

use super::LABEL;
use crate::manifest::{Object, Origin};

/// The policy for a copy's namespace.
pub fn policy(namespace: &str) -> Object {
    let copies = json!({"namespaceSelector": {"matchLabels": {LABEL: "true"}}});
    let names = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}});
    let value = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "devcluster-rehearsal", "namespace": namespace},
        "spec": {
            "podSelector": {}, "policyTypes": ["Egress"],
            "egress": [
                {"to": [copies]},
                {"to": [names], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
            ],
        },
    });
    Object { value, origin: Origin { source: "devcluster release rehearse".into(), file: None, line: 0 } }
}
