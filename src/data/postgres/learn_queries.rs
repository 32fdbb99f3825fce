//! The measuring queries. What they give are counts, and shapes that are relative to themselves; labels alone are values.

use super::sql::{full_name, literal, quoted};
use crate::data::learn::{Asked, Kind, LONGEST_LABEL, MOST_LABELS, Named, Numbers, TOP, Taken, Times, pairs};
use crate::data::schema::{ForeignKey, Table};

/// A table's rows, or a sample of its pages that is the same each time.
fn rows_of(taken: Taken<'_>) -> String {
    sampled(taken, "SYSTEM")
}

fn sampled(taken: Taken<'_>, method: &str) -> String {
    let Taken { table, percent } = taken;
    // A partitioned table's rows are its partitions'; a table that others inherit from has its own.
    let only = if table.partitioning.is_none() { "ONLY " } else { "" };
    let sample = percent
        .map_or(String::new(), |percent| format!(" TABLESAMPLE {method} ({percent:.6}) REPEATABLE (1)"));
    format!("{only}{}{sample}", full_name(&table.name))
}

/// How many rows a table has.
pub(super) fn count(table: &Table) -> String {
    format!("SELECT pg_catalog.count(*) FROM {}", rows_of(Taken { table, percent: None }))
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

/// Counts and shapes of one column, in the order in which `learn::counts` takes them.
pub(super) fn column(taken: Taken<'_>, asked: Asked<'_>, least: u64) -> String {
    let (name, from) = (quoted(&asked.column.name), rows_of(taken));
    let key = key(asked.kind, &name);
    let width = width(asked.kind, &name).unwrap_or_else(|| "NULL::pg_catalog.int4".to_owned());
    let number = number(asked.kind, &name).unwrap_or_else(|| "NULL::pg_catalog.float8".to_owned());
    let counted = counted(asked.kind);
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

/// Labels and how many rows have them. The only query that gives values.
pub(super) fn labels(taken: Taken<'_>, asked: Asked<'_>, named: Named) -> String {
    let (name, from) = (quoted(&asked.column.name), rows_of(taken));
    let least = match named {
        Named::All => String::new(),
        Named::From(rows) => {
            format!(" WHERE n >= {rows} AND pg_catalog.char_length(label) <= {LONGEST_LABEL}")
        }
    };
    format!(
        "SELECT label, n FROM (SELECT {name}::pg_catalog.text AS label, pg_catalog.count(*) AS n FROM {from}
           WHERE {name} IS NOT NULL GROUP BY 1) AS found{least} ORDER BY n DESC, label COLLATE pg_catalog.\"C\" LIMIT {MOST_LABELS}"
    )
}

/// For each pair of columns, how many rows have both and Spearman's rank correlation, pair by pair.
pub(super) fn correlations(taken: Taken<'_>, columns: &[Asked<'_>]) -> String {
    let from = sampled(taken, "BERNOULLI");
    let place = |asked: &Asked<'_>| {
        let name = quoted(&asked.column.name);
        number(asked.kind, &name).unwrap_or(name)
    };
    let taken: Vec<_> =
        columns.iter().enumerate().map(|(at, asked)| format!("{} AS c{at}", place(asked))).collect();
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

/// Parents in all, then by classes of their number of children: the class, parents in it, children of those. Where a table
/// is large, one parent in `one_in` is looked at, by a hash of its key.
pub(super) fn children(table: &Table, parent: &Table, key: &ForeignKey, one_in: u64) -> String {
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
        rows_of(Taken { table, percent: None }),
        set(&key.columns),
        chosen(&key.columns),
        rows_of(Taken { table: parent, percent: None }),
        set(&key.references),
        chosen(&key.references),
    )
}

/// An expression of `column` that tells values apart and is short.
fn key(kind: Kind, column: &str) -> String {
    match kind {
        Kind::Truth | Kind::Label | Kind::Whole | Kind::Number(_) | Kind::Time(_) => column.to_owned(),
        Kind::Bytes => format!("pg_catalog.md5({column})"),
        Kind::Text | Kind::Other => format!("pg_catalog.md5({column}::pg_catalog.text)"),
    }
}

/// An expression of its width in characters or bytes, for what is neither a number nor a time.
fn width(kind: Kind, column: &str) -> Option<String> {
    match kind {
        Kind::Text => Some(format!("pg_catalog.char_length({column}::pg_catalog.text)")),
        Kind::Bytes => Some(format!("pg_catalog.octet_length({column})")),
        Kind::Other => Some(format!("pg_catalog.octet_length({column}::pg_catalog.text)")),
        _ => None,
    }
}

/// An expression of its place on a line in 64 binary bits: times in seconds since 1970. What is infinite, no number, or
/// beyond 10^100 is null, for differences and ratios of such overflow.
fn number(kind: Kind, column: &str) -> Option<String> {
    let within = |number: &str| {
        format!("CASE WHEN {number} BETWEEN -1e100 AND 1e100 THEN pg_catalog.float8({number}) END")
    };
    match kind {
        Kind::Whole => Some(format!("pg_catalog.float8({column})")),
        Kind::Number(Numbers::Money) => Some(within(&format!("({column}::pg_catalog.numeric)"))),
        Kind::Number(_) => Some(within(column)),
        Kind::Time(Times::Day) => Some(finite(column, &format!("{column}::pg_catalog.timestamp"))),
        Kind::Time(Times::Instant) => Some(finite(column, column)),
        Kind::Time(Times::OfDay | Times::Span) => {
            Some(format!("EXTRACT(epoch FROM {column})::pg_catalog.float8"))
        }
        _ => None,
    }
}

fn finite(column: &str, time: &str) -> String {
    format!("CASE WHEN pg_catalog.isfinite({column}) THEN EXTRACT(epoch FROM {time})::pg_catalog.float8 END")
}
