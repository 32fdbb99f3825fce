//! How far a dump, a restore or a load is.

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// Documents so far.
    Documents {
        /// The collection: `shop.orders`.
        collection: &'p str,
        /// Documents done.
        done: u64,
        /// Documents in all; an estimate where a server is read.
        total: u64,
    },
    /// A step without a measure: `checking the snapshot`.
    Step(&'p str),
}

/// Hears of progress, from any thread.
pub type OnProgress<'f> = &'f (dyn Fn(Progress<'_>) + Send + Sync);
