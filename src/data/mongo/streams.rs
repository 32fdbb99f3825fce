//! What a server's streams in a snapshot are called, and what they hold: below a prefix `mongo.bson`, which says what there
//! is, and for each collection `DATABASE/COLLECTION.bson`: its documents one after another, ordered by `_id`, as mongodump
//! has them. In names all but letters, digits, `_`, `-` and `.` is written as `%` and two hexadecimal digits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufReader, Read};

use bson::RawDocument;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::document;
use super::error::MongoError;
use super::namespaces::HIDDEN;
use crate::data::snapshot::{SnapshotError, StreamPath, StreamReader};

/// The form that is written, and the only one that is read.
pub(super) const FORMAT: u32 = 1;
/// Bytes of `mongo.bson`.
const LARGEST_CONTENTS: u64 = 64 << 20;

/// What there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// The form of the streams.
    pub format: u32,
    /// Whether it is of all databases.
    pub whole: bool,
    /// Collections, by database and name.
    pub databases: BTreeMap<String, BTreeMap<String, Kept>>,
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// What it is made with.
    pub definition: Definition,
    /// Its documents; none of a view.
    pub documents: u64,
}

impl Contents {
    /// From bytes that may be anything.
    pub(super) fn read(reader: StreamReader, path: &StreamPath) -> Result<Self, MongoError> {
        let damaged = |reason: String| MongoError::Damaged { stream: path.to_string(), reason };
        let mut bytes = Vec::new();
        let read = reader.take(LARGEST_CONTENTS).read_to_end(&mut bytes);
        read.map_err(|error| unread(path.as_str(), error))?;
        let checked = RawDocument::from_bytes(&bytes).map_err(|error| error.to_string());
        checked.and_then(document::check).map_err(damaged)?;
        let contents: Self =
            bson::deserialize_from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(damaged(format!("it has format {}; update devcluster", contents.format)));
        }
        for (database, collections) in &contents.databases {
            if database.is_empty()
                || database.len() > 63
                || database.contains(['/', '\\', '.', '"', '$', ' ', '\0'])
            {
                return Err(damaged(format!("`{}` cannot be a database's name", database.escape_debug())));
            }
            for (name, kept) in collections {
                let own = name.starts_with("system.") || name.starts_with(HIDDEN);
                if own || name.is_empty() || name.len() > 255 || name.contains(['$', '\0']) {
                    return Err(damaged(format!("`{}` cannot be a collection's name", name.escape_debug())));
                }
                let wrong = |reason| damaged(format!("collection `{database}.{name}`: {reason}"));
                kept.definition.check().map_err(wrong)?;
            }
        }
        Ok(contents)
    }
}

/// The path of what says what there is.
pub(super) fn contents_path(prefix: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/mongo.bson").parse()?)
}

/// The path of a collection's documents.
pub(super) fn collection_path(prefix: &str, database: &str, name: &str) -> Result<StreamPath, SnapshotError> {
    Ok(format!("{prefix}/{}/{}.bson", written(database), written(name)).parse()?)
}

fn written(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => out.push(byte.into()),
            // Writing to a text cannot fail.
            _ => {
                let _ = write!(out, "%{byte:02x}");
            }
        }
    }
    out
}

/// Reads a stream's documents, whatever its bytes are.
pub(super) struct Documents {
    reader: BufReader<StreamReader>,
    name: String,
}

impl Documents {
    pub(super) fn new(reader: StreamReader, name: String) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), name }
    }

    /// The next document's bytes, checked; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, MongoError> {
        let mut length = [0; 4];
        let mut read = 0;
        while read < 4 {
            match self.reader.read(&mut length[read..]).map_err(|error| unread(&self.name, error))? {
                0 if read == 0 => return Ok(None),
                0 => return Err(self.damaged("it breaks off within a document")),
                more => read += more,
            }
        }
        let size = u32::from_le_bytes(length) as usize;
        if !(5..=document::LARGEST).contains(&size) {
            return Err(self.damaged(format!("a document says that it has {size} bytes")));
        }
        let mut bytes = length.to_vec();
        let rest = self.reader.by_ref().take(size as u64 - 4).read_to_end(&mut bytes);
        rest.map_err(|error| unread(&self.name, error))?;
        if bytes.len() != size {
            return Err(self.damaged("it breaks off within a document"));
        }
        let checked = RawDocument::from_bytes(&bytes).map_err(|error| error.to_string());
        checked.and_then(document::check).map_err(|reason| self.damaged(reason))?;
        Ok(Some(bytes))
    }

    fn damaged(&self, reason: impl Into<String>) -> MongoError {
        MongoError::Damaged { stream: self.name.clone(), reason: reason.into() }
    }
}

/// What writing to a stream failed with.
pub(super) fn unwritten(error: io::Error) -> MongoError {
    match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(source) => SnapshotError::Io { what: "write", path: "the snapshot".to_owned(), source }.into(),
    }
}

/// What reading a stream failed with.
pub(super) fn unread(stream: &str, error: io::Error) -> MongoError {
    match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(error) => MongoError::Damaged { stream: stream.to_owned(), reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_differ() {
        let path = |database, name| collection_path("mongo/shop/db", database, name).unwrap().to_string();
        assert_eq!(path("shop", "orders.old"), "mongo/shop/db/shop/orders.old.bson");
        assert_eq!(path("shop", "a/b %"), "mongo/shop/db/shop/a%2fb%20%25.bson");
        assert_ne!(path("shop", "a%2fb"), path("shop", "a/b"));
        assert_eq!(path("shop", ".."), "mongo/shop/db/shop/...bson");
        assert_eq!(path("ä", "b"), "mongo/shop/db/%c3%a4/b.bson");
    }
}
