//! Real Redis servers for tests, one for each, on a free port. A server ends with the value, or with the test process.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use devcluster::data::reach::{Connection, Output, Reach};
use devcluster::data::redis::{Password, Server};
use tempfile::TempDir;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;

const PASSWORD: &str = "only-for-tests";

/// A server.
pub struct Running {
    port: u16,
    /// A shell that ends the server as soon as our end of its pipe is closed.
    shell: Child,
    _directory: TempDir,
}

impl Running {
    /// A new one, empty.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A new one with settings.
    pub fn with(settings: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("devcluster-redis-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = "\"$@\" >/dev/null 2>&1 </dev/null & server=$!; read -r _; kill -KILL $server";
        let shell = Command::new("sh")
            .args([
                "-c",
                script,
                "sh",
                "redis-server",
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args([
                "--repl-diskless-sync-delay",
                "0",
                "--enable-debug-command",
                "yes",
                "--requirepass",
                PASSWORD,
            ])
            .arg("--port")
            .arg(port.to_string())
            .arg("--dir")
            .arg(directory.path())
            .args(settings)
            .stdin(Stdio::piped())
            .spawn()
            .expect("redis-server: testbed/tools/ensure redis installs it");
        let running = Self { port, shell, _directory: directory };
        let patience = Instant::now() + Duration::from_secs(30);
        while running.try_cli(&["PING"], b"") != "PONG" {
            assert!(
                Instant::now() < patience,
                "redis-server did not start; testbed/tools/ensure redis installs it"
            );
            std::thread::sleep(Duration::from_millis(30));
        }
        running
    }

    /// Runs a command and gives what it prints; a fault fails the test.
    pub fn cli(&self, words: &[&str]) -> String {
        let said = self.try_cli(words, b"");
        assert!(!said.contains("ERR ") && !said.contains("NOSCRIPT"), "{words:?}: {said}");
        said
    }

    /// As [`Running::cli`], with an input, where failing is expected.
    pub fn try_cli(&self, words: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("redis-cli")
            .args(["--no-auth-warning", "-a", PASSWORD, "-p"])
            .arg(self.port.to_string())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("redis-cli: testbed/tools/ensure redis installs it");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs a script of Redis' own language.
    pub fn lua(&self, script: &str) -> String {
        self.cli(&["EVAL", script, "0"])
    }

    /// What it is reached by.
    pub fn reach(&self) -> Arc<dyn Reach> {
        Arc::new(Local { port: self.port })
    }

    /// The right password.
    pub fn password() -> Password {
        Password::new(PASSWORD)
    }

    /// Connects with it.
    pub async fn server(&self) -> Server {
        Server::connect(self.reach(), None, Some(Self::password())).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// A port of this machine.
struct Local {
    port: u16,
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
        "Redis of the tests"
    }
}
