//! The kustomizations of a directory, and what each uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::survey::{Yaml, is_yaml};
use crate::config::paths::KUSTOMIZATIONS;

/// A kustomization, as far as it matters here.
pub(super) struct Kustomization {
    /// Whether it is a component: never applied by itself.
    pub(super) component: bool,
    /// The namespace it sets.
    pub(super) namespace: Option<String>,
    /// Directories and files it uses.
    pub(super) uses: BTreeSet<PathBuf>,
    /// Images it gives other names.
    renames: Vec<(String, String)>,
    /// Charts it inflates.
    pub(super) charts: Vec<PathBuf>,
}

/// The kustomizations among `files`, by their directory.
pub(super) fn kustomizations(files: &[PathBuf], reader: &mut Yaml<'_>) -> BTreeMap<PathBuf, Kustomization> {
    let mut found = BTreeMap::new();
    for file in files {
        let named = file.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known));
        let (true, Some(directory)) = (named, file.parent()) else { continue };
        let documents = reader.documents(file);
        let Some(document) = documents.first() else { continue };
        let strings = |key: &str| -> Vec<String> {
            let items = document.get(key).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        };
        let uses = ["resources", "bases", "components", "crds"]
            .iter()
            .flat_map(|key| strings(key))
            .filter_map(|path| clean(&directory.join(path)))
            .collect();
        let maps = |key: &str| document.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |map: &Value, key: &str| map.get(key)?.as_str().map(str::to_owned);
        let home = document.pointer("/helmGlobals/chartHome").and_then(Value::as_str).unwrap_or("charts");
        found.insert(
            directory.to_owned(),
            Kustomization {
                component: document.get("kind").and_then(Value::as_str) == Some("Component"),
                namespace: text(document, "namespace"),
                uses,
                renames: maps("images")
                    .iter()
                    .filter_map(|map| Some((text(map, "name")?, text(map, "newName")?)))
                    .collect(),
                charts: maps("helmCharts")
                    .iter()
                    .filter_map(|map| clean(&directory.join(home).join(text(map, "name")?)))
                    .collect(),
            },
        );
    }
    found
}

/// A relative path without `.` and `..`; `None` where it leaves the directory.
fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir if clean.pop() => {}
            _ => return None,
        }
    }
    Some(clean)
}

/// The documents that a kustomization and everything it uses consist of, file by file, and the names it gives their images.
pub(super) fn kustomized(
    path: &Path,
    all: &BTreeMap<PathBuf, Kustomization>,
    reader: &mut Yaml<'_>,
    seen: &mut BTreeSet<PathBuf>,
    documents: &mut Vec<Rc<[Value]>>,
    renames: &mut BTreeMap<String, String>,
) {
    let Some(kustomization) = all.get(path).filter(|_| seen.insert(path.to_owned())) else { return };
    renames.extend(kustomization.renames.iter().cloned());
    for used in &kustomization.uses {
        if all.contains_key(used) {
            kustomized(used, all, reader, seen, documents, renames);
        } else if is_yaml(used) && reader.directory.join(used).is_file() {
            documents.push(reader.documents(used));
        }
    }
}
