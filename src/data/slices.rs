//! Generated rows on their way into a server, made on several threads at once.

use std::ops::Range;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::generate::{Format, GenerateError, Generator};
use super::schema::TableName;

/// Bytes of rows that are made at once.
const SLICE: u64 = 1 << 20;

/// Rows of a table in order with how many they are, so many slices ahead as there are threads. `stopped` is the store's error for
/// a thread that ended early.
pub(in crate::data) fn slices<E>(
    generator: &Generator,
    table: &TableName,
    rows: Range<u64>,
    format: Format,
    threads: usize,
    stopped: fn(&'static str) -> E,
) -> Result<impl Stream<Item = Result<(u64, Bytes), E>> + Send + use<E>, GenerateError>
where
    E: From<GenerateError> + Send + 'static,
{
    let sample = (rows.end - rows.start).min(64);
    let mut out = Vec::new();
    generator.write(table, rows.start..rows.start + sample, format, &mut out)?;
    let width = (out.len() as u64 / sample.max(1)).max(1);
    let step = (SLICE / width).max(1);
    let starts = (0..).map(move |slice: u64| rows.start.saturating_add(slice.saturating_mul(step)));
    let starts = starts.take_while(move |start| *start < rows.end);
    let (generator, table) = (generator.clone(), table.clone());
    let make = move |start: u64| {
        let (generator, table, end) = (generator.clone(), table.clone(), rows.end.min(start + step));
        async move {
            let made = tokio::task::spawn_blocking(move || {
                let mut out = Vec::with_capacity(usize::try_from(SLICE + SLICE / 8).unwrap_or(0));
                generator.write(&table, start..end, format, &mut out)?;
                Ok((end - start, Bytes::from(out)))
            });
            made.await.map_err(|_| stopped("making rows"))?
        }
    };
    Ok(stream::iter(starts).map(make).buffered(threads.max(1)))
}
