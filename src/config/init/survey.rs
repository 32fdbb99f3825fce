//! What a directory holds of a production system: kustomizations, charts, manifests, and the images they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::dockerfiles;
use crate::config::paths::KUSTOMIZATIONS;
use crate::manifest::yaml;

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
    /// The namespace that a chosen kustomization sets.
    pub(super) namespace: Option<String>,
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
const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];
const ELSEWHERE: [&str; 15] = [
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
/// What stands between the words of a file's name.
const EDGES: [char; 3] = ['-', '.', '_'];
/// No manifest is larger; files that are, are data.
const LARGEST: u64 = 4 << 20;

/// Looks through a directory.
pub(super) fn survey(directory: &Path) -> Survey {
    let files = files(directory);
    let mut reader = Yaml { directory, broken: BTreeSet::new() };
    let all = kustomizations(&files, &mut reader);
    let chart_directories = chart_directories(&files);
    let used: BTreeSet<&PathBuf> = all.values().flat_map(|kustomization| &kustomization.uses).collect();
    let roots =
        all.iter().filter(|(path, found)| !found.component && !used.contains(path)).map(|(path, _)| path);
    let (chosen, others) = choose(roots.cloned().collect());

    let mut images = BTreeSet::new();
    let mut renames = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in &chosen {
        kustomized_images(path, &all, &mut reader, &mut seen, &mut images, &mut renames);
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
    for path in manifests.iter().filter(|path| plain.iter().any(|group| path.starts_with(group))) {
        reader.documents(path).iter().for_each(|document| named_images(document, &mut images));
    }
    let charts = charts(&chart_directories, &files, &all, &mut reader, &mut images);

    let images: BTreeSet<String> =
        images.into_iter().map(|image| renames.get(&image).cloned().unwrap_or(image)).collect();
    let name = project_name(directory);
    let (builds, unmatched) = dockerfiles::matched(directory, &files, &name, &images);
    Survey {
        name,
        kustomizations: Choice { chosen: shown(&chosen), others: shown(&others) },
        charts,
        manifests: Choice { chosen: shown(&plain), others: shown(&plain_others) },
        namespace,
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
fn display(path: &Path) -> String {
    if path.as_os_str().is_empty() { ".".into() } else { path.display().to_string() }
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| display(path)).collect()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// A project's name from its directory's: a DNS-1123 label.
fn project_name(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
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

/// A kustomization, as far as it matters here.
struct Kustomization {
    component: bool,
    namespace: Option<String>,
    /// Directories and files it uses.
    uses: BTreeSet<PathBuf>,
    renames: Vec<(String, String)>,
    /// Charts it inflates.
    charts: Vec<PathBuf>,
}

fn kustomizations(files: &[PathBuf], reader: &mut Yaml<'_>) -> BTreeMap<PathBuf, Kustomization> {
    let mut found = BTreeMap::new();
    for file in files {
        let named = file.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known));
        let (true, Some(directory)) = (named, file.parent()) else { continue };
        let Some(document) = reader.documents(file).into_iter().next() else { continue };
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
                namespace: text(&document, "namespace"),
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

/// The images that a kustomization and everything it uses name.
fn kustomized_images(
    path: &Path,
    all: &BTreeMap<PathBuf, Kustomization>,
    reader: &mut Yaml<'_>,
    seen: &mut BTreeSet<PathBuf>,
    images: &mut BTreeSet<String>,
    renames: &mut BTreeMap<String, String>,
) {
    let Some(kustomization) = all.get(path).filter(|_| seen.insert(path.to_owned())) else { return };
    renames.extend(kustomization.renames.iter().cloned());
    for used in &kustomization.uses {
        if all.contains_key(used) {
            kustomized_images(used, all, reader, seen, images, renames);
        } else if is_yaml(used) && reader.directory.join(used).is_file() {
            reader.documents(used).iter().for_each(|document| named_images(document, images));
        }
    }
}

/// Every image that a value names: `image: x`, and `repository: x` as charts have it; without tags and digests.
fn named_images(value: &Value, images: &mut BTreeSet<String>) {
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

/// Directories of charts that are not another chart's.
fn chart_directories(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    // Sorted paths have a chart's own Chart.yaml before those of its `charts/`.
    let charts = files.iter().filter(|path| path.file_name().is_some_and(|name| name == "Chart.yaml"));
    for directory in charts.filter_map(|path| path.parent()) {
        if !found.iter().any(|outer| directory.starts_with(outer)) {
            found.push(directory.to_owned());
        }
    }
    found
}

/// The charts to install, with production's values; the images they name join `images`.
fn charts(
    directories: &[PathBuf],
    files: &[PathBuf],
    kustomizations: &BTreeMap<PathBuf, Kustomization>,
    reader: &mut Yaml<'_>,
    images: &mut BTreeSet<String>,
) -> Vec<Chart> {
    let inflated: BTreeSet<&PathBuf> = kustomizations.values().flat_map(|found| &found.charts).collect();
    let mut charts = Vec::new();
    for directory in directories.iter().filter(|directory| !inflated.contains(directory)) {
        let Some(about) = reader.documents(&directory.join("Chart.yaml")).into_iter().next() else {
            continue;
        };
        if about.get("type").and_then(Value::as_str) == Some("library") {
            continue;
        }
        let name = about.get("name").and_then(Value::as_str).unwrap_or_default();
        let values: Vec<&PathBuf> =
            files.iter().filter(|path| is_production_values(path, directory, name)).collect();
        for path in values.iter().copied().chain([&directory.join("values.yaml")]) {
            reader.documents(path).iter().for_each(|document| named_images(document, images));
        }
        charts.push(Chart {
            path: display(directory),
            name: project_name(Path::new(name)),
            values: values.iter().map(|path| display(path)).collect(),
        });
    }
    charts
}

/// A chart's values in production: `values-production.yaml`, `values.prod.yaml` and their like in its own directory,
/// `NAME-values.yaml`, `values-NAME-production.yaml` and their like in others.
fn is_production_values(path: &Path, chart: &Path, name: &str) -> bool {
    if !is_yaml(path) || path.starts_with(chart.join("templates")) || path.starts_with(chart.join("charts")) {
        return false;
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    if path.starts_with(chart) {
        let stem = stem.strip_prefix("values").map_or(stem.as_str(), |rest| rest.trim_start_matches(EDGES));
        return PRODUCTION.contains(&stem);
    }
    let Some((before, after)) = stem.split_once(name).filter(|_| !name.is_empty()) else { return false };
    let whole = (before.is_empty() || before.ends_with(EDGES)) && (after.is_empty() || after.starts_with(EDGES));
    let words: Vec<&str> = [before, after].iter().flat_map(|part| part.split(EDGES)).collect();
    whole
        && words.contains(&"values")
        && words.iter().all(|word| word.is_empty() || *word == "values" || PRODUCTION.contains(word))
        && !path.iter().any(|part| ELSEWHERE.contains(&part.to_string_lossy().to_lowercase().as_str()))
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

/// Reads YAML files of others: what cannot be read is passed over, and named.
struct Yaml<'a> {
    directory: &'a Path,
    broken: BTreeSet<String>,
}

impl Yaml<'_> {
    /// The documents of a file.
    fn documents(&mut self, path: &Path) -> Vec<Value> {
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
    fn values_of_production_are_told_from_others() {
        let is = |path: &str| is_production_values(Path::new(path), Path::new("charts/notify"), "notify");
        for path in [
            "charts/notify/values-production.yaml",
            "charts/notify/values.prod.yaml",
            "charts/notify/production.yaml",
            "deploy/notify-values.yaml",
            "deploy/values-notify-prod.yml",
        ] {
            assert!(is(path), "{path}");
        }
        for path in [
            "charts/notify/values.yaml",
            "charts/notify/values-dev.yaml",
            "charts/notify/templates/production.yaml",
            "deploy/notify.yaml",
            "deploy/notifyer-values.yaml",
            "deploy/notify-values-dev.yaml",
            "deploy/staging/notify-values.yaml",
            "values-production.yaml",
        ] {
            assert!(!is(path), "{path}");
        }
    }

    #[test]
    fn names_are_made_labels() {
        assert_eq!(project_name(Path::new("/x/My Shop_2.0")), "my-shop-2-0");
        assert_eq!(project_name(Path::new("/x/--")), "project");
    }

    #[test]
    fn manifests_are_grouped_by_directories_that_hold_nothing_else() {
        let manifests = paths(&["app/job.yaml", "k8s/a/x.yaml", "k8s/b.yaml", "top.yaml"]);
        let mut files = manifests.clone();
        files.extend(paths(&["app/main.go", "k8s/README.md"]));
        assert_eq!(groups(&manifests, &files), paths(&["app/job.yaml", "k8s", "top.yaml"]));
    }
}
