//! Parts of a load that workers share. Each is loaded by one transaction, which says so in a table beside the rows: a worker
//! that is started anew goes on where it ended.

use bytes::Bytes;
use futures::StreamExt;

use super::connect::{Server, Session};
use super::copy_in::copy_in;
use super::error::{During, PostgresError, Shown};
use super::spread::open;
use super::sql::{full_name, name_list};
use crate::data::generate::{Format, Generator};
use crate::data::schema::TableName;
use crate::data::slices::slices;

/// The most rows of a part: what a worker that dies has to do again.
const ROWS: u64 = 25_000;

/// Where it is written down which parts are there.
const DONE: &str = "devcluster_loading.parts";

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) table: TableName,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Part {
    pub(super) fn rows(&self) -> u64 {
        self.to - self.from
    }
}

/// Which of how many workers one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub index: usize,
    /// How many there are.
    pub workers: usize,
}

/// All parts of a load in their order; a part's place is its number. The same generator gives the same everywhere.
pub(super) fn all(generator: &Generator) -> Vec<Part> {
    let mut parts = Vec::new();
    for plan in generator.tables() {
        let starts = (0..plan.rows).step_by(usize::try_from(ROWS).unwrap_or(usize::MAX));
        parts.extend(starts.map(|from| Part {
            table: plan.table.clone(),
            from,
            to: plan.rows.min(from + ROWS),
        }));
    }
    parts
}

/// Makes the table that says which parts are there.
pub(super) async fn prepare(session: &Session) -> Result<(), PostgresError> {
    let statement = format!(
        "CREATE SCHEMA devcluster_loading; \
         CREATE TABLE {DONE} (number int8 PRIMARY KEY, rows int8 NOT NULL, bytes int8 NOT NULL)"
    );
    session.batch_execute(&statement).await.during("preparing the load")
}

/// Takes that table away.
pub(super) async fn forget(session: &Session) -> Result<(), PostgresError> {
    session.batch_execute("DROP SCHEMA devcluster_loading CASCADE").await.during("ending the load")
}

/// The parts that are there: number, rows, bytes of COPY's text.
pub(super) async fn done(session: &Session) -> Result<Vec<(usize, u64, u64)>, PostgresError> {
    let query = format!("SELECT number, rows, bytes FROM {DONE} ORDER BY number");
    let rows = session.query(&query, &[]).await.during("looking how far the workers are")?;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let part = |row: &tokio_postgres::Row| {
        (usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX), number(row.get(1)), number(row.get(2)))
    };
    Ok(rows.iter().map(part).collect())
}

/// Loads one worker's share of all parts into the database that the server's credentials name, which [`super::Spread`] made.
/// Gives the rows that it loaded; parts that are there already are passed over.
pub async fn load_share(server: &Server, generator: &Generator, share: Share) -> Result<u64, PostgresError> {
    let session = open(server, server.database()).await?;
    let mut loaded = 0;
    for (number, part) in
        all(generator).iter().enumerate().filter(|(number, _)| number % share.workers == share.index)
    {
        loaded += load_part(&session, generator, number, part).await?;
    }
    Ok(loaded)
}

async fn load_part(
    session: &Session,
    generator: &Generator,
    number: usize,
    part: &Part,
) -> Result<u64, PostgresError> {
    let task = || format!("loading rows {} to {} of {}", part.from, part.to, part.table);
    let at = i64::try_from(number).unwrap_or(i64::MAX);
    let rows = i64::try_from(part.rows()).unwrap_or(i64::MAX);
    session.batch_execute("BEGIN").await.during(task())?;
    // Another that loads the same part, such as a Pod that was given up and lives on, is waited for.
    let insert = format!("INSERT INTO {DONE} VALUES ($1, $2, 0) ON CONFLICT DO NOTHING");
    if session.execute(&insert, &[&at, &rows]).await.during(task())? == 0 {
        session.batch_execute("ROLLBACK").await.during(task())?;
        return Ok(0);
    }
    let (taken, bytes) = copy(session, generator, part).await?;
    if taken != part.rows() {
        return Err(PostgresError::RowsLost { table: part.table.clone(), taken, given: part.rows() });
    }
    let update = format!("UPDATE {DONE} SET bytes = $2 WHERE number = $1");
    session.execute(&update, &[&at, &i64::try_from(bytes).unwrap_or(i64::MAX)]).await.during(task())?;
    session.batch_execute("COMMIT").await.during(task())?;
    Ok(taken)
}

async fn copy(session: &Session, generator: &Generator, part: &Part) -> Result<(u64, u64), PostgresError> {
    let columns = generator.columns(&part.table)?;
    let name = full_name(&part.table);
    if columns.is_empty() {
        let insert = format!("INSERT INTO {name} SELECT FROM pg_catalog.generate_series(1, {})", part.rows());
        return Ok((session.execute(&insert, &[]).await.during(format!("filling {}", part.table))?, 0));
    }
    let statement =
        format!("COPY {name} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8')", name_list(columns.into_iter()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
    let mut bytes = 0;
    let slices =
        slices(generator, &part.table, part.from..part.to, Format::Copy, threads, PostgresError::Stopped)?;
    let chunks = slices.map(|slice| {
        slice.map(|(_, chunk): (u64, Bytes)| {
            bytes += chunk.len() as u64;
            chunk
        })
    });
    let taken = copy_in(session, &statement, Shown::All, chunks).await?;
    Ok((taken, bytes))
}
