//! Objects that were applied client-side become ours, so that fields that left the manifests really go.
//!
//! The algorithm is kubectl's: k8s.io/client-go/util/csaupgrade, with managers found as `kubectl apply --server-side`
//! finds them (who owns the last-applied annotation).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::MANAGER;
use super::fields::{self, Entry};

const CLIENT_SIDE_MANAGER: &str = "kubectl-client-side-apply";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The managers whose fields become ours: kubectl's client-side apply by name or by the annotation it leaves, and this
/// program's own fallback.
fn client_side_managers(live: &Value) -> BTreeSet<&str> {
    fields::entries(live)
        .filter(|entry| {
            is_update(*entry)
                && ([CLIENT_SIDE_MANAGER, MANAGER].contains(&entry.manager())
                    || entry.owns(&["metadata", "annotations", LAST_APPLIED]))
        })
        .map(Entry::manager)
        .collect()
}

fn is_update(entry: Entry<'_>) -> bool {
    !entry.is_apply() && entry.subresource().is_empty()
}

/// The JSON Patch that hands the fields of client-side managers to us; `None` where there is nothing to take over. It
/// conflicts where the object has changed since `live` was read.
pub fn patch(live: &Value) -> Option<Value> {
    let managers = client_side_managers(live);
    if managers.is_empty() {
        return None;
    }
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let taken: Vec<Entry<'_>> = fields::entries(live)
        .filter(|entry| is_update(*entry) && managers.contains(entry.manager()))
        .collect();
    let ours = fields::entries(live)
        .find(|entry| entry.manager() == MANAGER && entry.is_apply() && entry.subresource().is_empty());
    // The newest comes first: it stands for all where we have no entry yet. Sets of another version than the one they
    // join name other fields, and are dropped.
    let base = ours.or_else(|| taken.first().copied())?;
    let combined = taken
        .iter()
        .filter(|entry| entry.api_version() == base.api_version())
        .fold(base.fields().clone(), |all, entry| fields::union(&all, entry.fields()));
    let mut kept: Vec<Value> = vec![json!({
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": base.api_version(),
        "time": entries.iter().find_map(|entry| entry.get("time")).cloned(),
        "fieldsType": "FieldsV1",
        "fieldsV1": combined,
    })];
    kept.extend(
        entries
            .iter()
            .zip(fields::entries(live))
            .filter(|(_, entry)| {
                let is_ours =
                    entry.manager() == MANAGER && entry.is_apply() && entry.subresource().is_empty();
                !(is_ours || is_update(*entry) && managers.contains(entry.manager()))
            })
            .map(|(raw, _)| raw.clone()),
    );
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": kept},
        // Replaced, not tested: a changed object is then a conflict, not an invalid patch.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")},
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entries: &Value) -> Value {
        json!({"metadata": {"name": "web", "resourceVersion": "7", "managedFields": entries}})
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
               "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn nothing_to_take_over() {
        let ours = entry(MANAGER, "Apply", &json!({"f:spec": {}}));
        let hpa = entry("kube-controller-manager", "Update", &json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(patch(&live(&json!([ours, hpa]))), None);
    }

    #[test]
    fn client_side_fields_join_ours() {
        let annotated = json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}});
        let entries = json!([
            entry("kube-controller-manager", "Update", &json!({"f:spec": {"f:replicas": {}}})),
            entry("deployer", "Update", &annotated),
            entry(CLIENT_SIDE_MANAGER, "Update", &json!({"f:spec": {"f:paused": {}}})),
            entry(MANAGER, "Apply", &json!({"f:spec": {"f:template": {}}})),
        ]);
        let patch = patch(&live(&entries)).unwrap();
        let managers: Vec<String> = patch[0]["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| format!("{} {}", entry["manager"], entry["operation"]))
            .collect();
        assert_eq!(managers, [r#""devcluster" "Apply""#, r#""kube-controller-manager" "Update""#]);
        assert_eq!(
            patch[0]["value"][0]["fieldsV1"],
            json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}},
                   "f:spec": {"f:paused": {}, "f:template": {}}})
        );
        assert_eq!(patch[1], json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}));
    }
}
