//! Takes a snapshot of whichever kind of store.

use super::elsewhere::Elsewhere;
use super::error::OperationError;
use super::outcome::Taken;
use super::session::{Existing, Session};
use super::snapshot_create::{self, Part, Taking};
use super::{snapshot_load, snapshot_redis, store_mongo, store_mysql, stores};
use crate::data::discover::{Store, StoreKind};
use crate::data::snapshot::SnapshotName;
use crate::event::Event;

/// What is asked for.
pub struct Request<'a> {
    /// The snapshot's name.
    pub name: SnapshotName,
    /// Whether a snapshot of that name makes way.
    pub replace: bool,
    /// Which rows.
    pub part: &'a Part,
    /// Is shown which rows would be taken, where not all are.
    pub show: &'a dyn Fn(&str),
}

/// Why a store of another kind gives no part.
const WHOLE: &str = "it is taken whole: --where and --percent are for PostgreSQL, MySQL and MariaDB";

/// Takes one of a store of the cluster, as it is. Volumes are taken by [`super::snapshot_volume`].
pub async fn own(
    session: &Session,
    existing: &Existing,
    store: &Store,
    request: Request<'_>,
) -> Result<Taken, OperationError> {
    if !matches!(store.kind, StoreKind::Postgres | StoreKind::MySql) && !request.part.is_whole() {
        return Err(OperationError::Unable { store: store.to_string(), what: WHOLE });
    }
    let Request { name, replace, part, show } = request;
    session.reporter.report(Event::Started { step: "snapshot".into(), what: format!("{name} of {store}") });
    let prefix = match store.kind {
        StoreKind::Postgres => snapshot_load::prefix(store),
        StoreKind::MySql => store_mysql::prefix(store),
        StoreKind::Mongo => store_mongo::prefix(store),
        StoreKind::Redis | StoreKind::Volume => snapshot_redis::prefix(store),
    };
    let taking = Taking { name, prefix, replace, masked: false, part };
    let client = &existing.cluster.client;
    match store.kind {
        StoreKind::Postgres => {
            let server = stores::postgres(existing, store).await?;
            snapshot_create::create(session, &server, taking, show).await
        }
        StoreKind::MySql => {
            store_mysql::create(session, &stores::mysql_of(client, store).await?, taking, show).await
        }
        StoreKind::Mongo => {
            store_mongo::create(session, &stores::mongo_of(client, store).await?, taking).await
        }
        StoreKind::Redis => snapshot_redis::create(session, existing, store, taking).await,
        StoreKind::Volume => {
            let what = "a volume is no database";
            Err(OperationError::Unable { store: store.to_string(), what })
        }
    }
}

/// Takes one of a database elsewhere, masked.
pub async fn elsewhere(
    session: &Session,
    database: &Elsewhere,
    request: Request<'_>,
) -> Result<Taken, OperationError> {
    let Request { name, replace, part, show } = request;
    let what = format!("{name} of {}", database.name());
    session.reporter.report(Event::Started { step: "snapshot".into(), what });
    let taking = Taking { name, prefix: database.prefix(), replace, masked: true, part };
    match database {
        Elsewhere::Postgres(server) => snapshot_create::create(session, server, taking, show).await,
        Elsewhere::MySql(server) => store_mysql::create(session, server, taking, show).await,
        Elsewhere::Mongo(_) if !part.is_whole() => {
            Err(OperationError::Unable { store: database.name().to_owned(), what: WHOLE })
        }
        Elsewhere::Mongo(server) => store_mongo::create(session, server, taking).await,
    }
}
