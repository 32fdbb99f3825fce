//! Where an inventory is kept: in ConfigMaps of our own.
//!
//! One inventory is several ConfigMaps once it outgrows one. Each entry has its place by the hash of its object and each
//! ConfigMap is complete in itself, so that a run that dies between two writes leaves old entries beside new ones, never
//! half an entry. When the number of ConfigMaps doubles, entries move upwards only, and the upper ones are written first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Cluster, Resource, SYSTEM_NAMESPACE};
use super::error::ApplyError;
use super::inventory::{Entry, Inventory, Release, ensure_namespace};
use crate::manifest::{Gvk, ObjectId};

/// The most bytes of content in one ConfigMap; the API server takes 1 MiB.
const CHUNK_LIMIT: usize = 900 * 1024;
const LABEL: &str = "devcluster.dev/inventory";
const KEY: &str = "inventory.json";

#[derive(Serialize, Deserialize)]
struct Record {
    id: ObjectId,
    #[serde(rename = "is")]
    entry: Entry,
}

#[derive(Serialize, Deserialize, Default)]
struct Chunk {
    objects: Vec<Record>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<Resource>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    releases: BTreeMap<String, Release>,
}

/// A ConfigMap as it is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    resource_version: String,
    content: String,
}

fn config_maps() -> Resource {
    Resource { gvk: Gvk::new("v1", "ConfigMap"), plural: "configmaps".into(), namespaced: true }
}

impl Inventory {
    /// Reads it from the cluster with one request; empty where nothing was applied yet. Teaches `cluster` the kinds.
    pub async fn load(cluster: &Cluster, name: &str) -> Result<Self, ApplyError> {
        let selector = format!("{LABEL}={name}");
        let found = cluster
            .list(&config_maps(), SYSTEM_NAMESPACE, Some(&selector))
            .await
            .map_err(|error| ApplyError::request("read the inventory", &error))?;
        let mut inventory = Self::new(name);
        inventory.read(&found)?;
        cluster.learn(inventory.kinds.values().cloned());
        Ok(inventory)
    }

    fn object_name(&self, index: usize) -> String {
        format!("inventory-{}-{index}", self.name)
    }

    fn read(&mut self, found: &[Value]) -> Result<(), ApplyError> {
        for object in found {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let broken = |message: String| ApplyError::InventoryBroken { object: name.into(), message };
            let index: usize = name
                .strip_prefix(&format!("inventory-{}-", self.name))
                .and_then(|index| index.parse().ok())
                .ok_or_else(|| broken("its name has no number at the end".into()))?;
            let content = object
                .get("data")
                .and_then(|data| data.get(KEY))
                .and_then(Value::as_str)
                .ok_or_else(|| broken(format!("it has no {KEY}")))?;
            let version =
                object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
            let stored = Stored { resource_version: version.into(), content: content.into() };
            self.stored.insert(index, stored);
        }
        // Upwards: an entry found twice was being moved up when a run died, so the later one is the newer.
        for (index, stored) in &self.stored {
            let chunk: Chunk = serde_json::from_str(&stored.content).map_err(|error| {
                ApplyError::InventoryBroken { object: self.object_name(*index), message: error.to_string() }
            })?;
            self.entries.extend(chunk.objects.into_iter().map(|record| (record.id, record.entry)));
            self.kinds.extend(chunk.kinds.into_iter().map(|kind| (kind.gvk.clone(), kind)));
            self.releases.extend(chunk.releases);
        }
        Ok(())
    }

    /// The content of each ConfigMap: as few as keep below the limit, never fewer than are stored.
    fn chunks(&self) -> Vec<String> {
        let mut count = self.stored.keys().max().map_or(1, |last| last + 1).next_power_of_two();
        loop {
            let mut chunks: Vec<Chunk> = (0..count).map(|_| Chunk::default()).collect();
            for (id, entry) in &self.entries {
                chunks[place(id, count)].objects.push(Record { id: id.clone(), entry: entry.clone() });
            }
            chunks[0].kinds = self.kinds.values().cloned().collect();
            chunks[0].releases.clone_from(&self.releases);
            let contents: Vec<String> = chunks.iter().map(|chunk| json!(chunk).to_string()).collect();
            if count >= 4096 || contents.iter().all(|content| content.len() <= CHUNK_LIMIT) {
                return contents;
            }
            count *= 2;
        }
    }

