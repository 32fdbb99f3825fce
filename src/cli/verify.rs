//! `devcluster verify`

use std::path::PathBuf;

use super::exit::{CliError, Exit};
use super::{Global, printer};
use crate::handoff::to_text;
use crate::operation::verify;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lock; devcluster.lock beside the configuration where unset
    #[arg(value_name = "LOCKFILE")]
    lock: Option<PathBuf>,
}

/// Renders again and compares; exits 4 where something differs from the lock.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let comparison = verify::run(&config, args.lock.as_deref(), global.progress().as_ref()).await?;
    if global.is_for_machines() {
        printer::value(global.output, &comparison);
    } else {
        printer::data(&to_text(&comparison));
    }
    if comparison.differs() { Err(CliError::told(Exit::Differs)) } else { Ok(()) }
}
