//! Snapshots of a real MariaDB database: dumped, masked, restored, and whole or not at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use devcluster::data::mask::{Key, Masking, Policy, classify};
use devcluster::data::mysql::{
    Credentials, DumpOptions, MysqlError, Password, Progress, RestoreOptions, Server, dump, restore, schema,
    snapshot_schema,
};
use devcluster::data::schema::Schema;
use devcluster::data::snapshot::{Catalogue, CreateOptions, Manifest};

use super::mysql_schemas::{BESIDES, EVERYTHING, ROWS};
use super::mysql_server::{Database, outside, reach};

/// A catalogue that goes when it is dropped.
pub struct Kept {
    _directory: tempfile::TempDir,
    pub catalogue: Catalogue,
}

impl Kept {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { catalogue: Catalogue::open(directory.path()), _directory: directory }
    }

    pub async fn dump(
        &self,
        server: &Server,
        name: &str,
        options: &DumpOptions,
    ) -> Result<(Manifest, Vec<String>), MysqlError> {
        let writer = self
            .catalogue
            .create(name.parse().unwrap(), CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap()))
            .unwrap();
        match dump(server, &writer, options, &|_| {}).await {
            Ok(report) => {
                let finish = move || writer.finish([].into()).unwrap().manifest;
                Ok((tokio::task::spawn_blocking(finish).await.unwrap(), report.notes))
            }
            Err(error) => {
                // Whoever passes over the error gets no snapshot either.
                writer.finish([].into()).unwrap_err();
                Err(error)
            }
        }
    }

    pub async fn whole(&self, server: &Server, name: &str) -> Manifest {
        self.dump(server, name, &DumpOptions::whole("shop")).await.unwrap().0
    }

    pub async fn restore(&self, server: &Server, manifest: &Manifest) -> Result<(), MysqlError> {
        restore(server, &self.catalogue, manifest, &options(), &|_| {}).await.map(drop)
    }
}

pub fn options() -> RestoreOptions {
    RestoreOptions { prefix: "shop".into(), sessions: 2, keep_pristine: false }
}

