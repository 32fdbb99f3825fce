//! Proposes a seed for a schema: one that runs as it is, with what was guessed beside it.

use std::collections::BTreeMap;

use super::{ColumnSeed, FanOut, Make, Rows, Seed, TableSeed};
use crate::data::generate::{
    self, Form, GenerateError, GenerateFault, Generator, Known, Links, Locale, Required,
};
use crate::data::schema::{Made, Schema, Table, TableName};

/// What a plan starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// The number that all values are a function of.
    pub seed: u64,
    /// What counts as now: microseconds since 1970, UTC.
    pub clock: i64,
    /// The language of names and words.
    pub locale: Locale,
    /// Rows of tables that refer to no other.
    pub rows: u64,
}

impl Default for PlanOptions {
    /// 1000 rows, in English, on 2025-01-01.
    fn default() -> Self {
        Self { seed: 1, clock: 1_735_689_600_000_000, locale: Locale::En, rows: 1000 }
    }
}

/// Children for each row of the table referred to; for each pair of joined tables' rows; where there can be one.
const CHILDREN: f64 = 3.0;
const JOINED: f64 = 2.0;
const ONE_TO_ONE: f64 = 0.8;

/// A seed for `schema`. A table that no rows can be made for is left out, with the reason in the notes.
pub fn plan(schema: &Schema, options: &PlanOptions) -> Seed {
    let mut ignored = generate::Faults::default();
    let links = generate::links(schema, &mut ignored);
    let required = generate::required(schema, &links, options.clock);
    let PlanOptions { seed, clock, locale, .. } = *options;
    let mut seed = Seed { seed, clock, locale, tables: BTreeMap::new(), notes: BTreeMap::new() };
    for step in generate::order(schema) {
        let Some(at) = schema.tables.iter().position(|table| table.name == step.table) else { continue };
        let planner = Planner {
            schema,
            table: &schema.tables[at],
            links: &links[at],
            required: &required[at],
            options,
        };
        planner.table(&step.in_circle, &mut seed);
    }
    until_it_runs(schema, &mut seed);
    seed
}

/// Takes back what does not fit: rows that there is no room for, and tables that cannot be made.
fn until_it_runs(schema: &Schema, seed: &mut Seed) {
    // Each round lowers a table's rows or leaves a table out.
    for _ in 0..=2 * schema.tables.len() {
        let Err(GenerateError::Faults(faults)) = Generator::new(schema, seed) else { return };
        for fault in faults {
            give_way(fault, seed);
        }
    }
}

fn give_way(fault: GenerateFault, seed: &mut Seed) {
    let Some(table) = seed.tables.get_mut(&fault.table) else { return };
    match fault.room {
        Some(room) if room > 0 => {
            let known = if let Rows::Count(rows) = table.rows { rows } else { room };
            table.rows = Rows::Count(room.min(known));
            seed.notes.insert((fault.table, None), format!("{} cannot be unique in more", fault.part));
        }
        _ => {
            let reason = format!("{}: {}; {}", fault.part, fault.message, fault.help);
            seed.notes.insert((fault.table.clone(), None), reason);
            leave_out(&fault.table, seed);
        }
    }
}

/// Tables that take their number of rows from one that is left out get a number of their own.
fn leave_out(name: &TableName, seed: &mut Seed) {
    seed.tables.remove(name);
    for table in seed.tables.values_mut() {
        if matches!(&table.rows, Rows::Per { table, .. } if table == name) {
            table.rows = Rows::Count(100);
        }
    }
}

struct Planner<'a> {
    schema: &'a Schema,
    table: &'a Table,
    links: &'a Links,
    required: &'a Required,
    options: &'a PlanOptions,
}

