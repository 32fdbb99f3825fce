//! Databases outside the project's cluster, named by an address or a context of kubeconfig: what comes from them counts as
//! personal.

use std::sync::Arc;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::direct;
use crate::data::discover::{Store, StoreKind};
use crate::data::password::Password;
use crate::data::{mongo, mysql, postgres};
use crate::operation::error::OperationError;
use crate::operation::session::Existing;
use crate::operation::stores;

/// The variables that have the passwords: PostgreSQL's and MySQL's own, and one for MongoDB, whose programs have none.
const MYSQL_PASSWORD: &str = "MYSQL_PWD";
const MONGO_PASSWORD: &str = "MONGODB_PASSWORD";

/// A database, logged in to.
pub enum Elsewhere {
    /// A PostgreSQL.
    Postgres(postgres::Server),
    /// A MySQL or MariaDB.
    MySql(mysql::Server),
    /// A MongoDB.
    Mongo(mongo::Server),
}

impl Elsewhere {
    /// By its address. `None` where the text is none, but may be a context's name.
    pub async fn address(text: &str) -> Result<Option<Self>, OperationError> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(None) };
        Ok(Some(match scheme {
            "postgres" | "postgresql" => {
                let (reach, credentials) = direct::address(text)?;
                Self::Postgres(postgres::Server::connect(Arc::new(reach), credentials).await?)
            }
            "mysql" | "mariadb" => {
                let parts = direct::parts(text, "MySQL", 3306, MYSQL_PASSWORD)?;
                let missing = |what: &str| OperationError::Address { reason: format!("it names no {what}") };
                let credentials = mysql::Credentials {
                    user: parts.user.ok_or_else(|| missing("user"))?,
                    password: Password::new(parts.password),
                    database: parts.database.ok_or_else(|| missing("database"))?,
                };
                Self::MySql(mysql::Server::connect(Arc::new(parts.reach), credentials).await?)
            }
            "mongodb" => {
                let parts = direct::parts(text, "MongoDB", 27017, MONGO_PASSWORD)?;
                let password = Password::new(parts.password);
                let credentials = parts.user.map(|user| mongo::Credentials { user, password });
                Self::Mongo(mongo::Server::connect(Arc::new(parts.reach), credentials, parts.database).await?)
            }
            other => {
                let reason = format!("`{other}` is none of postgres, mysql and mongodb");
                return Err(OperationError::Address { reason });
            }
        }))
    }

    /// The store of the manifests as another cluster runs it, through that cluster's API server.
    pub async fn context(name: &str, store: &Store) -> Result<Self, OperationError> {
        let failed = |reason: String| OperationError::Context { name: name.to_owned(), reason };
        let kubeconfig = Kubeconfig::read().map_err(|error| failed(error.to_string()))?;
        let options = KubeConfigOptions { context: Some(name.to_owned()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options);
        let config = config.await.map_err(|error| failed(error.to_string()))?;
        let client = Client::try_from(config).map_err(|error| failed(error.to_string()))?;
        let what = "what is not masked cannot be taken from another cluster";
        let unable = || OperationError::Unable { store: store.to_string(), what };
        Self::of(&client, store).await?.ok_or_else(unable)
    }

    /// A store of the project's own cluster.
    pub async fn own(existing: &Existing, store: &Store) -> Result<Self, OperationError> {
        let what = "it is no database of tables or documents";
        let unable = || OperationError::Unable { store: store.to_string(), what };
        Self::of(&existing.cluster.client, store).await?.ok_or_else(unable)
    }

    async fn of(client: &Client, store: &Store) -> Result<Option<Self>, OperationError> {
        Ok(Some(match store.kind {
            StoreKind::Postgres => Self::Postgres(stores::postgres_of(client, store).await?),
            StoreKind::MySql => Self::MySql(stores::mysql_of(client, store).await?),
            StoreKind::Mongo => Self::Mongo(stores::mongo_of(client, store).await?),
            StoreKind::Redis | StoreKind::Volume => return Ok(None),
        }))
    }

    /// What its streams begin with.
    pub fn prefix(&self) -> String {
        match self {
            Self::Postgres(server) => format!("postgres/{}", server.database()),
            Self::MySql(server) => format!("mysql/{}", server.database()),
            Self::Mongo(server) => format!("mongo/elsewhere/{}", server.database().unwrap_or("all")),
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Postgres(server) => server.name(),
            Self::MySql(server) => server.name(),
            Self::Mongo(server) => server.name(),
        }
    }
}
