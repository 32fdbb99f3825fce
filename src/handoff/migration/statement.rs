//! Judges one statement.

use sqlparser::ast::{
    AlterIndexOperation, AlterTypeOperation, ColumnOption, ContextModifier, CreateFunction, CreateIndex,
    CreateTable, CreateTrigger, CreateView, ObjectName, Query, Set, SetExpr, Statement, TableConstraint,
    TableFactor,
};

use super::alter;
use super::calls::hidden;
use super::dropped::{drop, gone};
use super::label::first_words;
use super::rows::{copied, deleted, inserted, rows, target, truncated};
use super::scope::{Scope, ident, key};
use super::script::Dialect;
use super::verdict::Judgement;

/// What was there before is not in the statement.
pub(super) const REPLACES: &str = "what was there before is not in the statement";

/// What a statement does, each thing judged.
pub fn judge(statement: &Statement, dialect: Dialect, scope: &mut Scope) -> Vec<Judgement> {
    if let Some(found) = outside(statement) {
        scope.forget();
        return vec![found];
    }
    match statement {
        Statement::AlterTable(alter) => alter::judge(alter, dialect, scope),
        Statement::Drop { object_type, names, cascade, .. } => {
            names.iter().map(|name| drop(*object_type, name, *cascade, scope)).collect()
        }
        Statement::Truncate(truncate) => truncated(truncate, scope),
        Statement::RenameTable(tables) => {
            tables.iter().map(|one| alter::renamed(&one.old_name, &one.new_name, dialect, scope)).collect()
        }
        other => neutral(other, scope).unwrap_or_else(|| vec![changes(other, dialect, scope)]),
    }
}

/// What of a statement that is run now does not stand in it.
fn outside(statement: &Statement) -> Option<Judgement> {
    let stored = match statement {
        Statement::CreateTable(table) => table.query.is_none(),
        Statement::CreateView(view) => !view.materialized,
        Statement::CreateFunction(_)
        | Statement::CreateProcedure { .. }
        | Statement::CreateTrigger(_)
        | Statement::CreateIndex(_)
        | Statement::CreatePolicy(_)
        | Statement::CreateDomain(_)
        | Statement::CreateSequence { .. } => true,
        _ => false,
    };
    if stored { None } else { hidden(&first_words(&statement.to_string()), statement) }
}

/// What changes nothing that lasts.
fn neutral(statement: &Statement, scope: &mut Scope) -> Option<Vec<Judgement>> {
    match statement {
        Statement::Query(query) => Some(vec![read(query)]),
        Statement::Analyze(_)
        | Statement::Vacuum(_)
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ExplainTable { .. }
        | Statement::Lock(_)
        | Statement::LockTables { .. }
        | Statement::UnlockTables
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Commit { .. } => Some(Vec::new()),
        Statement::StartTransaction { statements, exception: None, .. } if statements.is_empty() => {
            Some(Vec::new())
        }
        Statement::Rollback { .. } | Statement::Use(_) | Statement::Discard { .. } | Statement::Reset(_) => {
            scope.forget();
            Some(Vec::new())
        }
        Statement::Set(set) => Some(session(set, scope)),
        _ => None,
    }
}

fn read(query: &Query) -> Judgement {
    fn into(body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => select.into.is_some(),
            SetExpr::Query(query) => into(&query.body),
            SetExpr::SetOperation { left, right, .. } => into(left) || into(right),
            _ => false,
        }
    }
    Judgement::additive(if into(&query.body) { "SELECT INTO" } else { "SELECT" })
}

