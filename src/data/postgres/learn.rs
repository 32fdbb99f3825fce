//! Measures a database: in one transaction that can only read, a column at a time.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::catalogue::schema_in;
use super::connect::{Server, Session};
use super::error::PostgresError;
use super::learn_queries as queries;
use crate::data::learn::{
    Asked, Children, Counts, LearnError, LearnOptions, Named, Profile, Ranks, Source, Taken, Telling,
    measure, pairs, place,
};
use crate::data::progress::OnProgress;
use crate::data::schema::{ForeignKey, Table};

/// Measures all tables of a database as they are at one moment. Nothing is written, and no value leaves the server but labels that
/// the rules or the allow-list let through.
pub async fn learn(
    server: &Server,
    options: &LearnOptions,
    on_progress: OnProgress<'_>,
) -> Result<Profile, LearnError> {
    let session = server.session().await?;
    begin(&session, options.query_time).await?;
    let schema = schema_in(&session).await?;
    let profile = measure(&mut Measured(&session), &schema, options, on_progress).await?;
    session.batch_execute("COMMIT").await.map_err(|error| failed("the database", error))?;
    Ok(profile)
}

async fn begin(session: &Session, query_time: Duration) -> Result<(), LearnError> {
    let most = query_time.as_millis();
    // Compiling a query that runs once costs more than it gains.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = {most}; \
         SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL jit = off"
    );
    session.batch_execute(&begin).await.map_err(|error| failed("the database", error))
}

/// A database in such a transaction.
struct Measured<'s>(&'s Session);

impl Measured<'_> {
    async fn all(&self, what: &str, query: &str) -> Result<Vec<Row>, LearnError> {
        self.0.query(query, &[]).await.map_err(|error| failed(what, error))
    }

    async fn one(&self, what: &str, query: &str) -> Result<Row, LearnError> {
        self.0.query_one(query, &[]).await.map_err(|error| failed(what, error))
    }
}

impl Source for Measured<'_> {
    async fn rows(&mut self, table: &Table, enough: u64) -> Result<u64, LearnError> {
        let what = table.name.to_string();
        let estimate = count(&self.one(&what, &queries::estimate(table)).await?, 0, &what)?;
        if estimate > enough {
            return Ok(estimate);
        }
        count(&self.one(&what, &queries::count(table)).await?, 0, &what)
    }

    async fn counts(&mut self, taken: Taken<'_>, asked: Asked<'_>, least: u64) -> Result<Counts, LearnError> {
        let what = place(taken.table, asked.column);
        let row = self.one(&what, &queries::column(taken, asked, least)).await?;
        counts(&row).map_err(|error| failed(&*what, error))
    }

    async fn labels(
        &mut self,
        taken: Taken<'_>,
        asked: Asked<'_>,
        named: Named,
    ) -> Result<Vec<(String, u64)>, LearnError> {
        let what = place(taken.table, asked.column);
        let rows = self.all(&what, &queries::labels(taken, asked, named)).await?;
        rows.iter().map(|row| Ok((value(row, 0, &what)?, count(row, 1, &what)?))).collect()
    }

    async fn correlations(
        &mut self,
        taken: Taken<'_>,
        columns: &[Asked<'_>],
    ) -> Result<Vec<Ranks>, LearnError> {
        let what = format!("correlations of {}", taken.table.name);
        let row = self.one(&what, &queries::correlations(taken, columns)).await?;
        let found = pairs(columns.len()).enumerate().map(|(at, _)| {
            Ok(Ranks { rows: count(&row, 2 * at, &what)?, correlation: value(&row, 2 * at + 1, &what)? })
        });
        found.collect()
    }

    async fn children(
        &mut self,
        table: &Table,
        parent: &Table,
        key: &ForeignKey,
        one_in: u64,
    ) -> Result<Children, LearnError> {
        let what = format!("{} of {}", key.name, table.name);
        let mut found = Children::default();
        for row in self.all(&what, &queries::children(table, parent, key, one_in)).await? {
            let parents = count(&row, 1, &what)?;
            match value::<i64>(&row, 0, &what)? {
                -1 => found.parents = parents,
                _ => found.classes.push((parents, count(&row, 2, &what)?)),
            }
        }
        Ok(found)
    }
}

/// What [`queries::column`] gives.
fn counts(row: &Row) -> Result<Counts, tokio_postgres::Error> {
    let maybe = |at: usize| {
        row.try_get::<_, Option<i64>>(at).map(|found| found.and_then(|found| u64::try_from(found).ok()))
    };
    let count = |at: usize| maybe(at).map(Option::unwrap_or_default);
    let counts = |at: usize| {
        let found = row.try_get::<_, Option<Vec<i64>>>(at)?.unwrap_or_default();
        Ok::<_, tokio_postgres::Error>(
            found.into_iter().map(|count| u64::try_from(count).unwrap_or(0)).collect::<Vec<_>>(),
        )
    };
    Ok(Counts {
        rows: count(0)?,
        filled: count(1)?,
        distinct: count(2)?,
        lone: count(3)?,
        rarest: count(4)?,
        top: counts(5)?,
        doubling: counts(6)?,
        most_width: maybe(7)?,
        average_width: maybe(8)?,
        placed: count(9)?,
        negative: count(10)?,
        zero: count(11)?,
        quartiles: row.try_get::<_, Option<Vec<f64>>>(12)?.and_then(|found| found.try_into().ok()),
        span: maybe(13)?,
        halves: [count(14)?, count(15)?],
        days: counts(16)?,
        hours: counts(17)?,
    })
}

fn value<'r, T: FromSql<'r>>(row: &'r Row, at: usize, what: &str) -> Result<T, LearnError> {
    row.try_get(at).map_err(|error| failed(what, error))
}

fn count(row: &Row, at: usize, what: &str) -> Result<u64, LearnError> {
    Ok(u64::try_from(value::<i64>(row, at, what)?).unwrap_or(0))
}

impl From<PostgresError> for LearnError {
    fn from(error: PostgresError) -> Self {
        Self::store(error)
    }
}

fn failed(what: impl Into<String>, error: tokio_postgres::Error) -> LearnError {
    match error.as_db_error() {
        Some(fault) => {
            let code = fault.code().code();
            LearnError::server(what, code, fault.message(), telling(code))
        }
        None => LearnError::connection(what, error),
    }
}

/// A message is told where its class speaks of names and states alone; others may quote a value.
fn telling(code: &str) -> Telling {
    // Connections, transactions, sessions, syntax and rights, resources, objects in use, interventions, systems.
    let safe = ["08", "25", "28", "40", "42", "53", "55", "57", "58"];
    if code == "57014" {
        Telling::TooLong
    } else if safe.iter().any(|class| code.starts_with(class)) {
        Telling::AsItIs
    } else {
        Telling::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_may_quote_a_value_are_not_told() {
        for (code, expected) in [
            ("42501", Telling::AsItIs),
            ("53200", Telling::AsItIs),
            ("57014", Telling::TooLong),
            ("22P02", Telling::Nothing),
            ("P0001", Telling::Nothing),
            ("XX000", Telling::Nothing),
        ] {
            assert_eq!(telling(code), expected, "{code}");
        }
    }
}
