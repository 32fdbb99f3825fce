//! Where a catalogue keeps its files. Small, so that a directory, a shared folder and an object store can all
//! be one.

use std::fmt::Debug;
use std::fs::File;
use std::io;

use tempfile::NamedTempFile;

/// The folder of manifests: `snapshots/NAME.json`.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// The folder of packs: `packs/HASH.pack`.
pub(super) const PACKS: &str = "packs";

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name in the folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

/// How reading is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Reads at once.
    pub at_once: usize,
    /// Bytes that are read with one read rather than with several, where they are neighbours.
    pub bytes: u64,
}

/// Who else may use a catalogue meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// All who read, and those who add: waited for while garbage is collected.
    Reading,
    /// The same, but where there is nothing to hold yet it is made.
    Adding,
    /// Nobody: [`io::ErrorKind::WouldBlock`] where somebody does.
    Alone,
}

/// A hold on a catalogue, until it is dropped.
#[derive(Debug)]
pub struct Guard {
    /// The locked file, where there is one: closing it ends the lock, and so does the end of the process.
    _file: Option<File>,
}

impl Guard {
    /// A hold that lasts as long as this file is locked.
    pub fn of(file: File) -> Self {
        Self { _file: Some(file) }
    }

    /// A hold where nobody can remove anything.
    pub fn none() -> Self {
        Self { _file: None }
    }
}

/// Files under `/`-separated keys of two parts, written whole and never changed. What is published is there
/// after a crash, or not there at all.
pub trait Objects: Debug + Send + Sync {
    /// The files of a folder, in no order; none where the folder is not there.
    fn list(&self, folder: &str) -> io::Result<Vec<Object>>;

    /// Exactly so many bytes of a file; [`io::ErrorKind::UnexpectedEof`] where it is shorter.
    fn read(&self, key: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// An empty file to write on, which vanishes unless it is published.
    fn draft(&self) -> io::Result<NamedTempFile>;

    /// Gives a written file its key. Where the key is taken it is replaced, or
    /// [`io::ErrorKind::AlreadyExists`].
    fn publish(&self, draft: NamedTempFile, key: &str, replace: bool) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&self, key: &str) -> io::Result<()>;

    /// Takes a hold; [`io::ErrorKind::Unsupported`] for [`Hold::Alone`] where no lock can be had.
    fn hold(&self, hold: Hold) -> io::Result<Guard>;

    /// Takes away what was left by writers that were killed, and says how many files those were. Asked for
    /// only with [`Hold::Alone`].
    fn sweep(&self) -> io::Result<usize>;

    /// How reading is worth it: one chunk at a time on each core, where reading waits for nothing else.
    fn reads(&self) -> Reads {
        Reads { at_once: std::thread::available_parallelism().map_or(1, usize::from).min(4), bytes: 0 }
    }

    /// A key as people find it; all of it for the empty one.
    fn shown(&self, key: &str) -> String;
}