/// Settings of the session; some change how what follows is read.
fn session(set: &Set, scope: &mut Scope) -> Vec<Judgement> {
    let pairs: Vec<(String, String, bool)> = match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            let value = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            vec![(
                variable.to_string().to_lowercase(),
                value.to_lowercase(),
                matches!(scope, Some(ContextModifier::Global)),
            )]
        }
        Set::MultipleAssignments { assignments } => assignments
            .iter()
            .map(|one| {
                let is_global = matches!(one.scope, Some(ContextModifier::Global));
                (one.name.to_string().to_lowercase(), one.value.to_string().to_lowercase(), is_global)
            })
            .collect(),
        Set::ParenthesizedAssignments { .. } => {
            return vec![Judgement::unknown("SET", "what it sets is not a session's alone")];
        }
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for (name, value, global) in pairs {
        match name.as_str() {
            _ if global || name.contains("global") || name.contains("persist") => {
                found.push(Judgement::one_way(format!("SET GLOBAL {name}"), REPLACES));
            }
            "search_path" => scope.forget(),
            "standard_conforming_strings" if !["on", "'on'", "true", "1"].contains(&value.as_str()) => {
                scope.lost = Some("strings are written another way from here on");
            }
            "sql_mode" | "@@sql_mode" | "session.sql_mode" | "@@session.sql_mode"
                if value.contains("backslash")
                    || value.contains("ansi")
                    || value.contains('@') && !value.starts_with("@old") =>
            {
                scope.lost = Some("strings are written another way from here on");
            }
            _ => {}
        }
    }
    found
}

fn changes(statement: &Statement, dialect: Dialect, scope: &mut Scope) -> Judgement {
    match statement {
        Statement::CreateTable(table) => create_table(table, scope),
        Statement::CreateView(view) => create_view(view, scope),
        Statement::CreateIndex(index) => create_index(index, dialect, scope),
        Statement::CreateFunction(function) => create_function(function, scope),
        Statement::CreateTrigger(trigger) => create_trigger(trigger, dialect, scope),
        Statement::Insert(insert) => inserted(insert, scope),
        Statement::Update(update) => {
            let (what, table) = target(&update.table);
            rows(&format!("UPDATE {what}"), table, scope, "the values that were there are lost")
        }
        Statement::Delete(delete) => deleted(delete, scope),
        Statement::Merge(merge) => match &merge.table {
            TableFactor::Table { name, .. } => rows(
                &format!("MERGE INTO {name}"),
                Some(key(name)),
                scope,
                "the values that were there are lost",
            ),
            _ => Judgement::one_way("MERGE", "the values that were there are lost"),
        },
        Statement::Copy { source, to, target, .. } => copied(source, *to, target, scope),
        other => objects(other, dialect, scope),
    }
}

