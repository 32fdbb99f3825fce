//! `devcluster verify`

use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::handoff::ci::{self, Attested};
use crate::handoff::{Comparison, to_text};
use crate::operation::verify;
use crate::words::{counted, shown};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(value_name = "LOCKFILE")]
    lock: Option<PathBuf>,
    /// A statement of `devcluster ci` (attestation.json), which must be about this lock and say that all passed. Who wrote it
    /// is not checked: that is for whoever signs it
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
}

/// What `verify` found, with what a statement says where one was asked about.
#[derive(serde::Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<Said>,
}

/// What came of asking about a statement.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
enum Said {
    Holds(Attested),
    Refused(String),
}

/// Renders again and compares; exits 4 where something differs from the lock.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let comparison = verify::run(&config, args.lock.as_deref(), global.progress().as_ref()).await?;
    let attestation = args.attestation.as_deref().map(|file| said(file, &comparison.root)).transpose()?;
    let is_refused = matches!(attestation, Some(Said::Refused(_)));
    if global.is_for_machines() {
        printer::value(global.output, &Verified { comparison: &comparison, attestation });
    } else {
        printer::data(&to_text(&comparison));
        attestation.iter().for_each(show);
    }
    if comparison.differs() || is_refused { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}

fn said(file: &Path, root: &str) -> Result<Said, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::message(Exit::Usage, format!("{} cannot be read: {error}", shown(file)))
    })?;
    Ok(match ci::check(&text, root) {
        Ok(attested) => Said::Holds(attested),
        Err(refusal) => Said::Refused(format!("{} {refusal}", shown(file))),
    })
}

fn show(said: &Said) {
    printer::data(&match said {
        Said::Holds(attested) => format!(
            "tested: {} passed with profile {}, {}",
            counted(attested.steps, "step"),
            attested.profile,
            attested.finished_on
        ),
        Said::Refused(refusal) => refusal.clone(),
    });
}
