//! Moves one table's rows from the server into a stream of a snapshot, a mebibyte at a time.

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender};

use super::connect::Session;
use super::dump_moment::Reading;
use super::error::{During, PostgresError, Shown, failed};
use crate::data::mask::Treatment;
use crate::data::schema::TableName;
use crate::data::snapshot::{SnapshotError, Stream, StreamWriter};

/// Bytes of rows that are handed on at once.
const PIECE: usize = 1 << 20;

/// What is handed on. Without an end, whoever waits for it knows that it never came to one.
pub(super) enum Piece {
    /// Whole lines.
    Lines(Bytes),
    /// There are no more than so many.
    End(u64),
}

/// Reads a table's rows by a query and hands them on; gives their number. A row is in memory as a whole.
pub(super) async fn copy_out(
    session: &Session,
    reading: &Reading<'_>,
    encoding: &str,
    to: Sender<Piece>,
    on_rows: impl Fn(u64),
) -> Result<u64, PostgresError> {
    let task = || format!("reading rows of {}", reading.table.name);
    let statement = format!("COPY ({}) TO STDOUT (FORMAT text, ENCODING '{encoding}')", reading.query);
    let mut lines = std::pin::pin!(session.copy_out(&statement).await.during(task())?);
    let (mut piece, mut rows) = (BytesMut::with_capacity(PIECE), 0);
    // The server sends a message for each row.
    while let Some(line) = lines.next().await {
        let line: Bytes = line.map_err(|error| failed(error, task(), Shown::NoValues))?;
        rows += 1;
        if piece.len() + line.len() > PIECE {
            on_rows(rows);
            send(&to, std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE)).freeze()).await?;
        }
        if line.len() > PIECE {
            send(&to, line).await?;
        } else {
            piece.extend_from_slice(&line);
        }
    }
    on_rows(rows);
    send(&to, piece.freeze()).await?;
    to.send(Piece::End(rows)).await.map_err(|_| STOPPED)?;
    Ok(rows)
}

const STOPPED: PostgresError = PostgresError::Stopped("writing rows");

/// Hands lines on and waits until they are taken: large rows would otherwise add up.
async fn send(to: &Sender<Piece>, lines: Bytes) -> Result<(), PostgresError> {
    let is_large = lines.len() > PIECE;
    to.send(Piece::Lines(lines)).await.map_err(|_| STOPPED)?;
    if is_large {
        drop(to.reserve().await.map_err(|_| STOPPED)?);
    }
    Ok(())
}

/// Treats rows and writes them, on a thread that may block; none where they never came to an end.
pub(super) fn store(
    mut from: Receiver<Piece>,
    mut stream: StreamWriter,
    table: &TableName,
    treatment: &Treatment,
) -> Result<Option<Stream>, PostgresError> {
    while let Some(piece) = from.blocking_recv() {
        match piece {
            Piece::Lines(lines) => stream.write_all(&treatment.apply(table, lines)?).map_err(unwrap)?,
            Piece::End(rows) => {
                stream.attribute("rows", rows);
                return Ok(Some(stream.finish()?));
            }
        }
    }
    Ok(None)
}

/// Treats rows and writes them nowhere.
pub(super) fn drain(
    mut from: Receiver<Piece>,
    table: &TableName,
    treatment: &Treatment,
) -> Result<(), PostgresError> {
    while let Some(Piece::Lines(lines)) = from.blocking_recv() {
        treatment.apply(table, lines)?;
    }
    Ok(())
}

/// What writing to a stream failed with.
pub(super) fn unwrap(error: std::io::Error) -> PostgresError {
    match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(source) => SnapshotError::Io { what: "write", path: "the snapshot".to_owned(), source }.into(),
    }
}
