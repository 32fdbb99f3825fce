//! The NetworkPolicies of a copy: its Pods reach the copies and ask for names, nothing else, and let in whom production's let in.

use serde_json::{Value, json};

use super::copies::Copies;
use super::{GROUND, LABEL};
use crate::manifest::{Object, Origin};

/// The label by which every namespace has its name.
const NAME: &str = "kubernetes.io/metadata.name";

/// The policy for a copy's namespace.
pub fn policy(namespace: &str) -> Object {
    let copies = json!({"namespaceSelector": {"matchLabels": {LABEL: "true"}}});
    let names = json!({"namespaceSelector": {"matchLabels": {NAME: "kube-system"}}});
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

/// Whether a policy says who is let in: one that names no types does.
pub fn lets_in(policy: &Value) -> bool {
    let types = policy.pointer("/spec/policyTypes").and_then(Value::as_array);
    types.is_none_or(|types| types.is_empty() || types.iter().any(|kind| kind == "Ingress"))
}

/// Leaves of production's policy who is let in, from the copies. What may be reached is for the copy's own to say: policies add up.
pub fn settle(policy: &mut Value, copies: &Copies) {
    let Some(spec) = policy.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.remove("egress");
    spec.insert("policyTypes".into(), json!(["Ingress"]));
    let rules = spec.get_mut("ingress").and_then(Value::as_array_mut).into_iter().flatten();
    let peers = rules.filter_map(|rule| rule.get_mut("from")?.as_array_mut()).flatten();
    for selector in peers.filter_map(|peer| peer.get_mut("namespaceSelector")) {
        let expressions = selector.get_mut("matchExpressions").and_then(Value::as_array_mut);
        let named = expressions.into_iter().flatten().filter(|expression| expression["key"] == NAME);
        let values = named.filter_map(|expression| expression.get_mut("values")?.as_array_mut()).flatten();
        values.for_each(|value| rename(value, copies));
        if let Some(value) = selector.get_mut("matchLabels").and_then(|labels| labels.get_mut(NAME)) {
            rename(value, copies);
        }
    }
}

fn rename(value: &mut Value, copies: &Copies) {
    if let Some(copy) = value.as_str().and_then(|namespace| copies.get(namespace)) {
        *value = json!(copy);
    }
}

/// Lets the rehearsal's own Pods in to those that a policy of the copy guards, which shut them out else.
pub fn admission(policy: &Object) -> Object {
    let name = blake3::hash(policy.name().as_bytes()).to_hex();
    let value = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("devcluster-rehearsal-{}", &name[..12]), "namespace": policy.namespace()},
        "spec": {
            "podSelector": policy.value["spec"]["podSelector"], "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {NAME: GROUND}}}]}],
        },
    });
    Object { value, origin: policy.origin.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in_is_of_the_copies_and_nobody_is_let_out() {
        let object = |value| Object { value, origin: Origin { source: String::new(), file: None, line: 0 } };
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {}});
        let copies = Copies::of([&object(pod)]);
        let mut policy = json!({
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "db"}},
                "ingress": [{"from": [
                    {"podSelector": {}},
                    {"namespaceSelector": {"matchLabels": {NAME: "shop"}}},
                    {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "In", "values": ["shop", "other"]}]}},
                ]}, {}],
                "egress": [{}],
            },
        });
        assert!(lets_in(&policy));
        assert!(!lets_in(&json!({"spec": {"policyTypes": ["Egress"]}})));
        settle(&mut policy, &copies);
        let at = "devcluster-rehearse-shop";
        let expected = json!({
            "podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [
                {"podSelector": {}},
                {"namespaceSelector": {"matchLabels": {NAME: at}}},
                {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "In", "values": [at, "other"]}]}},
            ]}, {}],
        });
        assert_eq!(policy["spec"], expected);
        let admitted = admission(&object(policy));
        assert_eq!(admitted.value["spec"]["podSelector"], json!({"matchLabels": {"app": "db"}}));
        assert_eq!(admitted.namespace(), "shop");
    }
}
