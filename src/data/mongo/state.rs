//! What is remembered in the server itself, in one hidden collection of each database, so that any process can go on.

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connect::Server;
use super::error::{During, MongoError};

/// The collection.
const STATE: &str = "devcluster_state";

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remembered {
    /// What is being put in place.
    Journal,
    /// What the database is reset to.
    Pristine,
    /// A copy of that which is ready.
    Spare,
}

impl Remembered {
    fn id(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Pristine => "pristine",
            Self::Spare => "spare",
        }
    }

    /// What is remembered, where it is.
    pub(super) async fn recall<T: DeserializeOwned>(
        self,
        server: &Server,
        database: &str,
    ) -> Result<Option<T>, MongoError> {
        let task = format!("reading what is remembered of `{database}`");
        let found = server.on(database).collection::<Document>(STATE).find_one(doc! { "_id": self.id() }).await;
        let Some(found) = found.during(&task)? else { return Ok(None) };
        let strange = |said: String| MongoError::Connection { task: task.clone(), said };
        let bytes = found.get_binary_generic("bson").map_err(|error| strange(error.to_string()))?;
        bson::deserialize_from_slice(bytes).map(Some).map_err(|error| strange(error.to_string()))
    }

    /// Remembers it, in the place of what was remembered before, in one write.
    pub(super) async fn keep<T: Serialize + Sync>(
        self,
        server: &Server,
        database: &str,
        what: &T,
    ) -> Result<(), MongoError> {
        let task = format!("remembering what is done to `{database}`");
        let bytes = bson::serialize_to_vec(what)
            .map_err(|error| MongoError::Connection { task: task.clone(), said: error.to_string() })?;
        // As bytes: older servers keep no fields whose names begin with `$`.
        let document = doc! { "_id": self.id(), "bson": Binary { subtype: BinarySubtype::Generic, bytes } };
        let states = server.on(database).collection::<Document>(STATE);
        states.replace_one(doc! { "_id": self.id() }, document).upsert(true).await.during(task).map(drop)
    }

    /// Forgets it, and that anything was ever remembered where it was the last.
    pub(super) async fn forget(self, server: &Server, database: &str) -> Result<(), MongoError> {
        let task = format!("forgetting what was done to `{database}`");
        let states = server.on(database).collection::<Document>(STATE);
        states.delete_one(doc! { "_id": self.id() }).await.during(&task)?;
        if states.find_one(doc! {}).await.during(&task)?.is_none() {
            states.drop().await.during(task)?;
        }
        Ok(())
    }
}
