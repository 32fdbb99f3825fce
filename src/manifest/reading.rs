//! From a text to objects: documents loaded, lists taken apart, what every object must have checked.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{Fault, Warning};
use super::name;
use super::object::{Object, Origin};
use crate::yaml::{self, Document, Note, Place, Position};

/// All that was read of a source's texts.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub objects: Vec<Object>,
    pub warnings: Vec<Warning>,
    pub faults: Vec<Fault>,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// The source in `devcluster.yaml`.
    pub source: &'a str,
    /// The file; none for what a program printed.
    pub file: Option<&'a Path>,
    /// Whether objects may go by `metadata.generateName` alone, as Helm's hooks do.
    pub generated_names: bool,
}

impl Read {
    /// Reads a file's bytes.
    pub(super) fn bytes(&mut self, from: Text<'_>, bytes: &[u8]) {
        let (text, damaged) = yaml::decode(bytes);
        if damaged {
            let message = "holds bytes that are not UTF-8; kubectl reads them as U+FFFD";
            self.warnings.push(from.warning(Position::default(), message.into()));
        }
        self.text(from, &text);
    }

    /// Reads a text.
    pub(super) fn text(&mut self, from: Text<'_>, text: &str) {
        let loaded = yaml::load(text);
        self.faults
            .extend(loaded.faults.into_iter().map(|error| Fault::of_yaml(from.source, from.path(), error)));
        let notes = loaded.notes.into_iter();
        self.warnings.extend(notes.map(|Note { message, position }| from.warning(position, message)));
        for document in loaded.documents {
            self.document(from, document);
        }
    }

    fn document(&mut self, from: Text<'_>, document: Document) {
        let Document { value, place, items } = document;
        self.value(from, value, place, &items, None);
    }

    /// What has `items` is a list, as for kubectl, whatever its kind; its items may leave out what the list says, and may
    /// not be lists.
    fn value(
        &mut self,
        from: Text<'_>,
        mut value: Value,
        place: Place,
        items: &[Place],
        list: Option<(&str, &str)>,
    ) {
        let Some(map) = value.as_object_mut() else {
            let message =
                format!("an object must be a mapping with `apiVersion` and `kind`, not {}", kind_of(&value));
            return self.faults.push(from.fault(place.start, message, None));
        };
        if let Some((version, kind)) = list {
            let missing = |value: Option<&Value>| value.is_none_or(Value::is_null);
            if missing(map.get("kind")) && missing(map.get("apiVersion")) && !kind.is_empty() {
                map.insert("apiVersion".into(), version.into());
                map.insert("kind".into(), kind.into());
            }
        }
        match map.get_mut("items") {
            None => self.object(from, value, place),
            Some(Value::Null) => {}
            Some(Value::Array(_)) if list.is_some() => {
                let message = "a list cannot hold lists: kubectl refuses them".into();
                self.faults.push(from.fault(
                    place.start,
                    message,
                    Some("list the inner items themselves".into()),
                ));
            }
            Some(Value::Array(found)) => {
                let found = std::mem::take(found);
                let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (version, kind) = (text("apiVersion"), text("kind"));
                let of = kind.strip_suffix("List").unwrap_or(&kind);
                for (number, item) in found.into_iter().enumerate() {
                    let place = items.get(number).copied().unwrap_or(place);
                    self.value(from, item, place, &[], Some((&version, of)));
                }
            }
            Some(_) => {
                let message = "`items` makes this a list, but it is not a sequence".into();
                self.faults.push(from.fault(place.start, message, None));
            }
        }
    }

    fn object(&mut self, from: Text<'_>, mut value: Value, place: Place) {
        let before = self.faults.len();
        let hint = kustomization_hint(from, &value);
        for key in ["apiVersion", "kind"] {
            if let Some(message) = text_fault(value.get(key), key) {
                self.faults.push(from.fault(place.start, message, hint.clone()));
            }
        }
        let metadata = value.get("metadata");
        if metadata.is_some_and(|metadata| !metadata.is_object() && !metadata.is_null()) {
            self.faults.push(from.fault(place.metadata, "`metadata` must be a mapping".into(), None));
            return;
        }
        let generated = metadata.and_then(|metadata| metadata.get("generateName")).is_some();
        let name = metadata.and_then(|metadata| metadata.get("name"));
        if name.is_none() && generated && from.generated_names {
            name_generated(&mut value);
        } else if let Some(message) = text_fault(name, "metadata.name") {
            let hint = generated
                .then(|| "`kubectl apply` refuses `generateName` alone: give the object a `name`".to_owned());
            self.faults.push(from.fault(
                place.metadata,
                message,
                hint.or_else(|| kustomization_hint(from, &value)),
            ));
        }
        if let Some(namespace) = value.pointer("/metadata/namespace")
            && !namespace.is_string()
            && !namespace.is_null()
        {
            let message = format!("`metadata.namespace` must be a string, not {}", kind_of(namespace));
            self.faults.push(from.fault(place.metadata, message, Some("quote it".into())));
        }
        for key in ["name", "namespace"] {
            let name = value.pointer(&format!("/metadata/{key}")).and_then(Value::as_str).unwrap_or_default();
            if let Some(why) = name::refused(name) {
                let message = format!("`metadata.{key}` {name:?} {why}: no API server takes it");
                self.faults.push(from.fault(place.metadata, message, None));
            }
        }
        if self.faults.len() == before {
            let origin = Origin { source: from.source.into(), file: from.path(), line: place.start.line };
            self.objects.push(Object { value, origin });
        }
    }
}

