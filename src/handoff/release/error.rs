//! Why a release cannot be told, compared or brought back.

use super::crossing::Crossing;
use crate::words::listed;

/// Why a release cannot be told, compared or brought back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing was recorded yet.
    #[error("there is no release yet: a `devcluster up` that changes something records the first")]
    None,
    /// There is no such number.
    #[error("there is no release {number}; the last is {last}")]
    Unknown {
        /// What was asked for.
        number: u64,
        /// The last one.
        last: u64,
    },
    /// The number is that of a note.
    #[error("{number} is a note on release {of}, and no release")]
    Note {
        /// What was asked for.
        number: u64,
        /// What the note is on.
        of: u64,
    },
    /// An object of the ledger that is missing or damaged.
    #[error("{object} {why}: release {number} cannot be read; `devcluster release list` tells which can")]
    Damaged {
        /// The release.
        number: u64,
        /// The object of ours.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// Objects that the API server holds, but no copy of which fits into one of its objects.
    #[error("no release is recorded, for these objects are too large for the ledger:{}", listed(.objects))]
    TooLarge {
        /// The objects.
        objects: Vec<String>,
    },
    /// A record with more objects than fit into one object of the API server.
    #[error("no release is recorded: the list of {objects} objects is too large for a ConfigMap")]
    TooMany {
        /// How many there are.
        objects: usize,
    },
    /// A release that was recorded without knowing the objects.
    #[error("release {number} has no objects to go back to")]
    Empty {
        /// The release.
        number: u64,
    },
    /// Images that neither nodes nor the engine have anymore.
    #[error(
        "release {number} cannot come back, for images of it are gone from the nodes, and the engine has them no more:{}\n  nothing was changed; {cure}", listed(.images)
    )]
    ImagesGone {
        /// The release.
        number: u64,
        /// Image and node.
        images: Vec<String>,
        /// What to do.
        cure: String,
    },
    /// What cannot be taken back lies between.
    #[error(
        "going from release {from} to {to} leaves data as it is, and what lies between cannot be taken back:{}\n  nothing was changed; {}--keep-data goes on, with the data as it is now", listed(&.crossing.sentences()), if .crossing.is_restorable() { "--restore-data brings those snapshots back as well; " } else { "" }
    )]
    Crossing {
        /// Where the system is.
        from: u64,
        /// Where it was to go.
        to: u64,
        /// What lies between.
        crossing: Box<Crossing>,
    },
    /// Snapshots do not put back what was there.
    #[error(
        "no snapshot puts everything back as release {to} had it:{}\n  nothing was changed; --keep-data goes on, with the data as it is now", listed(&.crossing.sentences())
    )]
    NotRestorable {
        /// Where it was to go.
        to: u64,
        /// What lies between.
        crossing: Box<Crossing>,
    },
    /// The cluster is too small or another.
    #[error(
        "release {number} needs another cluster ({reasons}): check out {source_words} and run `devcluster up`, which makes it anew"
    )]
    Shape {
        /// The release.
        number: u64,
        /// Why.
        reasons: String,
        /// What to check out.
        source_words: String,
    },
}