/// Streams but for the schema, which names its database.
fn hashes(manifest: &Manifest) -> Vec<String> {
    let named = manifest.streams.iter().filter(|stream| !stream.path.as_str().ends_with("schema.json"));
    named.map(|stream| format!("{} {}", stream.path, stream.hash)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dumped_restored_and_dumped_again_it_is_the_same() {
    let (kept, database) = (Kept::new(), Database::new(&format!("{EVERYTHING}{ROWS}{BESIDES}")));
    database.sql("DO nextval(numbers)");
    let server = database.server().await;
    let (first, notes) = kept.dump(&server, "first", &DumpOptions::whole("shop")).await.unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let rows = database.digest();
    database.sql(
        "SET foreign_key_checks = 0; DROP TABLE staff; DROP VIEW heads; DROP PROCEDURE noted; CREATE PROCEDURE extra() SELECT 1;
         DELETE FROM every_type; ALTER TABLE keyless ADD c int; CREATE TABLE since (a int); INSERT INTO since VALUES (1);
         DROP TRIGGER IF EXISTS touch_too; DROP EVENT tidy; DO nextval(numbers); CREATE TRIGGER mine BEFORE INSERT ON keyless FOR EACH ROW SET NEW.a = 1",
    );
    kept.restore(&server, &first).await.unwrap();
    let again = kept.whole(&server, "again").await;
    assert_eq!((again.content, hashes(&again)), (first.content, hashes(&first)));
    let made_of = snapshot_schema(&kept.catalogue, &first, "shop").await.unwrap();
    let mut now = schema(&server).await.unwrap();
    now.tables.iter_mut().for_each(|table| table.rows = 0);
    assert_eq!(made_of, now);
    assert_eq!((database.digest(), database.leftovers()), (rows.clone(), String::new()));
    // What is not rows works: triggers in their order, numbers that go on, views, routines.
    database.sql(
        "INSERT INTO staff (department, name, email) VALUES (1, 'new', 'new@x.org'); CALL noted('said')",
    );
    assert_eq!(database.sql("SELECT id, name FROM staff WHERE email = 'new@x.org'"), "5000\tnew!?");
    assert_eq!(database.sql("SELECT a FROM keyless WHERE b = 'said'"), "42");
    assert_eq!(database.sql("SELECT head FROM a_view_of_heads"), "Ada");
    assert_eq!(database.sql("SELECT nextval(numbers) > 100"), "1");
    database.try_sql("INSERT INTO staff (department, name, email) VALUES (99, 'n', 'm')").unwrap_err();
    // In another database, too, which had things of its own.
    let other = Database::new("CREATE TABLE keyless (x int); CREATE VIEW v AS SELECT * FROM keyless");
    kept.restore(&other.server().await, &first).await.unwrap();
    let third = kept.whole(&other.server().await, "third").await;
    assert_eq!(hashes(&third), hashes(&first));
    assert_eq!((other.digest() == rows, other.leftovers()), (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_sees_one_moment() {
    let (kept, database) = (
        Kept::new(),
        Database::new(
            "CREATE TABLE a (n int PRIMARY KEY); CREATE TABLE b (n int PRIMARY KEY, FOREIGN KEY (n) REFERENCES a (n)); CREATE TABLE late (n int) ENGINE = MyISAM",
        ),
    );
    let server = database.server().await;
    let stop = Arc::new(AtomicUsize::new(0));
    let writing = std::thread::spawn({
        let (stop, name) = (stop.clone(), database.name.clone());
        move || {
            let database = Database { name };
            for number in 0.. {
                database.sql(&format!(
                    "BEGIN; INSERT INTO a VALUES ({number}); INSERT INTO b VALUES ({number}); COMMIT"
                ));
                if stop.load(Ordering::Relaxed) > 0 {
                    break;
                }
            }
        }
    });
    let other = Database::new("");
    for number in 0..6 {
        let (manifest, notes) =
            kept.dump(&server, &format!("at-{number}"), &DumpOptions::whole("shop")).await.unwrap();
        let rows: Vec<_> = ["a", "b"]
            .iter()
            .filter_map(|table| manifest.stream(&format!("shop/tables/{table}.tsv").parse().unwrap()))
            .map(|stream| stream.attributes["rows"].clone())
            .collect();
        assert_eq!(rows[0], rows[1]);
        assert_eq!(
            notes,
            ["table late is MyISAM, which has no transactions: its rows may be of a later moment"]
        );
        kept.restore(&other.server().await, &manifest).await.unwrap();
    }
    stop.store(1, Ordering::Relaxed);
    writing.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_lock_one_session_reads() {
    let (kept, database) = (Kept::new(), Database::new(&format!("{EVERYTHING}{ROWS}")));
    let name = &database.name;
    outside(&format!(
        "CREATE USER reader@localhost IDENTIFIED BY 'r'; GRANT SELECT ON {name}.* TO reader@localhost"
    ));
    let credentials =
        Credentials { user: "reader".into(), password: Password::new("r"), database: name.clone() };
    let weak = Server::connect(reach(), credentials).await.unwrap();
    let (manifest, notes) = kept.dump(&weak, "weak", &DumpOptions::whole("shop")).await.unwrap();
    assert!(notes.len() == 1 && notes[0].starts_with("the rows were read by one session"), "{notes:?}");
    assert_eq!(hashes(&manifest), hashes(&kept.whole(&database.server().await, "strong").await));
    let error = kept.restore(&weak, &manifest).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "user `reader` may not make a database to load into; as root: GRANT ALL ON `devcluster\\_%`.* TO 'reader'; or give root's credentials"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_ends_early_leaves_the_database_as_it_was() {
    let (kept, source) = (Kept::new(), Database::new(&format!("{EVERYTHING}{ROWS}{BESIDES}")));
    let target = Database::new(
        "CREATE TABLE mine (a int, FULLTEXT KEY (b), b text); INSERT INTO mine VALUES (7, ''); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW SET NEW.a = 8",
    );
    let manifest = kept.whole(&source.server().await, "everything").await;
    let server = target.server().await;
    // Steps, and tables when they are first told of: what is told between depends on the clock.
    let first = |seen: &Mutex<BTreeSet<String>>, progress: Progress<'_>| {
        let name = match progress {
            Progress::Step(step) => step.to_owned(),
            Progress::Part { name, .. } => name.to_owned(),
        };
        let mut seen = seen.lock().unwrap();
        seen.insert(name).then_some(seen.len())
    };
    let seen = Mutex::default();
    let counting = |progress: Progress<'_>| {
        first(&seen, progress);
    };
    restore(&Database::new("").server().await, &kept.catalogue, &manifest, &options(), &counting)
        .await
        .unwrap();
    let steps = seen.lock().unwrap().len();
    assert_eq!(steps, 11);
    for end in 1..=steps {
        let (seen, reached) = (Mutex::default(), tokio::sync::Notify::new());
        let options = options();
        let on_progress = |progress: Progress<'_>| {
            if first(&seen, progress) == Some(end) {
                reached.notify_one();
            }
        };
        let restoring = restore(&server, &kept.catalogue, &manifest, &options, &on_progress);
        tokio::select! {
            biased;
            () = reached.notified() => {}
            done = restoring => panic!("done after {end} of {steps}: {done:?}"),
        }
        assert_eq!(target.sql("INSERT INTO mine (a) VALUES (1); SELECT min(a), max(a) FROM mine"), "7\t8");
    }
    kept.restore(&server, &manifest).await.unwrap();
    let again = kept.whole(&server, "again").await;
    assert_eq!((hashes(&again) == hashes(&manifest), target.leftovers()), (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_that_count_by_a_sequence_come_back() {
    let (kept, database) = (
        Kept::new(),
        Database::new(
            "CREATE SEQUENCE numbers START WITH 7 NOCACHE; CREATE TABLE numbered (id int PRIMARY KEY, n bigint DEFAULT nextval(numbers)); INSERT INTO numbered (id) VALUES (1)",
        ),
    );
    let manifest = kept.whole(&database.server().await, "numbered").await;
    let fresh = Database::new("");
    kept.restore(&fresh.server().await, &manifest).await.unwrap();
    let again = kept.whole(&fresh.server().await, "again").await;
    assert_eq!(hashes(&again), hashes(&manifest));
    devcluster::data::mysql::keep_pristine(&fresh.server().await).await.unwrap();
    for _ in 0..2 {
        fresh.sql("INSERT INTO numbered (id) VALUES (2)");
        assert_eq!(fresh.sql("SELECT id, n FROM numbered ORDER BY id"), "1\t7\n2\t8");
        devcluster::data::mysql::reset(&fresh.server().await).await.unwrap();
    }
}

/// Masked values fit columns that only MySQL has: whole numbers without a sign, and short texts that ignore case.
#[tokio::test(flavor = "multi_thread")]
async fn masked_values_fit_their_columns() {
    let (kept, database) = (Kept::new(), Database::new(
        "CREATE TABLE narrow (a tinyint unsigned NOT NULL UNIQUE, b smallint unsigned NOT NULL UNIQUE, c mediumint NOT NULL UNIQUE, d int unsigned NOT NULL UNIQUE, e varchar(24) NOT NULL UNIQUE, f tinyint NOT NULL);
         INSERT INTO narrow SELECT seq + 55, 65535 - seq, 8388607 - seq * 1000, 4294967295 - seq * 1000000, concat('a', seq, '@b.org'), if(seq % 2, 127, -128) FROM seq_1_to_200",
    ));
    let server = database.server().await;
    let schema = schema(&server).await.unwrap();
    let rule = |column: &str| format!("    {column}: {{ mask: id }}\n");
    let columns: String = ["a", "b", "c", "d", "f"].map(rule).concat();
    let policy = format!("tables:\n  {}.narrow:\n{columns}    e: {{ mask: email }}\n", database.name);
    let policy = Policy::parse(&policy).unwrap_or_else(|error| panic!("{error}"));
    let classified = classify(&schema, &policy).unwrap_or_else(|error| panic!("{error}"));
    let mask = Some(Arc::new(Masking::new(classified, Key::new([7; 32]))));
    let options = DumpOptions { mask, ..DumpOptions::whole("shop") };
    let (manifest, _) = kept.dump(&server, "masked", &options).await.unwrap();
    let target = Database::new("");
    kept.restore(&target.server().await, &manifest).await.unwrap();
    let counts = "SELECT count(*), count(DISTINCT a), count(DISTINCT b), count(DISTINCT c), count(DISTINCT d), count(DISTINCT e) FROM narrow";
    assert_eq!(target.sql(counts), "200\t200\t200\t200\t200\t200");
    assert_ne!(target.digest(), database.digest());
}

/// The swap is left between any two of its statements, as a process that is killed leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_ends_early_is_finished_or_taken_back() {
    let (kept, source) = (Kept::new(), Database::new(&format!("{EVERYTHING}{ROWS}{BESIDES}")));
    let manifest = kept.whole(&source.server().await, "everything").await;
    let target = Database::new(
        "CREATE TABLE mine (a int); INSERT INTO mine VALUES (7); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW SET NEW.a = 8; CREATE VIEW heads AS SELECT 1 AS a",
    );
    let server = target.server().await;
    let (mut before, mut after) = (0, 0);
    // Later and later, until the swap was left before its middle and after, and often between.
    for wait in 0.. {
        if wait >= 16 && before > 0 && after > 0 {
            break;
        }
        let reached = tokio::sync::Notify::new();
        let on_progress = |progress: Progress<'_>| {
            if matches!(progress, Progress::Step(step) if step.starts_with("putting the new tables")) {
                reached.notify_one();
            }
        };
        let options = options();
        let mut restoring = Box::pin(restore(&server, &kept.catalogue, &manifest, &options, &on_progress));
        tokio::select! {
            biased;
            () = reached.notified() => {}
            done = &mut restoring => panic!("{done:?}"),
        }
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(wait * 7), restoring).await;
        drop(given_up);
        // Whoever comes next tidies first: a reset that has nothing to reset to does no more than that.
        let error = devcluster::data::mysql::prepare_spare(&server).await.unwrap_err();
        assert!(matches!(error, MysqlError::NoPristine(_)), "{error}");
        assert_eq!(target.leftovers(), "");
        if target.try_sql("SELECT a FROM mine").is_ok() {
            before += 1;
            assert_eq!(target.sql("INSERT INTO mine VALUES (1); SELECT min(a), max(a) FROM mine"), "7\t8");
            assert_eq!(target.sql("SELECT * FROM heads"), "1");
        } else {
            after += 1;
            let again = kept.whole(&server, &format!("again-{wait}")).await;
            assert_eq!(hashes(&again), hashes(&manifest));
            target.sql("SET foreign_key_checks = 0; DROP TABLE departments, staff, regions, cities, `order; ``1`, events, keyless, every_type; DROP SEQUENCE numbers; DROP VIEW a_view_of_heads; DROP EVENT tidy; CREATE OR REPLACE VIEW heads AS SELECT 1 AS a; CREATE TABLE mine (a int); INSERT INTO mine VALUES (7); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW SET NEW.a = 8");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_leaves_the_database_as_it_was() {
    let source = Database::new(
        "CREATE TABLE many (id int PRIMARY KEY, t text); INSERT INTO many SELECT seq, sha2(seq, 512) FROM seq_1_to_20000",
    );
    let target = Database::new("CREATE TABLE mine (a int); INSERT INTO mine VALUES (7)");
    let directory = tempfile::tempdir().unwrap();
    let open =
        || Kept { catalogue: Catalogue::open(directory.path()), _directory: tempfile::tempdir().unwrap() };
    let manifest = open().whole(&source.server().await, "many").await;
    let mut packs: Vec<_> = walk(directory.path())
        .into_iter()
        .filter(|path| !path.to_string_lossy().ends_with(".json"))
        .collect();
    packs.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let pack = packs.pop().unwrap();
    let whole = std::fs::read(&pack).unwrap();
    let server = target.server().await;
    for at in [whole.len() / 10, whole.len() / 2, whole.len() * 8 / 10] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&pack, damaged).unwrap();
        let error = open().restore(&server, &manifest).await.unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert_eq!((target.sql("SELECT a FROM mine"), target.leftovers()), ("7".to_owned(), String::new()));
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_and_odd_texts_come_back() {
    let (kept, database) = (Kept::new(), Database::new(
        "CREATE TABLE odd (id int PRIMARY KEY, a longblob, b longtext, c varchar(20) CHARACTER SET latin1, d text CHARACTER SET utf16);
         INSERT INTO odd VALUES (1, repeat(x'00ff5c090a', 1800000), NULL, 'caf\u{e9}', '\u{1F600}'), (2, '', '', '', ''), (3, NULL, concat(char(0), char(9), char(13), char(10), '\\\\N', char(26), char(8)), '\\\\N', '\\\\'),
           (4, x'5c4e', repeat('\u{e9}\\\\', 3000000), NULL, NULL)",
    ));
    let server = database.server().await;
    let manifest = kept.whole(&server, "odd").await;
    let rows = database.digest();
    database.sql("DELETE FROM odd");
    kept.restore(&server, &manifest).await.unwrap();
    assert_eq!(database.digest(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_rows_hold_no_original_and_join_as_before() {
    let (kept, database) = (Kept::new(), Database::new(
        "CREATE TABLE customers (email varchar(120) PRIMARY KEY, phone varchar(40) NOT NULL, note text, raw varbinary(40), born datetime, flag tinyint(1), num int unsigned);
         CREATE TABLE orders (id int PRIMARY KEY, email varchar(120) NOT NULL, total int NOT NULL, FOREIGN KEY (email) REFERENCES customers (email));
         INSERT INTO customers SELECT concat('canary', seq, '@original', seq, '.org'), concat('+49 30 ', 1000000 + seq), concat('canary note\\nnumber ', seq, char(11)), concat('canary raw ', seq), now(), 1, 7 FROM seq_1_to_300;
         INSERT INTO orders SELECT seq, concat('canary', seq, '@original', seq, '.org'), seq FROM seq_1_to_300",
    ));
    let server = database.server().await;
    let schema = schema(&server).await.unwrap();
    let name = &database.name;
    let policy = format!(
        "tables:\n  {name}.customers:\n    email: {{ mask: email }}\n    phone: {{ mask: phone }}\n    note: {{ mask: free-text }}\n    raw: {{ mask: bytes }}\n    born: keep\n    flag: keep\n    num: keep\n  {name}.orders:\n    id: keep\n    total: keep\n"
    );
    let masked = |schema: &Schema, policy: &str| {
        let policy = Policy::parse(policy).unwrap_or_else(|error| panic!("{error}"));
        let classified = classify(schema, &policy).unwrap_or_else(|error| panic!("{error}"));
        Some(Arc::new(Masking::new(classified, Key::new([7; 32]))))
    };
    let mut options = DumpOptions { mask: masked(&schema, &policy), ..DumpOptions::whole("shop") };
    let (manifest, _) = kept.dump(&server, "masked", &options).await.unwrap();
    let target = Database::new("");
    kept.restore(&target.server().await, &manifest).await.unwrap();
    assert_eq!(target.sql("SELECT count(*) FROM customers JOIN orders USING (email)"), "300");
    assert_eq!(
        target.sql(
            "SELECT count(*) FROM customers WHERE concat(email, phone, note, raw) REGEXP 'canary|original'"
        ),
        "0"
    );
    assert_eq!(target.sql("SELECT count(*), sum(flag), sum(num) FROM customers"), "300\t300\t2100");
    database.sql(
        "ALTER TABLE orders ADD copied varchar(120) NOT NULL DEFAULT ''; UPDATE orders SET copied = email",
    );
    let error = kept.dump(&server, "moved", &options).await.unwrap_err();
    assert!(error.to_string().contains("orders has changed"), "{error}");
    // A column that the policy calls harmless holds what another one masks.
    let schema = devcluster::data::mysql::schema(&server).await.unwrap();
    options.mask = masked(&schema, &format!("{policy}    copied: keep\n"));
    let error = kept.dump(&server, "leaking", &options).await.unwrap_err();
    assert!(
        matches!(&error, MysqlError::Leaks(leaks) if leaks.iter().any(|leak| leak.column.ends_with("customers.email"))),
        "{error}"
    );
    assert!(!error.to_string().contains("canary"));
    assert_eq!(kept.catalogue.list().unwrap().snapshots.len(), 1);
}
