//! Which foreign keys and indexes MySQL's tables are known to have. A foreign key needs an index that begins with its columns: the
//! server makes one where there is none, and lets it go again for one that is made later, which then cannot simply be dropped.
//! <https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html>

use std::collections::BTreeSet;

use sqlparser::ast::{
    AlterTableOperation as Operation, ColumnDef, ColumnOption, CreateTable, Expr, ForeignKeyConstraint,
    Ident, IndexColumn, TableConstraint,
};

use super::scope::alike;

/// What a primary key's index is called.
const PRIMARY: &str = "primary";

/// A column: as the server compares it, and as it is written.
type Column = (String, String);

/// What is known of keys.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Tables of which every foreign key is known.
    known: BTreeSet<String>,
    foreign: Vec<Key>,
    indexes: Vec<Key>,
    /// The script at hand.
    script: usize,
}

/// A foreign key or an index.
#[derive(Debug, Clone)]
struct Key {
    table: String,
    /// Of a foreign key, what the server calls the index that it makes for it.
    name: Option<Ident>,
    columns: Vec<Column>,
    /// The script that made it.
    script: usize,
}

impl Key {
    fn is_called(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(name))
    }

    /// Whether an index on these columns begins with those of this key.
    fn begins(&self, columns: &[Column]) -> bool {
        let mut own = self.columns.iter();
        self.columns.len() <= columns.len()
            && columns.iter().zip(&mut own).all(|(column, own)| column.0 == own.0)
    }
}

/// What has to be done so that an index can be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropping {
    /// Nothing.
    Simple,
    /// This, by the same `ALTER TABLE`: an index for the foreign key that has taken it, or may have.
    With(String),
    /// That is not known.
    Unknown,
}

fn column(name: &Ident) -> Column {
    (name.value.to_lowercase(), name.to_string())
}

/// The columns that an index begins with; a part of one, or what is computed, is of no use to a foreign key.
pub fn leading(columns: &[IndexColumn]) -> Vec<Column> {
    let plain = columns.iter().map_while(|one| match &one.column.expr {
        Expr::Identifier(name) => Some(column(name)),
        _ => None,
    });
    plain.collect()
}

fn written(columns: &[Column]) -> String {
    columns.iter().map(|(_, shown)| shown.as_str()).collect::<Vec<_>>().join(", ")
}

impl Keys {
    /// Another script begins.
    pub fn begin(&mut self) {
        self.script += 1;
    }

    /// What was known is known no more.
    pub fn forget(&mut self) {
        *self = Self { script: self.script, ..Self::default() };
    }

    /// A table that is new for certain.
    pub fn made_table(&mut self, name: &str, table: &CreateTable) {
        self.known.insert(name.to_owned());
        for column in &table.columns {
            self.add_column(name, column, true);
        }
        for constraint in &table.constraints {
            self.add(name, constraint, true);
        }
    }

    /// A column's own keys; an index counts only where it is there for certain.
    pub fn add_column(&mut self, table: &str, definition: &ColumnDef, certain: bool) {
        let columns = vec![column(&definition.name)];
        for option in &definition.options {
            match &option.option {
                ColumnOption::ForeignKey(_) => self.add_foreign(table, None, columns.clone()),
                ColumnOption::Unique(_) if certain => self.add_index(table, None, columns.clone()),
                ColumnOption::PrimaryKey(_) if certain => {
                    self.add_index(table, Some(Ident::new(PRIMARY)), columns.clone());
                }
                _ => {}
            }
        }
    }

    /// A key among a table's constraints; an index counts only where it is there for certain.
    pub fn add(&mut self, table: &str, constraint: &TableConstraint, certain: bool) {
        match constraint {
            TableConstraint::ForeignKey(ForeignKeyConstraint { name, index_name, columns, .. }) => {
                let name = index_name.clone().or_else(|| name.clone());
                self.add_foreign(table, name, columns.iter().map(column).collect());
            }
            TableConstraint::Unique(one) if certain => {
                let name = one.index_name.clone().or_else(|| one.name.clone());
                self.add_index(table, name, leading(&one.columns));
            }
            TableConstraint::Index(one) if certain => {
                self.add_index(table, one.name.clone(), leading(&one.columns));
            }
            TableConstraint::PrimaryKey(one) if certain => {
                self.add_index(table, Some(Ident::new(PRIMARY)), leading(&one.columns));
            }
            _ => {}
        }
    }

