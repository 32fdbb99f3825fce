//! Why something could not be done with a PostgreSQL server.

use std::fmt;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use crate::data::generate::GenerateError;
use crate::data::mask::{Leak, MaskError};
pub(super) use crate::data::relational::Shown;
use crate::data::schema::TableName;
use crate::data::snapshot::SnapshotError;
use crate::data::subset::SubsetFaults;
use crate::words::listed;

/// Why something could not be done with a server.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There is no connection.
    #[error("cannot reach {store}: {source}; is it running and ready?")]
    Unreachable {
        /// The store.
        store: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// User or password are wrong, or the server lets this user in from nowhere.
    #[error(
        "{store} does not let user `{user}` in: {fault}; check the Secret that its credentials come from"
    )]
    Refused {
        /// The store.
        store: String,
        /// The user.
        user: String,
        /// What the server said.
        fault: Box<ServerFault>,
    },
    /// The database is not there.
    #[error("{store} has no database `{database}`; it has:{}", listed(.known))]
    NoDatabase {
        /// The store.
        store: String,
        /// The database.
        database: String,
        /// Those that are there, where they could be read.
        known: Vec<String>,
    },
    /// What answers is no PostgreSQL server that is known here.
    #[error("{store} is PostgreSQL {found}; versions {oldest} and later are supported")]
    Version {
        /// The store.
        store: String,
        /// Its version.
        found: String,
        /// The oldest one supported.
        oldest: u32,
    },
    /// The server refused a statement.
    #[error("{task}: {fault}")]
    Server {
        /// What was being done.
        task: String,
        /// What it said.
        fault: Box<ServerFault>,
    },
    /// The connection broke, or what came over it was not understood.
    #[error("{task}: {source}")]
    Connection {
        /// What was being done.
        task: String,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// A program of the server's failed.
    #[error("{program} failed: {source}")]
    Program {
        /// The program.
        program: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// Another load, restore or reset is under way.
    #[error("database `{database}` is being changed by {holder}; wait for it, or end that session")]
    Busy {
        /// The database.
        database: String,
        /// Who.
        holder: String,
    },
    /// The user's rights do not suffice.
    #[error("user `{user}` may not {what}; {fix}")]
    Rights {
        /// The user.
        user: String,
        /// What it is not allowed.
        what: &'static str,
        /// What to do.
        fix: String,
    },
    /// The database is not what the seed or snapshot was made for.
    #[error("{0}")]
    Mismatch(String),
    /// A table did not take as many rows as it was given.
    #[error("table {table} took {taken} of {given} rows; a trigger or rule of it drops rows")]
    RowsLost {
        /// The table.
        table: TableName,
        /// Rows that are there.
        taken: u64,
        /// Rows that were made.
        given: u64,
    },
    /// The rows could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The rows could not be masked.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// Original values came through the masks.
    #[error("the snapshot is refused, for masks let original values through:{}", listed(.0))]
    Leaks(Vec<Leak>),
    /// The subset could not be planned.
    #[error(transparent)]
    Subset(#[from] SubsetFaults),
    /// The snapshot could not be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Nothing is there to reset to.
    #[error("nothing to reset `{0}` to: load a snapshot or a seed first")]
    NoPristine(String),
    /// Work that others wait for has ended early.
    #[error("{0} stopped before it was done")]
    Stopped(&'static str),
}

/// What a server said. Values of rows are left out where they may be real ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFault {
    /// `ERROR`, `FATAL`, `PANIC`.
    pub severity: String,
    /// The five characters of SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server proposes.
    pub hint: Option<String>,
}

impl ServerFault {
    pub(super) fn new(error: &DbError, shown: Shown) -> Self {
        let code = error.code().code();
        // Classes 22 (data exception) and 23 (integrity constraint violation) quote values: in details, and 22 in messages.
        let quotes = shown == Shown::NoValues && (code.starts_with("22") || code.starts_with("23"));
        let message = match (quotes, code.starts_with("22")) {
            (true, true) => "a value does not fit its column (not shown, it may be real)".to_owned(),
            _ => error.message().to_owned(),
        };
        Self {
            severity: error.severity().to_owned(),
            code: code.to_owned(),
            message,
            detail: error.detail().filter(|_| !quotes).map(str::to_owned),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl fmt::Display for ServerFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({} {})", self.message, self.severity, self.code)?;
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            write!(out, "; {more}")?;
        }
        Ok(())
    }
}

/// Says what was being done when a statement failed.
pub(super) trait During<T> {
    /// Rows may be real: no value is shown.
    fn during(self, task: impl Into<String>) -> Result<T, PostgresError>;
    /// Rows are synthetic.
    fn during_shown(self, task: impl Into<String>) -> Result<T, PostgresError>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, task: impl Into<String>) -> Result<T, PostgresError> {
        self.map_err(|error| failed(error, task.into(), Shown::NoValues))
    }

    fn during_shown(self, task: impl Into<String>) -> Result<T, PostgresError> {
        self.map_err(|error| failed(error, task.into(), Shown::All))
    }
}

pub(super) fn failed(error: tokio_postgres::Error, task: String, shown: Shown) -> PostgresError {
    match error.as_db_error() {
        Some(fault) => PostgresError::Server { task, fault: Box::new(ServerFault::new(fault, shown)) },
        None => PostgresError::Connection { task, source: error },
    }
}

impl PostgresError {
    /// Whether it is what the server answers with this code.
    pub(super) fn is(&self, state: &SqlState) -> bool {
        matches!(self, Self::Server { fault, .. } if fault.code == state.code())
    }
}
