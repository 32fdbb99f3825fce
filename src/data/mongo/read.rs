//! Reads a collection's documents in an order that depends on them alone, in a session of one moment where there is one.

use bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::{ClientSession, Cursor, SessionCursor};

use super::connect::Server;
use super::definition::Definition;
use super::error::{During, MongoError};

/// Documents as they come.
pub(super) enum Reading<'r> {
    /// Each as it is when it is read.
    Plain(Cursor<RawDocumentBuf>),
    /// All as they are at one moment.
    Moment(SessionCursor<RawDocumentBuf>, &'r mut ClientSession),
}

impl<'r> Reading<'r> {
    /// Begins to read.
    pub(super) async fn begin(
        server: &Server,
        (database, name): (&str, &str),
        definition: &Definition,
        session: Option<&'r mut ClientSession>,
    ) -> Result<Self, MongoError> {
        let collection = server.on(database).collection::<RawDocumentBuf>(name);
        let find = collection.find(doc! {}).allow_disk_use(true);
        let find = match order(definition) {
            Some(order) => find.sort(order),
            None => find,
        };
        let task = format!("reading collection `{database}.{name}`");
        match session {
            None => Ok(Self::Plain(find.await.during(task)?)),
            Some(session) => {
                let cursor = find.session(&mut *session).await.during(task)?;
                Ok(Self::Moment(cursor, session))
            }
        }
    }

    /// Goes on to the next document; false at the end.
    pub(super) async fn advance(&mut self) -> Result<bool, MongoError> {
        let advanced = match self {
            Self::Plain(cursor) => cursor.advance().await,
            Self::Moment(cursor, session) => cursor.advance(session).await,
        };
        advanced.during("reading documents")
    }

    /// The document.
    pub(super) fn current(&self) -> &RawDocument {
        match self {
            Self::Plain(cursor) => cursor.current(),
            Self::Moment(cursor, _) => cursor.current(),
        }
    }
}

/// Capped collections have an order of their own, that of insertion. Time series have no index on `_id`.
fn order(definition: &Definition) -> Option<Document> {
    match definition.time_field() {
        Some(time) => Some(doc! { time: 1, "_id": 1 }),
        None => (!definition.is_capped()).then(|| doc! { "_id": 1 }),
    }
}
