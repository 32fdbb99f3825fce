//! Judges what `ALTER TABLE` does, one operation after the other.

use sqlparser::ast::{
    AlterColumnOperation as Column, AlterTable, AlterTableOperation as Operation, ColumnDef, ColumnOption,
    DataType, Expr, Ident, ObjectName, RenameTableNameKind, TableConstraint,
};

use super::calls::is_volatile;
use super::scope::{Scope, ident, key};
use super::script::Dialect;
use super::statement::{REPLACES, refers};
use super::types::widens;
use super::verdict::Judgement;

/// The table at hand.
struct Table<'a> {
    /// As it is written.
    shown: String,
    /// As the server compares it.
    name: String,
    dialect: Dialect,
    scope: &'a mut Scope,
}

/// Each operation, judged.
pub fn judge(alter: &AlterTable, dialect: Dialect, scope: &mut Scope) -> Vec<Judgement> {
    let mut table = Table { shown: alter.name.to_string(), name: key(&alter.name), dialect, scope };
    alter.operations.iter().map(|operation| table.operation(operation)).collect()
}

/// A table that gets another name.
pub fn renamed(from: &ObjectName, to: &ObjectName, dialect: Dialect, scope: &mut Scope) -> Judgement {
    let own = scope.is_private(&key(from));
    // PostgreSQL takes the new name without a schema.
    let (to_key, to_shown) = match (dialect, from.0.split_last()) {
        (Dialect::Postgres, Some((_, schema))) if !schema.is_empty() && to.0.len() == 1 => {
            let moved = ObjectName(schema.iter().chain(&to.0).cloned().collect());
            (key(&moved), moved.to_string())
        }
        _ => (key(to), to.to_string()),
    };
    scope.renamed_table(&key(from), &to_key);
    let what = format!("ALTER TABLE {from} RENAME TO {to}");
    if own {
        return Judgement::additive(what);
    }
    let back = match dialect {
        Dialect::Postgres => from.0.last().map(ToString::to_string).unwrap_or_default(),
        Dialect::MySql => from.to_string(),
    };
    Judgement::undoable(what)
        .undo(format!("ALTER TABLE {to_shown} RENAME TO {back}"))
        .breaks(format!("there is no table {from}"))
}