/// Everything that is no table, view, index or row.
fn objects(statement: &Statement, dialect: Dialect, scope: &mut Scope) -> Judgement {
    let created = |kind: &str, name: String, if_not_exists: bool, scope: &mut Scope| {
        let made = Judgement::additive(format!("CREATE {kind} {name}"));
        if if_not_exists {
            return made;
        }
        scope.made(&kind.to_lowercase(), &name.to_lowercase());
        made.undo(format!("DROP {kind} {name}"))
    };
    match statement {
        Statement::CreateType { name, .. } => created("TYPE", name.to_string(), false, scope),
        Statement::CreateDomain(domain) => created("DOMAIN", domain.name.to_string(), false, scope),
        Statement::CreateSequence { name, if_not_exists, .. } => {
            created("SEQUENCE", name.to_string(), *if_not_exists, scope)
        }
        Statement::CreateSchema { schema_name, if_not_exists, or_replace: false, .. } => {
            created("SCHEMA", schema_name.to_string(), *if_not_exists, scope)
        }
        Statement::CreateExtension(extension) => {
            created("EXTENSION", extension.name.to_string(), extension.if_not_exists, scope)
        }
        Statement::CreateDatabase { db_name, if_not_exists, or_replace: false, .. } => {
            created("DATABASE", db_name.to_string(), *if_not_exists, scope)
        }
        Statement::CreateRole(role) => {
            let names: Vec<String> = role.names.iter().map(ToString::to_string).collect();
            created("ROLE", names.join(", "), role.if_not_exists, scope)
        }
        Statement::CreateProcedure { name, or_alter: false, .. } => {
            created("PROCEDURE", name.to_string(), false, scope)
        }
        Statement::CreatePolicy(policy) => {
            Judgement::undoable(format!("CREATE POLICY {} ON {}", policy.name, policy.table_name))
                .undo(format!("DROP POLICY {} ON {}", policy.name, policy.table_name))
                .breaks("it decides which rows the old code sees")
        }
        Statement::AlterIndex { name, operation: AlterIndexOperation::RenameIndex { index_name } } => {
            Judgement::undoable(format!("ALTER INDEX {name} RENAME TO {index_name}"))
                .undo(format!("ALTER INDEX {index_name} RENAME TO {name}"))
        }
        Statement::AlterType(alter) => altered_type(&alter.name, &alter.operation),
        Statement::AlterView(view) => {
            scope.unmade("view", &key(&view.name));
            Judgement::one_way(format!("ALTER VIEW {}", view.name), REPLACES)
        }
        Statement::Comment { object_name, .. } => Judgement::one_way(
            format!("COMMENT ON {object_name}"),
            "the comment that was there is not in the statement",
        ),
        Statement::Grant(_) | Statement::GrantRole(_) => Judgement::additive("GRANT"),
        Statement::Revoke(_) | Statement::RevokeRole(_) => {
            Judgement::one_way("REVOKE", "which rights were there is not in the statement")
        }
        Statement::DropFunction(function) => {
            let names: Vec<String> = function.func_desc.iter().map(|one| one.name.to_string()).collect();
            gone("FUNCTION", &names.join(", "), scope, function.drop_behavior.is_some())
        }
        Statement::DropTrigger(trigger) => gone("TRIGGER", &trigger.trigger_name.to_string(), scope, false),
        Statement::DropDomain(domain) => {
            gone("DOMAIN", &domain.name.to_string(), scope, domain.drop_behavior.is_some())
        }
        other => {
            scope.forget();
            let _ = dialect;
            Judgement::unknown(first_words(&other.to_string()), "what it does is not known here")
        }
    }
}

fn altered_type(name: &ObjectName, operation: &AlterTypeOperation) -> Judgement {
    match operation {
        AlterTypeOperation::AddValue(_) => Judgement::one_way(
            format!("ALTER TYPE {name} ADD VALUE"),
            "a value of an enum cannot be taken out again",
        ),
        AlterTypeOperation::Rename(to) => {
            Judgement::undoable(format!("ALTER TYPE {name} RENAME TO {}", to.new_name))
                .undo(format!("ALTER TYPE {} RENAME TO {name}", to.new_name))
                .breaks(format!("there is no type {name}"))
        }
        AlterTypeOperation::RenameValue(to) => Judgement::undoable(format!("ALTER TYPE {name} RENAME VALUE"))
            .undo(format!("ALTER TYPE {name} RENAME VALUE {} TO {}", to.to, to.from))
            .breaks("it neither reads nor writes the value by its old name"),
    }
}

fn create_table(table: &CreateTable, scope: &mut Scope) -> Judgement {
    let (what, name) = (format!("CREATE TABLE {}", table.name), key(&table.name));
    if table.or_replace {
        scope.dropped_table(&name);
        return Judgement::one_way(
            format!("CREATE OR REPLACE TABLE {}", table.name),
            "the rows of the one before it are lost",
        );
    }
    if table.temporary {
        scope.made_table(&name);
        return Judgement::additive(what);
    }
    if table.if_not_exists {
        return Judgement::additive(what);
    }
    // A part of another table holds that one's rows.
    if table.partition_of.is_none() && table.inherits.is_none() {
        scope.made_table(&name);
    }
    for column in &table.columns {
        scope.typed(&name, &ident(&column.name), Some(column.data_type.clone()));
        for option in &column.options {
            if let ColumnOption::ForeignKey(foreign) = &option.option {
                refers(&name, &foreign.foreign_table, scope);
            }
        }
    }
    for constraint in &table.constraints {
        if let TableConstraint::ForeignKey(foreign) = constraint {
            refers(&name, &foreign.foreign_table, scope);
        }
    }
    Judgement::additive(what).undo(format!("DROP TABLE {}", table.name))
}

