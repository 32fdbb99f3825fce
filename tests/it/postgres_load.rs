//! Synthetic rows in a real PostgreSQL server: all constraints hold, the same seed gives the same rows, and nothing is half loaded.

use std::time::Duration;

use devcluster::data::generate::Generator;
use devcluster::data::postgres::{LoadOptions, LoadReport, PostgresError, Server, load, schema};
use devcluster::data::seed::{PlanOptions, plan};

use super::postgres_schemas::{EVERYTHING, OTHERS, RENTALS};
use super::postgres_server::{Database, outside};

pub async fn seeded(server: &Server, rows: u64, options: &LoadOptions) -> Result<LoadReport, PostgresError> {
    let schema = schema(server).await?;
    let seed = plan(&schema, &PlanOptions { rows, ..PlanOptions::default() });
    let generator =
        Generator::new(&schema, &seed).unwrap_or_else(|error| panic!("{error}\n{}", seed.to_yaml(&schema)));
    load(server, &schema, &generator, options, &|_| {}).await
}

/// What may not be otherwise after a load: constraints, indexes, triggers and views by their definitions, all valid.
pub fn shape(database: &Database) -> String {
    database.sql(
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint')
           FROM pg_constraint WHERE conrelid <> 0 ORDER BY conrelid::regclass::text, 2, 3;
         SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
           WHERE relnamespace <> 'pg_catalog'::regnamespace AND relnamespace <> 'pg_toast'::regnamespace ORDER BY 1;
         SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, 2;
         SELECT count(*) FROM pg_views WHERE schemaname = 'public'",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_every_kind_are_loaded_and_keep_their_shape() {
    for (name, text) in [("everything", EVERYTHING)].into_iter().chain(OTHERS) {
        for rebuild_from in [0, 1_000_000] {
            let database = Database::new(text);
            let (server, before) = (database.server().await, shape(&database));
            let options = LoadOptions { rebuild_from, ..LoadOptions::default() };
            let report =
                seeded(&server, 100, &options).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(shape(&database), before, "{name}");
            assert!(report.tables.len() >= 8, "{name}: {report:?}");
            for loaded in &report.tables {
                let table = format!("\"{}\".\"{}\"", loaded.table.schema, loaded.table.name);
                let only = if loaded.table.name == "base" { "ONLY" } else { "" };
                assert_eq!(
                    database.sql(&format!("SELECT count(*) FROM {only} {table}")),
                    loaded.rows.to_string(),
                    "{table}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_rows_and_replaces_what_was_there() {
    let (first, second) = (Database::new(RENTALS), Database::new(RENTALS));
    seeded(&first.server().await, 200, &LoadOptions { generators: 1, ..LoadOptions::default() })
        .await
        .unwrap();
    let server = second.server().await;
    seeded(&server, 50, &LoadOptions::default()).await.unwrap();
    let smaller = second.digest();
    seeded(&server, 200, &LoadOptions { generators: 3, rebuild_from: 0, ..LoadOptions::default() })
        .await
        .unwrap();
    assert_eq!(first.digest(), second.digest());
    assert_ne!(smaller, second.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_go_on_behind_the_rows_and_triggers_slept() {
    let database = Database::new(EVERYTHING);
    seeded(&database.server().await, 100, &LoadOptions::default()).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM staff WHERE name LIKE 'touched%'"), "0");
    database.sql(
        "INSERT INTO every_type (ae) VALUES ('x'); INSERT INTO \"Sales Dept\".\"Order; 1\" (total, code) VALUES (1, 'new');
         INSERT INTO staff (department, name) SELECT min(id), 'n' FROM departments",
    );
    assert_eq!(database.sql("SELECT count(*) FROM staff WHERE name LIKE 'touched%'"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_ends_early_leaves_the_old_rows() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    seeded(&server, 100, &LoadOptions::default()).await.unwrap();
    let (rows, form) = (database.digest(), shape(&database));
    for wait in [5, 50, 200, 400] {
        let options = LoadOptions::default();
        let given_up =
            tokio::time::timeout(Duration::from_millis(wait), seeded(&server, 4_000, &options)).await;
        assert!(given_up.is_err(), "it was done in {wait} ms");
    }
    let loading = tokio::spawn({
        let server = server.clone();
        async move {
            seeded(
                &server,
                4_000,
                &LoadOptions { lock_wait: Duration::from_secs(30), ..LoadOptions::default() },
            )
            .await
        }
    });
    let ended = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'devcluster' AND query LIKE 'COPY%'",
        database.name
    );
    while outside(&ended) == "0" {
        assert!(!loading.is_finished(), "it was done before it could be ended");
    }
    let error = loading.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("terminat") || error.to_string().contains("closed"), "{error}");
    assert_eq!((database.digest(), shape(&database)), (rows, form));
    seeded(&server, 100, &LoadOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_load_at_a_time() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    let first = tokio::spawn({
        let server = server.clone();
        async move { seeded(&server, 4_000, &LoadOptions::default()).await }
    });
    let refused = loop {
        match seeded(&server, 10, &LoadOptions::default()).await {
            Err(error @ PostgresError::Busy { .. }) => break error,
            _ => assert!(!first.is_finished()),
        }
    };
    let text = refused.to_string();
    assert!(
        text.contains(&format!("devcluster load of {}", database.name)) && text.contains("since 20"),
        "{text}"
    );
    first.await.unwrap().unwrap();
}
