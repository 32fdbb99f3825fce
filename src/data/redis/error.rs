//! Why something could not be done with a Redis server.

use std::io;

use crate::data::snapshot::SnapshotError;

/// Why something could not be done with a server.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// There is no connection.
    #[error("cannot reach {store}: {source}; is it running and ready?")]
    Unreachable {
        /// The store.
        store: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// User or password are wrong.
    #[error("{store} does not let user `{user}` in: {said}; check the Secret that its password comes from")]
    Refused {
        /// The store.
        store: String,
        /// The user; `default` where none was named.
        user: String,
        /// What the server said.
        said: String,
    },
    /// The server wants a password, and there is none.
    #[error("{0} wants a password; name the Secret that has it")]
    PasswordMissing(String),
    /// What answers is no server that is known here.
    #[error("{store} is {found}; Redis 6, Valkey 7 and later are supported")]
    Version {
        /// The store.
        store: String,
        /// Its flavour and version.
        found: String,
    },
    /// The server refused a command.
    #[error("{task}: the server says `{said}`")]
    Server {
        /// What was being done.
        task: String,
        /// What it said.
        said: String,
    },
    /// The connection broke.
    #[error("{task}: {source}")]
    Connection {
        /// What was being done.
        task: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// What came over the connection is not what was asked for.
    #[error("{task}: not understood: {reason}")]
    Protocol {
        /// What was being done.
        task: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not let itself be replicated.
    #[error(
        "{store} does not let itself be replicated: {said}; allow the user PSYNC and REPLCONF, or ask for a scan, \
         which sees its keys at different moments"
    )]
    Replication {
        /// The store.
        store: String,
        /// What the server said.
        said: String,
    },
    /// What the server sent of its data cannot be kept.
    #[error("the server's data: {0}")]
    Rdb(#[from] RdbError),
    /// Masks know no keys and values of this store.
    #[error(
        "{0} cannot be masked: Redis has no columns to classify; leave the store out, or fill it with synthetic data"
    )]
    Mask(String),
    /// Another restore is under way.
    #[error("{store} is being restored by another command into its database {database}; wait for it")]
    Busy {
        /// The store.
        store: String,
        /// The database that the other one fills.
        database: u32,
    },
    /// The snapshot is of a newer server.
    #[error(
        "the snapshot's values have form {found}, {store} reads forms up to {known}; use the version it was made with"
    )]
    TooNew {
        /// The store.
        store: String,
        /// The snapshot's RDB version.
        found: u16,
        /// The server's.
        known: u16,
    },
    /// The snapshot is not whole, or not of this store.
    #[error("the snapshot's `{stream}` is refused: {reason}; the server was not touched")]
    Damaged {
        /// The stream.
        stream: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server did not keep what it was given.
    #[error(
        "database {database} kept {kept} of {given} entries; raise the server's maxmemory, or its eviction takes them"
    )]
    EntriesLost {
        /// The spare database.
        database: u32,
        /// Entries that are there.
        kept: u64,
        /// Entries without expiry that were given.
        given: u64,
    },
    /// A restore without a spare database failed midway.
    #[error("the old data is gone and the new is not whole, for no database was spare: {0}; restore again")]
    HalfLoaded(Box<RedisError>),
    /// A temporary file could not be used.
    #[error("cannot sort the entries in a temporary file: {0}; free some space, or set TMPDIR")]
    Temporary(io::Error),
    /// The snapshot could not be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Work that others wait for has ended early.
    #[error("{0} stopped before it was done")]
    Stopped(&'static str),
}

/// What is wrong with serialized data.
#[derive(Debug, thiserror::Error)]
pub enum RdbError {
    /// Reading failed, or the data ended early.
    #[error("it breaks off: {0}")]
    Read(#[from] io::Error),
    /// It begins otherwise.
    #[error("it does not begin as an RDB file does")]
    Magic,
    /// Its version is not known.
    #[error("RDB version {0} is not known; versions 9 to 12 are")]
    Version(u32),
    /// A part that is no key is not known.
    #[error("it has a part with opcode {0}, which is not known; it was not guessed")]
    Opcode(u8),
    /// Data that belongs to a module.
    #[error("it has data of a module, which only that module can read; unload it, or leave the store out")]
    Module,
    /// A key's type is not known, or a module's.
    #[error("key `{key}` is of type {kind}, {name}; it was not guessed")]
    Kind {
        /// The key.
        key: String,
        /// The type's number.
        kind: u8,
        /// What is known of it.
        name: &'static str,
    },
    /// A string or a length is not well-formed.
    #[error("{0}")]
    Malformed(&'static str),
    /// A value is beyond what a server takes back.
    #[error("a value has more than 512 MiB, which no server takes back")]
    TooLarge,
    /// The checksum at the end is another.
    #[error("its checksum is {found:016x} and should be {expected:016x}")]
    Checksum {
        /// What was computed.
        found: u64,
        /// What the server sent.
        expected: u64,
    },
}

/// Bytes as a message shows them: escaped, and not too many.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().take(80).map(|byte| byte.escape_ascii().to_string()).collect();
    if bytes.len() > 80 {
        text.push('…');
    }
    text
}