impl Table<'_> {
    fn what(&self, rest: &str) -> String {
        format!("ALTER TABLE {} {rest}", self.shown)
    }

    fn operation(&mut self, operation: &Operation) -> Judgement {
        match operation {
            Operation::RenameTable {
                table_name: RenameTableNameKind::As(to) | RenameTableNameKind::To(to),
            } => {
                let from = self.object();
                let found = renamed(&from, to, self.dialect, self.scope);
                self.name = key(to);
                self.shown = to.to_string();
                found
            }
            Operation::AddConstraint { constraint, .. } => self.add_constraint(constraint),
            Operation::AttachPartitionOf { partition, .. } => {
                self.scope.expose(&key(partition));
                let own = self.name.clone();
                self.scope.expose(&own);
                Judgement::undoable(self.what(&format!("ATTACH PARTITION {partition}")))
                    .undo(self.what(&format!("DETACH PARTITION {partition}")))
                    .breaks("it reads the partition's rows, too")
            }
            Operation::Inherit { parent } => {
                let own = self.name.clone();
                self.scope.expose(&own);
                Judgement::undoable(self.what(&format!("INHERIT {parent}")))
                    .undo(self.what(&format!("NO INHERIT {parent}")))
            }
            Operation::AddColumn { column_def, if_not_exists, .. } => {
                self.add_column(column_def, *if_not_exists)
            }
            other if self.scope.is_private(&self.name) => self.private(other),
            other => self.others(other),
        }
    }

    /// The table's name, as the parser has it.
    fn object(&self) -> ObjectName {
        let parts = self.shown.split('.').map(|part| {
            let bare = part.trim_matches(|letter| letter == '"' || letter == '`');
            let quote = part.chars().next().filter(|letter| matches!(letter, '"' | '`'));
            sqlparser::ast::ObjectNamePart::Identifier(
                quote.map_or_else(|| Ident::new(bare), |quote| Ident::with_quote(quote, bare)),
            )
        });
        ObjectName(parts.collect())
    }

    /// On a table that the script has made: nobody's rows are in it.
    fn private(&mut self, operation: &Operation) -> Judgement {
        let what = self.what("…");
        match operation {
            Operation::SwapWith { .. } | Operation::DetachPartitionOf { .. } => {
                self.scope.forget();
                Judgement::unknown(what, "it moves rows of another table")
            }
            _ => Judgement::additive(what),
        }
    }

    fn others(&mut self, operation: &Operation) -> Judgement {
        match operation {
            Operation::DropColumn { column_names, .. } => self.drop_columns(column_names),
            Operation::DropConstraint { name, .. } => {
                self.dropped("constraint", name, "DROP CONSTRAINT", true)
            }
            Operation::DropForeignKey { name, .. } => {
                self.dropped("constraint", name, "DROP FOREIGN KEY", true)
            }
            Operation::DropIndex { name } => self.dropped("index", name, "DROP INDEX", false),
            Operation::DropPrimaryKey { .. } => Judgement::one_way(self.what("DROP PRIMARY KEY"), REPLACES),
            Operation::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(old_column_name, new_column_name)
            }
            Operation::RenameConstraint { old_name, new_name } => {
                Judgement::undoable(self.what(&format!("RENAME CONSTRAINT {old_name} TO {new_name}")))
                    .undo(self.what(&format!("RENAME CONSTRAINT {new_name} TO {old_name}")))
            }
            Operation::AlterColumn { column_name, op } => self.alter_column(column_name, op),
            Operation::ModifyColumn { col_name, .. } | Operation::ChangeColumn { old_name: col_name, .. } => {
                self.modify_column(col_name)
            }
            Operation::EnableRowLevelSecurity => Judgement::undoable(self.what("ENABLE ROW LEVEL SECURITY"))
                .undo(self.what("DISABLE ROW LEVEL SECURITY"))
                .breaks("rows that no policy shows are hidden"),
            Operation::ValidateConstraint { name } => {
                Judgement::additive(self.what(&format!("VALIDATE CONSTRAINT {name}")))
            }
            Operation::Algorithm { .. } | Operation::Lock { .. } => {
                Judgement::additive(self.what("ALGORITHM"))
            }
            Operation::OwnerTo { .. } => {
                Judgement::one_way(self.what("OWNER TO"), "who owned it is not in the statement")
            }
            _ => {
                self.scope.forget();
                Judgement::unknown(self.what("…"), "what it does is not known here")
            }
        }
    }

    fn add_column(&mut self, column: &ColumnDef, if_not_exists: bool) -> Judgement {
        let (name, shown) = (ident(&column.name), column.name.to_string());
        let options = || column.options.iter().map(|option| &option.option);
        for option in options() {
            if let ColumnOption::ForeignKey(foreign) = option {
                refers(&self.name.clone(), &foreign.foreign_table, self.scope);
            }
        }
        let what = self.what(&format!("ADD COLUMN {shown}"));
        if if_not_exists {
            return Judgement::additive(what);
        }
        self.scope.made("column", &format!("{}.{name}", self.name));
        self.scope.typed(&self.name, &name, Some(column.data_type.clone()));
        let default = options().find_map(|option| match option {
            ColumnOption::Default(value) => Some(value),
            _ => None,
        });
        let required =
            options().any(|option| matches!(option, ColumnOption::NotNull | ColumnOption::PrimaryKey(_)));
        let filled = default.is_some()
            || is_serial(&column.data_type)
            || options().any(|option| {
                matches!(option, ColumnOption::Generated { .. } | ColumnOption::Identity(_))
                    || option.to_string().eq_ignore_ascii_case("AUTO_INCREMENT")
            });
        let mut judgement = if required && !filled && !self.scope.is_private(&self.name) {
            Judgement::undoable(what).breaks(format!("its INSERTs do not give {shown}, which must be given"))
        } else {
            Judgement::additive(what)
        };
        if default.is_some_and(is_volatile) || is_serial(&column.data_type) {
            judgement =
                judgement.blocks("the table is written anew, and nobody reads or writes it meanwhile");
        }
        judgement.undo(self.what(&format!("DROP COLUMN {shown}")))
    }

    fn add_constraint(&mut self, constraint: &TableConstraint) -> Judgement {
        if let TableConstraint::ForeignKey(foreign) = constraint {
            refers(&self.name.clone(), &foreign.foreign_table, self.scope);
        }
        let own = self.scope.is_private(&self.name);
        let (kind, name, refuses) = described(constraint);
        let shown = name.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = self.what(format!("ADD {kind} {shown}").trim_end());
        if own {
            return Judgement::additive(what);
        }
        let is_index =
            matches!(constraint, TableConstraint::Index(_) | TableConstraint::FulltextOrSpatial(_));
        if let Some(name) = &name {
            let kind = if is_index { "index" } else { "constraint" };
            self.scope.made(kind, &format!("{}.{}", self.name, ident(name)));
        }
        if is_index {
            let added = Judgement::additive(what);
            return if shown.is_empty() {
                added
            } else {
                added.undo(self.what(&format!("DROP INDEX {shown}")))
            };
        }
        let added = Judgement::undoable(what)
            .breaks(refuses)
            .blocks("the whole table is read, and writes wait meanwhile");
        // Dropping a primary key leaves its columns NOT NULL: whether they were, nothing says.
        let exact = !matches!(
            constraint,
            TableConstraint::PrimaryKey(_)
                | TableConstraint::PrimaryKeyUsingIndex(_)
                | TableConstraint::UniqueUsingIndex(_)
        );
        if shown.is_empty() || !exact {
            added
        } else {
            added.undo(self.what(&self.drop_constraint(constraint, &shown)))
        }
    }

    fn drop_constraint(&self, constraint: &TableConstraint, name: &str) -> String {
        match (self.dialect, constraint) {
            (Dialect::MySql, TableConstraint::ForeignKey(_)) => format!("DROP FOREIGN KEY {name}"),
            (Dialect::MySql, TableConstraint::Unique(_)) => format!("DROP INDEX {name}"),
            _ => format!("DROP CONSTRAINT {name}"),
        }
    }

    fn drop_columns(&mut self, columns: &[Ident]) -> Judgement {
        let shown: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let what = self.what(&format!("DROP COLUMN {}", shown.join(", ")));
        let mut own = true;
        for column in columns {
            let place = format!("{}.{}", self.name, ident(column));
            own &= self.scope.has_made("column", &place);
            self.scope.unmade("column", &place);
            self.scope.typed(&self.name, &ident(column), None);
        }
        if own {
            return Judgement::additive(what);
        }
        Judgement::one_way(what, "its values are lost")
            .breaks(format!("there is no column {}", shown.join(", ")))
    }

    fn dropped(&mut self, kind: &str, name: &Ident, verb: &str, guards: bool) -> Judgement {
        let what = self.what(&format!("{verb} {name}"));
        let place = format!("{}.{}", self.name, ident(name));
        if self.scope.has_made(kind, &place) {
            self.scope.unmade(kind, &place);
            return Judgement::additive(what);
        }
        let found = Judgement::one_way(what, REPLACES);
        if guards { found.breaks("it may meet rows that were refused before") } else { found }
    }

    fn rename_column(&mut self, from: &Ident, to: &Ident) -> Judgement {
        let what = self.what(&format!("RENAME COLUMN {from} TO {to}"));
        let (before, after) = (ident(from), ident(to));
        let data_type = self.scope.type_of(&self.name, &before).cloned();
        self.scope.typed(&self.name, &before, None);
        self.scope.typed(&self.name, &after, data_type);
        let place = |column: &str| format!("{}.{column}", self.name);
        if self.scope.has_made("column", &place(&before)) {
            self.scope.unmade("column", &place(&before));
            self.scope.made("column", &place(&after));
            return Judgement::additive(what);
        }
        Judgement::undoable(what)
            .undo(self.what(&format!("RENAME COLUMN {to} TO {from}")))
            .breaks(format!("there is no column {from}"))
    }

    fn alter_column(&mut self, column: &Ident, operation: &Column) -> Judgement {
        let place = format!("{}.{}", self.name, ident(column));
        let what = |rest: &str| self.what(&format!("ALTER COLUMN {column} {rest}"));
        if self.scope.has_made("column", &place) && !matches!(operation, Column::SetDataType { .. }) {
            return Judgement::additive(what("…"));
        }
        match operation {
            Column::SetNotNull => Judgement::undoable(what("SET NOT NULL"))
                .undo(what("DROP NOT NULL"))
                .breaks(format!("it may write rows without {column}, which are refused"))
                .blocks("the whole table is read, and nobody reads or writes it meanwhile"),
            Column::DropNotNull => Judgement::undoable(what("DROP NOT NULL"))
                .undo(what("SET NOT NULL"))
                .breaks(format!("it may meet rows without {column}")),
            Column::SetDefault { .. } => {
                Judgement::one_way(what("SET DEFAULT"), "the default that was there is not in the statement")
            }
            Column::DropDefault => {
                Judgement::one_way(what("DROP DEFAULT"), "the default that was there is not in the statement")
                    .breaks(format!("its INSERTs may not give {column}"))
            }
            Column::SetDataType { data_type, using, .. } => self.retype(column, data_type, using.as_ref()),
            Column::AddGenerated { .. } => {
                Judgement::undoable(what("ADD GENERATED AS IDENTITY")).undo(what("DROP IDENTITY"))
            }
            Column::GenericOptions { .. } => {
                Judgement::unknown(what("OPTIONS"), "what it does is not known here")
            }
        }
    }

    fn retype(&mut self, column: &Ident, to: &DataType, using: Option<&Expr>) -> Judgement {
        let name = ident(column);
        let what = self.what(&format!("ALTER COLUMN {column} TYPE {to}"));
        let from = self.scope.type_of(&self.name, &name).cloned();
        self.scope.typed(&self.name, &name, Some(to.clone()));
        if self.scope.has_made("column", &format!("{}.{name}", self.name)) {
            return Judgement::additive(what);
        }
        match from {
            _ if using.is_some() => {
                Judgement::one_way(what, "what USING makes of the values cannot be turned back")
            }
            Some(from) if widens(&from, to) => Judgement::undoable(what)
                .undo(self.what(&format!("ALTER COLUMN {column} TYPE {from}")))
                .breaks("it may meet values that its own type does not hold")
                .blocks("the table may be written anew, and nobody reads or writes it meanwhile"),
            Some(from) => Judgement::one_way(what, format!("not every {from} is the same as a {to}")),
            None => Judgement::one_way(what, "the type that was there is not in the scripts"),
        }
    }

    /// MySQL's `MODIFY` and `CHANGE` replace all that was said of a column.
    fn modify_column(&mut self, column: &Ident) -> Judgement {
        let what = self.what(&format!("MODIFY COLUMN {column}"));
        self.scope.typed(&self.name, &ident(column), None);
        if self.scope.has_made("column", &format!("{}.{}", self.name, ident(column))) {
            return Judgement::additive(what);
        }
        Judgement::one_way(what, REPLACES)
    }
}

fn is_serial(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_ascii_lowercase();
    matches!(name.as_str(), "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8")
}

/// A constraint's kind and name, and what it means for the old code.
fn described(constraint: &TableConstraint) -> (&'static str, Option<Ident>, &'static str) {
    match constraint {
        TableConstraint::Unique(one) => {
            ("UNIQUE", one.name.clone().or_else(|| one.index_name.clone()), "rows that are alike are refused")
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
