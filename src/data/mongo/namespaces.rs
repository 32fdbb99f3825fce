//! The databases and collections that a server has, without its own and ours.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use futures::TryStreamExt as _;

use super::connect::Server;
use super::error::{During, MongoError};

/// Databases that belong to the server.
const OWN: [&str; 3] = ["admin", "config", "local"];
/// Our own database: what others are reset to outlives their being dropped.
pub(super) const OURS: &str = "devcluster_state";
/// What our own collections begin with: those beside others, and what is remembered.
pub(super) const HIDDEN: &str = "devcluster_";

/// What a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollectionKind {
    /// Documents.
    Collection,
    /// What a pipeline makes of another collection.
    View,
    /// Measurements over time.
    #[serde(rename = "timeseries")]
    TimeSeries,
}

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Its name within its database.
    pub name: String,
    /// What it is.
    pub kind: CollectionKind,
    /// What it was created with.
    pub options: Document,
}

impl Collection {
    /// Whether it keeps only so many bytes, in the order of insertion.
    pub fn is_capped(&self) -> bool {
        matches!(self.options.get("capped"), Some(Bson::Boolean(true)))
    }
}

impl Server {
    /// Databases, or the one that is meant, each with its collections in the order of their names. Empty databases do not exist.
    pub async fn collections(&self) -> Result<BTreeMap<String, Vec<Collection>>, MongoError> {
        let mut all = BTreeMap::new();
        for database in self.databases().await? {
            let mut found = self.all_collections(&database).await?;
            found.retain(|collection| !collection.name.starts_with(HIDDEN));
            if !found.is_empty() {
                all.insert(database, found);
            }
        }
        Ok(all)
    }

    /// The databases that are meant and exist, in order.
    pub(super) async fn databases(&self) -> Result<Vec<String>, MongoError> {
        let command = doc! { "listDatabases": 1, "nameOnly": true };
        let said = self.run("admin", command, "listing the databases").await;
        let said = match (said, self.database()) {
            // Who may see one database only need not see others.
            (Err(MongoError::Rights { .. }), Some(only)) => return Ok(vec![only.to_owned()]),
            (said, _) => said?,
        };
        let listed = said.get_array("databases").map(Vec::as_slice).unwrap_or_default();
        let names = listed.iter().filter_map(|entry| entry.as_document()?.get_str("name").ok());
        let meant =
            |name: &&str| self.database().map_or(!OWN.contains(name) && *name != OURS, |only| *name == only);
        let mut names: Vec<String> = names.filter(meant).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All collections of a database but the server's own, ours among them, in order.
    pub(super) async fn all_collections(&self, database: &str) -> Result<Vec<Collection>, MongoError> {
        let task = format!("listing the collections of `{database}`");
        let on = self.on(database);
        let cursor = on.run_cursor_command(doc! { "listCollections": 1 }).await.during(&task)?;
        let listed: Vec<Document> = cursor.try_collect().await.during(&task)?;
        let read = |entry: Document| {
            let name = entry.get_str("name").ok()?.to_owned();
            let kind = match entry.get_str("type") {
                Ok("view") => CollectionKind::View,
                Ok("timeseries") => CollectionKind::TimeSeries,
                _ => CollectionKind::Collection,
            };
            let options = entry.get_document("options").cloned().unwrap_or_default();
            (!name.starts_with("system.")).then_some(Collection { name, kind, options })
        };
        let mut found: Vec<Collection> = listed.into_iter().filter_map(read).collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// A collection's indexes but that of `_id`, in the order of their names, as they are created.
    pub(super) async fn indexes(
        &self,
        database: &str,
        collection: &str,
    ) -> Result<Vec<Document>, MongoError> {
        let task = format!("reading the indexes of `{database}.{collection}`");
        let on = self.on(database);
        let cursor = on.run_cursor_command(doc! { "listIndexes": collection }).await.during(&task)?;
        let mut listed: Vec<Document> = cursor.try_collect().await.during(&task)?;
        let of_id = |index: &Document| index.get_str("name").is_ok_and(|name| name == "_id_");
        listed.retain(|index| !of_id(index) && !index.contains_key("clustered"));
        for index in &mut listed {
            index.remove("ns");
            // The usual version; FerretDB tells it and takes none.
            if number(index.get("v")) == 2 {
                index.remove("v");
            }
        }
        listed.sort_by_cached_key(|index| index.get_str("name").unwrap_or_default().to_owned());
        Ok(listed)
    }

    /// How many documents a collection has, counted one by one where the server does not know.
    pub(super) async fn count(&self, database: &str, collection: &str) -> Result<u64, MongoError> {
        let task = format!("counting the documents of `{database}.{collection}`");
        let said = self.run(database, doc! { "count": collection }, task).await?;
        Ok(number(said.get("n")))
    }
}

/// A number of whichever type, at least 0.
pub(super) fn number(value: Option<&Bson>) -> u64 {
    match value {
        Some(Bson::Int32(number)) => u64::try_from(*number).unwrap_or(0),
        Some(Bson::Int64(number)) => u64::try_from(*number).unwrap_or(0),
        // A count of documents or bytes: below 2^53.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "negative and not finite become 0"
        )]
        Some(Bson::Double(number)) => *number as u64,
        _ => 0,
    }
}
