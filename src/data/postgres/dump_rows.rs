//! Reads one table's rows, a mebibyte at a time.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::connect::Session;
use super::dump_moment::Reading;
use super::error::{During, PostgresError, Shown, failed};
use crate::data::pieces::{Gone, PIECE, Piece, end, send};

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
            let whole = std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE)).freeze();
            send(&to, whole).await.map_err(gone)?;
        }
        if line.len() > PIECE {
            send(&to, line).await.map_err(gone)?;
        } else {
            piece.extend_from_slice(&line);
        }
    }
    on_rows(rows);
    send(&to, piece.freeze()).await.map_err(gone)?;
    end(&to, rows).await.map_err(gone)?;
    Ok(rows)
}

/// Nobody takes the rows any more.
fn gone(_: Gone) -> PostgresError {
    PostgresError::Stopped("writing rows")
}
