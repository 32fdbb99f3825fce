//! What a directory holds of a production system: kustomizations, charts, manifests, and the images they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::charts::{chart_directories, charts};
use super::dockerfiles;
use super::kustomizations::{kustomizations, kustomized};
use super::overlaps::{self, Overlap};
use crate::config::migration::recognised;
use crate::yaml;

/// What was found. Paths are relative to the directory, with `/`.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The project's name, from the directory's.
    pub(super) name: String,
    /// Kustomizations that no other one uses.
    pub(super) kustomizations: Choice,
    /// Charts that are installed by themselves.
    pub(super) charts: Vec<Chart>,
    /// Directories and files of plain manifests.
    pub(super) manifests: Choice,
    /// Directories and files of manifests that write objects of the chosen ones again.
    pub(super) overlapping: Vec<Overlap>,
    /// The namespace that a chosen kustomization sets.
    pub(super) namespace: Option<String>,
    /// What looks as if it migrated databases, as `migrations:` names it.
    pub(super) migrations: Vec<String>,
    /// Images that a Dockerfile here builds.
    pub(super) builds: Vec<Build>,
    /// Dockerfiles whose image no manifest names.
    pub(super) unmatched: Vec<String>,
    /// YAML files that could not be read.
    pub(super) broken: Vec<String>,
}

/// Paths that production is made of, and those that look like other environments.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Production's.
    pub(super) chosen: Vec<String>,
    /// The others.
    pub(super) others: Vec<String>,
}

/// A Helm chart.
#[derive(Debug)]
pub(super) struct Chart {
    /// Its directory.
    pub(super) path: String,
    /// Its name.
    pub(super) name: String,
    /// Production's values files.
    pub(super) values: Vec<String>,
}

/// An image and what builds it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Build {
    /// The image as the manifests name it.
    pub(super) image: String,
    /// The context.
    pub(super) context: String,
    /// The Dockerfile from the context's directory, where it is not `Dockerfile`.
    pub(super) dockerfile: Option<String>,
}

/// Directories that hold what others wrote or what was built.
const SKIPPED: [&str; 7] = ["node_modules", "vendor", "target", "dist", "testdata", "__pycache__", "venv"];
/// Names of what is production.
pub(super) const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];
/// Names of what is another environment, or none.
pub(super) const ELSEWHERE: [&str; 15] = [
    "dev",
    "development",
    "local",
    "staging",
    "stage",
    "test",
    "tests",
    "testing",
    "qa",
    "uat",
    "ci",
    "preview",
    "e2e",
    "example",
    "examples",
];
/// API groups of files that tools read, not clusters.
const TOOLS: [&str; 9] = [
    "skaffold",
    "kustomize.config.k8s.io",
    "kind.x-k8s.io",
    "k3d.io",
    "ctlptl.dev",
    "devcluster.dev",
    "kubeadm.k8s.io",
    "kubelet.config.k8s.io",
    "backstage.io",
];
/// No manifest is larger; files that are, are data.
const LARGEST: u64 = 4 << 20;

