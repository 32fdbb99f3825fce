//! The flags every verb takes, and what they become: the configuration, a reporter, a format.

use std::path::PathBuf;
use std::sync::Arc;

use super::exit::{CliError, Exit};
use super::printer::Format;
use super::progress::Progress;
use crate::config::{self, Config, ConfigError};

/// What the flags of every verb stand under in `--help`, after the verb's own.
const EVERYWHERE: &str = "Options of every verb";

/// Flags that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The configuration; `devcluster.yaml` in this directory or one above where unset
    #[arg(short, long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "DEVCLUSTER_FILE")]
    pub file: Option<PathBuf>,
    /// The profile, in place of the configuration's
    #[arg(short, long, global = true, help_heading = EVERYWHERE, value_name = "NAME", env = "DEVCLUSTER_PROFILE")]
    pub profile: Option<String>,
    /// How results are written
    #[arg(short, long, global = true, help_heading = EVERYWHERE, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// Say more: skipped steps, the tools' own output
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    pub verbose: bool,
    /// No colours and no moving bars (as NO_COLOR)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub no_color: bool,
}

impl Global {
    /// Reads the configuration.
    pub fn config(&self) -> Result<Config, CliError> {
        self.try_config().map_err(|error| CliError::diagnostic(Exit::Usage, error))
    }

    /// Reads the configuration, for who looks at its faults.
    pub fn try_config(&self) -> Result<Config, ConfigError> {
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        config::load(self.file.as_deref(), self.profile.as_deref(), &directory)
    }

    /// The reporter for a verb that works for long.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::new(Progress::new(self))
    }

    /// Whether results are for machines.
    pub fn is_for_machines(&self) -> bool {
        matches!(self.output, Format::Json | Format::Yaml)
    }
}

/// Bytes as Kubernetes writes them: `2Gi`, `500M`, `0`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let quantity: crate::parity::Quantity = text.parse().map_err(|error| format!("{error}"))?;
    Ok(quantity.units())
}

/// A time as people write it: `90`, `90s`, `10m`, `2h`.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a time is a number and one of s, m, h, d: `5m`".into()),
    };
    let number: u64 =
        number.parse().map_err(|_| "a time is a number and one of s, m, h, d: `5m`".to_owned())?;
    Ok(std::time::Duration::from_secs(number.saturating_mul(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_kubectl_reads_them() {
        assert_eq!(duration("5m").unwrap().as_secs(), 300);
        assert_eq!(duration("90").unwrap().as_secs(), 90);
        assert!(duration("5 minutes").is_err());
        assert!(duration("").is_err());
    }
}