    /// Writes what changed since it was read or saved. Fails where another run wrote in the meantime.
    pub async fn save(&mut self, cluster: &Cluster) -> Result<(), ApplyError> {
        let chunks = self.chunks();
        for (index, content) in chunks.into_iter().enumerate().rev() {
            let known = self.stored.get(&index);
            if known.is_some_and(|stored| stored.content == content) {
                continue;
            }
            if self.stored.is_empty() {
                ensure_namespace(cluster).await?;
            }
            let written = self.write(cluster, index, &content).await?;
            self.stored.insert(index, Stored { resource_version: written, content });
        }
        Ok(())
    }

    /// Takes everything that is remembered under `name` away; the objects stay.
    pub async fn remove(cluster: &Cluster, name: &str) -> Result<(), ApplyError> {
        let selector = format!("{LABEL}={name}");
        let failed = |error| ApplyError::request(format!("take the inventory {name} away"), &error);
        let found = cluster.list(&config_maps(), SYSTEM_NAMESPACE, Some(&selector)).await;
        for object in found.map_err(failed)? {
            let own = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            cluster.delete(&config_maps(), SYSTEM_NAMESPACE, own, None).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn write(&self, cluster: &Cluster, index: usize, content: &str) -> Result<String, ApplyError> {
        let name = self.object_name(index);
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {LABEL: self.name}},
            "data": {KEY: content},
        });
        let answer = match self.stored.get(&index) {
            Some(stored) => {
                object["metadata"]["resourceVersion"] = json!(stored.resource_version);
                cluster.replace(&config_maps(), SYSTEM_NAMESPACE, &name, &object).await
            }
            None => cluster.create(&config_maps(), SYSTEM_NAMESPACE, &object).await,
        };
        match answer {
            Ok(written) => {
                let version = written.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                Ok(version.unwrap_or_default().into())
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Err(ApplyError::InventoryConflict { object: name })
            }
            Err(error) => Err(ApplyError::request(format!("write the inventory {name}"), &error)),
        }
    }
}

/// Where an object's entry goes among `count` chunks, a power of two: doubling it leaves the entry where it is or moves it
/// up by the old count.
fn place(id: &ObjectId, count: usize) -> usize {
    let hash = blake3::hash(format!("{}/{}/{}/{}", id.group, id.kind, id.namespace, id.name).as_bytes());
    let bytes = hash.as_bytes();
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) & (count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ObjectId {
        ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: format!("web-{n}"),
        }
    }

    fn entry(n: usize) -> Entry {
        Entry {
            api_version: "apps/v1".into(),
            desired: Some(blake3::hash(&n.to_le_bytes()).to_hex().to_string()),
            live: blake3::hash(b"x").to_hex().to_string(),
            uid: format!("00000000-0000-0000-0000-{n:012}"),
            ..Entry::default()
        }
    }

    fn as_config_maps(inventory: &Inventory, chunks: &[String]) -> Vec<Value> {
        chunks
            .iter()
            .enumerate()
            .map(|(index, content)| {
                json!({"metadata": {"name": inventory.object_name(index), "resourceVersion": "1"}, "data": {KEY: content}})
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again_however_large() {
        for size in [0, 60, 12_000] {
            let mut inventory = Inventory::new("shop");
            inventory.entries = (0..size).map(|n| (id(n), entry(n))).collect();
            inventory.releases.insert("shop/api".into(), Release::default());
            inventory.kinds.insert(config_maps().gvk, config_maps());
            let chunks = inventory.chunks();
            assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_LIMIT));
            assert_eq!(chunks.len() > 1, size > 4_000, "{size} entries in {} chunks", chunks.len());
            let mut read = Inventory::new("shop");
            read.read(&as_config_maps(&inventory, &chunks)).unwrap();
            assert_eq!(
                (read.entries, read.releases, read.kinds),
                (inventory.entries, inventory.releases, inventory.kinds)
            );
        }
    }

    #[test]
    fn no_entry_is_lost_when_growing_is_cut_short() {
        let mut inventory = Inventory::new("shop");
        inventory.entries = (0..3_000).map(|n| (id(n), entry(n))).collect();
        let old = inventory.chunks();
        assert_eq!(old.len(), 1);
        inventory.entries = (0..12_000).map(|n| (id(n), entry(n + 1))).collect();
        let new = inventory.chunks();
        // Written from the top; cut after any number of them, every entry of old is still there.
        for written in 0..new.len() {
            let mut left = as_config_maps(&inventory, &new);
            left.drain(1..new.len() - written);
            if written < new.len() {
                left[0] = as_config_maps(&inventory, &old).remove(0);
            }
            let mut read = Inventory::new("shop");
            read.read(&left).unwrap();
            assert!((0..3_000).all(|n| read.entries.contains_key(&id(n))), "after {written} writes");
        }
    }
}