/// Looks through a directory.
pub(super) fn survey(directory: &Path) -> Survey {
    let files = files(directory);
    let mut reader = Yaml { directory, read: BTreeMap::new(), broken: BTreeSet::new() };
    let all = kustomizations(&files, &mut reader);
    let chart_directories = chart_directories(&files);
    let used: BTreeSet<&PathBuf> = all.values().flat_map(|kustomization| &kustomization.uses).collect();
    let roots =
        all.iter().filter(|(path, found)| !found.component && !used.contains(path)).map(|(path, _)| path);
    let (chosen, others) = choose(roots.cloned().collect());

    let mut in_kustomizations = Vec::new();
    let mut renames = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in &chosen {
        kustomized(path, &all, &mut reader, &mut seen, &mut in_kustomizations, &mut renames);
    }
    let namespace = chosen.iter().find_map(|path| all.get(path)?.namespace.clone());

    let owned: Vec<&PathBuf> = all.keys().chain(&chart_directories).collect();
    let manifests: Vec<PathBuf> = files
        .iter()
        .filter(|path| is_yaml(path) || path.extension().is_some_and(|ending| ending == "json"))
        .filter(|path| !owned.iter().any(|directory| path.starts_with(directory)))
        .filter(|path| !used.contains(path) && reader.is_manifest(path))
        .cloned()
        .collect();
    let (plain, plain_others) = choose(groups(&manifests, &files));
    let (plain, overlapping) = overlaps::without(plain, &manifests, &mut reader);
    let of_plain = manifests.iter().filter(|path| plain.iter().any(|group| path.starts_with(group)));
    let plainly: Vec<Rc<[Value]>> = of_plain.map(|path| reader.documents(path)).collect();
    let mut images = BTreeSet::new();
    let mut migrations = Vec::new();
    let own = namespace.as_deref().unwrap_or("default");
    for (files, namespace) in [(&in_kustomizations, own), (&plainly, "default")] {
        for document in files.iter().flat_map(|documents| documents.iter()) {
            named_images(document, &mut images);
            migrations.extend(recognised(document, namespace));
        }
    }
    let charts = charts(&chart_directories, &files, &all, &mut reader, &mut images);

    let images: BTreeSet<String> =
        images.into_iter().map(|image| renames.get(&image).cloned().unwrap_or(image)).collect();
    let name = label(&directory.file_name().unwrap_or_default().to_string_lossy());
    let (builds, unmatched) = dockerfiles::matched(directory, &files, &name, &images);
    Survey {
        name,
        kustomizations: Choice { chosen: shown(&chosen), others: shown(&others) },
        charts,
        manifests: Choice { chosen: shown(&plain), others: shown(&plain_others) },
        overlapping,
        namespace,
        migrations,
        builds,
        unmatched,
        broken: reader.broken.into_iter().collect(),
    }
}

/// Every file that is neither hidden nor ignored by git, relative and sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(directory)
        .require_git(false)
        .filter_entry(|entry| {
            !SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()) || entry.depth() == 0
        })
        .build();
    let mut files: Vec<PathBuf> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| Some(entry.path().strip_prefix(directory).ok()?.to_owned()))
        .filter(|path| path.to_str().is_some())
        .collect();
    files.sort();
    files
}

/// A path as it is written in the configuration.
pub(super) fn display(path: &Path) -> String {
    if path.as_os_str().is_empty() { ".".into() } else { path.display().to_string() }
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| display(path)).collect()
}

/// Whether a file is YAML by its name.
pub(super) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// A name made a DNS-1123 label, such as a project's from its directory's.
pub(super) fn label(name: &str) -> String {
    let name = name.to_lowercase();
    let mut label = String::new();
    for c in name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }) {
        if c != '-' || !label.ends_with('-') {
            label.push(c);
        }
    }
    let label: String = label.trim_matches('-').chars().take(63).collect();
    let label = label.trim_end_matches('-');
    if label.is_empty() { "project".into() } else { label.into() }
}

/// Which of the places are production's: what is named so, and what stands beside no such name.
fn choose(places: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let has = |path: &Path, words: &[&str]| {
        path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy().to_lowercase();
            words.contains(&part.trim_end_matches(".yaml").trim_end_matches(".yml"))
        })
    };
    let rivals: BTreeSet<PathBuf> = places
        .iter()
        .filter(|path| has(path, &PRODUCTION))
        .filter_map(|path| path.parent().map(Path::to_owned))
        .filter(|parent| !parent.as_os_str().is_empty())
        .collect();
    let other = |path: &PathBuf| {
        !has(path, &PRODUCTION)
            && (has(path, &ELSEWHERE) || path.parent().is_some_and(|parent| rivals.contains(parent)))
    };
    let (others, chosen): (Vec<_>, Vec<_>) = places.into_iter().partition(other);
    if chosen.is_empty() && !others.is_empty() {
        let mut others = others;
        let first = others.remove(0);
        return (vec![first], others);
    }
    (chosen, others)
}

/// Every image that a value names: `image: x`, and `repository: x` as charts have it; without tags and digests.
pub(super) fn named_images(value: &Value, images: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named_images(item, images)),
        Value::Object(map) => {
            if let Some(image) = map.get("image").and_then(Value::as_str) {
                images.insert(repository(image));
            }
            if let Some(name) =
                map.get("repository").and_then(Value::as_str).filter(|name| !name.contains("://"))
            {
                let registry =
                    map.get("registry").and_then(Value::as_str).filter(|registry| !registry.is_empty());
                images.insert(
                    registry.map_or_else(|| name.to_owned(), |registry| format!("{registry}/{name}")),
                );
            }
            map.values().for_each(|value| named_images(value, images));
        }
        _ => {}
    }
}

