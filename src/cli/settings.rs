//! The flags every verb takes, and what they become: the configuration, a reporter, a format.

use std::path::PathBuf;
use std::sync::Arc;

use super::exit::{CliError, Exit};
use super::printer::Format;
use super::progress::Progress;
use crate::config::{self, Config};

/// Flags that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The configuration; `devcluster.yaml` in this directory or one above where unset
    #[arg(short, long, global = true, value_name = "FILE", env = "DEVCLUSTER_FILE")]
    pub file: Option<PathBuf>,
    /// The profile, in place of the configuration's
    #[arg(short, long, global = true, value_name = "NAME", env = "DEVCLUSTER_PROFILE")]
    pub profile: Option<String>,
    /// How results are written
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: skipped steps, the tools' own output
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// No colours and no moving bars (as NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
}

impl Global {
    /// Reads the configuration.
    pub fn config(&self) -> Result<Config, CliError> {
        let directory = std::env::current_dir()
            .map_err(|error| CliError::message(Exit::Failed, format!("no current directory: {error}")))?;
        config::load(self.file.as_deref(), self.profile.as_deref(), &directory)
            .map_err(|error| CliError::diagnostic(Exit::Usage, error))
    }

    /// The reporter for a verb that works for long.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::new(Progress::new(self.quiet, self.verbose, self.output == Format::Json, self.no_color))
    }

    /// Whether results are for machines.
    pub fn is_for_machines(&self) -> bool {
        matches!(self.output, Format::Json | Format::Yaml)
    }
}
