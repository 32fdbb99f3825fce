//! A real PostgreSQL server for tests: one for all of them, each in databases of its own. It ends with the test process.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use devcluster::data::postgres::{Credentials, Password, Server};
use devcluster::data::reach::{Connection, Output, Reach};
use tokio::io::AsyncRead;
use tokio::net::UnixStream;

/// The superuser's.
pub const PASSWORD: &str = "only-for-tests";
/// What its socket is called after.
pub const PORT: &str = "5432";

/// The server: its directory holds its socket.
struct Running {
    directory: PathBuf,
    /// Ends the server when the process ends and so closes the shell's input.
    _shell: Child,
}

/// Runs a program as a user who may start a server: root may not.
fn unprivileged(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

/// Where Debian keeps the server's programs, newest version first, or wherever PATH has them.
pub fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql").map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .filter(|path| path.join("postgres").exists())
                .collect()
        },
    );
    found.sort();
    found.pop().unwrap_or_default()
}

fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let directory = tempfile::Builder::new().prefix("devcluster-postgres-").tempdir().unwrap().keep();
        assert!(Command::new("chmod").arg("0777").arg(&directory).status().unwrap().success());
        let data = directory.join("data");
        let secret = directory.join("password");
        writeln!(std::fs::File::create(&secret).unwrap(), "{PASSWORD}").unwrap();
        let made = unprivileged(&binaries().join("initdb"))
            .args([
                "--username=postgres",
                "--auth=scram-sha-256",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .arg(format!("--pwfile={}", secret.display()))
            .arg("-D")
            .arg(&data)
            .output()
            .expect("initdb: testbed/tools/ensure postgresql installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let shell = start(&directory, &data);
        Running { directory, _shell: shell }
    })
}

/// Starts it under a shell that ends it, and removes its directory, as soon as our end of a pipe is closed.
fn start(directory: &Path, data: &Path) -> Child {
    let server = unprivileged(&binaries().join("postgres"));
    let script = "\"$@\" >\"$DIRECTORY/log\" 2>&1 </dev/null & server=$!; read -r _; kill -INT $server; wait $server; rm -rf \"$DIRECTORY\"";
    let shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(server.get_program())
        .args(server.get_args())
        .arg("-D")
        .arg(data)
        .args(["-c", "listen_addresses="])
        .arg("-k")
        .arg(directory)
        .args(["-c", "fsync=off", "-c", "shared_buffers=128MB", "-c", "max_wal_size=4GB"])
        .env("DIRECTORY", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    while psql(directory, "postgres", "SELECT 1").is_err() {
        assert!(
            Instant::now() < patience,
            "{}",
            std::fs::read_to_string(directory.join("log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    shell
}

fn psql(directory: &Path, database: &str, statements: &str) -> Result<String, String> {
    let mut child = Command::new("psql")
        .args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-f", "-"])
        .env("PGHOST", directory)
        .env("PGPORT", PORT)
        .env("PGPASSWORD", PASSWORD)
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Where its socket is.
pub fn directory() -> &'static Path {
    &running().directory
}

/// Runs statements outside of any test's database and gives what they print.
pub fn outside(statements: &str) -> String {
    psql(&running().directory, "postgres", statements).unwrap_or_else(|error| panic!("{error}"))
}

/// What the server is reached by.
pub fn reach() -> Arc<dyn Reach> {
    Arc::new(Local { directory: directory().to_owned() })
}

/// A database of a test's own.
pub struct Database {
    /// Its name.
    pub name: String,
}

impl Database {
    /// A name that nobody has, and no database.
    pub fn absent() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        running();
        Self { name: format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// A new database in which these statements ran.
    pub fn new(statements: &str) -> Self {
        Self::with("", statements)
    }

    /// As [`Database::new`], with options of `CREATE DATABASE`.
    pub fn with(options: &str, statements: &str) -> Self {
        let database = Self::absent();
        outside(&format!("CREATE DATABASE {} {options}", database.name));
        database.sql(statements);
        database
    }

    /// Runs statements in it and gives what they print.
    pub fn sql(&self, statements: &str) -> String {
        self.try_sql(statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Database::sql`], where failing is expected.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        psql(&running().directory, &self.name, statements)
    }

    /// Databases whose names begin with ours, but for the database itself and what a reset needs.
    pub fn leftovers(&self) -> String {
        outside(&format!(
            "SELECT datname FROM pg_database WHERE datname ~ '^devcluster_(loading|old|new).*{}$' ORDER BY 1",
            self.name
        ))
    }

    /// The superuser's credentials.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            user: "postgres".into(),
            password: Password::new(PASSWORD),
            database: self.name.clone(),
        }
    }

    /// Connects as the superuser.
    pub async fn server(&self) -> Server {
        Server::connect(reach(), self.credentials()).await.unwrap()
    }

    /// Connects as the superuser, whether the database exists or not.
    pub async fn server_before(&self) -> Server {
        Server::connect_before(reach(), self.credentials()).await.unwrap()
    }

    /// A hash over all rows of all tables, in an order of their own.
    pub fn digest(&self) -> String {
        self.sql(
            r#"SELECT format('SELECT %L, count(*), md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")) FROM ONLY %s t;', c.oid::regclass, c.oid::regclass)
              FROM pg_class c WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
              ORDER BY c.oid::regclass::text COLLATE "C" \gexec"#,
        )
    }
}

/// The server on this machine.
struct Local {
    directory: PathBuf,
}

#[async_trait]
impl Reach for Local {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(UnixStream::connect(self.directory.join(format!(".s.PGSQL.{PORT}"))).await?))
    }

    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        assert!(input.is_none());
        let mut child = tokio::process::Command::new(argv[0])
            .args(&argv[1..])
            .env("PGHOST", &self.directory)
            .env("PGPORT", PORT)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (send, receive) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(4);
        tokio::spawn(async move {
            let stdout = tokio_util::io::ReaderStream::new(child.stdout.take().unwrap());
            futures::StreamExt::for_each(stdout, |piece| async { drop(send.send(piece).await) }).await;
            let output = child.wait_with_output().await.unwrap();
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                drop(send.send(Err(io::Error::other(said))).await);
            }
        });
        let pieces = futures::stream::unfold(receive, |mut receive| async {
            receive.recv().await.map(|piece| (piece, receive))
        });
        Ok(Box::new(tokio_util::io::StreamReader::new(Box::pin(pieces))))
    }

    fn name(&self) -> &'static str {
        "PostgreSQL of the tests"
    }
}
