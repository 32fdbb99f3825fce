//! Finds the stores among production's objects, and what it takes to log in to each. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

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

/// What is known of a kind of store by the images that run it.
struct Known {
    kind: StoreKind,
    /// Last parts of repositories.
    images: &'static [&'static str],
    port: u16,
    /// Variables, the first that is set counts; then what stands where none is.
    user: (&'static [&'static str], Option<&'static str>),
    password: &'static [&'static str],
    database: (&'static [&'static str], Option<&'static str>),
}

/// The official images, Bitnami's, and those made of them.
const KNOWN: [Known; 4] = [
    Known {
        kind: StoreKind::Postgres,
        images: &[
            "postgres",
            "postgresql",
            "postgis",
            "pgvector",
            "timescaledb",
            "timescaledb-ha",
            "spilo-15",
        ],
        port: 5432,
        user: (&["POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER"], Some("postgres")),
        password: &["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"],
        database: (
            &["POSTGRES_DB", "POSTGRESQL_DATABASE", "POSTGRES_USER", "POSTGRESQL_USERNAME"],
            Some("postgres"),
        ),
    },
    Known {
        kind: StoreKind::MySql,
        images: &["mysql", "mariadb", "percona", "percona-server"],
        port: 3306,
        user: (&[], Some("root")),
        password: &["MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD"],
        database: (&["MYSQL_DATABASE", "MARIADB_DATABASE"], None),
    },
    Known {
        kind: StoreKind::Redis,
        images: &["redis", "valkey", "redis-stack-server", "keydb"],
        port: 6379,
        user: (&[], None),
        password: &["REDIS_PASSWORD", "VALKEY_PASSWORD", "REDISCLI_AUTH"],
        database: (&[], None),
    },
    Known {
        kind: StoreKind::Mongo,
        images: &["mongo", "mongodb", "ferretdb"],
        port: 27017,
        user: (&["MONGO_INITDB_ROOT_USERNAME", "MONGODB_ROOT_USER"], None),
        password: &["MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD"],
        database: (&["MONGO_INITDB_DATABASE", "MONGODB_DATABASE"], None),
    },
];

/// The stores among `objects`, in their order: what stays up, not what Jobs run.
pub fn stores(objects: &[Object]) -> Vec<Store> {
    let stays = |object: &&Object| !matches!(object.kind(), "Job" | "CronJob");
    objects.iter().filter(stays).flat_map(of_workload).collect()
}

fn of_workload(object: &Object) -> Vec<Store> {
    let containers = object.pod_template().and_then(|template| template.pointer("/spec/containers"));
    let containers = containers.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of = |container: &Value| {
        let known = known(container["image"].as_str()?)?;
        is_server(container, known).then(|| store(object, container, known))
    };
    containers.iter().filter_map(of).collect()
}

/// Whether a container runs the image's server. Many use a store's image for its client: with a command of its own it counts
/// only where it also says that it listens.
fn is_server(container: &Value, known: &Known) -> bool {
    let ports = container["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let listens = ports.iter().any(|port| port["containerPort"].as_u64() == Some(known.port.into()));
    container["command"].as_array().is_none_or(Vec::is_empty) || listens
}

/// What is known of an image: by the last part of its repository.
fn known(image: &str) -> Option<&'static Known> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let name = name.split(':').next()?;
    KNOWN.iter().find(|known| known.images.contains(&name))
}

fn store(object: &Object, container: &Value, known: &Known) -> Store {
    let variables = variables(container);
    let given = |names: &[&str]| names.iter().find_map(|name| variables.get(*name).cloned());
    let or = |names: &[&str], default: Option<&str>| {
        given(names).or(default.map(|text| Given::Literal(text.into())))
    };
    let password = given(known.password).or_else(|| asked_for(container, &variables));
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

/// A container's own variables. `NAME_FILE` stands for `NAME`, where that is not there.
fn variables(container: &Value) -> BTreeMap<String, Given> {
    let mut all = BTreeMap::new();
    let mut files = BTreeMap::new();
    for variable in container["env"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some(name) = variable["name"].as_str() else { continue };
        let reference = |kind: &str| {
            let at = variable.pointer(&format!("/valueFrom/{kind}"))?;
            Some((at["name"].as_str()?.to_owned(), at["key"].as_str()?.to_owned()))
        };
        let given = if let Some(text) = variable["value"].as_str() {
            if let Some(stem) = name.strip_suffix("_FILE") {
                files.insert(stem.to_owned(), Given::File(text.to_owned()));
                continue;
            }
            Given::Literal(text.to_owned())
        } else if let Some((name, key)) = reference("secretKeyRef") {
            Given::Secret { name, key }
        } else if let Some((name, key)) = reference("configMapKeyRef") {
            Given::ConfigMap { name, key }
        } else {
            continue;
        };
        all.insert(name.to_owned(), given);
    }
    for (name, file) in files {
        all.entry(name).or_insert(file);
    }
    all
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
}
