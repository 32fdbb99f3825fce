//! Why something could not be done with a MySQL or MariaDB server.

use std::fmt;
use std::io;

use crate::data::generate::GenerateError;
use crate::data::mask::{Leak, MaskError};
pub(super) use crate::data::relational::Shown;
use crate::data::schema::TableName;
use crate::data::snapshot::SnapshotError;
use crate::words::listed;

/// Why something could not be done with a server.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
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
        fault: ServerFault,
    },
    /// The database is not there.
    #[error("{store} has no database `{database}` that this user sees; it has:{}", listed(.known))]
    NoDatabase {
        /// The store.
        store: String,
        /// The database.
        database: String,
        /// Those that are there, where they could be read.
        known: Vec<String>,
    },
    /// What answers is no server that is known here.
    #[error("{store} is {found}; {supported} and later are supported")]
    Version {
        /// The store.
        store: String,
        /// Its flavour and version.
        found: String,
        /// The oldest ones supported.
        supported: String,
    },
    /// The server refused a statement.
    #[error("{task}: {fault}")]
    Server {
        /// What was being done.
        task: String,
        /// What it said.
        fault: ServerFault,
    },
    /// The connection broke, or what came over it was not understood.
    #[error("{task}: {source}")]
    Connection {
        /// What was being done.
        task: String,
        /// What the driver said.
        source: Box<mysql_async::Error>,
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
    #[error("table {table} took {taken} of {given} rows")]
    RowsLost {
        /// The table.
        table: TableName,
        /// Rows that are there.
        taken: u64,
        /// Rows that were given.
        given: u64,
    },
    /// Rows refer to rows that are not there.
    #[error("{rows} rows of {table} refer by `{key}` to rows that are not there")]
    Dangling {
        /// The table.
        table: TableName,
        /// The foreign key.
        key: String,
        /// How many.
        rows: u64,
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
    /// The server's number of it.
    pub code: u16,
    /// The five characters of SQLSTATE.
    pub state: String,
    /// The message.
    pub message: String,
}

/// Faults whose messages quote values and whose SQLSTATE does not tell: MySQL's manual, "Server Error Message Reference".
const QUOTING: [u16; 9] = [1300, 1366, 1367, 1411, 1525, 1690, 3140, 3141, 4038];

impl ServerFault {
    pub(super) fn new(error: &mysql_async::ServerError, shown: Shown) -> Self {
        let quotes = shown == Shown::NoValues
            && (error.state.starts_with("22")
                || error.state.starts_with("23")
                || QUOTING.contains(&error.code));
        let message = if quotes {
            "a value does not fit its column or key (not shown, it may be real)".to_owned()
        } else {
            error.message.clone()
        };
        Self { code: error.code, state: error.state.clone(), message }
    }
}

impl fmt::Display for ServerFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (ERROR {} {})", self.message, self.code, self.state)
    }
}

/// Says what was being done when a statement failed.
pub(super) trait During<T> {
    /// Rows may be real: no value is shown.
    fn during(self, task: impl Into<String>) -> Result<T, MysqlError>;
}

impl<T> During<T> for Result<T, mysql_async::Error> {
    fn during(self, task: impl Into<String>) -> Result<T, MysqlError> {
        self.map_err(|error| failed(error, task.into(), Shown::NoValues))
    }
}

pub(super) fn failed(error: mysql_async::Error, task: String, shown: Shown) -> MysqlError {
    match error {
        mysql_async::Error::Server(fault) => {
            MysqlError::Server { task, fault: ServerFault::new(&fault, shown) }
        }
        other => MysqlError::Connection { task, source: Box::new(other) },
    }
}

impl MysqlError {
    /// Whether it is what the server answers with one of these codes.
    pub(super) fn is(&self, codes: &[u16]) -> bool {
        matches!(self, Self::Server { fault, .. } if codes.contains(&fault.code))
    }
}
