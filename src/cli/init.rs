//! `devcluster init`: writes a commented `devcluster.yaml` from what the directory holds.

use std::path::PathBuf;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::config::init::init;

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Write the file anew where there is one
    #[arg(long)]
    force: bool,
}

/// Writes the file and says what was found and what comes next.
pub fn run(global: &Global, args: &Args) -> Result<(), CliError> {
    let report = init(&args.directory, args.force).map_err(|error| CliError::message(Exit::Usage, error))?;
    if global.is_for_machines() {
        printer::value(global.output, &report);
    } else {
        printer::talk(report.to_string().trim_end());
    }
    Ok(())
}
