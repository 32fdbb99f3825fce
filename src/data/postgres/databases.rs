//! Databases that stand beside a target under names of their own, and the swap: all renames in one transaction, with the
//! target's settings and grants, so that whatever ends it early leaves the target as it was.

use std::time::Duration;

use super::connect::{Server, Session};
use super::database_settings::carry_over;
use super::error::{During, PostgresError};
use super::exclusive::Exclusive;
use super::sql::{literal, quoted};
pub(super) use crate::data::beside::Beside;

/// What is known of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) owner: String,
    pub(super) encoding: String,
    pub(super) bytes: u64,
    pub(super) comment: Option<String>,
}

/// A database by its name.
pub(super) async fn known(session: &Session, name: &str) -> Result<Option<Known>, PostgresError> {
    let query = "SELECT d.oid, pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text, \
         pg_catalog.pg_database_size(d.oid), pg_catalog.shobj_description(d.oid, 'pg_database') \
         FROM pg_catalog.pg_database d WHERE d.datname = $1";
    let row = session.query_opt(query, &[&name]).await.during("looking for databases")?;
    Ok(row.map(|row| Known {
        id: row.get(0),
        owner: row.get(1),
        encoding: row.get(2),
        bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
        comment: row.get(4),
    }))
}

/// Refuses a user who cannot make databases or rename the target.
pub(super) async fn check_rights(server: &Server, session: &Session) -> Result<(), PostgresError> {
    let query = "SELECT r.rolsuper, r.rolsuper OR r.rolcreatedb, \
         coalesce((SELECT pg_catalog.pg_has_role(d.datdba, 'USAGE') FROM pg_catalog.pg_database d WHERE d.datname = $1), true) \
         FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let database = server.database();
    let row = session.query_one(query, &[&database]).await.during("reading the user's rights")?;
    let user = server.credentials().user.clone();
    let role = quoted(&user);
    if !row.get::<_, bool>(1) {
        let fix =
            format!("as a superuser: ALTER ROLE {role} CREATEDB; or give the credentials of a superuser");
        return Err(PostgresError::Rights { user, what: "create databases", fix });
    }
    if !row.get::<_, bool>(2) {
        let fix = format!(
            "as a superuser: ALTER DATABASE {} OWNER TO {role}; or give its owner's credentials",
            quoted(database)
        );
        return Err(PostgresError::Rights { user, what: "rename the database", fix });
    }
    Ok(())
}

/// Drops what runs that were ended early left behind.
pub(super) async fn tidy(lock: &Exclusive, target: &str) -> Result<(), PostgresError> {
    drop_database(lock, &Beside::Loading.name(target)).await?;
    drop_database(lock, &Beside::New.name(target)).await?;
    drop_retired(lock, target).await
}

/// Drops what was replaced.
pub(super) async fn drop_retired(lock: &Session, target: &str) -> Result<(), PostgresError> {
    for number in 0..3 {
        drop_database(lock, &Beside::retired(number, target)).await?;
    }
    Ok(())
}

/// Drops a database, whoever is connected to it.
pub(super) async fn drop_database(session: &Session, name: &str) -> Result<(), PostgresError> {
    let task = "dropping a database that is not needed any more";
    let Some(found) = known(session, name).await? else { return Ok(()) };
    session
        .batch_execute(&format!("ALTER DATABASE {} IS_TEMPLATE false", quoted(name)))
        .await
        .during(task)?;
    end_sessions(session, found.id).await?;
    session.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(name))).await.during(task)
}

/// Ends all sessions of a database and says how many there were.
pub(super) async fn end_sessions(session: &Session, database: u32) -> Result<usize, PostgresError> {
    let query = "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
         WHERE datid = $1 AND pid <> pg_catalog.pg_backend_pid()";
    let row = session.query_one(query, &[&database]).await.during("ending the database's sessions")?;
    Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

/// What a swap changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swap {
    /// What was loaded takes the target's place; what a reset needs is of no use any more, and a new template may stand.
    Loaded,
    /// The spare takes the target's place.
    Reset,
}

/// Puts a database in the target's place and gives how many sessions were ended for it.
///
/// Renaming takes a lock that new connections wait for, and waits itself until all sessions have ended: no connection is
/// ever refused for good, and there is no moment in which the target does not take any.
pub(super) async fn swap(server: &Server, lock: &Exclusive, kind: Swap) -> Result<usize, PostgresError> {
    let target = server.database();
    let helper = server.maintenance().await?;
    let found = known(lock, target).await?;
    let mut ended = 0;
    let mut renames = std::pin::pin!(renames(lock, target, kind, found.is_some()));
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            biased;
            _ = pause.tick() => if let Some(found) = &found {
                // Sessions that this user may not end keep the renaming from happening, and the server says so.
                ended += end_sessions(&helper, found.id).await.unwrap_or(0);
            },
            done = &mut renames => {
                done?;
                return Ok(ended);
            }
        }
    }
}

async fn renames(lock: &Exclusive, target: &str, kind: Swap, exists: bool) -> Result<(), PostgresError> {
    let task = "putting the new database in the old one's place";
    lock.batch_execute("BEGIN").await.during(task)?;
    let swapped = swap_within(lock, target, kind, exists).await;
    let end = if swapped.is_ok() { "COMMIT" } else { "ROLLBACK" };
    lock.batch_execute(end).await.during(task)?;
    swapped
}

async fn swap_within(lock: &Exclusive, target: &str, kind: Swap, exists: bool) -> Result<(), PostgresError> {
    let carried = if exists { carry_over(lock, target).await? } else { Vec::new() };
    if exists {
        rename(lock, target, &Beside::retired(0, target)).await?;
    }
    let new = match kind {
        Swap::Loaded => {
            retire(lock, target).await?;
            let new = Beside::New.name(target);
            if known(lock, &new).await?.is_some() {
                rename(lock, &new, &Beside::Template.name(target)).await?;
            }
            Beside::Loading.name(target)
        }
        Swap::Reset => Beside::Spare.name(target),
    };
    rename(lock, &new, target).await?;
    let open = format!(
        "ALTER DATABASE {} ALLOW_CONNECTIONS true; COMMENT ON DATABASE {} IS NULL",
        quoted(target),
        quoted(target)
    );
    lock.batch_execute(&open).await.during("opening the database")?;
    for statement in carried {
        lock.batch_execute(&statement).await.during("giving the database its settings and grants")?;
    }
    Ok(())
}

/// Gives up template and spare, which hold what the target is no longer to be reset to. Within the transaction that changes
/// the target.
pub(super) async fn retire(session: &Session, target: &str) -> Result<(), PostgresError> {
    for (number, beside) in [Beside::Template, Beside::Spare].into_iter().enumerate() {
        let name = beside.name(target);
        if known(session, &name).await?.is_some() {
            rename(session, &name, &Beside::retired(number + 1, target)).await?;
        }
    }
    Ok(())
}

async fn rename(session: &Session, from: &str, to: &str) -> Result<(), PostgresError> {
    let statement = format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to));
    session.batch_execute(&statement).await.during(format!("renaming database `{from}`"))
}

/// Remembers something about a database in the server itself.
pub(super) async fn remark(session: &Session, name: &str, text: &str) -> Result<(), PostgresError> {
    let statement = format!("COMMENT ON DATABASE {} IS {}", quoted(name), literal(text));
    session.batch_execute(&statement).await.during("remarking on a database")
}
