//! A load that several workers share, in a real PostgreSQL server: the same rows as by one, and all or nothing.

use devcluster::data::generate::Generator;
use devcluster::data::postgres::{
    Credentials, LoadOptions, PostgresError, Server, Share, Spread, load, load_share, schema,
};
use devcluster::data::schema::Schema;
use devcluster::data::seed::{PlanOptions, plan};

use super::postgres_load::shape;
use super::postgres_schemas::{EVERYTHING, RENTALS};
use super::postgres_server::{Database, reach};

async fn generator(server: &Server, rows: u64) -> (Schema, Generator) {
    let schema = schema(server).await.unwrap();
    let seed = plan(&schema, &PlanOptions { rows, ..PlanOptions::default() });
    let generator = Generator::new(&schema, &seed).unwrap();
    (schema, generator)
}

/// A worker's own login to the database that is filled.
async fn worker(owner: &Database, database: &str) -> Server {
    let credentials = Credentials { database: database.into(), ..owner.credentials() };
    Server::connect(reach(), credentials).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_workers_there_are_the_rows_are_the_same() {
    for text in [EVERYTHING, RENTALS] {
        let alone = Database::new(text);
        let server = alone.server().await;
        let (tables, rows) = generator(&server, 6000).await;
        load(&server, &tables, &rows, &LoadOptions::default(), &|_| {}).await.unwrap();
        for workers in [1, 2, 7] {
            let database = Database::new(text);
            let before = shape(&database);
            let server = database.server().await;
            let spread = Spread::begin(&server, &tables, &rows, &|_| {}).await.unwrap();
            let filled = worker(&database, spread.database()).await;
            let shares = (0..workers).map(|index| load_share(&filled, &rows, Share { index, workers }));
            let loaded: u64 = futures::future::try_join_all(shares).await.unwrap().into_iter().sum();
            assert_eq!(loaded, spread.rows());
            assert_eq!(spread.loaded().await.unwrap(), loaded);
            spread.finish(&|_| {}).await.unwrap();
            assert_eq!(database.digest(), alone.digest(), "{workers} workers");
            assert_eq!(shape(&database), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_started_anew_goes_on_and_what_lacks_a_part_replaces_nothing() {
    let database = Database::new(RENTALS);
    database.sql("CREATE TABLE kept (id integer PRIMARY KEY, t text); INSERT INTO kept VALUES (1, E'a\\tb'), (2, NULL)");
    let server = database.server().await;
    let (tables, rows) = generator(&server, 100).await;
    let only = |name: &str| tables.tables.iter().find(|table| table.name.name == name).unwrap().name.clone();
    let mut seed = plan(&tables, &PlanOptions { rows: 20_000, ..PlanOptions::default() });
    seed.tables.retain(|table, _| *table != only("kept"));
    let many = Generator::new(&tables, &seed).unwrap();
    load(&server, &tables, &rows, &LoadOptions::default(), &|_| {}).await.unwrap();
    database.sql("TRUNCATE kept; INSERT INTO kept VALUES (1, E'a\\tb'), (2, NULL)");
    let before = database.digest();

    let spread = Spread::begin(&server, &tables, &many, &|_| {}).await.unwrap();
    let filled = worker(&database, spread.database()).await;
    let share = Share { index: 0, workers: 2 };
    assert!(load_share(&filled, &many, share).await.unwrap() > 0);
    assert_eq!(load_share(&filled, &many, share).await.unwrap(), 0, "its parts are there");
    let refused = spread.finish(&|_| {}).await.unwrap_err();
    assert!(matches!(refused, PostgresError::RowsLost { .. }), "{refused}");
    assert_eq!(database.digest(), before);

    // One that is never heard of again: the next one clears it away.
    drop(Spread::begin(&server, &tables, &many, &|_| {}).await.unwrap());
    let spread = loop {
        // The server takes a moment to see that the right to change the database is free.
        match Spread::begin(&server, &tables, &many, &|_| {}).await {
            Err(PostgresError::Busy { .. }) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            begun => break begun.unwrap(),
        }
    };
    let filled = worker(&database, spread.database()).await;
    load_share(&filled, &many, Share { index: 0, workers: 1 }).await.unwrap();
    spread.finish(&|_| {}).await.unwrap();
    assert_ne!(database.digest(), before);
    assert_eq!(database.sql("SELECT string_agg(coalesce(t, '-'), ',' ORDER BY id) FROM kept"), "a\tb,-");
}
