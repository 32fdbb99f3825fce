//! A plan as statements for MySQL 8 and MariaDB, for a transaction with a consistent snapshot.
//!
//! MySQL lets a statement name a temporary table but once, so rows of a table that bring along others of it go by way of a
//! table of their own.

use super::plan::{Edge, PlannedTable};
use super::script::{Dialect, Step, key_columns, key_names};
use crate::data::mysql::sql;
use crate::data::schema::TableName;

/// The SQL of MySQL and MariaDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mysql;

/// The statements of a plan for MySQL and MariaDB.
pub type MysqlScript = super::script::Script<Mysql>;

impl MysqlScript {
    /// What is true of a table's rows in the subset; of none, where the plan has no such table or no row of it.
    pub fn condition(&self, table: &TableName) -> &str {
        let export = self.exports.iter().find(|export| export.table == *table);
        export.and_then(|export| export.reads.as_deref()).unwrap_or("false")
    }
}

impl Dialect for Mysql {
    const FURTHER_KINDS: &'static [&'static str] = &["hop"];

    fn quoted(name: &str) -> String {
        sql::quoted(name)
    }

    fn full_name(table: &TableName) -> String {
        sql::full_name(table)
    }

    /// Rows of a table without a key are told apart by all they hold: rows that are the same go together, and count as one.
    fn place(planned: &PlannedTable, alias: &str) -> Vec<String> {
        let text = |column: &String| format!("ifnull(hex(concat({alias}.{})), '-')", sql::quoted(column));
        let texts: Vec<String> = planned.columns.iter().map(text).collect();
        vec![format!("md5(concat_ws(',', '', {}))", texts.join(", "))]
    }

    fn make(name: &str, columns: &str, from: &str) -> String {
        format!(
            "CREATE TEMPORARY TABLE {name} AS SELECT {columns}, CAST(0 AS UNSIGNED) AS step FROM {from} AS t LIMIT 0"
        )
    }

    fn insert(into: &str, found: &str) -> String {
        format!("INSERT IGNORE INTO {into} {found}")
    }

    /// By way of another table where an edge leads from a table to itself.
    fn follow(edge: &Edge, into: usize, kind: &str, found: &str) -> Vec<Step> {
        let table = Self::temporary(into, kind);
        let step = |statement: String, counts| Step { statement, counts };
        if edge.child != edge.parent {
            return vec![step(Self::insert(&table, found), true)];
        }
        let hop = Self::temporary(into, "hop");
        vec![
            step(Self::insert(&hop, found), false),
            step(Self::insert(&table, &format!("SELECT * FROM {hop}")), true),
            step(format!("DELETE FROM {hop}"), false),
        ]
    }

    fn rank(planned: &PlannedTable, alias: &str, seed: u64) -> String {
        let columns = key_columns::<Self>(planned, alias).join(", ");
        format!("sha2(concat_ws('|', '{seed}', {columns}), 256)")
    }

    fn reads(at: usize, planned: &PlannedTable) -> String {
        format!(
            "({}) IN (SELECT {} FROM {})",
            key_columns::<Self>(planned, &sql::full_name(&planned.name)).join(", "),
            key_names::<Self>(planned).join(", "),
            Self::temporary(at, "rows"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{shop, where_customers};
    use super::super::{Cap, plan};
    use super::*;

    #[test]
    fn the_statements_of_a_small_plan() {
        let mut request = where_customers("customers.id in (1)");
        request.cap = Cap::Most(2);
        let script = MysqlScript::new(&plan(&shop(), &request).unwrap());
        assert_eq!(
            script.prepare[0],
            "CREATE TEMPORARY TABLE devcluster_subset_0_rows AS SELECT t.`id` AS k1, CAST(0 AS UNSIGNED) AS step \
             FROM `public`.`customers` AS t LIMIT 0"
        );
        assert_eq!(
            script.seeds[0],
            "INSERT IGNORE INTO devcluster_subset_0_rows SELECT `public`.`customers`.`id`, 0 FROM `public`.`customers` \
             WHERE (\ncustomers.id in (1)\n)"
        );
        let round = script.round(3);
        assert_eq!(
            round[0].statement,
            "INSERT IGNORE INTO devcluster_subset_0_rows SELECT DISTINCT p.`id`, 4 FROM devcluster_subset_1_rows AS k \
             JOIN `public`.`orders` AS c ON c.`id` = k.k1 JOIN `public`.`customers` AS p ON c.`customer_id` = p.`id` \
             WHERE k.step = 3"
        );
        assert!(round[1].statement.contains("place <= 2") && round[2].statement.ends_with("WHERE step = 4"));
        assert_eq!(script.condition(&script.exports[3].table), "false");
        assert_eq!(
            script.condition(&script.exports[0].table),
            "(`public`.`customers`.`id`) IN (SELECT k1 FROM devcluster_subset_0_rows)"
        );
    }

    #[test]
    fn no_statement_names_a_temporary_table_twice() {
        let mut schema = shop();
        let customer = schema.tables[1].columns[1].clone();
        schema.tables[0].columns.push(customer);
        let mut key = schema.tables[1].foreign_keys[0].clone();
        key.name = "customers_customer_id".into();
        schema.tables[0].foreign_keys.push(key);
        let script = MysqlScript::new(&plan(&schema, &where_customers("customers.id in (1)")).unwrap());
        for step in script.round(0) {
            for table in (0..4).flat_map(|at| ["rows", "down", "hop"].map(|kind| Mysql::temporary(at, kind)))
            {
                assert!(step.statement.matches(&table).count() <= 1, "{}", step.statement);
            }
        }
        assert_eq!(script.round(0).iter().filter(|step| !step.counts).count(), 4);
    }
}
