//! A plan as statements for MySQL 8 and MariaDB.
//!
//! `prepare` first, which makes temporary tables; then one transaction with a consistent snapshot, read-only if wanted (temporary
//! tables may be written there): `seeds`, `round(0)`, `round(1)` and so on until no statement of a round adds a row; then rows of
//! each table are read by its `condition`. MySQL lets a statement name a temporary table but once, so rows of a table that bring
//! along others of it go by way of a table of their own.

use super::plan::{Cap, Edge, Pick, Plan, PlannedTable, RowKey, Seed};
use super::postgres::below;
use crate::data::schema::TableName;

/// The statements of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlScript {
    /// Makes the temporary tables that hold keys.
    pub prepare: Vec<String>,
    /// Picks the rows to begin with.
    pub seeds: Vec<String>,
    exports: Vec<MysqlExport>,
    plan: Plan,
}

/// Which of a table's rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MysqlExport {
    table: TableName,
    /// What is true of those rows. Where the subset has none, of none.
    condition: String,
}

/// A statement of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The statement.
    pub statement: String,
    /// Whether rows that it changes are new ones of the subset.
    pub counts: bool,
}

impl MysqlScript {
    /// The statements of a plan.
    pub fn new(plan: &Plan) -> Self {
        let reached = plan.tables.iter().enumerate().filter(|(_, table)| table.reached);
        let prepare = reached.flat_map(|(at, table)| {
            let kinds: &[&str] = if table.descends { &["rows", "down", "hop"] } else { &["rows", "hop"] };
            kinds.iter().flat_map(move |kind| keys_table(at, table, kind))
        });
        Self {
            prepare: prepare.collect(),
            seeds: plan.seeds.iter().flat_map(|seed| seed_statements(plan, seed)).collect(),
            exports: plan.tables.iter().enumerate().map(|(at, table)| export(at, table)).collect(),
            plan: plan.clone(),
        }
    }

    /// What is true of a table's rows in the subset; of none, where the plan has no such table.
    pub fn condition(&self, table: &TableName) -> &str {
        self.exports.iter().find(|export| export.table == *table).map_or("false", |export| &export.condition)
    }

    /// The statements of a round, from 0 on. Each inserts what the rows that the round before inserted bring along.
    pub fn round(&self, number: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for edge in &self.plan.edges {
            steps.extend(self.up(edge, number));
            if self.plan.tables[edge.parent].descends && edge.cap != Cap::Most(0) {
                steps.extend(self.down(edge, number));
            }
        }
        steps
    }

    fn up(&self, edge: &Edge, number: u32) -> Vec<Step> {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        let found = format!(
            "SELECT DISTINCT {key}, {next} FROM {rows} AS k JOIN {child_table} AS c ON {is_row} \
             JOIN {parent_table} AS p ON {refers} WHERE k.step = {number}",
            key = key_columns(parent, "p").join(", "),
            next = u64::from(number) + 1,
            rows = temporary(edge.child, "rows"),
            child_table = full_name(child),
            is_row = is_row(child, "c"),
            parent_table = full_name(parent),
            refers = refers(edge),
        );
        add(edge, edge.parent, "rows", &found)
    }

    fn down(&self, edge: &Edge, number: u32) -> Vec<Step> {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        let next = u64::from(number) + 1;
        let key = key_columns(child, "c");
        let from = format!(
            "FROM {down} AS k JOIN {parent_table} AS p ON {is_row} JOIN {child_table} AS c ON {refers} WHERE k.step = {number}",
            down = temporary(edge.parent, "down"),
            parent_table = full_name(parent),
            is_row = is_row(parent, "p"),
            child_table = full_name(child),
            refers = refers(edge),
        );
        let columns = key_names(child).join(", ");
        let found = match edge.cap {
            Cap::All => format!("SELECT DISTINCT {}, {next} {from}", key.join(", ")),
            Cap::Most(most) => {
                let named: Vec<String> = key
                    .iter()
                    .zip(key_names(child))
                    .map(|(column, name)| format!("{column} AS {name}"))
                    .collect();
                format!(
                    "SELECT DISTINCT {columns}, {next} FROM (SELECT {named}, row_number() OVER \
                     (PARTITION BY {parents} ORDER BY {order}) AS place {from}) AS q WHERE place <= {most}",
                    named = named.join(", "),
                    parents = key_columns(parent, "p").join(", "),
                    order = rank(child, "c", self.plan.seed),
                )
            }
        };
        let mut steps = add(edge, edge.child, "down", &found);
        let (rows, down) = (temporary(edge.child, "rows"), temporary(edge.child, "down"));
        steps.push(Step {
            statement: format!(
                "INSERT IGNORE INTO {rows} SELECT {columns}, {next} FROM {down} WHERE step = {next}"
            ),
            counts: true,
        });
        steps
    }
}

