//! Helm charts, rendered by `helm template` for production's Kubernetes, hooks told apart.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cache::Outcome;
use super::chart::{self, Steadiness};
use super::error::{Fault, ManifestError, Warning};
use super::hook::{self, Sorted};
use super::index::create_private;
use super::object::Object;
use super::reading::{Read, Text};
use super::volatile::{self, Memory};
use crate::config::{HelmSource, Production};
use crate::process::Command;
use crate::yaml::Position;

/// What charts are rendered for where neither the configuration nor a cluster says which Kubernetes it is.
pub(super) const DEFAULT_VERSION: &str = "1.34.0";

/// One chart and what it is rendered for.
pub(super) struct Chart<'a> {
    /// The source in `devcluster.yaml`.
    pub source: &'a str,
    pub helm: &'a HelmSource,
    pub version: &'a str,
    pub production: &'a Production,
}

impl Chart<'_> {
    /// Renders the chart; a second time where its templates may come out differently, and then the fields that do are
    /// named and get their first values back. `hash` is the chart's, from [`chart::hash`].
    pub(super) async fn render(&self, hash: &str, memory: &Memory) -> Result<Outcome, ManifestError> {
        let settings = Settings::write(&self.helm.set)?;
        let command = self.command(&settings);
        let path = self.helm.chart.clone();
        let steadiness = tokio::task::spawn_blocking(move || chart::steadiness(&path)).await;
        let (first, second) = match steadiness.unwrap_or(Steadiness::Timed) {
            Steadiness::Steady => (self.call(&command).await?, None),
            Steadiness::Random => {
                let (first, second) =
                    futures::future::try_join(self.call(&command), self.call(&command)).await?;
                (first, Some(second))
            }
            Steadiness::Timed => {
                let first = self.call(&command).await?;
                next_second().await;
                (first, Some(self.call(&command).await?))
            }
        };
        let mut read = self.read(&first)?;
        let mut volatile = Vec::new();
        if let Some(second) = second {
            let second = self.read(&second)?;
            let release = format!("{}/{}", self.helm.namespace, self.helm.release);
            volatile = volatile::settle(&mut read.objects, &second.objects, memory, &release, hash)?;
        }
        Ok(self.sort(read, volatile))
    }

    fn command(&self, settings: &Settings) -> Command {
        let helm = self.helm;
        let mut command = Command::new("helm")
            .args(["template", &helm.release])
            .arg(helm.chart.to_string_lossy())
            .args(["--namespace", &helm.namespace, "--include-crds", "--kube-version", self.version]);
        for version in &self.production.api_versions {
            command = command.args(["--api-versions", version]);
        }
        for values in &helm.values {
            command = command.arg("--values").arg(values.to_string_lossy());
        }
        command.args(settings.arguments.iter().cloned())
    }

    async fn call(&self, command: &Command) -> Result<Vec<u8>, ManifestError> {
        let failed = |error| ManifestError::Tool { source_name: self.source.into(), error };
        command.output().await.map_err(failed)
    }

    fn read(&self, output: &[u8]) -> Result<Read, ManifestError> {
        let mut read = Read::default();
        read.bytes(Text { source: self.source, file: None, generated_names: true }, output);
        let templates = Templates::of(output, &self.helm.chart);
        for fault in &mut read.faults {
            templates.place_fault(fault);
        }
        for warning in &mut read.warnings {
            if let Some(file) = templates.at(warning.line) {
                (warning.file, warning.line, warning.column) = (Some(file), 0, 0);
            }
        }
        for Object { origin, .. } in &mut read.objects {
            origin.file = templates.at(origin.line);
            origin.line = 0;
        }
        if read.faults.is_empty() { Ok(read) } else { Err(ManifestError::Faults(read.faults)) }
    }

    /// Hooks in the order they run in; other objects in helm's order of installation, as they came.
    fn sort(&self, read: Read, volatile: Vec<volatile::VolatileField>) -> Outcome {
        let mut outcome = Outcome { warnings: read.warnings, volatile, ..Outcome::default() };
        for object in read.objects {
            match hook::sort(object, &self.helm.release, &self.helm.namespace) {
                Sorted::Object(object) => outcome.objects.push(object),
                Sorted::Hook(hook) => outcome.hooks.push(*hook),
                Sorted::Unknown(object, event) => outcome.warnings.push(Warning {
                    source: self.source.into(),
                    file: object.origin.file.clone(),
                    line: 0,
                    column: 0,
                    message: format!(
                        "{} is a hook at `{event}`, which helm does not know: left out, as helm does",
                        object.id()
                    ),
                }),
            }
        }
        hook::order(&mut outcome.hooks);
        outcome
    }
}

