//! The data that stores hold before the rest of the system starts: stores come up first, then a snapshot and after it the
//! migrations, or the migrations and after them the seed. Manifests stay as they are; only the order of applying differs.

pub mod seed;
pub mod worker;
pub mod workers;
pub mod write;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::{DataFrom, DataSet};
use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, Manifest, SnapshotName};
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::migrations::migrated;
use crate::operation::session::Session;
use crate::operation::stores;

/// The file beside the volumes that says what was loaded: it goes where they go.
const RECORD: &str = ".data.json";

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
    let text = std::fs::read(session.state.volumes().join(RECORD)).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Remembers what a store was given.
fn record(session: &Session, store: &str, loaded: Loaded) -> Result<(), OperationError> {
    let mut all = recorded(session);
    let own = all.entry(store.to_owned()).or_default();
    own.retain(|one| one.from != loaded.from);
    own.insert(0, loaded);
    let text = serde_json::to_vec_pretty(&all).unwrap_or_default();
    let directory = session.state.volumes();
    let write = || {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&text)?;
        file.persist(directory.join(RECORD)).map_err(|error| error.error)?;
        Ok(())
    };
    write()
        .map_err(|source: std::io::Error| OperationError::Data { path: directory.join(RECORD), source })?;
    migrated::forget(session)
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
    session.config.data.iter().map(|set| one(session, objects, &known, &catalogue, set)).collect()
}

fn one(
    session: &Session,
    objects: &[Object],
    known: &[Store],
    catalogue: &Catalogue,
    set: &DataSet,
) -> Result<Wanted, OperationError> {
    let store = stores::of_name(objects, known, &set.store)?;
    let loaded = match &set.from {
        DataFrom::Snapshot(name) => {
            let name: SnapshotName = name.parse().map_err(OperationError::Name)?;
            let manifest = catalogue.find(&name)?;
            Loaded { from: format!("snapshot {name}"), digest: manifest.content.to_string() }
        }
        DataFrom::Seed(path) => of_seed(session, path, &seed_text(path)?),
    };
    Ok(Wanted { store, from: set.from.clone(), loaded })
}

/// A seed.yaml's text.
pub fn seed_text(path: &Path) -> Result<String, OperationError> {
    std::fs::read_to_string(path).map_err(|source| OperationError::Data { path: path.to_owned(), source })
}

fn of_seed(session: &Session, path: &Path, text: &str) -> Loaded {
    let shown = path.strip_prefix(session.config.directory()).unwrap_or(path);
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    Loaded { from: format!("seed {}", shown.display()), digest }
}

/// Remembers that a store was given the rows of a seed.yaml: of its `text` as it was then, whatever the file holds by now.
pub fn record_seed(session: &Session, store: &str, path: &Path, text: &str) -> Result<(), OperationError> {
    record(session, store, of_seed(session, path, text))
}

/// Remembers that a store was given a snapshot.
pub fn record_snapshot(session: &Session, store: &str, manifest: &Manifest) -> Result<(), OperationError> {
    let from = format!("snapshot {}", manifest.name);
    record(session, store, Loaded { from, digest: manifest.content.to_string() })
}

/// Whether an object may be applied before the data stands: it makes no Pods, or runs a store.
pub fn comes_first(object: &Object, stores: &[Store]) -> bool {
    !object.makes_pods() || stores.iter().any(|store| store.workload == object.id())
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
            objects.iter().filter(|object| comes_first(object, &known)).map(Object::name).collect();
        assert_eq!(first, ["postgres", "web"]);
        assert_eq!(objects[3].kind(), "Service");
    }
}
