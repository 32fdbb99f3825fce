//! `init`: writes a commented `devcluster.yaml` from what a directory holds.

mod charts;
mod dockerfiles;
mod kustomizations;
mod overlaps;
mod survey;
mod write;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::load::FILE_NAMES;
use crate::words::counted;

/// What was written, why, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InitReport {
    /// The file.
    pub file: PathBuf,
    /// What was found and used, a line each.
    pub found: Vec<String>,
    /// What was found and left to the user, a line each.
    pub left: Vec<String>,
    /// What to do next, a line each.
    pub next: Vec<String>,
}

impl fmt::Display for InitReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "wrote {}", self.file.display())?;
        for (title, lines) in [("found", &self.found), ("left to you", &self.left), ("next", &self.next)] {
            if !lines.is_empty() {
                writeln!(out, "{title}:")?;
            }
            for line in lines {
                writeln!(out, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is a configuration already.
    #[error("{} exists already; `--force` writes it anew", .file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The directory could not be read or the file not be written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Writes `devcluster.yaml` into a directory from what is found there. With `force` an existing one is replaced.
pub fn init(directory: &Path, force: bool) -> Result<InitReport, InitError> {
    let directory =
        directory.canonicalize().map_err(|source| InitError::Io { path: directory.to_owned(), source })?;
    let existing = FILE_NAMES.iter().map(|name| directory.join(name)).find(|path| path.exists());
    if let Some(file) = existing.clone().filter(|_| !force) {
        return Err(InitError::Exists { file });
    }
    let file = existing.unwrap_or_else(|| directory.join(FILE_NAMES[0]));
    let survey = survey::survey(&directory);
    save(&file, &write::file(&survey), force)?;
    Ok(report(file, &survey))
}

/// Never replaces a file unasked, not even one that came to be since it was looked for.
fn save(file: &Path, text: &str, force: bool) -> Result<(), InitError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).truncate(true);
    if force {
        options.create(true)
    } else {
        options.create_new(true)
    };
    options.open(file).and_then(|mut out| out.write_all(text.as_bytes())).map_err(|source| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            return InitError::Exists { file: file.to_owned() };
        }
        InitError::Io { path: file.to_owned(), source }
    })
}

fn report(file: PathBuf, survey: &survey::Survey) -> InitReport {
    let mut found = Vec::new();
    found.extend(survey.kustomizations.chosen.iter().map(|path| format!("kustomization {path}")));
    for chart in &survey.charts {
        let with = if chart.values.is_empty() { "" } else { ", with " };
        found.push(format!("Helm chart {}{with}{}", chart.path, chart.values.join(", ")));
    }
    found.extend(survey.manifests.chosen.iter().map(|path| format!("manifests {path}")));
    found.extend(
        survey.builds.iter().map(|build| format!("image {}, built from {}", build.image, build.context)),
    );
    found.extend(survey.migrations.iter().map(|name| format!("migration {name}")));
    let mut left = Vec::new();
    left.extend(
        survey.kustomizations.others.iter().map(|path| format!("kustomization {path}, commented out")),
    );
    left.extend(survey.manifests.others.iter().map(|path| format!("manifests {path}, commented out")));
    left.extend(survey.overlapping.iter().map(|one| {
        let objects = counted(one.objects, "object");
        format!("manifests {}, commented out: {objects} of {} again", one.path, one.with)
    }));
    left.extend(survey.unmatched.iter().map(|path| format!("{path}: no manifest names its image")));
    left.extend(survey.broken.iter().map(|path| format!("{path} is not YAML; it was passed over")));
    let sources = survey.kustomizations.chosen.len() + survey.charts.len() + survey.manifests.chosen.len();
    let mut next = Vec::new();
    if sources == 0 {
        next.push("no manifests were found: name them under `manifests` in devcluster.yaml".to_owned());
    }
    if !survey.charts.is_empty() {
        next.push("check each chart's release, namespace and values against production".to_owned());
    }
    next.push("`devcluster plan` shows what `devcluster up` will do".to_owned());
    InitReport { file, found, left, next }
}

#[cfg(test)]
mod tests;
