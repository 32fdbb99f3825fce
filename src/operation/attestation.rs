//! Reads what statements and their signatures are made and checked with: files of statements, and keys from files or, so that no
//! command line has it, from the environment.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::handoff::ci::{KeyFault, LARGEST, LARGEST_KEY, PublicKey, SigningKey};

/// Where the environment has a private key, in PEM.
pub const KEY: &str = "DEVCLUSTER_SIGNING_KEY";

/// Why one cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// Reading failed.
    #[error("{} cannot be read: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file that is no key.
    #[error("{} {fault}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A variable that is none.
    #[error("variable {KEY} {fault}")]
    Variable {
        /// What is wrong with it.
        fault: KeyFault,
    },
}

/// A statement's file, of which no more is read than such a one ever has, and a byte.
pub fn read(path: &Path) -> Result<Vec<u8>, AttestationError> {
    start_of(path, LARGEST)
}

/// The public keys of these files, told by their paths.
pub fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, AttestationError> {
    let read = |path: &PathBuf| {
        let text = start_of(path, LARGEST_KEY)?;
        PublicKey::read(path.display().to_string(), &text)
            .map_err(|fault| AttestationError::Key { path: path.clone(), fault })
    };
    paths.iter().map(read).collect()
}

/// The key to sign with: of the file, else of the environment, else none. An empty variable is none, as CI systems have it where a
/// secret is not set.
pub fn signing_key(file: Option<&Path>) -> Result<Option<SigningKey>, AttestationError> {
    if let Some(path) = file {
        let text = start_of(path, LARGEST_KEY)?;
        let key = SigningKey::read(&text);
        return key.map(Some).map_err(|fault| AttestationError::Key { path: path.to_owned(), fault });
    }
    let Some(text) = std::env::var_os(KEY).filter(|text| !text.is_empty()) else { return Ok(None) };
    let key = SigningKey::read(text.as_encoded_bytes());
    key.map(Some).map_err(|fault| AttestationError::Variable { fault })
}

fn start_of(path: &Path, most: usize) -> Result<Vec<u8>, AttestationError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|source| AttestationError::Io { path: path.to_owned(), source })?;
    Ok(bytes)
}
