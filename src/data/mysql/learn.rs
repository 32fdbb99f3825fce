//! Measures a database: in one transaction that can only read, a column at a time.

use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Row, ServerError};

use super::catalogue::schema_in;
use super::connect::{Flavour, Server, Session};
use super::error::MysqlError;
use super::learn_queries as queries;
use crate::data::learn::{
    Asked, Children, Counts, LearnError, LearnOptions, Named, Profile, Ranks, Source, TOP, Taken, Telling,
    measure, pairs, place,
};
use crate::data::progress::OnProgress;
use crate::data::schema::{ForeignKey, Table};

/// Seconds that a change of a table is waited for.
const LONGEST_WAIT: u32 = 10;

/// Measures all tables of a database as they are at one moment. Nothing is written, and no value leaves the server but labels that
/// the rules or the allow-list let through. Tables without transactions (MyISAM) are measured as they are at their turn.
pub async fn learn(
    server: &Server,
    options: &LearnOptions,
    on_progress: OnProgress<'_>,
) -> Result<Profile, LearnError> {
    let mut measured = Measured(server.session().await?);
    measured.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let schema = schema_in(&mut measured.0, server.flavour(), server.database()).await?;
    measured.limit(server.flavour(), options.query_time).await?;
    let profile = measure(&mut measured, &schema, options, on_progress).await?;
    measured.run("COMMIT").await?;
    Ok(profile)
}

/// A database in such a transaction.
struct Measured(Session);

impl Measured {
    /// Lets no query take longer.
    async fn limit(&mut self, flavour: Flavour, query_time: Duration) -> Result<(), LearnError> {
        let limit = match flavour {
            Flavour::MySql => format!("max_execution_time = {}", query_time.as_millis()),
            Flavour::MariaDb => format!("max_statement_time = {}", query_time.as_secs_f64()),
        };
        self.run(&format!("SET SESSION {limit}, SESSION lock_wait_timeout = {LONGEST_WAIT}")).await
    }

    async fn run(&mut self, statement: &str) -> Result<(), LearnError> {
        self.0.query_drop(statement).await.map_err(|error| failed("the database", error))
    }

    async fn all<T>(&mut self, what: &str, query: &str) -> Result<Vec<T>, LearnError>
    where
        T: FromRow + Send + 'static,
    {
        self.0.query(query).await.map_err(|error| failed(what, error))
    }

    /// The only row of a query of sums.
    async fn one(&mut self, what: &str, query: &str) -> Result<Numbers, LearnError> {
        let row: Option<Row> = self.0.query_first(query).await.map_err(|error| failed(what, error))?;
        Ok(Numbers(row))
    }

    async fn number(&mut self, what: &str, query: &str) -> Result<u64, LearnError> {
        Ok(self.one(what, query).await?.count(0))
    }

    /// How often each of so many places is met.
    async fn per(&mut self, what: &str, query: Option<String>, most: usize) -> Result<Vec<u64>, LearnError> {
        let Some(query) = query else { return Ok(Vec::new()) };
        let mut counts = vec![0; most];
        for (place, count) in self.all::<(u64, u64)>(what, &query).await? {
            if let Some(known) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
                *known = count;
            }
        }
        Ok(counts)
    }
}

/// A row of numbers, each of which may be null.
struct Numbers(Option<Row>);

impl Numbers {
    fn maybe(&self, at: usize) -> Option<u64> {
        self.0.as_ref()?.get_opt::<Option<u64>, _>(at)?.ok()?
    }

    fn count(&self, at: usize) -> u64 {
        self.maybe(at).unwrap_or(0)
    }

    fn fraction(&self, at: usize) -> Option<f64> {
        self.0.as_ref()?.get_opt::<Option<f64>, _>(at)?.ok()?
    }
}

impl Source for Measured {
    async fn rows(&mut self, table: &Table, _: u64) -> Result<u64, LearnError> {
        // The server's own estimate may be half or twice as many.
        self.number(&table.name.to_string(), &queries::count(Taken { table, percent: None })).await
    }

