//! A plan as statements for PostgreSQL 11 and later.
//!
//! `prepare` first, which makes temporary tables; then one transaction, `REPEATABLE READ` and, if wanted, `READ ONLY`
//! (temporary tables may be written there): `seeds`, `round(0)`, `round(1)` and so on until no statement of a round adds a
//! row, and each `exports`. `clean` after it. Key values are compared as text where rows are picked by hash, so `DateStyle`,
//! `IntervalStyle`, `TimeZone` and `extra_float_digits` decide which are picked: set them the same way each time.

use super::plan::{Cap, Edge, Pick, Plan, PlannedTable, RowKey, Seed};
use super::request::Share;
use crate::data::schema::TableName;

/// The statements of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Makes the temporary tables that hold keys.
    pub prepare: Vec<String>,
    /// Picks the rows to begin with.
    pub seeds: Vec<String>,
    /// What reads the rows, table by table.
    pub exports: Vec<Export>,
    /// Drops the temporary tables.
    pub clean: Vec<String>,
    plan: Plan,
}

/// What reads a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The table.
    pub table: TableName,
    /// A query for `COPY (...) TO STDOUT`: the columns that are written, in the order of the rows' key. None where the
    /// subset has no row of it.
    pub query: Option<String>,
}

impl Script {
    /// The statements of a plan.
    pub fn new(plan: &Plan) -> Self {
        let reached = || plan.tables.iter().enumerate().filter(|(_, table)| table.reached);
        let prepare = reached().flat_map(|(at, table)| {
            let kinds: &[&str] = if table.descends { &["rows", "down"] } else { &["rows"] };
            kinds.iter().flat_map(move |kind| keys_table(at, table, kind))
        });
        let clean = reached().flat_map(|(at, table)| {
            let kinds: &[&str] = if table.descends { &["rows", "down"] } else { &["rows"] };
            kinds.iter().map(move |kind| format!("DROP TABLE {}", temporary(at, kind)))
        });
        Self {
            prepare: prepare.collect(),
            seeds: plan.seeds.iter().flat_map(|seed| seed_statements(plan, seed)).collect(),
            exports: plan.tables.iter().enumerate().map(|(at, table)| export(at, table)).collect(),
            clean: clean.collect(),
            plan: plan.clone(),
        }
    }

    /// The statements of a round, from 0 on. Each inserts what the rows that the round before inserted bring along.
    pub fn round(&self, number: u32) -> Vec<String> {
        let mut statements = Vec::new();
        for edge in &self.plan.edges {
            statements.push(self.up(edge, number));
            if self.plan.tables[edge.parent].descends && edge.cap != Cap::Most(0) {
                statements.extend(self.down(edge, number));
            }
        }
        statements
    }

    fn up(&self, edge: &Edge, number: u32) -> String {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        format!(
            "INSERT INTO {into} SELECT DISTINCT {key}, {next} FROM {rows} AS k JOIN {child_table} AS c ON {is_row} \
             JOIN {parent_table} AS p ON {refers} WHERE k.round = {number} ON CONFLICT DO NOTHING",
            into = temporary(edge.parent, "rows"),
            key = key_columns(parent, "p").join(", "),
            next = u64::from(number) + 1,
            rows = temporary(edge.child, "rows"),
            child_table = table(child),
            is_row = is_row(child, "c"),
            parent_table = table(parent),
            refers = refers(edge),
        )
    }

