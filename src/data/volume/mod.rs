//! The volume store: the files of a claim's directory on a node, taken and put back by the node's own tar, and told in a form
//! of which the same files always give the same bytes. Knows no cluster: whoever calls keeps the files' writers still.

mod archive;
mod blocks;
mod check;
mod copies;
mod dump;
mod entry;
mod error;
mod guard;
mod load;
mod place;
mod progress;
mod streams;
mod time;
mod write;

pub use dump::{DumpReport, From};
pub use entry::{Entry, Kind};
pub use error::{ArchiveFault, VolumeError};
pub use guard::{BEAT, Frozen};
pub use load::Unpacked;
pub use place::{Copied, Prepared, Space, State, Volume};
pub use progress::{OnProgress, Progress};

#[cfg(test)]
mod tests;
