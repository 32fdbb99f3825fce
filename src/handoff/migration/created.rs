//! Judges what is created: nothing that was there is touched, but the old code may meet it.

use sqlparser::ast::{
    ColumnOption, CreateFunction, CreateIndex, CreateTable, CreateTableOptions, CreateTrigger, CreateView,
    ObjectName, OperateFunctionArg, SqlOption, Statement, TableConstraint,
};

use super::calls::hidden;
use super::keys::{Dropping, leading};
use super::names::{Name, Names, relations};
use super::scope::Scope;
use super::script::Dialect;
use super::statement::REPLACES;
use super::verdict::Judgement;

/// Engines of MySQL and MariaDB whose tables hold their own rows, and not those of others.
const ENGINES: [&str; 10] =
    ["innodb", "myisam", "aria", "memory", "heap", "rocksdb", "archive", "columnstore", "tokudb", "ndb"];

/// A table. It is the script's own only where nothing but what the script writes can act on its rows, and its rows on nothing.
pub fn table(table: &CreateTable, scope: &mut Scope) -> Judgement {
    let (what, name) = (format!("CREATE TABLE {}", table.name), scope.key(&table.name));
    if table.or_replace {
        scope.dropped_table(&name);
        return Judgement::one_way(
            format!("CREATE OR REPLACE TABLE {}", table.name),
            "the rows of the one before it are lost",
        );
    }
    let holds_its_own = table.partition_of.is_none()
        && table.inherits.is_none()
        && keeps_rows(&table.table_options)
        // Defaults and conditions are run with every row; MySQL and MariaDB allow no stored function there.
        && (scope.dialect == Dialect::MySql
            || hidden("", &Statement::CreateTable(table.clone())).is_none());
    if table.temporary {
        if holds_its_own {
            scope.made_table(&name, true);
        }
        return Judgement::additive(what);
    }
    let mut names = Names { on: Some(name.clone()), leans: referred(table, scope), ..Names::default() };
    if scope.dialect == Dialect::MySql {
        if scope.stops && !table.if_not_exists {
            scope.keys.made_table(&name, table);
        } else {
            table.constraints.iter().for_each(|one| scope.keys.add(&name, one, false));
            table.columns.iter().for_each(|one| scope.keys.add_column(&name, one, false));
        }
    }
    if table.if_not_exists {
        names.gives.push(Name::whole(&name));
        return Judgement::additive(what).names(names);
    }
    if holds_its_own {
        scope.made_table(&name, false);
    }
    for column in &table.columns {
        scope.typed(&name, &scope.ident(&column.name), Some(column.data_type.clone()));
    }
    if !scope.is_private(&name) {
        names.leans.iter().for_each(|table| scope.expose(table));
    }
    names.gives.push(Name::whole(&name));
    Judgement::additive(what).undo(format!("DROP TABLE {}", table.name)).names(names)
}

/// The tables that its foreign keys refer to.
fn referred(table: &CreateTable, scope: &Scope) -> Vec<String> {
    let of_columns =
        table.columns.iter().flat_map(|column| &column.options).filter_map(|option| match &option.option {
            ColumnOption::ForeignKey(foreign) => Some(&foreign.foreign_table),
            _ => None,
        });
    let own = table.constraints.iter().filter_map(|constraint| match constraint {
        TableConstraint::ForeignKey(foreign) => Some(&foreign.foreign_table),
        _ => None,
    });
    of_columns
        .chain(own)
        .chain(table.inherits.iter().flatten())
        .chain(&table.partition_of)
        .map(|name| scope.key(name))
        .collect()
}

fn keeps_rows(options: &CreateTableOptions) -> bool {
    let (CreateTableOptions::With(all)
    | CreateTableOptions::Options(all)
    | CreateTableOptions::Plain(all)
    | CreateTableOptions::TableProperties(all)) = options
    else {
        return true;
    };
    all.iter().all(|option| match option {
        SqlOption::KeyValue { key, value } if key.to_string().eq_ignore_ascii_case("engine") => {
            is_engine(&value.to_string())
        }
        SqlOption::NamedParenthesizedList(list) => {
            list.key.value.eq_ignore_ascii_case("engine")
                && list.values.is_empty()
                && list.name.as_ref().is_some_and(|name| is_engine(&name.value))
        }
        SqlOption::KeyValue { key, .. } => {
            !["union", "connection"].contains(&key.to_string().to_lowercase().as_str())
        }
        _ => true,
    })
}

fn is_engine(name: &str) -> bool {
    let bare = name.trim_matches(|letter| matches!(letter, '\'' | '"' | '`'));
    ENGINES.contains(&bare.to_lowercase().as_str())
}

/// A table that is referred to by one that is not the script's own: what is deleted of it may take rows there along.
pub fn refers(from: &str, to: &ObjectName, scope: &mut Scope) {
    if !scope.is_private(from) {
        scope.expose(&scope.key(to));
    }
}

/// A view, also one that holds rows.
pub fn view(view: &CreateView, scope: &mut Scope) -> Judgement {
    let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let made = if view.materialized { "materialized view" } else { "view" };
    let name = scope.key(&view.name);
    let what = format!("CREATE {kind} {}", view.name);
    let leans = relations(view.query.as_ref(), scope);
    let replaces = view.or_replace || view.or_alter;
    // Whoever reads it runs what it calls.
    if hidden(&what, &Statement::Query(view.query.clone())).is_some() {
        scope.calls(&name);
    }
    if replaces && !scope.has_made(made, "", &name) {
        return Judgement::one_way(format!("CREATE OR REPLACE {kind} {}", view.name), REPLACES);
    }
    if replaces {
        return Judgement::additive(what).names(Names { leans, ..Names::default() });
    }
    let names = Names { gives: vec![Name::whole(&name)], leans, on: Some(name.clone()), ..Names::default() };
    if view.if_not_exists {
        return Judgement::additive(what).names(names);
    }
    scope.made(made, "", &name);
    Judgement::additive(what).undo(format!("DROP {kind} {}", view.name)).names(names)
}

