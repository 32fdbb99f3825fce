//! A real MariaDB server for tests: one for all of them, each in databases of its own. It ends with the test process.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use devcluster::data::mysql::{Credentials, Password, Server};
use devcluster::data::reach::{Connection, Output, Reach};
use tokio::io::AsyncRead;
use tokio::net::UnixStream;

const PASSWORD: &str = "only-for-tests";

/// A server: its directory holds its data and its socket.
pub struct Running {
    directory: PathBuf,
    /// Ends the server when the process ends and so closes the shell's input.
    _shell: Child,
}

/// Runs a program as a user who may start a server: root may not.
fn unprivileged(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
    command
}

impl Running {
    /// A new server with settings of its own.
    pub fn with(settings: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("devcluster-mysql-").tempdir().unwrap().keep();
        assert!(Command::new("chmod").arg("0777").arg(&directory).status().unwrap().success());
        let data = format!("--datadir={}", directory.join("data").display());
        let made = unprivileged("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data])
            .output()
            .expect("mariadb-install-db: testbed/tools/ensure mariadb installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let server = unprivileged("mariadbd");
        let script = "\"$@\" >\"$DIRECTORY/log\" 2>&1 </dev/null & server=$!; read -r _; kill -KILL $server; wait $server; rm -rf \"$DIRECTORY\"";
        let shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .args(["--no-defaults", "--skip-networking", &data])
            // A server that starts clears what others keep in a directory that they share.
            .arg(format!("--tmpdir={}", directory.display()))
            .arg(format!("--socket={}", directory.join("s").display()))
            .arg(format!("--pid-file={}", directory.join("pid").display()))
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=256M"])
            .args(["--innodb-log-file-size=256M", "--character-set-server=utf8mb4", "--event-scheduler=OFF"])
            .args(settings)
            .env("DIRECTORY", &directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { directory, _shell: shell };
        let patience = Instant::now() + Duration::from_mins(1);
        let secret = format!("ALTER USER root@localhost IDENTIFIED BY '{PASSWORD}'");
        while running.client("", "", &secret).is_err() {
            let log = std::fs::read_to_string(running.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < patience, "{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }

    fn client(&self, password: &str, database: &str, statements: &str) -> Result<String, String> {
        let mut child = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-N", "--batch", "--raw", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={}", self.directory.join("s").display()))
            .args((!database.is_empty()).then_some(database))
            .env("MYSQL_PWD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mariadb: testbed/tools/ensure mariadb installs it");
        // A client that gets no connection reads nothing; what it says is what counts.
        drop(child.stdin.take().unwrap().write_all(statements.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs statements in no database and gives what they print.
    pub fn outside(&self, statements: &str) -> String {
        self.client(PASSWORD, "", statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Connects to one of its databases as the superuser.
    pub async fn server(&self, database: &str) -> Server {
        let credentials =
            Credentials { user: "root".into(), password: Password::new(PASSWORD), database: database.into() };
        Server::connect(self.reach(), credentials).await.unwrap()
    }

    /// What it is reached by.
    pub fn reach(&self) -> Arc<dyn Reach> {
        Arc::new(Local { socket: self.directory.join("s") })
    }
}

fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| Running::with(&[]))
}

/// Runs statements outside of any test's database and gives what they print.
pub fn outside(statements: &str) -> String {
    running().client(PASSWORD, "", statements).unwrap_or_else(|error| panic!("{error}"))
}

/// What the server is reached by.
pub fn reach() -> Arc<dyn Reach> {
    running().reach()
}

/// A database of a test's own.
pub struct Database {
    /// Its name.
    pub name: String,
}

impl Database {
    /// A new database in which these statements ran.
    pub fn new(statements: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let database = Self { name: format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed)) };
        outside(&format!("CREATE DATABASE {}", database.name));
        database.sql(statements);
        database
    }

    /// Runs statements in it and gives what they print.
    pub fn sql(&self, statements: &str) -> String {
        self.try_sql(statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Database::sql`], where failing is expected.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        running().client(PASSWORD, &self.name, statements)
    }

    /// One connection for many statements: each is asked, and its answer waited for. Gives what was no answer.
    pub fn session(&self, work: impl FnOnce(&mut dyn FnMut(&str) -> String)) -> String {
        let mut child = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-N", "--batch", "--raw", "--unbuffered", "--force"])
            .arg(format!("--socket={}", running().directory.join("s").display()))
            .arg(&self.name)
            .env("MYSQL_PWD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mariadb: testbed/tools/ensure mariadb installs it");
        let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        work(&mut |statement| {
            drop(writeln!(to, "{statement}; SELECT 'end of answer';"));
            let (mut answer, mut line) = (String::new(), String::new());
            while from.read_line(&mut line).unwrap_or(0) > 0 && line != "end of answer\n" {
                answer.push_str(&line);
                line.clear();
            }
            answer
        });
        drop(to);
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Databases beside ours that only work under way needs.
    pub fn leftovers(&self) -> String {
        outside(&format!(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name REGEXP '^devcluster_(loading|old)_{}$'",
            self.name
        ))
    }

    /// The superuser's credentials.
    pub fn credentials(&self) -> Credentials {
        Credentials { user: "root".into(), password: Password::new(PASSWORD), database: self.name.clone() }
    }

    /// Connects as the superuser.
    pub async fn server(&self) -> Server {
        Server::connect(reach(), self.credentials()).await.unwrap()
    }

    /// All rows of all tables, in an order of their own.
    pub fn digest(&self) -> String {
        let names = self.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY 1");
        let rows = |name: &str| {
            let text = self.sql(&format!("SELECT * FROM `{}`", name.replace('`', "``")));
            let mut rows: Vec<&str> = text.lines().collect();
            rows.sort_unstable();
            format!("{name}:\n{}\n", rows.join("\n"))
        };
        names.lines().map(rows).collect()
    }
}

/// The server on this machine.
struct Local {
    socket: PathBuf,
}

#[async_trait]
impl Reach for Local {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(UnixStream::connect(Path::new(&self.socket)).await?))
    }

    async fn run(
        &self,
        _: &[&str],
        _: &[(&str, &str)],
        _: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn name(&self) -> &'static str {
        "MariaDB of the tests"
    }
}
