//! Reaches a store outside the cluster, by the address that the user gave: connections from here, programs of this machine.

use std::io;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::Host;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::data::postgres::{Credentials, Password};
use crate::data::reach::{Connection, Output, Reach};
use crate::operation::error::OperationError;

/// The variable that has the password, as for libpq's programs: an argument would show it to everybody on the machine.
const PASSWORD: &str = "PGPASSWORD";

/// A store at an address.
pub struct DirectReach {
    host: Host,
    port: u16,
    name: String,
}

/// Takes an address such as `postgres://reader@db.example.com:5432/shop` apart. A password in it is refused.
pub fn address(text: &str) -> Result<(DirectReach, Credentials), OperationError> {
    let wrong = |reason: String| OperationError::Address { reason };
    let config: tokio_postgres::Config =
        text.parse().map_err(|_| wrong("it is written `postgres://USER@HOST:PORT/DATABASE`".into()))?;
    if config.get_password().is_some() {
        return Err(wrong(format!("a password in it is seen by everybody on this machine; set {PASSWORD}")));
    }
    let host = config.get_hosts().first().cloned().ok_or_else(|| wrong("it names no host".into()))?;
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().ok_or_else(|| wrong("it names no user".into()))?.to_owned();
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    let password = std::env::var(PASSWORD).unwrap_or_default();
    let name = match &host {
        Host::Tcp(host) => format!("PostgreSQL at {host}:{port}"),
        Host::Unix(path) => format!("PostgreSQL at {}", path.display()),
    };
    Ok((DirectReach { host, port, name }, Credentials { user, password: Password::new(password), database }))
}

/// An address with its parts: `mysql://reader@db.example.com:3306/shop`.
pub struct Address {
    /// What it is reached by.
    pub reach: DirectReach,
    /// The user, where it names one.
    pub user: Option<String>,
    /// The password, of the store's own variable.
    pub password: String,
    /// The database, where it names one.
    pub database: Option<String>,
}

/// Takes the address of a MySQL or a MongoDB apart, whose password is in `variable`. A password in it is refused.
pub fn parts(text: &str, kind: &str, port: u16, variable: &'static str) -> Result<Address, OperationError> {
    let wrong = |reason: String| OperationError::Address { reason };
    let scheme = text.split("://").next().unwrap_or_default();
    let form = || wrong(format!("it is written `{scheme}://USER@HOST:PORT/DATABASE`"));
    let url = url::Url::parse(text).map_err(|_| form())?;
    if url.password().is_some() {
        return Err(wrong(format!("a password in it is seen by everybody on this machine; set {variable}")));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?.to_owned();
    let port = url.port().unwrap_or(port);
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(Into::into).ok();
    let named = |text: &str| plain(text).filter(|text: &String| !text.is_empty());
    let name = format!("{kind} at {host}:{port}");
    Ok(Address {
        reach: DirectReach { host: Host::Tcp(host), port, name },
        user: named(url.username()),
        password: std::env::var(variable).unwrap_or_default(),
        database: named(url.path().trim_start_matches('/')),
    })
}

#[async_trait]
impl Reach for DirectReach {
    async fn dial(&self) -> io::Result<Box<dyn Connection>> {
        match &self.host {
            Host::Tcp(host) => {
                let stream = TcpStream::connect((host.as_str(), self.port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Host::Unix(path) => {
                Ok(Box::new(UnixStream::connect(path.join(format!(".s.PGSQL.{}", self.port))).await?))
            }
        }
    }

    async fn run(
        &self,
        argv: &[&str],
        environment: &[(&str, &str)],
        input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> io::Result<Output> {
        let [program, arguments @ ..] = argv else { return Err(io::ErrorKind::InvalidInput.into()) };
        let host = match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env("PGHOST", host)
            .env("PGPORT", self.port.to_string())
            .envs(environment.iter().copied())
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let (Some(mut stdin), Some(mut input)) = (stdin, input) {
            tokio::spawn(async move { tokio::io::copy(&mut input, &mut stdin).await });
        }
        let said = tokio::spawn(async move {
            let mut said = String::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.read_to_string(&mut said).await;
            }
            said
        });
        let stdout = stdout.ok_or_else(|| io::Error::other("it has no output"))?;
        let what = (*program).to_owned();
        // After its last byte comes its failure, where it failed.
        let end = futures::stream::once(async move {
            let status = child.wait().await?;
            if status.success() {
                return Ok(bytes::Bytes::new());
            }
            Err(io::Error::other(format!("`{what}` failed: {}", said.await.unwrap_or_default().trim())))
        });
        let blocks = futures::StreamExt::chain(ReaderStream::new(stdout), end);
        Ok(Box::new(StreamReader::new(Box::pin(blocks))))
    }

    fn name(&self) -> &str {
        &self.name
    }
}
