//! Resetting a real MariaDB database while an application is connected to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use devcluster::data::mysql::{
    LoadOptions, MysqlError, RestoreOptions, keep_pristine, prepare_spare, reset, reset_cost, restore,
};

use super::mysql_load::{seeded, shape};
use super::mysql_schemas::{BESIDES, EVERYTHING, MUSIC, RENTALS, ROWS};
use super::mysql_server::{Database, outside};
use super::mysql_snapshot::{Kept, options};

/// An application that keeps its one connection and reads and writes through it as fast as it can.
struct Application {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<String>,
}

impl Application {
    fn start(database: &str, statement: &'static str) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = std::thread::spawn({
            let (stop, written, database) =
                (stop.clone(), written.clone(), Database { name: database.to_owned() });
            move || {
                database.session(|ask| {
                    let id = ask("SELECT connection_id()");
                    while !stop.load(Ordering::Relaxed) {
                        ask(statement);
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    assert_eq!(ask("SELECT connection_id()"), id);
                })
            }
        });
        Self { stop, written, thread }
    }

    async fn writes_again(&self) {
        let before = self.written.load(Ordering::Relaxed);
        while self.written.load(Ordering::Relaxed) < before + 2 {
            assert!(!self.thread.is_finished());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it was told that is no answer.
    fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_puts_rows_back_under_an_application_that_stays_connected() {
    let (kept, source, target) = (Kept::new(), Database::new(MUSIC), Database::new(""));
    seeded(&source.server().await, 100, &LoadOptions::default()).await.unwrap();
    let manifest = kept.whole(&source.server().await, "music").await;
    let server = target.server().await;
    assert!(matches!(reset(&server).await, Err(MysqlError::NoPristine(_))));
    let keeping = RestoreOptions { keep_pristine: true, ..options() };
    restore(&server, &kept.catalogue, &manifest, &keeping, &|_| {}).await.unwrap();
    let cost = reset_cost(&server).await.unwrap();
    assert!(!cost.spare && cost.bytes > 500_000, "{cost:?}");
    assert!(
        prepare_spare(&server).await.unwrap().is_some() && prepare_spare(&server).await.unwrap().is_none()
    );
    // Each statement is one that the server runs wholly: with the old tables or with the new ones.
    let application = Application::start(
        &target.name,
        "INSERT INTO Artist SELECT max(ArtistId) + 1, 'written' FROM Artist",
    );
    for spare in [true, false, true] {
        application.writes_again().await;
        assert_eq!(reset_cost(&server).await.unwrap().spare, spare);
        let report = reset(&server).await.unwrap();
        assert_eq!((report.spare, report.sessions_ended), (spare, 0));
        application.writes_again().await;
        if !spare {
            prepare_spare(&server).await.unwrap();
        }
    }
    assert_eq!(application.end(), "");
    assert!(target.digest() != source.digest());
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    let same = (target.digest() == source.digest(), shape(&target) == shape(&source));
    assert_eq!((same, target.leftovers()), ((true, true), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_is_ended() {
    let database = Database::new("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let server = database.server().await;
    keep_pristine(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    let name = database.name.clone();
    let holding = std::thread::spawn(move || {
        Database { name }.try_sql("BEGIN; INSERT INTO t VALUES (2); SELECT sleep(600)")
    });
    let held = format!(
        "SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id WHERE db = '{}'",
        database.name
    );
    while outside(&held) == "0" {
        assert!(!holding.is_finished());
        // The server looks again only where nobody has asked for a tenth of a second.
        std::thread::sleep(Duration::from_millis(300));
    }
    let report = reset(&server).await.unwrap();
    assert_eq!((report.sessions_ended, database.sql("SELECT * FROM t")), (1, "1".to_owned()));
    assert!(holding.join().unwrap().unwrap_err().contains("ERROR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_belongs_to_the_data_set_is_put_back() {
    let database = Database::new(&format!("{EVERYTHING}{ROWS}{BESIDES}"));
    let (server, rows, form) = (database.server().await, database.digest(), shape(&database));
    keep_pristine(&server).await.unwrap();
    database.sql(
        "SET foreign_key_checks = 0; DROP VIEW heads; DROP TRIGGER touch; DROP TABLE staff; CREATE TABLE since (a int); DELETE FROM events;
         CREATE TRIGGER mine BEFORE INSERT ON since FOR EACH ROW SET NEW.a = 1; CREATE VIEW sincere AS SELECT * FROM since",
    );
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!((database.digest(), shape(&database), database.leftovers()), (rows, form, String::new()));
    database.sql("INSERT INTO staff (department, name, email) VALUES (1, 'new', 'new@x.org')");
    assert_eq!(database.sql("SELECT id, name FROM staff WHERE email = 'new@x.org'"), "5000\tnew!?");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reset_to_is_what_was_loaded_last() {
    let (kept, database) = (Kept::new(), Database::new(RENTALS));
    let server = database.server().await;
    seeded(&server, 50, &LoadOptions::default()).await.unwrap();
    let first = database.digest();
    keep_pristine(&server).await.unwrap();
    database.sql("DELETE FROM payment");
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!(database.digest(), first);
    let manifest = kept.whole(&server, "first").await;
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    assert!(matches!(reset(&server).await, Err(MysqlError::NoPristine(_))));
    assert!(matches!(prepare_spare(&server).await, Err(MysqlError::NoPristine(_))));
    // A snapshot that is kept to reset to takes the place of what was kept before.
    keep_pristine(&server).await.unwrap();
    let keeping = RestoreOptions { keep_pristine: true, ..options() };
    restore(&server, &kept.catalogue, &manifest, &keeping, &|_| {}).await.unwrap();
    database.sql("DELETE FROM payment");
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!((database.digest() == first, database.leftovers()), (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_ends_early_can_be_done_again() {
    let database = Database::new(MUSIC);
    let server = database.server().await;
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    let rows = database.digest();
    keep_pristine(&server).await.unwrap();
    database.sql("DELETE FROM PlaylistTrack");
    for wait in (1..120).step_by(5) {
        let given_up = tokio::time::timeout(Duration::from_millis(wait), reset(&server)).await;
        drop(given_up);
        let count = database.sql("SELECT count(*) FROM PlaylistTrack");
        assert!(count == "0" || database.digest() == rows, "{count}");
    }
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!((database.digest() == rows, database.leftovers()), (true, String::new()));
}

/// Not a limit that is held, for machines differ: it tells what a reset takes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test -- --ignored --nocapture measured"]
async fn measured() {
    let database = Database::new(
        "CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, name varchar(60) NOT NULL, email varchar(80) NOT NULL, KEY (email));
         CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, customer int NOT NULL, placed datetime NOT NULL, total decimal(10,2) NOT NULL, note varchar(200), KEY (placed), FOREIGN KEY (customer) REFERENCES customers (id))",
    );
    let server = database.server().await;
    let (kept, started) = (Kept::new(), std::time::Instant::now());
    let report = seeded(&server, 300_000, &LoadOptions::default()).await.unwrap();
    println!("seeded: {:?} in {:?}", report.tables, report.took);
    let manifest = kept.whole(&server, "big").await;
    println!("dumped {} bytes, {:?} since the start", manifest.size(), started.elapsed());
    let report = restore(&server, &kept.catalogue, &manifest, &options(), &|_| {}).await.unwrap();
    println!("restored in {:?}", report.took);
    println!("kept: {:?}", keep_pristine(&server).await.unwrap());
    println!("spare: {:?}", prepare_spare(&server).await.unwrap());
    for _ in 0..3 {
        database.sql("DELETE FROM orders WHERE id % 2 = 0");
        println!("{:?} {:?}", reset_cost(&server).await.unwrap(), reset(&server).await.unwrap());
        println!("spare: {:?}", prepare_spare(&server).await.unwrap());
    }
    println!("without spare: {:?}", (reset(&server).await.unwrap(), reset(&server).await.unwrap()));
    assert_eq!(outside(&format!("SELECT count(*) > 0 FROM {}.orders", database.name)), "1");
}
