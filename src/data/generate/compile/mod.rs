//! Makes tables ready to be evaluated from a schema and a seed. All faults are found at once.

mod align;
mod cycle;
mod draft;
mod ends;
mod fan_out;
mod fence;
mod link;
mod numbers;
mod references;
mod require;
mod rows;
mod source;
mod texts;
mod unique;

use std::collections::BTreeSet;

pub(in crate::data) use draft::make_name;
pub(in crate::data) use ends::Ends;
pub(in crate::data) use link::{Links, links};
pub(in crate::data) use require::{Required, required};

use super::check::Limits;
use super::column::{Column, Source, Table, Texts};
use super::column::{Fit, How};
use super::error::{Faults, GenerateError};
use super::form::Form;
use super::guess::{Guess, Known};
use super::random::Stream;
use crate::data::schema::{self, Made, Schema, TableName};
use crate::data::seed::{ColumnSeed, Make, Seed};
use draft::{Context, Draft, Wrong};

/// Tables in the schema's order.
pub(super) fn compile(schema: &Schema, seed: &Seed) -> Result<Vec<Table>, GenerateError> {
    let mut faults = Faults::default();
    let rows = rows::rows(schema, seed, &mut faults);
    let mut unlinked = Faults::default();
    let links = links(schema, &mut unlinked);
    // What is not generated has no faults.
    let rows_of = |name: &TableName| {
        schema.tables.iter().zip(&rows).find(|(table, _)| table.name == *name).map_or(0, |(_, rows)| *rows)
    };
    faults.extend(unlinked, |table| rows_of(table) > 0);
    let required = required(schema, &links, seed.clock);
    let mut work = Work { schema, seed, links: &links, required: &required, rows: &rows, faults };
    let tables: Vec<Table> = (0..schema.tables.len()).map(|at| work.table(at)).collect();
    let mut faults = work.faults;
    circles(&tables, &mut faults);
    faults.result().map(|()| tables)
}

fn circles(tables: &[Table], faults: &mut Faults) {
    for circle in cycle::circles(tables) {
        let Some((table, column)) = circle.first() else { continue };
        let name = |(table, column): &(usize, usize)| {
            format!("{}.{}", tables[*table].name, tables[*table].columns[*column].name)
        };
        let names: Vec<_> = circle.iter().map(name).collect();
        let (table, column) = (&tables[*table], &tables[*table].columns[*column]);
        let message = format!("values need each other in a circle: {}", names.join(", "));
        faults.add(&table.name, &column.name, message, "let one of them not follow the others");
    }
}

struct Work<'a> {
    schema: &'a Schema,
    seed: &'a Seed,
    links: &'a [Links],
    required: &'a [Required],
    rows: &'a [u64],
    faults: Faults,
}

impl<'a> Work<'a> {
    fn table(&mut self, at: usize) -> Table {
        let table = &self.schema.tables[at];
        let told = self.seed.tables.get(&table.name);
        let mut drafts: Vec<Draft> = Vec::new();
        let mut made = Table {
            name: table.name.clone(),
            rows: self.rows[at],
            columns: Vec::new(),
            references: Vec::new(),
            groups: Vec::new(),
        };
        // What is not generated needs no source, and has no faults.
        if made.rows > 0 {
            let known = |name: &String| told.is_some_and(|told| told.unchecked.contains(name));
            for (name, check) in self.required[at].unknown.iter().filter(|(name, _)| !known(name)) {
                let help = "give its columns values that satisfy it, and name it in the table's `unchecked`";
                self.faults.add(&table.name, name, format!("it is not understood: {check}"), help);
            }
        }
        for place in 0..table.columns.len() {
            let (column, draft) = self.column(at, place, made.rows > 0);
            made.columns.push(column);
            drafts.push(draft);
        }
        if made.rows > 0 {
            self.references(at, &mut made);
            self.settle(at, &mut made, &mut drafts);
        }
        for (column, draft) in made.columns.iter_mut().zip(drafts) {
            column.source = draft.source;
            column.fit = draft.fit;
        }
        self.states(&mut made, at);
        made
    }

