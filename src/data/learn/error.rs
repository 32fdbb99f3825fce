//! Why a database could not be measured. No message holds a value of its rows.

use tokio_postgres::error::DbError;

use crate::data::postgres::PostgresError;
use crate::words::listed;

/// Why a database could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The server could not be reached or its catalogue not be read.
    #[error(transparent)]
    Postgres(Box<PostgresError>),
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
        /// The five characters of SQLSTATE.
        code: String,
    },
    /// The connection broke, or what came over it was not understood.
    #[error("measuring {what}: {source}")]
    Connection {
        /// The table, column or key.
        what: String,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
}

impl From<PostgresError> for LearnError {
    fn from(error: PostgresError) -> Self {
        Self::Postgres(Box::new(error))
    }
}

impl LearnError {
    pub(super) fn new(what: impl Into<String>, error: tokio_postgres::Error) -> Self {
        let what = what.into();
        match error.as_db_error() {
            Some(fault) => Self::Server {
                what,
                message: told(fault.code().code(), || fault.message().to_owned()),
                code: code(fault),
            },
            None => Self::Connection { what, source: error },
        }
    }
}

fn code(fault: &DbError) -> String {
    fault.code().code().to_owned()
}

/// A server's message where its class speaks of names and states alone; others may quote a value.
fn told(code: &str, message: impl FnOnce() -> String) -> String {
    // Connections, transactions, sessions, syntax and rights, resources, objects in use, interventions, systems.
    let safe = ["08", "25", "28", "40", "42", "53", "55", "57", "58"];
    if code == "57014" {
        "it took too long; allow more time or a smaller sample".to_owned()
    } else if safe.iter().any(|class| code.starts_with(class)) {
        message()
    } else {
        "the server failed; its message may quote a value and is not shown".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_may_quote_a_value_are_not_told() {
        for (code, shown) in [
            ("42501", true),
            ("53200", true),
            ("57014", false),
            ("22P02", false),
            ("P0001", false),
            ("XX000", false),
        ] {
            assert_eq!(told(code, || "secret".to_owned()) == "secret", shown, "{code}");
        }
    }
}
