//! Foreign keys made ready to pick parents.

use super::align::Alignment;
use super::link::Link;
use super::{Work, fan_out};
use crate::data::generate::check::Order;
use crate::data::generate::column::Table;
use crate::data::generate::random::Stream;
use crate::data::generate::reference::{Aligned, Pick, Reference};
use crate::data::seed::{ColumnSeed, FanOut, Make};

impl<'a> Work<'a> {
    /// Adds the references of the table at `at`.
    pub(super) fn references(&mut self, at: usize, made: &mut Table) {
        let table = &self.schema.tables[at];
        for key in 0..self.links[at].keys.len() {
            let apart = self.same_parents(at, key);
            let key = &self.links[at].keys[key];
            let told: Vec<&'a ColumnSeed> = key
                .columns
                .iter()
                .filter_map(|column| self.told(table, &table.columns[*column].name))
                .collect();
            let guessed = if told.iter().any(|told| told.make.is_some()) { 0.0 } else { 0.1 };
            let null = told.iter().find_map(|told| told.null).unwrap_or(guessed);
            let parents = self.rows[key.table].saturating_sub(u64::from(apart.is_some()));
            if parents == 0 && !key.optional {
                let parent = &self.schema.tables[key.table].name;
                let (message, help) = match apart {
                    None => (format!("it refers to {parent}, which gets no rows"), "give that table rows"),
                    Some(_) => (
                        format!("it refers to another row of {parent}, which has one"),
                        "give that table two rows",
                    ),
                };
                self.faults.add(&table.name, &key.name, message, help);
            }
            let stream = Stream::new(self.seed.seed, &[&table.name.to_string(), &key.name, "parent"]);
            let pick = self.pick(at, key, &told, parents, made.rows, &stream);
            let null = if key.optional { null } else { 0.0 };
            made.references.push(Reference { table: key.table, parents, pick, null, stream, apart });
        }
    }

    fn pick(
        &mut self,
        at: usize,
        key: &Link,
        told: &[&ColumnSeed],
        parents: u64,
        rows: u64,
        stream: &Stream,
    ) -> Pick {
        match key.aligned {
            Some(alignment) => return self.aligned(at, key, &alignment),
            None if key.table == at => return Pick::Earlier { first: (!key.optional).then_some(0) },
            None if key.even => return Pick::Even(rows),
            None => {}
        }
        let fan_out = told.iter().find_map(|told| match &told.make {
            Some(Make::Parent(fan_out)) => Some(fan_out),
            _ => None,
        });
        let picked = fan_out::pick(fan_out.unwrap_or(&FanOut::Uniform), parents.max(1), rows, stream);
        picked.unwrap_or_else(|message| {
            let help = "give a number of children above 0 a weight";
            self.faults.add(&self.schema.tables[at].name, &key.name, message, help);
            Pick::Uniform
        })
    }

    /// The pick of a key that follows another.
    fn aligned(&mut self, at: usize, key: &Link, alignment: &Alignment) -> Pick {
        let other = &self.links[at].keys[alignment.with];
        let (parents, anchors) = (self.rows[key.table], self.rows[alignment.anchor]);
        let (table, tables) = (&self.schema.tables[at], &self.schema.tables);
        if !key.optional && (other.optional || parents < anchors) {
            let (parent, anchor) = (&tables[key.table].name, &tables[alignment.anchor].name);
            let message = format!("each row of {anchor} needs one of {parent}, which it shares columns with");
            let help = format!(
                "give {parent} as many rows as {anchor} at least, and columns of {} no nulls",
                other.name
            );
            self.faults.add(&table.name, &key.name, message, help);
        }
        let through = alignment.through.map(|through| (other.table, through));
        Pick::Aligned(Aligned { with: alignment.with, through, anchors })
    }

    /// An earlier key of one column to the same column of another table, which a constraint wants to be other than this one.
    fn same_parents(&self, at: usize, key: usize) -> Option<usize> {
        let keys = &self.links[at].keys;
        let alone =
            |key: &Link| key.columns.len() == 1 && key.table != at && key.aligned.is_none() && !key.even;
        let name =
            |key: &Link| key.columns.first().map(|column| &self.schema.tables[at].columns[*column].name);
        let own = keys.get(key).filter(|key| alone(key))?;
        keys.iter().take(key).position(|other| {
            let same = alone(other) && other.table == own.table && other.references == own.references;
            let (Some(one), Some(two)) = (name(other), name(own)) else { return false };
            same && self.required[at].orders.iter().any(|order| order.differ && has(order, one, two))
        })
    }

    /// The orders that are not kept by references: keys that stay apart, and rows that refer to earlier ones.
    pub(super) fn apart(&self, at: usize, made: &Table) -> Vec<Order> {
        let table = &self.schema.tables[at];
        let name = |column: usize| &table.columns[column].name;
        let kept = |order: &Order| {
            self.links[at].keys.iter().zip(&made.references).any(|(key, reference)| {
                let [column] = key.columns[..] else { return false };
                let other = match (reference.apart, &key.references[..]) {
                    (Some(other), _) => self.links[at].keys[other].columns.first().copied(),
                    (None, [referred]) if key.table == at && key.optional => Some(*referred),
                    _ => None,
                };
                order.differ && other.is_some_and(|other| has(order, name(column), name(other)))
            })
        };
        self.required[at].orders.iter().filter(|order| !kept(order)).cloned().collect()
    }
}

/// Whether an order is between these two columns.
fn has(order: &Order, one: &str, two: &str) -> bool {
    (order.lower == one && order.higher == two) || (order.lower == two && order.higher == one)
}
