//! Connects to a server over whatever reaches it, and says clearly why it could not.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};

use super::error::{During, MysqlError, ServerFault, Shown};
use crate::data::gate::{Gate, Port};
use crate::data::password::Password;
use crate::data::reach::Reach;

/// The oldest MariaDB that is supported: the first whose RENAME TABLE is atomic.
pub const OLDEST_MARIADB: (u16, u16) = (10, 6);
/// The oldest MySQL that is supported: the first whose RENAME TABLE is atomic.
pub const OLDEST_MYSQL: (u16, u16) = (8, 0);
/// The newest majors that are known; later ones are used with a note.
const NEWEST_MARIADB: u16 = 12;
const NEWEST_MYSQL: u16 = 9;

/// What makes values come out and go in the same everywhere, and nothing time out.
const SETTINGS: &str = "SET NAMES utf8mb4, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', \
     autocommit = 1, foreign_key_checks = 1, unique_checks = 1, sql_quote_show_create = 1, wait_timeout = 86400, \
     net_read_timeout = 3600, net_write_timeout = 3600, SESSION TRANSACTION_ISOLATION = 'REPEATABLE-READ'";

/// Who connects, and to which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// The database.
    pub database: String,
}

/// Which of the two the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MySQL, and what is built of it without another name: Percona Server.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl fmt::Display for Flavour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A server and one database of it.
#[derive(Clone)]
pub struct Server {
    reach: Arc<dyn Reach>,
    credentials: Credentials,
    flavour: Flavour,
    release: String,
    version: (u16, u16),
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flavour, release, .. } = self;
        write!(out, "Server({}, `{}`, {flavour} {release})", self.reach.name(), self.credentials.database)
    }
}

