//! Why a database could not be measured. No message holds a value of its rows.

use crate::words::listed;

/// What a store's own driver or catalogue says.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a database could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The server could not be reached or its catalogue not be read.
    #[error(transparent)]
    Store(Cause),
    /// Columns are allowed that are not there.
    #[error("no such columns to allow:{}\nname them as `schema.table.column`", listed(.0))]
    NoColumns(Vec<String>),
    /// No rule at all would keep rows from being read off.
    #[error("figures have to rest on at least 2 rows; {0} is too few")]
    Rules(u64),
    /// The server refused a query.
    #[error("measuring {what}: {message} ({code})")]
    Server {
        /// The table, column or key.
        what: String,
        /// What the server said, where that cannot hold a value.
        message: String,
        /// The five characters of SQLSTATE, or the server's own number.
        code: String,
    },
    /// The connection broke, or what came over it was not understood.
    #[error("measuring {what}: {source}")]
    Connection {
        /// The table, column or key.
        what: String,
        /// What the driver said.
        source: Cause,
    },
}

/// What is told of a message that a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Telling {
    /// It speaks of names and states alone.
    AsItIs,
    /// The query took longer than it may.
    TooLong,
    /// It may quote a value.
    Nothing,
}

impl LearnError {
    pub(in crate::data) fn server(
        what: impl Into<String>,
        code: impl Into<String>,
        message: &str,
        telling: Telling,
    ) -> Self {
        let message = match telling {
            Telling::AsItIs => message,
            Telling::TooLong => "it took too long; allow more time or a smaller sample",
            Telling::Nothing => "the server failed; its message may quote a value and is not shown",
        };
        Self::Server { what: what.into(), message: message.to_owned(), code: code.into() }
    }

    pub(in crate::data) fn connection(what: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Connection { what: what.into(), source: cause.into() }
    }

    pub(in crate::data) fn store(cause: impl Into<Cause>) -> Self {
        Self::Store(cause.into())
    }
}
