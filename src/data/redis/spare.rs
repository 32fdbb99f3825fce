//! Which databases of a server have keys, and which may be filled before they change places with others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::connect::{Server, field};
use super::error::RedisError;
use super::wire::{Link, Reply};

/// The key that tells that a database is being filled: its value names the server's run and the connection that fills it.
pub(super) const MARKER: &[u8] = b"devcluster:restoring";

/// How long a connection that fills a database is given to end: a server may be slow to hear of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(100);
/// What is being done, in messages.
const TASK: &str = "looking for the server's databases";

/// Databases with keys, and how many.
pub(super) async fn keyspace(link: &mut Link) -> Result<BTreeMap<u32, u64>, RedisError> {
    let info = link.text(TASK, &[b"INFO", b"keyspace"]).await?;
    let entry = |line: &str| {
        let (database, rest) = line.strip_prefix("db")?.split_once(":keys=")?;
        Some((database.parse().ok()?, rest.split(',').next()?.parse().ok()?))
    };
    Ok(info.lines().filter_map(|line| entry(line.trim_end())).collect())
}

/// How many databases there are; as many as usual where the server does not say.
pub(super) async fn databases(server: &Server, link: &mut Link) -> Result<u32, RedisError> {
    if server.is_cluster() {
        return Ok(1);
    }
    let Reply::Array(said) = link.reply(TASK, &[b"CONFIG", b"GET", b"databases"]).await? else {
        return Ok(16);
    };
    let number = said.get(1).and_then(|value| match value {
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    });
    Ok(number.unwrap_or(16))
}

/// A server's clock, in milliseconds since 1970.
pub(super) fn clock(reply: &Reply) -> Result<u64, RedisError> {
    let number = |part: Option<&Reply>| match part {
        Some(Reply::Bulk(bytes)) => std::str::from_utf8(bytes).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let Reply::Array(parts) = reply else {
        return Err(RedisError::protocol("reading the clock", "the reply is no time"));
    };
    let time = number(parts.first()).zip(number(parts.get(1)));
    let (seconds, micros) =
        time.ok_or_else(|| RedisError::protocol("reading the clock", "the reply is no time"))?;
    Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
}

/// What a connection that fills a database marks it with.
pub(super) async fn mark(server: &Server, link: &mut Link) -> Result<String, RedisError> {
    match link.ask(TASK, &[b"CLIENT", b"ID"]).await? {
        Reply::Integer(id) => Ok(format!("{}:{id}", server.run())),
        _ => Err(RedisError::protocol(TASK, "the connection has no number")),
    }
}

/// Empties databases that interrupted restores have left; gives those that have keys of their own.
pub(super) async fn cleared(server: &Server, link: &mut Link) -> Result<BTreeSet<u32>, RedisError> {
    let mut filled: BTreeSet<u32> = keyspace(link).await?.into_keys().collect();
    for database in filled.clone() {
        link.select(database).await?;
        let Reply::Bulk(mark) = link.reply(TASK, &[b"GET", MARKER]).await? else { continue };
        let mut patience = PATIENCE;
        while lives(server, link, &String::from_utf8_lossy(&mark)).await? {
            if patience.is_zero() {
                return Err(RedisError::Busy { store: server.name().to_owned(), database });
            }
            tokio::time::sleep(PAUSE).await;
            patience = patience.saturating_sub(PAUSE);
        }
        link.ask("clearing what an interrupted restore left", &[b"FLUSHDB", b"ASYNC"]).await?;
        filled.remove(&database);
    }
    Ok(filled)
}

/// Whether the connection that has set this mark is still there.
async fn lives(server: &Server, link: &mut Link, mark: &str) -> Result<bool, RedisError> {
    let Some(id) = mark.strip_prefix(server.run()).and_then(|rest| rest.strip_prefix(':')) else {
        return Ok(false);
    };
    let clients = link.text(TASK, &[b"CLIENT", b"LIST"]).await?;
    let number = |line: &str| line.strip_prefix("id=")?.split(' ').next().map(|number| number == id);
    Ok(clients.lines().any(|line| number(line) == Some(true)))
}

/// A spare database for each that is wanted, highest first; none where there are not as many.
pub(super) fn choose(
    count: u32,
    filled: &BTreeSet<u32>,
    wanted: &BTreeSet<u32>,
) -> Option<BTreeMap<u32, u32>> {
    let spare = (0..count).rev().filter(|database| !filled.contains(database) && !wanted.contains(database));
    let chosen: BTreeMap<u32, u32> = wanted.iter().copied().zip(spare).collect();
    (chosen.len() == wanted.len()).then_some(chosen)
}

/// Keys that were evicted since the server's start.
pub(super) async fn evicted(link: &mut Link) -> Result<u64, RedisError> {
    let info = link.text("reading the server's statistics", &[b"INFO", b"stats"]).await?;
    Ok(field(&info, "evicted_keys").and_then(|count| count.trim_end().parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_databases_are_empty_and_nobodys_target() {
        let set = |databases: &[u32]| databases.iter().copied().collect::<BTreeSet<u32>>();
        for (count, filled, wanted, expected) in [
            (16, &[0][..], &[0][..], Some(vec![(0, 15)])),
            (16, &[0, 15, 14], &[0, 3], Some(vec![(0, 13), (3, 12)])),
            (16, &[], &[15], Some(vec![(15, 14)])),
            (1, &[0], &[0], None),
            (1, &[], &[0], None),
            (3, &[], &[0, 1], None),
            (16, &[0], &[], Some(vec![])),
        ] {
            let chosen = choose(count, &set(filled), &set(wanted));
            assert_eq!(chosen.map(|chosen| chosen.into_iter().collect::<Vec<_>>()), expected);
        }
    }
}
