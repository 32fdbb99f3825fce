//! What can be wrong with manifests, collected over all files, and what is only worth a look.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::duplicate::Duplicates;
use crate::process::ProcessError;
use crate::words::{counted, listed};
use crate::yaml::{Position, YamlError};

/// One fault, and where it is. It holds all that a drawing of the place needs: the file and the byte offset in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The source in `devcluster.yaml`.
    pub source: String,
    /// The file, where there is one; the output of helm and kustomize is none.
    pub file: Option<PathBuf>,
    /// Where in the file, or in the output; line 0 where no place is known.
    pub position: Position,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(out, &self.source, self.file.as_ref(), self.position)?;
        write!(out, "{}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(out, "\n    {hint}"))
    }
}

fn write_place(
    out: &mut fmt::Formatter<'_>,
    source: &str,
    file: Option<&PathBuf>,
    at: Position,
) -> fmt::Result {
    match (file, at.line) {
        (Some(file), 0) => write!(out, "{}: ", file.display()),
        (Some(file), line) => write!(out, "{}:{line}:{}: ", file.display(), at.column),
        (None, 0) => write!(out, "{source}: "),
        (None, line) => write!(out, "{source}, line {line} of its output: "),
    }
}

/// Something in manifests that kubectl passes over in silence and that is rarely meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The source in `devcluster.yaml`.
    pub source: String,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// The line, from 1; 0 where it is not known.
    pub line: usize,
    /// The column, from 1; 0 where it is not known.
    pub column: usize,
    /// What it is.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Position { line: self.line, column: self.column, offset: 0 };
        write_place(out, &self.source, self.file.as_ref(), at)?;
        write!(out, "{}", self.message)
    }
}

/// Why manifests could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Files hold what no cluster would take. Every fault of every file is here.
    #[error("{}:{}", counted(.0.len(), "fault"), listed(.0))]
    Faults(Vec<Fault>),
    /// One object comes from two places.
    #[error("{0}")]
    Duplicate(Duplicates),
    /// kustomize or helm failed.
    #[error("{source_name} cannot be rendered: {error}")]
    Tool {
        /// The source in `devcluster.yaml`.
        source_name: String,
        /// What the program said, its command line included.
        error: ProcessError,
    },
    /// A file could not be read or written.
    #[error("{path} cannot be {action}: {error}")]
    File {
        /// The file.
        path: String,
        /// `read` or `written`.
        action: &'static str,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Several sources failed.
    #[error("{}", several(.0))]
    Several(Vec<ManifestError>),
}

impl ManifestError {
    /// All errors as one: the faults of all sources together, then what else failed.
    pub(super) fn collect(errors: Vec<Self>) -> Self {
        let (mut faults, mut others) = (Vec::new(), Vec::new());
        for error in errors {
            match error {
                Self::Faults(more) => faults.extend(more),
                Self::Several(more) => others.extend(more),
                error => others.push(error),
            }
        }
        if !faults.is_empty() {
            others.insert(0, Self::Faults(faults));
        }
        if others.len() == 1 { others.remove(0) } else { Self::Several(others) }
    }

    /// Whether what is written must change, not the machine.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Faults(_) | Self::Duplicate(_) => true,
            Self::Tool { error, .. } => matches!(error, ProcessError::Failed { .. }),
            Self::File { .. } => false,
            Self::Several(all) => all.iter().all(Self::is_users),
        }
    }

    /// Whether a program is missing.
    pub fn is_missing_tool(&self) -> bool {
        match self {
            Self::Tool { error, .. } => matches!(error, ProcessError::Missing { .. }),
            Self::Several(all) => all.iter().any(Self::is_missing_tool),
            _ => false,
        }
    }

    /// Every fault with a place, those within several errors too.
    pub fn faults(&self) -> Vec<&Fault> {
        match self {
            Self::Faults(faults) => faults.iter().collect(),
            Self::Several(all) => all.iter().flat_map(Self::faults).collect(),
            _ => Vec::new(),
        }
    }
}

fn several(errors: &[ManifestError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Fault {
    /// A fault of a file's text.
    pub(super) fn of_yaml(source: &str, file: Option<PathBuf>, error: YamlError) -> Self {
        Self {
            source: source.into(),
            file,
            position: error.position,
            message: error.message,
            hint: error.hint,
        }
    }
}
