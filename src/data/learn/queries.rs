//! The measuring queries. What they give are counts, and shapes that are relative to themselves; labels alone are values.

use super::kind::{Kind, Times};
use crate::data::postgres::{full_name, literal, quoted};
use crate::data::schema::{Column, ForeignKey, Schema, Table};

/// Values that are counted one by one, the most frequent first.
pub(super) const TOP: u64 = 20;
/// A label that may be named without being allowed by name is no longer.
const LONGEST_LABEL: u64 = 64;
/// Labels of an allowed column.
const MOST_ALLOWED: u64 = 200;
/// Rows that ranks are compared in.
const RANKED: u64 = 20_000;

/// A table's rows, or a sample of its pages that is the same each time.
pub(super) fn rows_of(table: &Table, percent: Option<f64>) -> String {
    sampled(table, "SYSTEM", percent)
}

fn sampled(table: &Table, method: &str, percent: Option<f64>) -> String {
    // A partitioned table's rows are its partitions'; a table that others inherit from has its own.
    let only = if table.partitioning.is_none() { "ONLY " } else { "" };
    let sample = percent
        .map_or(String::new(), |percent| format!(" TABLESAMPLE {method} ({percent:.6}) REPEATABLE (1)"));
    format!("{only}{}{sample}", full_name(&table.name))
}

/// About how many rows a table has, by its pages where nobody counted them yet.
pub(super) fn estimate(table: &Table) -> String {
    let name = literal(&full_name(&table.name));
    format!(
        "SELECT coalesce(pg_catalog.sum(CASE WHEN c.reltuples > 0 AND c.relpages > 0
            THEN c.reltuples::pg_catalog.float8 / c.relpages ELSE 50 END
            * (pg_catalog.pg_relation_size(c.oid) 
              / pg_catalog.current_setting('block_size')::pg_catalog.int8)), 0)::pg_catalog.int8
         FROM pg_catalog.pg_class c WHERE c.oid = {name}::pg_catalog.regclass AND c.relkind <> 'p'
            OR c.relkind <> 'p' AND c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree({name}::pg_catalog.regclass) WHERE isleaf)"
    )
}

/// Counts and shapes of one column, in the order in which `column::read` takes them.
pub(super) fn column(from: &str, column: &Column, kind: Kind, least: u64) -> String {
    let name = quoted(&column.name);
    let key = kind.key(&name);
    let width = kind.width(&name).unwrap_or_else(|| "NULL::pg_catalog.int4".to_owned());
    let number = kind.number(&name).unwrap_or_else(|| "NULL::pg_catalog.float8".to_owned());
    let counted = counted(kind);
    let before = least.saturating_sub(1);
    format!(
        "WITH taken AS MATERIALIZED (SELECT {key} AS key, {width} AS width, {number} AS number FROM {from}),
         groups AS MATERIALIZED (SELECT pg_catalog.count(*) AS n FROM taken WHERE key IS NOT NULL GROUP BY key),
         ranked AS MATERIALIZED (SELECT n, pg_catalog.row_number() OVER (ORDER BY n DESC) AS rank
           FROM groups ORDER BY n DESC LIMIT 1048576),
         wide AS (SELECT width AS most FROM taken WHERE width IS NOT NULL ORDER BY width DESC OFFSET {before} LIMIT 1),
         {counted}
         SELECT (SELECT pg_catalog.count(*) FROM taken), (SELECT pg_catalog.count(key) FROM taken),
           (SELECT pg_catalog.count(*) FROM groups), (SELECT pg_catalog.count(*) FROM groups WHERE n = 1),
           coalesce((SELECT pg_catalog.min(n) FROM groups), 0),
           ARRAY(SELECT n FROM ranked WHERE rank <= {TOP} ORDER BY rank),
           ARRAY(SELECT n FROM ranked WHERE rank & (rank - 1) = 0 ORDER BY rank),
           (SELECT most::pg_catalog.int8 FROM wide),
           (SELECT pg_catalog.round(pg_catalog.avg(least(width, most)))::pg_catalog.int8 FROM taken, wide),
           (SELECT pg_catalog.count(number) FROM taken),
           (SELECT pg_catalog.count(*) FROM taken WHERE number < 0), (SELECT pg_catalog.count(*) FROM taken WHERE number = 0),
           (SELECT quartiles FROM lies), (SELECT span FROM ends), (SELECT early FROM halves), (SELECT late FROM halves),
           (SELECT days FROM seasons), (SELECT hours FROM seasons)"
    )
}

