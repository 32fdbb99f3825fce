//! Kustomizations: what they reach, and what `kustomize build` makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cache::Inputs;
use super::error::ManifestError;
use super::index::Index;
use super::object::Object;
use super::reading::{Read, Text};
use super::tool::Tool;
use crate::process::Command;
use crate::yaml;

/// Keys of a kustomization that name no file.
const PLAIN_KEYS: [&str; 16] = [
    "apiVersion",
    "kind",
    "metadata",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "images",
    "replicas",
    "generatorOptions",
    "vars",
    "buildMetadata",
    "sortOptions",
    "immutable",
];

/// The files that a kustomization reaches.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) files: BTreeSet<PathBuf>,
    /// Those whose content becomes Secrets.
    pub(super) secret: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

impl Reach {
    /// All files that decide what a kustomization builds; none where that cannot be told (remote resources, plugins,
    /// charts, keys not known here), so that its outcome must not be kept.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let mut reach = Self::default();
        reach.directory(directory)?;
        Some(reach)
    }

    /// The hash of all that decides what is built.
    pub(super) fn inputs(&self, root: &Path, tool: &Tool, index: &Index) -> Option<String> {
        let mut inputs = Inputs::new();
        inputs.text("tool", &format!("{} {}", tool.name, tool.stamp));
        for file in &self.files {
            let name = file.strip_prefix(root).unwrap_or(file);
            inputs.file(index, &name.to_string_lossy(), file).ok()?;
        }
        Some(inputs.hash())
    }

    fn directory(&mut self, directory: &Path) -> Option<()> {
        let directory = directory.canonicalize().ok()?;
        if !self.directories.insert(directory.clone()) {
            return Some(());
        }
        let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        let mut found = names.iter().map(|name| directory.join(name)).filter(|file| file.is_file());
        let (Some(file), None) = (found.next(), found.next()) else { return None };
        let text = std::fs::read_to_string(&file).ok()?;
        self.files.insert(file);
        let loaded = yaml::load(&text);
        let ([document], []) = (loaded.documents.as_slice(), loaded.faults.as_slice()) else { return None };
        for (key, value) in document.value.as_object()? {
            self.key(&directory, key, value)?;
        }
        Some(())
    }

    fn key(&mut self, directory: &Path, key: &str, value: &Value) -> Option<()> {
        if PLAIN_KEYS.contains(&key) || value.is_null() {
            return Some(());
        }
        match key {
            "resources" | "bases" | "components" | "crds" | "configurations" => {
                value.as_array()?.iter().try_for_each(|path| self.path(directory, path.as_str()?))
            }
            "patches" | "patchesJson6902" | "replacements" => {
                let paths = value.as_array()?.iter().filter_map(|entry| entry.get("path"));
                paths.filter(|path| !path.is_null()).try_for_each(|path| self.path(directory, path.as_str()?))
            }
            "patchesStrategicMerge" => value.as_array()?.iter().try_for_each(|entry| {
                // What names no file is a patch itself.
                let text = entry.as_str()?;
                if text.contains('\n') { Some(()) } else { self.path(directory, text) }
            }),
            "openapi" => self.path(directory, value.get("path")?.as_str()?),
            "configMapGenerator" => {
                value.as_array()?.iter().try_for_each(|generator| self.generator(directory, generator))
            }
            "secretGenerator" => {
                let mut own = Self::default();
                value.as_array()?.iter().try_for_each(|generator| own.generator(directory, generator))?;
                self.secret.extend(own.files.iter().cloned());
                self.files.extend(own.files);
                Some(())
            }
            _ => None,
        }
    }

    fn path(&mut self, directory: &Path, path: &str) -> Option<()> {
        let path = directory.join(path);
        if path.is_dir() {
            return self.directory(&path);
        }
        self.files.insert(path.canonicalize().ok()?);
        Some(())
    }

    fn generator(&mut self, directory: &Path, generator: &Value) -> Option<()> {
        let list = |key: &str| generator.get(key).and_then(Value::as_array).into_iter().flatten();
        for entry in list("files") {
            let entry = entry.as_str()?;
            self.path(directory, entry.split_once('=').map_or(entry, |(_, path)| path))?;
        }
        for entry in list("envs").chain(generator.get("env")) {
            let file = entry.as_str()?;
            let text = std::fs::read_to_string(directory.join(file)).ok()?;
            // A name without value is filled from the environment.
            let mut lines =
                text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            if !lines.all(|line| line.contains('=')) {
                return None;
            }
            self.path(directory, file)?;
        }
        Some(())
    }
}

/// Builds a kustomization.
pub(super) async fn build(source: &str, directory: &Path, tool: &Tool) -> Result<Read, ManifestError> {
    let mut command = Command::new(tool.name);
    command = if tool.name == "kustomize" { command.arg("build") } else { command.arg("kustomize") };
    let command = command.arg(directory.to_string_lossy());
    let output =
        command.output().await.map_err(|error| ManifestError::Tool { source_name: source.into(), error })?;
    let mut read = Read::default();
    read.bytes(Text { source, file: None, generated_names: false }, &output);
    Ok(read)
}

