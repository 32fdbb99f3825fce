//! What a script has made by itself so far, and what it has said of columns.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{DataType, Ident, ObjectName};

use super::keys::Keys;
use super::names::Context;
use super::script::Dialect;

/// What is known at a place of a script.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// Whether a statement that fails ends the script.
    pub stops: bool,
    /// Where names without a schema are looked for.
    pub context: Context,
    /// Why nothing that follows can be read, if so.
    pub lost: Option<&'static str>,
    /// Tables that hold nothing but what the script put there, and that nothing else depends on.
    private: BTreeSet<String>,
    /// Those of them that only the session sees.
    temporary: BTreeSet<String>,
    /// Other things that it made, by kind, table or schema, and name, and the statement that made each.
    made: BTreeMap<(&'static str, String, String), usize>,
    /// Views that call what may do anything.
    calling: BTreeSet<String>,
    /// The statement at hand.
    number: usize,
    /// Types of columns that this script and those before it have declared.
    types: BTreeMap<(String, String), DataType>,
    /// Foreign keys and indexes that they have declared, in MySQL.
    pub keys: Keys,
}

/// Whether two tables' names may mean one table: the one may have its schema, and a server may compare without regard to case.
pub fn alike(one: &str, other: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    last(one) == last(other)
}

impl Scope {
    /// A script begins: of what those before it made, nothing is known to be new.
    pub fn begin(&mut self, dialect: Dialect, stops: bool) {
        self.forget_made();
        self.keys.begin();
        self.dialect = dialect;
        self.stops = stops;
        self.context = Context::Own;
        self.lost = None;
    }

    /// Another statement begins. What one statement makes it has not made before: of `ADD COLUMN c, DROP COLUMN c` the column
    /// that was there is dropped.
    pub fn next_statement(&mut self) {
        self.number += 1;
    }

    /// A table's name, or another's that has a schema, as the server compares it. Where MySQL's tables are files, case tells them
    /// apart, whether quoted or not.
    pub fn key(&self, name: &ObjectName) -> String {
        let part = |ident: &Ident| match self.dialect {
            Dialect::Postgres => self.ident(ident),
            Dialect::MySql => ident.value.clone(),
        };
        let parts = name.0.iter().map(|one| one.as_ident().map_or_else(|| one.to_string(), part));
        parts.collect::<Vec<_>>().join(".")
    }

    /// The name of a column, an index or a constraint, as the server compares it.
    pub fn ident(&self, ident: &Ident) -> String {
        if self.dialect == Dialect::Postgres && ident.quote_style.is_some() {
            ident.value.clone()
        } else {
            ident.value.to_lowercase()
        }
    }

    /// Forgets what the script made: it may have been another file, another schema, or be undone.
    pub fn forget(&mut self) {
        self.forget_made();
        self.keys.forget();
    }

    fn forget_made(&mut self) {
        self.private.clear();
        self.temporary.clear();
        self.made.clear();
    }

    /// A table that is new for certain.
    pub fn made_table(&mut self, table: &str, temporary: bool) {
        if self.stops {
            self.private.insert(table.to_owned());
            if temporary {
                self.temporary.insert(table.to_owned());
            }
        }
    }

    /// Whether a table holds only what the script put there.
    pub fn is_private(&self, table: &str) -> bool {
        self.private.contains(table)
    }

    /// Whether only the session sees it.
    pub fn is_temporary(&self, table: &str) -> bool {
        self.temporary.contains(table)
    }

    /// Something that is there now acts on the table's rows, or depends on them.
    pub fn expose(&mut self, table: &str) {
        self.private.retain(|one| !alike(one, table));
    }

    /// A view that runs what may do anything.
    pub fn calls(&mut self, view: &str) {
        self.calling.insert(view.to_owned());
    }

    /// Whether something is, or reads from, such a view.
    pub fn is_calling(&self, relation: &str) -> bool {
        self.calling.iter().any(|view| alike(view, relation))
    }

    /// A table that is gone.
    pub fn dropped_table(&mut self, table: &str) {
        self.expose(table);
        self.temporary.remove(table);
        self.keys.dropped_table(table);
        self.types.retain(|(of, _), _| !alike(of, table));
        self.made.retain(|(_, of, _), _| !alike(of, table));
    }

    /// A table, view, index or sequence that has another name.
    pub fn renamed_table(&mut self, from: &str, to: &str) {
        let own = self.private.contains(from);
        self.keys.renamed_table(from, to);
        self.expose(from);
        if own && self.stops {
            self.private.insert(to.to_owned());
        }
        if self.temporary.remove(from) {
            self.temporary.insert(to.to_owned());
        }
        let moved: Vec<_> = self.types.keys().filter(|(table, _)| table == from).cloned().collect();
        for (table, column) in moved {
            if let Some(data_type) = self.types.remove(&(table, column.clone())) {
                self.types.insert((to.to_owned(), column), data_type);
            }
        }
        self.made.retain(|(kind, of, name), _| {
            let itself = !matches!(*kind, "column" | "constraint") && (alike(name, from) || alike(name, to));
            !itself && !alike(of, from)
        });
    }

    /// Something other than a table that is new for certain, `of` a table or a schema.
    pub fn made(&mut self, kind: &'static str, of: &str, name: &str) {
        if self.stops {
            self.made.insert((kind, of.to_owned(), name.to_owned()), self.number);
        }
    }

    /// Whether the script made it, by a statement before this one.
    pub fn has_made(&self, kind: &'static str, of: &str, name: &str) -> bool {
        let found = self.made.get(&(kind, of.to_owned(), name.to_owned()));
        found.is_some_and(|number| *number < self.number)
    }

    /// Whether the script made it, be it by this statement.
    pub fn makes(&self, kind: &'static str, of: &str, name: &str) -> bool {
        self.made.contains_key(&(kind, of.to_owned(), name.to_owned()))
    }

    /// It is gone, or is another now.
    pub fn unmade(&mut self, kind: &'static str, of: &str, name: &str) {
        self.made.remove(&(kind, of.to_owned(), name.to_owned()));
    }

    /// The type that a column has from now on; none where it is not known.
    pub fn typed(&mut self, table: &str, column: &str, data_type: Option<DataType>) {
        let place = (table.to_owned(), column.to_owned());
        match data_type {
            Some(data_type) => self.types.insert(place, data_type),
            None => self.types.remove(&place),
        };
    }

    /// The type of a column, where a script has declared it.
    pub fn type_of(&self, table: &str, column: &str) -> Option<&DataType> {
        self.types.get(&(table.to_owned(), column.to_owned()))
    }
}
