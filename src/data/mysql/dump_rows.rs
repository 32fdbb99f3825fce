//! Reads one table's rows, a mebibyte at a time.

use bytes::Bytes;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc::Sender;

use super::columns::Written;
use super::connect::Session;
use super::error::{During, MysqlError};
use super::row::{field, without_copy_escapes};
use crate::data::mask::Treatment;
use crate::data::pieces::{Gone, PIECE, Piece, end, send};
use crate::data::schema::TableName;

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
            let whole = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
            send(&to, whole.into()).await.map_err(gone)?;
        }
    }
    result.drop_result().await.during(task())?;
    on_rows(rows);
    send(&to, piece.into()).await.map_err(gone)?;
    end(&to, rows).await.map_err(gone)?;
    Ok(rows)
}

/// Nobody takes the rows any more.
fn gone(_: Gone) -> MysqlError {
    MysqlError::Stopped("writing rows")
}

/// Rows as they are kept.
pub(super) fn treated(treatment: &Treatment, table: &TableName, lines: Bytes) -> Result<Bytes, MysqlError> {
    match treatment {
        Treatment::Plain => Ok(lines),
        _ => Ok(without_copy_escapes(treatment.apply(table, lines)?.into()).into()),
    }
}
