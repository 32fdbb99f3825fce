//! Fills a collection, in batches.

use bson::RawDocumentBuf;
use mongodb::Collection;

use super::connect::Server;
use super::definition::Definition;
use super::error::{During, MongoError};
use super::read::Reading;

/// Bytes and documents that are sent at once.
const BATCH: (usize, usize) = (4 << 20, 1000);

/// A collection that is being filled.
pub(super) struct Filling {
    collection: Collection<RawDocumentBuf>,
    name: String,
    batch: Vec<RawDocumentBuf>,
    size: usize,
    /// Documents that are sent.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Filling {
    pub(super) fn new(server: &Server, database: &str, name: &str) -> Self {
        Self {
            collection: server.on(database).collection(name),
            name: format!("{database}.{name}"),
            batch: Vec::new(),
            size: 0,
            documents: 0,
            bytes: 0,
        }
    }

    /// Adds a document.
    pub(super) async fn add(&mut self, document: RawDocumentBuf) -> Result<(), MongoError> {
        self.size += document.as_bytes().len();
        self.batch.push(document);
        if self.size >= BATCH.0 || self.batch.len() >= BATCH.1 { self.send().await } else { Ok(()) }
    }

    /// Sends what is left.
    pub(super) async fn send(&mut self) -> Result<(), MongoError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // Documents may be older than the rules of their collection.
        let sent = self.collection.insert_many(&self.batch).bypass_document_validation(true).await;
        sent.during(format!("filling collection `{}`", self.name))?;
        self.documents += self.batch.len() as u64;
        self.bytes += self.size as u64;
        self.batch.clear();
        self.size = 0;
        Ok(())
    }
}

/// Copies a collection's documents into another, which is there; gives how many, and their bytes.
pub(super) async fn copy(
    server: &Server,
    from: (&str, &str),
    to: (&str, &str),
    definition: &Definition,
    on_done: impl Fn(u64),
) -> Result<(u64, u64), MongoError> {
    let mut reading = Reading::begin(server, from, definition, None).await?;
    let mut filling = Filling::new(server, to.0, to.1);
    while reading.advance().await? {
        filling.add(reading.current().to_owned()).await?;
        if filling.batch.is_empty() {
            on_done(filling.documents);
        }
    }
    filling.send().await?;
    on_done(filling.documents);
    Ok((filling.documents, filling.bytes))
}
