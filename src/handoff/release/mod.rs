//! The ledger of releases: what ran and when, so that it can be told, compared and brought back. Pure: records and blobs in,
//! values and texts out; `operation::release` keeps them in the cluster.
//!
//! A record names its objects by the hashes of their blobs, as git does: what two releases share is kept once. A Secret's
//! blob begins with random bytes, so that its hash, which stands in a ConfigMap, cannot be guessed from.

pub mod blob;
pub mod crossing;
pub mod diff;
pub mod error;
pub mod hooks;
pub mod ledger;
pub mod record;
pub mod takes;
pub mod text;

pub use blob::{Blob, Pack, packs};
pub use crossing::{Crossing, crossing, ran_between};
pub use diff::{ReleaseDiff, diff};
pub use error::ReleaseError;
pub use hooks::HookChange;
pub use ledger::{Fault, Ledger};
pub use record::{Before, Chart, Content, Digests, Entry, Held, Kept, KeptHook, Made, Place, Ran, Record};
