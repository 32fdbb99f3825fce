//! Synthetic rows in a real MariaDB server: all constraints hold, the same seed gives the same rows, and nothing is half loaded.

use std::collections::BTreeSet;
use std::sync::Mutex;

use devcluster::data::generate::Generator;
use devcluster::data::mysql::{
    Credentials, LoadOptions, LoadReport, MysqlError, OnProgress, Password, Progress, Server, load, schema,
};
use devcluster::data::seed::{PlanOptions, Rows, plan};

use super::mysql_schemas::{BESIDES, CIRCLES, EVERYTHING, MUSIC, RENTALS, ROWS};
use super::mysql_server::{Database, Running, outside};

pub async fn seeded(server: &Server, rows: u64, options: &LoadOptions) -> Result<LoadReport, MysqlError> {
    watched(server, rows, options, &|_| {}).await
}

/// As [`seeded`], with someone who hears of progress.
async fn watched(
    server: &Server,
    rows: u64,
    options: &LoadOptions,
    on_progress: OnProgress<'_>,
) -> Result<LoadReport, MysqlError> {
    let schema = schema(server).await?;
    let seed = plan(&schema, &PlanOptions { rows, ..PlanOptions::default() });
    let generator =
        Generator::new(&schema, &seed).unwrap_or_else(|error| panic!("{error}\n{}", seed.to_yaml(&schema)));
    load(server, &schema, &generator, options, on_progress).await
}

