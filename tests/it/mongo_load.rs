//! Synthetic documents in real FerretDB servers.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use devcluster::data::generate::Generator;
use devcluster::data::mongo::{MongoError, Server, Shapes, infer, load};
use devcluster::data::schema::{ColumnType, TableName};
use devcluster::data::seed::{self, PlanOptions, plan};
use futures::TryStreamExt as _;
use mongodb::IndexModel;
use mongodb::options::IndexOptions;

use super::mongo_interrupted::{Breaking, cut_off};
use super::mongo_kept::{Kept, indexes, seen};
use super::mongo_server::Running;

async fn fill(running: &Running) {
    let shop = running.database("shop").await;
    let customers = shop.collection::<Document>("customers");
    let customer = |n: i32| {
        let mut document = doc! {
            "_id": id(n), "email": format!("someone{n}@shop.test"), "firstName": "A", "age": n,
            "address": { "city": "Berlin", "geo": { "lat": 52.5 } }, "tags": ["x", "y"],
            "createdAt": DateTime::from_millis(1_700_000_000_000 + i64::from(n)),
            "key": Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] },
        };
        if n % 4 == 0 {
            document.insert("note", "well");
        }
        document
    };
    customers.insert_many((0..40).map(customer)).await.unwrap();
    let unique = IndexOptions::builder().unique(true).build();
    customers
        .create_index(IndexModel::builder().keys(doc! { "email": 1 }).options(unique).build())
        .await
        .unwrap();
    let orders = shop.collection::<Document>("orders");
    let order = |n: i32| {
        let lines = [doc! { "sku": format!("S{n}"), "count": 1_i64 }, doc! { "sku": "T", "count": 2_i64 }];
        doc! { "_id": n, "customerId": id(n % 40), "lines": lines.to_vec(), "paid": n % 2 == 0, "total": 2.5 }
    };
    orders.insert_many((0..60).map(order)).await.unwrap();
    shop.collection("settings").insert_one(doc! { "_id": { "a": 1 }, "v": 1 }).await.unwrap();
}

fn id(n: i32) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

/// A generator by a planned seed that was written and read again, as a project keeps it.
fn generator(shapes: &Shapes) -> Generator {
    let mut planned = plan(&shapes.schema, &PlanOptions { rows: 200, ..PlanOptions::default() });
    shapes.refine(&mut planned);
    let text = planned.to_yaml(&shapes.schema);
    let read =
        seed::read(&text, "seed.yaml", &shapes.schema).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    Generator::new(&shapes.schema, &read).unwrap()
}

