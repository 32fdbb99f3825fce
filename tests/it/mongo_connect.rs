//! The MongoDB store's connections, on real FerretDB servers.

use bson::doc;
use devcluster::data::mongo::{CollectionKind, Credentials, Flavour, MongoError, Password, Server};

use super::mongo_server::{Local, Running, USER};

#[tokio::test]
async fn a_server_tells_what_it_is_and_what_it_has() {
    let running = Running::new();
    let shop = running.database("shop").await;
    shop.collection("orders").insert_one(doc! { "_id": 1 }).await.unwrap();
    shop.create_collection("log").capped(true).size(4096_u64).await.unwrap();
    shop.collection("devcluster_loading_x").insert_one(doc! { "_id": 1 }).await.unwrap();
    running.database("stock").await.collection("items").insert_one(doc! { "_id": 1 }).await.unwrap();
    let server = running.server().await;
    assert_eq!(server.flavour(), Flavour::FerretDb);
    assert_eq!((server.note(), server.name()), (None, "MongoDB of the tests"));
    assert!(server.release().split('.').count() == 3, "{server:?}");
    let found = server.collections().await.unwrap();
    let names = |database: &str| found[database].iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["shop", "stock"], "without the server's own");
    assert_eq!(
        (names("shop"), names("stock")),
        (vec!["log".into(), "orders".into()], vec!["items".to_owned()])
    );
    assert!(found["shop"][0].is_capped() && !found["shop"][1].is_capped());
    assert_eq!(found["shop"][0].kind, CollectionKind::Collection);
    let only = running.server_of("stock").await.collections().await.unwrap();
    assert_eq!(only.keys().collect::<Vec<_>>(), ["stock"]);
}

#[tokio::test]
async fn who_cannot_get_in_is_told_why() {
    let running = Running::new();
    let wrong = Credentials { user: USER.to_owned(), password: Password::new("wrong-one") };
    let error = Server::connect(running.reach(), Some(wrong), None).await.unwrap_err();
    assert!(matches!(&error, MongoError::Refused { user, .. } if user == USER), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wrong-one"));
    let error = Server::connect(running.reach(), None, None).await.unwrap_err();
    assert!(matches!(error, MongoError::PasswordMissing(_)), "{error:?}");
    // Nobody listens at port 1.
    let error = Server::connect(std::sync::Arc::new(Local { port: 1 }), None, None).await.unwrap_err();
    assert!(matches!(error, MongoError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("is it running"), "{error}");
}

#[tokio::test]
async fn what_is_no_mongodb_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = Server::connect(std::sync::Arc::new(Local { port }), None, None).await.unwrap_err();
    assert!(matches!(error, MongoError::Unknown { .. }), "{error:?}");
}

#[test]
fn passwords_are_not_shown() {
    assert_eq!(
        format!("{:?}", Running::credentials()),
        "Credentials { user: \"root\", password: Password(hidden) }"
    );
}

#[tokio::test]
async fn a_server_without_users_needs_none() {
    let running = Running::with(&[]);
    let server = Server::connect(running.reach(), None, Some("shop".into())).await.unwrap();
    assert_eq!((server.collections().await.unwrap().len(), server.database()), (0, Some("shop")));
}
