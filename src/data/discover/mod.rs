//! Finds the stores among production's objects, and what it takes to log in to each. Pure.

mod given;
mod known;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use self::given::variables;
use self::known::{Known, known, listens};
use crate::manifest::{Object, ObjectId};

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// PostgreSQL and what is made of it.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// Redis and Valkey.
    Redis,
    /// MongoDB and what speaks its protocol.
    Mongo,
    /// A claim's volume: files, whoever writes them.
    Volume,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Redis => "Redis",
            Self::Mongo => "MongoDB",
            Self::Volume => "volume",
        })
    }
}

/// A text that a container is given: written in the manifests, or kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// As it is written.
    Literal(String),
    /// A key of a Secret in the store's namespace.
    Secret {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// A key of a ConfigMap in the store's namespace.
    ConfigMap {
        /// The ConfigMap.
        name: String,
        /// The key.
        key: String,
    },
    /// A file in the container, as the official images take secrets (`POSTGRES_PASSWORD_FILE`).
    File(String),
}

/// A store that production runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Its kind.
    pub kind: StoreKind,
    /// What runs it.
    pub workload: ObjectId,
    /// The container.
    pub container: String,
    /// The port it listens on.
    pub port: u16,
    /// The user to log in as; none where there are no users.
    pub user: Option<Given>,
    /// That user's password; none where it needs none.
    pub password: Option<Given>,
    /// The database that the application uses; none where there is only one.
    pub database: Option<Given>,
}

impl Store {
    /// The volume of a claim.
    pub fn volume(namespace: &str, claim: &str) -> Self {
        Self {
            kind: StoreKind::Volume,
            workload: ObjectId {
                group: String::new(),
                kind: "PersistentVolumeClaim".into(),
                namespace: namespace.into(),
                name: claim.into(),
            },
            container: String::new(),
            port: 0,
            user: None,
            password: None,
            database: None,
        }
    }

    /// `shop/postgres`: what the configuration names it by; `pvc/shop/uploads` for a volume, as a workload may be called alike.
    pub fn name(&self) -> String {
        let kind = if self.kind == StoreKind::Volume { "pvc/" } else { "" };
        format!("{kind}{}/{}", self.workload.namespace, self.workload.name)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}/{}", self.kind, self.workload.namespace, self.workload.name)
    }
}

/// The stores among `objects`, in their order: what stays up, not what Jobs run.
pub fn stores(objects: &[Object]) -> Vec<Store> {
    let stays = |object: &&Object| !matches!(object.kind(), "Job" | "CronJob");
    objects.iter().filter(stays).flat_map(|object| of_workload(object, objects)).collect()
}

fn of_workload(object: &Object, objects: &[Object]) -> Vec<Store> {
    let containers = object.pod_template().and_then(|template| template.pointer("/spec/containers"));
    let containers = containers.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of = |container: &Value| {
        let known = known(container)?;
        let given = || variables(container, object.namespace(), objects);
        is_server(container, known).then(|| store(object, container, known, &given()))
    };
    containers.iter().filter_map(of).collect()
}

/// Whether a container runs the image's server. Many use a store's image for its client: with a command of its own it counts
/// only where it also says that it listens.
fn is_server(container: &Value, known: &Known) -> bool {
    container["command"].as_array().is_none_or(Vec::is_empty) || listens(container, known)
}

fn store(object: &Object, container: &Value, known: &Known, variables: &BTreeMap<String, Given>) -> Store {
    let given = |names: &[&str]| names.iter().find_map(|name| variables.get(*name).cloned());
    let or = |names: &[&str], default: Option<&str>| {
        given(names).or(default.map(|text| Given::Literal(text.into())))
    };
    let password = given(known.password).or_else(|| asked_for(container, variables));
    // Where root's password is made up by the image, the application's own user is left.
    let own = (given(&["MYSQL_USER", "MARIADB_USER"]), given(&["MYSQL_PASSWORD", "MARIADB_PASSWORD"]));
    let (user, password) = match own {
        (Some(user), Some(own)) if known.kind == StoreKind::MySql && password.is_none() => {
            (Some(user), Some(own))
        }
        _ => (or(known.user.0, known.user.1), password),
    };
    Store {
        kind: known.kind,
        workload: object.id(),
        container: container["name"].as_str().unwrap_or_default().to_owned(),
        port: port(container, known),
        user,
        password,
        database: or(known.database.0, known.database.1),
    }
}

/// The password that a Redis is started with: `--requirepass`, a variable's or as it is written.
fn asked_for(container: &Value, variables: &BTreeMap<String, Given>) -> Option<Given> {
    let lists = ["command", "args"].into_iter().filter_map(|list| container[list].as_array()).flatten();
    let words = lists.filter_map(Value::as_str).flat_map(str::split_whitespace);
    let word = words.skip_while(|word| *word != "--requirepass").nth(1)?;
    let plain = word.trim_matches(['"', '\'']);
    let Some(name) = plain.strip_prefix('$') else { return Some(Given::Literal(plain.to_owned())) };
    variables.get(name.trim_matches(['(', ')', '{', '}'])).cloned()
}