/// A name for an object whose name the API server would make up: the same one for the same object.
fn name_generated(value: &mut Value) {
    let prefix = value.pointer("/metadata/generateName").and_then(Value::as_str).unwrap_or_default();
    let name = format!("{prefix}{}", &super::object::canonical_hash(value)[..5]);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".into(), name.into());
    }
}

fn text_fault(value: Option<&Value>, path: &str) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(format!("`{path}` is missing")),
        Some(Value::String(text)) if text.is_empty() => Some(format!("`{path}` is empty")),
        Some(Value::String(_)) => None,
        Some(other) => Some(format!("`{path}` must be a string, not {}; quote it", kind_of(other))),
    }
}

fn kustomization_hint(from: Text<'_>, value: &Value) -> Option<String> {
    let named =
        from.file.and_then(Path::file_stem).is_some_and(|stem| stem.eq_ignore_ascii_case("kustomization"));
    let typed = value.get("kind").and_then(Value::as_str).is_some_and(|kind| {
        (kind == "Kustomization" || kind == "Component")
            && value
                .get("apiVersion")
                .and_then(Value::as_str)
                .is_none_or(|v| v.starts_with("kustomize.config.k8s.io/"))
    });
    (named || typed).then(|| "this is a kustomization: give its directory as a `kustomize` source".into())
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

impl Text<'_> {
    fn path(&self) -> Option<PathBuf> {
        self.file.map(Path::to_owned)
    }

    fn fault(&self, position: Position, message: String, hint: Option<String>) -> Fault {
        Fault { source: self.source.into(), file: self.path(), position, message, hint }
    }

    fn warning(&self, position: Position, message: String) -> Warning {
        let Position { line, column, .. } = position;
        Warning { source: self.source.into(), file: self.path(), line, column, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Read {
        let mut read = Read::default();
        let file = Path::new("app.yaml");
        read.text(Text { source: "files app.yaml", file: Some(file), generated_names: false }, text);
        read
    }

    fn faults(text: &str) -> Vec<String> {
        read(text).faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_taken_apart() {
        let read = read(
            "kind: List\napiVersion: v1\nitems:\n- {kind: Pod, apiVersion: v1, metadata: {name: a}}\n---\n\
             kind: ConfigMapList\napiVersion: v1\nitems:\n- metadata: {name: b}\n- metadata: {name: c}\n---\n\
             kind: SecretList\napiVersion: v1\nitems: null\n",
        );
        assert_eq!(read.faults, []);
        let found: Vec<_> =
            read.objects.iter().map(|object| (object.id().to_string(), object.origin.line)).collect();
        assert_eq!(
            found,
            [("Pod a".to_owned(), 4), ("ConfigMap b".to_owned(), 9), ("ConfigMap c".to_owned(), 10),]
        );
    }

    #[test]
    fn lists_within_lists_are_refused() {
        assert_eq!(
            faults("kind: List\napiVersion: v1\nitems:\n- {kind: List, apiVersion: v1, items: []}\n"),
            [
                "app.yaml:4:3: a list cannot hold lists: kubectl refuses them\n    list the inner items themselves",
            ]
        );
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        assert_eq!(
            faults(
                "kind: Pod\nmetadata:\n  labels: {}\n---\n- a\n---\napiVersion: 1\nkind: Pod\nmetadata: {name: 12, namespace: 1}\n"
            ),
            [
                "app.yaml:1:1: `apiVersion` is missing",
                "app.yaml:3:3: `metadata.name` is missing",
                "app.yaml:5:1: an object must be a mapping with `apiVersion` and `kind`, not a list",
                "app.yaml:7:1: `apiVersion` must be a string, not the number 1; quote it",
                "app.yaml:9:11: `metadata.name` must be a string, not the number 12; quote it",
                "app.yaml:9:11: `metadata.namespace` must be a string, not the number 1\n    quote it",
            ]
        );
        assert_eq!(
            faults("kind: Job\napiVersion: batch/v1\nmetadata: {generateName: a-}\n"),
            [
                "app.yaml:3:11: `metadata.name` is missing\n    `kubectl apply` refuses `generateName` alone: give the object a `name`",
            ]
        );
        assert_eq!(faults("kind: Kustomization\nresources: [a.yaml]\n").len(), 2);
        assert!(faults("kind: Kustomization\nresources: [a.yaml]\n")[0].ends_with("as a `kustomize` source"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert_eq!(
            faults("kind: PersistentVolumeClaim\napiVersion: v1\nmetadata: {name: ../../a, namespace: ..}\n"),
            [
                "app.yaml:3:11: `metadata.name` \"../../a\" holds `/`: no API server takes it",
                "app.yaml:3:11: `metadata.namespace` \"..\" is no name: no API server takes it",
            ]
        );
    }

    #[test]
    fn hooks_may_have_generated_names_which_stay_the_same() {
        let text = "kind: Job\napiVersion: batch/v1\nmetadata: {generateName: a-}\n";
        let name = |text: &str| {
            let mut read = Read::default();
            read.text(Text { source: "helm x", file: None, generated_names: true }, text);
            read.objects[0].name().to_owned()
        };
        assert_eq!(name(text), name(text));
        assert!(name(text).starts_with("a-") && name(text).len() == 7);
        assert_ne!(
            name(text),
            name("kind: Job\napiVersion: batch/v1\nmetadata: {generateName: a-}\nspec: 1")
        );
    }
}
