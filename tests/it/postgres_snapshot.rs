//! Snapshots of a real PostgreSQL database: dumped, masked, restored, and whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use devcluster::data::mask::{Key, Masking, Policy, classify};
use devcluster::data::postgres::{
    DumpOptions, LoadOptions, PostgresError, Progress, RestoreOptions, Server, dump, fingerprint, restore,
    schema, snapshot_schema,
};
use devcluster::data::schema::Schema;
use devcluster::data::snapshot::{Catalogue, CreateOptions, Manifest};
use devcluster::data::subset::{self, Cap, Request, Root};

use super::postgres_load::seeded;
use super::postgres_schemas::{EVERYTHING, MUSIC, OTHERS, RENTALS};
use super::postgres_server::{Database, reach};

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
    ) -> Result<Manifest, PostgresError> {
        let writer = self
            .catalogue
            .create(name.parse().unwrap(), CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap()))
            .unwrap();
        if let Err(error) = dump(server, &writer, options, &|_| {}).await {
            // Whoever passes over the error gets no snapshot either.
            writer.finish([].into()).unwrap_err();
            return Err(error);
        }
        Ok(tokio::task::spawn_blocking(move || writer.finish([].into()).unwrap().manifest).await.unwrap())
    }

    pub async fn restore(&self, server: &Server, manifest: &Manifest) -> Result<Vec<String>, PostgresError> {
        let report = restore(server, &self.catalogue, manifest, &options(), &|_| {}).await?;
        Ok(report.notes)
    }
}