    /// Unique sets and orders.
    fn settle(&mut self, at: usize, made: &mut Table, drafts: &mut [Draft]) {
        let table = &self.schema.tables[at];
        let keys: Vec<Vec<usize>> = self.links[at].keys.iter().map(|key| key.columns.clone()).collect();
        let own: Vec<(bool, bool)> =
            self.links[at].keys.iter().map(|key| (key.table == at, key.optional)).collect();
        let orders = self.apart(at, made);
        let pinned = self.links[at].keys.iter().map(|key| key.even || key.aligned.is_some()).collect();
        let sets = self.sets(table);
        let (seed, filled) = (self.seed.seed, BTreeSet::new());
        let mut uniques =
            unique::Uniques { table: made, drafts, keys: &keys, own: &own, pinned, seed, filled };
        let faults = uniques.settle(sets);
        for (part, (message, help), room) in faults {
            self.faults.add(&table.name, &part, message, help);
            self.faults.set_room(room);
        }
        for (part, (message, help)) in fence::fences(made, drafts, &orders) {
            self.faults.add(&table.name, &part, message, help);
        }
    }

    fn sets(&self, table: &schema::Table) -> Vec<unique::Set> {
        let place = |name: &String| table.columns.iter().position(|column| column.name == *name);
        let set = |columns: &[String], no_nulls| {
            let columns: Option<BTreeSet<usize>> = columns.iter().map(place).collect();
            columns.filter(|columns| !columns.is_empty()).map(|columns| unique::Set { columns, no_nulls })
        };
        let told = self.seed.tables.get(&table.name).into_iter().flat_map(|told| &told.columns);
        let told =
            told.filter(|(_, column)| column.unique).map(|(name, _)| (std::slice::from_ref(name), false));
        let uniques = table.uniques.iter().map(|unique| (&unique.columns[..], unique.nulls_not_distinct));
        let all = std::iter::once((&table.primary_key[..], true)).chain(uniques).chain(told);
        all.filter_map(|(columns, no_nulls)| set(columns, no_nulls)).collect()
    }

