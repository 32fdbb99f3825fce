//! What a run of `devcluster ci` came to, and the forms in which it is told: JUnit, Markdown, an in-toto statement. Pure.
//!
//! No value of a Secret is in any of them: what is told passes a [`Redactor`] first.

pub mod addresses;
pub mod attestation;
pub mod attested;
pub mod envelope;
pub mod junit;
pub mod keys;
pub mod markdown;
pub mod redact;
pub mod report;
#[cfg(test)]
mod samples;

pub use addresses::{Reached, ReachedPort, variables};
pub use attestation::statement;
pub use attested::{Attested, LARGEST, Refusal, Signature, check};
pub use envelope::seal;
pub use junit::junit;
pub use keys::{KeyFault, LARGEST_KEY, PublicKey, SigningKey};
pub use markdown::summary;
pub use redact::{Redactor, secret_values};
pub use report::{After, Attempt, Command, Ended, Kind, Report, Shards, Step, Tested, Verdict};
