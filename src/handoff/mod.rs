//! What ran, written down exactly: `devcluster.lock`, and what tells a system from the one it was written for. Pure: text
//! and values in, text and values out.
//!
//! # What the root covers
//!
//! Every object's and hook's canonical hash, the images they name (those that are built with a digest of what they are built
//! from, the others with what their registry has them as, where an engine told that), Kubernetes' version as configured, the
//! data sets with their digests, and the migrations in their order, each with whether it can be taken back and a digest of
//! its statements. Inputs (files, renderers' versions, the git tree) stand beside it: a
//! comment changes a file and nothing that runs, so inputs only explain. Local policy (profile, builds, stand-ins) is of
//! this machine and stands apart.
//!
//! # Secrets
//!
//! A plain hash of a short password can be guessed from. So the root covers of a Secret what is no secret: its identity,
//! type, labels, annotations and the names of its keys. Values stand beside the root as keyed hashes (BLAKE3 with the
//! project's key, one a value, bound to the Secret and the name of the key, so that equal values do not look alike). The
//! key is never in the lock; a clone without it comes to the same root, and says that values were not compared.
//!
//! The same goes for files that secrets are in (values, what a `secretGenerator` reads): their digests are keyed, or left out.
//!
//! # Fields that a chart makes up
//!
//! A chart's random passwords and dates come out differently on every machine: such fields count as there, without value.

pub mod amounts;
pub mod approval;
pub mod build;
pub mod canonical;
pub mod ci;
pub mod compare;
pub mod fields;
pub mod layout;
pub mod links;
pub mod lock;
pub mod marker;
pub mod message;
pub mod migration;
pub mod pin;
pub mod pipeline;
#[cfg(test)]
mod properties;
pub mod read;
pub mod rehearse;
pub mod release;
pub mod secret;
pub mod text;
pub mod write;

pub use build::{Facts, Present, build, is_secret_key};
pub use compare::{Comparison, Difference, compare};
pub use lock::{
    DataEntry, Entry, InputFile, Inputs, Local, Lock, LockedImage, Migration, SecretValues, SeenImage,
};
pub use read::{LockFault, LockFaults, read};
pub use secret::LockKey;
pub use text::to_text;
pub use write::write;

/// The lock's name beside `devcluster.yaml`.
pub const FILE: &str = "devcluster.lock";
