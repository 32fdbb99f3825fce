//! Which foreign key gives which column its value, where keys share columns or imply each other.

use super::align::{Alignment, align};
use crate::data::generate::error::Faults;
use crate::data::schema::{ForeignKey, Schema, Table};

/// A table's foreign keys, in the order in which they give values.
#[derive(Debug, Default)]
pub(in crate::data) struct Links {
    /// The keys that rows are picked for.
    pub(in crate::data) keys: Vec<Link>,
    /// By column: keys and the referred table's columns, the first that refers to a row.
    pub(in crate::data) columns: Vec<Vec<(usize, usize)>>,
    /// By column: whether it is always null, so that a key which cannot be kept is not checked.
    pub(in crate::data) always_null: Vec<bool>,
}

/// A foreign key.
#[derive(Debug)]
pub(in crate::data) struct Link {
    /// Its name.
    pub(in crate::data) name: String,
    /// The table referred to, by its place in the schema.
    pub(in crate::data) table: usize,
    /// Its columns, by their places.
    pub(in crate::data) columns: Vec<usize>,
    /// The referred columns, in the same order.
    pub(in crate::data) references: Vec<usize>,
    /// Whether a row can refer to none: one of its own columns can be null.
    pub(in crate::data) optional: bool,
    /// Whether rows have to be spread evenly, because another key counts on it.
    pub(in crate::data) even: bool,
    /// How it follows another key that it shares columns with.
    pub(in crate::data) aligned: Option<Alignment>,
}

/// Links of every table, in the schema's order.
pub(in crate::data) fn links(schema: &Schema, faults: &mut Faults) -> Vec<Links> {
    let mut all = Vec::new();
    let mut open = Vec::new();
    for (at, table) in schema.tables.iter().enumerate() {
        let (links, left) = of(schema, table);
        all.push(links);
        open.extend(left.into_iter().map(|key| (at, key)));
    }
    for (at, key) in open {
        let table = &schema.tables[at];
        let link = locate(schema, table, key);
        let aligned = link.as_ref().and_then(|link| align(&all, at, link));
        match (link, aligned) {
            (Some(link), Some(alignment)) => follow(&mut all, at, link, alignment),
            (link, _) => leave_out(table, key, link.is_some(), &mut all[at], faults),
        }
    }
    optional(schema, &mut all);
    all
}

/// Links of one table, and the keys that share columns with them.
fn of<'s>(schema: &'s Schema, table: &'s Table) -> (Links, Vec<&'s ForeignKey>) {
    let mut links = Links {
        keys: Vec::new(),
        columns: vec![Vec::new(); table.columns.len()],
        always_null: vec![false; table.columns.len()],
    };
    let mut keys: Vec<&ForeignKey> = table.foreign_keys.iter().collect();
    // The widest first: it decides about most columns.
    keys.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
    let mut bound: Vec<&ForeignKey> = Vec::new();
    let mut open = Vec::new();
    for key in keys {
        let shares = |other: &&&ForeignKey| other.columns.iter().any(|column| key.columns.contains(column));
        let sharing: Vec<_> = bound.iter().filter(shares).collect();
        let implied = sharing.iter().any(|other| implies(schema, table, other, key, 8));
        match locate(schema, table, key) {
            Some(link) if sharing.is_empty() || implied => {
                for (column, reference) in link.columns.iter().zip(&link.references) {
                    links.columns[*column].push((links.keys.len(), *reference));
                }
                bound.push(key);
                links.keys.push(link);
            }
            _ => open.push(key),
        }
    }
    (links, open)
}

/// Lets a key follow another: it gives the columns that it does not share their values.
fn follow(all: &mut [Links], at: usize, link: Link, alignment: Alignment) {
    all[link.table].keys[alignment.spread].even = true;
    let links = &mut all[at];
    let key = links.keys.len();
    for (column, reference) in link.columns.iter().zip(&link.references) {
        if links.columns[*column].is_empty() {
            links.columns[*column].push((key, *reference));
        }
    }
    links.keys.push(Link { aligned: Some(alignment), ..link });
}

