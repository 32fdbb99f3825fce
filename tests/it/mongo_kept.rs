//! A catalogue of a test's own for MongoDB's snapshots, and what tests compare.

use std::collections::BTreeMap;

use bson::{Document, RawDocumentBuf, doc};
use devcluster::data::mongo::{
    DumpOptions, DumpReport, MongoError, Progress, RestoreReport, Server, dump, restore,
};
use devcluster::data::snapshot::{Catalogue, CreateOptions, Manifest};
use futures::TryStreamExt as _;
use mongodb::Database;

pub const PREFIX: &str = "mongo/test";

/// A catalogue of a test's own.
pub struct Kept {
    pub catalogue: Catalogue,
    _directory: tempfile::TempDir,
}

impl Kept {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { catalogue: Catalogue::open(directory.path()), _directory: directory }
    }

    pub async fn dump_with(
        &self,
        server: &Server,
        name: &str,
        options: DumpOptions,
        on_progress: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<(Manifest, DumpReport), MongoError> {
        let created = CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap());
        let writer = self.catalogue.create(name.parse().unwrap(), created).unwrap();
        let options = DumpOptions { prefix: PREFIX.to_owned(), ..options };
        let report = dump(server, &writer, &options, on_progress).await?;
        Ok((writer.finish(BTreeMap::default()).unwrap().manifest, report))
    }

    pub async fn dump(&self, server: &Server, name: &str) -> Manifest {
        self.dump_with(server, name, DumpOptions::default(), &|_| {}).await.unwrap().0
    }

    pub async fn restore(&self, server: &Server, manifest: &Manifest) -> Result<RestoreReport, MongoError> {
        restore(server, &self.catalogue, manifest, PREFIX, &|_| {}).await
    }
}

/// Every collection as an application sees it, with every document's bytes.
pub async fn seen(database: &Database) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for name in database.list_collection_names().await.unwrap() {
        let cursor =
            database.collection::<RawDocumentBuf>(&name).find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let documents: Vec<RawDocumentBuf> = cursor.try_collect().await.unwrap();
        all.insert(name, documents.into_iter().map(RawDocumentBuf::into_bytes).collect());
    }
    all
}

/// A collection's indexes.
pub async fn indexes(database: &Database, collection: &str) -> Vec<Document> {
    let cursor = database.run_cursor_command(doc! { "listIndexes": collection }).await.unwrap();
    cursor.try_collect().await.unwrap()
}