    async fn counts(&mut self, taken: Taken<'_>, asked: Asked<'_>, least: u64) -> Result<Counts, LearnError> {
        let what = place(taken.table, asked.column);
        let found = self.one(&what, &queries::filled(taken, asked)).await?;
        let mut counts = Counts { rows: found.count(0), filled: found.count(1), ..Counts::default() };
        let frequencies: Vec<(u64, u64, u64, u64)> =
            self.all(&what, &queries::frequencies(taken, asked)).await?;
        for (nth, rows, kinds, lone) in frequencies {
            // The last is the rarest.
            (counts.distinct, counts.lone, counts.rarest) = (kinds, lone, rows);
            if nth <= TOP {
                counts.top.push(rows);
            }
            if nth.is_power_of_two() {
                counts.doubling.push(rows);
            }
        }
        if let Some(query) = queries::widths(taken, asked, least) {
            let found = self.one(&what, &query).await?;
            (counts.most_width, counts.average_width) = (found.maybe(0), found.maybe(1));
        }
        if let Some(query) = queries::places(taken, asked) {
            let found = self.one(&what, &query).await?;
            [counts.placed, counts.negative, counts.zero] = [0, 1, 2].map(|at| found.count(at));
            let quartiles: Option<Vec<f64>> = (3..6).map(|at| found.fraction(at)).collect();
            counts.quartiles = quartiles.and_then(|found| found.try_into().ok());
            counts.span = found.maybe(6);
            counts.halves = [7, 8].map(|at| found.count(at));
        }
        counts.days = self.per(&what, queries::days(taken, asked), 7).await?;
        counts.hours = self.per(&what, queries::hours(taken, asked), 24).await?;
        Ok(counts)
    }

    async fn labels(
        &mut self,
        taken: Taken<'_>,
        asked: Asked<'_>,
        named: Named,
    ) -> Result<Vec<(String, u64)>, LearnError> {
        let what = place(taken.table, asked.column);
        self.all(&what, &queries::labels(taken, asked, named)).await
    }

    async fn correlations(
        &mut self,
        taken: Taken<'_>,
        columns: &[Asked<'_>],
    ) -> Result<Vec<Ranks>, LearnError> {
        let what = format!("correlations of {}", taken.table.name);
        let found = self.one(&what, &queries::correlations(taken, columns)).await?;
        let ranks = pairs(columns.len()).enumerate().map(|(at, _)| {
            let sums = (1..6).map(|sum| found.fraction(6 * at + sum)).collect::<Option<Vec<f64>>>();
            let rows = found.count(6 * at);
            Ranks { rows, correlation: sums.and_then(|sums| correlation(rows, &sums)) }
        });
        Ok(ranks.collect())
    }

    async fn children(
        &mut self,
        table: &Table,
        parent: &Table,
        key: &ForeignKey,
        one_in: u64,
    ) -> Result<Children, LearnError> {
        let what = format!("{} of {}", key.name, table.name);
        let parents = self.number(&what, &queries::parents(parent, key, one_in)).await?;
        let classes = self.all(&what, &queries::children(table, key, one_in)).await?;
        Ok(Children { parents, classes })
    }
}

/// Of so many rows by sums: of both, of both squares, of products.
#[expect(clippy::cast_precision_loss, reason = "a correlation is rounded to tenths")]
fn correlation(rows: u64, sums: &[f64]) -> Option<f64> {
    let [one, other, one_squared, other_squared, product] = *sums else { return None };
    let rows = rows as f64;
    let both = rows * product - one * other;
    let apart = (rows * one_squared - one * one) * (rows * other_squared - other * other);
    (apart > 0.0).then(|| both / apart.sqrt())
}

impl From<MysqlError> for LearnError {
    fn from(error: MysqlError) -> Self {
        Self::store(error)
    }
}

fn failed(what: impl Into<String>, error: mysql_async::Error) -> LearnError {
    match error {
        mysql_async::Error::Server(fault) => {
            let code = format!("ERROR {} {}", fault.code, fault.state);
            LearnError::server(what, code, &fault.message, telling(&fault))
        }
        other => LearnError::connection(what, other),
    }
}

/// A message is told where its class speaks of names and states alone; others may quote a value.
fn telling(fault: &ServerError) -> Telling {
    // Connections, transactions, who may come in, syntax and rights; locks that were waited for.
    let safe = ["08", "25", "28", "40", "42"];
    match fault.code {
        1969 | 3024 => Telling::TooLong,
        1205 => Telling::AsItIs,
        _ if safe.iter().any(|class| fault.state.starts_with(class)) => Telling::AsItIs,
        _ => Telling::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_may_quote_a_value_are_not_told() {
        for (code, state, expected) in [
            (1142, "42000", Telling::AsItIs),
            (1205, "HY000", Telling::AsItIs),
            (1969, "70100", Telling::TooLong),
            (3024, "HY000", Telling::TooLong),
            (1366, "22007", Telling::Nothing),
            (1644, "45000", Telling::Nothing),
            (1105, "HY000", Telling::Nothing),
        ] {
            let fault = ServerError { code, message: "secret".to_owned(), state: state.to_owned() };
            assert_eq!(telling(&fault), expected, "{code}");
        }
    }

    #[test]
    fn sums_give_the_correlation() {
        // Ranks 1 to 4 with themselves, and with themselves the other way round.
        let known = |product: f64| correlation(4, &[10.0, 10.0, 30.0, 30.0, product]);
        assert_eq!([known(30.0), known(20.0), known(25.0)], [Some(1.0), Some(-1.0), Some(0.0)]);
        assert_eq!(correlation(4, &[4.0, 10.0, 4.0, 30.0, 10.0]), None);
    }
}
