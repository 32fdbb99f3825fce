//! Dumping and restoring a real Redis server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use devcluster::data::redis::{
    DumpOptions, DumpReport, Moment, Password, Progress, RedisError, RestoreReport, Server, Way, dump_with,
    restore,
};
use devcluster::data::snapshot::{Catalogue, CreateOptions, Digest, Manifest};

use super::redis_server::Running;

const PREFIX: &str = "redis/test";

/// Every type in its small and its large encoding, expiry, binary keys and values.
const EVERYTHING: &str = r"
    local r, long = redis.call, string.rep('devcluster ', 40)
    r('SET', 'string', 'plain'); r('SET', 'integer', '-7'); r('SET', 'integer16', '30000'); r('SET', 'integer32', '2000000000')
    r('SET', 'packed', long); r('SET', long, 'packed key'); r('SET', '12345', 'integer key'); r('SET', '', 'empty key')
    r('SET', '\0\1\255\n\r key', '\0\255\254\r\n'); r('SET', 'big', string.rep('x', 300000) .. string.rep('yz', 300000))
    r('SET', 'soon', 'gone', 'PX', 3600000); r('SET', 'bits', '\255\0\128'); r('PFADD', 'loglog', 'a', 'b', 'c')
    r('RPUSH', 'small list', 'a', 1, long); r('SADD', 'intset', 3, 1, 2); r('SADD', 'small set', 'a', 'b', 1)
    r('ZADD', 'small zset', 1.5, 'a', '-inf', 'b', 'inf', 'c'); r('HSET', 'small hash', 'f', 'v', 'n', 1)
    for i = 1, 2000 do
      r('RPUSH', 'large list', i, long .. i); r('SADD', 'large set', 'member ' .. i); r('SADD', 'large intset', i * 100000)
      r('ZADD', 'large zset', i / 3, 'member ' .. i); r('HSET', 'large hash', 'field ' .. i, long .. i)
    end
    r('RPUSH', 'huge element', string.rep('0123456789', 2000), 'b')
    for i = 1, 500 do r('XADD', 'stream', i .. '-1', 'f', i, 'g', long) end
    r('XDEL', 'stream', '7-1'); r('XGROUP', 'CREATE', 'stream', 'group', '0'); r('XGROUP', 'CREATE', 'stream', 'idle', '$')
    r('XREADGROUP', 'GROUP', 'group', 'alice', 'COUNT', 9, 'STREAMS', 'stream', '>')
    r('XREADGROUP', 'GROUP', 'group', 'bob', 'COUNT', 3, 'STREAMS', 'stream', '>'); r('XACK', 'stream', 'group', '2-1')
    r('XADD', 'empty stream', '1-1', 'a', 'b'); r('XDEL', 'empty stream', '1-1')
    r('SELECT', 5); r('SET', 'elsewhere', 'five'); r('SELECT', 11); r('SET', 'elsewhere', 'eleven')
";
const FUNCTION: &str = "#!lua name=library\nredis.register_function('answer', function() return 42 end)";

fn everything() -> Running {
    let running = Running::new();
    running.lua(EVERYTHING);
    running.cli(&["FUNCTION", "LOAD", FUNCTION]);
    running
}

/// A catalogue of a test's own.
struct Kept {
    catalogue: Catalogue,
    directory: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { catalogue: Catalogue::open(directory.path()), directory }
    }

    async fn dump_as(
        &self,
        running: &Running,
        name: &str,
        moment: Moment,
    ) -> Result<(Manifest, DumpReport), RedisError> {
        let created = CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap());
        let writer = self.catalogue.create(name.parse().unwrap(), created).unwrap();
        let options = DumpOptions { prefix: PREFIX.into(), moment, mask: false };
        let report = dump_with(&running.server().await, &writer, &options, &|_| {}).await?;
        Ok((writer.finish(BTreeMap::default()).unwrap().manifest, report))
    }

    async fn dump(&self, running: &Running, name: &str) -> Manifest {
        self.dump_as(running, name, Moment::One).await.unwrap().0
    }

    async fn restore(&self, running: &Running, manifest: &Manifest) -> Result<RestoreReport, RedisError> {
        restore(&running.server().await, &self.catalogue, manifest, PREFIX, &|_| {}).await
    }
}

