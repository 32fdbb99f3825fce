//! How far a long piece of work is, for stores that have tables or collections.

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// Rows of a table, or documents of a collection. A restore of tables counts bytes of the snapshot's stream instead.
    Part {
        /// The table or collection: `public.orders`, `shop.orders`.
        name: &'p str,
        /// Rows, documents or bytes so far.
        done: u64,
        /// Those in all; an estimate where a server is read.
        total: u64,
    },
    /// A step without a measure: `making tables`.
    Step(&'p str),
}

/// Hears of progress, from any thread.
pub type OnProgress<'f> = &'f (dyn Fn(Progress<'_>) + Send + Sync);