/// Waits for the clock's next second, so that templates that print the time come out differently.
async fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(1_010 - u64::from(now.subsec_millis()))).await;
}

/// The configured `set` values as arguments. Texts are handed over in files, since they may be secret and a command line
/// is not; numbers, booleans, null and lists (`{a,b}`) keep their types only on the command line.
struct Settings {
    arguments: Vec<String>,
    _directory: Option<tempfile::TempDir>,
}

impl Settings {
    fn write(set: &std::collections::BTreeMap<String, String>) -> Result<Self, ManifestError> {
        if set.is_empty() {
            return Ok(Self { arguments: Vec::new(), _directory: None });
        }
        let failed = |path: &Path, error| ManifestError::File {
            path: path.display().to_string(),
            action: "written",
            error,
        };
        let directory = tempfile::Builder::new().prefix("devcluster-set-").tempdir();
        let directory = directory.map_err(|error| failed(&std::env::temp_dir(), error))?;
        let mut arguments = Vec::new();
        for (number, (key, value)) in set.iter().enumerate() {
            if is_typed(value) {
                arguments.extend(["--set".into(), format!("{key}={value}")]);
                continue;
            }
            let file = directory.path().join(number.to_string());
            create_private(&file, value.as_bytes()).map_err(|error| failed(&file, error))?;
            let path = file.to_string_lossy().replace('\\', r"\\").replace(',', r"\,");
            arguments.extend(["--set-file".into(), format!("{key}={path}")]);
        }
        Ok(Self { arguments, _directory: Some(directory) })
    }
}

/// Whether helm's `--set` makes anything but a string of a value (pkg/strvals, `typedVal`).
fn is_typed(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let list = value.starts_with('{') && value.ends_with('}');
    let number = value == "0" || (!value.starts_with('0') && value.parse::<i64>().is_ok());
    matches!(lower.as_str(), "true" | "false" | "null") || list || number
}

/// Which template wrote which lines: helm says so in comments.
struct Templates {
    /// First lines, from 1, with the template's path within the chart.
    starts: Vec<(usize, String)>,
    chart: PathBuf,
}

impl Templates {
    fn of(output: &[u8], chart: &Path) -> Self {
        let text = String::from_utf8_lossy(output);
        let starts = text.lines().enumerate().filter_map(|(line, text)| {
            let path = text.strip_prefix("# Source: ")?;
            Some((line + 1, path.split_once('/')?.1.to_owned()))
        });
        Self { starts: starts.collect(), chart: chart.to_owned() }
    }

    /// The template that wrote a line, where it is a file.
    fn at(&self, line: usize) -> Option<PathBuf> {
        let (_, path) = self.starts.iter().rev().find(|(start, _)| *start <= line)?;
        Some(self.chart.join(path)).filter(|path| path.is_file())
    }

    /// The line a template's output has is not the template's own.
    fn place_fault(&self, fault: &mut Fault) {
        if let Some(file) = self.at(fault.position.line) {
            fault.file = Some(file);
            fault.position = Position::default();
        }
        fault.hint.get_or_insert_with(|| "`helm template` shows what the chart renders to".into());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn texts_are_kept_off_the_command_line() {
        let set =
            [("password", "hunter2"), ("replicas", "3"), ("on", "true"), ("list", "{a,b}"), ("zero", "007")];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = Settings::write(&set).unwrap();
        let line = settings.arguments.join(" ");
        assert!(!line.contains("hunter2") && line.contains("--set-file password="), "{line}");
        for typed in ["--set replicas=3", "--set on=true", "--set list={a,b}", "--set-file zero="] {
            assert!(line.contains(typed), "{line}");
        }
        let file = settings.arguments.iter().find_map(|argument| argument.strip_prefix("password=")).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "hunter2");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn lines_belong_to_templates() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("templates")).unwrap();
        std::fs::write(directory.path().join("templates/a.yaml"), "").unwrap();
        let output =
            b"---\n# Source: shop/templates/a.yaml\na: 1\n---\n# Source: shop/charts/x/b.yaml\nb: 1\n";
        let templates = Templates::of(output, directory.path());
        assert_eq!(templates.at(1), None);
        assert_eq!(templates.at(3), Some(directory.path().join("templates/a.yaml")));
        assert_eq!(templates.at(6), None);
    }
}
