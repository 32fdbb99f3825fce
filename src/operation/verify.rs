//! Holds what is rendered now against `devcluster.lock`. Neither an engine nor a cluster nor a network is needed.

use std::path::{Path, PathBuf};

use super::error::OperationError;
use super::lock;
use crate::config::Config;
use crate::event::Reporter;
use crate::handoff::{self, Comparison, Lock, LockFaults};

/// Why a lock could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// There is none.
    #[error("there is no {path}; `devcluster lock` writes it")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// The lock, or a data set's seed.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Writing failed.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// The lock.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is not even text.
    #[error("{path} is no text; `devcluster lock` writes it anew")]
    NoText {
        /// The lock.
        path: PathBuf,
    },
    /// It is not as devcluster writes it.
    #[error("{path}:\n{faults}")]
    Faults {
        /// The lock.
        path: PathBuf,
        /// What is wrong.
        faults: LockFaults,
    },
}

/// Compares what is rendered now with `known`.
pub async fn run(
    config: &Config,
    known: &Lock,
    reporter: &dyn Reporter,
) -> Result<Comparison, OperationError> {
    let mut present = lock::present(config, reporter).await?;
    let comparison = handoff::compare(known, &present);
    if !comparison.differs() {
        return Ok(comparison);
    }
    // Asking programs for their versions takes longer than all the rest, and only explains.
    lock::explain(config, &mut present).await;
    Ok(handoff::compare(known, &present))
}

/// Reads the lock. `file` is beside the configuration where unset.
pub fn read(config: &Config, file: Option<&Path>) -> Result<Lock, LockError> {
    let path = file.map_or_else(|| config.directory().join(handoff::FILE), Path::to_owned);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(LockError::Absent { path }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(LockError::NoText { path });
        }
        Err(source) => return Err(LockError::Io { path, source }),
    };
    handoff::read(&text).map_err(|faults| LockError::Faults { path, faults })
}
