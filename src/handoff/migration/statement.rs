//! Judges one statement.

use sqlparser::ast::{
    AlterIndexOperation, AlterTypeOperation, ContextModifier, ObjectName, Query, Reset, Set, SetExpr,
    Statement, TableFactor,
};

use super::calls::hidden;
use super::label::first_words;
use super::names::{Context, Name, Names, relations};
use super::rows::{copied, deleted, inserted, rows, target, truncated};
use super::scope::Scope;
use super::script::Dialect;
use super::verdict::{Judgement, Verdict};
use super::{alter, created, dropped};

/// What was there before is not in the statement.
pub(super) const REPLACES: &str = "what was there before is not in the statement";

/// Modes of MySQL's and MariaDB's that change no more than which values are refused.
const MODES: [&str; 14] = [
    "strict_trans_tables",
    "strict_all_tables",
    "no_engine_substitution",
    "no_auto_create_user",
    "no_auto_value_on_zero",
    "no_zero_date",
    "no_zero_in_date",
    "error_for_division_by_zero",
    "only_full_group_by",
    "allow_invalid_dates",
    "no_dir_in_create",
    "traditional",
    "no_unsigned_subtraction",
    "high_not_precedence",
];

/// What a statement does, each thing judged.
pub fn judge(statement: &Statement, scope: &mut Scope) -> Vec<Judgement> {
    if let Some(found) = outside(statement, scope) {
        scope.forget();
        return vec![found];
    }
    match statement {
        Statement::AlterTable(alter) => alter::judge(alter, scope),
        Statement::Drop { object_type, names, cascade, table, .. } => {
            let drop = |name| dropped::drop(*object_type, name, table.as_ref(), *cascade, scope);
            names.iter().map(drop).collect()
        }
        Statement::DropFunction(function) => {
            dropped::routines("function", &function.func_desc, function.drop_behavior.is_some(), scope)
        }
        Statement::DropProcedure { proc_desc, drop_behavior, .. } => {
            dropped::routines("procedure", proc_desc, drop_behavior.is_some(), scope)
        }
        Statement::Truncate(truncate) => truncated(truncate, scope),
        Statement::RenameTable(tables) => {
            if tables.iter().any(|one| scope.is_temporary(&scope.key(&one.old_name))) {
                // Of two tables of that name, servers do not agree on which this is.
                scope.forget();
                return vec![Judgement::unknown(
                    "RENAME TABLE",
                    "it may be the table that a temporary one hides",
                )];
            }
            tables.iter().map(|one| alter::renamed(&one.old_name, &one.new_name, scope)).collect()
        }
        other => neutral(other, scope).unwrap_or_else(|| vec![changes(other, scope)]),
    }
}

/// What of a statement that is run now does not stand in it.
fn outside(statement: &Statement, scope: &Scope) -> Option<Judgement> {
    let stored = match statement {
        Statement::CreateTable(table) => table.query.is_none(),
        Statement::CreateView(view) => !view.materialized,
        Statement::CreateFunction(_)
        | Statement::CreateProcedure { .. }
        | Statement::CreateTrigger(_)
        | Statement::CreatePolicy(_)
        | Statement::CreateDomain(_)
        | Statement::CreateSequence { .. } => true,
        _ => false,
    };
    if stored {
        return None;
    }
    let what = first_words(&statement.to_string());
    // In MySQL and MariaDB no stored function may stand in what defines a table; what looks like one is the length of an index's part.
    let defines = matches!(statement, Statement::AlterTable(_) | Statement::CreateIndex(_));
    let defines = defines && scope.dialect == Dialect::MySql;
    hidden(&what, statement).filter(|found| !(defines && found.verdict == Verdict::Unknown)).or_else(|| {
        let calls = !matches!(statement, Statement::Drop { .. })
            && relations(statement, scope).iter().any(|relation| scope.is_calling(relation));
        calls.then(|| Judgement::unknown(what, "what the view calls is not in the statement"))
    })
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
            scope.context = match statement {
                Statement::Use(_) => Context::Set(statement.to_string()),
                Statement::Reset(reset) if is_elsewhere(&reset.reset) => scope.context.clone(),
                Statement::Rollback { .. } if scope.context == Context::Own => Context::Own,
                Statement::Rollback { .. } => Context::Unknown,
                _ => Context::Own,
            };
            // MySQL has committed what it defined by then.
            let undoes =
                matches!(statement, Statement::Rollback { .. }) && scope.dialect == Dialect::Postgres;
            let names = Names { rolls_back: true, ..Names::default() };
            Some(if undoes { vec![Judgement::additive("ROLLBACK").names(names)] } else { Vec::new() })
        }
        Statement::Set(set) => Some(session(set, scope)),
        _ => None,
    }
}

