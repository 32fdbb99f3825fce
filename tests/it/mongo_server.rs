//! Real FerretDB servers for tests, one for each, on a free port. A server ends with the value, or with the test process.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use devcluster::data::mongo::{Credentials, Password, Server};
use devcluster::data::reach::{Connection, Output, Reach};
use mongodb::{Client, Database};
use tempfile::TempDir;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;

pub const USER: &str = "root";
pub const PASSWORD: &str = "only-for-tests";

/// A server.
pub struct Running {
    port: u16,
    /// A shell that ends the server as soon as our end of its pipe is closed.
    shell: Child,
    _directory: TempDir,
}

impl Running {
    /// A new one, empty, that lets only [`USER`] in.
    pub fn new() -> Self {
        Self::with(&[
            "--test-enable-new-auth",
            "--setup-database=admin",
            &format!("--setup-username={USER}"),
            &format!("--setup-password={PASSWORD}"),
        ])
    }

    /// A new one with these arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("devcluster-mongo-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let script = "\"$@\" >\"$LOG\" 2>&1 </dev/null & server=$!; read -r _; kill -KILL $server";
        let shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program())
            .args(["--handler=sqlite", "--telemetry=disable", "--debug-addr=-"])
            .args(arguments)
            .arg(format!("--sqlite-url=file:{}/", data.display()))
            .arg(format!("--state-dir={}", directory.path().display()))
            .arg(format!("--listen-addr=127.0.0.1:{port}"))
            .env("LOG", directory.path().join("log"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let patience = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < patience,
                "ferretdb did not start; testbed/tools/ensure ferretdb builds it\n{log}"
            );
            std::thread::sleep(Duration::from_millis(30));
        }
        Self { port, shell, _directory: directory }
    }

    /// What it is reached by.
    pub fn reach(&self) -> Arc<dyn Reach> {
        Arc::new(Local { port: self.port })
    }

    /// The right user and password.
    pub fn credentials() -> Credentials {
        Credentials { user: USER.to_owned(), password: Password::new(PASSWORD) }
    }

    /// Connects with them, to all databases.
    pub async fn server(&self) -> Server {
        Server::connect(self.reach(), Some(Self::credentials()), None).await.unwrap()
    }

    /// Connects with them, to one database.
    pub async fn server_of(&self, database: &str) -> Server {
        Server::connect(self.reach(), Some(Self::credentials()), Some(database.to_owned())).await.unwrap()
    }

    /// A database as an application sees it.
    pub async fn database(&self, name: &str) -> Database {
        let address = format!("mongodb://{USER}:{PASSWORD}@127.0.0.1:{}/?authSource=admin", self.port);
        Client::with_uri_str(address).await.unwrap().database(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// Where `testbed/tools/ensure ferretdb` leaves it, or `BIN` says.
fn program() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/bin");
    std::env::var_os("BIN").map_or(beside, PathBuf::from).join("ferretdb")
}

/// A port of this machine.
pub struct Local {
    pub port: u16,
}

#[async_trait]
impl Reach for Local {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(TcpStream::connect(("127.0.0.1", self.port)).await?))
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
        "MongoDB of the tests"
    }
}
