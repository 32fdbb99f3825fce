//! The order in which tables are loaded: what is referred to before what refers, as far as there are no circles.

use petgraph::graph::{DiGraph, NodeIndex};

use crate::data::schema::{Schema, TableName};

/// A table's place in the order of loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: TableName,
    /// Foreign keys, by name, that lie on a circle: they are checked after all tables of it are loaded.
    pub in_circle: Vec<String>,
}

/// All tables of a schema, each after those it refers to; in a circle by name.
pub fn order(schema: &Schema) -> Vec<Step> {
    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..schema.tables.len()).map(|at| graph.add_node(at)).collect();
    let place = |name: &TableName| schema.tables.iter().position(|table| table.name == *name);
    for (at, table) in schema.tables.iter().enumerate() {
        for to in table.foreign_keys.iter().filter_map(|key| place(&key.table)) {
            graph.update_edge(nodes[at], nodes[to], ());
        }
    }
    let mut circle_of = vec![0; nodes.len()];
    let mut steps = Vec::new();
    // Components come with what they refer to before them.
    for (circle, mut component) in petgraph::algo::tarjan_scc(&graph).into_iter().enumerate() {
        component.sort();
        for node in &component {
            circle_of[node.index()] = circle;
        }
        steps.extend(component.into_iter().map(|node| graph[node]));
    }
    let in_circle = |at: usize| {
        let table = &schema.tables[at];
        let same = |to: Option<usize>| to.is_some_and(|to| circle_of[to] == circle_of[at]);
        table.foreign_keys.iter().filter(|key| same(place(&key.table))).map(|key| key.name.clone()).collect()
    };
    steps
        .into_iter()
        .map(|at| Step { table: schema.tables[at].name.clone(), in_circle: in_circle(at) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::test_schema::{key, table};

    #[test]
    fn referred_tables_come_first_and_circles_are_named() {
        let mut tables: Vec<_> = ["a", "b", "c", "d"].map(|name| table(name, vec![])).into();
        for (from, to) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
            let to = tables[to].name.name.clone();
            let name = tables[from].name.name.clone();
            tables[from].foreign_keys.push(key(&name, &["x"], &to, &["id"]));
        }
        let steps = order(&Schema { tables, ..Schema::default() });
        let found: Vec<(&str, usize)> =
            steps.iter().map(|step| (step.table.name.as_str(), step.in_circle.len())).collect();
        assert_eq!(found, [("b", 1), ("c", 1), ("a", 0), ("d", 1)]);
    }
}
