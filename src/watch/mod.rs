//! Files that change: seen as they are saved, gathered into batches, and what each leads to.

pub mod batch;
pub mod git;
pub mod index;
mod mounts;
mod poll;
pub mod source;
pub mod watcher;

pub use git::GitIgnores;
pub use index::{Index, Now};
pub use source::{Effect, Effects, ImageSource, RuleId, Sources, Synced};
pub use watcher::{WatchError, Watcher};
