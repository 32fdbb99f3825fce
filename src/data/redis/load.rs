//! Fills a database with a stream's entries: a thread makes commands of them, which are sent ahead of the replies.

use std::io::BufReader;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::entry::Entry;
use super::error::RedisError;
use super::payload;
use super::value;
use super::wire::{Link, Reply, header, read_reply};
use crate::data::snapshot::StreamReader;

/// Bytes of commands that are sent at once.
const BATCH: usize = 1 << 20;

/// Reads a stream's entries: they are in order, whole, and of known types.
pub(super) struct Entries {
    reader: BufReader<StreamReader>,
    name: String,
    last: Option<Vec<u8>>,
}

impl Entries {
    pub(super) fn new(reader: StreamReader, name: String) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), name, last: None }
    }

    pub(super) fn next(&mut self) -> Result<Option<Entry>, RedisError> {
        let read =
            Entry::read(&mut self.reader).map_err(|error| super::streams::unread(&self.name, error))?;
        let Some(entry) = read else { return Ok(None) };
        if self.last.as_ref().is_some_and(|last| *last >= entry.key) {
            return Err(self.damaged(&"its entries are not in order"));
        }
        self.last = Some(entry.key.clone());
        Ok(Some(entry))
    }

    pub(super) fn damaged(&self, reason: &impl ToString) -> RedisError {
        RedisError::Damaged { stream: self.name.clone(), reason: reason.to_string() }
    }

    /// Reads all entries and sees that each value ends where it should; gives their number.
    pub(super) fn check(mut self) -> Result<u64, RedisError> {
        let (mut count, mut scratch) = (0, Vec::new());
        while let Some(entry) = self.next()? {
            let Some((kind, mut rest)) = entry.value.split_first() else {
                return Err(self.damaged(&"a value is empty"));
            };
            scratch.clear();
            let cut =
                value::known(*kind, &entry.key).and_then(|()| value::cut(*kind, &mut rest, &mut scratch));
            cut.map_err(|error| self.damaged(&error))?;
            if !rest.is_empty() {
                return Err(self.damaged(&"a value does not end where it should"));
            }
            count += 1;
        }
        Ok(count)
    }
}

/// Commands, and what they are for.
struct Batch {
    commands: Vec<u8>,
    /// Entries that are sent.
    sent: u64,
    /// Entries that are not: they have expired.
    expired: u64,
}

/// How many entries went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Entries that are there.
    pub sent: u64,
    /// Of these, those that never expire.
    pub lasting: u64,
    /// Entries that had expired.
    pub expired: u64,
}

/// Fills the database that the link is in. `now` is the server's time, in milliseconds since 1970.
pub(super) async fn load(
    link: &mut Link,
    entries: Entries,
    (version, now): (u16, u64),
    on_done: impl Fn(u64),
) -> Result<Loaded, RedisError> {
    let task = format!("loading {}", entries.name);
    let (to, mut batches) = mpsc::channel(2);
    let making = tokio::task::spawn_blocking(move || make(entries, version, now, &to));
    let (ahead, mut waiting) = mpsc::unbounded_channel();
    let Link { reader, writer } = link;
    let sending = async {
        while let Some(Batch { commands, sent, expired }) = batches.recv().await {
            ahead.send((sent, expired)).map_err(|_| RedisError::Stopped("reading the replies"))?;
            let written = writer.write_all(&commands).await;
            written.map_err(|source| RedisError::Connection { task: task.clone(), source })?;
        }
        drop(ahead);
        Ok(())
    };
    let receiving = async {
        let mut loaded = Loaded::default();
        while let Some((sent, expired)) = waiting.recv().await {
            for _ in 0..sent {
                if let Reply::Fault(said) = read_reply(reader, &task).await? {
                    return Err(RedisError::Server { task: task.clone(), said });
                }
            }
            loaded.sent += sent;
            loaded.expired += expired;
            on_done(loaded.sent + loaded.expired);
        }
        Ok(loaded)
    };
    let ((), mut loaded) = tokio::try_join!(sending, receiving)?;
    loaded.lasting = making.await.map_err(|_| RedisError::Stopped("reading the snapshot"))??;
    Ok(loaded)
}

/// Makes commands of entries; gives the number of those that never expire.
fn make(mut entries: Entries, version: u16, now: u64, to: &mpsc::Sender<Batch>) -> Result<u64, RedisError> {
    let empty = || Batch { commands: Vec::with_capacity(BATCH + BATCH / 8), sent: 0, expired: 0 };
    let send = |batch| to.blocking_send(batch).map_err(|_| RedisError::Stopped("loading the entries"));
    let (mut batch, mut lasting) = (empty(), 0);
    while let Some(entry) = entries.next()? {
        if entry.expires.is_some_and(|expires| expires <= now) {
            batch.expired += 1;
        } else {
            restore_command(&mut batch.commands, &entry, version);
            batch.sent += 1;
            lasting += u64::from(entry.expires.is_none());
        }
        if batch.commands.len() >= BATCH {
            send(std::mem::replace(&mut batch, empty()))?;
        }
    }
    send(batch)?;
    Ok(lasting)
}

/// Appends `RESTORE key expiry payload REPLACE ABSTTL`.
fn restore_command(out: &mut Vec<u8>, entry: &Entry, version: u16) {
    out.extend_from_slice(b"*6\r\n$7\r\nRESTORE\r\n");
    let mut argument = |parts: [&[u8]; 2]| {
        header(out, b'$', parts.iter().map(|part| part.len()).sum());
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"\r\n");
    };
    argument([&entry.key, b""]);
    argument([entry.expires.unwrap_or(0).to_string().as_bytes(), b""]);
    argument([&entry.value, &payload::trailer(&entry.value, version)]);
    argument([b"REPLACE", b""]);
    argument([b"ABSTTL", b""]);
}
