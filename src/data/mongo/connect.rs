//! Connects to a server over whatever reaches it, and says clearly why it could not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Database};

use super::error::{During, MongoError};
use crate::data::gate::Gate;
use crate::data::password::Password;
use crate::data::reach::Reach;

/// The newest major version that is known; a later one is used with a note.
const NEWEST: u32 = 8;
/// How long a server may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once.
const MOST_CONNECTIONS: u32 = 8;

/// Who to log in as. The user is one of database `admin`, as the official images make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Password,
}

/// What the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MongoDB.
    MongoDb,
    /// FerretDB, which speaks MongoDB's protocol over another database.
    FerretDb,
}

impl fmt::Display for Flavour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MongoDb => "MongoDB",
            Self::FerretDb => "FerretDB",
        })
    }
}

/// A server. Cheap to clone; its connections close with the last clone.
#[derive(Clone)]
pub struct Server {
    client: Client,
    inner: Arc<Inner>,
}

struct Inner {
    _gate: Gate,
    name: String,
    database: Option<String>,
    flavour: Flavour,
    release: String,
    major: u32,
    in_set: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({}, {} {})", self.name(), self.flavour(), self.release())
    }
}

impl Server {
    /// Connects and learns what the server is. All its databases are meant, or `database` alone.
    pub async fn connect(
        reach: Arc<dyn Reach>,
        credentials: Option<Credentials>,
        database: Option<String>,
    ) -> Result<Self, MongoError> {
        let name = reach.name().to_owned();
        let unreachable = |source| MongoError::Unreachable { store: name.clone(), source };
        // A client behind a gate sees why a store cannot be reached as a closed connection only.
        drop(reach.dial().await.map_err(unreachable)?);
        let gate = Gate::open(reach).map_err(unreachable)?;
        let user = credentials.as_ref().map(|credentials| credentials.user.clone());
        let client = Client::with_options(options(&gate, credentials))
            .map_err(|error| MongoError::Unknown { store: name.clone(), said: error.to_string() })?;
        let admin = client.database("admin");
        let ask = async |command: Document| {
            let said = admin.run_command(command).await;
            said.map_err(|error| refused(&name, user.as_deref(), &error))
        };
        let build = ask(doc! { "buildInfo": 1 }).await?;
        let hello = ask(doc! { "hello": 1 }).await?;
        if user.is_none() {
            ask(doc! { "listDatabases": 1, "nameOnly": true }).await?;
        }
        let ferret = build.get_str("ferretdbVersion").ok().or_else(|| {
            build.get_document("ferretdb").ok().and_then(|ferret| ferret.get_str("version").ok())
        });
        let version = build.get_str("version").unwrap_or_default().to_owned();
        let inner = Inner {
            _gate: gate,
            name: name.clone(),
            database: database.filter(|database| !database.is_empty()),
            flavour: if ferret.is_some() { Flavour::FerretDb } else { Flavour::MongoDb },
            major: version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0),
            release: ferret
                .filter(|release| *release != "unknown")
                .map_or(version, |release| release.trim_start_matches('v').to_owned()),
            in_set: hello.contains_key("setName")
                || hello.get_str("msg").is_ok_and(|what| what == "isdbgrid"),
        };
        Ok(Self { client: client.clone(), inner: Arc::new(inner) })
    }

    /// What it is.
    pub fn flavour(&self) -> Flavour {
        self.inner.flavour
    }

    /// The version in full: `7.0.15`. For FerretDB that of the protocol, where it does not tell its own.
    pub fn release(&self) -> &str {
        &self.inner.release
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The database that alone is meant; none where all are.
    pub fn database(&self) -> Option<&str> {
        self.inner.database.as_deref()
    }

    /// What to say about a version that nobody tried yet.
    pub fn note(&self) -> Option<String> {
        let newer = self.flavour() == Flavour::MongoDb && self.inner.major > NEWEST;
        newer.then(|| {
            format!(
                "{} is MongoDB {}, newer than all that are known (up to {NEWEST})",
                self.name(),
                self.release()
            )
        })
    }

    /// Whether it can be read as it was at one moment: members of replica sets and routers, from version 5 on.
    pub(super) fn has_moments(&self) -> bool {
        self.flavour() == Flavour::MongoDb && self.inner.in_set && self.inner.major >= 5
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn on(&self, database: &str) -> Database {
        self.client.database(database)
    }

    /// Runs a command on a database.
    pub(super) async fn run(
        &self,
        database: &str,
        command: Document,
        task: impl Into<String>,
    ) -> Result<Document, MongoError> {
        self.on(database).run_command(command).await.during(task)
    }
}

fn options(gate: &Gate, credentials: Option<Credentials>) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.hosts = vec![ServerAddress::Unix { path: gate.path() }];
    options.direct_connection = Some(true);
    options.app_name = Some("devcluster".to_owned());
    options.server_selection_timeout = Some(PATIENCE);
    options.connect_timeout = Some(PATIENCE);
    options.max_pool_size = Some(MOST_CONNECTIONS);
    // Standalone servers take none.
    options.retry_writes = Some(false);
    options.credential = credentials.map(|Credentials { user, password }| {
        let named = Credential::builder().username(user).password(password.reveal().to_owned());
        named.source("admin".to_owned()).build()
    });
    options
}

/// What a server that does not answer the first commands means by it.
fn refused(store: &str, user: Option<&str>, error: &Error) -> MongoError {
    let (store, said) = (store.to_owned(), error.to_string());
    match &*error.kind {
        ErrorKind::Authentication { message, .. } => {
            let user = user.unwrap_or_default().to_owned();
            MongoError::Refused { store, user, said: message.clone() }
        }
        // Unauthorized, AuthenticationFailed, and what FerretDB has for both.
        ErrorKind::Command(fault) if matches!(fault.code, 13 | 18) && user.is_none() => {
            MongoError::PasswordMissing(store)
        }
        ErrorKind::Command(fault) => MongoError::Server {
            task: format!("connecting to {store}"),
            said: fault.message.clone(),
            code: fault.code,
        },
        _ => MongoError::Unknown { store, said },
    }
}