/// Finds where objects that kustomize printed were written: by kind and name, prefixes and suffixes allowed for.
pub(super) fn find_origins(objects: &mut [Object], reach: Option<&Reach>) {
    let mut written: BTreeMap<String, Vec<(String, PathBuf, usize)>> = BTreeMap::new();
    for file in reach.iter().flat_map(|reach| &reach.files) {
        if !super::files::is_manifest(file) || file.file_stem().is_some_and(|stem| stem == "kustomization") {
            continue;
        }
        let Ok(bytes) = std::fs::read(file) else { continue };
        let mut read = Read::default();
        read.bytes(Text { source: "", file: Some(file), generated_names: false }, &bytes);
        for object in read.objects {
            let place = (object.name().to_owned(), file.clone(), object.origin.line);
            written.entry(object.kind().to_owned()).or_default().push(place);
        }
    }
    for object in objects {
        object.origin.line = 0;
        let Some(places) = written.get(object.kind()) else { continue };
        let name = object.name();
        let fits = places.iter().filter(|(written, ..)| name.contains(written.as_str()));
        // A patch names the object, too: the longer file path is no better, so the first written wins.
        if let Some((_, file, line)) = fits.rev().max_by_key(|(written, ..)| written.len()) {
            (object.origin.file, object.origin.line) = (Some(file.clone()), *line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::tree;
    use super::*;

    const BASE: [(&str, &str); 5] = [
        (
            "base/kustomization.yaml",
            "resources: [app.yaml]\nconfigMapGenerator:\n- {name: c, files: [k=conf/a.txt], envs: [x.env]}\n",
        ),
        ("base/app.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\n"),
        ("base/conf/a.txt", "a"),
        ("base/x.env", "# settings\nA=1\n"),
        ("over/patch.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\n"),
    ];

    fn reach(kustomization: &str) -> (tempfile::TempDir, Option<Vec<String>>) {
        let directory = tree(&BASE);
        std::fs::write(directory.path().join("over/kustomization.yaml"), kustomization).unwrap();
        let root = directory.path().canonicalize().unwrap();
        let found = Reach::of(&root.join("over")).map(|reach| {
            let files = reach.files.iter();
            files.map(|file| file.strip_prefix(&root).unwrap().display().to_string()).collect()
        });
        (directory, found)
    }

    #[test]
    fn all_files_that_count_are_reached() {
        let (_, found) =
            reach("namePrefix: p-\nresources: [../base]\npatches:\n- path: patch.yaml\n- patch: x\n");
        assert_eq!(
            found.unwrap(),
            [
                "base/app.yaml",
                "base/conf/a.txt",
                "base/kustomization.yaml",
                "base/x.env",
                "over/kustomization.yaml",
                "over/patch.yaml",
            ]
        );
    }

    #[test]
    fn what_cannot_be_told_is_not_kept() {
        for kustomization in [
            "resources: [https://example.com/a.yaml]",
            "resources: [github.com/a/b?ref=v1]",
            "helmCharts: [{name: x}]",
            "generators: [a.yaml]",
            "unknownKey: x",
            "resources: [gone.yaml]",
            "a: [",
        ] {
            assert_eq!(reach(kustomization).1, None, "{kustomization}");
        }
        let (directory, _) = reach("resources: [../base]");
        std::fs::write(directory.path().join("base/x.env"), "FROM_ENVIRONMENT\n").unwrap();
        assert!(Reach::of(&directory.path().join("over")).is_none());
    }

    #[test]
    fn inputs_change_with_any_file_and_the_tool() {
        let (directory, _) = reach("resources: [../base]");
        let root = directory.path().canonicalize().unwrap();
        let index = Index::open(root.join("index.json"));
        let tool = |stamp: &str| Tool { name: "kustomize", stamp: stamp.into() };
        let inputs =
            |stamp: &str| Reach::of(&root.join("over")).unwrap().inputs(&root, &tool(stamp), &index).unwrap();
        let first = inputs("1");
        assert_eq!(first, inputs("1"));
        assert_ne!(first, inputs("2"));
        std::fs::write(root.join("base/conf/a.txt"), "b").unwrap();
        assert_ne!(first, inputs("1"));
    }

    #[test]
    fn origins_are_found_through_prefixes() {
        let (directory, _) = reach("resources: [../base]");
        let reach = Reach::of(&directory.path().join("over")).unwrap();
        let mut read = Read::default();
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p-app}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c-1}\n";
        read.text(Text { source: "kustomize over", file: None, generated_names: false }, text);
        find_origins(&mut read.objects, Some(&reach));
        assert!(read.objects[0].origin.file.as_ref().unwrap().ends_with("base/app.yaml"));
        assert_eq!(read.objects[0].origin.line, 1);
        assert_eq!((&read.objects[1].origin.file, read.objects[1].origin.line), (&None, 0));
    }
}
