//! The live counterparts of objects, read with as few requests as do.

use std::collections::BTreeMap;

use futures::stream::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::client::{Cluster, Resource};
use super::error::ApplyError;
use crate::manifest::{Object, ObjectId};

/// Up to this many objects of one kind in one namespace are read one by one; more are listed.
const FEW: usize = 2;

/// Live objects by their id.
pub type Live = BTreeMap<ObjectId, Value>;

enum Read<'a> {
    One(Resource, &'a Object),
    All(Resource, &'a str, Vec<&'a Object>),
}

/// Reads what the cluster has of `objects`, `concurrency` requests at a time. Objects of kinds that `cluster` does not know
/// are taken as absent.
pub async fn read(
    cluster: &Cluster,
    objects: impl IntoIterator<Item = &Object>,
    concurrency: usize,
) -> Result<Live, ApplyError> {
    let found: Vec<Live> = futures::stream::iter(plan(cluster, objects))
        .map(|read| run(cluster, read))
        .buffer_unordered(concurrency.max(1))
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

fn plan<'a>(cluster: &Cluster, objects: impl IntoIterator<Item = &'a Object>) -> Vec<Read<'a>> {
    let mut groups: BTreeMap<(Resource, &str), Vec<&Object>> = BTreeMap::new();
    for object in objects {
        if let Some(resource) = cluster.resolve(object) {
            let namespace = if resource.namespaced { object.namespace() } else { "" };
            groups.entry((resource, namespace)).or_default().push(object);
        }
    }
    let mut reads = Vec::new();
    for ((resource, namespace), objects) in groups {
        if objects.len() <= FEW {
            reads.extend(objects.into_iter().map(|object| Read::One(resource.clone(), object)));
        } else {
            reads.push(Read::All(resource, namespace, objects));
        }
    }
    // The longest requests first.
    reads.sort_by_key(|read| match read {
        Read::One(..) => 0,
        Read::All(_, _, objects) => usize::MAX - objects.len(),
    });
    reads.reverse();
    reads
}

async fn run(cluster: &Cluster, read: Read<'_>) -> Result<Live, ApplyError> {
    match read {
        Read::One(resource, object) => {
            let found = cluster
                .get(&resource, object.namespace(), object.name())
                .await
                .map_err(|error| ApplyError::request(format!("read {}", object.id()), &error))?;
            Ok(found.map(|live| (object.id(), live)).into_iter().collect())
        }
        Read::All(resource, namespace, objects) => {
            let items = cluster.list(&resource, namespace, None).await.map_err(|error| {
                let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
                ApplyError::request(format!("list {}{place}", resource.plural), &error)
            })?;
            let mut by_name: BTreeMap<String, Value> = items
                .into_iter()
                .filter_map(|item| Some((item.pointer("/metadata/name")?.as_str()?.to_owned(), item)))
                .collect();
            Ok(objects
                .into_iter()
                .filter_map(|object| Some((object.id(), typed(by_name.remove(object.name())?, object))))
                .collect())
        }
    }
}

/// Items of a list carry no type.
fn typed(mut item: Value, object: &Object) -> Value {
    for key in ["apiVersion", "kind"] {
        if let Some(value) = object.value.get(key) {
            item[key] = value.clone();
        }
    }
    item
}