    fn add_foreign(&mut self, table: &str, name: Option<Ident>, columns: Vec<Column>) {
        self.foreign.push(Key { table: table.to_owned(), name, columns, script: self.script });
    }

    /// An index that is there for certain.
    pub fn add_index(&mut self, table: &str, name: Option<Ident>, columns: Vec<Column>) {
        self.indexes.push(Key { table: table.to_owned(), name, columns, script: self.script });
    }

    /// What `ALTER TABLE` does besides adding keys and giving the table another name.
    pub fn altered(&mut self, table: &str, operation: &Operation) {
        match operation {
            Operation::DropIndex { name } => self.dropped_index(table, &name.value),
            Operation::DropPrimaryKey { .. } => self.dropped_index(table, PRIMARY),
            Operation::DropForeignKey { name, .. } => {
                self.foreign.retain(|one| one.table != table || !one.is_called(&name.value));
            }
            Operation::DropConstraint { name, .. } => {
                self.foreign.retain(|one| one.table != table || !one.is_called(&name.value));
                self.dropped_index(table, &name.value);
            }
            Operation::RenameColumn { old_column_name, new_column_name } => {
                let (from, to) = (column(old_column_name), column(new_column_name));
                let own = self.foreign.iter_mut().chain(&mut self.indexes).filter(|one| one.table == table);
                for named in own.flat_map(|one| &mut one.columns).filter(|named| named.0 == from.0) {
                    *named = to.clone();
                }
            }
            Operation::AddColumn { .. }
            | Operation::AddConstraint { .. }
            | Operation::RenameTable { .. }
            | Operation::AlterColumn { .. }
            | Operation::Algorithm { .. }
            | Operation::Lock { .. } => {}
            _ => {
                self.known.remove(table);
                self.indexes.retain(|one| !alike(&one.table, table));
            }
        }
    }

    /// An index that may be gone, and with it any whose name the server has chosen.
    pub fn dropped_index(&mut self, table: &str, name: &str) {
        self.indexes.retain(|one| !alike(&one.table, table) || one.name.is_some() && !one.is_called(name));
    }

    /// A table that is gone.
    pub fn dropped_table(&mut self, table: &str) {
        self.known.retain(|one| !alike(one, table));
        self.foreign.retain(|one| !alike(&one.table, table));
        self.indexes.retain(|one| !alike(&one.table, table));
    }

    /// A table that has another name.
    pub fn renamed_table(&mut self, from: &str, to: &str) {
        if self.known.remove(from) {
            self.known.insert(to.to_owned());
        }
        for one in self.foreign.iter_mut().chain(&mut self.indexes).filter(|one| one.table == from) {
            to.clone_into(&mut one.table);
        }
    }

    /// What has to be done so that an index that begins with `columns` can be dropped. `is_new` are columns of this script's own.
    pub fn dropping(&self, table: &str, columns: &[Column], is_new: impl Fn(&str) -> bool) -> Dropping {
        let Some((first, _)) = columns.first() else { return Dropping::Simple };
        let mut needs: Option<&Key> = None;
        for key in self.foreign.iter().filter(|key| alike(&key.table, table) && key.begins(columns)) {
            let mut covering =
                self.indexes.iter().filter(|one| one.table == table && key.begins(&one.columns)).peekable();
            if covering.peek().is_none() {
                needs = needs.filter(|other| other.columns.len() >= key.columns.len()).or(Some(key));
            } else if covering.all(|one| one.script == self.script) {
                // What the script itself has made may be gone by then.
                return Dropping::Unknown;
            }
        }
        match needs {
            Some(key) => {
                let name = key.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
                Dropping::With(format!("ADD INDEX {name}({})", written(&key.columns)))
            }
            None if self.known.contains(table) || is_new(first) => Dropping::Simple,
            None => Dropping::With(format!("ADD INDEX ({})", written(columns))),
        }
    }
}
