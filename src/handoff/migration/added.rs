//! Judges what `ALTER TABLE` adds: columns, constraints and indexes.

use sqlparser::ast::{ColumnDef, ColumnOption, DataType, Expr, Ident, NullsDistinctOption, TableConstraint};

use super::alter::Table;
use super::calls::is_volatile;
use super::created::{placed, refers};
use super::keys::{Dropping, leading};
use super::names::{Name, Names};
use super::script::Dialect;
use super::verdict::Judgement;

impl Table<'_> {
    pub(super) fn add_column(&mut self, column: &ColumnDef, if_not_exists: bool) -> Judgement {
        let (name, shown) = (self.scope.ident(&column.name), column.name.to_string());
        let own = self.scope.is_private(&self.name);
        let what = self.what(&format!("ADD COLUMN {shown}"));
        let mut names = Names { gives: vec![Name::part(&self.name, "column", &name)], ..self.on() };
        let mut refers_to = false;
        for option in column.options.iter().map(|option| &option.option) {
            match option {
                ColumnOption::ForeignKey(foreign) => {
                    refers_to = true;
                    refers(&self.name, &foreign.foreign_table, self.scope);
                    names.leans.push(self.scope.key(&foreign.foreign_table));
                }
                // Of what it is computed from, nothing can be taken.
                ColumnOption::Generated { generation_expr: Some(_), .. } | ColumnOption::Check(_) => {
                    names.leans.push(self.name.clone());
                }
                _ => {}
            }
        }
        let mut judgement = match refused(column).filter(|_| !own) {
            Some(why) => Judgement::undoable(what).breaks(why),
            None => Judgement::additive(what),
        }
        .names(names);
        if default_of(column).is_some_and(is_volatile) || is_serial(&column.data_type) {
            judgement =
                judgement.blocks("the table is written anew, and nobody reads or writes it meanwhile");
        }
        if self.scope.dialect == Dialect::MySql {
            let certain = self.scope.stops && !if_not_exists;
            self.scope.keys.add_column(&self.name, column, certain);
        }
        if if_not_exists {
            return judgement;
        }
        self.scope.made("column", &self.name, &name);
        self.scope.typed(&self.name, &name, Some(column.data_type.clone()));
        // MariaDB names the foreign key by itself, and it has to go first.
        if refers_to && self.scope.dialect == Dialect::MySql {
            return judgement;
        }
        judgement.undo(self.what(&format!("DROP COLUMN {shown}")))
    }

    pub(super) fn add_constraint(&mut self, constraint: &TableConstraint) -> Judgement {
        let mut names = self.on();
        if let TableConstraint::ForeignKey(foreign) = constraint {
            refers(&self.name, &foreign.foreign_table, self.scope);
            names.leans.push(self.scope.key(&foreign.foreign_table));
            if self.scope.dialect == Dialect::MySql {
                // It may have taken an index of its own table.
                names.leans.push(self.name.clone());
            }
        }
        let own = self.scope.is_private(&self.name);
        let (kind, name, refuses) = described(constraint, self.scope.dialect);
        let shown = name.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = self.what(format!("ADD {kind} {shown}").trim_end());
        let mysql = self.scope.dialect == Dialect::MySql;
        let is_index = kind == "INDEX" || mysql && kind == "UNIQUE";
        if is_index {
            // A column that is part of an index cannot always go.
            names.leans.push(self.name.clone());
        }
        if let Some(name) = &name {
            let (kind, name) = (if is_index { "index" } else { "constraint" }, self.scope.ident(name));
            names.gives.push(Name::part(&self.name, kind, &name));
            if !mysql && !matches!(constraint, TableConstraint::ForeignKey(_) | TableConstraint::Check(_)) {
                // An index of that name stands in the schema.
                names.gives.push(match placed(&self.name) {
                    (schema, _) if schema.is_empty() => Name::whole(name.clone()),
                    (schema, _) => Name::whole(format!("{schema}.{name}")),
                });
            }
            if !own {
                self.scope.made(kind, &self.name, &name);
            }
        }
        let added = if own || kind == "INDEX" {
            Judgement::additive(what)
        } else {
            Judgement::undoable(what)
                .breaks(refuses)
                .blocks("the whole table is read, and writes wait meanwhile")
        }
        .names(names);
        // Dropping a primary key leaves its columns NOT NULL: whether they were, nothing says.
        let exact = !matches!(
            constraint,
            TableConstraint::PrimaryKey(_)
                | TableConstraint::PrimaryKeyUsingIndex(_)
                | TableConstraint::UniqueUsingIndex(_)
        );
        let undo = self.drop_constraint(constraint, &shown).filter(|_| exact && !shown.is_empty());
        if mysql {
            self.scope.keys.add(&self.name, constraint, self.scope.stops);
        }
        Judgement { undo: undo.map(|undo| self.what(&undo)), ..added }
    }

    /// Of a foreign key of MySQL's, the index stays that the server may have made for it: the old code does not meet it.
    fn drop_constraint(&self, constraint: &TableConstraint, name: &str) -> Option<String> {
        let columns = match constraint {
            TableConstraint::Index(one) => leading(&one.columns),
            TableConstraint::Unique(one) => leading(&one.columns),
            _ => Vec::new(),
        };
        if self.scope.dialect == Dialect::MySql {
            let is_new = |column: &str| self.scope.makes("column", &self.name, column);
            match self.scope.keys.dropping(&self.name, &columns, is_new) {
                Dropping::Simple => {}
                Dropping::With(first) => return Some(format!("{first}, DROP INDEX {name}")),
                Dropping::Unknown => return None,
            }
        }
        Some(match (self.scope.dialect, constraint) {
            // An engine that knows no foreign keys takes one and forgets it; that none is there then only MariaDB can be told.
            (Dialect::MySql, TableConstraint::ForeignKey(_)) => {
                format!("DROP FOREIGN KEY /*M! IF EXISTS */ {name}")
            }
            (_, TableConstraint::Index(_) | TableConstraint::FulltextOrSpatial(_))
            | (Dialect::MySql, TableConstraint::Unique(_)) => format!("DROP INDEX {name}"),
            _ => format!("DROP CONSTRAINT {name}"),
        })
    }
}

