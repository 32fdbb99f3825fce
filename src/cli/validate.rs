//! `devcluster validate`: names every fault of the configuration at once.

use std::fmt;
use std::path::Path;

use crate::config::{self, Config, ConfigError, Fault};

/// Checks devcluster.yaml and the profiles it uses, and names every fault at once.
#[derive(Debug, Clone, clap::Args)]
pub struct ValidateArgs {}

/// What came of it: as text by `Display`, for machines as JSON.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Validation {
    /// The file.
    pub file: String,
    /// Whether there is no fault.
    pub valid: bool,
    /// Every fault, in the order they stand.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Validation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.valid {
            return write!(out, "{} is valid", self.file);
        }
        for fault in &self.faults {
            writeln!(out, "{fault}")?;
            if let Some(help) = &fault.help {
                writeln!(out, "  {help}")?;
            }
        }
        Ok(())
    }
}

impl Validation {
    /// The verdict on what a load came to; `None` where it failed before there was a file to judge.
    pub fn of(loaded: &Result<Config, ConfigError>) -> Option<Self> {
        match loaded {
            Ok(config) => {
                Some(Self { file: config.file.display().to_string(), valid: true, faults: Vec::new() })
            }
            Err(error) => error.faults().first().map(|first| Self {
                file: first.document.name.clone(),
                valid: false,
                faults: error.faults().to_vec(),
            }),
        }
    }
}

/// Loads the configuration; [`Validation::of`] makes the verdict to show of the outcome.
pub fn run(path: Option<&Path>, profile: Option<&str>, directory: &Path) -> Result<Config, ConfigError> {
    config::load(path, profile, directory)
}
