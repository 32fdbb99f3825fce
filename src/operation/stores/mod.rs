//! The stores of the system: found among production's objects, logged in to with what their containers are given.

pub mod direct;
pub mod elsewhere;
pub mod masking;
pub(super) mod meter;
pub mod mongo_store;
pub mod mysql_store;
pub(super) mod node_reach;
pub mod outcome;
pub mod reach;
pub mod users;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::io::AsyncReadExt;

use self::reach::ClusterReach;
use crate::data::discover::{self, Given, Store, StoreKind};
use crate::data::password::Password;
use crate::data::postgres::{Credentials, Server};
use crate::data::reach::Reach;
use crate::data::{mongo, mysql, redis};
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::session::Existing;
use crate::operation::snapshots::claims;

/// The stores of the system, in the order of the manifests.
pub fn all(desired: &Desired) -> Vec<Store> {
    discover::stores(&desired.rendered.objects)
}

/// The store called `name` (`NAMESPACE/NAME`), or the only one of a kind that can do what is asked.
pub fn choose(desired: &Desired, name: Option<&str>) -> Result<Store, OperationError> {
    let all = all(desired);
    let Some(name) = name else {
        let mut postgres = all.iter().filter(|store| store.kind == StoreKind::Postgres);
        return match (postgres.next(), postgres.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(OperationError::NoStore { help: names(&all) }),
            (Some(_), Some(_)) => Err(OperationError::WhichStore { help: names(&all) }),
        };
    };
    of_name(&desired.rendered.objects, &all, name)
}

/// The store among `stores`, or the volume, that is called so.
pub fn of_name(objects: &[Object], stores: &[Store], name: &str) -> Result<Store, OperationError> {
    if let Some(volume) = claims::named(objects, stores, name) {
        return Ok(volume);
    }
    named(stores, name).map_err(|error| match error {
        OperationError::UnknownStore { name, help } => {
            OperationError::UnknownStore { name, help: help + &claims::shown(objects) }
        }
        error => error,
    })
}

/// The one of `stores` that is called so.
pub fn named(stores: &[Store], name: &str) -> Result<Store, OperationError> {
    let found = stores.iter().find(|store| store.name() == name);
    found.cloned().ok_or_else(|| OperationError::UnknownStore { name: name.to_owned(), help: names(stores) })
}

fn names(stores: &[Store]) -> String {
    if stores.is_empty() {
        return "the manifests run no store that is known".into();
    }
    let names: Vec<String> =
        stores.iter().map(|store| format!("{} ({})", store.name(), store.kind)).collect();
    format!("the manifests run {}", names.join(", "))
}

/// A PostgreSQL store in the cluster, logged in to.
pub async fn postgres(existing: &Existing, store: &Store) -> Result<Server, OperationError> {
    postgres_of(&existing.cluster.client, store).await
}

/// A PostgreSQL store of whichever cluster, logged in to.
pub async fn postgres_of(client: &Client, store: &Store) -> Result<Server, OperationError> {
    let credentials = postgres_credentials(client, store).await?;
    Ok(Server::connect(way(client, store).0, credentials).await?)
}

/// What it takes to log in to a PostgreSQL store.
pub async fn postgres_credentials(client: &Client, store: &Store) -> Result<Credentials, OperationError> {
    if store.kind != StoreKind::Postgres {
        return Err(OperationError::OtherStore { store: store.to_string() });
    }
    let (_, lookup) = way(client, store);
    let user = lookup.text(store.user.as_ref()).await?.unwrap_or_else(|| "postgres".into());
    let password = lookup.text(store.password.as_ref()).await?.unwrap_or_default();
    let database = lookup.text(store.database.as_ref()).await?.unwrap_or_else(|| user.clone());
    Ok(Credentials { user, password: Password::new(password), database })
}

/// A MySQL or MariaDB store of whichever cluster, logged in to.
pub async fn mysql_of(client: &Client, store: &Store) -> Result<mysql::Server, OperationError> {
    let (reach, lookup) = way(client, store);
    let user = lookup.text(store.user.as_ref()).await?.unwrap_or_else(|| "root".into());
    let password = Password::new(lookup.text(store.password.as_ref()).await?.unwrap_or_default());
    let database = lookup.text(store.database.as_ref()).await?;
    let database = database.ok_or_else(|| OperationError::NoDatabase { store: store.to_string() })?;
    Ok(mysql::Server::connect(reach, mysql::Credentials { user, password, database }).await?)
}

/// A MongoDB store of whichever cluster, logged in to. All its databases are meant: the variable that names one names but
/// where the image's own scripts run.
pub async fn mongo_of(client: &Client, store: &Store) -> Result<mongo::Server, OperationError> {
    let (reach, lookup) = way(client, store);
    let user = lookup.text(store.user.as_ref()).await?;
    let password = Password::new(lookup.text(store.password.as_ref()).await?.unwrap_or_default());
    let credentials = user.map(|user| mongo::Credentials { user, password });
    Ok(mongo::Server::connect(reach, credentials, None).await?)
}

/// A Redis store in the cluster, logged in to.
pub async fn redis(existing: &Existing, store: &Store) -> Result<redis::Server, OperationError> {
    let (reach, lookup) = way(&existing.cluster.client, store);
    let user = lookup.text(store.user.as_ref()).await?;
    let password = lookup.text(store.password.as_ref()).await?.map(Password::new);
    Ok(redis::Server::connect(reach, user, password).await?)
}

fn way<'a>(client: &'a Client, store: &'a Store) -> (Arc<dyn Reach>, Lookup<'a>) {
    let reach: Arc<dyn Reach> = Arc::new(ClusterReach::new(client.clone(), store.clone()));
    (reach.clone(), Lookup { client, store, reach })
}

/// Finds what a store's container is given.
struct Lookup<'a> {
    client: &'a Client,
    store: &'a Store,
    reach: Arc<dyn Reach>,
}

impl Lookup<'_> {
    async fn text(&self, given: Option<&Given>) -> Result<Option<String>, OperationError> {
        let namespace = &self.store.workload.namespace;
        let missing = |what: String| OperationError::NoCredentials { store: self.store.to_string(), what };
        match given {
            None => Ok(None),
            Some(Given::Literal(text)) => Ok(Some(text.clone())),
            Some(Given::Secret { name, key }) => {
                let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
                let what = || format!("key {key} of Secret {namespace}/{name}");
                let found = api
                    .get_opt(name)
                    .await
                    .map_err(|error| OperationError::request(format!("read {}", what()), error))?;
                let bytes =
                    found.and_then(|secret| secret.data?.remove(key)).ok_or_else(|| missing(what()))?;
                String::from_utf8(bytes.0).map(Some).map_err(|_| missing(what() + ", which is not text"))
            }
            Some(Given::ConfigMap { name, key }) => {
                let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
                let what = || format!("key {key} of ConfigMap {namespace}/{name}");
                let found = api
                    .get_opt(name)
                    .await
                    .map_err(|error| OperationError::request(format!("read {}", what()), error))?;
                found.and_then(|map| map.data?.remove(key)).map(Some).ok_or_else(|| missing(what()))
            }
            Some(Given::File(path)) => {
                let read = async {
                    let mut text = String::new();
                    self.reach.run(&["cat", path], &[], None).await?.read_to_string(&mut text).await?;
                    Ok::<_, std::io::Error>(text)
                };
                let text = read.await.map_err(|error| missing(format!("file {path}: {error}")))?;
                Ok(Some(text.trim_end_matches('\n').to_owned()))
            }
        }
    }
}
