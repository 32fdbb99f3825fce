//! Judges what is dropped: what the script made itself may go, of anything else something is lost.

use sqlparser::ast::{FunctionDesc, ObjectName, ObjectType};

use super::created::{function_key, placed};
use super::names::{Name, Names};
use super::scope::Scope;
use super::script::Dialect;
use super::statement::REPLACES;
use super::verdict::Judgement;

/// Something without rows that is dropped: of a kind, a table or schema, and a name.
fn gone(place: (&'static str, &str, &str), shown: &str, scope: &mut Scope, cascade: bool) -> Judgement {
    let (kind, of, name) = place;
    let what = format!("DROP {} {shown}", kind.to_uppercase());
    if scope.has_made(kind, of, name) && !cascade {
        scope.unmade(kind, of, name);
        let ends = Some(if kind == "index" && scope.dialect == Dialect::MySql {
            Name::part(of, kind, name)
        } else {
            Name::whole(if of.is_empty() { name.to_owned() } else { format!("{of}.{name}") })
        });
        return Judgement::additive(what).names(Names { ends, ..Names::default() });
    }
    scope.unmade(kind, of, name);
    Judgement::one_way(what, REPLACES).breaks("what uses it fails")
}

/// Functions or procedures.
pub fn routines(
    kind: &'static str,
    all: &[FunctionDesc],
    cascade: bool,
    scope: &mut Scope,
) -> Vec<Judgement> {
    let judge = |one: &FunctionDesc| {
        let name = function_key(&scope.key(&one.name), one.args.as_deref());
        gone((kind, "", &name), &one.name.to_string(), scope, cascade)
    };
    all.iter().map(judge).collect()
}

/// A trigger, a domain, or whatever is called by a name alone.
pub fn other(kind: &'static str, name: &ObjectName, cascade: bool, scope: &mut Scope) -> Judgement {
    let own = scope.key(name);
    gone((kind, "", &own), &name.to_string(), scope, cascade)
}

/// A named thing is dropped; an index of MySQL's has its table.
pub fn drop(
    kind: ObjectType,
    name: &ObjectName,
    table: Option<&ObjectName>,
    cascade: bool,
    scope: &mut Scope,
) -> Judgement {
    let what = format!("DROP {kind} {name}");
    let own = scope.key(name);
    match kind {
        ObjectType::Table => {
            let private = scope.is_private(&own) && !cascade;
            let ends = (private && !scope.is_temporary(&own)).then(|| Name::whole(&own));
            scope.dropped_table(&own);
            if private {
                Judgement::additive(what).names(Names { ends, ..Names::default() })
            } else {
                Judgement::one_way(what, "its rows are lost").breaks("the table is gone")
            }
        }
        ObjectType::Schema | ObjectType::Database => {
            scope.forget();
            Judgement::one_way(what, "all that is in it is lost").breaks("it is gone")
        }
        ObjectType::Index => {
            let (of, index) = match table {
                Some(table) => (scope.key(table), scope.key(name).to_lowercase()),
                None => placed(&own),
            };
            if scope.dialect == Dialect::MySql {
                scope.keys.dropped_index(&of, &index);
            }
            let found = gone(("index", &of, &index), &name.to_string(), scope, cascade);
            // A query without its index is slower; it does not fail.
            Judgement { breaks: None, ..found }
        }
        ObjectType::View => other("view", name, cascade, scope),
        ObjectType::MaterializedView => other("materialized view", name, cascade, scope),
        ObjectType::Sequence => other("sequence", name, cascade, scope),
        ObjectType::Type => other("type", name, cascade, scope),
        ObjectType::Role => other("role", name, cascade, scope),
        _ => Judgement::one_way(what, REPLACES).breaks("what uses it fails"),
    }
}
