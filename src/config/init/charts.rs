//! The Helm charts of a directory, and production's values for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::kustomizations::Kustomization;
use super::survey::{Chart, ELSEWHERE, PRODUCTION, Yaml, display, is_yaml, label, named_images};

/// What stands between the words of a file's name.
const EDGES: [char; 3] = ['-', '.', '_'];

/// Directories of charts that are not another chart's.
pub(super) fn chart_directories(files: &[PathBuf]) -> Vec<PathBuf> {
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
pub(super) fn charts(
    directories: &[PathBuf],
    files: &[PathBuf],
    kustomizations: &BTreeMap<PathBuf, Kustomization>,
    reader: &mut Yaml<'_>,
    images: &mut BTreeSet<String>,
) -> Vec<Chart> {
    let inflated: BTreeSet<&PathBuf> = kustomizations.values().flat_map(|found| &found.charts).collect();
    let mut charts = Vec::new();
    for directory in directories.iter().filter(|directory| !inflated.contains(directory)) {
        let documents = reader.documents(&directory.join("Chart.yaml"));
        let Some(about) = documents.first() else { continue };
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
            name: label(name),
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
    let whole =
        (before.is_empty() || before.ends_with(EDGES)) && (after.is_empty() || after.starts_with(EDGES));
    let words: Vec<&str> = [before, after].iter().flat_map(|part| part.split(EDGES)).collect();
    whole
        && words.contains(&"values")
        && words.iter().all(|word| word.is_empty() || *word == "values" || PRODUCTION.contains(word))
        && !path.iter().any(|part| ELSEWHERE.contains(&part.to_string_lossy().to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
