//! Dumping and restoring real FerretDB servers.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, Regex, Timestamp, doc};
use devcluster::data::mongo::{DumpOptions, MongoError, Progress};
use devcluster::data::snapshot::{CreateOptions, Manifest};
use mongodb::IndexModel;
use mongodb::options::IndexOptions;

use super::mongo_kept::{Kept, PREFIX, indexes, seen};
use super::mongo_server::Running;

/// Values of every type that FerretDB holds; it knows no decimals, no smallest and greatest keys, no code, and no arrays
/// within arrays.
fn values() -> Vec<Bson> {
    let binary = |subtype| Bson::Binary(Binary { subtype, bytes: vec![0, 255, 7] });
    let text = |text: &str| text.to_owned().try_into().unwrap();
    vec![
        Bson::Double(-0.25),
        Bson::Double(f64::MAX),
        Bson::String("grün\n\"".into()),
        Bson::String(String::new()),
        Bson::Document(doc! { "z": { "y": [1, "two", { "three": [3.0, null] }] }}),
        Bson::Array(vec![Bson::Int32(1), Bson::Document(doc! { "deep": [doc! { "er": [] }] })]),
        binary(BinarySubtype::Generic),
        binary(BinarySubtype::Uuid),
        binary(BinarySubtype::Md5),
        binary(BinarySubtype::UserDefined(0x80)),
        Bson::ObjectId(ObjectId::from_bytes(*b"devcluster12")),
        Bson::Boolean(false),
        Bson::DateTime(DateTime::from_millis(-62_135_596_800_000)),
        Bson::DateTime(DateTime::from_millis(253_402_300_799_999)),
        Bson::Null,
        Bson::RegularExpression(Regex { pattern: text("^a.*\\/"), options: text("im") }),
        Bson::Int32(i32::MIN),
        Bson::Timestamp(Timestamp { time: 1_700_000_000, increment: 3 }),
        Bson::Int64(i64::MIN),
        Bson::Int64(i64::MAX),
    ]
}

async fn fill(running: &Running) {
    let shop = running.database("shop").await;
    let types = shop.collection::<Document>("every type");
    let mut documents: Vec<Document> = values()
        .into_iter()
        .enumerate()
        .map(|(at, value)| doc! { "_id": i32::try_from(at).unwrap(), "v": value })
        .collect();
    documents.push(doc! { "_id": "text", "v": 1 });
    documents.push(doc! { "_id": { "b": 1, "a": 2 }, "v": 2 });
    documents.push(doc! { "_id": ObjectId::from_bytes([9; 12]), "v": 3 });
    documents.reverse();
    types.insert_many(documents).await.unwrap();
    let orders = shop.collection::<Document>("orders");
    let order = |n: i32| doc! { "_id": n, "number": format!("O-{n}"), "lines": [{ "sku": n % 7, "count": 2 }], "at": DateTime::from_millis(n.into()) };
    orders.insert_many((0..3000).map(order)).await.unwrap();
    let unique = IndexOptions::builder().unique(true).name("number_unique".to_owned()).build();
    orders
        .create_index(IndexModel::builder().keys(doc! { "number": 1 }).options(unique).build())
        .await
        .unwrap();
    // The order of an index' fields is not that of their names.
    orders.create_index(IndexModel::builder().keys(doc! { "lines.sku": -1, "at": 1 }).build()).await.unwrap();
    shop.create_collection("log").capped(true).size(1_u64 << 20).await.unwrap();
    let lines = [7, 3, 9, 1].map(|n| doc! { "_id": n, "line": format!("line {n}") });
    shop.collection::<Document>("log").insert_many(lines).await.unwrap();
    shop.collection::<Document>("dotted.name")
        .insert_many([doc! { "_id": 2 }, doc! { "_id": 1 }])
        .await
        .unwrap();
    shop.create_collection("empty").await.unwrap();
    let large = "x".repeat((16 << 20) - 64);
    running
        .database("files")
        .await
        .collection("large/ä")
        .insert_one(doc! { "_id": 1, "data": large })
        .await
        .unwrap();
}