/// An image's name without tag and digest.
fn repository(image: &str) -> String {
    let image = image.split('@').next().unwrap_or_default();
    let name = image.rfind('/').map_or(0, |at| at + 1);
    image[name..].find(':').map_or(image, |tag| &image[..name + tag]).to_owned()
}

/// Manifests by the topmost directory that holds nothing else; alone where there is none.
fn groups(manifests: &[PathBuf], files: &[PathBuf]) -> Vec<PathBuf> {
    let known: BTreeSet<&PathBuf> = manifests.iter().collect();
    let pure = |directory: &Path| {
        files
            .iter()
            .filter(|path| path.starts_with(directory))
            .all(|path| known.contains(path) || path.extension().is_some_and(|ending| ending == "md"))
    };
    let mut groups = BTreeSet::new();
    for manifest in manifests {
        let directories = manifest.ancestors().skip(1).filter(|directory| !directory.as_os_str().is_empty());
        let top = directories.take_while(|directory| pure(directory)).last();
        groups.insert(top.unwrap_or(manifest).to_owned());
    }
    groups.into_iter().collect()
}

/// Reads YAML files of others, each once: what cannot be read is passed over, and named.
pub(super) struct Yaml<'a> {
    /// The directory that paths start from.
    pub(super) directory: &'a Path,
    read: BTreeMap<PathBuf, Rc<[Value]>>,
    broken: BTreeSet<String>,
}

impl Yaml<'_> {
    /// The documents of a file.
    pub(super) fn documents(&mut self, path: &Path) -> Rc<[Value]> {
        if let Some(documents) = self.read.get(path) {
            return Rc::clone(documents);
        }
        let documents: Rc<[Value]> = self.parsed(path).into();
        self.read.insert(path.to_owned(), Rc::clone(&documents));
        documents
    }

    fn parsed(&mut self, path: &Path) -> Vec<Value> {
        let full = self.directory.join(path);
        if std::fs::metadata(&full).is_ok_and(|data| data.len() > LARGEST) {
            return Vec::new();
        }
        let Ok(text) = std::fs::read_to_string(full) else { return Vec::new() };
        let loaded = yaml::load(&text);
        if loaded.faults.is_empty() {
            return loaded.documents.into_iter().map(|document| document.value).collect();
        }
        // A template, or a mistake that reading the manifests names with its place.
        self.broken.insert(display(path));
        Vec::new()
    }

    /// Whether a file holds objects for a cluster, and nothing else.
    fn is_manifest(&mut self, path: &Path) -> bool {
        let documents = self.documents(path);
        !documents.is_empty()
            && documents.iter().all(|document| {
                let text = |key: &str| document.get(key).and_then(Value::as_str);
                let (Some(version), Some(_)) = (text("apiVersion"), text("kind")) else { return false };
                let group = version.split('/').next().unwrap_or_default();
                !TOOLS.contains(&group)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn production_is_preferred_to_its_neighbours_only() {
        let (chosen, others) =
            choose(paths(&["deploy/overlays/eu", "deploy/overlays/production", "monitoring", "staging"]));
        assert_eq!(chosen, paths(&["deploy/overlays/production", "monitoring"]));
        assert_eq!(others, paths(&["deploy/overlays/eu", "staging"]));
        assert_eq!(choose(paths(&["dev", "staging"])), (paths(&["dev"]), paths(&["staging"])));
    }

    #[test]
    fn images_lose_tags_and_digests_but_not_ports() {
        assert_eq!(repository("localhost:5000/a/b:1@sha256:00"), "localhost:5000/a/b");
        assert_eq!(repository("redis:7"), "redis");
        assert_eq!(repository("localhost:5000/a"), "localhost:5000/a");
    }

    #[test]
    fn names_are_made_labels() {
        assert_eq!(label("My Shop_2.0"), "my-shop-2-0");
        assert_eq!(label("--"), "project");
    }

    #[test]
    fn manifests_are_grouped_by_directories_that_hold_nothing_else() {
        let manifests = paths(&["app/job.yaml", "k8s/a/x.yaml", "k8s/b.yaml", "top.yaml"]);
        let mut files = manifests.clone();
        files.extend(paths(&["app/main.go", "k8s/README.md"]));
        assert_eq!(groups(&manifests, &files), paths(&["app/job.yaml", "k8s", "top.yaml"]));
    }
}
