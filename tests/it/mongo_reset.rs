//! Resets of real FerretDB servers.

use std::sync::atomic::Ordering;

use bson::{Document, doc};
use devcluster::data::mongo::{
    DumpOptions, MongoError, Server, keep_pristine, prepare_spare, reset, reset_cost,
};

use super::mongo_interrupted::{Breaking, cut_off, fill};
use super::mongo_kept::{Kept, indexes};
use super::mongo_server::Running;

/// What an application does to its data.
async fn spoil(running: &Running) {
    let shop = running.database("shop").await;
    shop.collection::<Document>("orders").delete_many(doc! { "_id": { "$lt": 5 } }).await.unwrap();
    shop.collection("customers").insert_one(doc! { "_id": "new" }).await.unwrap();
    shop.collection::<Document>("dotted.log").drop().await.unwrap();
    shop.collection("made later").insert_one(doc! { "_id": 1 }).await.unwrap();
    running.database("stock").await.drop().await.unwrap();
}

/// Moments at which it is cut off.
const CUTS: i64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_puts_back_what_was_kept() {
    let (running, kept) = (Running::new(), Kept::new());
    fill(&running, 1).await;
    let shop = running.database("shop").await;
    let index = mongodb::IndexModel::builder().keys(doc! { "generation": 1 }).build();
    shop.collection::<Document>("orders").create_index(index).await.unwrap();
    let server = running.server().await;
    let error = reset(&server, &|_| {}).await.unwrap_err();
    assert!(matches!(error, MongoError::NoPristine(_)), "{error:?}");
    let pristine = kept.dump(&server, "pristine").await;
    let size = kept.dump_with(&server, "size", DumpOptions::default(), &|_| {}).await.unwrap().1;
    let documents: u64 = size.collections.iter().map(|collection| collection.bytes).sum();
    assert_eq!(keep_pristine(&server, &|_| {}).await.unwrap().bytes, documents);
    let cost = reset_cost(&server).await.unwrap();
    assert_eq!((cost.spare, cost.bytes), (false, documents));
    assert_eq!(kept.dump(&server, "hidden").await.content, pristine.content, "copies are no one's data");
    assert_eq!(prepare_spare(&server, &|_| {}).await.unwrap().unwrap().bytes, documents);
    assert_eq!(prepare_spare(&server, &|_| {}).await.unwrap(), None);
    assert!(reset_cost(&server).await.unwrap().spare);
    for spare in [true, false] {
        spoil(&running).await;
        // Another process knows as much. A database that was dropped has lost its spare, and is put back all the same.
        let report = reset(&running.server().await, &|_| {}).await.unwrap();
        assert_eq!((report.spare, report.collections), (false, 5), "{spare}");
        assert_eq!(indexes(&shop, "orders").await.len(), 2);
        assert_eq!(kept.dump(&server, &format!("whole-{spare}")).await.content, pristine.content);
    }
    prepare_spare(&server, &|_| {}).await.unwrap();
    shop.collection::<Document>("orders").delete_many(doc! {}).await.unwrap();
    let items = running.database("stock").await.collection::<Document>("items");
    items.delete_many(doc! {}).await.unwrap();
    let report = reset(&running.server_of("shop").await, &|_| {}).await.unwrap();
    assert_eq!((report.spare, report.collections), (true, 4));
    assert_eq!(items.count_documents(doc! {}).await.unwrap(), 0, "another database stays as it is");
    assert!(!reset_cost(&server).await.unwrap().spare, "of `shop` it is used up");
    assert!(reset(&running.server_of("stock").await, &|_| {}).await.unwrap().spare);
    assert_eq!(kept.dump(&server, "whole").await.content, pristine.content);
    // An application that drops every collection it sees.
    prepare_spare(&server, &|_| {}).await.unwrap();
    for name in shop.list_collection_names().await.unwrap().into_iter().filter(|name| name.contains("spare"))
    {
        shop.collection::<Document>(&name).drop().await.unwrap();
    }
    assert!(!reset(&server, &|_| {}).await.unwrap().spare);
    assert_eq!(kept.dump(&server, "without-spare").await.content, pristine.content);
    // What is loaded anew is not to be reset to what was there before.
    kept.restore(&server, &pristine).await.unwrap();
    assert!(matches!(reset_cost(&server).await.unwrap_err(), MongoError::NoPristine(_)));
    let ours = running.database("devcluster_state").await.list_collection_names().await.unwrap();
    assert_eq!(ours, ["devcluster_lock"]);
    let names = shop.list_collection_names().await.unwrap();
    assert!(names.iter().all(|name| !name.starts_with("devcluster_")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_cut_off_at_any_moment_goes_on() {
    let (running, kept) = (Running::new(), Kept::new());
    fill(&running, 1).await;
    let good = running.server().await;
    let pristine = kept.dump(&good, "pristine").await;
    keep_pristine(&good, &|_| {}).await.unwrap();
    prepare_spare(&good, &|_| {}).await.unwrap();
    let drafts = running.database("shop").await.collection::<Document>("drafts");
    let spoil = async || drafts.insert_one(doc! { "_id": 1 }).await.unwrap();
    let (reach, left) = Breaking::new(running.reach(), i64::MAX);
    let server = Server::connect(reach, Some(Running::credentials()), None).await.unwrap();
    let connected = i64::MAX - left.load(Ordering::SeqCst);
    spoil().await;
    let spoilt = kept.dump(&good, "spoilt").await;
    reset(&server, &|_| {}).await.unwrap();
    let whole = i64::MAX - left.load(Ordering::SeqCst);
    let (mut befores, mut afters) = (0, 0);
    for cut in 0..CUTS {
        prepare_spare(&good, &|_| {}).await.unwrap();
        spoil().await;
        let (reach, left) = Breaking::new(running.reach(), connected + (whole - connected) * cut / CUTS + 1);
        if let Ok(server) = Server::connect(reach, Some(Running::credentials()), None).await {
            tokio::select! {
                done = reset(&server, &|_| {}) => assert!(done.is_err()),
                () = cut_off(&left) => {}
            }
        }
        let found = kept.dump(&good, &format!("cut-{cut}")).await.content;
        assert!(found == spoilt.content || found == pristine.content, "cut {cut}");
        if found == spoilt.content {
            befores += 1;
        } else {
            afters += 1;
        }
        reset(&good, &|_| {}).await.unwrap();
        assert_eq!(kept.dump(&good, &format!("reset-{cut}")).await.content, pristine.content);
    }
    assert!(befores > 1 && afters > 1, "{befores} before, {afters} after");
}
