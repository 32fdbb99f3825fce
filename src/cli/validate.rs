//! `devcluster validate`: names every fault of the configuration and of the manifests it names, at once.

use std::fmt;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::cluster::state::State;
use crate::config::{Config, ConfigError, Fault};
use crate::event::Silent;
use crate::manifest::{self, RenderContext};
use crate::operation::error::OperationError;
use crate::words::counted;

/// What `validate` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration alone: neither manifests nor kustomize nor helm
    #[arg(long)]
    config_only: bool,
}

/// What came of it: as text by `Display`, for machines as JSON.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Validation {
    /// The file.
    file: String,
    /// Whether there is no fault.
    valid: bool,
    /// How many objects the manifests hold; none where they were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<usize>,
    /// Every fault of the configuration, in the order they stand.
    faults: Vec<Fault>,
    /// What is wrong with the manifests.
    #[serde(skip_serializing_if = "String::is_empty")]
    manifests: String,
}

impl fmt::Display for Validation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.valid {
            write!(out, "{} is valid", self.file)?;
            return match self.objects {
                Some(objects) => write!(out, ", and so are its manifests: {}", counted(objects, "object")),
                None => Ok(()),
            };
        }
        for fault in &self.faults {
            writeln!(out, "{}: {fault}", fault.location())?;
            if let Some(help) = &fault.help {
                writeln!(out, "  {help}")?;
            }
        }
        write!(out, "{}", self.manifests)
    }
}

/// Checks; exits 2 where something is wrong.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let validation = match global.try_config() {
        Ok(config) if args.config_only => valid(&config, None),
        Ok(config) => manifests(&config).await?,
        Err(error) => of_faults(error)?,
    };
    if global.is_for_machines() {
        printer::value(global.output, &validation);
    } else {
        printer::data(&validation.to_string());
    }
    if validation.valid { Ok(()) } else { Err(CliError::told(Exit::Usage)) }
}

fn valid(config: &Config, objects: Option<usize>) -> Validation {
    Validation {
        file: config.file.display().to_string(),
        valid: true,
        objects,
        faults: Vec::new(),
        manifests: String::new(),
    }
}

async fn manifests(config: &Config) -> Result<Validation, CliError> {
    let state = State::open(&config.cluster.name).map_err(OperationError::from)?;
    let context = RenderContext { state_directory: state.directory().to_owned(), cluster_version: None };
    Ok(match manifest::render(config, &context, &Silent).await {
        Ok(rendered) => valid(config, Some(rendered.objects.len())),
        // A tool that is missing is the machine's fault, not the manifests'.
        Err(error) if error.is_missing_tool() => return Err(OperationError::from(error).into()),
        Err(error) => Validation { valid: false, manifests: error.to_string(), ..valid(config, None) },
    })
}

fn of_faults(error: ConfigError) -> Result<Validation, CliError> {
    let Some(first) = error.faults().first() else {
        return Err(CliError::diagnostic(Exit::Usage, error));
    };
    Ok(Validation {
        file: first.document.name.clone(),
        valid: false,
        objects: None,
        faults: error.faults().to_vec(),
        manifests: String::new(),
    })
}
