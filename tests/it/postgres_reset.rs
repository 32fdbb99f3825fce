//! Resetting a real PostgreSQL database while an application is connected to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use devcluster::data::postgres::{
    Credentials, DumpOptions, LoadOptions, Password, PostgresError, RestoreOptions, Server, keep_pristine,
    prepare_spare, reset, reset_cost, restore,
};
use devcluster::data::snapshot::Manifest;

use super::postgres_load::seeded;
use super::postgres_schemas::{MUSIC, RENTALS};
use super::postgres_server::{Database, outside, reach};
use super::postgres_snapshot::{Kept, options};

/// An application that writes as fast as it can, and connects again whenever it is cut off.
struct Application {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Application {
    fn start(name: &str, statement: &'static str) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = std::thread::spawn({
            let (stop, written, database) =
                (stop.clone(), written.clone(), Database { name: name.to_owned() });
            move || {
                while !stop.load(Ordering::Relaxed) {
                    written.fetch_add(
                        usize::from(database.try_sql(&format!("{statement}; SELECT pg_sleep(0.05)")).is_ok()),
                        Ordering::Relaxed,
                    );
                }
            }
        });
        Self { stop, written, thread: Some(thread) }
    }

    async fn writes_again(&self) {
        let before = self.written.load(Ordering::Relaxed);
        while self.written.load(Ordering::Relaxed) < before + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_puts_rows_back_under_a_writing_application() {
    let (kept, source, target) = (Kept::new(), Database::new(MUSIC), Database::new(""));
    seeded(&source.server().await, 100, &LoadOptions::default()).await.unwrap();
    let manifest = kept.dump(&source.server().await, "music", &DumpOptions::whole("shop")).await.unwrap();
    let name = &target.name;
    target.sql(&format!(
        "CREATE ROLE \"app of {name}\"; ALTER DATABASE {name} SET work_mem = '5MB'; ALTER DATABASE {name} SET search_path = \"$user\", public, \"a b\";
         ALTER ROLE \"app of {name}\" IN DATABASE {name} SET statement_timeout = '7s'; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {name} TO \"app of {name}\" WITH GRANT OPTION; COMMENT ON DATABASE {name} IS 'it''s the shop''s'; ALTER DATABASE {name} CONNECTION LIMIT 50",
    ));
    let hung = format!(
        "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = '{name}' ORDER BY setrole;
         SELECT (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a), datconnlimit, datallowconn, datistemplate, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
    );
    let before = outside(&hung);
    let server = target.server().await;
    assert!(matches!(reset(&server).await, Err(PostgresError::NoPristine(_))));
    restore(
        &server,
        &kept.catalogue,
        &manifest,
        &RestoreOptions { keep_pristine: true, ..options() },
        &|_| {},
    )
    .await
    .unwrap();
    assert_eq!(outside(&hung), before);
    let cost = reset_cost(&server).await.unwrap();
    assert!(!cost.spare && cost.bytes > 1_000_000 && cost.copy.is_some());
    assert!(
        prepare_spare(&server).await.unwrap().is_some() && prepare_spare(&server).await.unwrap().is_none()
    );
    let application = Application::start(
        name,
        "INSERT INTO \"Artist\" SELECT max(\"ArtistId\") + 1, 'written' FROM \"Artist\"",
    );
    for spare in [true, false, true] {
        application.writes_again().await;
        assert_eq!(reset_cost(&server).await.unwrap().spare, spare);
        let report = reset(&server).await.unwrap();
        assert_eq!(report.spare, spare);
        application.writes_again().await;
        if spare == report.spare && !spare {
            prepare_spare(&server).await.unwrap();
        }
    }
    application.end();
    assert!(target.digest() != source.digest());
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!(
        (target.digest() == source.digest(), outside(&hung) == before, target.leftovers()),
        (true, true, String::new())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reset_to_is_what_was_loaded_last() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    seeded(&server, 50, &LoadOptions::default()).await.unwrap();
    let first = database.digest();
    keep_pristine(&server).await.unwrap();
    database.sql("DELETE FROM payment");
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!(database.digest(), first);
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    assert!(matches!(reset(&server).await, Err(PostgresError::NoPristine(_))));
    assert_eq!(database.leftovers(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_ends_early_can_be_done_again() {
    let database = Database::new(MUSIC);
    let server = database.server().await;
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    let rows = database.digest();
    keep_pristine(&server).await.unwrap();
    database.sql("DELETE FROM \"PlaylistTrack\"");
    for wait in [1, 5, 10, 20, 40, 60, 80] {
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(wait), reset(&server)).await;
        drop(given_up);
        let count = database.sql("SELECT count(*) = 0 FROM \"PlaylistTrack\"");
        assert!(count == "t" || database.digest() == rows);
    }
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!((database.digest() == rows, database.leftovers()), (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_owns_the_database_and_may_make_others_needs_no_more() {
    let (kept, source) = (Kept::new(), Database::new(RENTALS));
    seeded(&source.server().await, 60, &LoadOptions::default()).await.unwrap();
    let manifest = kept.dump(&source.server().await, "rentals", &DumpOptions::whole("shop")).await.unwrap();
    let target = Database::new("CREATE ROLE plain LOGIN CREATEDB PASSWORD 'plain'");
    outside(&format!("ALTER DATABASE {} OWNER TO plain", target.name));
    let credentials =
        Credentials { user: "plain".into(), password: Password::new("plain"), ..target.credentials() };
    let server = Server::connect(reach(), credentials).await.unwrap();
    let options = RestoreOptions { keep_pristine: true, ..options() };
    let report = restore(&server, &kept.catalogue, &manifest, &options, &|_| {}).await.unwrap();
    // The tables were the superuser's and are now this user's.
    assert!(report.notes.len() == 1 && report.notes[0].contains("postgres"), "{:?}", report.notes);
    assert_eq!(target.digest(), source.digest());
    prepare_spare(&server).await.unwrap();
    target.sql("DELETE FROM payment");
    assert!(reset(&server).await.unwrap().spare);
    assert_eq!(target.digest(), source.digest());
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    assert_eq!(target.digest(), source.digest());
    let again = kept.dump(&server, "again", &DumpOptions::whole("shop")).await.unwrap();
    let rows = |manifest: &Manifest| {
        let streams = manifest.streams.iter().filter(|stream| stream.path.as_str().ends_with(".copy"));
        streams.map(|stream| stream.hash).collect::<Vec<_>>()
    };
    assert_eq!(rows(&again), rows(&manifest));
    assert!(matches!(reset(&server).await, Err(PostgresError::NoPristine(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_at_a_time_whichever_it_is() {
    let database = Database::new(RENTALS);
    let server = database.server().await;
    seeded(&server, 60, &LoadOptions::default()).await.unwrap();
    keep_pristine(&server).await.unwrap();
    let (first, second) = tokio::join!(prepare_spare(&server), reset(&server));
    let busy = |error: &PostgresError| matches!(error, PostgresError::Busy { holder, .. } if holder.contains(&database.name));
    assert!(first.as_ref().err().is_none_or(busy), "{first:?}");
    assert!(second.as_ref().err().is_none_or(busy), "{second:?}");
    assert!(first.is_ok() || second.is_ok());
    reset(&server).await.unwrap();
    prepare_spare(&server).await.unwrap();
    assert_eq!(database.leftovers(), "");
}