async fn all(running: &Running) -> [std::collections::BTreeMap<String, Vec<Vec<u8>>>; 2] {
    [seen(&running.database("shop").await).await, seen(&running.database("files").await).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_gives_the_same_bytes() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&source).await;
    let server = source.server().await;
    let (first, report) = kept.dump_with(&server, "first", DumpOptions::default(), &|_| {}).await.unwrap();
    assert!(report.notes.is_empty() && !report.one_moment, "{report:?}");
    let counts: Vec<(&str, u64)> =
        report.collections.iter().map(|one| (one.name.as_str(), one.documents)).collect();
    assert_eq!(
        counts,
        [("large/ä", 1), ("dotted.name", 2), ("empty", 0), ("every type", 23), ("log", 4), ("orders", 3000)]
    );
    assert!(first.stream(&format!("{PREFIX}/files/large%2f%c3%a4.bson").parse().unwrap()).is_some());
    // What is there already, and in the way.
    let shop = target.database("shop").await;
    shop.collection("orders").insert_one(doc! { "_id": "old" }).await.unwrap();
    shop.collection("drafts").insert_one(doc! { "_id": "old" }).await.unwrap();
    target.database("old").await.collection("gone").insert_one(doc! { "_id": 1 }).await.unwrap();
    let restored = kept.restore(&target.server().await, &first).await.unwrap();
    assert_eq!((restored.collections, restored.documents), (6, 3030));
    assert_eq!(restored.dropped, ["old.gone", "shop.drafts"]);
    assert_eq!(all(&source).await, all(&target).await);
    for collection in ["orders", "every type"] {
        let [from, to] = [&source, &target]
            .map(|running| async { indexes(&running.database("shop").await, collection).await });
        assert_eq!(from.await, to.await);
    }
    let second = kept.dump(&target.server().await, "second").await;
    assert_eq!(second.content, first.content, "create, load, create");
    kept.restore(&server, &first).await.unwrap();
    assert_eq!(kept.dump(&server, "third").await.content, first.content, "and over itself");
    let again = shop.collection("orders").insert_one(doc! { "_id": "new", "number": "O-7" }).await;
    assert!(again.unwrap_err().to_string().contains("E11000"), "the index still is unique");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_leaves_the_others_alone() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&source).await;
    let whole = kept.dump(&source.server().await, "whole").await;
    let other = target.database("other").await;
    other.collection("stays").insert_one(doc! { "_id": 1 }).await.unwrap();
    target.database("files").await.collection("stays").insert_one(doc! { "_id": 1 }).await.unwrap();
    let restored = kept.restore(&target.server_of("shop").await, &whole).await.unwrap();
    assert_eq!(restored.documents, 3029);
    let [shop, files] = all(&target).await;
    assert_eq!(shop, all(&source).await[0]);
    assert_eq!((files.len(), seen(&other).await.len()), (1, 1));
    let one = kept.dump(&target.server_of("shop").await, "one").await;
    assert_eq!(one.content, kept.dump(&source.server_of("shop").await, "same").await.content);
    // A snapshot of one database leaves others alone, whoever restores it.
    let restored = kept.restore(&target.server().await, &one).await.unwrap();
    assert_eq!((restored.dropped.len(), seen(&other).await.len()), (0, 1));
    let error = kept.restore(&target.server_of("none").await, &one).await.unwrap_err();
    assert!(error.to_string().contains("no database `none`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_during_a_dump_are_told() {
    let (source, kept) = (Running::new(), Kept::new());
    fill(&source).await;
    let ((reached, wait), (go, went)) = (mpsc::channel(), mpsc::channel::<()>());
    let orders = source.database("shop").await.collection::<Document>("orders");
    let writing = tokio::task::spawn_blocking(move || wait.recv().unwrap());
    let writing = tokio::spawn(async move {
        writing.await.unwrap();
        orders.insert_one(doc! { "_id": "meanwhile", "number": "new" }).await.unwrap();
        go.send(()).unwrap();
    });
    let went = Mutex::new(Some(went));
    let on_progress = move |progress: Progress<'_>| {
        // The dump waits until it was written.
        let held = went.lock().unwrap().take();
        if let (Progress::Part { .. }, Some(went)) = (progress, held) {
            reached.send(()).unwrap();
            went.recv().unwrap();
        }
    };
    let server = source.server().await;
    let (_, report) = kept.dump_with(&server, "busy", DumpOptions::default(), &on_progress).await.unwrap();
    writing.await.unwrap();
    assert_eq!(report.notes.len(), 1);
    assert!(report.notes[0].contains("ran 1 commands that write while it was dumped"), "{:?}", report.notes);
}

/// A snapshot with these streams instead of what a dump would write.
fn made(kept: &Kept, name: &str, streams: &[(&str, &[u8])]) -> Manifest {
    let created = CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap());
    let writer = kept.catalogue.create(name.parse().unwrap(), created).unwrap();
    for (path, bytes) in streams {
        let mut stream = writer
            .stream(format!("{PREFIX}/{path}").parse().unwrap(), std::collections::BTreeMap::new())
            .unwrap();
        stream.write_all(bytes).unwrap();
        stream.finish().unwrap();
    }
    writer.finish(std::collections::BTreeMap::default()).unwrap().manifest
}

