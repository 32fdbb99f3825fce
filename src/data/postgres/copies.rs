//! Copies of whole databases.

use std::time::{Duration, Instant};

use super::connect::{Server, Session};
use super::databases::{end_sessions, known, remark};
use super::error::{During, PostgresError};
use super::sql::quoted;
use crate::data::pristine::CopyCost;

/// Copies a database file by file and lets nobody into the copy. Sessions of the original are ended: it cannot be copied
/// under them. Its cost is remembered with the copy.
pub(super) async fn copy_database(
    server: &Server,
    session: &Session,
    from: &str,
    to: &str,
    template: bool,
) -> Result<CopyCost, PostgresError> {
    let started = Instant::now();
    let Some(original) = known(session, from).await? else {
        return Err(PostgresError::NoPristine(from.to_owned()));
    };
    // Writing every page to the log, which versions from 15 on do by themselves, takes twice as long from some 100 MB on.
    let strategy = if server.version() >= 15 { " STRATEGY = file_copy" } else { "" };
    let statement = format!(
        "CREATE DATABASE {} TEMPLATE = {} OWNER = {} ALLOW_CONNECTIONS = false IS_TEMPLATE = {template}{strategy}",
        quoted(to),
        quoted(from),
        quoted(&original.owner),
    );
    let helper = server.maintenance().await?;
    let mut create = std::pin::pin!(session.batch_execute(&statement));
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            biased;
            _ = pause.tick() => drop(end_sessions(&helper, original.id).await?),
            done = &mut create => break done.during(format!("copying database `{from}`"))?,
        }
    }
    let cost = CopyCost { bytes: original.bytes, took: started.elapsed() };
    remark(session, to, &format!("devcluster: {} bytes in {} ms", cost.bytes, cost.took.as_millis())).await?;
    Ok(cost)
}

/// What a copy took, as its remark says.
pub(super) fn remembered(comment: &str) -> Option<CopyCost> {
    let (bytes, took) =
        comment.strip_prefix("devcluster: ")?.strip_suffix(" ms")?.split_once(" bytes in ")?;
    Some(CopyCost { bytes: bytes.parse().ok()?, took: Duration::from_millis(took.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_read_back() {
        let cost = CopyCost { bytes: 12, took: Duration::from_millis(34) };
        assert_eq!(remembered("devcluster: 12 bytes in 34 ms"), Some(cost));
        assert_eq!(remembered("orders"), None);
    }
}