fn default_of(column: &ColumnDef) -> Option<&Expr> {
    column.options.iter().find_map(|option| match &option.option {
        ColumnOption::Default(value) => Some(value),
        _ => None,
    })
}

/// Why rows may be refused that do not give the column; none where they are not.
fn refused(column: &ColumnDef) -> Option<String> {
    let has = |is: fn(&ColumnOption) -> bool| column.options.iter().any(|option| is(&option.option));
    let default = default_of(column).is_some();
    let counted = is_serial(&column.data_type)
        || has(|option| {
            matches!(
                option,
                ColumnOption::Generated { generation_expr: None, .. } | ColumnOption::Identity(_)
            ) || option.to_string().eq_ignore_ascii_case("AUTO_INCREMENT")
        });
    let computed = has(|option| matches!(option, ColumnOption::Generated { generation_expr: Some(_), .. }));
    let shown = &column.name;
    if has(|option| matches!(option, ColumnOption::NotNull | ColumnOption::PrimaryKey(_)))
        && !(default || counted || computed)
    {
        Some(format!("its INSERTs do not give {shown}, which must be given"))
    } else if computed {
        Some(format!("rows of which {shown} cannot be computed are refused"))
    } else if has(|option| matches!(option, ColumnOption::Check(_))) {
        Some("rows that do not hold to it are refused".into())
    } else if (default || has(nulls_are_alike))
        && has(|option| matches!(option, ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_)))
    {
        Some("rows that are alike are refused".into())
    } else if default && has(|option| matches!(option, ColumnOption::ForeignKey(_))) {
        Some("rows that its own refer to cannot be deleted".into())
    } else {
        None
    }
}

fn nulls_are_alike(option: &ColumnOption) -> bool {
    matches!(option, ColumnOption::Unique(one) if one.nulls_distinct == NullsDistinctOption::NotDistinct)
}

fn is_serial(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_ascii_lowercase();
    matches!(name.as_str(), "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8")
}

/// A constraint's kind and name, and what it means for the old code.
fn described(constraint: &TableConstraint, dialect: Dialect) -> (&'static str, Option<Ident>, &'static str) {
    match constraint {
        TableConstraint::Unique(one) => {
            let (name, index) = (one.name.clone(), one.index_name.clone());
            let name = if dialect == Dialect::MySql { index.or(name) } else { name.or(index) };
            ("UNIQUE", name, "rows that are alike are refused")
        }
        TableConstraint::PrimaryKey(one) => {
            ("PRIMARY KEY", one.name.clone(), "rows that are alike are refused")
        }
        TableConstraint::ForeignKey(one) => {
            ("FOREIGN KEY", one.name.clone(), "rows that refer to none are refused")
        }
        TableConstraint::Check(one) => ("CHECK", one.name.clone(), "rows that do not hold to it are refused"),
        TableConstraint::Index(one) => ("INDEX", one.name.clone(), ""),
        TableConstraint::FulltextOrSpatial(one) => ("INDEX", one.opt_index_name.clone(), ""),
        TableConstraint::PrimaryKeyUsingIndex(one) => {
            ("PRIMARY KEY", one.name.clone(), "rows that are alike are refused")
        }
        TableConstraint::UniqueUsingIndex(one) => {
            ("UNIQUE", one.name.clone(), "rows that are alike are refused")
        }
        TableConstraint::Exclude(one) => {
            ("EXCLUDE", one.name.clone(), "rows that exclude each other are refused")
        }
    }
}
