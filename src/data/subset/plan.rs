//! What will be taken, as a value: where it begins, and by which foreign keys it grows until nothing is missing.
//!
//! The rows of a subset are the least set for which this holds. A row may be in it as one that *descends*, or just as one
//! that is needed.
//! - Rows that a seed picks are in it; they descend where the seed does.
//! - Whatever a row in it refers to is in it.
//! - Of the rows that refer to a row that descends, up to the foreign key's cap are in it and descend: the first by a keyed
//!   hash of their key, of all that refer to that row.
//!
//! None of this depends on an order, so cycles and references of a table to itself are nothing special.

use super::fault::{SubsetFault, SubsetFaults};
use super::request::{Request, Root, Share};
use crate::data::schema::{Schema, Table, TableName};

/// What will be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Every table of the schema, in its order.
    pub tables: Vec<PlannedTable>,
    /// Where it begins.
    pub seeds: Vec<Seed>,
    /// The foreign keys by which it grows: those of tables of which there may be rows.
    pub edges: Vec<Edge>,
    /// What picks rows where only some are picked.
    pub seed: u64,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTable {
    /// Its name.
    pub name: TableName,
    /// How its rows are told apart.
    pub key: RowKey,
    /// Whether its rows are in partitions.
    pub partitioned: bool,
    /// The columns that are written when it is loaded.
    pub columns: Vec<String>,
    /// Whether there may be rows of it in the subset.
    pub reached: bool,
    /// Whether rows of it may descend.
    pub descends: bool,
}

/// How rows are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKey {
    /// By columns that are unique together and never null: the primary key, or else the first such list.
    Columns(Vec<String>),
    /// By where they lie, which holds within one transaction.
    Place,
}

/// Rows to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The table's place among [`Plan::tables`].
    pub table: usize,
    /// Which of its rows.
    pub pick: Pick,
    /// Whether they descend.
    pub descends: bool,
}

/// Which rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// All.
    All,
    /// Those that meet a condition in SQL.
    Where(String),
    /// A share, by a keyed hash of their key.
    Percent(Share),
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Its constraint's name.
    pub constraint: String,
    /// The place of the table that has it.
    pub child: usize,
    /// The place of the table that it refers to.
    pub parent: usize,
    /// Its columns.
    pub columns: Vec<String>,
    /// The columns that it refers to, in the same order.
    pub references: Vec<String>,
    /// How many rows come along for each row that they refer to.
    pub cap: Cap,
}

/// How many rows come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// All.
    All,
    /// At most so many; 0 for none.
    Most(u32),
}

/// Holds a request against a schema.
pub fn plan(schema: &Schema, request: &Request) -> Result<Plan, SubsetFaults> {
    let mut faults = Vec::new();
    let seeds = seeds(schema, request, &mut faults);
    let edges = edges(schema, request, &mut faults);
    if !faults.is_empty() {
        return Err(SubsetFaults(faults));
    }
    let mut tables: Vec<PlannedTable> = schema.tables.iter().map(planned).collect();
    for seed in &seeds {
        tables[seed.table].reached = true;
        tables[seed.table].descends |= seed.descends;
    }
    reach(&mut tables, &edges);
    let edges = edges.into_iter().filter(|edge| tables[edge.child].reached).collect();
    Ok(Plan { tables, seeds, edges, seed: request.seed })
}

/// How a table's rows are told apart.
fn row_key(table: &Table) -> RowKey {
    match table.row_key() {
        [] => RowKey::Place,
        columns => RowKey::Columns(columns.to_vec()),
    }
}

fn planned(table: &Table) -> PlannedTable {
    PlannedTable {
        name: table.name.clone(),
        key: row_key(table),
        partitioned: table.partitioning.is_some(),
        columns: table.written().map(|column| column.name.clone()).collect(),
        reached: false,
        descends: false,
    }
}

fn place(schema: &Schema, name: &TableName) -> Option<usize> {
    schema.tables.iter().position(|table| table.name == *name)
}

fn seeds(schema: &Schema, request: &Request, faults: &mut Vec<SubsetFault>) -> Vec<Seed> {
    let mut seeds = Vec::new();
    if request.roots.is_empty() {
        faults.push(SubsetFault::NoRoots);
    }
    for root in &request.roots {
        let (tables, pick) = match root {
            Root::Where { table, condition } => (vec![table], Pick::Where(condition.clone())),
            Root::Percent { table: Some(table), share } => (vec![table], Pick::Percent(*share)),
            Root::Percent { table: None, share } => {
                let tables: Vec<&TableName> = starts(schema).collect();
                if tables.is_empty() {
                    faults.push(SubsetFault::NoStart);
                }
                (tables, Pick::Percent(*share))
            }
        };
        for name in tables {
            let Some(table) = place(schema, name) else {
                faults.push(SubsetFault::UnknownTable(name.to_string()));
                continue;
            };
            if matches!(pick, Pick::Percent(_)) && row_key(&schema.tables[table]) == RowKey::Place {
                faults.push(SubsetFault::NoKey(name.clone()));
            }
            seeds.push(Seed { table, pick: pick.clone(), descends: true });
        }
    }
    for name in &request.whole {
        match place(schema, name) {
            Some(table) => seeds.push(Seed { table, pick: Pick::All, descends: false }),
            None => faults.push(SubsetFault::UnknownTable(name.to_string())),
        }
    }
    seeds
}

/// The tables that refer to no other, but to which others refer.
fn starts(schema: &Schema) -> impl Iterator<Item = &TableName> {
    let refers = |table: &Table, other: &TableName| table.foreign_keys.iter().any(|key| key.table == *other);
    let is_start = move |table: &&Table| {
        let begins = table.foreign_keys.iter().all(|key| key.table == table.name);
        begins && schema.tables.iter().any(|other| other.name != table.name && refers(other, &table.name))
    };
    schema.tables.iter().filter(is_start).map(|table| &table.name)
}

fn edges(schema: &Schema, request: &Request, faults: &mut Vec<SubsetFault>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (child, table) in schema.tables.iter().enumerate() {
        for key in &table.foreign_keys {
            let Some(parent) = place(schema, &key.table) else {
                let (table, constraint) = (table.name.clone(), key.name.clone());
                faults.push(SubsetFault::Outside { table, constraint, target: key.table.clone() });
                continue;
            };
            let named = request.caps.iter().find(|cap| cap.table == table.name && cap.constraint == key.name);
            edges.push(Edge {
                constraint: key.name.clone(),
                child,
                parent,
                columns: key.columns.clone(),
                references: key.references.clone(),
                cap: named.map_or(request.cap, |named| named.cap),
            });
        }
    }
    for cap in &request.caps {
        let is_known =
            |edge: &Edge| schema.tables[edge.child].name == cap.table && edge.constraint == cap.constraint;
        if !edges.iter().any(is_known) {
            let (table, constraint) = (cap.table.clone(), cap.constraint.clone());
            faults.push(SubsetFault::UnknownEdge { table, constraint });
        }
    }
    edges
}

/// Marks which tables there may be rows of.
fn reach(tables: &mut [PlannedTable], edges: &[Edge]) {
    loop {
        let before: Vec<(bool, bool)> = tables.iter().map(|table| (table.reached, table.descends)).collect();
        for edge in edges {
            tables[edge.parent].reached |= tables[edge.child].reached;
            if tables[edge.parent].descends && edge.cap != Cap::Most(0) {
                tables[edge.child].descends = true;
                tables[edge.child].reached = true;
            }
        }
        if tables.iter().map(|table| (table.reached, table.descends)).eq(before) {
            return;
        }
    }
}
