//! `devcluster init`: writes a commented `devcluster.yaml` from what the directory holds.

use std::path::{Path, PathBuf};

use crate::config::init::{InitError, InitReport, init};

/// Writes a commented devcluster.yaml from what is found in a directory.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// The project's directory.
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// Write the file anew where there is one.
    #[arg(long)]
    pub force: bool,
}

/// Writes the file. The report's `Display` is the text to show, its JSON the machine's form.
pub fn run(args: &InitArgs, directory: &Path) -> Result<InitReport, InitError> {
    init(&directory.join(&args.directory), args.force)
}
