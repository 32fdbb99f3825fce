//! The data that stores hold before the rest of the system starts: stores come up first, then a snapshot and after it the
//! migrations, or the migrations and after them the seed. Manifests stay as they are; only the order of applying differs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::OperationError;
use super::session::Session;
use super::stores;
use crate::config::{DataFrom, DataSet};
use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, SnapshotName};
use crate::manifest::Object;

/// The file of the state directory that says what was loaded.
const RECORD: &str = "data.json";

/// What a store was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// `snapshot NAME` or `seed PATH`.
    pub from: String,
    /// The digest of its content.
    pub digest: String,
}

/// What stores were given, by `NAMESPACE/NAME`; the last of each first.
pub fn recorded(session: &Session) -> BTreeMap<String, Vec<Loaded>> {
    let text = session.state.read(RECORD);
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Remembers what a store was given.
pub fn record(session: &Session, store: &str, loaded: Loaded) -> Result<(), OperationError> {
    let mut all = recorded(session);
    let own = all.entry(store.to_owned()).or_default();
    own.retain(|one| one.from != loaded.from);
    own.insert(0, loaded);
    session.state.write(RECORD, &serde_json::to_vec_pretty(&all).unwrap_or_default())?;
    Ok(())
}

/// Forgets what all stores were given: their volumes are gone.
pub fn forget(session: &Session) -> Result<(), OperationError> {
    session.state.write(RECORD, b"{}")?;
    Ok(())
}

/// What of the configuration's data a store is to get, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The store.
    pub store: Store,
    /// Where its data comes from.
    pub from: DataFrom,
    /// What it will be recorded as.
    pub loaded: Loaded,
}

/// Everything that the configuration wants, held against the manifests and the catalogue before anything is changed.
pub fn wanted(session: &Session, objects: &[Object]) -> Result<Vec<Wanted>, OperationError> {
    let known = crate::data::discover::stores(objects);
    let catalogue = Catalogue::open(session.config.snapshots());
    session.config.data.iter().map(|set| one(session, &known, &catalogue, set)).collect()
}

fn one(
    session: &Session,
    known: &[Store],
    catalogue: &Catalogue,
    set: &DataSet,
) -> Result<Wanted, OperationError> {
    let store = stores::named(known, &set.store)?;
    let loaded = match &set.from {
        DataFrom::Snapshot(name) => {
            let name: SnapshotName = name.parse().map_err(OperationError::Name)?;
            let manifest = catalogue.find(&name)?;
            Loaded { from: format!("snapshot {name}"), digest: manifest.content.to_string() }
        }
        DataFrom::Seed(path) => {
            let text = std::fs::read(path)
                .map_err(|source| OperationError::Data { path: path.clone(), source })?;
            let shown = path.strip_prefix(session.config.directory()).unwrap_or(path);
            Loaded {
                from: format!("seed {}", shown.display()),
                digest: blake3::hash(&text).to_hex().to_string(),
            }
        }
    };
    Ok(Wanted { store, from: set.from.clone(), loaded })
}

/// Whether an object may be applied before the data stands: it makes no Pods, or runs a store.
pub fn comes_first(object: &Object, stores: &[Store]) -> bool {
    !object.makes_pods() || stores.iter().any(|store| store.workload == object.id())
}

/// Whether an object is one of the Jobs that migrate.
pub fn migrates(session: &Session, object: &Object) -> bool {
    let name = format!("{}/{}", object.namespace(), object.name());
    object.kind() == "Job" && session.config.migrations.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::discover::stores;
    use crate::manifest::Origin;
    use serde_json::json;

    #[test]
    fn stores_and_what_makes_no_pods_come_first() {
        let object = |kind: &str, group: &str, name: &str, image: &str| Object {
            value: json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "shop"},
                "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        };
        let objects = [
            object("StatefulSet", "apps/v1", "postgres", "postgres:15"),
            object("Deployment", "apps/v1", "web", "example.com/web:1"),
            object("Job", "batch/v1", "migrate", "postgres:15"),
            object("Service", "v1", "web", ""),
        ];
        let known = stores(&objects);
        let first: Vec<&str> =
            objects.iter().filter(|object| comes_first(object, &known)).map(|object| object.name()).collect();
        assert_eq!(first, ["postgres", "web"]);
        assert_eq!(objects[3].kind(), "Service");
    }
}
