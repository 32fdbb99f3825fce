//! A plan as statements, whatever the dialect.
//!
//! `prepare` first, which makes temporary tables of keys; then one transaction that sees one moment, read-only if wanted (temporary
//! tables may be written there): `seeds`, `round(0)`, `round(1)` and so on until no statement of a round adds a row; then rows
//! of each table are read by its [`Export`]. The temporary tables go with the session.

use std::marker::PhantomData;

use super::plan::{Cap, Edge, Pick, Plan, PlannedTable, RowKey, Seed};
use crate::data::schema::TableName;

/// What a dialect of SQL says its own way.
pub(super) trait Dialect {
    /// Kinds of temporary tables that it needs beside `rows` and `down`.
    const FURTHER_KINDS: &'static [&'static str] = &[];

    /// A name, whatever it holds.
    fn quoted(name: &str) -> String;

    /// A table's full name.
    fn full_name(table: &TableName) -> String;

    /// A table in a `FROM`.
    fn table(planned: &PlannedTable) -> String {
        Self::full_name(&planned.name)
    }

    /// The temporary table of keys of the table at this place.
    fn temporary(at: usize, kind: &str) -> String {
        format!("devcluster_subset_{at}_{kind}")
    }

    /// What tells rows apart where no columns are made for it.
    fn place(planned: &PlannedTable, alias: &str) -> Vec<String>;

    /// Makes a temporary table as it selects, without rows.
    fn make(name: &str, columns: &str, from: &str) -> String;

    /// Adds what is `found` where it is not there yet.
    fn insert(into: &str, found: &str) -> String;

    /// Adds what an edge leads to.
    fn follow(_: &Edge, into: usize, kind: &str, found: &str) -> Vec<Step> {
        vec![Step { statement: Self::insert(&Self::temporary(into, kind), found), counts: true }]
    }

    /// What orders rows: SHA-256 of the seed and their key in hexadecimal digits.
    fn rank(planned: &PlannedTable, alias: &str, seed: u64) -> String;

    /// What reads the rows of a table that the subset has rows of.
    fn reads(at: usize, planned: &PlannedTable) -> String;
}

/// The statements of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script<D> {
    /// Makes the temporary tables that hold keys.
    pub prepare: Vec<String>,
    /// Picks the rows to begin with.
    pub seeds: Vec<String>,
    /// What reads the rows, table by table.
    pub exports: Vec<Export>,
    plan: Plan,
    dialect: PhantomData<D>,
}

/// What reads a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The table.
    pub table: TableName,
    /// For PostgreSQL a query for `COPY (...) TO STDOUT` of the columns that are written, in the order of the rows' key; for MySQL
    /// and MariaDB a condition. None where the subset has no row of it.
    pub reads: Option<String>,
}

/// A statement of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The statement.
    pub statement: String,
    /// Whether rows that it changes are new ones of the subset.
    pub counts: bool,
}

