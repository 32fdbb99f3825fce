//! A rehearsal of a release: what of production goes into namespaces of its own, and what comes of the four ways in which old
//! and new code meet the old and the new schema.

pub mod commands;
pub mod copies;
pub mod copy;
pub mod error;
pub mod hooks;
pub mod pods;
pub mod policy;
pub mod references;
pub mod report;
pub mod table;
pub mod volumes;

pub use copies::{Copies, GROUND};
pub use copy::{Copied, Copier, LeftOut};
pub use error::RehearseError;
pub use report::{Cell, Check, Network, Report, Verdict, Way};
pub use volumes::{ClaimName, Files};

/// The label of namespaces that a rehearsal makes: only those are deleted.
pub const LABEL: &str = "devcluster.dev/rehearsal";