/// Rows that break a foreign key, a unique index or a check, by queries that the server's own catalogue is turned into.
pub fn violations(database: &Database) -> String {
    let queries = database.sql(
        "SELECT concat('SELECT ''', k.constraint_name, ''', count(*) FROM `', replace(k.table_name, '`', '``'), '` c LEFT JOIN `', replace(k.referenced_table_name, '`', '``'), '` p ON ',
           group_concat('p.`', k.referenced_column_name, '` = c.`', k.column_name, '`' SEPARATOR ' AND '), ' WHERE ',
           group_concat('c.`', k.column_name, '` IS NOT NULL' SEPARATOR ' AND '), ' AND p.`', min(k.referenced_column_name), '` IS NULL HAVING count(*) > 0;')
         FROM information_schema.key_column_usage k WHERE k.table_schema = database() AND k.referenced_table_name IS NOT NULL
         GROUP BY k.table_name, k.constraint_name;
         SELECT concat('SELECT ''', s.index_name, ''', count(*) FROM `', replace(s.table_name, '`', '``'), '` WHERE ', group_concat('`', s.column_name, '` IS NOT NULL' SEPARATOR ' AND '),
           ' GROUP BY ', group_concat('`', s.column_name, '`'), ' HAVING count(*) > 1;')
         FROM information_schema.statistics s WHERE s.table_schema = database() AND s.non_unique = 0 GROUP BY s.table_name, s.index_name;
         SELECT concat('SELECT ''', constraint_name, ''', count(*) FROM `', replace(table_name, '`', '``'), '` WHERE NOT (', check_clause, ') HAVING count(*) > 0;')
         FROM information_schema.check_constraints WHERE constraint_schema = database()",
    );
    assert!(queries.lines().count() > 0);
    database.sql(&queries)
}

/// What may not be otherwise after a load: tables by their definitions, and what is no table.
pub fn shape(database: &Database) -> String {
    let names = database.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY 1");
    let shown = |name: &str| database.sql(&format!("SHOW CREATE TABLE `{}`", name.replace('`', "``")));
    let tables: Vec<String> = names.lines().map(shown).collect();
    let text = tables.join("\n");
    let counts = regex_lite(&text);
    format!("{counts}\n{}", database.sql("SELECT trigger_name, action_order, action_statement, event_object_table FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY 1; SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = database() ORDER BY 1"))
}

/// Without where AUTO_INCREMENT stands.
fn regex_lite(text: &str) -> String {
    let mut parts = text.split(" AUTO_INCREMENT=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_every_kind_are_loaded_and_keep_their_shape() {
    let everything = format!("{EVERYTHING}{BESIDES}");
    for (name, text) in
        [("everything", everything.as_str()), ("rentals", RENTALS), ("music", MUSIC), ("circles", CIRCLES)]
    {
        let database = Database::new(text);
        let (server, before) = (database.server().await, shape(&database));
        let report = seeded(&server, 100, &LoadOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shape(&database), before, "{name}");
        assert!(report.tables.len() > 3, "{name}: {report:?}");
        for loaded in &report.tables {
            let table = format!("`{}`", loaded.table.name.replace('`', "``"));
            let count = database.sql(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(count, loaded.rows.to_string(), "{table}");
        }
        assert_eq!((violations(&database), database.leftovers()), (String::new(), String::new()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_rows_and_replaces_what_was_there() {
    let (first, second) = (Database::new(RENTALS), Database::new(RENTALS));
    let other = |digest: String| digest.replace(&first.name, "").replace(&second.name, "");
    let server = second.server().await;
    seeded(&server, 200, &LoadOptions { generators: 1, sessions: 1 }).await.unwrap();
    let rows = second.digest();
    seeded(&server, 50, &LoadOptions::default()).await.unwrap();
    assert_ne!(rows, second.digest());
    seeded(&server, 200, &LoadOptions { generators: 3, sessions: 3 }).await.unwrap();
    assert_eq!(other(rows), other(second.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_goes_on_behind_the_rows_and_triggers_slept() {
    let database = Database::new(&format!("{EVERYTHING}{ROWS}{BESIDES}"));
    seeded(&database.server().await, 100, &LoadOptions::default()).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM staff WHERE name LIKE '%!?'"), "0");
    database.sql("INSERT INTO staff (department, name, email) SELECT min(id), 'n', 'new' FROM departments");
    assert_eq!(
        database.sql("SELECT name, id = (SELECT max(id) FROM staff) FROM staff WHERE email = 'new'"),
        "n!?\t1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_refers_to_and_gets_no_rows_stays() {
    let database = Database::new(
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1);
         CREATE TABLE child (id int PRIMARY KEY, kept int, CONSTRAINT to_kept FOREIGN KEY (kept) REFERENCES kept (id));
         CREATE TABLE grandchild (id int PRIMARY KEY, child int, FOREIGN KEY (child) REFERENCES child (id));
         INSERT INTO child VALUES (1, 1); INSERT INTO grandchild VALUES (1, 1)",
    );
    let server = database.server().await;
    let schema = schema(&server).await.unwrap();
    let mut seed = plan(&schema, &PlanOptions { rows: 30, ..PlanOptions::default() });
    let name = |table: &str| devcluster::data::schema::TableName::new(&database.name, table);
    seed.tables.retain(|table, _| *table == name("child"));
    seed.tables.values_mut().for_each(|table| table.rows = Rows::Count(30));
    let before = shape(&database);
    let generator = Generator::new(&schema, &seed).unwrap_or_else(|error| panic!("{error}"));
    let report = load(&server, &schema, &generator, &LoadOptions::default(), &|_| {}).await.unwrap();
    assert_eq!(report.emptied, [name("grandchild")]);
    let counts = "SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM child) > 1, (SELECT count(*) FROM grandchild)";
    assert_eq!((database.sql(counts), shape(&database)), ("1\t1\t0".to_owned(), before));
    database.try_sql("INSERT INTO child VALUES (100000, 99)").unwrap_err();
    database.sql("INSERT INTO child VALUES (100000, 1)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_ends_early_leaves_the_old_rows() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    seeded(&server, 100, &LoadOptions::default()).await.unwrap();
    let (rows, form) = (database.digest(), shape(&database));
    // Given up when each table is first told of, and at each step.
    for end in 1..=15 {
        let (seen, reached) = (Mutex::new(BTreeSet::new()), tokio::sync::Notify::new());
        let on_progress = |progress: Progress<'_>| {
            let name = match progress {
                Progress::Step(step) => step.to_owned(),
                Progress::Part { name, .. } => name.to_owned(),
            };
            let mut seen = seen.lock().unwrap();
            if seen.insert(name) && seen.len() == end {
                reached.notify_one();
            }
        };
        let options = LoadOptions::default();
        tokio::select! {
            biased;
            () = reached.notified() => {}
            done = watched(&server, 300, &options, &on_progress) => panic!("done before {end}: {done:?}"),
        }
        assert_eq!((database.digest() == rows, shape(&database) == form), (true, true), "{end}");
    }
    // The server ends the session that loads, which is kept from going on until it was.
    let once = std::sync::Once::new();
    let kill = |_: Progress<'_>| {
        once.call_once(|| {
            let loads = format!(
                "SELECT id FROM information_schema.processlist WHERE db = 'devcluster_loading_{}' AND info LIKE 'LOAD DATA%' LIMIT 1",
                database.name
            );
            let mut found = String::new();
            while found.is_empty() {
                found = outside(&loads);
            }
            outside(&format!("KILL {found}"));
        });
    };
    let tables = |progress: Progress<'_>| {
        if matches!(progress, Progress::Part { .. }) {
            kill(progress);
        }
    };
    watched(&server, 3000, &LoadOptions::default(), &tables).await.unwrap_err();
    assert_eq!((database.digest() == rows, shape(&database) == form), (true, true));
    assert_eq!(database.leftovers(), "");
    seeded(&server, 100, &LoadOptions::default()).await.unwrap();
}

/// As MySQL 8 is set by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_rows_from_clients_is_told_to() {
    let own = Running::with(&["--local-infile=OFF"]);
    own.outside("CREATE DATABASE shop; CREATE TABLE shop.t (id int PRIMARY KEY, a text)");
    own.outside("CREATE USER weak@localhost IDENTIFIED BY 'weak'; GRANT ALL ON shop.* TO weak@localhost; GRANT ALL ON `devcluster\\_%`.* TO weak@localhost");
    let credentials =
        Credentials { user: "weak".into(), password: Password::new("weak"), database: "shop".into() };
    let weak = Server::connect(own.reach(), credentials).await.unwrap();
    let error = seeded(&weak, 30, &LoadOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("SET GLOBAL local_infile = ON"), "{error}");
    seeded(&own.server("shop").await, 30, &LoadOptions::default()).await.unwrap();
    seeded(&weak, 20, &LoadOptions::default()).await.unwrap();
    assert_eq!(own.outside("SELECT count(*) FROM shop.t"), "20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn one_load_at_a_time() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    // The first is kept from going on until the second was refused.
    let (begun, may_try) = tokio::sync::oneshot::channel();
    let (tried, may_go) = std::sync::mpsc::channel();
    let first = tokio::spawn({
        let (server, hold) = (server.clone(), Mutex::new(Some((begun, may_go))));
        async move {
            let on_progress = |_: Progress<'_>| {
                let taken = hold.lock().unwrap().take();
                if let Some((begun, may_go)) = taken {
                    begun.send(()).unwrap();
                    may_go.recv().unwrap();
                }
            };
            watched(&server, 100, &LoadOptions::default(), &on_progress).await
        }
    });
    may_try.await.unwrap();
    let error = seeded(&server, 10, &LoadOptions::default()).await.unwrap_err();
    assert!(matches!(error, MysqlError::Busy { .. }), "{error}");
    assert!(error.to_string().contains("is being changed by connection"), "{error}");
    tried.send(()).unwrap();
    first.await.unwrap().unwrap();
}
