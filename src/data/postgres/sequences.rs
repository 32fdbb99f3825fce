//! Sets sequences to go on behind the rows that are there.

use std::collections::BTreeMap;

use super::connect::Session;
use super::error::{During, PostgresError};
use super::sql::literal;

/// Sequences with the columns that draw from them.
const SEQUENCES: &str = "
SELECT s.seqrelid::regclass::text, a.attrelid, a.attrelid::regclass::text, quote_ident(a.attname), s.seqincrement, s.seqmin, s.seqmax
FROM pg_catalog.pg_sequence s
JOIN LATERAL (
  SELECT d.refobjid AS relation, d.refobjsubid AS number FROM pg_catalog.pg_depend d
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.seqrelid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  UNION
  SELECT f.adrelid, f.adnum FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
  WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.seqrelid
) u ON true
JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typcategory = 'N'
ORDER BY 1, 3, 4";

struct Sequence {
    columns: Vec<(u32, String, String)>,
    increment: i64,
    least: i64,
    most: i64,
}

const TASK: &str = "setting sequences";

/// Sets every sequence that a column of these tables draws from behind the largest value of all its columns. The sequences
/// are part of the transaction: rolled back, they are as before.
pub(super) async fn set_sequences(session: &Session, tables: &[u32]) -> Result<(), PostgresError> {
    let mut found: BTreeMap<String, Sequence> = BTreeMap::new();
    for row in session.query(SEQUENCES, &[]).await.during(TASK)? {
        let sequence = found.entry(row.get(0)).or_insert_with(|| Sequence {
            columns: Vec::new(),
            increment: row.get(4),
            least: row.get(5),
            most: row.get(6),
        });
        sequence.columns.push((row.get(1), row.get(2), row.get(3)));
    }
    for (name, sequence) in found {
        if sequence.columns.iter().any(|(table, ..)| tables.contains(table)) {
            set(session, &name, &sequence).await?;
        }
    }
    Ok(())
}

async fn set(session: &Session, name: &str, sequence: &Sequence) -> Result<(), PostgresError> {
    let furthest = if sequence.increment > 0 { "max" } else { "min" };
    let parts = sequence
        .columns
        .iter()
        .map(|(_, table, column)| format!("SELECT {furthest}({column})::int8 AS value FROM {table}"));
    let query = format!(
        "SELECT {furthest}(value) FROM ({}) AS all_columns",
        parts.collect::<Vec<_>>().join(" UNION ALL ")
    );
    let last: Option<i64> = session.query_one(&query, &[]).await.during(TASK)?.get(0);
    let range = sequence.least..=sequence.most;
    let statement = match last.map(|last| (last, last.checked_add(sequence.increment))) {
        Some((_, Some(next))) if range.contains(&next) => {
            format!("ALTER SEQUENCE {name} RESTART WITH {next}")
        }
        // Nothing comes behind it: the next draw is refused, as it is where the rows were inserted one by one.
        Some((last, _)) if range.contains(&last) => {
            format!("SELECT pg_catalog.setval({}, {last}, true)", literal(name))
        }
        _ => format!("ALTER SEQUENCE {name} RESTART"),
    };
    session.batch_execute(&statement).await.during(TASK)
}
