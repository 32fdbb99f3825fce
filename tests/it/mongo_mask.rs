//! Masked snapshots of real FerretDB servers.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use devcluster::data::mask::{Key, Policy, classify, suggest};
use devcluster::data::mongo::{DumpOptions, Masking, MongoError, Server, paths};
use futures::TryStreamExt as _;

use super::mongo_kept::Kept;
use super::mongo_server::Running;

const POLICY: &str = "
tables:
  shop.customers:
    _id: { mask: id }
    email: { mask: email }
    name.first: { mask: first-name }
    name.last: { mask: last-name }
    phones: { mask: phone }
    born: { mask: date, days: 100 }
    balance: { mask: number, percent: 20 }
    visits: { mask: number, percent: 50 }
    token: { mask: uuid }
    photo: { mask: bytes }
    level: keep
    notes: drop
    by_day: drop
  orders:
    _id: keep
    customer: { mask: id }
    lines.sku: keep
    lines.remark: { mask: free-text }
  shop.sessions: drop
";

fn id(n: i32) -> ObjectId {
    let mut bytes = [0xab; 12];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

async fn fill(running: &Running) {
    let shop = running.database("shop").await;
    let customer = |n: i32| {
        doc! {
            "_id": id(n), "email": format!("original.person{n}@gmail.com"),
            "name": { "first": format!("Originalius{n}"), "last": format!("Personovich{n}") },
            "phones": [format!("+49 170 55{n:05}"), format!("+49 171 44{n:05}")], "level": "gold",
            "born": DateTime::from_millis(86_400_000 * i64::from(n)), "balance": 1000.5 + f64::from(n), "visits": 1000 + n,
            "token": Binary { subtype: BinarySubtype::Uuid, bytes: n.to_be_bytes().repeat(4) },
            "photo": Binary { subtype: BinarySubtype::Generic, bytes: format!("photograph {n}").into_bytes() },
            "notes": [{ "text": format!("secret remark {n}") }, { "by": Bson::Null }],
            "by_day": { format!("2024-01-{n}"): n },
        }
    };
    shop.collection("customers").insert_many((0..50).map(customer)).await.unwrap();
    let order = |n: i32| {
        let lines = vec![
            doc! { "sku": "A-1", "remark": format!("deliver to original{n}") },
            doc! { "sku": "B-2", "remark": Bson::Null },
        ];
        doc! { "_id": n, "customer": id(n % 50), "lines": lines }
    };
    shop.collection("orders").insert_many((0..100).map(order)).await.unwrap();
    shop.collection("sessions").insert_one(doc! { "_id": 1, "cookie": "original.person" }).await.unwrap();
}

async fn masking(server: &Server, policy: &str) -> Result<Arc<Masking>, String> {
    let policy = Policy::parse(policy).unwrap();
    let schema = paths(server, &policy, &|_| {}).await.map_err(|error| error.to_string())?;
    let classified = classify(&schema, &policy).map_err(|error| error.to_string())?;
    let masking = Masking::new(&schema, classified, Key::new([5; 32])).map_err(|error| error.to_string())?;
    Ok(Arc::new(masking))
}

fn options(mask: &Arc<Masking>) -> DumpOptions {
    DumpOptions { mask: Some(mask.clone()), ..DumpOptions::default() }
}

async fn all(running: &Running, collection: &str) -> Vec<Document> {
    let collection = running.database("shop").await.collection::<Document>(collection);
    collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_masked_by_their_paths() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    fill(&source).await;
    let server = source.server().await;
    let masking = masking(&server, POLICY).await.unwrap();
    assert!(
        masking.rules().contains(&("shop.customers.name.first".to_owned(), "mask: first-name".to_owned()))
    );
    let (snapshot, _) = kept.dump_with(&server, "masked", options(&masking), &|_| {}).await.unwrap();
    kept.restore(&target.server().await, &snapshot).await.unwrap();
    let (before, after) = (all(&source, "customers").await, all(&target, "customers").await);
    assert_eq!((after.len(), all(&target, "sessions").await.len()), (50, 0));
    let text = format!("{after:?} {:?}", all(&target, "orders").await);
    for original in ["riginal", "gmail", "Personovich", "secret", "photograph", "+49 170 55", "2024-01"] {
        assert!(!text.contains(original), "{original}");
    }
    let ids: BTreeSet<ObjectId> =
        after.iter().map(|customer| customer.get_object_id("_id").unwrap()).collect();
    assert_eq!(ids.len(), 50);
    assert!(before.iter().all(|customer| !ids.contains(&customer.get_object_id("_id").unwrap())));
    for customer in &after {
        let names: Vec<&String> = customer.keys().collect();
        assert_eq!(
            names,
            ["_id", "email", "name", "phones", "level", "born", "balance", "visits", "token", "photo"]
        );
        assert!(customer.get_str("email").unwrap().contains('@'));
        assert!(customer.get_document("name").unwrap().get_str("last").unwrap().len() > 1);
        assert_eq!(customer.get_array("phones").unwrap().len(), 2);
        assert!(customer.get_datetime("born").is_ok() && customer.get_f64("balance").is_ok());
        assert!((500..=1575).contains(&customer.get_i32("visits").unwrap()), "{customer}");
        assert_eq!(customer.get_str("level").unwrap(), "gold");
        assert!(
            matches!(customer.get("token"), Some(Bson::Binary(token)) if token.subtype == BinarySubtype::Uuid)
        );
    }
    for order in all(&target, "orders").await {
        assert!(ids.contains(&order.get_object_id("customer").unwrap()), "references still agree");
        let lines = order.get_array("lines").unwrap();
        assert_eq!(lines[0].as_document().unwrap().get_str("sku").unwrap(), "A-1");
        assert_eq!(lines[1].as_document().unwrap().get("remark"), Some(&Bson::Null));
    }
    let (again, _) = kept.dump_with(&server, "again", options(&masking), &|_| {}).await.unwrap();
    assert_eq!(again.content, snapshot.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_rule_is_refused_with_the_whole_list() {
    let (source, kept) = (Running::new(), Kept::new());
    fill(&source).await;
    let server = source.server().await;
    let less = POLICY.replace("    email: { mask: email }\n", "").replace("    lines.sku: keep\n", "");
    let error = masking(&server, &less).await.unwrap_err();
    assert!(
        error.contains("what becomes of 2 columns") && error.contains("lines.sku") && error.contains("email"),
        "{error}"
    );
    let error = masking(&server, "{}").await.unwrap_err();
    for path in ["name.first", "notes.text", "by_day.2024-01-7", "lines.remark", "cookie"] {
        assert!(error.contains(path), "{path}: {error}");
    }
    let policy = suggest(&paths(&server, &Policy::default(), &|_| {}).await.unwrap());
    assert!(policy.contains("name.first") && Policy::parse(&policy).is_ok(), "{policy}");
    let error = masking(
        &server,
        &POLICY
            .replace("level: keep", "level: { mask: date, days: 3 }")
            .replace("visits: { mask: number, percent: 50 }", "visits: { mask: email }"),
    )
    .await
    .unwrap_err();
    assert!(error.contains("visits"), "a mask that does not fit: {error}");
    let error = masking(&server, &POLICY.replace("_id: { mask: id }", "_id: drop")).await.unwrap_err();
    assert!(error.contains("_id"), "{error}");
    // Documents that came after everything was classified.
    let known = masking(&server, POLICY).await.unwrap();
    let shop = source.database("shop").await;
    let late = doc! { "_id": 1000, "customer": id(1), "lines": [{ "sku": "C", "gift": { "to": "someone" } }], "coupon": "X" };
    shop.collection("orders").insert_one(late).await.unwrap();
    let error = kept.dump_with(&server, "late", options(&known), &|_| {}).await.unwrap_err();
    let MongoError::Unclassified(open) = &error else { panic!("{error:?}") };
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(
        open[0].starts_with("shop.orders.coupon") && open[1].starts_with("shop.orders.lines.gift.to"),
        "{open:?}"
    );
    assert!(!error.to_string().contains("someone"), "no value is told");
    let orders = shop.collection::<Document>("orders");
    orders.delete_one(doc! { "_id": 1000 }).await.unwrap();
    orders.insert_one(doc! { "_id": 1001, "customer": "someone's name", "lines": [] }).await.unwrap();
    let error = kept.dump_with(&server, "type", options(&known), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("shop.orders.customer, which has values of another type"), "{error}");
    orders.delete_one(doc! { "_id": 1001 }).await.unwrap();
    shop.collection("later").insert_one(doc! { "_id": 1 }).await.unwrap();
    let error = kept.dump_with(&server, "later", options(&known), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("shop.later"), "{error}");
    assert!(kept.catalogue.list().unwrap().snapshots.is_empty(), "none of them became a snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_that_are_kept_elsewhere_are_found() {
    let (source, kept) = (Running::new(), Kept::new());
    let shop = source.database("shop").await;
    let person = |n: i32| doc! { "_id": n, "email": format!("original.person{n}@gmail.com"), "log": format!("mail to original.person{n}@gmail.com") };
    shop.collection("people").insert_many((0..60).map(person)).await.unwrap();
    let server = source.server().await;
    let policy = "{ tables: { people: { _id: keep, email: { mask: email }, log: keep } } }";
    let masking = masking(&server, policy).await.unwrap();
    let error = kept.dump_with(&server, "leaking", options(&masking), &|_| {}).await.unwrap_err();
    assert!(
        matches!(&error, MongoError::Leaks(leaks) if leaks[0].column == "shop.people.email"),
        "{error:?}"
    );
}
