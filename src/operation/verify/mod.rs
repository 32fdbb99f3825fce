//! Holds what is rendered now against `devcluster.lock`. Neither an engine nor a cluster nor a network is needed.

pub mod live;

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::event::Reporter;
use crate::handoff::{self, Comparison, Lock, LockFaults, Present};
use crate::operation::error::OperationError;
use crate::operation::lock;

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

/// Reads the lock, beside the configuration where `file` is unset, and compares with it.
pub async fn of_file(
    config: &Config,
    file: Option<&Path>,
    reporter: &dyn Reporter,
) -> Result<(Lock, Comparison), OperationError> {
    let (path, text) = text(config, file)?;
    // A large lock takes about as long to be read as the manifests to be rendered.
    let reading = async {
        let place = path.clone();
        let known = tokio::task::spawn_blocking(move || parsed(place, &text)).await;
        Ok(known.map_err(|stopped| LockError::Io { path, source: std::io::Error::other(stopped) })??)
    };
    let (known, present) = tokio::try_join!(reading, lock::present(config, reporter))?;
    let comparison = compare(config, &known, present).await;
    Ok((known, comparison))
}

/// Compares what is rendered now with `known`.
pub async fn run(
    config: &Config,
    known: &Lock,
    reporter: &dyn Reporter,
) -> Result<Comparison, OperationError> {
    let present = lock::present(config, reporter).await?;
    Ok(compare(config, known, present).await)
}

async fn compare(config: &Config, known: &Lock, mut present: Present) -> Comparison {
    let comparison = handoff::compare(known, &present);
    if !comparison.differs() {
        return comparison;
    }
    // Asking programs for their versions takes longer than all the rest, and only explains.
    lock::explain(config, &mut present).await;
    handoff::compare(known, &present)
}

/// Reads the lock. `file` is beside the configuration where unset.
pub fn read(config: &Config, file: Option<&Path>) -> Result<Lock, LockError> {
    let (path, text) = text(config, file)?;
    parsed(path, &text)
}

fn text(config: &Config, file: Option<&Path>) -> Result<(PathBuf, String), LockError> {
    let path = file.map_or_else(|| config.directory().join(handoff::FILE), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LockError::Absent { path }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(LockError::NoText { path }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

fn parsed(path: PathBuf, text: &str) -> Result<Lock, LockError> {
    handoff::read(text).map_err(|faults| LockError::Faults { path, faults })
}
