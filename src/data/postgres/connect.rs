//! Connects to a server over whatever reaches it, and says clearly why it could not.

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::error::{During, PostgresError, ServerFault, Shown};
use crate::data::password::Password;
use crate::data::reach::Reach;

/// The oldest version that is supported, and the newest that was tried.
pub const OLDEST: u32 = 12;
/// The newest version that is known; a later one is used with a note.
pub const NEWEST: u32 = 18;

/// Databases that every server has, to connect to where the target itself must not be.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// What makes values come out the same everywhere, and nothing time out.
const SETTINGS: &str = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; \
     SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = content; SET lc_monetary = 'C'; \
     SET standard_conforming_strings = on; SET synchronize_seqscans = off; SET statement_timeout = 0; \
     SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off; \
     SET client_min_messages = warning; SELECT pg_catalog.set_config('search_path', '', false)";

/// Who connects, and to which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// The database.
    pub database: String,
}

/// A server and one database of it.
#[derive(Clone)]
pub struct Server {
    reach: Arc<dyn Reach>,
    credentials: Credentials,
    version: u32,
    release: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({}, `{}`, {})", self.reach.name(), self.credentials.database, self.release)
    }
}

/// A session. Dropped, whatever it was doing is given up, and its transaction rolled back.
pub(in crate::data) struct Session {
    client: Client,
    task: JoinHandle<()>,
}

impl std::ops::Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Connects to the database and learns the server's version.
    pub async fn connect(reach: Arc<dyn Reach>, credentials: Credentials) -> Result<Self, PostgresError> {
        let mut server = Self { reach, credentials, version: 0, release: String::new() };
        let session = match server.open(&server.credentials.database).await {
            Err(error) if error.is(&SqlState::UNDEFINED_DATABASE) => return Err(server.no_database().await),
            opened => opened?,
        };
        server.learn(&session).await?;
        Ok(server)
    }

    /// As [`Server::connect`]; the database need not exist yet.
    pub async fn connect_before(
        reach: Arc<dyn Reach>,
        credentials: Credentials,
    ) -> Result<Self, PostgresError> {
        let mut server = Self { reach, credentials, version: 0, release: String::new() };
        let session = server.maintenance().await?;
        server.learn(&session).await?;
        Ok(server)
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.credentials.database
    }

    /// The major version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The version in full: `15.9 (Debian 15.9-0+deb12u1)`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        self.reach.name()
    }

    /// What to say about a version that nobody tried yet.
    pub fn note(&self) -> Option<String> {
        let (store, release) = (self.name(), &self.release);
        (self.version > NEWEST).then(|| {
            format!("{store} is PostgreSQL {release}, newer than all that were tried (up to {NEWEST})")
        })
    }

    pub(super) fn reach(&self) -> &dyn Reach {
        &*self.reach
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A session in the database.
    pub(in crate::data) async fn session(&self) -> Result<Session, PostgresError> {
        self.session_in(&self.credentials.database).await
    }

    /// A session in another database of the server.
    pub(super) async fn session_in(&self, database: &str) -> Result<Session, PostgresError> {
        let session = self.open(database).await?;
        session.batch_execute(SETTINGS).await.during("setting up a session")?;
        if self.version >= 14 {
            // Where the server's system can tell, a session ends soon after its client is gone.
            let check = session.batch_execute("SET client_connection_check_interval = '1s'").await;
            drop(check);
        }
        Ok(session)
    }

    /// A session from which the database itself can be renamed.
    pub(super) async fn maintenance(&self) -> Result<Session, PostgresError> {
        let mut last = PostgresError::Stopped("connecting");
        for database in MAINTENANCE.into_iter().filter(|name| *name != self.credentials.database) {
            match self.session_in(database).await {
                Err(error @ PostgresError::Server { .. }) => last = error,
                opened => return opened,
            }
        }
        Err(last)
    }

    async fn open(&self, database: &str) -> Result<Session, PostgresError> {
        let store = || self.reach.name().to_owned();
        let stream = self.reach.dial().await;
        let stream = stream.map_err(|source| PostgresError::Unreachable { store: store(), source })?;
        let Credentials { user, password, .. } = &self.credentials;
        let mut config = Config::new();
        config.user(user).password(password.reveal()).dbname(database).application_name("devcluster");
        let refused = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(fault) if fault.code().code().starts_with("28") => {
                let fault = Box::new(ServerFault::new(fault, Shown::All));
                PostgresError::Refused { store: store(), user: user.clone(), fault }
            }
            Some(_) => Err::<(), _>(error)
                .during(format!("connecting to {}", store()))
                .err()
                .unwrap_or(PostgresError::Stopped("connecting")),
            None => PostgresError::Connection { task: format!("connecting to {}", store()), source: error },
        };
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(refused)?;
        // How a connection ended is what the statement on it fails with.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Session { client, task })
    }

    async fn learn(&mut self, session: &Session) -> Result<(), PostgresError> {
        let row = session
            .query_one(
                "SELECT current_setting('server_version_num')::int4, current_setting('server_version')",
                &[],
            )
            .await
            .during("reading the server's version")?;
        self.version = u32::try_from(row.get::<_, i32>(0)).unwrap_or(0) / 10_000;
        self.release = row.get(1);
        if self.version < OLDEST {
            let store = self.reach.name().to_owned();
            return Err(PostgresError::Version { store, found: self.release.clone(), oldest: OLDEST });
        }
        Ok(())
    }

    async fn no_database(&self) -> PostgresError {
        let mut known = Vec::new();
        if let Ok(session) = self.maintenance().await {
            let query = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1";
            let rows = session.query(query, &[]).await.unwrap_or_default();
            known = rows.iter().map(|row| row.get(0)).collect();
        }
        let (store, database) = (self.reach.name().to_owned(), self.credentials.database.clone());
        PostgresError::NoDatabase { store, database, known }
    }
}