    fn down(&self, edge: &Edge, number: u32) -> [String; 2] {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        let next = u64::from(number) + 1;
        let key = key_columns(child, "c");
        let found = format!(
            "FROM {down} AS k JOIN {parent_table} AS p ON {is_row} JOIN {child_table} AS c ON {refers} WHERE k.round = {number}",
            down = temporary(edge.parent, "down"),
            parent_table = table(parent),
            is_row = is_row(parent, "p"),
            child_table = table(child),
            refers = refers(edge),
        );
        let into = temporary(edge.child, "down");
        let columns = key_names(child).join(", ");
        let insert = match edge.cap {
            Cap::All => format!(
                "INSERT INTO {into} SELECT DISTINCT {}, {next} {found} ON CONFLICT DO NOTHING",
                key.join(", ")
            ),
            Cap::Most(most) => {
                let named: Vec<String> = key
                    .iter()
                    .zip(key_names(child))
                    .map(|(column, name)| format!("{column} AS {name}"))
                    .collect();
                let parents = key_columns(parent, "p").join(", ");
                let order = rank(child, "c", self.plan.seed);
                format!(
                    "INSERT INTO {into} SELECT DISTINCT {columns}, {next} FROM (SELECT {named}, row_number() OVER \
                     (PARTITION BY {parents} ORDER BY {order}) AS place {found}) AS q WHERE place <= {most} ON CONFLICT DO NOTHING",
                    named = named.join(", "),
                )
            }
        };
        let rows = temporary(edge.child, "rows");
        let copy = format!(
            "INSERT INTO {rows} SELECT {columns}, {next} FROM {into} WHERE round = {next} ON CONFLICT DO NOTHING"
        );
        [insert, copy]
    }
}

/// A name as PostgreSQL reads it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as PostgreSQL reads it, whatever it holds.
fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn full_name(table: &PlannedTable) -> String {
    format!("{}.{}", quoted(&table.name.schema), quoted(&table.name.name))
}

/// A table in a `FROM`. Rows of tables that inherit from it are not its own; those of its partitions are.
fn table(planned: &PlannedTable) -> String {
    let only = if planned.partitioned { "" } else { "ONLY " };
    format!("{only}{}", full_name(planned))
}

fn temporary(at: usize, kind: &str) -> String {
    format!("pg_temp.devcluster_subset_{at}_{kind}")
}

/// The columns that tell rows apart.
fn key_columns(table: &PlannedTable, alias: &str) -> Vec<String> {
    match &table.key {
        RowKey::Columns(columns) => {
            columns.iter().map(|column| format!("{alias}.{}", quoted(column))).collect()
        }
        RowKey::Place => vec![format!("{alias}.tableoid"), format!("{alias}.ctid")],
    }
}

/// What those columns are called in temporary tables.
fn key_names(table: &PlannedTable) -> Vec<String> {
    let count = if let RowKey::Columns(columns) = &table.key { columns.len() } else { 2 };
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
    let bare = name.trim_start_matches("pg_temp.");
    let make = format!(
        "CREATE TEMPORARY TABLE {bare} AS SELECT {columns}, 0::bigint AS round FROM {} AS t WITH NO DATA",
        table(planned)
    );
    [make, format!("ALTER TABLE {name} ADD PRIMARY KEY ({})", names.join(", "))]
}

fn seed_statements(plan: &Plan, seed: &Seed) -> Vec<String> {
    let planned = &plan.tables[seed.table];
    // Without an alias: a condition may name the table with its schema or without.
    let from = table(planned);
    let name = full_name(planned);
    let key = key_columns(planned, &name).join(", ");
    let condition = match &seed.pick {
        Pick::All => "true".to_owned(),
        // On a line of its own, so that nothing in it can reach the parenthesis.
        Pick::Where(condition) => format!("(\n{condition}\n)"),
        Pick::Percent(share) => is_picked(planned, &name, plan.seed, *share),
    };
    let kinds: &[&str] = if seed.descends { &["rows", "down"] } else { &["rows"] };
    let insert = |kind: &&str| {
        let into = temporary(seed.table, kind);
        format!("INSERT INTO {into} SELECT {key}, 0 FROM {from} WHERE {condition} ON CONFLICT DO NOTHING")
    };
    kinds.iter().map(insert).collect()
}

