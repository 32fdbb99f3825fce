//! Reads a server key by key, for one that does not let itself be replicated. Keys are read at different moments.

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::Sender;

use super::connect::Server;
use super::entry::Entry;
use super::error::RedisError;
use super::payload;
use super::rdb::{FUNCTION, Item};
use super::spare::{clock, keyspace};
use super::value;
use super::wire::{Link, Reply, command, read_reply};

/// What is being done, in messages.
const TASK: &str = "scanning";
/// Keys that are asked for at once.
const PAGE: &[u8] = b"500";

/// Hands on all keys of all databases, and all functions; gives their RDB version. A key may come twice.
pub(super) async fn scan(server: &Server, to: Sender<Item>) -> Result<u16, RedisError> {
    let mut link = server.link().await?;
    let mut version = None;
    for database in keyspace(&mut link).await?.into_keys() {
        link.select(database).await?;
        let mut cursor = b"0".to_vec();
        loop {
            let (next, keys) = page(&mut link, &cursor).await?;
            read(&mut link, database, keys, &mut version, &to).await?;
            cursor = next;
            if cursor == b"0" {
                break;
            }
        }
    }
    if server.has_functions() {
        let payload = bytes(link.ask(TASK, &[b"FUNCTION", b"DUMP"]).await?)?;
        let mut libraries = same(&payload, &mut version)?;
        while !libraries.is_empty() {
            let (input, mut value) = (&mut libraries, Vec::new());
            value::Input::copy(input, 1, &mut value)?;
            if value != [FUNCTION] {
                return Err(RedisError::protocol(TASK, "functions are in no known form"));
            }
            value::text(input, &mut value)?;
            hand(&to, Item::Function(Entry::function(value)?)).await?;
        }
    }
    version.ok_or_else(|| RedisError::protocol(TASK, "there is nothing that tells the version of values"))
}

/// The next cursor, and some keys.
async fn page(link: &mut Link, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), RedisError> {
    let unknown = || RedisError::protocol(TASK, "SCAN was not answered with keys");
    match link.ask(TASK, &[b"SCAN", cursor, b"COUNT", PAGE]).await? {
        Reply::Array(parts) => match <[Reply; 2]>::try_from(parts) {
            Ok([Reply::Bulk(next), Reply::Array(keys)]) => {
                Ok((next, keys.into_iter().map(bytes).collect::<Result<_, _>>()?))
            }
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

async fn read(
    link: &mut Link,
    database: u32,
    keys: Vec<Vec<u8>>,
    version: &mut Option<u16>,
    to: &Sender<Item>,
) -> Result<(), RedisError> {
    let mut out = Vec::new();
    command(&mut out, &[b"TIME"]);
    for key in &keys {
        command(&mut out, &[b"PTTL", key]);
        command(&mut out, &[b"DUMP", key]);
    }
    let failed = |source| RedisError::Connection { task: TASK.to_owned(), source };
    let Link { reader, writer } = link;
    let sending = async { writer.write_all(&out).await.map_err(failed) };
    let receiving = async {
        let now = clock(&read_reply(reader, TASK).await?)?;
        for key in keys {
            let left = read_reply(reader, TASK).await?;
            let serialized = read_reply(reader, TASK).await?;
            // It went away since its name was read.
            if serialized == Reply::Null {
                continue;
            }
            let expires = match left {
                Reply::Integer(left) => u64::try_from(left).ok().map(|left| now.saturating_add(left)),
                _ => None,
            };
            let payload = bytes(serialized)?;
            let mut input = same(&payload, version)?;
            let Some((kind, rest)) = input.split_first() else { continue };
            let mut value = vec![*kind];
            input = rest;
            value::known(*kind, &key)?;
            value::cut(*kind, &mut input, &mut value)?;
            hand(to, Item::Entry(database, Entry { key, expires, value })).await?;
        }
        Ok(())
    };
    tokio::try_join!(sending, receiving).map(drop)
}

async fn hand(to: &Sender<Item>, item: Item) -> Result<(), RedisError> {
    to.send(item).await.map_err(|_| RedisError::Stopped("the dump"))
}

fn bytes(reply: Reply) -> Result<Vec<u8>, RedisError> {
    match reply {
        Reply::Bulk(bytes) => Ok(bytes),
        Reply::Fault(said) => Err(RedisError::Server { task: TASK.to_owned(), said }),
        _ => Err(RedisError::protocol(TASK, "a reply is no string")),
    }
}

/// A payload's serialized bytes, where its version is that of all others.
fn same<'p>(payload: &'p [u8], version: &mut Option<u16>) -> Result<&'p [u8], RedisError> {
    let opened = payload::open(payload).filter(|(_, found)| version.is_none_or(|version| version == *found));
    let (serialized, found) =
        opened.ok_or_else(|| RedisError::protocol(TASK, "a payload's checksum is wrong"))?;
    *version = Some(found);
    Ok(serialized)
}
