//! Data, side by side with what people use today, in one run on one machine: prints a table of medians and ratios.
//!   ROWS=7000000 RUNS=3 cargo bench --bench data
//! needs: GNU time, PostgreSQL's server and clients, tpchgen-cli; each measured work is a process of its own

mod measured;
#[path = "../../tests/it/postgres_server.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod postgres_server;
mod work;

use std::path::{Path, PathBuf};
use std::process::Command;

use measured::{Measured, median, peak, time};
use postgres_server::{Database, PASSWORD, binaries, directory, outside};

/// Accounts that `pgbench -i` makes for each of its scale.
const PER_SCALE: u64 = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if let [verb, rest @ ..] = arguments.as_slice() {
        return work::run(verb, rest);
    }
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let bench = Bench {
        scale: (number("ROWS", 7_000_000) / PER_SCALE).max(1),
        runs: usize::try_from(number("RUNS", 3)).expect("a small number"),
        directory: tempfile::tempdir().expect("a directory"),
    };
    println!("| what | devcluster | peer | ratio | |\n|---|---|---|---|---|");
    bench.generate();
    bench.load();
    bench.snapshots();
    bench.reset();
    bench.memory();
}

struct Bench {
    scale: u64,
    runs: usize,
    directory: tempfile::TempDir,
}

