//! Values that need themselves: found before anything is evaluated.

use petgraph::graph::DiGraph;

use crate::data::generate::column::{How, Part, Source, Table, Texts};
use crate::data::generate::reference::Pick;

/// A column of a table, by their places.
pub(super) type Place = (usize, usize);

/// Columns whose values need each other, by circle.
pub(super) fn circles(tables: &[Table]) -> Vec<Vec<Place>> {
    let mut graph = DiGraph::<Place, ()>::new();
    let nodes: Vec<Vec<_>> = tables
        .iter()
        .enumerate()
        .map(|(table, found)| {
            (0..found.columns.len()).map(|column| graph.add_node((table, column))).collect()
        })
        .collect();
    for (table, found) in tables.iter().enumerate() {
        for column in 0..found.columns.len() {
            for (needed_table, needed) in needs(tables, table, column) {
                graph.add_edge(nodes[table][column], nodes[needed_table][needed], ());
            }
        }
    }
    petgraph::algo::tarjan_scc(&graph)
        .into_iter()
        .filter(|circle| circle.len() > 1 || circle.iter().any(|node| graph.contains_edge(*node, *node)))
        .map(|circle| circle.into_iter().map(|node| graph[node]).collect())
        .collect()
}

/// The columns that a column's value needs.
fn needs(tables: &[Table], at: usize, column: usize) -> Vec<Place> {
    let table = &tables[at];
    let column = &table.columns[column];
    let mut needed = Vec::new();
    for (key, parent) in &column.references {
        // A table without rows refers to none.
        let Some(reference) = table.references.get(*key) else { continue };
        // An earlier row needs ever fewer before it, and a row that refers to itself keeps its own value.
        let ends = matches!(reference.pick, Pick::Earlier { .. } | Pick::Own) && reference.table == at;
        if !ends {
            needed.push((reference.table, *parent));
        }
    }
    let fences = column.floors.iter().chain(&column.ceilings).map(|fence| fence.column);
    let mut own: Vec<usize> = fences.chain(column.with.map(|(other, _)| other)).collect();
    match &column.source {
        Source::Number(numbers) => match numbers.how {
            How::After { column, .. } => own.push(column),
            How::Reached { states, after, .. } => own.extend([states, after]),
            _ => {}
        },
        Source::Text(texts) => template(texts, &mut own),
        _ => {}
    }
    needed.extend(own.into_iter().map(|own| (at, own)));
    needed
}

fn template(texts: &Texts, own: &mut Vec<usize>) {
    match texts {
        Texts::Template(parts) => own.extend(parts.iter().filter_map(|part| match part {
            Part::Column { column, .. } => Some(*column),
            _ => None,
        })),
        Texts::Numbered(inner) => template(inner, own),
        _ => {}
    }
}
