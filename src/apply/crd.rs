//! Custom resource definitions: what they serve, waiting until they do, and open ones for kinds that nobody defines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::client::{Cluster, Kinds, MANAGER, Resource};
use super::error::{ApplyError, UnknownKind};
use crate::manifest::{Gvk, Object, ObjectId, Origin};

const GROUP: &str = "apiextensions.k8s.io";

/// Whether an object is a CRD.
pub fn is_crd(object: &Object) -> bool {
    object.kind() == "CustomResourceDefinition" && object.gvk().group == GROUP
}

/// The kinds that a CRD serves, by its `spec`.
pub fn resources(crd: &Value) -> Vec<Resource> {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    versions
        .filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
        .filter_map(|version| version.get("name").and_then(Value::as_str))
        .map(|version| Resource {
            gvk: Gvk { group: text("/spec/group"), version: version.into(), kind: text("/spec/names/kind") },
            plural: text("/spec/names/plural"),
            namespaced: text("/spec/scope") == "Namespaced",
        })
        .collect()
}

/// Whether the API server serves a CRD; the reason where it never will as it is.
pub fn established(crd: &Value) -> Result<bool, String> {
    let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
    let condition =
        |kind: &str| conditions?.iter().find(|found| found.get("type").and_then(Value::as_str) == Some(kind));
    let text = |condition: &Value, key: &str| {
        condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if let Some(names) = condition("NamesAccepted").filter(|names| text(names, "status") == "False") {
        return Err(text(names, "message"));
    }
    Ok(condition("Established").is_some_and(|found| text(found, "status") == "True"))
}

/// Waits until the API server serves all CRDs of those names, and teaches `cluster` their kinds.
pub async fn wait_established(
    cluster: &Cluster,
    names: &[&str],
    patience: Duration,
) -> Result<(), ApplyError> {
    let waits = names.iter().map(|name| wait_one(cluster, name, patience));
    for crd in futures::future::try_join_all(waits).await? {
        cluster.learn(resources(&crd));
    }
    Ok(())
}

async fn wait_one(cluster: &Cluster, name: &str, patience: Duration) -> Result<Value, ApplyError> {
    let crds = Resource {
        gvk: Gvk { group: GROUP.into(), version: "v1".into(), kind: "CustomResourceDefinition".into() },
        plural: "customresourcedefinitions".into(),
        namespaced: false,
    };
    let decided = |crd: Option<&DynamicObject>| {
        crd.and_then(|crd| serde_json::to_value(crd).ok()).is_some_and(|crd| established(&crd) != Ok(false))
    };
    let failed = |why: String| ApplyError::NotEstablished { name: name.into(), why };
    let found = tokio::time::timeout(patience, await_condition(cluster.api(&crds, ""), name, decided))
        .await
        .map_err(|_| failed(format!("the API server has not taken it up within {} s", patience.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let crd = found
        .and_then(|crd| serde_json::to_value(crd).ok())
        .ok_or_else(|| failed("it was deleted while being waited for".into()))?;
    established(&crd).map_err(failed)?;
    Ok(crd)
}

/// A kind that objects use and neither the cluster nor a CRD among them serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The versions that the objects are written in.
    pub versions: BTreeSet<String>,
    /// Whether it lives in namespaces, as far as the objects tell.
    pub namespaced: bool,
    /// The objects.
    pub objects: Vec<(ObjectId, Origin)>,
}

impl Missing {
    /// Whether a CRD can stand in for it: not for the groups of Kubernetes itself that have no domain, such as `apps`.
    pub fn can_be_supplied(&self) -> bool {
        self.group.contains('.')
    }

    /// The CRD that stands in for it.
    pub fn open_schema(&self) -> Value {
        let versions: Vec<&str> = self.versions.iter().map(String::as_str).collect();
        open_schema(&self.group, &self.kind, &versions, self.namespaced)
    }
}

/// The kinds that `objects` use and neither `served` nor a CRD among the objects serves, by group and kind. A kind that the
/// cluster serves under other versions is missing, too.
pub fn missing(objects: &[Object], served: &Kinds) -> Vec<Missing> {
    let defined: BTreeSet<Gvk> = objects
        .iter()
        .filter(|object| is_crd(object))
        .flat_map(|crd| resources(&crd.value))
        .map(|resource| resource.gvk)
        .collect();
    let mut found: BTreeMap<(String, String), Missing> = BTreeMap::new();
    for object in objects {
        let gvk = object.gvk();
        if served.contains_key(&gvk) || defined.contains(&gvk) {
            continue;
        }
        let entry = found.entry((gvk.group.clone(), gvk.kind.clone())).or_insert_with(|| Missing {
            group: gvk.group.clone(),
            kind: gvk.kind.clone(),
            versions: BTreeSet::new(),
            namespaced: false,
            objects: Vec::new(),
        });
        entry.versions.insert(gvk.version);
        // kustomize and helm leave the namespace out where the kind is known to need none, or where it is the default.
        entry.namespaced |= !object.namespace().is_empty() || !gvk.kind.starts_with("Cluster");
        entry.objects.push((object.id(), object.origin.clone()));
    }
    found.into_values().collect()
}

/// The error for kinds that stay unknown, with what comes near them.
pub fn unknown(missing: &[Missing], served: &Kinds) -> Vec<UnknownKind> {
    missing
        .iter()
        .map(|kind| {
            let served_as: BTreeSet<String> = served
                .keys()
                .filter(|known| known.kind == kind.kind && alike(&known.group, &kind.group))
                .map(Gvk::api_version)
                .collect();
            let similar = served
                .keys()
                .filter(|known| known.group == kind.group && known.kind != kind.kind)
                .map(|known| (strsim::damerau_levenshtein(&known.kind, &kind.kind), &known.kind))
                .filter(|(distance, _)| *distance <= 3)
                .min()
                .map(|(_, known)| known.clone());
            UnknownKind {
                gvk: Gvk {
                    group: kind.group.clone(),
                    version: kind.versions.first().cloned().unwrap_or_default(),
                    kind: kind.kind.clone(),
                },
                objects: kind.objects.clone(),
                served_as: served_as.into_iter().collect(),
                similar,
            }
        })
        .collect()
}

/// Whether a kind may have moved from one group to the other: Kubernetes' own moved out of `extensions` and the like; the
/// kinds of two domains have nothing to do with each other.
fn alike(a: &str, b: &str) -> bool {
    let own = |group: &str| !group.contains('.') || group.ends_with(".k8s.io");
    a == b || (own(a) && own(b))
}

/// A CRD that keeps objects of a kind whatever their fields are. Nobody acts on them.
pub fn open_schema(group: &str, kind: &str, versions: &[&str], namespaced: bool) -> Value {
    let guessed = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let mut annotations =
        json!({"devcluster.dev/supplied": "open schema: objects are kept, nobody acts on them"});
    if group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io") {
        // The API server asks this of every CRD in a protected group.
        annotations["api-approved.kubernetes.io"] = json!("unapproved, a stand-in on a developer's cluster");
    }
    let served: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            json!({
                "name": version, "served": true, "storage": index + 1 == versions.len(),
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{group}", guessed.plural),
            "labels": {"app.kubernetes.io/managed-by": MANAGER},
            "annotations": annotations,
        },
        "spec": {
            "group": group,
            "names": {
                "kind": kind, "listKind": format!("{kind}List"),
                "plural": guessed.plural, "singular": kind.to_lowercase(),
            },
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "versions": served,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(api_version: &str, kind: &str, namespace: Option<&str>) -> Object {
        let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        if let Some(namespace) = namespace {
            value["metadata"]["namespace"] = json!(namespace);
        }
        Object { value, origin: Origin { source: "files".into(), file: None, line: 0 } }
    }

    fn served(kinds: &[(&str, &str)]) -> Kinds {
        kinds
            .iter()
            .map(|(version, kind)| {
                let gvk = Gvk::new(version, kind);
                (gvk.clone(), Resource { gvk, plural: String::new(), namespaced: true })
            })
            .collect()
    }

    #[test]
    fn a_stand_in_serves_what_was_missing() {
        let objects = [
            object("monitoring.coreos.com/v1", "Prometheus", Some("shop")),
            object("x.io/v1", "ClusterPolicy", None),
        ];
        let missing = missing(&objects, &served(&[("v1", "Pod")]));
        let crds: Vec<Value> = missing.iter().map(Missing::open_schema).collect();
        let resources: Vec<Resource> = crds.iter().flat_map(resources).collect();
        assert_eq!(resources[0].gvk, objects[0].gvk());
        assert_eq!((resources[0].plural.as_str(), resources[0].namespaced), ("prometheuses", true));
        assert_eq!((resources[1].plural.as_str(), resources[1].namespaced), ("clusterpolicies", false));
        let mut with_crds = objects.to_vec();
        with_crds.extend(crds.into_iter().map(|value| Object { value, ..objects[0].clone() }));
        let left =
            super::missing(&with_crds, &served(&[("apiextensions.k8s.io/v1", "CustomResourceDefinition")]));
        assert_eq!(left, []);
    }

    #[test]
    fn an_old_version_is_told_from_a_slip() {
        let kinds =
            served(&[("networking.k8s.io/v1", "Ingress"), ("apps/v1", "Deployment"), ("x.io/v1", "Ingress")]);
        let objects = [object("extensions/v1beta1", "Ingress", None), object("apps/v1", "Deploymnet", None)];
        let missing = missing(&objects, &kinds);
        assert!(missing.iter().all(|kind| !kind.can_be_supplied()));
        let unknown = unknown(&missing, &kinds);
        assert_eq!(unknown[0].similar.as_deref(), Some("Deployment"));
        assert_eq!(unknown[1].served_as, ["networking.k8s.io/v1"]);
    }

    #[test]
    fn a_name_that_is_taken_ends_the_wait() {
        let crd = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "message": "\"widgets\" is already in use"}]}});
        assert_eq!(established(&crd("Established", "True")), Ok(true));
        assert_eq!(established(&crd("NamesAccepted", "True")), Ok(false));
        assert_eq!(established(&crd("NamesAccepted", "False")), Err("\"widgets\" is already in use".into()));
        assert_eq!(established(&json!({})), Ok(false));
    }
}