pub fn options() -> RestoreOptions {
    RestoreOptions { prefix: "shop".into(), sessions: 2, keep_pristine: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn dumped_restored_and_dumped_again_it_is_the_same() {
    for (name, text) in [("everything", EVERYTHING)].into_iter().chain(OTHERS) {
        let (kept, database) = (Kept::new(), Database::new(text));
        let server = database.server().await;
        seeded(&server, 40, &LoadOptions::default()).await.unwrap();
        if name == "everything" {
            database.sql("INSERT INTO keyless VALUES (1, NULL), (2, E'tab\\there \\\\ \\r\\n'), (2, ''); REFRESH MATERIALIZED VIEW heads; SELECT nextval('staff_id_seq')");
        }
        let first = kept.dump(&server, "first", &DumpOptions::whole("shop")).await.unwrap();
        let rows = database.digest();
        let (fresh, other) = (Database::absent(), Database::new("CREATE TABLE other (a int)"));
        for database in [&fresh, &other] {
            let server = database.server_before().await;
            let notes = kept.restore(&server, &first).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((notes.len(), database.digest() == rows), (0, true), "{name}: {notes:?}");
            let label = format!("again-{}", database.name.replace('_', "-"));
            let again = kept.dump(&server, &label, &DumpOptions::whole("shop")).await.unwrap();
            assert_eq!(again.content, first.content, "{name}");
            let (made_of, now) = (
                snapshot_schema(&kept.catalogue, &first, "shop").await.unwrap(),
                schema(&server).await.unwrap(),
            );
            assert_eq!(fingerprint(&made_of), fingerprint(&now));
            assert_eq!(database.leftovers(), "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_sees_one_moment() {
    let (kept, database) = (
        Kept::new(),
        Database::new("CREATE TABLE a (n int PRIMARY KEY); CREATE TABLE b (n int PRIMARY KEY REFERENCES a)"),
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
    for number in 0..5 {
        let manifest =
            kept.dump(&server, &format!("at-{number}"), &DumpOptions::whole("shop")).await.unwrap();
        let rows: Vec<_> =
            manifest.streams.iter().filter_map(|stream| stream.attributes.get("rows")).collect();
        assert_eq!(rows[0], rows[1]);
        kept.restore(&Database::absent().server_before().await, &manifest).await.unwrap();
    }
    stop.store(1, Ordering::Relaxed);
    writing.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_ends_early_leaves_the_database_as_it_was() {
    let (kept, source, target) = (
        Kept::new(),
        Database::new(RENTALS),
        Database::new("CREATE TABLE mine (a int); INSERT INTO mine VALUES (7)"),
    );
    seeded(&source.server().await, 120, &LoadOptions::default()).await.unwrap();
    let manifest = kept.dump(&source.server().await, "rentals", &DumpOptions::whole("shop")).await.unwrap();
    let server = target.server().await;
    let count = AtomicUsize::new(0);
    let counting = |_: Progress<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    restore(&Database::absent().server_before().await, &kept.catalogue, &manifest, &options(), &counting)
        .await
        .unwrap();
    let steps = count.load(Ordering::Relaxed);
    assert!(steps > 20, "{steps}");
    for end in (1..=steps).step_by(steps / 8) {
        let (seen, reached) = (AtomicUsize::new(0), tokio::sync::Notify::new());
        let options = options();
        let on_progress = |_: Progress<'_>| {
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == end {
                reached.notify_one();
            }
        };
        let restoring = restore(&server, &kept.catalogue, &manifest, &options, &on_progress);
        tokio::select! {
            biased;
            () = reached.notified() => {}
            done = restoring => panic!("done after {end} of {steps}: {done:?}"),
        }
        assert_eq!(target.sql("SELECT a FROM mine"), "7", "{end} of {steps}");
    }
    kept.restore(&server, &manifest).await.unwrap();
    assert_eq!((target.digest() == source.digest(), target.leftovers()), (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_leaves_the_database_as_it_was() {
    let (source, target) =
        (Database::new(MUSIC), Database::new("CREATE TABLE mine (a int); INSERT INTO mine VALUES (7)"));
    seeded(&source.server().await, 200, &LoadOptions::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kept =
        Kept { catalogue: Catalogue::open(directory.path()), _directory: tempfile::tempdir().unwrap() };
    let manifest = kept.dump(&source.server().await, "music", &DumpOptions::whole("shop")).await.unwrap();
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
        let error =
            Kept { catalogue: Catalogue::open(directory.path()), _directory: tempfile::tempdir().unwrap() }
                .restore(&server, &manifest)
                .await
                .unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert_eq!((target.sql("SELECT a FROM mine"), target.leftovers()), ("7".to_owned(), String::new()));
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_without_an_encoding_come_back() {
    let kept = Kept::new();
    let database = Database::with(
        "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
        r"SET client_encoding = 'SQL_ASCII'; CREATE TABLE raw (a text); INSERT INTO raw VALUES (E'\xff\xfe\\'), (E'caf\xe9')",
    );
    let manifest = kept.dump(&database.server().await, "raw", &DumpOptions::whole("shop")).await.unwrap();
    let fresh = Database::absent();
    kept.restore(&fresh.server_before().await, &manifest).await.unwrap();
    let raw = |database: &Database| database.sql("SELECT convert_to(a, 'SQL_ASCII') FROM raw ORDER BY 1");
    assert_eq!(raw(&fresh), raw(&database));
    assert_eq!(fresh.sql("SHOW server_encoding"), "SQL_ASCII");
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_rows_hold_no_original_and_join_as_before() {
    let (kept, database) = (Kept::new(), Database::new(
        "CREATE TABLE customers (email text PRIMARY KEY, phone text NOT NULL, note text);
         CREATE TABLE orders (id int PRIMARY KEY, email text NOT NULL REFERENCES customers, total int NOT NULL);
         INSERT INTO customers SELECT 'canary' || n || '@original' || n || '.org', '+49 30 ' || 1000000 + n, 'canary note number ' || n FROM generate_series(1, 300) n;
         INSERT INTO orders SELECT n, 'canary' || n || '@original' || n || '.org', n FROM generate_series(1, 300) n",
    ));
    let server = database.server().await;
    let schema = schema(&server).await.unwrap();
    let policy = "tables:\n  public.customers:\n    email: { mask: email }\n    phone: { mask: phone }\n    note: { mask: free-text }\n  \
         public.orders:\n    id: keep\n    total: keep\n";
    let masked = |schema: &Schema, policy: &str| {
        Some(Arc::new(Masking::new(
            classify(schema, &Policy::parse(policy).unwrap()).unwrap(),
            Key::new([7; 32]),
        )))
    };
    let mut options = DumpOptions { mask: masked(&schema, policy), ..DumpOptions::whole("shop") };
    let manifest = kept.dump(&server, "masked", &options).await.unwrap();
    let target = Database::absent();
    kept.restore(&target.server_before().await, &manifest).await.unwrap();
    assert_eq!(target.sql("SELECT count(*) FROM customers JOIN orders USING (email)"), "300");
    assert_eq!(target.sql("SELECT count(*) FROM customers c WHERE (c::text) ~ 'canary|original'"), "0");
    database.sql("ALTER TABLE orders ADD copied text NOT NULL DEFAULT ''; UPDATE orders SET copied = email");
    let error = kept.dump(&server, "moved", &options).await.unwrap_err();
    assert!(error.to_string().contains("table public.orders has changed"), "{error}");
    // A column that the policy calls harmless holds what another one masks.
    let schema = devcluster::data::postgres::schema(&server).await.unwrap();
    options.mask = masked(&schema, &format!("{policy}    copied: keep\n"));
    let error = kept.dump(&server, "leaking", &options).await.unwrap_err();
    assert!(
        matches!(&error, PostgresError::Leaks(leaks) if leaks.iter().any(|leak| leak.column == "public.customers.email")),
        "{error}"
    );
    assert!(!error.to_string().contains("canary"));
    assert_eq!(kept.catalogue.list().unwrap().snapshots.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subset_is_whole() {
    let (kept, database) = (Kept::new(), Database::new(RENTALS));
    let server = database.server().await;
    seeded(&server, 80, &LoadOptions::default()).await.unwrap();
    let schema = schema(&server).await.unwrap();
    let root = Root::condition(&schema, "customer.customer_id in (1, 2, 3)").unwrap();
    let request = Request { roots: vec![root], whole: Vec::new(), cap: Cap::All, caps: Vec::new(), seed: 1 };
    let plan = subset::plan(&schema, &request).unwrap();
    let options = DumpOptions { subset: Some(plan), ..DumpOptions::whole("shop") };
    let manifest = kept.dump(&server, "few", &options).await.unwrap();
    let target = Database::absent();
    kept.restore(&target.server_before().await, &manifest).await.unwrap();
    assert_eq!(target.sql("SELECT count(*) > 0, count(*) < 300 FROM customer"), "t|t");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_are_missing_are_said_and_rights_that_are_missing_too() {
    let (kept, database) = (
        Kept::new(),
        Database::new(
            "CREATE TABLE t (a int); CREATE ROLE gone_soon; CREATE ROLE weak LOGIN PASSWORD 'weak'; ALTER TABLE t OWNER TO gone_soon; GRANT SELECT ON t TO PUBLIC",
        ),
    );
    let manifest = kept.dump(&database.server().await, "owned", &DumpOptions::whole("shop")).await.unwrap();
    database.sql("REASSIGN OWNED BY gone_soon TO postgres; DROP OWNED BY gone_soon; DROP ROLE gone_soon");
    let target = Database::absent();
    let notes = kept.restore(&target.server_before().await, &manifest).await.unwrap();
    assert!(notes.len() == 1 && notes[0].contains("role \"gone_soon\" does not exist"), "{notes:?}");
    let mut credentials = database.credentials();
    (credentials.user, credentials.password) =
        ("weak".into(), devcluster::data::postgres::Password::new("weak"));
    let weak = Server::connect(reach(), credentials).await.unwrap();
    let error = kept.restore(&weak, &manifest).await.unwrap_err().to_string();
    assert!(
        error.contains("user `weak` may not create databases; as a superuser: ALTER ROLE \"weak\" CREATEDB"),
        "{error}"
    );
}
