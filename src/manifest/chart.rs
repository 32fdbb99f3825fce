//! A chart on disk: the hash of all that decides its objects, and whether it may render differently each time.

use std::path::Path;

use super::cache::Inputs;
use super::error::ManifestError;
use super::files::walk;
use super::index::Index;
use crate::config::HelmSource;

/// Template functions whose result changes from call to call.
const RANDOM: [&str; 17] = [
    "randAlpha",
    "randAlphaNum",
    "randAscii",
    "randBytes",
    "randInt",
    "randNumeric",
    "uuidv4",
    "shuffle",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "bcrypt",
    "htpasswd",
];

/// Template functions whose result changes with the time or the cluster.
const TIMED: [&str; 4] = ["now", "ago", "encryptAES", "lookup"];

/// Whether a chart's templates may render differently each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Steadiness {
    /// They cannot.
    Steady,
    /// From call to call.
    Random,
    /// From second to second.
    Timed,
}

/// What decides a chart's objects, apart from the program that renders it: its files, values and settings. This is the
/// release's hash: when it changes, its upgrade hooks are due.
pub(super) fn hash(source: &HelmSource, index: &Index) -> Result<String, ManifestError> {
    let mut inputs = Inputs::new();
    inputs.text("release", &source.release);
    inputs.text("namespace", &source.namespace);
    let mut files = Vec::new();
    if source.chart.is_dir() {
        walk(&source.chart, &mut |file| files.push(file.to_owned()))
            .map_err(|error| unreadable(&source.chart, error))?;
    } else {
        files.push(source.chart.clone());
    }
    for file in &files {
        let name = file.strip_prefix(&source.chart).unwrap_or(file).to_string_lossy();
        inputs.file(index, &name, file).map_err(|error| unreadable(file, error))?;
    }
    for file in &source.values {
        inputs.file(index, "values", file).map_err(|error| unreadable(file, error))?;
    }
    for (key, value) in &source.set {
        inputs.text(key, value);
    }
    Ok(inputs.hash())
}

fn unreadable(path: &Path, error: std::io::Error) -> ManifestError {
    ManifestError::File { path: path.display().to_string(), action: "read", error }
}

/// Looks through a chart's templates, those of its dependencies too. What is packed is taken for unsteady.
pub(super) fn steadiness(chart: &Path) -> Steadiness {
    let mut found = Steadiness::Steady;
    if !chart.is_dir() {
        return Steadiness::Timed;
    }
    let walked = walk(chart, &mut |file| {
        if file.extension().is_some_and(|ext| ext == "tgz") {
            found = Steadiness::Timed;
            return;
        }
        let is_template = file.components().any(|part| part.as_os_str() == "templates");
        // Values may hold templates, too, for charts that use `tpl`.
        if is_template || file.file_name().is_some_and(|name| name == "values.yaml") {
            let text = std::fs::read(file).unwrap_or_default();
            found = found.max(steadiness_of(&String::from_utf8_lossy(&text)));
        }
    });
    if walked.is_err() { Steadiness::Timed } else { found }
}

fn steadiness_of(text: &str) -> Steadiness {
    let mut found = Steadiness::Steady;
    for action in text.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap_or_default();
        for word in action.split(|c: char| !c.is_ascii_alphanumeric()) {
            if TIMED.contains(&word) {
                return Steadiness::Timed;
            }
            if RANDOM.contains(&word) {
                found = Steadiness::Random;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_actions_only() {
        assert_eq!(steadiness_of("now: {{ .Values.x }} randAlphaNum"), Steadiness::Steady);
        assert_eq!(steadiness_of("a: {{ randAlphaNum 5 | quote }}"), Steadiness::Random);
        assert_eq!(steadiness_of("a: {{- now | date \"2006\" }}{{ uuidv4 }}"), Steadiness::Timed);
        assert_eq!(steadiness_of("a: {{ .Values.nowhere }}"), Steadiness::Steady);
    }

    #[test]
    fn the_hash_follows_files_values_and_settings() {
        let directory = tempfile::tempdir().unwrap();
        let chart = directory.path().join("chart");
        std::fs::create_dir_all(chart.join("templates")).unwrap();
        std::fs::write(chart.join("Chart.yaml"), "name: shop\n").unwrap();
        std::fs::write(chart.join("templates/a.yaml"), "a: 1\n").unwrap();
        let values = directory.path().join("values.yaml");
        std::fs::write(&values, "a: 1\n").unwrap();
        let mut source = HelmSource {
            chart: chart.clone(),
            release: "shop".into(),
            namespace: "shop".into(),
            values: vec![values.clone()],
            set: [("a".to_owned(), "b".to_owned())].into(),
        };
        let index = Index::open(directory.path().join("index.json"));
        let mut seen = std::collections::BTreeSet::new();
        assert!(seen.insert(hash(&source, &index).unwrap()));
        assert!(!seen.insert(hash(&source, &index).unwrap()));
        std::fs::write(chart.join("templates/a.yaml"), "a: 2\n").unwrap();
        assert!(seen.insert(hash(&source, &index).unwrap()));
        std::fs::write(&values, "a: 2\n").unwrap();
        assert!(seen.insert(hash(&source, &index).unwrap()));
        source.set.insert("c".into(), "d".into());
        assert!(seen.insert(hash(&source, &index).unwrap()));
        source.values.push(directory.path().join("gone.yaml"));
        let error = hash(&source, &index).unwrap_err().to_string();
        assert!(error.contains("gone.yaml cannot be read"), "{error}");
    }
}
