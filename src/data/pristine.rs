//! What it takes to put a store's data back as it was loaded, whichever server has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a copy took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyCost {
    /// Bytes of the copy; of documents where the store has such.
    pub bytes: u64,
    /// The time it took.
    pub took: Duration,
}

/// What a reset will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetCost {
    /// Whether a spare copy stands ready: then it takes about a second, or as many renames as there are collections, whatever
    /// the size.
    pub spare: bool,
    /// Bytes of the data set.
    pub bytes: u64,
    /// The time that the last copy of it took: what it takes without a spare.
    pub copy: Option<Duration>,
}