/// A key is optional where a column that only it gives a value can be null, and no one refers to its columns.
fn optional(schema: &Schema, all: &mut [Links]) {
    let referred: Vec<(usize, usize)> = all
        .iter()
        .flat_map(|links| &links.keys)
        .flat_map(|key| key.references.iter().map(|column| (key.table, *column)))
        .collect();
    for (at, links) in all.iter_mut().enumerate() {
        for key in 0..links.keys.len() {
            let own = |column: &&usize| {
                let given = &links.columns[**column];
                given.len() == 1
                    && given.first().is_some_and(|(first, _)| *first == key)
                    && schema.tables[at].columns.get(**column).is_some_and(|column| !column.not_null)
            };
            let columns = &links.keys[key].columns;
            let is_referred = columns.iter().any(|column| referred.contains(&(at, *column)));
            links.keys[key].optional =
                !is_referred && !links.keys[key].even && columns.iter().any(|column| own(&column));
        }
    }
}

/// A key that cannot be kept holds where one of its columns is null, if one can be.
fn leave_out(table: &Table, key: &ForeignKey, found: bool, links: &mut Links, faults: &mut Faults) {
    let free = table.columns.iter().position(|column| {
        key.columns.contains(&column.name)
            && !column.not_null
            && links.columns[place(table, &column.name)].is_empty()
    });
    if let Some(column) = free {
        links.always_null[column] = true;
    } else if found {
        let message = format!(
            "it shares columns with another foreign key, and neither implies or follows the other ({})",
            key.columns.join(", ")
        );
        faults.add(
            &table.name,
            &key.name,
            message,
            "leave the table out of seed.yaml, or make a column of one key nullable",
        );
    } else {
        let message = format!("it refers to {}, which is not there", key.table);
        faults.add(&table.name, &key.name, message, "leave the table out of seed.yaml");
    }
}

fn place(table: &Table, name: &str) -> usize {
    table.columns.iter().position(|column| column.name == name).unwrap_or(0)
}

fn locate(schema: &Schema, table: &Table, key: &ForeignKey) -> Option<Link> {
    let at = schema.tables.iter().position(|other| other.name == key.table)?;
    let places = |of: &Table, names: &[String]| {
        names
            .iter()
            .map(|name| of.columns.iter().position(|column| column.name == *name))
            .collect::<Option<Vec<_>>>()
    };
    let (columns, references) =
        (places(table, &key.columns)?, places(schema.tables.get(at)?, &key.references)?);
    (columns.len() == references.len() && !columns.is_empty()).then(|| Link {
        name: key.name.clone(),
        table: at,
        columns,
        references,
        optional: false,
        even: false,
        aligned: None,
    })
}

/// Whether rows that keep `one` keep `other`: it is about columns of `one`, and the rows referred to keep it themselves.
fn implies(schema: &Schema, table: &Table, one: &ForeignKey, other: &ForeignKey, depth: u32) -> bool {
    let through = |column: &String| {
        one.columns.iter().position(|own| own == column).and_then(|at| one.references.get(at))
    };
    let Some(columns) = other.columns.iter().map(through).collect::<Option<Vec<_>>>() else { return false };
    if one.table == other.table && columns.iter().copied().eq(&other.references) {
        return true;
    }
    let Some(parent) = schema.table(&one.table).filter(|_| depth > 0) else { return false };
    let wanted = ForeignKey { columns: columns.into_iter().cloned().collect(), ..other.clone() };
    parent.foreign_keys.iter().any(|key| {
        let same =
            key.table == wanted.table && key.columns == wanted.columns && key.references == wanted.references;
        // A key to the table itself holds by induction over its rows.
        same || (parent.name != table.name && implies(schema, parent, key, &wanted, depth - 1))
    })
}