/// What orders rows: SHA-256 of the seed and their key in hexadecimal digits, or where they lie.
fn rank(planned: &PlannedTable, alias: &str, seed: u64) -> String {
    let columns = key_columns(planned, alias);
    if planned.key == RowKey::Place {
        return columns.join(", ");
    }
    let texts: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
    let text = format!("concat_ws('|', {}, {})", literal(&seed.to_string()), texts.join(", "));
    format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex') COLLATE \"C\"")
}

fn is_picked(planned: &PlannedTable, alias: &str, seed: u64, share: Share) -> String {
    match below(share) {
        Some(limit) => format!("{} < {}", rank(planned, alias, seed), literal(&limit)),
        None => "true".to_owned(),
    }
}

/// What the hash of rows within a share lies below; none where that is all of them.
pub(super) fn below(share: Share) -> Option<String> {
    let limit = (u64::from(share.millionths()) << 32) / 1_000_000;
    (limit < 1 << 32).then(|| format!("{limit:08x}"))
}

fn export(at: usize, planned: &PlannedTable) -> Export {
    let columns =
        planned.columns.iter().map(|column| format!("t.{}", quoted(column))).collect::<Vec<_>>().join(", ");
    let query = planned.reached.then(|| {
        format!(
            "SELECT {columns} FROM {} AS t JOIN {} AS k ON {} ORDER BY {}",
            table(planned),
            temporary(at, "rows"),
            is_row(planned, "t"),
            key_names(planned).iter().map(|name| format!("k.{name}")).collect::<Vec<_>>().join(", "),
        )
    });
    Export { table: planned.name.clone(), query }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{shop, where_customers};
    use super::super::plan;
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quoted("a\"b; --"), "\"a\"\"b; --\"");
        assert_eq!([literal("it's"), literal("a\\b")], ["'it''s'", "E'a\\\\b'"]);
        let mut schema = shop();
        schema.tables[0].name.name = "cust\"omers".into();
        schema.tables[1].foreign_keys[0].table.name = "cust\"omers".into();
        let mut request = where_customers("true");
        let super::super::Root::Where { table, .. } = &mut request.roots[0] else { panic!() };
        table.name = "cust\"omers".into();
        let script = Script::new(&plan(&schema, &request).unwrap());
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
        let script = Script::new(&plan(&shop(), &request).unwrap());
        assert_eq!(
            script.prepare[0],
            "CREATE TEMPORARY TABLE devcluster_subset_0_rows AS SELECT t.\"id\" AS k1, 0::bigint AS round FROM ONLY \"public\".\"customers\" AS t WITH NO DATA"
        );
        assert_eq!(script.prepare[1], "ALTER TABLE pg_temp.devcluster_subset_0_rows ADD PRIMARY KEY (k1)");
        assert_eq!(
            script.round(3)[0],
            "INSERT INTO pg_temp.devcluster_subset_0_rows SELECT DISTINCT p.\"id\", 4 FROM pg_temp.devcluster_subset_1_rows AS k \
             JOIN ONLY \"public\".\"orders\" AS c ON c.\"id\" = k.k1 JOIN ONLY \"public\".\"customers\" AS p ON c.\"customer_id\" = p.\"id\" \
             WHERE k.round = 3 ON CONFLICT DO NOTHING"
        );
        assert!(
            script.round(3)[1].contains("place <= 2")
                && script.round(3)[2].ends_with("WHERE round = 4 ON CONFLICT DO NOTHING")
        );
        assert_eq!(script.exports[3].query, None);
        assert_eq!(
            script.exports[0].query.as_deref(),
            Some(
                "SELECT t.\"id\" FROM ONLY \"public\".\"customers\" AS t JOIN pg_temp.devcluster_subset_0_rows AS k ON t.\"id\" = k.k1 ORDER BY k.k1"
            )
        );
    }

    #[test]
    fn shares_have_a_limit() {
        assert_eq!(below(Share::parse("50").unwrap()).as_deref(), Some("80000000"));
        assert_eq!(below(Share::parse("100").unwrap()), None);
    }
}
