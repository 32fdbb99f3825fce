//! Asks a server for its data as a new replica would (`replication.c`): it forks, and its child writes what there was at that
//! moment straight to the connection. Where it is set to (`repl-diskless-sync no`), the server makes a file of its own first.

use std::io::{self, Read};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connect::Server;
use super::error::{RdbError, RedisError};
use super::rdb::{Item, Rdb};
use super::wire::{Link, Reply, read_line};

/// How long a server may be silent; one that is about to fork says so every ten seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is being done, in messages.
const TASK: &str = "reading what the server's fork writes";

/// How the stream's end is known.
enum End {
    /// By its length.
    Length(u64),
    /// By what follows it.
    Mark(Vec<u8>),
}

/// What the fork writes, for a thread that may block.
pub(super) struct Forked {
    link: Link,
    end: End,
    runtime: Handle,
}

/// Goes through the handshake, up to the first byte of data.
pub(super) async fn fork(server: &Server) -> Result<Forked, RedisError> {
    let delay = Delay::lift(server).await;
    let forked = shake_hands(server).await;
    if let Some(delay) = delay {
        delay.restore().await;
    }
    forked
}

/// How long a server waits for more replicas before it forks: 5 s as it comes, and none will.
struct Delay {
    link: Link,
    seconds: Vec<u8>,
}

impl Delay {
    const NAME: &[u8] = b"repl-diskless-sync-delay";

    /// None where there is no delay, or it may not be changed: then the fork comes after it. A run that is killed before it
    /// restores the delay leaves the server without one until it starts anew, and nothing else.
    async fn lift(server: &Server) -> Option<Self> {
        let mut link = server.link().await.ok()?;
        let Reply::Array(known) = link.reply(TASK, &[b"CONFIG", b"GET", Self::NAME]).await.ok()? else {
            return None;
        };
        let [_, Reply::Bulk(seconds)] = known.as_slice() else { return None };
        let seconds = Some(seconds.clone()).filter(|seconds| seconds != b"0")?;
        match link.reply(TASK, &[b"CONFIG", b"SET", Self::NAME, b"0"]).await.ok()? {
            Reply::Fault(_) => None,
            _ => Some(Self { link, seconds }),
        }
    }

    async fn restore(mut self) {
        // The data is what counts: the server has a default of its own to fall back to.
        let _ = self.link.reply(TASK, &[b"CONFIG", b"SET", Self::NAME, &self.seconds]).await;
    }
}

async fn shake_hands(server: &Server) -> Result<Forked, RedisError> {
    let mut link = server.link().await?;
    let refused = |said: String| match said.split(' ').next() {
        Some("ERR" | "NOPERM") => RedisError::Replication { store: server.name().to_owned(), said },
        _ => RedisError::Server { task: TASK.to_owned(), said },
    };
    if let Reply::Fault(said) = link.reply(TASK, &[b"REPLCONF", b"capa", b"eof"]).await? {
        return Err(refused(said));
    }
    // Since 7.0 a server need not keep what is written meanwhile, if it is told that nobody will want it.
    link.reply(TASK, &[b"REPLCONF", b"rdb-only", b"1"]).await?;
    link.send(TASK, &[b"PSYNC", b"?", b"-1"]).await?;
    let answer = line(&mut link).await?;
    if let Some(said) = answer.strip_prefix('-') {
        return Err(refused(said.to_owned()));
    }
    if !answer.starts_with("+FULLRESYNC ") {
        return Err(RedisError::protocol(TASK, "PSYNC was not answered with FULLRESYNC"));
    }
    let head = line(&mut link).await?;
    if let Some(said) = head.strip_prefix('-') {
        return Err(RedisError::Server { task: TASK.to_owned(), said: said.to_owned() });
    }
    let end =
        match (head.strip_prefix("$EOF:"), head.strip_prefix('$').and_then(|length| length.parse().ok())) {
            (Some(mark), _) if mark.len() == 40 => End::Mark(mark.as_bytes().to_vec()),
            (None, Some(length)) => End::Length(length),
            _ => return Err(RedisError::protocol(TASK, "the data does not begin with its length")),
        };
    Ok(Forked { link, end, runtime: Handle::current() })
}

/// The next line with something on it: empty ones tell that the server lives.
async fn line(link: &mut Link) -> Result<String, RedisError> {
    loop {
        let Ok(read) = timeout(PATIENCE, read_line(&mut link.reader, TASK)).await else {
            return Err(broken(io::Error::from(io::ErrorKind::TimedOut).into()));
        };
        let text = read?;
        if !text.is_empty() {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

impl Forked {
    /// Hands on all items; gives their RDB version. To be called on a thread that may block.
    pub(super) fn read(
        self,
        mut each: impl FnMut(Item) -> Result<(), RedisError>,
    ) -> Result<u16, RedisError> {
        let Self { link, end, runtime } = self;
        let (limit, mark) = match end {
            End::Length(length) => (length, Vec::new()),
            End::Mark(mark) => (u64::MAX, mark),
        };
        let mut rdb = Rdb::begin(Blocking { link, runtime }.take(limit)).map_err(broken)?;
        while let Some(item) = rdb.next().map_err(broken)? {
            each(item)?;
        }
        if rdb.trailer(mark.len()).map_err(broken)? != mark {
            return Err(RedisError::protocol(TASK, "the data is not followed by its mark"));
        }
        Ok(rdb.version())
    }
}

/// A connection that broke is told apart from data that is wrong.
fn broken(error: RdbError) -> RedisError {
    match error {
        RdbError::Read(source) => RedisError::Connection { task: TASK.to_owned(), source },
        error => error.into(),
    }
}

struct Blocking {
    link: Link,
    runtime: Handle,
}

impl Read for Blocking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let reader = &mut self.link.reader;
        let read = self.runtime.block_on(async { timeout(PATIENCE, reader.read(out)).await });
        read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
