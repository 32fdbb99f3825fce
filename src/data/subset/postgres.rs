//! A plan as statements for PostgreSQL 11 and later, for a transaction that is `REPEATABLE READ`.
//!
//! Key values are compared as text where rows are picked by hash, so `DateStyle`, `IntervalStyle`, `TimeZone` and
//! `extra_float_digits` decide which are picked: set them the same way each time.

use super::plan::{PlannedTable, RowKey};
use super::script::{Dialect, is_row, key_columns, key_names};
use crate::data::postgres::sql;
use crate::data::schema::TableName;

/// PostgreSQL's SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postgres;

/// The statements of a plan for PostgreSQL.
pub type PostgresScript = super::script::Script<Postgres>;

impl Dialect for Postgres {
    fn quoted(name: &str) -> String {
        sql::quoted(name)
    }

    fn full_name(table: &TableName) -> String {
        sql::full_name(table)
    }

    /// Rows of tables that inherit from it are not its own; those of its partitions are.
    fn table(planned: &PlannedTable) -> String {
        let only = if planned.partitioned { "" } else { "ONLY " };
        format!("{only}{}", sql::full_name(&planned.name))
    }

    fn temporary(at: usize, kind: &str) -> String {
        format!("pg_temp.devcluster_subset_{at}_{kind}")
    }

    /// Where rows lie holds within the transaction.
    fn place(_: &PlannedTable, alias: &str) -> Vec<String> {
        vec![format!("{alias}.tableoid"), format!("{alias}.ctid")]
    }

    fn make(name: &str, columns: &str, from: &str) -> String {
        let bare = name.trim_start_matches("pg_temp.");
        format!(
            "CREATE TEMPORARY TABLE {bare} AS SELECT {columns}, 0::bigint AS step FROM {from} AS t WITH NO DATA"
        )
    }

    fn insert(into: &str, found: &str) -> String {
        format!("INSERT INTO {into} {found} ON CONFLICT DO NOTHING")
    }

    /// Rows without a key are ordered by where they lie.
    fn rank(planned: &PlannedTable, alias: &str, seed: u64) -> String {
        let columns = key_columns::<Self>(planned, alias);
        if planned.key == RowKey::Place {
            return columns.join(", ");
        }
        let texts: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
        let text = format!("concat_ws('|', '{seed}', {})", texts.join(", "));
        format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex') COLLATE \"C\"")
    }

    fn reads(at: usize, planned: &PlannedTable) -> String {
        let columns: Vec<String> =
            planned.columns.iter().map(|column| format!("t.{}", sql::quoted(column))).collect();
        let keys: Vec<String> = key_names::<Self>(planned).iter().map(|name| format!("k.{name}")).collect();
        format!(
            "SELECT {} FROM {} AS t JOIN {} AS k ON {} ORDER BY {}",
            columns.join(", "),
            Self::table(planned),
            Self::temporary(at, "rows"),
            is_row::<Self>(planned, "t"),
            keys.join(", "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{shop, where_customers};
    use super::super::{Cap, plan};
    use super::*;

    #[test]
    fn names_are_quoted() {
        let mut schema = shop();
        schema.tables[0].name.name = "cust\"omers".into();
        schema.tables[1].foreign_keys[0].table.name = "cust\"omers".into();
        let mut request = where_customers("true");
        let super::super::Root::Where { table, .. } = &mut request.roots[0] else { panic!() };
        table.name = "cust\"omers".into();
        let script = PostgresScript::new(&plan(&schema, &request).unwrap());
        assert!(
            script.seeds[0].contains("FROM ONLY \"public\".\"cust\"\"omers\" WHERE (\ntrue\n)"),
            "{:?}",
            script.seeds
        );
    }

    #[test]
    fn the_statements_of_a_small_plan() {
        let mut request = where_customers("customers.id in (1)");
        request.cap = Cap::Most(2);
        let script = PostgresScript::new(&plan(&shop(), &request).unwrap());
        assert_eq!(
            script.prepare[0],
            "CREATE TEMPORARY TABLE devcluster_subset_0_rows AS SELECT t.\"id\" AS k1, 0::bigint AS step FROM ONLY \"public\".\"customers\" AS t WITH NO DATA"
        );
        assert_eq!(script.prepare[1], "ALTER TABLE pg_temp.devcluster_subset_0_rows ADD PRIMARY KEY (k1)");
        let round: Vec<String> = script.round(3).into_iter().map(|step| step.statement).collect();
        assert_eq!(
            round[0],
            "INSERT INTO pg_temp.devcluster_subset_0_rows SELECT DISTINCT p.\"id\", 4 FROM pg_temp.devcluster_subset_1_rows AS k \
             JOIN ONLY \"public\".\"orders\" AS c ON c.\"id\" = k.k1 JOIN ONLY \"public\".\"customers\" AS p ON c.\"customer_id\" = p.\"id\" \
             WHERE k.step = 3 ON CONFLICT DO NOTHING"
        );
        assert!(
            round[1].contains("place <= 2") && round[2].ends_with("WHERE step = 4 ON CONFLICT DO NOTHING")
        );
        assert_eq!(script.exports[3].reads, None);
        assert_eq!(
            script.exports[0].reads.as_deref(),
            Some(
                "SELECT t.\"id\" FROM ONLY \"public\".\"customers\" AS t JOIN pg_temp.devcluster_subset_0_rows AS k ON t.\"id\" = k.k1 ORDER BY k.k1"
            )
        );
    }
}
