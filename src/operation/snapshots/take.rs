//! Takes a snapshot of whichever kind of store.

use super::create::{self, Part, Taking};
use super::load;
use super::redis;
use crate::data::discover::{Store, StoreKind};
use crate::data::snapshot::SnapshotName;
use crate::event::Event;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::stores;
use crate::operation::stores::elsewhere::Elsewhere;
use crate::operation::stores::mongo_store;
use crate::operation::stores::mysql_store;
use crate::operation::stores::outcome::Taken;

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
        StoreKind::Postgres => load::prefix(store),
        StoreKind::MySql => mysql_store::prefix(store),
        StoreKind::Mongo => mongo_store::prefix(store),
        StoreKind::Redis | StoreKind::Volume => redis::prefix(store),
    };
    let taking = Taking { name, prefix, replace, masked: false, part };
    let client = &existing.cluster.client;
    match store.kind {
        StoreKind::Postgres => {
            let server = stores::postgres(existing, store).await?;
            create::create(session, &server, taking, show).await
        }
        StoreKind::MySql => {
            mysql_store::create(session, &stores::mysql_of(client, store).await?, taking, show).await
        }
        StoreKind::Mongo => {
            mongo_store::create(session, &stores::mongo_of(client, store).await?, taking).await
        }
        StoreKind::Redis => redis::create(session, existing, store, taking).await,
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
        Elsewhere::Postgres(server) => create::create(session, server, taking, show).await,
        Elsewhere::MySql(server) => mysql_store::create(session, server, taking, show).await,
        Elsewhere::Mongo(_) if !part.is_whole() => {
            Err(OperationError::Unable { store: database.name().to_owned(), what: WHOLE })
        }
        Elsewhere::Mongo(server) => mongo_store::create(session, server, taking).await,
    }
}
