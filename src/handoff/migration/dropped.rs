//! Judges what is dropped: what the script made itself may go, of anything else something is lost.

use sqlparser::ast::{ObjectName, ObjectType};

use super::scope::{Scope, key};
use super::statement::REPLACES;
use super::verdict::Judgement;

/// Something without rows that is dropped.
pub fn gone(kind: &str, name: &str, scope: &mut Scope, cascade: bool) -> Judgement {
    let what = format!("DROP {kind} {name}");
    let (kind, name) = (kind.to_lowercase(), name.to_lowercase());
    if scope.has_made(&kind, &name) && !cascade {
        scope.unmade(&kind, &name);
        return Judgement::additive(what);
    }
    Judgement::one_way(what, REPLACES).breaks("what uses it fails")
}

/// A named thing is dropped.
pub fn drop(kind: ObjectType, name: &ObjectName, cascade: bool, scope: &mut Scope) -> Judgement {
    let what = format!("DROP {kind} {name}");
    let own = key(name);
    match kind {
        ObjectType::Table => {
            let private = scope.is_private(&own) && !cascade;
            scope.dropped_table(&own);
            if private {
                Judgement::additive(what)
            } else {
                Judgement::one_way(what, "its rows are lost").breaks("the table is gone")
            }
        }
        ObjectType::Schema | ObjectType::Database => {
            scope.forget();
            Judgement::one_way(what, "all that is in it is lost").breaks("it is gone")
        }
        ObjectType::View | ObjectType::MaterializedView => {
            gone(&kind.to_string(), &name.to_string(), scope, cascade)
        }
        ObjectType::Index => {
            let found = gone("INDEX", &name.to_string(), scope, cascade);
            // A query without its index is slower; it does not fail.
            Judgement { breaks: None, ..found }
        }
        other => gone(&other.to_string(), &name.to_string(), scope, cascade),
    }
}
