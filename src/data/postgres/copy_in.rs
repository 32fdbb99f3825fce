//! Rows into a table by `COPY ... FROM STDIN`, in constant memory.

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};

use super::connect::Session;
use super::error::{PostgresError, Shown};

/// Sends chunks as they come and gives the rows that the table took. A chunk's end need not be a row's end.
pub(super) async fn copy_in(
    session: &Session,
    statement: &str,
    shown: Shown,
    chunks: impl Stream<Item = Result<Bytes, PostgresError>>,
) -> Result<u64, PostgresError> {
    let failed = |error| super::error::failed(error, statement.to_owned(), shown);
    let sink = session.copy_in::<_, Bytes>(statement).await.map_err(failed)?;
    let (mut sink, mut chunks) = (std::pin::pin!(sink), std::pin::pin!(chunks));
    while let Some(chunk) = chunks.next().await {
        // A sink that is dropped before its end makes the server forget all of it.
        sink.send(chunk?).await.map_err(failed)?;
    }
    sink.finish().await.map_err(failed)
}