/// A session. Dropped, its connection is closed, and the server gives up what it was doing for it: the driver alone would wait
/// for the end of that. So each has a way in of its own, which closes with it.
pub(in crate::data) struct Session(Conn, #[expect(dead_code, reason = "it is held for its end")] Way);

/// What a session's connection goes through.
#[expect(dead_code, reason = "both are held for their ends")]
enum Way {
    Socket(Gate),
    Port(Port),
}

impl Deref for Session {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

impl Session {
    /// Runs a statement.
    pub(super) async fn run(&mut self, statement: &str, task: &str) -> Result<(), MysqlError> {
        self.0.query_drop(statement).await.during(task)
    }

    /// Rows of a query.
    pub(super) async fn rows<T>(&mut self, query: &str, task: &str) -> Result<Vec<T>, MysqlError>
    where
        T: FromRow + Send + 'static,
    {
        self.0.query(query).await.during(task)
    }

    /// The first row of a query, where there is one.
    pub(super) async fn first<T>(&mut self, query: &str, task: &str) -> Result<Option<T>, MysqlError>
    where
        T: FromRow + Send + 'static,
    {
        self.0.query_first(query).await.during(task)
    }
}

impl Server {
    /// Connects to the database and learns the server's version.
    pub async fn connect(reach: Arc<dyn Reach>, credentials: Credentials) -> Result<Self, MysqlError> {
        // The driver tells less about a way that leads nowhere than a first try does.
        let tried = reach.dial().await;
        drop(tried.map_err(|source| MysqlError::Unreachable { store: reach.name().to_owned(), source })?);
        let (flavour, release, version) = (Flavour::MySql, String::new(), (0, 0));
        let mut server = Self { reach, credentials, flavour, release, version };
        let mut session = server.open(None).await?;
        server.learn(&mut session).await?;
        let query = format!(
            "SELECT count(*) FROM information_schema.schemata WHERE schema_name = {}",
            super::sql::literal(server.database())
        );
        let found: Option<u64> = session.first(&query, "looking for the database").await?;
        if found != Some(1) {
            let query = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN \
                 ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY 1";
            let known = session.rows(query, "looking for databases").await.unwrap_or_default();
            let (store, database) = (server.name().to_owned(), server.database().to_owned());
            return Err(MysqlError::NoDatabase { store, database, known });
        }
        Ok(server)
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.credentials.database
    }

    /// MySQL or MariaDB.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The version in full: `10.11.6-MariaDB-0+deb12u1`.
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
        let newest = match flavour {
            Flavour::MySql => NEWEST_MYSQL,
            Flavour::MariaDb => NEWEST_MARIADB,
        };
        (self.version.0 > newest).then(|| {
            format!("{} is {flavour} {release}, newer than all that are known (up to {newest})", self.name())
        })
    }

    pub(super) fn user(&self) -> &str {
        &self.credentials.user
    }

    /// A session in the database.
    pub(in crate::data) async fn session(&self) -> Result<Session, MysqlError> {
        self.session_in(self.database()).await
    }

    /// A session in another database of the server.
    pub(super) async fn session_in(&self, database: &str) -> Result<Session, MysqlError> {
        let mut session = self.open(Some(database)).await?;
        self.set_up(&mut session).await?;
        Ok(session)
    }

    /// A session in no database.
    pub(super) async fn outside(&self) -> Result<Session, MysqlError> {
        let mut session = self.open(None).await?;
        self.set_up(&mut session).await?;
        Ok(session)
    }

    async fn set_up(&self, session: &mut Session) -> Result<(), MysqlError> {
        let task = "setting up a session";
        // The isolation level's variable has a name of its own in MariaDB before 11.1.
        let settings = match self.flavour {
            Flavour::MySql => SETTINGS.to_owned(),
            Flavour::MariaDb => SETTINGS.replace("TRANSACTION_ISOLATION", "tx_isolation"),
        };
        session.run(&settings, task).await?;
        let limit = match self.flavour {
            Flavour::MySql => "SET SESSION max_execution_time = 0",
            Flavour::MariaDb => "SET SESSION max_statement_time = 0",
        };
        session.run(limit, task).await
    }

    async fn open(&self, database: Option<&str>) -> Result<Session, MysqlError> {
        let unreachable = |source| MysqlError::Unreachable { store: self.name().to_owned(), source };
        let gate = Gate::open(self.reach.clone()).map_err(unreachable)?;
        let options = self.options(database).socket(Some(gate.path().to_string_lossy()));
        let refused = match Conn::new(options).await {
            Err(mysql_async::Error::Server(fault)) if fault.code == 1045 => fault,
            Err(error) => return Err(self.refused(error)),
            Ok(connection) => return Ok(Session(connection, Way::Socket(gate))),
        };
        // The driver sends MySQL 8's `caching_sha2_password` as it is through a socket, which a server behind a network does
        // not take: there it wants it encrypted.
        let Ok(port) = Port::open(self.reach.clone()).await else { return Err(self.refused(refused.into())) };
        let options = self.options(database).ip_or_hostname("127.0.0.1").tcp_port(port.number());
        let connected = Conn::new(options.prefer_socket(false)).await;
        connected.map(|connection| Session(connection, Way::Port(port))).map_err(|error| self.refused(error))
    }

    fn options(&self, database: Option<&str>) -> OptsBuilder {
        let Credentials { user, password, .. } = &self.credentials;
        OptsBuilder::default()
            .user(Some(user.as_str()))
            .pass(Some(password.reveal()))
            .db_name(database)
            .stmt_cache_size(0)
            .connect_attribute("program_name", "devcluster")
    }

    fn refused(&self, error: mysql_async::Error) -> MysqlError {
        match error {
            mysql_async::Error::Server(fault) if [1044, 1045, 1698, 1130].contains(&fault.code) => {
                let (store, user) = (self.name().to_owned(), self.user().to_owned());
                MysqlError::Refused { store, user, fault: ServerFault::new(&fault, Shown::All) }
            }
            other => super::error::failed(other, format!("connecting to {}", self.name()), Shown::All),
        }
    }

    async fn learn(&mut self, session: &mut Session) -> Result<(), MysqlError> {
        let release: Option<String> =
            session.first("SELECT version()", "reading the server's version").await?;
        self.release = release.unwrap_or_default();
        let is_mariadb = self.release.to_ascii_lowercase().contains("mariadb");
        self.flavour = if is_mariadb { Flavour::MariaDb } else { Flavour::MySql };
        let mut numbers = self.release.split(['.', '-']).map_while(|part| part.parse().ok());
        self.version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let oldest = if is_mariadb { OLDEST_MARIADB } else { OLDEST_MYSQL };
        if self.version < oldest {
            let store = self.name().to_owned();
            let ((maria, minor), (mysql, second)) = (OLDEST_MARIADB, OLDEST_MYSQL);
            let supported = format!("MariaDB {maria}.{minor}, MySQL {mysql}.{second}");
            let found = format!("{} {}", self.flavour, self.release);
            return Err(MysqlError::Version { store, found, supported });
        }
        Ok(())
    }
}