async fn all(running: &Running, collection: &str) -> Vec<Document> {
    let collection = running.database("shop").await.collection::<Document>(collection);
    collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_learnt_and_made_alike() {
    let (running, fresh, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&running).await;
    let server = running.server().await;
    let shapes = infer(&server).await.unwrap();
    let customers = shapes.schema.table(&TableName::new("shop", "customers")).unwrap();
    let columns: Vec<(&str, bool)> =
        customers.columns.iter().map(|one| (one.name.as_str(), one.not_null)).collect();
    let expected = [
        "_id",
        "email",
        "firstName",
        "age",
        "address.city",
        "address.geo.lat",
        "tags.0",
        "tags.1",
        "createdAt",
        "key",
    ];
    let expected = expected.map(|name| (name, true)).into_iter().chain([("note", false)]);
    assert_eq!(columns, expected.collect::<Vec<_>>());
    assert_eq!(customers.uniques[0].columns, ["email"]);
    assert_eq!(customers.column("createdAt").unwrap().kind, ColumnType::Timestamp { zoned: true });
    assert!((shapes.nulls["shop.customers"]["note"] - 0.75).abs() < 1e-9);
    let orders = shapes.schema.table(&TableName::new("shop", "orders")).unwrap();
    assert_eq!(orders.foreign_keys.len(), 1);
    assert_eq!(
        (orders.foreign_keys[0].columns[0].as_str(), orders.foreign_keys[0].table.name.as_str()),
        ("customerId", "customers")
    );
    assert_eq!(shapes.notes, ["shop.settings is left out: its `_id` is a document"]);
    // Kept with the seed, for servers that have no documents yet.
    let shapes: Shapes = serde_json::from_str(&serde_json::to_string(&shapes).unwrap()).unwrap();
    let generator = generator(&shapes);
    let report = load(&server, &shapes, &generator, &|_| {}).await.unwrap();
    let counts: Vec<(&str, u64)> =
        report.collections.iter().map(|one| (one.collection.name.as_str(), one.documents)).collect();
    assert_eq!(counts, [("customers", 200), ("orders", 600)]);
    check(&running).await;
    assert_eq!(indexes(&running.database("shop").await, "customers").await.len(), 2, "indexes stay");
    assert_eq!(all(&running, "settings").await.len(), 1, "what has no rows stays");
    let first = kept.dump(&server, "first").await;
    load(&server, &shapes, &generator, &|_| {}).await.unwrap();
    assert_eq!(
        kept.dump(&server, "second").await.content,
        first.content,
        "the same seed, the same documents"
    );
    load(&fresh.server().await, &shapes, &generator, &|_| {}).await.unwrap();
    let [one, other] =
        [&running, &fresh].map(|running| async { seen(&running.database("shop").await).await });
    assert_eq!((one.await)["orders"], (other.await)["orders"], "on a fresh server, too");
    // What was made is learnt as what it was made from.
    let again = infer(&server).await.unwrap();
    let types = |shapes: &Shapes| {
        shapes
            .schema
            .tables
            .iter()
            .map(|table| {
                table
                    .columns
                    .iter()
                    .map(|one| (one.name.clone(), one.kind.clone()))
                    .collect::<std::collections::BTreeMap<_, _>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(types(&again), types(&shapes));
}

async fn check(running: &Running) {
    let customers = all(running, "customers").await;
    let orders = all(running, "orders").await;
    assert_eq!((customers.len(), orders.len()), (200, 600));
    let ids: Vec<&Bson> = customers.iter().filter_map(|customer| customer.get("_id")).collect();
    for customer in &customers {
        assert!(matches!(customer.get("_id"), Some(Bson::ObjectId(_))));
        assert!(customer.get_str("email").unwrap().contains('@'));
        assert!(customer.get_str("firstName").unwrap().len() > 1);
        let address = customer.get_document("address").unwrap();
        assert!((-90.0..=90.0).contains(&address.get_document("geo").unwrap().get_f64("lat").unwrap()));
        assert_eq!(customer.get_array("tags").unwrap().len(), 2);
        assert!(customer.get_datetime("createdAt").unwrap().timestamp_millis() > 1_600_000_000_000);
        assert!((18..=90).contains(&customer.get_i32("age").unwrap()));
        assert!(matches!(customer.get("key"), Some(Bson::Binary(key)) if key.subtype == BinarySubtype::Uuid));
    }
    let notes = customers.iter().filter(|customer| customer.contains_key("note")).count();
    assert!((20..=90).contains(&notes), "a quarter of them: {notes}");
    for order in &orders {
        assert!(ids.contains(&order.get("customerId").unwrap()), "{order}");
        let lines = order.get_array("lines").unwrap();
        assert_eq!(lines.len(), 2);
        assert!(matches!(lines[1].as_document().unwrap().get("count"), Some(Bson::Int64(_))), "{order}");
        assert!(order.get_f64("total").is_ok() && order.get_bool("paid").is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_or_is_cut_off_leaves_the_old_documents() {
    let (running, kept) = (Running::new(), Kept::new());
    fill(&running).await;
    let server = running.server().await;
    let shapes = infer(&server).await.unwrap();
    let generator = generator(&shapes);
    let old = kept.dump(&server, "old").await;
    let error = load(&running.server_of("other").await, &shapes, &generator, &|_| {}).await.unwrap_err();
    assert!(matches!(error, MongoError::Mismatch(_)), "{error:?}");
    // Since then the server has come to ask for more.
    let orders = running.database("shop").await.collection::<Document>("orders");
    let unique = IndexOptions::builder().unique(true).build();
    orders.delete_many(doc! { "_id": { "$gt": 1 } }).await.unwrap();
    orders
        .create_index(IndexModel::builder().keys(doc! { "paid": 1 }).options(unique).build())
        .await
        .unwrap();
    let before = kept.dump(&server, "before").await;
    let error = load(&server, &shapes, &generator, &|_| {}).await.unwrap_err();
    assert!(matches!(error, MongoError::Server { .. }), "{error:?}");
    assert_eq!(kept.dump(&server, "after").await.content, before.content);
    kept.restore(&server, &old).await.unwrap();
    load(&server, &shapes, &generator, &|_| {}).await.unwrap();
    let new = kept.dump(&server, "new").await;
    let mut outcomes = Vec::new();
    for cut in 1..=8 {
        kept.restore(&server, &old).await.unwrap();
        let (reach, left) = Breaking::new(running.reach(), cut * 40_000);
        if let Ok(cut) = Server::connect(reach, Some(Running::credentials()), None).await {
            tokio::select! {
                _ = load(&cut, &shapes, &generator, &|_| {}) => {}
                () = cut_off(&left) => {}
            }
        }
        let found = kept.dump(&server, &format!("cut-{cut}")).await.content;
        assert!(found == old.content || found == new.content, "cut {cut}");
        outcomes.push(found == new.content);
    }
    assert!(outcomes.contains(&false) && outcomes.contains(&true), "{outcomes:?}");
}
