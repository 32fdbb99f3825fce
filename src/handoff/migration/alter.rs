//! Judges what `ALTER TABLE` does, one operation after the other.

use sqlparser::ast::{
    AlterColumnOperation as Column, AlterTable, AlterTableOperation as Operation, DataType, Expr, Ident,
    ObjectName, RenameTableNameKind,
};

use super::names::{Name, Names};
use super::scope::Scope;
use super::script::Dialect;
use super::statement::{REPLACES, last};
use super::types::widens;
use super::verdict::Judgement;

/// The table at hand.
pub(super) struct Table<'a> {
    /// As it is written.
    pub shown: String,
    /// As the server compares it.
    pub name: String,
    pub scope: &'a mut Scope,
}

/// Each operation, judged.
pub fn judge(alter: &AlterTable, scope: &mut Scope) -> Vec<Judgement> {
    let mut table = Table { shown: alter.name.to_string(), name: scope.key(&alter.name), scope };
    let mut all: Vec<Judgement> = Vec::new();
    for operation in &alter.operations {
        let next = table.operation(operation);
        // All of them see the names of before. One after the other, they would not find those that are exchanged.
        let is_taken = |freed: &Name| all.iter().any(|before| before.names.gives.contains(freed));
        if next.names.frees.iter().any(is_taken) {
            for one in &mut all {
                one.undo = None;
            }
            all.push(Judgement { undo: None, ..next });
        } else {
            all.push(next);
        }
    }
    if alter.if_exists {
        // Where there is no such table, there is nothing to undo either, and what undoes it fails.
        for one in &mut all {
            one.undo = None;
        }
    }
    all
}

/// What `from` is called, and what `to` means as its new name: as the server compares it, and as it is written.
pub fn moved(from: &ObjectName, to: &ObjectName, scope: &Scope) -> (String, (String, String)) {
    // PostgreSQL takes the new name without a schema.
    let to = match (scope.dialect, from.0.split_last()) {
        (Dialect::Postgres, Some((_, schema))) if !schema.is_empty() && to.0.len() == 1 => {
            let moved = ObjectName(schema.iter().chain(&to.0).cloned().collect());
            (scope.key(&moved), moved.to_string())
        }
        _ => (scope.key(to), to.to_string()),
    };
    (scope.key(from), to)
}

/// A table that gets another name.
pub fn renamed(from: &ObjectName, to: &ObjectName, scope: &mut Scope) -> Judgement {
    let (before, (after, shown)) = moved(from, to, scope);
    if before == after {
        // Nothing is called otherwise, and there is nothing to undo.
        return Judgement::additive(format!("ALTER TABLE {from} RENAME TO {to}"));
    }
    let own = scope.is_private(&before);
    scope.renamed_table(&before, &after);
    let back = match scope.dialect {
        Dialect::Postgres => last(from),
        Dialect::MySql => from.to_string(),
    };
    let what = format!("ALTER TABLE {from} RENAME TO {to}");
    let found = if own {
        Judgement::additive(what)
    } else {
        Judgement::undoable(what).breaks(format!("there is no table {from}"))
    };
    if scope.is_temporary(&after) {
        return found;
    }
    let undo = match scope.dialect {
        Dialect::Postgres => format!("ALTER TABLE {shown} RENAME TO {back}"),
        // Of views, too.
        Dialect::MySql => format!("RENAME TABLE {shown} TO {back}"),
    };
    found.undo(undo).names(Names {
        gives: vec![Name::whole(after)],
        frees: vec![Name::whole(before)],
        ..Names::default()
    })
}

/// An index that gets another name, which in PostgreSQL is one of the schema's.
pub fn index_renamed(from: &ObjectName, to: &ObjectName, scope: &mut Scope) -> Judgement {
    let (before, (after, shown)) = moved(from, to, scope);
    scope.renamed_table(&before, &after);
    Judgement::undoable(format!("ALTER INDEX {from} RENAME TO {to}"))
        .undo(format!("ALTER INDEX {shown} RENAME TO {}", last(from)))
        .names(Names {
            gives: vec![Name::whole(after)],
            frees: vec![Name::whole(before)],
            ..Names::default()
        })
}

