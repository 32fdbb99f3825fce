//! What a collection is made with, and making it.

use bson::{Bson, Document, doc};
use serde::{Deserialize, Serialize};

use super::connect::Server;
use super::error::MongoError;
use super::namespaces::{Collection, CollectionKind};

/// What a collection is made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    /// What it is.
    pub kind: CollectionKind,
    /// Options of the command `create`.
    pub options: Document,
    /// Its indexes but that of `_id`.
    pub indexes: Vec<Document>,
}

impl Definition {
    /// As the server has it.
    pub(super) async fn read(
        server: &Server,
        database: &str,
        found: &Collection,
    ) -> Result<Self, MongoError> {
        let indexes = match found.kind {
            CollectionKind::View => Vec::new(),
            _ => server.indexes(database, &found.name).await?,
        };
        Ok(Self { kind: found.kind, options: found.options.clone(), indexes })
    }

    /// Whether documents keep the order of insertion, and are to be read and written in it.
    pub(super) fn is_capped(&self) -> bool {
        matches!(self.options.get("capped"), Some(Bson::Boolean(true)))
    }

    /// The field of measurements' times.
    pub(super) fn time_field(&self) -> Option<&str> {
        self.options.get_document("timeseries").ok()?.get_str("timeField").ok()
    }

    /// That the server may be asked to make it: the options are those that listCollections gives, and no command's.
    pub(super) fn check(&self) -> Result<(), String> {
        const KNOWN: [&str; 14] = [
            "capped",
            "size",
            "max",
            "storageEngine",
            "validator",
            "validationLevel",
            "validationAction",
            "viewOn",
            "pipeline",
            "collation",
            "timeseries",
            "expireAfterSeconds",
            "clusteredIndex",
            "changeStreamPreAndPostImages",
        ];
        // Older servers have both; neither says anything of the data.
        let unknown = self.options.keys().find(|key| {
            !KNOWN.contains(&key.as_str())
                && !["autoIndexId", "flags", "indexOptionDefaults"].contains(&key.as_str())
        });
        if let Some(unknown) = unknown {
            return Err(format!("option `{unknown}` of a collection is not known"));
        }
        let named = |index: &Document| index.get_str("name").is_ok() && index.get_document("key").is_ok();
        if !self.indexes.iter().all(named) {
            return Err("an index has no name or no key".to_owned());
        }
        if self.kind == CollectionKind::View && self.options.get_str("viewOn").is_err() {
            return Err("a view does not say on what".to_owned());
        }
        if self.kind == CollectionKind::TimeSeries && self.time_field().is_none() {
            return Err("a time series does not say which field has the time".to_owned());
        }
        Ok(())
    }

    /// Makes it. A time series that is made `beside` holds its documents as they come, for it cannot be renamed.
    pub(super) async fn create(
        &self,
        server: &Server,
        database: &str,
        name: &str,
        beside: bool,
    ) -> Result<(), MongoError> {
        let mut command = doc! { "create": name };
        if !(beside && self.kind == CollectionKind::TimeSeries) {
            let not_made = ["autoIndexId", "flags", "indexOptionDefaults"];
            let made = self.options.iter().filter(|(key, _)| !not_made.contains(&key.as_str()));
            command.extend(made.map(|(key, value)| (key.clone(), value.clone())));
        }
        server.run(database, command, format!("creating collection `{database}.{name}`")).await.map(drop)
    }

    /// Makes its indexes.
    pub(super) async fn create_indexes(
        &self,
        server: &Server,
        database: &str,
        name: &str,
    ) -> Result<(), MongoError> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let command = doc! { "createIndexes": name, "indexes": self.indexes.clone() };
        server.run(database, command, format!("creating the indexes of `{database}.{name}`")).await.map(drop)
    }
}
