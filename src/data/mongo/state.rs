//! What is remembered in the server itself, in one hidden collection of each database, so that any process can go on.

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use futures::TryStreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connect::Server;
use super::error::{During, MongoError};
use super::namespaces::OURS;

/// The collection.
const STATE: &str = "devcluster_state";
/// What the names of what databases are reset to begin with.
const PRISTINE: &str = "pristine ";

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
    /// Which database remembers it, and under which name.
    fn place(self, database: &str) -> (&str, String) {
        match self {
            Self::Journal => (database, "journal".to_owned()),
            Self::Pristine => (OURS, format!("{PRISTINE}{database}")),
            Self::Spare => (database, "spare".to_owned()),
        }
    }

    /// What is remembered, where it is.
    pub(super) async fn recall<T: DeserializeOwned>(
        self,
        server: &Server,
        database: &str,
    ) -> Result<Option<T>, MongoError> {
        let task = format!("reading what is remembered of `{database}`");
        let (home, id) = self.place(database);
        let found = server.on(home).collection::<Document>(STATE).find_one(doc! { "_id": id }).await;
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
        let (home, id) = self.place(database);
        let document = doc! { "_id": &id, "bson": Binary { subtype: BinarySubtype::Generic, bytes } };
        let states = server.on(home).collection::<Document>(STATE);
        states.replace_one(doc! { "_id": id }, document).upsert(true).await.during(task).map(drop)
    }

    /// Forgets it, and that anything was ever remembered where it was the last.
    pub(super) async fn forget(self, server: &Server, database: &str) -> Result<(), MongoError> {
        let task = format!("forgetting what was done to `{database}`");
        let (home, id) = self.place(database);
        let states = server.on(home).collection::<Document>(STATE);
        states.delete_one(doc! { "_id": id }).await.during(&task)?;
        if states.find_one(doc! {}).await.during(&task)?.is_none() {
            states.drop().await.during(task)?;
        }
        Ok(())
    }
}

/// The databases of which something is kept to reset them to, in order.
pub(super) async fn resettable(server: &Server) -> Result<Vec<String>, MongoError> {
    let task = "reading what databases can be reset to";
    let states = server.on(OURS).collection::<Document>(STATE);
    let found: Vec<Document> = states
        .find(doc! {})
        .projection(doc! { "_id": 1 })
        .await
        .during(task)?
        .try_collect()
        .await
        .during(task)?;
    let kept = found.iter().filter_map(|state| state.get_str("_id").ok()?.strip_prefix(PRISTINE));
    let mut kept: Vec<String> = kept.map(str::to_owned).collect();
    kept.sort_unstable();
    Ok(kept)
}