impl Table<'_> {
    pub fn what(&self, rest: &str) -> String {
        format!("ALTER TABLE {} {rest}", self.shown)
    }

    fn operation(&mut self, operation: &Operation) -> Judgement {
        if self.scope.dialect == Dialect::MySql {
            self.scope.keys.altered(&self.name, operation);
        }
        match operation {
            Operation::RenameTable {
                table_name: RenameTableNameKind::As(to) | RenameTableNameKind::To(to),
            } => {
                let from = self.object();
                let (_, (name, shown)) = moved(&from, to, self.scope);
                let found = renamed(&from, to, self.scope);
                (self.name, self.shown) = (name, shown);
                found
            }
            Operation::AddConstraint { constraint, .. } => self.add_constraint(constraint),
            Operation::AttachPartitionOf { partition, .. } => {
                self.scope.expose(&self.scope.key(partition));
                let own = self.name.clone();
                self.scope.expose(&own);
                Judgement::undoable(self.what(&format!("ATTACH PARTITION {partition}")))
                    .undo(self.what(&format!("DETACH PARTITION {partition}")))
                    .breaks("it reads the partition's rows, too")
                    .names(self.on())
            }
            Operation::Inherit { parent } => {
                let own = self.name.clone();
                self.scope.expose(&own);
                Judgement::undoable(self.what(&format!("INHERIT {parent}")))
                    .undo(self.what(&format!("NO INHERIT {parent}")))
                    .names(self.on())
            }
            Operation::AddColumn { column_def, if_not_exists, .. } => {
                self.add_column(column_def, *if_not_exists)
            }
            other if self.scope.is_private(&self.name) => self.private(other),
            other => self.others(other),
        }
    }

    /// Undoing it takes something from the table.
    pub fn on(&self) -> Names {
        Names { on: Some(self.name.clone()), ..Names::default() }
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
            Operation::RenameConstraint { old_name, new_name } => self.rename_constraint(old_name, new_name),
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

    fn drop_columns(&mut self, columns: &[Ident]) -> Judgement {
        let shown: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let what = self.what(&format!("DROP COLUMN {}", shown.join(", ")));
        let (mut own, mut ends) = (true, None);
        for column in columns {
            let name = self.scope.ident(column);
            own &= self.scope.has_made("column", &self.name, &name);
            self.scope.unmade("column", &self.name, &name);
            self.scope.typed(&self.name, &name, None);
            ends = Some(Name::part(&self.name, "column", &name));
        }
        if own {
            return Judgement::additive(what).names(Names { ends, ..Names::default() });
        }
        Judgement::one_way(what, "its values are lost")
            .breaks(format!("there is no column {}", shown.join(", ")))
    }

    fn dropped(&mut self, kind: &'static str, name: &Ident, verb: &str, guards: bool) -> Judgement {
        let what = self.what(&format!("{verb} {name}"));
        let own = self.scope.ident(name);
        if self.scope.has_made(kind, &self.name, &own) {
            self.scope.unmade(kind, &self.name, &own);
            let ends = Some(Name::part(&self.name, kind, &own));
            return Judgement::additive(what).names(Names { ends, ..Names::default() });
        }
        let found = Judgement::one_way(what, REPLACES);
        if guards { found.breaks("it may meet rows that were refused before") } else { found }
    }

    fn rename_constraint(&mut self, from: &Ident, to: &Ident) -> Judgement {
        let (before, after) = (self.scope.ident(from), self.scope.ident(to));
        self.scope.unmade("constraint", &self.name, &before);
        let name = |own: &str| vec![Name::part(&self.name, "constraint", own)];
        Judgement::undoable(self.what(&format!("RENAME CONSTRAINT {from} TO {to}")))
            .undo(self.what(&format!("RENAME CONSTRAINT {to} TO {from}")))
            .names(Names { gives: name(&after), frees: name(&before), ..Names::default() })
    }

    fn rename_column(&mut self, from: &Ident, to: &Ident) -> Judgement {
        let what = self.what(&format!("RENAME COLUMN {from} TO {to}"));
        let (before, after) = (self.scope.ident(from), self.scope.ident(to));
        let data_type = self.scope.type_of(&self.name, &before).cloned();
        self.scope.typed(&self.name, &before, None);
        self.scope.typed(&self.name, &after, data_type);
        let own = self.scope.has_made("column", &self.name, &before);
        self.scope.unmade("column", &self.name, &before);
        self.scope.unmade("column", &self.name, &after);
        let found = if own {
            self.scope.made("column", &self.name, &after);
            Judgement::additive(what)
        } else {
            Judgement::undoable(what).breaks(format!("there is no column {from}"))
        };
        let name = |column: &str| vec![Name::part(&self.name, "column", column)];
        found.undo(self.what(&format!("RENAME COLUMN {to} TO {from}"))).names(Names {
            gives: name(&after),
            frees: name(&before),
            ..Names::default()
        })
    }

    fn alter_column(&mut self, column: &Ident, operation: &Column) -> Judgement {
        let own = self.scope.has_made("column", &self.name, &self.scope.ident(column));
        let what = |rest: &str| self.what(&format!("ALTER COLUMN {column} {rest}"));
        if own && !matches!(operation, Column::SetDataType { .. }) {
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
        let name = self.scope.ident(column);
        let what = self.what(&format!("ALTER COLUMN {column} TYPE {to}"));
        let from = self.scope.type_of(&self.name, &name).cloned();
        self.scope.typed(&self.name, &name, Some(to.clone()));
        if self.scope.has_made("column", &self.name, &name) {
            return Judgement::additive(what);
        }
        match from {
            _ if using.is_some() => {
                Judgement::one_way(what, "what USING makes of the values cannot be turned back")
            }
            Some(from) if widens(&from, to) => Judgement::undoable(what)
                .undo(self.what(&format!("ALTER COLUMN {column} TYPE {from}")))
                .breaks("it may meet values that its own type does not hold")
                .blocks("the table may be written anew, and nobody reads or writes it meanwhile")
                .names(self.on()),
            Some(from) => Judgement::one_way(what, format!("not every {from} is the same as a {to}")),
            None => Judgement::one_way(what, "the type that was there is not in the scripts"),
        }
    }

    /// MySQL's `MODIFY` and `CHANGE` replace all that was said of a column.
    fn modify_column(&mut self, column: &Ident) -> Judgement {
        let what = self.what(&format!("MODIFY COLUMN {column}"));
        let name = self.scope.ident(column);
        self.scope.typed(&self.name, &name, None);
        if self.scope.has_made("column", &self.name, &name) {
            return Judgement::additive(what);
        }
        Judgement::one_way(what, REPLACES)
    }
}