#[expect(private_bounds, reason = "there are two dialects, and both are here")]
impl<D: Dialect> Script<D> {
    /// The statements of a plan.
    pub fn new(plan: &Plan) -> Self {
        let tables = || plan.tables.iter().enumerate();
        let prepare = tables().filter(|(_, table)| table.reached).flat_map(|(at, table)| {
            let kinds = kinds(table.descends).iter().chain(D::FURTHER_KINDS);
            kinds.flat_map(move |kind| keys_table::<D>(at, table, kind))
        });
        let export = |(at, table): (usize, &PlannedTable)| Export {
            table: table.name.clone(),
            reads: table.reached.then(|| D::reads(at, table)),
        };
        Self {
            prepare: prepare.collect(),
            seeds: plan.seeds.iter().flat_map(|seed| seed_statements::<D>(plan, seed)).collect(),
            exports: tables().map(export).collect(),
            plan: plan.clone(),
            dialect: PhantomData,
        }
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

    /// Adds the rows that rows refer to.
    fn up(&self, edge: &Edge, number: u32) -> Vec<Step> {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        let found = format!(
            "SELECT DISTINCT {key}, {next} FROM {rows} AS k JOIN {child_table} AS c ON {is_row} \
             JOIN {parent_table} AS p ON {refers} WHERE k.step = {number}",
            key = key_columns::<D>(parent, "p").join(", "),
            next = u64::from(number) + 1,
            rows = D::temporary(edge.child, "rows"),
            child_table = D::table(child),
            is_row = is_row::<D>(child, "c"),
            parent_table = D::table(parent),
            refers = refers::<D>(edge),
        );
        D::follow(edge, edge.parent, "rows", &found)
    }

    /// Adds the rows that refer to rows that descend.
    fn down(&self, edge: &Edge, number: u32) -> Vec<Step> {
        let child = &self.plan.tables[edge.child];
        let next = u64::from(number) + 1;
        let mut steps = D::follow(edge, edge.child, "down", &self.children(edge, number));
        let (rows, down) = (D::temporary(edge.child, "rows"), D::temporary(edge.child, "down"));
        let columns = key_names::<D>(child).join(", ");
        let copied = format!("SELECT {columns}, {next} FROM {down} WHERE step = {next}");
        steps.push(Step { statement: D::insert(&rows, &copied), counts: true });
        steps
    }

    /// Selects the rows that refer to rows that descend, as many as the edge's cap lets through.
    fn children(&self, edge: &Edge, number: u32) -> String {
        let (child, parent) = (&self.plan.tables[edge.child], &self.plan.tables[edge.parent]);
        let next = u64::from(number) + 1;
        let key = key_columns::<D>(child, "c");
        let from = format!(
            "FROM {down} AS k JOIN {parent_table} AS p ON {is_row} JOIN {child_table} AS c ON {refers} WHERE k.step = {number}",
            down = D::temporary(edge.parent, "down"),
            parent_table = D::table(parent),
            is_row = is_row::<D>(parent, "p"),
            child_table = D::table(child),
            refers = refers::<D>(edge),
        );
        match edge.cap {
            Cap::All => format!("SELECT DISTINCT {}, {next} {from}", key.join(", ")),
            Cap::Most(most) => format!(
                "SELECT DISTINCT {columns}, {next} FROM (SELECT {named}, row_number() OVER \
                 (PARTITION BY {parents} ORDER BY {order}) AS place {from}) AS q WHERE place <= {most}",
                columns = key_names::<D>(child).join(", "),
                named = named::<D>(child, "c"),
                parents = key_columns::<D>(parent, "p").join(", "),
                order = D::rank(child, "c", self.plan.seed),
            ),
        }
    }
}

/// Which temporary tables of keys a table has: of its rows, and of those that descend.
fn kinds(descends: bool) -> &'static [&'static str] {
    if descends { &["rows", "down"] } else { &["rows"] }
}

/// What tells rows apart.
pub(super) fn key_columns<D: Dialect>(table: &PlannedTable, alias: &str) -> Vec<String> {
    match &table.key {
        RowKey::Columns(columns) => {
            columns.iter().map(|column| format!("{alias}.{}", D::quoted(column))).collect()
        }
        RowKey::Place => D::place(table, alias),
    }
}

/// What that is called in temporary tables.
pub(super) fn key_names<D: Dialect>(table: &PlannedTable) -> Vec<String> {
    (1..=key_columns::<D>(table, "").len()).map(|number| format!("k{number}")).collect()
}

fn named<D: Dialect>(table: &PlannedTable, alias: &str) -> String {
    let columns = key_columns::<D>(table, alias).into_iter().zip(key_names::<D>(table));
    columns.map(|(column, name)| format!("{column} AS {name}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn is_row<D: Dialect>(table: &PlannedTable, alias: &str) -> String {
    let same = key_columns::<D>(table, alias).into_iter().zip(key_names::<D>(table));
    same.map(|(column, name)| format!("{column} = k.{name}")).collect::<Vec<_>>().join(" AND ")
}

fn refers<D: Dialect>(edge: &Edge) -> String {
    let same = edge.columns.iter().zip(&edge.references);
    same.map(|(own, other)| format!("c.{} = p.{}", D::quoted(own), D::quoted(other)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// A table of keys: its columns have the types of the table's own.
fn keys_table<D: Dialect>(at: usize, planned: &PlannedTable, kind: &str) -> [String; 2] {
    let name = D::temporary(at, kind);
    let keys = key_names::<D>(planned).join(", ");
    [
        D::make(&name, &named::<D>(planned, "t"), &D::table(planned)),
        format!("ALTER TABLE {name} ADD PRIMARY KEY ({keys})"),
    ]
}

fn seed_statements<D: Dialect>(plan: &Plan, seed: &Seed) -> Vec<String> {
    let planned = &plan.tables[seed.table];
    // Without an alias: a condition may name the table with its schema or without.
    let name = D::full_name(&planned.name);
    let condition = match &seed.pick {
        Pick::All => "true".to_owned(),
        // On a line of its own, so that nothing in it can reach the parenthesis.
        Pick::Where(condition) => format!("(\n{condition}\n)"),
        Pick::Percent(share) => match share.hashes_below() {
            Some(limit) => format!("{} < '{limit}'", D::rank(planned, &name, plan.seed)),
            None => "true".to_owned(),
        },
    };
    let (key, from) = (key_columns::<D>(planned, &name).join(", "), D::table(planned));
    let found = format!("SELECT {key}, 0 FROM {from} WHERE {condition}");
    kinds(seed.descends).iter().map(|kind| D::insert(&D::temporary(seed.table, kind), &found)).collect()
}
