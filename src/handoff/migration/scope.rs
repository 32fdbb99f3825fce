//! What a script has made by itself so far, and what it has said of columns.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{DataType, Ident, ObjectName};

/// What is known at a place of a script.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whether a statement that fails ends the script.
    pub stops: bool,
    /// Tables that hold nothing but what the script put there, and that nothing else depends on.
    private: BTreeSet<String>,
    /// Other things that it made, as `view a`, `column t.c`.
    made: BTreeSet<String>,
    /// Types of columns that this script and those before it have declared.
    types: BTreeMap<(String, String), DataType>,
    /// Why nothing that follows can be read, if so.
    pub lost: Option<&'static str>,
}

/// A name, as the server compares it.
pub fn key(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), ident));
    parts.collect::<Vec<_>>().join(".")
}

/// A part of a name, as the server compares it.
pub fn ident(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl Scope {
    /// Forgets what the script made: it may have been another file, another schema, or be undone.
    pub fn forget(&mut self) {
        self.private.clear();
        self.made.clear();
    }

    /// A table that is new for certain.
    pub fn made_table(&mut self, table: &str) {
        if self.stops {
            self.private.insert(table.to_owned());
        }
    }

    /// Whether a table holds only what the script put there.
    pub fn is_private(&self, table: &str) -> bool {
        self.private.contains(table)
    }

    /// Something that is there now acts on the table's rows, or depends on them.
    pub fn expose(&mut self, table: &str) {
        self.private.remove(table);
    }

    /// A table that is gone.
    pub fn dropped_table(&mut self, table: &str) {
        self.private.remove(table);
        self.types.retain(|(of, _), _| of != table);
        self.made.retain(|made| !made.starts_with(&format!("column {table}.")));
    }

    /// A table that has another name.
    pub fn renamed_table(&mut self, from: &str, to: &str) {
        if self.private.remove(from) {
            self.private.insert(to.to_owned());
        }
        let moved: Vec<_> = self.types.keys().filter(|(table, _)| table == from).cloned().collect();
        for (table, column) in moved {
            if let Some(data_type) = self.types.remove(&(table, column.clone())) {
                self.types.insert((to.to_owned(), column), data_type);
            }
        }
        self.made.retain(|made| !made.starts_with(&format!("column {from}.")));
    }

    /// Something other than a table that is new for certain.
    pub fn made(&mut self, kind: &str, name: &str) {
        if self.stops {
            self.made.insert(format!("{kind} {name}"));
        }
    }

    /// Whether the script made it.
    pub fn has_made(&self, kind: &str, name: &str) -> bool {
        self.made.contains(&format!("{kind} {name}"))
    }

    /// It is gone, or is another now.
    pub fn unmade(&mut self, kind: &str, name: &str) {
        self.made.remove(&format!("{kind} {name}"));
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