fn contents(database: &str, collection: &str, documents: i64, options: Document) -> Vec<u8> {
    let definition = doc! { "kind": "collection", "options": options, "indexes": [] };
    let kept = doc! { "definition": definition, "documents": documents };
    let databases = doc! { database: { collection: kept } };
    bson::serialize_to_vec(&doc! { "format": 1_i64, "whole": true, "databases": databases }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_snapshots_are_refused_and_nothing_is_touched() {
    let (target, kept) = (Running::new(), Kept::new());
    target.database("shop").await.collection("orders").insert_one(doc! { "_id": "old" }).await.unwrap();
    let before = kept.dump(&target.server().await, "before").await;
    let document = |value: Bson| bson::serialize_to_vec(&doc! { "_id": 1, "v": value }).unwrap();
    let good = document(Bson::Int32(1));
    let deep = document((0..300).fold(Bson::Null, |inner, _| Bson::Document(doc! { "a": inner })));
    let large = document(Bson::String("x".repeat(16 << 20)));
    let mut text = document(Bson::String("xyz".into()));
    let at = text.len() - 4;
    text[at] = 0xff;
    let plain = contents("shop", "orders", 1, doc! {});
    let named = |database, collection, options| contents(database, collection, 1, options);
    let cases: Vec<(&str, Vec<u8>, Vec<u8>, &str)> = vec![
        ("cut", plain.clone(), good[..good.len() - 1].to_vec(), "breaks off"),
        ("cut-length", plain.clone(), [&good[..], &[1, 2]].concat(), "breaks off"),
        ("short", plain.clone(), vec![4, 0, 0, 0], "says that it has 4 bytes"),
        ("negative", plain.clone(), vec![255; 4], "says that it has 4294967295 bytes"),
        ("large", plain.clone(), large, "says that it has 16777"),
        ("deep", plain.clone(), deep, "200 deep"),
        ("text", plain.clone(), text, "UTF-8"),
        ("more", plain.clone(), [&good[..], &good].concat(), "has 2 documents and should have 1"),
        ("fewer", plain.clone(), Vec::new(), "has 0 documents and should have 1"),
        ("no-bson", b"{\"format\": 1}".to_vec(), good.clone(), "length"),
        ("system", named("shop", "system.users", doc! {}), good.clone(), "cannot be a collection's name"),
        ("hidden", named("shop", "devcluster_state", doc! {}), good.clone(), "cannot be a collection's name"),
        ("database", named("a/b", "orders", doc! {}), good.clone(), "cannot be a database's name"),
        (
            "option",
            named("shop", "orders", doc! { "writeConcern": 1 }),
            good.clone(),
            "option `writeConcern`",
        ),
    ];
    let server = target.server().await;
    for (name, contents, documents, expected) in cases {
        let streams = [("mongo.bson", &contents[..]), ("shop/orders.bson", &documents[..])];
        let manifest = made(&kept, name, &streams);
        let error = kept.restore(&server, &manifest).await.unwrap_err();
        assert!(matches!(error, MongoError::Damaged { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let nothing = made(&kept, "nothing", &[("other", b"")]);
    let error = kept.restore(&server, &nothing).await.unwrap_err();
    assert!(error.to_string().contains("no MongoDB data was dumped"), "{error}");
    // Well-formed, but no server takes two documents of one name: found while they are loaded beside.
    let twice = made(
        &kept,
        "twice",
        &[
            ("mongo.bson", &self::contents("shop", "orders", 2, doc! {})),
            ("shop/orders.bson", &[&good[..], &good].concat()),
        ],
    );
    let error = kept.restore(&server, &twice).await.unwrap_err();
    assert!(matches!(error, MongoError::Server { code: 11000, .. }), "{error:?}");
    // And values that this server does not hold.
    for (at, value) in [Bson::Decimal128("1.5".parse().unwrap()), Bson::MinKey].into_iter().enumerate() {
        let streams = [("mongo.bson", &plain[..]), ("shop/orders.bson", &document(value)[..])];
        let error = kept.restore(&server, &made(&kept, &format!("type-{at}"), &streams)).await.unwrap_err();
        assert!(error.to_string().starts_with("filling collection `shop.devcluster_loading_"), "{error}");
    }
    let shop = target.database("shop").await;
    assert_eq!(shop.list_collection_names().await.unwrap(), ["orders"], "nothing is left beside");
    assert_eq!(kept.dump(&server, "after").await.content, before.content);
}
