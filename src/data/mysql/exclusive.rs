//! One change to a database at a time, whichever process makes it: a named lock (MySQL's manual, "Locking Functions").

use std::time::Duration;

use super::connect::{Server, Session};
use super::error::MysqlError;
use super::sql::literal;

/// How often the lock is tried: a server ends the statement that a holder was in when it died, such as dropping a database.
const PATIENCE: usize = 80;

/// The right to change a database, and a session in it. Dropped, the right is given back, as soon as the server is done with what
/// the session was told last: what must not overlap with the next holder's work is told to this session.
pub(super) struct Exclusive {
    session: Session,
    name: String,
}

impl std::ops::Deref for Exclusive {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl std::ops::DerefMut for Exclusive {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Exclusive {
    /// Takes the right.
    pub(super) async fn take(server: &Server) -> Result<Self, MysqlError> {
        let mut session = server.session().await?;
        let hash: String = blake3::hash(server.database().as_bytes()).to_hex().chars().take(32).collect();
        let name = format!("devcluster {hash}");
        let try_it = format!("SELECT get_lock({}, 0)", literal(&name));
        for _ in 0..PATIENCE {
            if session.first::<Option<i64>>(&try_it, "taking the lock").await?.flatten() == Some(1) {
                return Ok(Self { session, name });
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let query = format!(
            "SELECT concat('connection ', id, ' of ', user, '@', host) FROM information_schema.processlist WHERE id = is_used_lock({})",
            literal(&name)
        );
        let holder: Option<String> =
            session.first(&query, "looking for the lock's holder").await.ok().flatten();
        let holder = holder.unwrap_or_else(|| "another session".to_owned());
        Err(MysqlError::Busy { database: server.database().to_owned(), holder })
    }

    /// Gives the right back at once: a connection that is only dropped may reach the server later.
    pub(super) async fn release(mut self) {
        // A session that is gone has let go.
        let release = format!("DO release_lock({})", literal(&self.name));
        drop(self.session.run(&release, "giving the lock back").await);
    }
}
