//! A database in memory and a plan's meaning on it, written down as the definition has it: for tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::plan::{Cap, Edge, Pick, Plan, RowKey};
use crate::data::schema::Schema;

/// The rows of each table; a value is a number or null.
pub(crate) type Data = Vec<Vec<Vec<Option<i64>>>>;

/// The places of the rows that a plan takes, by table. A condition of a seed has to be `TABLE.COLUMN in (1, 2)`.
pub(crate) fn evaluate(schema: &Schema, plan: &Plan, data: &Data) -> Vec<BTreeSet<usize>> {
    let model = Model { schema, plan, data };
    let mut rows = vec![BTreeSet::new(); data.len()];
    let mut down = rows.clone();
    for seed in &plan.seeds {
        let picked: Vec<usize> =
            (0..data[seed.table].len()).filter(|row| model.picks(seed.table, *row, &seed.pick)).collect();
        rows[seed.table].extend(picked.iter().copied());
        if seed.descends {
            down[seed.table].extend(picked);
        }
    }
    loop {
        let before = (rows.clone(), down.clone());
        for edge in &plan.edges {
            let needed: Vec<usize> =
                rows[edge.child].iter().flat_map(|child| model.parents(edge, *child)).collect();
            rows[edge.parent].extend(needed);
            let brought: Vec<usize> =
                down[edge.parent].iter().flat_map(|parent| model.children(edge, *parent)).collect();
            down[edge.child].extend(brought.iter().copied());
            rows[edge.child].extend(brought);
        }
        if before == (rows.clone(), down.clone()) {
            return rows;
        }
    }
}

struct Model<'a> {
    schema: &'a Schema,
    plan: &'a Plan,
    data: &'a Data,
}

impl Model<'_> {
    fn value(&self, table: usize, row: usize, column: &str) -> Option<i64> {
        let at = self.schema.tables[table].columns.iter().position(|known| known.name == column).unwrap();
        self.data[table][row][at]
    }

    fn values(&self, table: usize, row: usize, columns: &[String]) -> Option<Vec<i64>> {
        columns.iter().map(|column| self.value(table, row, column)).collect()
    }

    fn parents(&self, edge: &Edge, child: usize) -> Vec<usize> {
        let Some(wanted) = self.values(edge.child, child, &edge.columns) else { return Vec::new() };
        let all = 0..self.data[edge.parent].len();
        all.filter(|row| self.values(edge.parent, *row, &edge.references).as_ref() == Some(&wanted)).collect()
    }

    fn children(&self, edge: &Edge, parent: usize) -> Vec<usize> {
        let all = 0..self.data[edge.child].len();
        let mut found: Vec<usize> = all.filter(|row| self.parents(edge, *row).contains(&parent)).collect();
        if let Cap::Most(most) = edge.cap {
            found.sort_by_key(|row| self.rank(edge.child, *row));
            found.truncate(most as usize);
        }
        found
    }

    fn rank(&self, table: usize, row: usize) -> String {
        let RowKey::Columns(columns) = &self.plan.tables[table].key else { return format!("{row:09}") };
        let mut text = self.plan.seed.to_string();
        for value in self.values(table, row, columns).unwrap() {
            let _ = write!(text, "|{value}");
        }
        Sha256::digest(text).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn picks(&self, table: usize, row: usize, pick: &Pick) -> bool {
        match pick {
            Pick::All => true,
            Pick::Percent(share) => share.hashes_below().is_none_or(|limit| self.rank(table, row) < limit),
            Pick::Where(condition) => {
                let (name, list) = condition.split_once(" in (").unwrap();
                let wanted: Vec<i64> =
                    list.trim_end_matches(')').split(", ").map(|text| text.parse().unwrap()).collect();
                self.value(table, row, name.rsplit('.').next().unwrap())
                    .is_some_and(|value| wanted.contains(&value))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::super::{Request, Root};
    use super::*;
    use crate::data::schema::{Column, ColumnType, ForeignKey, Made, Table, TableName};

    /// A table of numbers whose first column is its key; `references` are columns with the tables whose `id` they mean.
    pub(crate) fn table(name: &str, columns: &[&str], references: &[(&str, &str)]) -> Table {
        let column = |name: &&str| Column {
            name: (*name).into(),
            kind: ColumnType::BigInt,
            not_null: false,
            default: None,
            made: Made::Plain,
        };
        let key = |(column, table): &(&str, &str)| ForeignKey {
            name: format!("{name}_{column}"),
            columns: vec![(*column).into()],
            table: TableName::new("public", *table),
            references: vec!["id".into()],
        };
        Table {
            name: TableName::new("public", name),
            columns: columns.iter().map(column).collect(),
            primary_key: columns.first().map(|name| (*name).into()).into_iter().collect(),
            uniques: Vec::new(),
            foreign_keys: references.iter().map(key).collect(),
            checks: BTreeMap::new(),
            partitioning: None,
            inherits: None,
            rows: 0,
        }
    }

    /// Customers, their orders, lines without a key, and a table of its own.
    pub(crate) fn shop() -> Schema {
        let mut lines = table("lines", &["order_id"], &[("order_id", "orders")]);
        lines.primary_key.clear();
        let tables = vec![
            table("customers", &["id"], &[]),
            table("orders", &["id", "customer_id"], &[("customer_id", "customers")]),
            lines,
            table("alone", &["id"], &[]),
        ];
        Schema { tables, ..Schema::default() }
    }

    /// Customers that meet a condition, and all that is theirs.
    pub(crate) fn where_customers(condition: &str) -> Request {
        let table = TableName::new("public", "customers");
        Request {
            roots: vec![Root::Where { table, condition: condition.into() }],
            whole: Vec::new(),
            cap: Cap::All,
            caps: Vec::new(),
            seed: 1,
        }
    }
}
