//! Rows on their way from a server into a stream of a snapshot, a mebibyte at a time, whatever the store.

use std::io::Write as _;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender};

use super::mask::{MaskError, Treatment};
use super::schema::TableName;
use super::snapshot::{SnapshotError, Stream, StreamWriter};

/// Bytes of rows that are handed on at once.
pub(in crate::data) const PIECE: usize = 1 << 20;

/// What is handed on. Without an end, whoever waits for it knows that it never came to one.
pub(in crate::data) enum Piece {
    /// Whole lines.
    Lines(Bytes),
    /// There are no more than so many.
    End(u64),
}

/// Nobody takes rows any more: why, they say themselves.
#[derive(Debug)]
pub(in crate::data) struct Gone;

/// Hands lines on and waits until they are taken where they are many: large rows would otherwise add up.
pub(in crate::data) async fn send(to: &Sender<Piece>, lines: Bytes) -> Result<(), Gone> {
    let is_large = lines.len() > 2 * PIECE;
    to.send(Piece::Lines(lines)).await.map_err(|_| Gone)?;
    if is_large {
        drop(to.reserve().await.map_err(|_| Gone)?);
    }
    Ok(())
}

/// Says that these were all rows.
pub(in crate::data) async fn end(to: &Sender<Piece>, rows: u64) -> Result<(), Gone> {
    to.send(Piece::End(rows)).await.map_err(|_| Gone)
}

/// Writes rows as they are `treated`, on a thread that may block; none where they never came to an end.
pub(in crate::data) fn store<E: From<SnapshotError>>(
    mut from: Receiver<Piece>,
    mut stream: StreamWriter,
    treated: impl Fn(Bytes) -> Result<Bytes, E>,
) -> Result<Option<Stream>, E> {
    while let Some(piece) = from.blocking_recv() {
        match piece {
            Piece::Lines(lines) => write(&mut stream, &treated(lines)?)?,
            Piece::End(rows) => {
                stream.attribute("rows", rows);
                return Ok(Some(stream.finish()?));
            }
        }
    }
    Ok(None)
}

/// Treats rows and writes them nowhere.
pub(in crate::data) fn drain(
    mut from: Receiver<Piece>,
    table: &TableName,
    treatment: &Treatment,
) -> Result<(), MaskError> {
    while let Some(Piece::Lines(lines)) = from.blocking_recv() {
        treatment.apply(table, lines)?;
    }
    Ok(())
}

/// Writes to a stream.
pub(in crate::data) fn write(stream: &mut StreamWriter, bytes: &[u8]) -> Result<(), SnapshotError> {
    stream.write_all(bytes).map_err(|error| match error.downcast::<SnapshotError>() {
        Ok(error) => error,
        Err(source) => SnapshotError::Io { what: "write", path: "the snapshot".to_owned(), source },
    })
}
