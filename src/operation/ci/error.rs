//! Why a run of `devcluster ci` could not be begun or written down.

use std::path::PathBuf;

use crate::words::listed;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// The directory for the results holds other things.
    #[error(
        "{path} holds other files than results of `devcluster ci`; name an empty or a new directory with --out"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// Another run writes there.
    #[error(
        "another `devcluster ci` writes to {path}; wait for its end, or name another directory with --out"
    )]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// Results that cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A command's image that is neither in the manifests nor built.
    #[error("ci: command {command} runs in {image}, which is neither an image of the manifests nor one of `images`; there are:{}", listed(.there))]
    Image {
        /// The command.
        command: String,
        /// Its image.
        image: String,
        /// Those there are.
        there: Vec<String>,
    },
    /// A Service's port that cannot be forwarded.
    #[error("no port of this machine can be opened for Service {service}: {source}")]
    Forward {
        /// The Service, `NAMESPACE/NAME`.
        service: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}