/// A name's schema and the rest.
pub fn placed(name: &str) -> (String, String) {
    name.rsplit_once('.')
        .map_or_else(|| (String::new(), name.to_owned()), |(of, own)| (of.to_owned(), own.to_owned()))
}

/// An index.
pub fn index(index: &CreateIndex, scope: &mut Scope) -> Judgement {
    let unique = if index.unique { "UNIQUE INDEX" } else { "INDEX" };
    let shown = index.name.as_ref().map(ToString::to_string);
    let what =
        format!("CREATE {unique} {} ON {}", shown.as_deref().unwrap_or("without a name"), index.table_name);
    let table = scope.key(&index.table_name);
    let own = scope.is_private(&table);
    let mut judgement = if index.unique && !own {
        Judgement::undoable(what).breaks("rows that are alike are refused")
    } else {
        Judgement::additive(what)
    };
    if !index.concurrently && !own {
        judgement = judgement.blocks("writes wait until the index is built");
    }
    let mut names = Names { on: Some(table.clone()), ..Names::default() };
    let Some((name, shown)) = index.name.as_ref().zip(shown) else { return judgement.names(names) };
    let mysql = scope.dialect == Dialect::MySql;
    let (of, name) = if mysql {
        // A column that is part of an index cannot always go.
        names.leans.push(table.clone());
        (table, scope.key(name).to_lowercase())
    } else {
        // An index is in its table's schema.
        (placed(&table).0, scope.key(name))
    };
    names.gives.push(match (mysql, of.as_str()) {
        (true, _) => Name::part(&of, "index", &name),
        (false, "") => Name::whole(&name),
        (false, schema) => Name::whole(format!("{schema}.{name}")),
    });
    if index.if_not_exists {
        return judgement.names(names);
    }
    scope.made("index", &of, &name);
    if mysql {
        return Judgement { undo: dropped_again(index, &of, &shown, scope), ..judgement.names(names) };
    }
    let undo = match index.table_name.0.split_last() {
        Some((_, schema)) if !schema.is_empty() => {
            let schema: Vec<String> = schema.iter().map(ToString::to_string).collect();
            format!("DROP INDEX {}.{shown}", schema.join("."))
        }
        _ => format!("DROP INDEX {shown}"),
    };
    judgement.undo(undo).names(names)
}

/// What takes an index of MySQL's away again.
fn dropped_again(index: &CreateIndex, table: &str, shown: &str, scope: &mut Scope) -> Option<String> {
    let columns = leading(&index.columns);
    let dropping = scope.keys.dropping(table, &columns, |column| scope.makes("column", table, column));
    if scope.stops {
        let name = index.name.as_ref().and_then(|name| name.0.last()?.as_ident().cloned());
        scope.keys.add_index(table, name, columns);
    }
    match dropping {
        Dropping::Simple => Some(format!("DROP INDEX {shown} ON {}", index.table_name)),
        Dropping::With(first) => {
            Some(format!("ALTER TABLE {} {first}, DROP INDEX {shown}", index.table_name))
        }
        Dropping::Unknown => None,
    }
}

/// What tells a function from others of its name: the types of its arguments. Of one that is named without them, its name alone.
pub fn function_key(name: &str, arguments: Option<&[OperateFunctionArg]>) -> String {
    let types = arguments.unwrap_or_default().iter().map(|one| one.data_type.to_string().to_lowercase());
    format!("{name}({})", types.collect::<Vec<_>>().join(", "))
}

/// A function.
pub fn function(function: &CreateFunction, scope: &mut Scope) -> Judgement {
    let name = function_key(&scope.key(&function.name), function.args.as_deref());
    let what = format!("CREATE FUNCTION {}", function.name);
    let replaces = function.or_replace || function.or_alter;
    if replaces && !scope.has_made("function", "", &name) {
        return Judgement::one_way(format!("CREATE OR REPLACE FUNCTION {}", function.name), REPLACES);
    }
    if function.if_not_exists || replaces {
        return Judgement::additive(what);
    }
    scope.made("function", "", &name);
    let undo = match (scope.dialect, &function.args) {
        (Dialect::Postgres, Some(arguments)) => {
            let types: Vec<String> = arguments.iter().map(|one| one.data_type.to_string()).collect();
            format!("DROP FUNCTION {}({})", function.name, types.join(", "))
        }
        _ => format!("DROP FUNCTION {}", function.name),
    };
    let names = Names { gives: vec![Name::whole(&name)], on: Some(name.clone()), ..Names::default() };
    Judgement::additive(what).undo(undo).names(names)
}

/// A trigger.
pub fn trigger(trigger: &CreateTrigger, scope: &mut Scope) -> Judgement {
    let table = scope.key(&trigger.table_name);
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
    let undo = match scope.dialect {
        Dialect::Postgres => format!("DROP TRIGGER {} ON {}", trigger.name, trigger.table_name),
        Dialect::MySql => format!("DROP TRIGGER {}", trigger.name),
    };
    made.undo(undo).names(Names { on: Some(table), ..Names::default() })
}
