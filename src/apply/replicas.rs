//! Replicas that a HorizontalPodAutoscaler sets are left to it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::MANAGER;
use super::fields;
use crate::manifest::{Gvk, Object, ObjectId};

/// Workloads that autoscalers among the objects set the replicas of, with the autoscaler's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scaled(BTreeMap<ObjectId, String>);

impl Scaled {
    /// As the HorizontalPodAutoscalers among `objects` say.
    pub fn of(objects: &[Object]) -> Self {
        let scaled =
            objects.iter().filter(|object| object.kind() == "HorizontalPodAutoscaler").map(|scaler| {
                let target = Gvk::new(
                    scaler.text("/spec/scaleTargetRef/apiVersion"),
                    scaler.text("/spec/scaleTargetRef/kind"),
                );
                let id = ObjectId {
                    group: target.group,
                    kind: target.kind,
                    namespace: scaler.namespace().into(),
                    name: scaler.text("/spec/scaleTargetRef/name").into(),
                };
                (id, scaler.name().to_owned())
            });
        Self(scaled.collect())
    }

    /// `object` as it is to be applied onto `live`: without `spec.replicas` where an autoscaler's target has another number
    /// by another manager's hand, and then also what to say about it.
    pub fn leave(&self, object: &Object, live: Option<&Value>) -> (Value, Option<String>) {
        let value = object.value.clone();
        let (Some(scaler), Some(live)) = (self.0.get(&object.id()), live) else { return (value, None) };
        let (wanted, found) = (value.pointer("/spec/replicas"), live.pointer("/spec/replicas"));
        let scaled_by_other = fields::entries(live)
            .any(|entry| entry.manager() != MANAGER && entry.owns(&["spec", "replicas"]));
        let (Some(wanted), Some(found)) = (wanted, found) else { return (value, None) };
        if wanted == found || !scaled_by_other {
            return (value, None);
        }
        let said = format!(
            "spec.replicas stays {found} as HorizontalPodAutoscaler {scaler} set it; the manifest says {wanted}"
        );
        let mut value = value;
        if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("replicas");
        }
        (value, Some(said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
    }

    fn deployment() -> Object {
        object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 2, "paused": false}}),
        )
    }

    fn live(manager: &str, replicas: u32) -> Value {
        json!({"metadata": {"managedFields": [{"manager": manager, "operation": "Update", "subresource": "scale",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}, "spec": {"replicas": replicas}})
    }

    #[test]
    fn an_autoscalers_number_stays() {
        let autoscaler = object(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web-hpa", "namespace": "shop"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}));
        let scaled = Scaled::of(&[autoscaler]);
        let (value, said) = scaled.leave(&deployment(), Some(&live("kube-controller-manager", 5)));
        assert_eq!(value["spec"], json!({"paused": false}));
        assert_eq!(
            said.unwrap(),
            "spec.replicas stays 5 as HorizontalPodAutoscaler web-hpa set it; the manifest says 2"
        );
        for unchanged in [Some(live(MANAGER, 5)), Some(live("kube-controller-manager", 2)), None] {
            assert_eq!(scaled.leave(&deployment(), unchanged.as_ref()), (deployment().value, None));
        }
        let nobody = Scaled::default().leave(&deployment(), Some(&live("kubectl", 5)));
        assert_eq!(nobody, (deployment().value, None), "without an autoscaler the manifest's number holds");
    }
}
