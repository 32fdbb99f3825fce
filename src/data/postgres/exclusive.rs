//! One change to a database at a time, whichever process makes it: an advisory lock (PostgreSQL's manual, "Advisory Locks").

use std::time::Duration;

use super::connect::{Server, Session};
use super::error::{During, PostgresError};
use super::sql::literal;

/// How often the lock is tried: the server takes a moment to see that a holder that died is gone.
const PATIENCE: usize = 20;

/// The right to change a database, and a session outside of it. Dropped, the right is given back.
pub(super) struct Exclusive {
    session: Session,
}

impl std::ops::Deref for Exclusive {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Exclusive {
    /// Takes the right; `task` is what others are told: `load`.
    pub(super) async fn take(server: &Server, task: &str) -> Result<Self, PostgresError> {
        let session = server.maintenance().await?;
        let name: String = format!("devcluster {task} of {}", server.database()).chars().take(60).collect();
        session
            .batch_execute(&format!("SET application_name = {}", literal(&name)))
            .await
            .during("naming the session")?;
        let key = key(server.database());
        for _ in 0..PATIENCE {
            let row = session
                .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
                .await
                .during("taking the lock")?;
            if row.get(0) {
                return Ok(Self { session });
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let (database, holder) = (server.database().to_owned(), holder(&session, key).await?);
        Err(PostgresError::Busy { database, holder })
    }

    /// Gives the right back at once: a connection that is only dropped may reach the server a second later.
    pub(super) async fn release(self) {
        // A session that is gone has let go.
        let _ = self.session.batch_execute("SELECT pg_advisory_unlock_all()").await;
    }
}

fn key(database: &str) -> i64 {
    let hash = blake3::hash(format!("devcluster changes {database}").as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

async fn holder(session: &Session, key: i64) -> Result<String, PostgresError> {
    let query = "SELECT format('`%s` (process %s on the server, since %s)', a.application_name, a.pid, \
         to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC')) \
         FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
         AND (l.classid::int8 << 32 | l.objid::int8) = $1";
    let row = session.query_opt(query, &[&key]).await.during("looking for the lock's holder")?;
    Ok(row.map_or_else(|| "another session".to_owned(), |row| row.get(0)))
}
