//! The measuring queries, for MySQL 8 and MariaDB alike. What they give are counts, and shapes that are relative to themselves;
//! labels alone are values.

use super::sql::{full_name, quoted};
use crate::data::learn::{Asked, Kind, LONGEST_LABEL, MOST_LABELS, Named, TOP, Taken, Times, pairs};
use crate::data::schema::{ColumnType, ForeignKey, Table};

/// Parts that rows are told apart by where a sample is taken.
const PARTS: u32 = 1_000_000;

/// A table's rows, or a sample of them that every query takes the same: ends in a condition.
fn rows_of(taken: Taken<'_>) -> String {
    let Taken { table, percent } = taken;
    let sample = percent.map_or_else(
        || "1".to_owned(),
        |percent| {
            let limit = f64::from(PARTS) * percent / 100.0;
            match table.row_key() {
                [] => format!("rand(1) * {PARTS} < {limit:.0}"),
                columns => format!("{} % {PARTS} < {limit:.0}", hash(columns)),
            }
        },
    );
    format!("{} WHERE {sample}", full_name(&table.name))
}

fn hash(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    format!("crc32(concat_ws('/', {}))", names.join(", "))
}

/// Rows.
pub(super) fn count(taken: Taken<'_>) -> String {
    format!("SELECT count(*) FROM {}", rows_of(taken))
}

/// Rows, and those that have a value.
pub(super) fn filled(taken: Taken<'_>, asked: Asked<'_>) -> String {
    format!("SELECT count(*), count({}) FROM {}", quoted(&asked.column.name), rows_of(taken))
}

/// Of the most frequent values, of the 1st, 2nd, 4th and so on, and of the rarest: its place, its rows; with each, for all
/// values: how many there are, and how many of them one row alone has.
pub(super) fn frequencies(taken: Taken<'_>, asked: Asked<'_>) -> String {
    let name = quoted(&asked.column.name);
    let from = rows_of(taken);
    let value = value(asked.kind, &name);
    // MariaDB looks at all rows again for each row, where a window's least or greatest value is asked for.
    format!(
        "SELECT nth, n, kinds, CAST(alone AS UNSIGNED) FROM
           (SELECT n, row_number() OVER (ORDER BY n DESC) AS nth, count(*) OVER () AS kinds, sum(n = 1) OVER () AS alone
            FROM (SELECT count(*) AS n FROM {from} AND {name} IS NOT NULL GROUP BY {value}) AS counted) AS ranked
         WHERE nth <= {TOP} OR nth & (nth - 1) = 0 OR nth = kinds ORDER BY nth"
    )
}

/// The width that `least` rows have or surpass, and the average of those up to it; none for numbers and times.
pub(super) fn widths(taken: Taken<'_>, asked: Asked<'_>, least: u64) -> Option<String> {
    let name = quoted(&asked.column.name);
    let width = match asked.kind {
        Kind::Text => format!("char_length({name})"),
        Kind::Bytes | Kind::Other => format!("length({name})"),
        _ => return None,
    };
    let (from, before) = (rows_of(taken), least.saturating_sub(1));
    Some(format!(
        "WITH measured AS (SELECT {width} AS width FROM {from} AND {name} IS NOT NULL),
           wide AS (SELECT width AS most FROM measured ORDER BY width DESC LIMIT 1 OFFSET {before})
         SELECT CAST(max(most) AS UNSIGNED), CAST(round(avg(least(width, most))) AS UNSIGNED) FROM measured, wide"
    ))
}

