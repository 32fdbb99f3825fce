//! What is known of each kind of store: its images, port, variables and where it keeps its data.

use serde_json::Value;

use super::StoreKind;

/// What is known of a kind of store by the images that run it.
pub(super) struct Known {
    pub(super) kind: StoreKind,
    /// Last parts of repositories.
    images: &'static [&'static str],
    /// Where the images have their volume.
    directories: &'static [&'static str],
    pub(super) port: u16,
    /// Variables, the first that is set counts; then what stands where none is.
    pub(super) user: (&'static [&'static str], Option<&'static str>),
    pub(super) password: &'static [&'static str],
    pub(super) database: (&'static [&'static str], Option<&'static str>),
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
        directories: &["/var/lib/postgresql", "/bitnami/postgresql", "/home/postgres/pgdata"],
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
        directories: &["/var/lib/mysql", "/bitnami/mysql", "/bitnami/mariadb"],
        port: 3306,
        user: (&[], Some("root")),
        password: &["MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD"],
        database: (&["MYSQL_DATABASE", "MARIADB_DATABASE"], None),
    },
    Known {
        kind: StoreKind::Redis,
        images: &["redis", "valkey", "redis-stack-server", "keydb"],
        directories: &["/data", "/bitnami/redis/data", "/bitnami/valkey/data"],
        port: 6379,
        user: (&[], None),
        password: &["REDIS_PASSWORD", "VALKEY_PASSWORD", "REDISCLI_AUTH"],
        database: (&[], None),
    },
    Known {
        kind: StoreKind::Mongo,
        images: &["mongo", "mongodb", "ferretdb"],
        directories: &["/data/db", "/bitnami/mongodb"],
        port: 27017,
        user: (&["MONGO_INITDB_ROOT_USERNAME", "MONGODB_ROOT_USER"], None),
        password: &["MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD"],
        database: (&["MONGO_INITDB_DATABASE", "MONGODB_DATABASE"], None),
    },
];

/// What is known of what a container runs: by the last part of its image's repository, or, as teams give their own images
/// their own names, by a volume where a kind has its data and the port it listens on.
pub(super) fn known(container: &Value) -> Option<&'static Known> {
    let image = container["image"].as_str()?;
    let name = image.split('@').next()?.rsplit('/').next()?;
    let name = name.split(':').next()?;
    let by_name = KNOWN.iter().find(|known| known.images.contains(&name));
    by_name.or_else(|| KNOWN.iter().find(|known| keeps_data(container, known) && listens(container, known)))
}

/// Whether a container says that it listens on the kind's port.
pub(super) fn listens(container: &Value, known: &Known) -> bool {
    let ports = container["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().any(|port| port["containerPort"].as_u64() == Some(known.port.into()))
}

fn keeps_data(container: &Value, known: &Known) -> bool {
    let mounts = container["volumeMounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let within = |path: &str, directory: &&str| {
        path.strip_prefix(*directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str())
        .any(|path| known.directories.iter().any(|directory| within(path, directory)))
}
