//! Moves one table's rows from the server into a stream of a snapshot, a mebibyte at a time.

use std::io::Write as _;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender};

use super::connect::Session;
use super::error::{During, PostgresError};
use super::masking::Treatment;
use crate::data::schema::TableName;
use crate::data::snapshot::{SnapshotError, Stream, StreamWriter};

/// Bytes of rows that are handed on at once.
const PIECE: usize = 1 << 20;

/// What is handed on. Without an end, whoever waits for it knows that it never came to one.
pub(super) enum Piece {
    /// Whole lines.
    Lines(Vec<u8>),
    /// There are no more.
    End,
}

/// Reads all rows of a query and hands them on; gives their number.
pub(super) async fn copy_out(
    session: &Session,
    query: &str,
    encoding: &str,
    to: Sender<Piece>,
    on_rows: impl Fn(u64),
) -> Result<u64, PostgresError> {
    let task = "reading rows";
    let statement = format!("COPY ({query}) TO STDOUT (FORMAT text, ENCODING '{encoding}')");
    let mut lines = std::pin::pin!(session.copy_out(&statement).await.during(task)?);
    let (mut piece, mut rows) = (Vec::with_capacity(PIECE), 0);
    // The server sends a message for each row.
    while let Some(line) = lines.next().await {
        let line: Bytes = line.during(task)?;
        if !piece.is_empty() && piece.len() + line.len() > PIECE {
            on_rows(rows);
            send(&to, Piece::Lines(std::mem::replace(&mut piece, Vec::with_capacity(PIECE)))).await?;
        }
        piece.extend_from_slice(&line);
        rows += 1;
    }
    on_rows(rows);
    send(&to, Piece::Lines(piece)).await?;
    send(&to, Piece::End).await?;
    Ok(rows)
}

async fn send(to: &Sender<Piece>, piece: Piece) -> Result<(), PostgresError> {
    to.send(piece).await.map_err(|_| PostgresError::Stopped("writing rows"))
}

/// Treats rows and writes them, on a thread that may block; none where they never came to an end.
pub(super) fn store(
    mut from: Receiver<Piece>,
    mut stream: StreamWriter,
    table: &TableName,
    treatment: &Treatment,
) -> Result<Option<Stream>, PostgresError> {
    let mut rows = 0_u64;
    while let Some(piece) = from.blocking_recv() {
        let Piece::Lines(lines) = piece else {
            stream.attribute("rows", rows);
            return Ok(Some(stream.finish()?));
        };
        let out = treatment.apply(table, lines)?;
        rows += out.iter().filter(|byte| **byte == b'\n').count() as u64;
        stream.write_all(&out).map_err(unwrap)?;
    }
    Ok(None)
}

/// Treats rows and writes them nowhere.
pub(super) fn drain(mut from: Receiver<Piece>, table: &TableName, treatment: &Treatment) -> Result<(), PostgresError> {
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