/// How numbers and times lie: rows on the line, below 0, at 0, the quartiles between the 5th percentile and the 95th, the
/// logarithm of what lies between those, and rows in both halves of it.
pub(super) fn places(taken: Taken<'_>, asked: Asked<'_>) -> Option<String> {
    let number = number(asked)?;
    let from = rows_of(taken);
    let percentile = |share: &str| format!("max(CASE WHEN nth = ceil({share} * n) THEN number END)");
    let [first, low, middle, high, last] = ["0.05", "0.25", "0.5", "0.75", "0.95"].map(percentile);
    let between =
        |place: &str| format!("round((max({place}) - max(first)) / (max(last) - max(first)) * 20) / 20");
    let [low_part, middle_part, high_part] = ["low", "middle", "high"].map(between);
    Some(format!(
        "WITH measured AS (SELECT {number} AS number FROM {from}),
           ranked AS (SELECT number, row_number() OVER (ORDER BY number) AS nth, count(*) OVER () AS n
             FROM measured WHERE number IS NOT NULL),
           five AS (SELECT {first} AS first, {low} AS low, {middle} AS middle, {high} AS high, {last} AS last FROM ranked)
         SELECT count(*), CAST(sum(number < 0) AS UNSIGNED), CAST(sum(number = 0) AS UNSIGNED),
           {low_part}, {middle_part}, {high_part},
           CASE WHEN max(last) > max(first)
             THEN CAST(round(log2(greatest(max(last) - max(first), 1))) AS UNSIGNED) END,
           CAST(sum(number >= first AND number < first / 2 + last / 2) AS UNSIGNED),
           CAST(sum(number >= first / 2 + last / 2 AND number <= last) AS UNSIGNED)
         FROM measured, five WHERE number IS NOT NULL"
    ))
}

/// Days of the week from Monday on, and how many times are in each; none for what has no days.
pub(super) fn days(taken: Taken<'_>, asked: Asked<'_>) -> Option<String> {
    let Kind::Time(Times::Day | Times::Instant) = asked.kind else { return None };
    // The first of January 1970 was a Thursday, the fourth day from 0.
    per(taken, asked, "((floor(number / 86400) + 3) % 7 + 7) % 7")
}

/// Hours of the day, and how many times are in each; none for what has no hours.
pub(super) fn hours(taken: Taken<'_>, asked: Asked<'_>) -> Option<String> {
    let Kind::Time(Times::Instant | Times::OfDay) = asked.kind else { return None };
    per(taken, asked, "(floor(number / 3600) % 24 + 24) % 24")
}

fn per(taken: Taken<'_>, asked: Asked<'_>, place: &str) -> Option<String> {
    let (number, from) = (number(asked)?, rows_of(taken));
    Some(format!(
        "SELECT CAST({place} AS UNSIGNED) AS place, count(*) FROM (SELECT {number} AS number FROM {from}) AS measured
         WHERE number IS NOT NULL GROUP BY place"
    ))
}

/// Labels and how many rows have them. The only query that gives values.
pub(super) fn labels(taken: Taken<'_>, asked: Asked<'_>, named: Named) -> String {
    let name = quoted(&asked.column.name);
    let from = rows_of(taken);
    let value = value(asked.kind, &name);
    // What is no truth and no label of its enumeration is a value like any other, and not named.
    let (label, known) = match asked.kind {
        Kind::Truth => (format!("if({name} + 0, 'true', 'false')"), format!(" AND {name} + 0 IN (0, 1)")),
        Kind::Label => (format!("CONVERT({name} USING utf8mb4)"), format!(" AND {name} + 0 > 0")),
        Kind::Bytes => (format!("concat('\\\\x', hex({name}))"), String::new()),
        Kind::Other if asked.column.kind != ColumnType::Json => (format!("hex({name})"), String::new()),
        Kind::Text | Kind::Other => (format!("CONVERT({name} USING utf8mb4)"), String::new()),
        Kind::Whole | Kind::Number(_) | Kind::Time(_) => (format!("CAST({name} AS CHAR)"), String::new()),
    };
    let least = match named {
        Named::All => String::new(),
        Named::From(rows) => format!(" WHERE n >= {rows} AND char_length(label) <= {LONGEST_LABEL}"),
    };
    format!(
        "SELECT label, n FROM (SELECT max({label}) AS label, count(*) AS n FROM {from} AND {name} IS NOT NULL{known}
           GROUP BY {value}) AS found{least} ORDER BY n DESC, CAST(label AS BINARY) LIMIT {MOST_LABELS}"
    )
}