impl Bench {
    fn rows(&self) -> u64 {
        self.scale * PER_SCALE
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// This program, at a work of its own.
    fn own(&self, work: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command
            .args(work)
            .env("PGPASSWORD", PASSWORD)
            .env("SOCKET", directory())
            .env("CATALOGUE", self.path("catalogue"));
        command
    }

    /// A program of PostgreSQL's.
    fn client(program: &str, arguments: &[&str]) -> Command {
        let near = binaries().join(program);
        let mut command = Command::new(if near.exists() { near } else { program.into() });
        command
            .args(arguments)
            .env("PGHOST", directory())
            .env("PGPASSWORD", PASSWORD)
            .env("PGUSER", "postgres");
        command
    }

    /// Rows to nothing, on one processor: TPC-H's line items, and pgbench's accounts.
    fn generate(&self) {
        let (mut ours, mut theirs, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.runs {
            ours.push(time(&mut self.own(&["generate", "lineitem", "6001215"])));
            let mut peer = Command::new("tpchgen-cli");
            peer.args(["-s", "1", "-T", "lineitem", "--num-threads", "1", "--stdout"]);
            theirs.push(time(&mut peer));
            accounts.push(time(&mut self.own(&["generate", "accounts", &self.rows().to_string()])));
        }
        row("6,001,215 rows of TPC-H's lineitem made, one thread", &ours, &theirs, "tpchgen-cli");
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown")]
        let rate = self.rows() as f64 / median(&accounts) / 1e6;
        println!("| pgbench's accounts made, one thread | {rate:.2} M rows/s | | | target: 1 |");
    }

    fn load(&self) {
        let database = Database::new(work::ACCOUNTS);
        let (name, rows) = (database.name.as_str(), self.rows().to_string());
        let file = self.path("accounts.copy");
        assert!(self.own(&["write", &rows]).arg(&file).status().expect("it runs").success());
        let (mut ours, mut copy, mut pgbench) = (Vec::new(), Vec::new(), Vec::new());
        // The best that a careful person writes: the key made after the rows, which nobody else can see yet.
        let script = format!(
            "BEGIN; TRUNCATE pgbench_accounts; ALTER TABLE pgbench_accounts DROP CONSTRAINT pgbench_accounts_pkey;\n\
             \\copy pgbench_accounts FROM '{}' (FREEZE)\n\
             ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid); ANALYZE pgbench_accounts; COMMIT;\n",
            file.display()
        );
        let path = self.path("copy.sql");
        std::fs::write(&path, script).expect("written");
        for _ in 0..self.runs {
            // Nobody pays for what the one before left to be written.
            outside("CHECKPOINT");
            ours.push(time(&mut self.own(&["load", name, &rows])));
            let arguments = ["-qX", "-v", "ON_ERROR_STOP=1", "-d", name, "-f"];
            outside("CHECKPOINT");
            copy.push(time(Self::client("psql", &arguments).arg(&path)));
            let scale = self.scale.to_string();
            outside("DROP DATABASE IF EXISTS peer");
            outside("CREATE DATABASE peer");
            outside("CHECKPOINT");
            pgbench.push(time(&mut Self::client("pgbench", &["-i", "-q", "-s", &scale, "peer"])));
        }
        outside("DROP DATABASE peer");
        let what = format!("{rows} accounts made and loaded");
        row(&what, &ours, &copy, "psql: COPY from a ready file, key and ANALYZE after");
        row(&what, &ours, &pgbench, "pgbench -i");
        database.sql("DROP TABLE pgbench_accounts");
    }

    fn snapshots(&self) {
        let database = Database::new(work::ACCOUNTS);
        let (name, rows) = (database.name.as_str(), self.rows().to_string());
        assert!(self.own(&["load", name, &rows]).status().expect("it runs").success());
        let (mut dump, mut pg_dump, mut restore, mut pg_restore) = (vec![], vec![], vec![], vec![]);
        let directory = self.path("dump");
        let to = directory.to_str().expect("a path");
        for _ in 0..self.runs {
            let _ = std::fs::remove_dir_all(self.path("catalogue"));
            dump.push(time(&mut self.own(&["dump", name, "first"])));
            let _ = std::fs::remove_dir_all(&directory);
            pg_dump.push(time(&mut Self::client("pg_dump", &["-Fd", "-j2", "-f", to, name])));
            restore.push(time(&mut self.own(&["restore", name, "first"])));
            outside("DROP DATABASE IF EXISTS peer");
            let script = "createdb peer && pg_restore -j2 -d peer \"$0\" && psql -qX -d peer -c ANALYZE";
            let mut peer = Self::client("sh", &["-c", script, to]);
            pg_restore.push(time(&mut peer));
        }
        outside("DROP DATABASE peer");
        row("snapshot of them", &dump, &pg_dump, "pg_dump -Fd -j2");
        row("snapshot loaded", &restore, &pg_restore, "createdb, pg_restore -j2, ANALYZE");
        let whole = size(&self.path("catalogue"));
        let peer = size(&directory);
        println!(
            "| its size | {} MB | {} MB | {:.2} | pg_dump -Fd |",
            whole >> 20,
            peer >> 20,
            ratio(whole, peer)
        );
        self.second(&database, &dump, whole);
    }

    /// After 1 % of the rows changed, in 16 places.
    fn second(&self, database: &Database, first: &[Measured], whole: u64) {
        let step = self.rows() / 16;
        let each = self.rows() / 1600;
        database
            .sql(&format!("UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % {step} < {each}"));
        let second = [time(&mut self.own(&["dump", &database.name, "second"]))];
        let added = size(&self.path("catalogue")) - whole;
        row("second snapshot, 1 % of the rows changed in 16 places", &second, first, "the first one");
        println!(
            "| what it added | {:.1} MB | {} MB | {:.3} | the first one |",
            megabytes(added),
            whole >> 20,
            ratio(added, whole)
        );
    }

    fn reset(&self) {
        let database = Database::new(work::ACCOUNTS);
        let (name, rows) = (database.name.as_str(), self.rows().to_string());
        assert!(self.own(&["load", name, &rows]).status().expect("it runs").success());
        assert!(self.own(&["keep", name]).status().expect("it runs").success());
        let bytes: u64 = database.sql(&format!("SELECT pg_database_size('{name}')")).parse().expect("bytes");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            assert!(self.own(&["prepare", name]).status().expect("it runs").success());
            ours.push(time(&mut self.own(&["reset", name])));
            outside(&format!(
                "DROP DATABASE IF EXISTS peer; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ));
            theirs.push(time(&mut Self::client("createdb", &["-T", name, "peer"])));
        }
        outside("DROP DATABASE peer");
        let what = format!("reset of {} MB, a spare ready", bytes >> 20);
        row(&what, &ours, &theirs, "createdb -T: a copy");
    }

    /// The same work with a tenth of the rows and with all of them.
    fn memory(&self) {
        let mut peaks: Vec<[u64; 2]> = vec![[0; 2]; 3];
        for (place, rows) in [self.rows() / 10, self.rows()].into_iter().enumerate() {
            let database = Database::new(work::ACCOUNTS);
            let name = database.name.as_str();
            let _ = std::fs::remove_dir_all(self.path("catalogue"));
            let works: [&[&str]; 3] =
                [&["load", name, &rows.to_string()], &["dump", name, "memory"], &["restore", name, "memory"]];
            for (work, peaks) in works.into_iter().zip(&mut peaks) {
                peaks[place] = peak(&[time(&mut self.own(work))]);
            }
            database.sql("DROP TABLE pgbench_accounts");
        }
        for (what, [tenth, all]) in ["load", "snapshot", "snapshot loaded"].iter().zip(peaks) {
            println!(
                "| peak memory, {what} | {all} MiB | {tenth} MiB | {:.2} | a tenth of the rows |",
                ratio(all, tenth)
            );
        }
    }
}

fn row(what: &str, ours: &[Measured], theirs: &[Measured], peer: &str) {
    let (own, other) = (median(ours), median(theirs));
    let (memory, peer_memory) = (peak(ours), peak(theirs));
    println!(
        "| {what} | {own:.2} s, {memory} MiB | {other:.2} s, {peer_memory} MiB | {:.2} | {peer} |",
        own / other
    );
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is shown")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a size is shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Bytes of all files below a directory.
fn size(directory: &Path) -> u64 {
    let entries =
        std::fs::read_dir(directory).expect("readable").map(|entry| entry.expect("readable").path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().expect("there").len() }).sum()
}
