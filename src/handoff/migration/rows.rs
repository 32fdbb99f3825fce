//! Judges what is done to rows: those of a table that the script made itself are nobody's.

use sqlparser::ast::{
    CopySource, CopyTarget, Delete, FromTable, Insert, ObjectName, TableFactor, TableObject, TableWithJoins,
    Truncate,
};

use super::scope::Scope;
use super::script::Dialect;
use super::verdict::Judgement;

/// `TRUNCATE`.
pub fn truncated(truncate: &Truncate, scope: &Scope) -> Vec<Judgement> {
    let lost = "its rows are lost";
    let judge = |name: &ObjectName| {
        let what = format!("TRUNCATE {name}");
        if truncate.cascade.is_some() {
            Judgement::one_way(what, lost)
        } else {
            rows(&what, Some(scope.key(name)), scope, lost)
        }
    };
    truncate.table_names.iter().map(|table| judge(&table.name)).collect()
}

/// `INSERT`, `REPLACE`.
pub fn inserted(insert: &Insert, scope: &Scope) -> Judgement {
    let TableObject::TableName(table) = &insert.table else {
        return Judgement::unknown("INSERT", "what it writes to is not in the statement");
    };
    let overwrites = insert.on.is_some() || insert.replace_into || insert.or.is_some() || insert.overwrite;
    let (verb, why) = if overwrites {
        ("INSERT or change in", "rows that were there may be overwritten")
    } else {
        ("INSERT INTO", "rows that it adds cannot be told from those that were there")
    };
    rows(&format!("{verb} {table}"), Some(scope.key(table)), scope, why)
}

/// `DELETE`.
pub fn deleted(delete: &Delete, scope: &Scope) -> Judgement {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let lost = "its rows are lost";
    match from.as_slice() {
        // With USING, MySQL takes what stands after FROM for an alias of what stands there.
        [only]
            if delete.tables.is_empty() && (delete.using.is_none() || scope.dialect == Dialect::Postgres) =>
        {
            let (what, table) = target(only, scope);
            rows(&format!("DELETE FROM {what}"), table, scope, lost)
        }
        _ => Judgement::one_way("DELETE FROM several tables", lost),
    }
}

/// `COPY`.
pub fn copied(source: &CopySource, to: bool, target: &CopyTarget, scope: &Scope) -> Judgement {
    match (source, target) {
        (_, CopyTarget::Program { .. }) => {
            Judgement::unknown("COPY", "what the program does is not in the statement")
        }
        (_, CopyTarget::Stdout) if to => Judgement::additive("COPY TO STDOUT"),
        _ if to => Judgement::unknown("COPY TO", "it writes a file"),
        (CopySource::Table { table_name, .. }, _) => {
            let why = "rows that it adds cannot be told from those that were there";
            rows(&format!("COPY {table_name}"), Some(scope.key(table_name)), scope, why)
        }
        (CopySource::Query(_), _) => Judgement::unknown("COPY", "what it writes to is not in the statement"),
    }
}

/// The table that rows are changed in; none where it is not one alone.
pub fn target(table: &TableWithJoins, scope: &Scope) -> (String, Option<String>) {
    match &table.relation {
        TableFactor::Table { name, .. } => {
            (name.to_string(), table.joins.is_empty().then(|| scope.key(name)))
        }
        _ => ("several tables".to_owned(), None),
    }
}

/// Rows are changed: those of a table that the script made itself are nobody's.
pub fn rows(what: &str, table: Option<String>, scope: &Scope, why: &str) -> Judgement {
    match table {
        Some(table) if scope.is_private(&table) => Judgement::additive(what),
        _ => Judgement::one_way(what, why),
    }
}