/// Whether what is reset has nothing to do with where names are looked for.
fn is_elsewhere(reset: &Reset) -> bool {
    matches!(reset, Reset::ConfigurationParameter(name) if !name.to_string().eq_ignore_ascii_case("search_path"))
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
            "search_path" => {
                scope.forget();
                let local = matches!(set, Set::SingleAssignment { scope: Some(ContextModifier::Local), .. });
                scope.context = if local { Context::Unknown } else { Context::Set(set.to_string()) };
            }
            "standard_conforming_strings" if !["on", "'on'", "true", "1"].contains(&value.as_str()) => {
                scope.lost = Some("strings are written another way from here on");
            }
            "sql_mode" | "@@sql_mode" | "session.sql_mode" | "@@session.sql_mode"
                if !is_plain_mode(&value) =>
            {
                scope.lost = Some("strings are written another way from here on");
            }
            _ => {}
        }
    }
    found
}

/// Whether a mode of MySQL's leaves strings, names and operators as they are; what a dump has put aside is put back.
fn is_plain_mode(value: &str) -> bool {
    let bare = value.trim_matches(|letter| matches!(letter, '\'' | '"'));
    bare.starts_with("@old")
        || bare.split(',').map(str::trim).all(|mode| mode.is_empty() || MODES.contains(&mode))
}

fn changes(statement: &Statement, scope: &mut Scope) -> Judgement {
    match statement {
        Statement::CreateTable(table) => created::table(table, scope),
        Statement::CreateView(view) => created::view(view, scope),
        Statement::CreateIndex(index) => created::index(index, scope),
        Statement::CreateFunction(function) => created::function(function, scope),
        Statement::CreateTrigger(trigger) => created::trigger(trigger, scope),
        Statement::Insert(insert) => inserted(insert, scope),
        Statement::Update(update) => {
            let (what, table) = target(&update.table, scope);
            rows(&format!("UPDATE {what}"), table, scope, "the values that were there are lost")
        }
        Statement::Delete(delete) => deleted(delete, scope),
        Statement::Merge(merge) => match &merge.table {
            TableFactor::Table { name, .. } => rows(
                &format!("MERGE INTO {name}"),
                Some(scope.key(name)),
                scope,
                "the values that were there are lost",
            ),
            _ => Judgement::one_way("MERGE", "the values that were there are lost"),
        },
        Statement::Copy { source, to, target, .. } => copied(source, *to, target, scope),
        other => objects(other, scope),
    }
}

