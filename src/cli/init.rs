//! `devcluster init`: writes a commented `devcluster.yaml` from what the directory holds, or a pipeline that tests it.

use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::config::init::{InitError, InitReport, init};
use crate::config::{self, FILE_NAMES};
use crate::handoff::pipeline::System;
use crate::operation::error::OperationError;
use crate::operation::pipeline;
use crate::words::shown;

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Write the file anew where there is one; with --ci the pipeline alone
    #[arg(long)]
    force: bool,
    /// Write a pipeline for this system, too; a devcluster.yaml that is there stays
    #[arg(long, value_enum, value_name = "SYSTEM")]
    ci: Option<Ci>,
    /// How the pipeline installs devcluster, as one line of shell in place of `cargo install`: it leaves the program at
    /// "$tools/bin/devcluster", which is kept between runs, or on the PATH
    #[arg(long, value_name = "COMMAND", requires = "ci")]
    install: Option<String>,
}

/// A system that runs pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum Ci {
    /// GitHub Actions
    GitHub,
    /// GitLab CI/CD
    GitLab,
    /// Jenkins
    Jenkins,
    /// Tekton
    Tekton,
}

/// What was written.
#[derive(serde::Serialize)]
struct Written {
    #[serde(flatten)]
    project: Option<InitReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pipeline: Vec<PathBuf>,
}

/// Writes the files and says what was found and what comes next.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let usage = |error: InitError| CliError::message(Exit::Usage, error);
    let is_there = FILE_NAMES.iter().any(|name| args.directory.join(name).exists());
    let mut written = Written { project: None, pipeline: Vec::new() };
    if args.ci.is_none() || !is_there {
        written.project = Some(init(&args.directory, args.force).map_err(usage)?);
    }
    if let Some(ci) = args.ci {
        written.pipeline = write_pipeline(global, &args.directory, (ci, args.install), args.force).await?;
    }
    if global.is_for_machines() {
        printer::value(global.output, &written);
        return Ok(());
    }
    if let Some(report) = &written.project {
        printer::talk(report.to_string().trim_end());
    }
    for file in &written.pipeline {
        printer::talk(&format!("wrote {}", shown(file)));
    }
    Ok(())
}

async fn write_pipeline(
    global: &Global,
    directory: &Path,
    (ci, install): (Ci, Option<String>),
    force: bool,
) -> Result<Vec<PathBuf>, CliError> {
    let system = match ci {
        Ci::GitHub => System::GitHub,
        Ci::GitLab => System::GitLab,
        Ci::Jenkins => System::Jenkins,
        Ci::Tekton => System::Tekton,
    };
    let config = config::load(None, global.profile.as_deref(), directory)
        .map_err(|error| CliError::diagnostic(Exit::Usage, error))?;
    if config.environments.is_empty() {
        printer::talk("`environments` of devcluster.yaml is empty: the pipeline tests, and promotes nothing");
    }
    Ok(pipeline::write(&config, system, install, force).await.map_err(OperationError::from)?)
}