/// Adds what is `found` to a table of keys, by way of another where it is found by the same one.
fn add(edge: &Edge, into: usize, kind: &str, found: &str) -> Vec<Step> {
    let table = temporary(into, kind);
    let step = |statement: String, counts| Step { statement, counts };
    if edge.child != edge.parent {
        return vec![step(format!("INSERT IGNORE INTO {table} {found}"), true)];
    }
    let hop = temporary(into, "hop");
    vec![
        step(format!("INSERT IGNORE INTO {hop} {found}"), false),
        step(format!("INSERT IGNORE INTO {table} SELECT * FROM {hop}"), true),
        step(format!("DELETE FROM {hop}"), false),
    ]
}

/// A name as MySQL reads it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn full_name(table: &PlannedTable) -> String {
    format!("{}.{}", quoted(&table.name.schema), quoted(&table.name.name))
}

fn temporary(at: usize, kind: &str) -> String {
    format!("devcluster_subset_{at}_{kind}")
}

/// What tells rows apart. Those of a table without a key are told apart by all they hold: rows that are the same go together,
/// and count as one.
fn key_columns(table: &PlannedTable, alias: &str) -> Vec<String> {
    let named = |column: &String| format!("{alias}.{}", quoted(column));
    match &table.key {
        RowKey::Columns(columns) => columns.iter().map(named).collect(),
        RowKey::Place => {
            let texts: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("ifnull(hex(concat({})), '-')", named(column)))
                .collect();
            vec![format!("md5(concat_ws(',', '', {}))", texts.join(", "))]
        }
    }
}

/// What that is called in temporary tables.
fn key_names(table: &PlannedTable) -> Vec<String> {
    let count = if let RowKey::Columns(columns) = &table.key { columns.len() } else { 1 };
    (1..=count).map(|number| format!("k{number}")).collect()
}

fn is_row(table: &PlannedTable, alias: &str) -> String {
    let same = key_columns(table, alias).into_iter().zip(key_names(table));
    same.map(|(column, name)| format!("{column} = k.{name}")).collect::<Vec<_>>().join(" AND ")
}

fn refers(edge: &Edge) -> String {
    let same = edge.columns.iter().zip(&edge.references);
    same.map(|(own, other)| format!("c.{} = p.{}", quoted(own), quoted(other)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// A table of keys: its columns have the types of the table's own.
fn keys_table(at: usize, planned: &PlannedTable, kind: &str) -> [String; 2] {
    let name = temporary(at, kind);
    let names = key_names(planned);
    let columns = key_columns(planned, "t").into_iter().zip(&names);
    let columns = columns.map(|(column, name)| format!("{column} AS {name}")).collect::<Vec<_>>().join(", ");
    let make = format!(
        "CREATE TEMPORARY TABLE {name} AS SELECT {columns}, CAST(0 AS UNSIGNED) AS step FROM {} AS t LIMIT 0",
        full_name(planned)
    );
    [make, format!("ALTER TABLE {name} ADD PRIMARY KEY ({})", names.join(", "))]
}

fn seed_statements(plan: &Plan, seed: &Seed) -> Vec<String> {
    let planned = &plan.tables[seed.table];
    // Without an alias: a condition may name the table with its database or without.
    let name = full_name(planned);
    let key = key_columns(planned, &name).join(", ");
    let condition = match &seed.pick {
        Pick::All => "true".to_owned(),
        // On a line of its own, so that nothing in it can reach the parenthesis.
        Pick::Where(condition) => format!("(\n{condition}\n)"),
        Pick::Percent(share) => match below(*share) {
            Some(limit) => format!("{} < '{limit}'", rank(planned, &name, plan.seed)),
            None => "true".to_owned(),
        },
    };
    let kinds: &[&str] = if seed.descends { &["rows", "down"] } else { &["rows"] };
    let insert = |kind: &&str| {
        let into = temporary(seed.table, kind);
        format!("INSERT IGNORE INTO {into} SELECT {key}, 0 FROM {name} WHERE {condition}")
    };
    kinds.iter().map(insert).collect()
}

/// What orders rows: SHA-256 of the seed and their key in hexadecimal digits.
fn rank(planned: &PlannedTable, alias: &str, seed: u64) -> String {
    format!("sha2(concat_ws('|', '{seed}', {}), 256)", key_columns(planned, alias).join(", "))
}

fn export(at: usize, planned: &PlannedTable) -> MysqlExport {
    let condition = if planned.reached {
        format!(
            "({}) IN (SELECT {} FROM {})",
            key_columns(planned, &full_name(planned)).join(", "),
            key_names(planned).join(", "),
            temporary(at, "rows"),
        )
    } else {
        "false".to_owned()
    };
    MysqlExport { table: planned.name.clone(), condition }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{shop, where_customers};
    use super::super::plan;
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
        assert_eq!(script.exports[3].condition, "false");
        assert_eq!(
            script.exports[0].condition,
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
            for table in (0..4).flat_map(|at| ["rows", "down", "hop"].map(|kind| temporary(at, kind))) {
                assert!(step.statement.matches(&table).count() <= 1, "{}", step.statement);
            }
        }
        assert_eq!(script.round(0).iter().filter(|step| !step.counts).count(), 4);
    }
}
