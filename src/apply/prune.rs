//! Objects that left the manifests are deleted, unless data may hang on them.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::client::{Cluster, Resource};
use super::error::ApplyError;
use super::inventory::{Entry, Inventory, uid};
use super::{fields, stage};
use crate::manifest::{Gvk, Object, ObjectId};

/// An object that left the manifests and was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The object.
    pub id: ObjectId,
    /// Why it stays.
    pub why: String,
}

/// What pruning did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Objects that were deleted, in order.
    pub deleted: Vec<ObjectId>,
    /// Objects that stay, and why.
    pub kept: Vec<Kept>,
}

/// Deletes what the inventory has and `desired` has not, in the reverse order of the stages; what it owns is deleted in the
/// background. With `volumes` also PersistentVolumeClaims and PersistentVolumes. Changes the inventory, does not save it.
pub async fn prune(
    cluster: &Cluster,
    desired: &[Object],
    inventory: &mut Inventory,
    volumes: bool,
) -> Result<Pruned, ApplyError> {
    let mut pruned = Pruned::default();
    for id in obsolete(desired, inventory) {
        let entry = inventory.entries[&id].clone();
        let Some(resource) = resource_of(cluster, &id, &entry) else {
            // Its kind is gone, and its objects with it.
            inventory.entries.remove(&id);
            continue;
        };
        let live = cluster
            .get(&resource, &id.namespace, &id.name)
            .await
            .map_err(|error| ApplyError::request(format!("read {id}"), &error))?;
        let Some(live) = live.filter(|live| live.pointer("/metadata/deletionTimestamp").is_none()) else {
            inventory.entries.remove(&id);
            continue;
        };
        if let Some(why) = reason_to_keep(cluster, &id, &entry, &live, inventory, volumes).await? {
            if entry.kept.as_deref() != Some(why.as_str()) {
                pruned.kept.push(Kept { id: id.clone(), why: why.clone() });
            }
            inventory.entries.insert(id, Entry { kept: Some(why), ..entry });
            continue;
        }
        cluster
            .delete(&resource, &id.namespace, &id.name, Some(uid(&live)))
            .await
            .map_err(|error| ApplyError::request(format!("delete {id}, which left the manifests"), &error))?;
        inventory.entries.remove(&id);
        pruned.deleted.push(id);
    }
    Ok(pruned)
}

/// What left the manifests, last stage first.
pub fn obsolete(desired: &[Object], inventory: &Inventory) -> Vec<ObjectId> {
    let wanted: BTreeSet<ObjectId> = desired.iter().map(Object::id).collect();
    let mut left: Vec<ObjectId> =
        inventory.entries.keys().filter(|id| !wanted.contains(id)).cloned().collect();
    left.sort_by_key(|id| std::cmp::Reverse(stage::position(&id.group, &id.kind)));
    left
}

fn resource_of(cluster: &Cluster, id: &ObjectId, entry: &Entry) -> Option<Resource> {
    cluster
        .resolve_gvk(&Gvk::new(&entry.api_version, &id.kind))
        .or_else(|| cluster.resolve_kind(&id.group, &id.kind))
}

async fn reason_to_keep(
    cluster: &Cluster,
    id: &ObjectId,
    entry: &Entry,
    live: &Value,
    inventory: &Inventory,
    volumes: bool,
) -> Result<Option<String>, ApplyError> {
    // An entry without a uid was written before an application that was cut short: then managedFields must tell.
    let theirs = if entry.uid.is_empty() { !fields::is_ours(live) } else { entry.uid != uid(live) };
    if theirs {
        return Ok(Some("it was not applied by devcluster".into()));
    }
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "PersistentVolumeClaim" | "PersistentVolume") if !volumes => {
            Ok(Some("it holds data; delete it with `devcluster down --data` or kubectl".into()))
        }
        ("", "Namespace") => namespace_in_use(cluster, id, entry, inventory).await,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let mut count = 0;
            for resource in super::crd::resources(live).iter().take(1) {
                count = list_everywhere(cluster, resource).await?;
            }
            Ok((count > 0).then(|| format!("there are {count} objects of its kind, which would go with it")))
        }
        _ => Ok(None),
    }
}

async fn list_everywhere(cluster: &Cluster, resource: &Resource) -> Result<usize, ApplyError> {
    // The list of all namespaces has the URL of a cluster-scoped kind.
    let everywhere = Resource { namespaced: false, ..resource.clone() };
    cluster
        .list(&everywhere, "", None)
        .await
        .map(|items| items.len())
        .map_err(|error| ApplyError::request(format!("list {}", resource.plural), &error))
}

/// A namespace stays where it was there before us, or holds claims or anything that we did not apply.
async fn namespace_in_use(
    cluster: &Cluster,
    id: &ObjectId,
    entry: &Entry,
    inventory: &Inventory,
) -> Result<Option<String>, ApplyError> {
    if !entry.created {
        return Ok(Some("it was there before devcluster".into()));
    }
    cluster.discover().await?;
    // One version of a kind lists all its objects; events are about objects, leases and slices of controllers.
    let mut kinds: BTreeMap<(String, String), Resource> = BTreeMap::new();
    for (gvk, resource) in cluster.kinds() {
        let passing =
            ["Event", "Endpoints", "EndpointSlice", "Lease", "PodMetrics"].contains(&gvk.kind.as_str());
        if resource.namespaced && !passing {
            kinds.entry((gvk.group.clone(), gvk.kind.clone())).or_insert(resource);
        }
    }
    let found: Vec<Vec<ObjectId>> = futures::stream::iter(kinds.into_values())
        .map(|resource| foreign(cluster, resource, &id.name, inventory))
        .buffer_unordered(super::client::CONCURRENCY)
        .try_collect()
        .await?;
    let mut others: Vec<ObjectId> = found.into_iter().flatten().collect();
    others.sort_by_key(|other| (other.kind != "PersistentVolumeClaim", other.clone()));
    Ok(others.first().map(|other| match others.len() {
        1 => format!("it holds {other}"),
        more => format!("it holds {other} and {} more objects that would go with it", more - 1),
    }))
}

/// What a namespace has of a kind that nobody but a user can have made: neither owned by another object, nor what every
/// namespace has, nor ours. A kind that cannot be listed holds nothing.
async fn foreign(
    cluster: &Cluster,
    resource: Resource,
    namespace: &str,
    inventory: &Inventory,
) -> Result<Vec<ObjectId>, ApplyError> {
    let items = match cluster.list(&resource, namespace, None).await {
        Ok(items) => items,
        Err(kube::Error::Api(status)) if status.code == 405 => Vec::new(),
        Err(error) => {
            return Err(ApplyError::request(format!("list {} in {namespace}", resource.plural), &error));
        }
    };
    let named =
        |item: &Value| item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(items
        .iter()
        .filter(|item| item.pointer("/metadata/ownerReferences").is_none())
        .map(|item| ObjectId {
            group: resource.gvk.group.clone(),
            kind: resource.gvk.kind.clone(),
            namespace: namespace.into(),
            name: named(item),
        })
        .filter(|id| {
            let everywhere = matches!(
                (id.kind.as_str(), id.name.as_str()),
                ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
            );
            let data = id.kind == "PersistentVolumeClaim";
            !everywhere && (data || !inventory.entries.contains_key(id))
        })
        .collect())
}