/// What the server says of all its data.
fn digest(running: &Running) -> String {
    let each = ["0", "5", "11", "15"].map(|database| running.cli(&["-n", database, "DEBUG", "DIGEST"]));
    format!("{each:?} {}", running.cli(&["INFO", "keyspace"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_and_gives_the_same_bytes() {
    let (source, target, kept) = (everything(), Running::new(), Kept::new());
    let (first, report) = kept.dump_as(&source, "first", Moment::One).await.unwrap();
    let databases: Vec<u32> = report.databases.keys().copied().collect();
    assert_eq!((databases, report.functions), (vec![0, 5, 11], 1));
    target.cli(&["-n", "3", "SET", "old", "data"]);
    let restored = kept.restore(&target, &first).await.unwrap();
    assert_eq!((restored.way, restored.expired), (Way::Swap, 0));
    assert_eq!(restored.entries, report.databases.values().sum::<u64>());
    for database in ["0", "5", "11", "3"] {
        let one = |running: &Running| running.cli(&["-n", database, "DEBUG", "DIGEST"]);
        assert_eq!(one(&source), one(&target), "database {database}");
    }
    assert_eq!(source.cli(&["DBSIZE"]), target.cli(&["DBSIZE"]));
    assert_eq!(target.cli(&["-n", "3", "DBSIZE"]), "0");
    assert_eq!(target.cli(&["FCALL", "answer", "0"]), "42");
    let groups = |running: &Running| running.cli(&["XPENDING", "stream", "group"]);
    assert!(groups(&source).starts_with("11"));
    assert_eq!(groups(&source), groups(&target));
    assert_eq!(source.cli(&["PEXPIRETIME", "soon"]), target.cli(&["PEXPIRETIME", "soon"]));
    assert_eq!(kept.dump(&target, "second").await.content, first.content);
    kept.restore(&source, &first).await.unwrap();
    assert_eq!(kept.dump(&source, "third").await.content, first.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_reads_the_same_and_says_what_it_is() {
    let (source, kept) = (everything(), Kept::new());
    // What is left to live is rounded, so an expiry is a moment off.
    source.cli(&["PERSIST", "soon"]);
    let (forked, _) = kept.dump_as(&source, "forked", Moment::One).await.unwrap();
    source.cli(&["ACL", "SETUSER", "default", "-psync"]);
    let error = kept.dump_as(&source, "refused", Moment::One).await.unwrap_err();
    assert!(matches!(&error, RedisError::Replication { .. }), "{error}");
    let (scanned, report) = kept.dump_as(&source, "scanned", Moment::Many).await.unwrap();
    assert_eq!(scanned.content, forked.content);
    assert_eq!(report.notes, ["Redis of the tests was scanned: its keys are not of one moment"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_of_one_moment() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    source.lua("for i = 1, 50000 do redis.call('SET', 'filler ' .. i, string.rep('x', 100)) end");
    let stop = Arc::new(AtomicBool::new(false));
    let (busy, source) = (stop.clone(), Arc::new(source));
    let writing = source.clone();
    let writer = std::thread::spawn(move || {
        let transactions = b"MULTI\nINCR a\nINCR z\nEXEC\n".repeat(500);
        while !busy.load(Ordering::Relaxed) {
            writing.try_cli(&[], &transactions);
        }
    });
    for round in 0..5 {
        let manifest = kept.dump(&source, &format!("round-{round}")).await;
        kept.restore(&target, &manifest).await.unwrap();
        assert_eq!(target.cli(&["GET", "a"]), target.cli(&["GET", "z"]));
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_ne!(source.cli(&["GET", "a"]), "");
}

/// The delay is longer than a dump waits for a server that says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_would_wait_for_more_replicas_forks_at_once() {
    let (source, kept) = (Running::with(&["--repl-diskless-sync-delay", "3600"]), Kept::new());
    source.cli(&["SET", "a", "1"]);
    kept.dump(&source, "first").await;
    assert!(source.cli(&["CONFIG", "GET", "repl-diskless-sync-delay"]).ends_with("3600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_connection_is_said() {
    let running = Running::new();
    let text = |connected: Result<Server, RedisError>| connected.unwrap_err().to_string();
    let wrong = text(Server::connect(running.reach(), None, Some(Password::new("hunter2"))).await);
    assert!(
        wrong.contains("does not let user `default` in: WRONGPASS") && !wrong.contains("hunter2"),
        "{wrong}"
    );
    assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(hidden)");
    let none = text(Server::connect(running.reach(), None, None).await);
    assert_eq!(none, "Redis of the tests wants a password; name the Secret that has it");
    running.cli(&["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all"]);
    let user =
        Server::connect(running.reach(), Some("reader".into()), Some(Password::new("pw"))).await.unwrap();
    assert!(user.release().starts_with(char::is_numeric) && user.note().is_none());
    let kept = Kept::new();
    let created = CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap());
    let writer = kept.catalogue.create("masked".parse().unwrap(), created).unwrap();
    let options = DumpOptions { prefix: PREFIX.into(), mask: true, moment: Moment::One };
    let error = dump_with(&user, &writer, &options, &|_| {}).await.unwrap_err();
    assert!(matches!(error, RedisError::Mask(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_leaves_the_server_untouched() {
    let (source, target, kept) = (everything(), Running::new(), Kept::new());
    let manifest = kept.dump(&source, "damaged").await;
    target.cli(&["SET", "old", "data"]);
    let before = digest(&target);
    let pack =
        std::fs::read_dir(kept.directory.path().join("packs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let reopened = Kept { catalogue: Catalogue::open(kept.directory.path()), directory: kept.directory };
    reopened.restore(&target, &manifest).await.unwrap_err();
    assert_eq!(digest(&target), before);
    let mut elsewhere = manifest.clone();
    elsewhere.streams.clear();
    elsewhere.content = Digest::of(b"");
    let error = reopened.restore(&target, &elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("the server was not touched"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_the_old_data_and_the_next_one_works() {
    let (source, target, kept) = (Running::new(), Running::new(), Kept::new());
    source.lua("for i = 1, 200000 do redis.call('SET', 'key ' .. i, string.rep('x', 50)) end");
    let manifest = kept.dump(&source, "large").await;
    target.cli(&["SET", "old", "data"]);
    let (server, catalogue, half) = (target.server().await, kept.catalogue.clone(), manifest.clone());
    let (told, reached) = tokio::sync::oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let end = Arc::new(AtomicBool::new(false));
    let ended = end.clone();
    // Its listener blocks, and with it a runtime's only way to hear of anything: it gets a runtime of its own.
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let killed = own.spawn(async move {
        let on_progress = |progress: Progress<'_>| {
            let midway = matches!(progress, Progress::Entries { done, total } if done > total / 4);
            if let Some(told) = midway.then(|| told.lock().unwrap().take()).flatten() {
                told.send(()).unwrap();
                while !ended.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        };
        restore(&server, &catalogue, &half, PREFIX, &on_progress).await
    });
    reached.await.unwrap();
    // Another one meanwhile is refused.
    let error = kept.restore(&target, &manifest).await.unwrap_err();
    assert!(matches!(error, RedisError::Busy { database: 15, .. }), "{error}");
    killed.abort();
    end.store(true, Ordering::Relaxed);
    assert!(killed.await.unwrap_err().is_cancelled());
    own.shutdown_background();
    assert_eq!((target.cli(&["DBSIZE"]), target.cli(&["GET", "old"])), ("1".into(), "data".into()));
    assert!(target.cli(&["INFO", "keyspace"]).contains("db15"));
    let (_, report) = kept.dump_as(&target, "between", Moment::One).await.unwrap();
    assert_eq!((report.databases.into_iter().collect::<Vec<_>>(), report.notes.len()), (vec![(0, 1)], 1));
    assert_eq!(kept.restore(&target, &manifest).await.unwrap().entries, 200_000);
    assert_eq!(kept.dump(&target, "again").await.content, manifest.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spare_database_the_server_is_emptied_after_saying_so() {
    let (source, target, kept) = (Running::new(), Running::with(&["--databases", "1"]), Kept::new());
    source.lua("redis.call('SET', 'new', 'data') redis.call('SET', 'brief', 'data', 'PX', 1)");
    source.cli(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    source.lua("redis.call('SET', 'short', 'data', 'PX', 100)");
    let manifest = kept.dump(&source, "small").await;
    std::thread::sleep(std::time::Duration::from_millis(150));
    target.cli(&["SET", "old", "data"]);
    let warned = AtomicBool::new(false);
    let on_progress = |progress: Progress<'_>| {
        if let Progress::Warning(text) = progress {
            assert!(text.contains("its data is deleted before"), "{text}");
            assert_eq!(target.cli(&["GET", "old"]), "data");
            warned.store(true, Ordering::Relaxed);
        }
    };
    let report =
        restore(&target.server().await, &kept.catalogue, &manifest, PREFIX, &on_progress).await.unwrap();
    assert!(warned.into_inner());
    assert_eq!((report.way, report.entries), (Way::Overwrite, 1));
    assert!(report.expired >= 1);
    assert_eq!((target.cli(&["DBSIZE"]), target.cli(&["GET", "new"])), ("1".into(), "data".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_keeps_its_old_data() {
    let (source, kept) = (Running::new(), Kept::new());
    source.lua("for i = 1, 50000 do redis.call('SET', 'key ' .. i, string.rep('x', 200)) end");
    let manifest = kept.dump(&source, "large").await;
    let small = Running::with(&["--maxmemory", "8mb"]);
    small.cli(&["SET", "old", "data"]);
    let before = digest(&small);
    let error = kept.restore(&small, &manifest).await.unwrap_err().to_string();
    assert!(error.contains("OOM"), "{error}");
    assert_eq!(digest(&small), before);
    let evicting = Running::with(&["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"]);
    let error = kept.restore(&evicting, &manifest).await.unwrap_err();
    assert!(matches!(error, RedisError::EntriesLost { database: 15, .. }), "{error}");
    assert_eq!(evicting.cli(&["INFO", "keyspace"]), "# Keyspace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_does_not_fit_is_refused_before_anything_is_touched() {
    let (target, kept) = (Running::new(), Kept::new());
    target.cli(&["SET", "old", "data"]);
    target.cli(&["FUNCTION", "LOAD", FUNCTION]);
    let before = digest(&target);
    let entry = |key: u8| [&[1, 0, 0, 0, key][..], &[255; 8], &[3, 0, 0, 0, 0, 1, b'v']].concat();
    let contents = |version: u32, database: u32, entries: u32| {
        format!(
            r#"{{"format": 1, "rdb_version": {version}, "databases": {{"{database}": {entries}}}, "functions": 0}}"#
        )
    };
    for (name, contents, database, entries, expected) in [
        (
            "newer",
            contents(99, 0, 1),
            0,
            entry(b'a'),
            "have form 99, Redis of the tests reads forms up to 10",
        ),
        ("far", contents(10, 16, 1), 16, entry(b'a'), "it has database 16, Redis of the tests has 16"),
        (
            "unordered",
            contents(10, 0, 2),
            0,
            [entry(b'b'), entry(b'a')].concat(),
            "its entries are not in order",
        ),
        ("short", contents(10, 0, 2), 0, entry(b'a'), "database 0 has 1 entries and should have 2"),
        ("cut", contents(10, 0, 1), 0, entry(b'a')[..9].to_vec(), "redis/test/db0.rdb-entries` is refused"),
        (
            "type",
            contents(10, 0, 1),
            0,
            [&entry(b'a')[..17], &[7, 1, b'v']].concat(),
            "of type 7, a module's own",
        ),
        (
            "format",
            contents(10, 0, 1).replace("1, \"rdb", "2, \"rdb"),
            0,
            entry(b'a'),
            "it has format 2; update devcluster",
        ),
    ] {
        let created = CreateOptions::at("2026-11-25T21:00:00Z".parse().unwrap());
        let writer = kept.catalogue.create(name.parse().unwrap(), created).unwrap();
        for (stream, bytes) in
            [("redis.json".to_owned(), contents.into_bytes()), (format!("db{database}.rdb-entries"), entries)]
        {
            let mut stream =
                writer.stream(format!("{PREFIX}/{stream}").parse().unwrap(), BTreeMap::default()).unwrap();
            stream.write_all(&bytes).unwrap();
            stream.finish().unwrap();
        }
        let manifest = writer.finish(BTreeMap::default()).unwrap().manifest;
        let error = kept.restore(&target, &manifest).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(
            (digest(&target), target.cli(&["FCALL", "answer", "0"])),
            (before.clone(), "42".into()),
            "{name}"
        );
    }
}
