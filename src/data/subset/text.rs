//! A plan as people read it, before anything is done.

use std::fmt;

use super::plan::{Cap, Edge, Pick, Plan, RowKey};
use crate::words::counted;

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = self.tables.iter().filter(|table| table.reached).count();
        write!(out, "rows of {} of {}, beginning with", reached, counted(self.tables.len(), "table"))?;
        for seed in &self.seeds {
            let table = &self.tables[seed.table].name;
            match &seed.pick {
                Pick::All => write!(out, "\n  {table}: all")?,
                Pick::Where(condition) => write!(out, "\n  {table}: where {condition}")?,
                Pick::Percent(share) => {
                    write!(out, "\n  {table}: {} %, picked by key and seed {}", share.per_cent(), self.seed)?;
                }
            }
        }
        let up: Vec<&Edge> = self.edges.iter().collect();
        self.edges_text(out, "and all that they refer to, by", &up, |_| String::new())?;
        let is_down = |edge: &&Edge| self.tables[edge.parent].descends && edge.cap != Cap::Most(0);
        let down: Vec<&Edge> = self.edges.iter().filter(is_down).collect();
        let cap = |edge: &Edge| match edge.cap {
            Cap::All => ": all".to_owned(),
            Cap::Most(most) => format!(": up to {most} for each"),
        };
        self.edges_text(out, "and what refers to the first ones and to what came so, by", &down, cap)?;
        for table in self.tables.iter().filter(|table| table.reached && table.key == RowKey::Place) {
            write!(out, "\n{} has no key: its rows are told apart by where they lie", table.name)?;
        }
        let empty: Vec<String> =
            self.tables.iter().filter(|table| !table.reached).map(|table| table.name.to_string()).collect();
        if empty.is_empty() { Ok(()) } else { write!(out, "\nno rows of {}", empty.join(", ")) }
    }
}

impl Plan {
    fn edges_text(
        &self,
        out: &mut fmt::Formatter<'_>,
        head: &str,
        edges: &[&Edge],
        tail: impl Fn(&Edge) -> String,
    ) -> fmt::Result {
        if edges.is_empty() {
            return Ok(());
        }
        write!(out, "\n{head}")?;
        edges.iter().try_for_each(|edge| {
            let (child, parent) = (&self.tables[edge.child].name, &self.tables[edge.parent].name);
            let (columns, references) = (edge.columns.join(", "), edge.references.join(", "));
            write!(out, "\n  {child} ({columns}) -> {parent} ({references}){}", tail(edge))
        })
    }
}
