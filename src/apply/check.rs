//! Asks the live cluster whether anything is to do, fast: a few lists, no discovery, nothing written.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::Cluster;
use super::error::ApplyError;
use super::fields;
use super::inventory::{self, Entry, Inventory};
use super::live::{self, Live};
use crate::manifest::{Object, ObjectId};

/// Connections for a check: each more costs a TLS handshake, which takes longer than a short list.
const CONNECTIONS: usize = 4;

/// How an object of the manifests and the cluster differ, as far as the inventory tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// It was never applied.
    New,
    /// It was applied and is gone.
    Absent,
    /// It is being deleted.
    Deleting,
    /// The manifests changed since it was applied.
    Edited,
    /// Somebody changed what was applied, or put another object in its place.
    Drifted,
    /// It was applied and the manifests no longer have it.
    Obsolete,
}

/// One object that is not as it was left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The object.
    pub id: ObjectId,
    /// How it differs.
    pub what: Difference,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What differs, sorted; empty where nothing is to do.
    pub changes: Vec<Change>,
    /// The live objects it read, for whoever looks at their readiness next.
    pub live: Live,
}

/// Compares `desired` with the cluster by what the inventory remembers. Kinds the inventory does not know are asked for.
pub async fn check(
    cluster: &Cluster,
    desired: &[Object],
    inventory: &Inventory,
) -> Result<Checked, ApplyError> {
    cluster.learn(inventory.kinds.values().cloned());
    // An object that was never applied needs no look at the cluster to be a change, so only an applied one's kind matters.
    let known = |object: &&Object| inventory.entries.contains_key(&object.id());
    if desired.iter().filter(known).any(|object| cluster.resolve(object).is_none()) {
        cluster.discover().await?;
    }
    let live = live::read(cluster, desired, CONNECTIONS).await?;
    Ok(Checked { changes: compare(desired, inventory, &live), live })
}

/// The differences, sorted by object.
pub fn compare(desired: &[Object], inventory: &Inventory, live: &Live) -> Vec<Change> {
    let mut changes: Vec<Change> = desired
        .iter()
        .filter_map(|object| {
            let id = object.id();
            let what = difference(object, inventory, live.get(&id))?;
            Some(Change { id, what })
        })
        .collect();
    let wanted: BTreeSet<ObjectId> = desired.iter().map(Object::id).collect();
    changes.extend(
        inventory
            .entries
            .iter()
            .filter(|(id, entry)| !wanted.contains(id) && entry.kept.is_none())
            .map(|(id, _)| Change { id: id.clone(), what: Difference::Obsolete }),
    );
    changes.sort();
    changes
}

/// How one object differs; `None` where it is as it was left.
pub fn difference(object: &Object, inventory: &Inventory, live: Option<&Value>) -> Option<Difference> {
    let Some(entry) = inventory.entries.get(&object.id()) else { return Some(Difference::New) };
    let Some(desired) = &entry.desired else { return Some(Difference::New) };
    let Some(live) = live else {
        return if inventory.has_run(object) { None } else { Some(Difference::Absent) };
    };
    if live.pointer("/metadata/deletionTimestamp").is_some() && object.kind() != "CustomResourceDefinition" {
        return Some(Difference::Deleting);
    }
    if *desired != object.hash() || entry.api_version != object.gvk().api_version() {
        return Some(Difference::Edited);
    }
    drifted(object, entry, live).then_some(Difference::Drifted)
}

fn drifted(object: &Object, entry: &Entry, live: &Value) -> bool {
    entry.uid != inventory::uid(live) || entry.live != fields::live_hash(live, &object.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    fn object(data: &str) -> Object {
        Object {
            value: json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"},
                          "data": {"k": data}}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        }
    }

    fn live(data: &str, uid: &str) -> Value {
        let mut live = object(data).value;
        live["metadata"]["uid"] = json!(uid);
        live["metadata"]["resourceVersion"] = json!(format!("{data}{uid}"));
        live
    }

    #[test]
    fn every_difference_is_told() {
        let mut inventory = Inventory::new("shop");
        let seen = |inventory: &Inventory, object: &Object, live: Option<Value>| {
            difference(object, inventory, live.as_ref())
        };
        assert_eq!(seen(&inventory, &object("a"), None), Some(Difference::New));
        inventory.intend(&object("a"));
        assert_eq!(seen(&inventory, &object("a"), Some(live("a", "1"))), Some(Difference::New), "cut short");
        inventory.applied(&object("a"), &live("a", "1"), true, None);
        assert_eq!(seen(&inventory, &object("a"), Some(live("a", "1"))), None);
        assert_eq!(seen(&inventory, &object("b"), Some(live("a", "1"))), Some(Difference::Edited));
        assert_eq!(seen(&inventory, &object("a"), Some(live("b", "1"))), Some(Difference::Drifted));
        assert_eq!(
            seen(&inventory, &object("a"), Some(live("a", "2"))),
            Some(Difference::Drifted),
            "replaced"
        );
        assert_eq!(seen(&inventory, &object("a"), None), Some(Difference::Absent));
        let mut going = live("a", "1");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(seen(&inventory, &object("a"), Some(going)), Some(Difference::Deleting));
        let left = compare(&[], &inventory, &Live::new());
        assert_eq!(left, [Change { id: object("a").id(), what: Difference::Obsolete }]);
    }
}