/// Everything that is no table, view, index or row.
fn objects(statement: &Statement, scope: &mut Scope) -> Judgement {
    let created = |kind: &'static str, name: &ObjectName, if_not_exists: bool, scope: &mut Scope| {
        let (shown, key) = (kind.to_uppercase(), scope.key(name));
        let names = Names { gives: vec![Name::whole(&key)], on: Some(key.clone()), ..Names::default() };
        let made = Judgement::additive(format!("CREATE {shown} {name}"));
        if if_not_exists {
            return made.names(names);
        }
        scope.made(kind, "", &key);
        made.undo(format!("DROP {shown} {name}")).names(names)
    };
    let alone = |kind: &str, shown: String, if_not_exists: bool| {
        let made = Judgement::additive(format!("CREATE {kind} {shown}"));
        if if_not_exists { made } else { made.undo(format!("DROP {kind} {shown}")) }
    };
    match statement {
        Statement::CreateType { name, .. } => created("type", name, false, scope),
        Statement::CreateDomain(domain) => created("domain", &domain.name, false, scope),
        Statement::CreateSequence { name, if_not_exists, .. } => {
            created("sequence", name, *if_not_exists, scope)
        }
        Statement::CreateSchema { schema_name, if_not_exists, or_replace: false, .. } => {
            alone("SCHEMA", schema_name.to_string(), *if_not_exists)
        }
        Statement::CreateExtension(extension) => {
            alone("EXTENSION", extension.name.to_string(), extension.if_not_exists)
        }
        Statement::CreateDatabase { db_name, if_not_exists, or_replace: false, .. } => {
            alone("DATABASE", db_name.to_string(), *if_not_exists)
        }
        Statement::CreateRole(role) => {
            let names: Vec<String> = role.names.iter().map(ToString::to_string).collect();
            alone("ROLE", names.join(", "), role.if_not_exists)
        }
        Statement::CreateProcedure { name, or_alter: false, .. } => {
            alone("PROCEDURE", name.to_string(), false)
        }
        Statement::CreatePolicy(policy) => {
            Judgement::undoable(format!("CREATE POLICY {} ON {}", policy.name, policy.table_name))
                .undo(format!("DROP POLICY {} ON {}", policy.name, policy.table_name))
                .breaks("it decides which rows the old code sees")
                .names(Names { on: Some(scope.key(&policy.table_name)), ..Names::default() })
        }
        Statement::AlterIndex { name, operation: AlterIndexOperation::RenameIndex { index_name } } => {
            alter::index_renamed(name, index_name, scope)
        }
        Statement::AlterType(alter) => altered_type(&alter.name, &alter.operation, scope),
        Statement::AlterView(view) => {
            scope.unmade("view", "", &scope.key(&view.name));
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
        Statement::DropTrigger(trigger) => dropped::other("trigger", &trigger.trigger_name, false, scope),
        Statement::DropDomain(domain) => {
            dropped::other("domain", &domain.name, domain.drop_behavior.is_some(), scope)
        }
        other => {
            scope.forget();
            Judgement::unknown(first_words(&other.to_string()), "what it does is not known here")
        }
    }
}

fn altered_type(name: &ObjectName, operation: &AlterTypeOperation, scope: &mut Scope) -> Judgement {
    match operation {
        AlterTypeOperation::AddValue(_) => Judgement::one_way(
            format!("ALTER TYPE {name} ADD VALUE"),
            "a value of an enum cannot be taken out again",
        ),
        AlterTypeOperation::Rename(to) => {
            let (before, after) = alter::moved(name, &ObjectName::from(to.new_name.clone()), scope);
            scope.renamed_table(&before, &after.0);
            let names = Names {
                gives: vec![Name::whole(after.0)],
                frees: vec![Name::whole(before)],
                ..Names::default()
            };
            Judgement::undoable(format!("ALTER TYPE {name} RENAME TO {}", to.new_name))
                .undo(format!("ALTER TYPE {} RENAME TO {}", after.1, last(name)))
                .breaks(format!("there is no type {name}"))
                .names(names)
        }
        AlterTypeOperation::RenameValue(to) => Judgement::undoable(format!("ALTER TYPE {name} RENAME VALUE"))
            .undo(format!("ALTER TYPE {name} RENAME VALUE {} TO {}", to.to, to.from))
            .breaks("it neither reads nor writes the value by its old name"),
    }
}

/// A name without its schema.
pub(super) fn last(name: &ObjectName) -> String {
    name.0.last().map(ToString::to_string).unwrap_or_default()
}