/// What is summed up of the ranks of each two columns, for rows that have both: their number, both sums, both sums of squares,
/// and the sum of products.
pub(super) fn correlations(taken: Taken<'_>, columns: &[Asked<'_>]) -> String {
    let from = rows_of(taken);
    let place = |(at, asked): (usize, &Asked<'_>)| {
        format!("{} AS c{at}", number(*asked).unwrap_or_else(|| quoted(&asked.column.name)))
    };
    let taken: Vec<String> = columns.iter().enumerate().map(place).collect();
    let rank = |at: usize| {
        format!("CASE WHEN c{at} IS NOT NULL THEN rank() OVER (ORDER BY c{at}) END + 0e0 AS r{at}")
    };
    let ranked: Vec<String> = (0..columns.len()).map(rank).collect();
    let sums = |(one, other): (usize, usize)| {
        let (one, other) = (format!("r{one}"), format!("r{other}"));
        format!(
            "count({one} + {other}), sum({one} + 0 * {other}), sum({other} + 0 * {one}), sum({one} * {one} + 0 * {other}),
             sum({other} * {other} + 0 * {one}), sum({one} * {other})"
        )
    };
    let sums: Vec<String> = pairs(columns.len()).map(sums).collect();
    format!(
        "SELECT {} FROM (SELECT {} FROM (SELECT {} FROM {from}) AS measured) AS ranked",
        sums.join(", "),
        ranked.join(", "),
        taken.join(", ")
    )
}

/// Parents in all. Where a table is large, one parent in `one_in` is looked at, by a hash of its key.
pub(super) fn parents(parent: &Table, key: &ForeignKey, one_in: u64) -> String {
    format!("SELECT count(*) FROM {} WHERE {}", full_name(&parent.name), chosen(&key.references, one_in))
}

/// Parents and children by classes of their number of children.
pub(super) fn children(table: &Table, key: &ForeignKey, one_in: u64) -> String {
    let names = super::sql::name_list(key.columns.iter().map(String::as_str));
    format!(
        "SELECT count(*), CAST(sum(n) AS UNSIGNED) FROM
           (SELECT n, CASE WHEN n <= 8 THEN n ELSE 8 + floor(ln(n / 8.0) / ln(1.25)) END AS class FROM
             (SELECT count(*) AS n FROM {} WHERE {} GROUP BY {names}) AS children) AS classes
         GROUP BY class ORDER BY class",
        full_name(&table.name),
        chosen(&key.columns, one_in)
    )
}

fn chosen(columns: &[String], one_in: u64) -> String {
    let mut all: Vec<String> =
        columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect();
    if one_in > 1 {
        all.push(format!("{} % {one_in} = 0", hash(columns)));
    }
    all.join(" AND ")
}

/// An expression of `column` that tells values apart and is short: texts by their bytes, whatever their collation.
fn value(kind: Kind, column: &str) -> String {
    match kind {
        Kind::Truth | Kind::Label => format!("{column} + 0"),
        Kind::Whole | Kind::Number(_) | Kind::Time(_) => column.to_owned(),
        Kind::Text | Kind::Bytes | Kind::Other => format!("md5({column})"),
    }
}

/// An expression of its place on a line in 64 binary bits: times in seconds since 1970. What is no day, or beyond 10^100, is
/// null, for differences and ratios of such overflow.
fn number(asked: Asked<'_>) -> Option<String> {
    let name = quoted(&asked.column.name);
    match asked.kind {
        Kind::Whole => Some(format!("{name} + 0e0")),
        Kind::Number(_) => Some(format!("CASE WHEN {name} BETWEEN -1e100 AND 1e100 THEN {name} + 0e0 END")),
        Kind::Time(Times::Day) => Some(format!("(to_days({name}) - 719528) * 86400e0")),
        Kind::Time(Times::Instant) => Some(format!("to_seconds({name}) - 62167219200e0")),
        Kind::Time(Times::OfDay | Times::Span) => Some(format!("time_to_sec({name}) + 0e0")),
        Kind::Truth | Kind::Label | Kind::Text | Kind::Bytes | Kind::Other => None,
    }
}
