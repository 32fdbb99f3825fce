//! Speaks RESP2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>) over any stream. Client crates do not give
//! back the bare stream, which a replication handshake turns into.

use std::io;
use std::pin::Pin;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf,
};

use super::error::RedisError;
use crate::data::reach::Connection;

/// Bytes of the longest line.
const LONGEST_LINE: u64 = 1 << 16;
/// Bytes of the largest bulk string: the servers' own limit (`proto-max-bulk-len`).
const LARGEST_BULK: u64 = 512 << 20;
/// Replies within a reply.
const MOST_ITEMS: usize = 1 << 20;
/// Replies within replies.
const DEEPEST: u8 = 8;

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+OK`.
    Simple(String),
    /// `-ERR …`.
    Fault(String),
    /// `:1`.
    Integer(i64),
    /// `$2`, and bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Null,
    /// `*2`, and replies.
    Array(Vec<Reply>),
}

/// A connection: its halves are used at once where commands are sent ahead of their replies.
pub(super) struct Link {
    pub(super) reader: BufReader<ReadHalf<Box<dyn Connection>>>,
    pub(super) writer: WriteHalf<Box<dyn Connection>>,
}

impl Link {
    pub(super) fn new(stream: Box<dyn Connection>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader: BufReader::with_capacity(1 << 16, reader), writer }
    }

    /// Sends one command.
    pub(super) async fn send(&mut self, task: &str, arguments: &[&[u8]]) -> Result<(), RedisError> {
        let mut out = Vec::new();
        command(&mut out, arguments);
        let sent = async {
            self.writer.write_all(&out).await?;
            self.writer.flush().await
        };
        sent.await.map_err(|source| RedisError::Connection { task: task.to_owned(), source })
    }

    /// Sends one command and gives its reply, whatever it is.
    pub(super) async fn reply(&mut self, task: &str, arguments: &[&[u8]]) -> Result<Reply, RedisError> {
        self.send(task, arguments).await?;
        read_reply(&mut self.reader, task).await
    }

    /// Sends one command; a fault is an error.
    pub(super) async fn ask(&mut self, task: &str, arguments: &[&[u8]]) -> Result<Reply, RedisError> {
        match self.reply(task, arguments).await? {
            Reply::Fault(said) => Err(RedisError::Server { task: task.to_owned(), said }),
            reply => Ok(reply),
        }
    }

    /// Sends one command whose reply is a text.
    pub(super) async fn text(&mut self, task: &str, arguments: &[&[u8]]) -> Result<String, RedisError> {
        match self.ask(task, arguments).await? {
            Reply::Bulk(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Reply::Simple(text) => Ok(text),
            _ => Err(RedisError::protocol(task, "the reply is no text")),
        }
    }

    /// Goes to one of the server's databases.
    pub(super) async fn select(&mut self, database: u32) -> Result<(), RedisError> {
        let task = format!("selecting database {database}");
        self.ask(&task, &[b"SELECT", database.to_string().as_bytes()]).await.map(drop)
    }
}

impl RedisError {
    pub(super) fn protocol(task: &str, reason: impl Into<String>) -> Self {
        Self::Protocol { task: task.to_owned(), reason: reason.into() }
    }
}

/// Appends a command as it is sent.
pub(super) fn command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    header(out, b'*', arguments.len());
    for argument in arguments {
        header(out, b'$', argument.len());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the line that begins a command or an argument.
pub(super) fn header(out: &mut Vec<u8>, mark: u8, count: usize) {
    out.push(mark);
    out.extend_from_slice(count.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Reads a line without its end.
pub(super) async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin + Send),
    task: &str,
) -> Result<Vec<u8>, RedisError> {
    let mut line = Vec::new();
    let read = reader.take(LONGEST_LINE).read_until(b'\n', &mut line).await;
    read.map_err(|source| RedisError::Connection { task: task.to_owned(), source })?;
    if line.pop() != Some(b'\n') {
        if line.len() as u64 + 1 >= LONGEST_LINE {
            return Err(RedisError::protocol(task, "a line is too long"));
        }
        let source = io::ErrorKind::UnexpectedEof.into();
        return Err(RedisError::Connection { task: task.to_owned(), source });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// Reads a reply.
pub(super) async fn read_reply<R: AsyncBufRead + Unpin + Send>(
    reader: &mut R,
    task: &str,
) -> Result<Reply, RedisError> {
    nested(reader, task, DEEPEST).await
}

async fn nested<R: AsyncBufRead + Unpin + Send>(
    reader: &mut R,
    task: &str,
    deep: u8,
) -> Result<Reply, RedisError> {
    let line = read_line(reader, task).await?;
    let Some((mark, rest)) = line.split_first() else {
        return Err(RedisError::protocol(task, "an empty line"));
    };
    let text = || String::from_utf8_lossy(rest).into_owned();
    let number = || text().parse::<i64>().map_err(|_| RedisError::protocol(task, "a number is none"));
    match mark {
        b'+' => Ok(Reply::Simple(text())),
        b'-' => Ok(Reply::Fault(text())),
        b':' => Ok(Reply::Integer(number()?)),
        b'$' => match number()? {
            -1 => Ok(Reply::Null),
            length => bulk(reader, task, length).await.map(Reply::Bulk),
        },
        b'*' => match number()? {
            -1 => Ok(Reply::Null),
            count => array(reader, task, count, deep).await,
        },
        _ => Err(RedisError::protocol(task, "a reply of no known kind; is this a Redis server?")),
    }
}

fn array<'r, R: AsyncBufRead + Unpin + Send>(
    reader: &'r mut R,
    task: &'r str,
    count: i64,
    deep: u8,
) -> Pin<Box<dyn Future<Output = Result<Reply, RedisError>> + Send + 'r>> {
    Box::pin(async move {
        let count = usize::try_from(count).ok().filter(|count| *count <= MOST_ITEMS && deep > 0);
        let count = count.ok_or_else(|| RedisError::protocol(task, "a reply has too many parts"))?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(nested(reader, task, deep - 1).await?);
        }
        Ok(Reply::Array(items))
    })
}

async fn bulk(
    reader: &mut (impl AsyncBufRead + Unpin + Send),
    task: &str,
    length: i64,
) -> Result<Vec<u8>, RedisError> {
    let length = u64::try_from(length).ok().filter(|length| *length <= LARGEST_BULK);
    let length = length.ok_or_else(|| RedisError::protocol(task, "a string is too long"))?;
    let mut bytes = Vec::new();
    let read = reader.take(length + 2).read_to_end(&mut bytes).await;
    read.map_err(|source| RedisError::Connection { task: task.to_owned(), source })?;
    if bytes.len() as u64 != length + 2 {
        let source = io::ErrorKind::UnexpectedEof.into();
        return Err(RedisError::Connection { task: task.to_owned(), source });
    }
    bytes.truncate(bytes.len() - 2);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Reply, RedisError> {
        read_reply(&mut BufReader::new(bytes), "testing").await
    }

    #[tokio::test]
    async fn replies_are_read() {
        let array = Reply::Array(vec![Reply::Integer(-3), Reply::Bulk(b"a\r\nb".to_vec()), Reply::Null]);
        for (text, expected) in [
            (&b"+OK\r\n"[..], Reply::Simple("OK".into())),
            (b"-ERR no\r\n", Reply::Fault("ERR no".into())),
            (b"$0\r\n\r\n", Reply::Bulk(Vec::new())),
            (b"*-1\r\n", Reply::Null),
            (b"*3\r\n:-3\r\n$4\r\na\r\nb\r\n$-1\r\n", array),
        ] {
            assert_eq!(read(text).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn hostile_replies_are_refused() {
        let deep = b"*1\r\n".repeat(20);
        for text in [
            &b""[..],
            b"+OK",
            b"\r\n",
            b"HTTP/1.1 400\r\n",
            b"$9999999999\r\n",
            b"$-2\r\n",
            b"$5\r\nab\r\n",
            b"*9999999\r\n",
            &deep,
        ] {
            assert!(read(text).await.is_err(), "{}", text.escape_ascii());
        }
        assert!(read(&b"+".repeat(100_000)).await.unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        command(&mut out, &[b"GET", b"a\n"]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$2\r\na\n\r\n");
    }
}
