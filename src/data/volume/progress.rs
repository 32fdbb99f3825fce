//! How far a dump or a restore of files is.

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// Bytes so far.
    Bytes {
        /// Bytes done.
        done: u64,
        /// Bytes in all; an estimate where files are read.
        total: u64,
    },
    /// A step without a measure: `copying the files aside`.
    Step(&'p str),
}

/// Hears of progress, from any thread.
pub type OnProgress<'f> = &'f (dyn Fn(Progress<'_>) + Send + Sync);
