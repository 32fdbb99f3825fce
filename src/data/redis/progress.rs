//! How far a dump or a restore is.

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// Entries so far.
    Entries {
        /// Entries done.
        done: u64,
        /// Entries in all; an estimate where a server is read.
        total: u64,
    },
    /// A step without a measure: `waiting for the server's fork`.
    Step(&'p str),
    /// What must be known before the next step changes anything.
    Warning(&'p str),
}

/// Hears of progress, from any thread.
pub type OnProgress<'f> = &'f (dyn Fn(Progress<'_>) + Send + Sync);
