//! Snapshots: named sets of streams, cut by content into chunks that all snapshots of a catalogue share.
//! Knows no store and no cluster.

mod ahead;
mod bucket;
mod catalogue;
mod chunker;
mod collect;
mod damage;
mod digest;
mod directory;
mod encoding;
mod error;
mod export;
mod import;
mod inspect;
mod lanes;
mod manifest;
mod name;
mod objects;
mod pack;
mod packing;
mod packs;
mod pipeline;
mod reader;
mod survey;
mod transfer;
mod writer;

pub use bucket::Bucket;
pub use catalogue::{Catalogue, Listing, Summary};
pub use collect::Collected;
pub use damage::{Damage, DamagedPack};
pub use digest::{ChunkId, Digest, DigestError};
pub use directory::Directory;
pub use encoding::Compression;
pub use error::{Place, SnapshotError};
pub use inspect::{Changed, Difference, Inspection, Verified, difference};
pub use manifest::{Chunk, FORMAT, Manifest, Stream};
pub use name::{NameError, SnapshotName, StreamPath, Timestamp};
pub use objects::{Guard, Hold, Object, Objects, Reads};
pub use packing::Added;
pub use reader::StreamReader;
pub use transfer::{ReceiveOptions, Received};
pub use writer::{CreateOptions, Created, StreamWriter, Writer};

#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod catalogue_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod interruption_tests;