/// How numbers lie and when times are; nulls where it is no question.
fn counted(kind: Kind) -> String {
    let per = |most: u64, place: &str| {
        format!(
            "ARRAY(SELECT coalesce(found.n, 0) FROM pg_catalog.generate_series(0, {most}) AS place LEFT JOIN
             (SELECT {place} AS at, pg_catalog.count(*) AS n FROM taken WHERE number IS NOT NULL GROUP BY 1) AS found
               ON found.at = place ORDER BY place)"
        )
    };
    // The first of January 1970 was a Thursday, the fourth day from 0.
    let days = per(6, "((pg_catalog.floor(number / 86400)::pg_catalog.int8 + 3) % 7 + 7) % 7");
    let hours = per(23, "(pg_catalog.floor(number / 3600)::pg_catalog.int8 % 24 + 24) % 24");
    let nothing = "NULL::pg_catalog.int8[]".to_owned();
    let (days, hours) = match kind {
        Kind::Time(Times::Day) => (days, nothing),
        Kind::Time(Times::Instant) => (days, hours),
        Kind::Time(Times::OfDay) => (nothing, hours),
        _ => (nothing.clone(), nothing),
    };
    format!(
        "five AS (SELECT pg_catalog.percentile_disc(ARRAY[0.05, 0.25, 0.5, 0.75, 0.95]) WITHIN GROUP
           (ORDER BY number) AS q FROM taken),
         lies AS (SELECT CASE WHEN q[5] > q[1] THEN ARRAY[pg_catalog.round((q[2] - q[1]) / (q[5] - q[1]) * 20) / 20,
           pg_catalog.round((q[3] - q[1]) / (q[5] - q[1]) * 20) / 20,
           pg_catalog.round((q[4] - q[1]) / (q[5] - q[1]) * 20) / 20] END AS quartiles FROM five),
         two AS (SELECT pg_catalog.percentile_disc(ARRAY[0.05, 0.95]) WITHIN GROUP (ORDER BY number) AS q FROM taken),
         ends AS (SELECT CASE WHEN q[2] > q[1]
           THEN pg_catalog.round(pg_catalog.ln(greatest(q[2] - q[1], 1))
             / pg_catalog.ln(2::pg_catalog.float8))::pg_catalog.int8 END AS span,
           q[1] AS first, q[2] AS last, q[1] / 2 + q[2] / 2 AS middle FROM two),
         halves AS (SELECT pg_catalog.count(*) FILTER (WHERE number >= first AND number < middle) AS early,
           pg_catalog.count(*) FILTER (WHERE number >= middle AND number <= last) AS late FROM taken, ends),
         seasons AS (SELECT {days} AS days, {hours} AS hours)"
    )
}

/// What labels a query may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// All of them: they are schema, or the column was allowed by name.
    All,
    /// Those that so many rows have.
    From(u64),
}

/// Labels and how many rows have them. The only query that gives values.
pub(super) fn labels(from: &str, column: &Column, named: Named) -> String {
    let name = quoted(&column.name);
    let (least, limit) = match named {
        Named::All => (String::new(), MOST_ALLOWED),
        Named::From(rows) => {
            (format!(" WHERE n >= {rows} AND pg_catalog.char_length(label) <= {LONGEST_LABEL}"), MOST_ALLOWED)
        }
    };
    format!(
        "SELECT label, n FROM (SELECT {name}::pg_catalog.text AS label, pg_catalog.count(*) AS n FROM {from}
           WHERE {name} IS NOT NULL GROUP BY 1) AS found{least} ORDER BY n DESC, label COLLATE pg_catalog.\"C\" LIMIT {limit}"
    )
}

/// For each pair of columns, how many rows have both and Spearman's rank correlation, pair by pair.
pub(super) fn correlations(table: &Table, columns: &[&Column], schema: &Schema, rows: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a sample's size is not exact")]
    let percent = (rows > RANKED).then(|| 100.0 * RANKED as f64 / rows as f64);
    let from = sampled(table, "BERNOULLI", percent);
    let number = |column: &Column| {
        let name = quoted(&column.name);
        Kind::of(&column.kind, schema).number(&name).unwrap_or(name)
    };
    let taken: Vec<_> =
        columns.iter().enumerate().map(|(at, column)| format!("{} AS c{at}", number(column))).collect();
    let rank = |at: usize| {
        format!(
            "CASE WHEN c{at} IS NOT NULL THEN pg_catalog.rank() OVER (ORDER BY c{at}) END::pg_catalog.float8 AS r{at}"
        )
    };
    let ranked: Vec<_> = (0..columns.len()).map(rank).collect();
    let pairs: Vec<_> = pairs(columns.len())
        .map(|(one, other)| {
            format!("pg_catalog.regr_count(r{one}, r{other}), pg_catalog.corr(r{one}, r{other})")
        })
        .collect();
    format!(
        "WITH taken AS MATERIALIZED (SELECT {} FROM {from}), ranked AS MATERIALIZED (SELECT {} FROM taken) SELECT {} FROM ranked",
        taken.join(", "),
        ranked.join(", "),
        pairs.join(", ")
    )
}

/// All pairs of so many columns.
pub(super) fn pairs(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..columns).flat_map(move |other| (0..other).map(move |one| (one, other)))
}

/// Parents in all, then by classes of their number of children: the class, parents in it, children of those. Where a table
/// is large, one parent in `one_in` is looked at, by a hash of its key.
pub(super) fn fan_out(table: &Table, parent: &Table, key: &ForeignKey, one_in: u64) -> String {
    let chosen = |columns: &[String]| {
        let text: Vec<_> =
            columns.iter().map(|column| format!("{}::pg_catalog.text", quoted(column))).collect();
        let hash = format!("pg_catalog.hashtext(pg_catalog.concat_ws('/', {}))", text.join(", "));
        if one_in > 1 { format!(" AND ({hash} & 2147483647) % {one_in} = 0") } else { String::new() }
    };
    let set = |columns: &[String]| {
        columns
            .iter()
            .map(|column| format!("{} IS NOT NULL", quoted(column)))
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    let names = key.columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    format!(
        "WITH children AS (SELECT pg_catalog.count(*) AS n FROM {} WHERE {}{} GROUP BY {names}),
         classes AS (SELECT CASE WHEN n <= 8 THEN n ELSE
           8 + pg_catalog.floor(pg_catalog.ln(n / 8.0) / pg_catalog.ln(1.25))::pg_catalog.int8 END AS class, n FROM children)
         SELECT -1::pg_catalog.int8, pg_catalog.count(*), 0::pg_catalog.int8 FROM {} WHERE {}{}
         UNION ALL (SELECT class, pg_catalog.count(*), pg_catalog.sum(n)::pg_catalog.int8
           FROM classes GROUP BY class ORDER BY class)",
        rows_of(table, None),
        set(&key.columns),
        chosen(&key.columns),
        rows_of(parent, None),
        set(&key.references),
        chosen(&key.references),
    )
}