impl Planner<'_> {
    fn table(&self, in_circle: &[String], seed: &mut Seed) {
        let (rows, note) = self.rows(in_circle, seed);
        if let Some(note) = note {
            seed.notes.insert((self.table.name.clone(), None), note.to_owned());
        }
        let unchecked = self.required.unknown.iter().map(|(name, _)| name.clone()).collect();
        let mut columns = BTreeMap::new();
        for at in 0..self.table.columns.len() {
            if let Some((column, note)) = self.column(at) {
                let name = self.table.columns[at].name.clone();
                seed.notes.insert((self.table.name.clone(), Some(name.clone())), note.to_owned());
                columns.insert(name, column);
            }
        }
        seed.tables.insert(self.table.name.clone(), TableSeed { rows, columns, unchecked });
    }

    /// So many for each row of a table that it refers to, if it refers to one outside of a circle.
    fn rows(&self, in_circle: &[String], seed: &Seed) -> (Rows, Option<&'static str>) {
        let known = |name: &TableName| seed.tables.contains_key(name) && *name != self.table.name;
        let key =
            self.table.foreign_keys.iter().find(|key| !in_circle.contains(&key.name) && known(&key.table));
        let Some(key) = key else { return (Rows::Count(self.options.rows), None) };
        let refers = |column: &String| self.table.foreign_keys.iter().any(|key| key.columns.contains(column));
        let sets = std::iter::once(&self.table.primary_key)
            .chain(self.table.uniques.iter().map(|unique| &unique.columns));
        let mut sets = sets.filter(|set| !set.is_empty());
        let one = sets.clone().any(|set| set.iter().all(|column| key.columns.contains(column)));
        let joined = sets.any(|set| set.iter().all(refers));
        let (ratio, note) = match (one, joined) {
            (true, _) => (ONE_TO_ONE, "one for one at most"),
            (_, true) => (JOINED, "it joins tables"),
            _ => (CHILDREN, "it refers to that table"),
        };
        (Rows::Per { table: key.table.clone(), ratio }, Some(note))
    }

    fn column(&self, at: usize) -> Option<(ColumnSeed, &'static str)> {
        let column = &self.table.columns[at];
        let form = Form::of(&column.kind, self.schema);
        let told = column.made == Made::Generated || self.links.always_null[at];
        if told || (matches!(form, Form::Unknown(_)) && column.default.is_some()) {
            return None;
        }
        let references = &self.links.columns[at];
        let sets: Vec<&Vec<String>> = std::iter::once(&self.table.primary_key)
            .chain(self.table.uniques.iter().map(|unique| &unique.columns))
            .collect();
        let known = Known {
            table: self.table,
            column,
            form: &form,
            limits: &self.required.limits[at],
            refers: !references.is_empty(),
            unique: sets.iter().any(|set| set.len() == 1 && set[0] == column.name),
            clock: self.options.clock,
        };
        let guess = known.guess();
        if let Some((key, _)) = references.first() {
            // One column of a key speaks for all.
            let link = &self.links.keys[*key];
            let share = link.optional.then_some(guess.null);
            let make = Some(Make::Parent(FanOut::Uniform));
            return (link.columns.first() == Some(&at))
                .then(|| (ColumnSeed { make, null: share, ..ColumnSeed::default() }, guess.why));
        }
        let referred = self.schema.tables.iter().flat_map(|table| &table.foreign_keys);
        let mut referred = referred.filter(|key| key.table == self.table.name);
        let never_null = self.required.limits[at].not_null
            || self.table.primary_key.contains(&column.name)
            || referred.any(|key| key.references.contains(&column.name));
        let null = (!never_null && guess.null > 0.0 && guess.make != Some(Make::Constant(None)))
            .then_some(guess.null);
        let in_set = sets.iter().any(|set| set.contains(&column.name));
        // A range that is not told is widened until it has room for all rows.
        let widens = in_set && matches!(guess.make, Some(Make::Range { .. } | Make::Series(_)));
        let make = guess.make.filter(|_| !widens);
        let why = if widens { "unique: it is as wide as the rows need" } else { guess.why };
        Some((ColumnSeed { make, null, ..ColumnSeed::default() }, why))
    }
}
