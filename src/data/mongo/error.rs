//! Why something could not be done with a MongoDB server.

use std::io;

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::data::generate::GenerateError;
use crate::data::mask::Leak;
use crate::data::snapshot::SnapshotError;
use crate::words::{counted, listed};

/// What a server says where a command, or an option of it, is not made there (`NotImplemented`).
const NOT_IMPLEMENTED: i32 = 238;
/// What a server says where there is no such collection or database (`NamespaceNotFound`).
const NOT_FOUND: i32 = 26;
/// What a server says of a name that it does not take (`InvalidNamespace`).
const INVALID_NAMESPACE: i32 = 73;
/// What a server says that no longer has the versions of a moment (`SnapshotTooOld`).
const TOO_OLD: i32 = 239;
/// What a server says to a user without the right to do it (`Unauthorized`).
const UNAUTHORIZED: i32 = 13;

/// Why something could not be done with a server.
#[derive(Debug, thiserror::Error)]
pub enum MongoError {
    /// There is no connection.
    #[error("cannot reach {store}: {source}; is it running and ready?")]
    Unreachable {
        /// The store.
        store: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// What answers does not speak the protocol, or is too old or new for it.
    #[error("{store} does not answer as MongoDB does: {said}; versions from 4.2 on are supported")]
    Unknown {
        /// The store.
        store: String,
        /// What went wrong.
        said: String,
    },
    /// User or password are wrong.
    #[error("{store} does not let user `{user}` in: {said}; check the Secret that its password comes from")]
    Refused {
        /// The store.
        store: String,
        /// The user.
        user: String,
        /// What the server said.
        said: String,
    },
    /// The server wants a user and password, and there are none.
    #[error("{0} wants a user and a password; name the Secret that has them")]
    PasswordMissing(String),
    /// The user may not do it.
    #[error(
        "{task}: the server says `{said}`; give the credentials of a user with the roles `readWriteAnyDatabase` and `dbAdminAnyDatabase`"
    )]
    Rights {
        /// What was being done.
        task: String,
        /// What it said.
        said: String,
    },
    /// The server refused a command.
    #[error("{task}: the server says `{said}`")]
    Server {
        /// What was being done.
        task: String,
        /// What it said.
        said: String,
        /// Its number for that; 0 where it gives none.
        code: i32,
    },
    /// The server has forgotten the moment that a dump is of.
    #[error(
        "{task}: the server has forgotten what was there when the dump began; raise its parameter \
         `minSnapshotHistoryWindowInSeconds`, which is 300 by default"
    )]
    MomentLost {
        /// What was being done.
        task: String,
    },
    /// The connection broke, or what came over it is not understood.
    #[error("{task}: {said}")]
    Connection {
        /// What was being done.
        task: String,
        /// What went wrong.
        said: String,
    },
    /// Another command changes the server.
    #[error("{0} is being changed by another command; wait for it")]
    Busy(String),
    /// A name cannot stand in a snapshot.
    #[error("`{name}` cannot be kept in a snapshot: {reason}")]
    Name {
        /// The database or collection.
        name: String,
        /// Why.
        reason: String,
    },
    /// The snapshot is not whole, or not of this store.
    #[error("the snapshot's `{stream}` is refused: {reason}; the server was not touched")]
    Damaged {
        /// The stream.
        stream: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are not as many documents as were given.
    #[error(
        "collection `{collection}` holds {found} documents after {given} were loaded into it; the old data was not touched"
    )]
    DocumentsLost {
        /// The collection beside the old one.
        collection: String,
        /// Documents that are there.
        found: u64,
        /// Documents that were given.
        given: u64,
    },
    /// There is nothing to reset to.
    #[error("nothing is kept of `{0}` to reset it to; load a snapshot or a seed first")]
    NoPristine(String),
    /// Schema, seed or policy do not fit what the server has.
    #[error("{0}")]
    Mismatch(String),
    /// The masking policy leaves something open.
    #[error(
        "the masking policy does not say what becomes of {}; give each `keep`, `drop` or a mask:{}",
        counted(.0.len(), "path"),
        listed(.0)
    )]
    Unclassified(Vec<String>),
    /// Original values came through the masks.
    #[error("the snapshot is refused, for masks let original values through:{}", listed(.0))]
    Leaks(Vec<Leak>),
    /// The snapshot could not be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Rows could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Work that others wait for has ended early.
    #[error("{0} stopped before it was done")]
    Stopped(&'static str),
}

impl MongoError {
    /// Whether the server says that it has not made this command, or an option of it.
    pub(super) fn is_not_implemented(&self) -> bool {
        matches!(self, Self::Server { code: NOT_IMPLEMENTED, .. })
    }

    /// Whether the server says that it takes no such name.
    pub(super) fn is_invalid_namespace(&self) -> bool {
        matches!(self, Self::Server { code: INVALID_NAMESPACE, .. })
    }

    /// Whether the server says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Server { code: NOT_FOUND, .. })
    }
}

/// Says what was being done when something failed.
pub(super) trait During<T> {
    /// `task` is a phrase such as `reading collection shop.orders`.
    fn during(self, task: impl Into<String>) -> Result<T, MongoError>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, task: impl Into<String>) -> Result<T, MongoError> {
        self.map_err(|error| told(&error, task.into()))
    }
}

fn told(error: &Error, task: String) -> MongoError {
    let (said, code) = match &*error.kind {
        ErrorKind::Command(fault) => (fault.message.clone(), fault.code),
        ErrorKind::Write(WriteFailure::WriteError(fault)) => (fault.message.clone(), fault.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(fault)) => (fault.message.clone(), fault.code),
        ErrorKind::InsertMany(faults) => {
            let first = faults.write_errors.as_ref().and_then(|faults| faults.first());
            first.map_or_else(
                || ("the documents were not confirmed as written".to_owned(), 0),
                |fault| (fault.message.clone(), fault.code),
            )
        }
        other => return MongoError::Connection { task, said: other.to_string() },
    };
    match code {
        UNAUTHORIZED => MongoError::Rights { task, said },
        TOO_OLD => MongoError::MomentLost { task },
        code => MongoError::Server { task, said, code },
    }
}