/// A table that is referred to by one that is not the script's own: what is deleted of it may take rows there along.
pub(super) fn refers(from: &str, to: &ObjectName, scope: &mut Scope) {
    if !scope.is_private(from) {
        scope.expose(&key(to));
    }
}

fn create_view(view: &CreateView, scope: &mut Scope) -> Judgement {
    let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let name = key(&view.name);
    let what = format!("CREATE {kind} {}", view.name);
    let replaces = view.or_replace || view.or_alter;
    if replaces && !scope.has_made("view", &name) {
        return Judgement::one_way(format!("CREATE OR REPLACE {kind} {}", view.name), REPLACES);
    }
    if view.if_not_exists || replaces {
        return Judgement::additive(what);
    }
    scope.made("view", &name);
    Judgement::additive(what).undo(format!("DROP {kind} {}", view.name))
}

fn create_index(index: &CreateIndex, dialect: Dialect, scope: &mut Scope) -> Judgement {
    let unique = if index.unique { "UNIQUE INDEX" } else { "INDEX" };
    let name = index.name.as_ref().map(ToString::to_string);
    let what =
        format!("CREATE {unique} {} ON {}", name.as_deref().unwrap_or("without a name"), index.table_name);
    let own = scope.is_private(&key(&index.table_name));
    let mut judgement = if index.unique && !own {
        Judgement::undoable(what).breaks("rows that are alike are refused")
    } else {
        Judgement::additive(what)
    };
    if !index.concurrently && !own {
        judgement = judgement.blocks("writes wait until the index is built");
    }
    let Some(name) = name.filter(|_| !index.if_not_exists) else { return judgement };
    scope.made("index", &name.to_lowercase());
    match (dialect, index.table_name.0.split_last()) {
        (Dialect::MySql, _) => judgement.undo(format!("DROP INDEX {name} ON {}", index.table_name)),
        // An index is in its table's schema.
        (Dialect::Postgres, Some((_, schema))) if !schema.is_empty() => {
            let schema: Vec<String> = schema.iter().map(ToString::to_string).collect();
            judgement.undo(format!("DROP INDEX {}.{name}", schema.join(".")))
        }
        (Dialect::Postgres, _) => judgement.undo(format!("DROP INDEX {name}")),
    }
}

fn create_function(function: &CreateFunction, scope: &mut Scope) -> Judgement {
    let name = function.name.to_string().to_lowercase();
    if (function.or_replace || function.or_alter) && !scope.has_made("function", &name) {
        return Judgement::one_way(format!("CREATE OR REPLACE FUNCTION {}", function.name), REPLACES);
    }
    let what = format!("CREATE FUNCTION {}", function.name);
    if function.if_not_exists || function.or_replace || function.or_alter {
        return Judgement::additive(what);
    }
    scope.made("function", &name);
    Judgement::additive(what).undo(format!("DROP FUNCTION {}", function.name))
}

fn create_trigger(trigger: &CreateTrigger, dialect: Dialect, scope: &mut Scope) -> Judgement {
    let table = key(&trigger.table_name);
    let what = format!("CREATE TRIGGER {} ON {}", trigger.name, trigger.table_name);
    let own = scope.is_private(&table);
    scope.expose(&table);
    if trigger.or_replace || trigger.or_alter {
        return Judgement::one_way(what, REPLACES);
    }
    let made = if own {
        Judgement::additive(what)
    } else {
        Judgement::undoable(what).breaks("what it writes sets the trigger off")
    };
    match dialect {
        Dialect::Postgres => made.undo(format!("DROP TRIGGER {} ON {}", trigger.name, trigger.table_name)),
        Dialect::MySql => made.undo(format!("DROP TRIGGER {}", trigger.name)),
    }
}
