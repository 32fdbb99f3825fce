//! Moves one table's rows from the server into a stream of a snapshot, a mebibyte at a time.

use bytes::Bytes;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc::{Receiver, Sender};

use super::columns::Written;
use super::connect::Session;
use super::error::{During, MysqlError};
use super::row::{field, without_copy_escapes};
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

/// A table and what reads its rows.
pub(super) struct Reading<'s> {
    pub(super) table: &'s TableName,
    pub(super) columns: &'s [Written],
    pub(super) query: String,
    /// Rows, as the server estimates them.
    pub(super) estimate: u64,
}

/// Reads a table's rows and hands them on; gives their number. A row is in memory as a whole.
pub(super) async fn read_rows(
    session: &mut Session,
    reading: &Reading<'_>,
    to: Sender<Piece>,
    on_rows: impl Fn(u64),
) -> Result<u64, MysqlError> {
    let task = || format!("reading rows of {}", reading.table);
    let mut result = session.query_iter(reading.query.as_str()).await.during(task())?;
    let (mut piece, mut rows) = (Vec::with_capacity(PIECE), 0);
    while let Some(row) = result.next().await.during(task())? {
        rows += 1;
        for (at, column) in reading.columns.iter().enumerate() {
            if at > 0 {
                piece.push(b'\t');
            }
            if let Some(value) = row.as_ref(at) {
                field(value, column.way, &mut piece);
            }
        }
        piece.push(b'\n');
        if piece.len() >= PIECE {
            on_rows(rows);
            send(&to, std::mem::replace(&mut piece, Vec::with_capacity(PIECE))).await?;
        }
    }
    result.drop_result().await.during(task())?;
    on_rows(rows);
    send(&to, piece).await?;
    to.send(Piece::End(rows)).await.map_err(|_| STOPPED)?;
    Ok(rows)
}

const STOPPED: MysqlError = MysqlError::Stopped("writing rows");

/// Hands lines on and waits until they are taken: large rows would otherwise add up.
async fn send(to: &Sender<Piece>, lines: Vec<u8>) -> Result<(), MysqlError> {
    let is_large = lines.len() > 2 * PIECE;
    to.send(Piece::Lines(lines.into())).await.map_err(|_| STOPPED)?;
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
) -> Result<Option<Stream>, MysqlError> {
    while let Some(piece) = from.blocking_recv() {
        match piece {
            Piece::Lines(lines) => write(&mut stream, &treated(treatment, table, lines)?)?,
            Piece::End(rows) => {
                stream.attribute("rows", rows);
                return Ok(Some(stream.finish()?));
            }
        }
    }
    Ok(None)
}

fn treated(treatment: &Treatment, table: &TableName, lines: Bytes) -> Result<Bytes, MysqlError> {
    match treatment {
        Treatment::Plain => Ok(lines),
        _ => Ok(without_copy_escapes(treatment.apply(table, lines)?.into()).into()),
    }
}

/// Treats rows and writes them nowhere.
pub(super) fn drain(
    mut from: Receiver<Piece>,
    table: &TableName,
    treatment: &Treatment,
) -> Result<(), MysqlError> {
    while let Some(Piece::Lines(lines)) = from.blocking_recv() {
        treatment.apply(table, lines)?;
    }
    Ok(())
}

/// Writes to a stream.
pub(super) fn write(stream: &mut StreamWriter, bytes: &[u8]) -> Result<(), MysqlError> {
    std::io::Write::write_all(stream, bytes).map_err(|error| match error.downcast::<SnapshotError>() {
        Ok(error) => error.into(),
        Err(source) => SnapshotError::Io { what: "write", path: "the snapshot".to_owned(), source }.into(),
    })
}