    fn told(&self, table: &schema::Table, column: &str) -> Option<&'a ColumnSeed> {
        self.seed.tables.get(&table.name)?.columns.get(column)
    }

    fn column(&mut self, at: usize, place: usize, wanted: bool) -> (Column, Draft) {
        let table = &self.schema.tables[at];
        let column = &table.columns[place];
        let form = Form::of(&column.kind, self.schema);
        let limits = &self.required[at].limits[place];
        let refers = !self.links[at].columns[place].is_empty();
        let told = self.told(table, &column.name).cloned().unwrap_or_default();
        let guess = self.guess(table, column, &form, limits, told.unique);
        self.check_parent(table, column, refers, told.make.as_ref());
        let said = told.make.clone().filter(|make| !matches!(make, Make::Parent(_)) && !refers);
        let (clock, locale) = (self.seed.clock, self.seed.locale);
        let context = Context { table, form: &form, limits, clock, locale, told: said.is_some() };
        let left_to_default =
            matches!(form, Form::Unknown(_)) && column.default.is_some() && said.is_none() && !refers;
        let omitted = column.made == Made::Generated || left_to_default;
        let nothing = self.links[at].always_null[place] || omitted || !wanted;
        let make = if nothing { Some(Make::Constant(None)) } else { said.or(guess.make) };
        let drafted = source::draft(&context, make.as_ref());
        let not_null =
            limits.not_null || self.referred(at, place) || table.primary_key.contains(&column.name);
        let guessed = if not_null || told.make.is_some() { 0.0 } else { guess.null };
        let null = told.null.unwrap_or(guessed);
        // A column that a key gives its value is never without one; its own source is not used.
        if wanted && !omitted && !(refers && column.not_null) {
            self.check(table, column, not_null, null, &drafted);
        }
        let names = [table.name.to_string(), column.name.clone()];
        let stream = |purpose: &str| Stream::new(self.seed.seed, &[&names[0], &names[1], purpose]);
        let compiled = Column {
            name: column.name.clone(),
            stream: stream("value"),
            null: if not_null { 0.0 } else { null },
            nulls: stream("null"),
            references: self.links[at].columns[place].clone(),
            null_unreferred: !column.not_null,
            source: Source::Nothing,
            member: None,
            with: self.with(at, &told),
            floors: Vec::new(),
            ceilings: Vec::new(),
            fit: Fit::default(),
            omitted,
            form,
        };
        (compiled, drafted.unwrap_or_else(|_| Draft::nothing()))
    }

    /// A foreign key's column takes its value from a parent, and no other column does.
    fn check_parent(
        &mut self,
        table: &schema::Table,
        column: &schema::Column,
        refers: bool,
        make: Option<&Make>,
    ) {
        let (message, help) = match make {
            Some(Make::Parent(_)) if !refers => {
                ("it is told to take a parent, and no foreign key gives it one", "take another maker")
            }
            Some(make) if refers && !matches!(make, Make::Parent(_)) => (
                "a foreign key gives it its value, and it is told another maker",
                "take `parent`, or leave it out",
            ),
            _ => return,
        };
        self.faults.add(&table.name, &column.name, message, help);
    }

    fn guess(
        &self,
        table: &schema::Table,
        column: &schema::Column,
        form: &Form,
        limits: &Limits,
        unique: bool,
    ) -> Guess {
        let alone = |columns: &[String]| columns.len() == 1 && columns.first() == Some(&column.name);
        let unique =
            unique || alone(&table.primary_key) || table.uniques.iter().any(|set| alone(&set.columns));
        Known { table, column, form, limits, refers: false, unique, clock: self.seed.clock }.guess()
    }

    /// What is wrong with a column's source, and with its nulls.
    fn check(
        &mut self,
        table: &schema::Table,
        column: &schema::Column,
        not_null: bool,
        null: f64,
        drafted: &Result<Draft, Wrong>,
    ) {
        let refers = table.foreign_keys.iter().any(|key| key.columns.contains(&column.name));
        let (message, help) = match drafted {
            Err((message, help)) => (message.clone(), help.clone()),
            Ok(_) if not_null && null > 0.0 => (
                "a share of nulls is told, and it cannot be null or is referred to".to_owned(),
                "leave `nulls` out".to_owned(),
            ),
            Ok(draft) if not_null && !refers && matches!(draft.source, Source::Nothing) => (
                "it cannot be null, and nothing says how it is made".to_owned(),
                "give it a `choice` or a `pattern`".to_owned(),
            ),
            Ok(_) => return,
        };
        self.faults.add(&table.name, &column.name, message, help);
    }

    fn with(&mut self, at: usize, told: &ColumnSeed) -> Option<(usize, f64)> {
        let coupling = told.with.as_ref()?;
        let table = &self.schema.tables[at];
        let place = table.columns.iter().position(|column| column.name == coupling.column);
        if place.is_none() {
            self.faults.add(
                &table.name,
                &coupling.column,
                "there is no such column to go with",
                "name a column of the same table",
            );
        }
        Some((place?, coupling.strength.clamp(-1.0, 1.0)))
    }

    /// Whether a foreign key refers to a column: then it is never null.
    fn referred(&self, at: usize, place: usize) -> bool {
        self.links
            .iter()
            .flat_map(|links| &links.keys)
            .any(|key| key.table == at && key.references.contains(&place))
    }

    /// The number of each state that a time is the time of.
    fn states(&mut self, made: &mut Table, at: usize) {
        let table = &self.schema.tables[at];
        for place in 0..made.columns.len() {
            let Source::Number(numbers) = &made.columns[place].source else { continue };
            let How::Reached { states, .. } = numbers.how else { continue };
            let Some(Make::Reached { state, .. }) =
                self.told(table, &made.columns[place].name).and_then(|told| told.make.clone())
            else {
                continue;
            };
            let found = match &made.columns[states].source {
                Source::Text(Texts::States(walk)) => walk.labels.iter().position(|label| *label == state),
                _ => None,
            };
            let not_null = self.required[at].limits[place].not_null;
            let name = &table.columns[place].name;
            match found {
                None => {
                    let message = format!("`{}` has no state `{state}`", table.columns[states].name);
                    self.faults.add(
                        &table.name,
                        name,
                        message,
                        "name a column with `states`, and one of those",
                    );
                }
                Some(at) if at > 0 && not_null => {
                    let message = "it cannot be null, and not every row reaches the state";
                    self.faults.add(&table.name, name, message, "take `after`");
                }
                Some(found) => {
                    if let Source::Number(numbers) = &mut made.columns[place].source
                        && let How::Reached { state, .. } = &mut numbers.how
                    {
                        *state = found;
                    }
                }
            }
        }
    }
}
