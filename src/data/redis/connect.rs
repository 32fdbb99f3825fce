//! Connects to a server over whatever reaches it, and says clearly why it could not.

use std::fmt;
use std::sync::Arc;

use super::error::RedisError;
use super::wire::{Link, Reply};
use crate::data::password::Password;
use crate::data::reach::Reach;

/// The newest major version that is known, of either flavour; a later one is used with a note.
const NEWEST: u32 = 8;

/// Which of the two the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Redis.
    Redis,
    /// Valkey, which went its own way after Redis 7.2.
    Valkey,
}

impl fmt::Display for Flavour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        })
    }
}

/// A server.
#[derive(Clone)]
pub struct Server {
    reach: Arc<dyn Reach>,
    user: Option<String>,
    password: Option<Password>,
    flavour: Flavour,
    release: String,
    major: u32,
    run: String,
    is_cluster: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({}, {} {})", self.reach.name(), self.flavour, self.release)
    }
}

impl Server {
    /// Connects and learns the server's version.
    pub async fn connect(
        reach: Arc<dyn Reach>,
        user: Option<String>,
        password: Option<Password>,
    ) -> Result<Self, RedisError> {
        let (flavour, release, run) = (Flavour::Redis, String::new(), String::new());
        let mut server = Self { reach, user, password, flavour, release, major: 0, run, is_cluster: false };
        let mut link = server.link().await?;
        let task = "reading the server's version";
        let text = match link.reply(task, &[b"INFO", b"server"]).await? {
            Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Reply::Fault(said) if said.starts_with("NOAUTH") => {
                return Err(RedisError::PasswordMissing(server.name().to_owned()));
            }
            Reply::Fault(said) => return Err(RedisError::Server { task: task.to_owned(), said }),
            _ => return Err(RedisError::protocol(task, "the reply is no text")),
        };
        server.learn(&text)?;
        Ok(server)
    }

    /// Redis or Valkey.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The version in full: `7.0.15`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        self.reach.name()
    }

    /// What to say about a version that nobody tried yet.
    pub fn note(&self) -> Option<String> {
        let Self { flavour, release, .. } = self;
        let newer = self.major > NEWEST;
        newer.then(|| {
            format!("{} is {flavour} {release}, newer than all that are known (up to {NEWEST})", self.name())
        })
    }

    /// How many keys it has, in all databases.
    pub async fn keys(&self) -> Result<u64, RedisError> {
        Ok(super::spare::keyspace(&mut self.link().await?).await?.values().sum())
    }

    /// Whether it has functions.
    pub(super) fn has_functions(&self) -> bool {
        self.major >= 7
    }

    /// Whether it is a cluster's node, which has one database only.
    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// What names this run of the server: another after each start.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// A connection of its own, let in.
    pub(super) async fn link(&self) -> Result<Link, RedisError> {
        let store = || self.reach.name().to_owned();
        let stream = self.reach.dial().await;
        let mut link =
            Link::new(stream.map_err(|source| RedisError::Unreachable { store: store(), source })?);
        let Some(password) = self.password.as_ref().map(Password::reveal) else { return Ok(link) };
        let words: Vec<&[u8]> = match &self.user {
            Some(user) => vec![b"AUTH", user.as_bytes(), password.as_bytes()],
            None => vec![b"AUTH", password.as_bytes()],
        };
        match link.reply(&format!("connecting to {}", store()), &words).await? {
            Reply::Fault(said) => {
                let user = self.user.clone().unwrap_or_else(|| "default".to_owned());
                Err(RedisError::Refused { store: store(), user, said })
            }
            _ => Ok(link),
        }
    }

    fn learn(&mut self, info: &str) -> Result<(), RedisError> {
        let valkey = field(info, "valkey_version");
        self.flavour = if valkey.is_some() { Flavour::Valkey } else { Flavour::Redis };
        self.release = valkey.or_else(|| field(info, "redis_version")).map(str::to_owned).unwrap_or_default();
        self.major = self.release.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        self.run = field(info, "run_id").map(str::to_owned).unwrap_or_default();
        self.is_cluster =
            field(info, "redis_mode") == Some("cluster") || field(info, "server_mode") == Some("cluster");
        if self.major < 6 {
            let found =
                format!("{} {}", self.flavour, if self.major == 0 { "of no version" } else { &self.release });
            return Err(RedisError::Version { store: self.name().to_owned(), found });
        }
        Ok(())
    }
}

/// A field of what INFO says.
pub(super) fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