/// The port that the container names, where it names one that is the kind's own or the only one.
fn port(container: &Value, known: &Known) -> u16 {
    let ports = container["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ports: Vec<u16> =
        ports.iter().filter_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok()).collect();
    match ports.as_slice() {
        [only] => *only,
        _ => known.port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Origin;
    use serde_json::json;

    fn object(kind: &str, name: &str, containers: &Value) -> Object {
        let group = if matches!(kind, "Job" | "CronJob") { "batch/v1" } else { "apps/v1" };
        Object {
            value: json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "shop"},
                "spec": {"template": {"spec": {"containers": containers}}}}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        }
    }

    #[test]
    fn stores_are_known_by_their_images_and_told_apart_from_what_uses_them() {
        let secret = json!({"secretKeyRef": {"name": "database", "key": "password"}});
        let objects = [
            object(
                "StatefulSet",
                "orders",
                &json!([
                    {"name": "exporter", "image": "example.com/postgres-exporter:1"},
                    {"name": "db", "image": "example.com:5000/mirror/postgres:15@sha256:00", "ports": [{"containerPort": 6543}],
                     "env": [{"name": "POSTGRES_USER", "value": "shop"}, {"name": "POSTGRES_PASSWORD", "valueFrom": secret}]}
                ]),
            ),
            object("Job", "migrate", &json!([{"name": "migrate", "image": "postgres:15"}])),
            object(
                "Deployment",
                "reader",
                &json!([{"name": "psql", "image": "postgres", "command": ["psql"]}]),
            ),
            object(
                "Deployment",
                "cache",
                &json!([{"name": "redis", "image": "redis", "command": ["redis-server"], "ports": [{"containerPort": 6379}],
                    "args": ["/etc/redis.conf", "--requirepass", "$(CACHE_PASSWORD)"], "env": [{"name": "CACHE_PASSWORD", "value": "x"}]}]),
            ),
            object(
                "StatefulSet",
                "legacy",
                &json!([{"name": "my", "image": "docker.io/library/mariadb:10.11",
                    "env": [{"name": "MARIADB_ROOT_PASSWORD_FILE", "value": "/run/secret"}]}]),
            ),
        ];
        let found = stores(&objects);
        let names: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["PostgreSQL shop/orders", "Redis shop/cache", "MySQL shop/legacy"]);
        let orders = &found[0];
        assert_eq!((orders.container.as_str(), orders.port), ("db", 6543));
        assert_eq!(orders.user, Some(Given::Literal("shop".into())));
        assert_eq!(
            orders.database,
            Some(Given::Literal("shop".into())),
            "as the image has it, the user's name"
        );
        assert_eq!(orders.password, Some(Given::Secret { name: "database".into(), key: "password".into() }));
        assert_eq!((found[1].port, &found[1].password), (6379, &Some(Given::Literal("x".into()))));
        assert_eq!(found[2].password, Some(Given::File("/run/secret".into())));
    }

    #[test]
    fn an_image_of_ones_own_is_known_by_port_and_volume_and_what_it_takes_whole() {
        let plain = |kind: &str, name: &str, value: Value| Object {
            value: json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"},
                (if kind == "Secret" { "stringData" } else { "data" }): value}),
            origin: Origin { source: String::new(), file: None, line: 0 },
        };
        let container = |mount: &str| {
            json!([{"name": "db", "image": "example.com/team/accounts-db:2", "ports": [{"containerPort": 5432}],
                "volumeMounts": [{"name": "data", "mountPath": mount}],
                "envFrom": [{"configMapRef": {"name": "accounts"}}, {"secretRef": {"name": "accounts"}, "prefix": "POSTGRES_"},
                    {"configMapRef": {"name": "elsewhere", "optional": true}}],
                "env": [{"name": "POSTGRES_DB", "value": "own"}]}])
        };
        let objects = [
            plain("ConfigMap", "accounts", json!({"POSTGRES_USER": "admin", "POSTGRES_DB": "accounts"})),
            plain("Secret", "accounts", json!({"PASSWORD": "never shown"})),
            object("StatefulSet", "accounts", &container("/var/lib/postgresql/data")),
            object("Deployment", "proxy", &container("/var/lib/postgresql-proxy")),
        ];
        let [store] = stores(&objects).try_into().unwrap();
        assert_eq!((store.to_string().as_str(), store.port), ("PostgreSQL shop/accounts", 5432));
        let key = |key: &str| ("accounts".to_owned(), key.to_owned());
        let (name, user) = key("POSTGRES_USER");
        assert_eq!(store.user, Some(Given::ConfigMap { name, key: user }));
        let (name, password) = key("PASSWORD");
        assert_eq!(store.password, Some(Given::Secret { name, key: password }));
        assert_eq!(store.database, Some(Given::Literal("own".into())), "its own variables go before");
    }
}
