//! Makes masks of what a policy says and what is known of a column.

use super::apply::{Form, Mask};
use super::classify::MaskPlan;
use super::form::date::Moving;
use super::form::json::{Action, Places};
use super::key::Key;
use super::kind::{JsonRule, MaskKind};
use super::links::Facts;
use crate::data::schema::ColumnType;

impl Mask {
    /// The mask of a kind for values that have no column: within JSON, or in a store without a schema. It writes what the
    /// same kind writes in columns without a limit that are not unique; for keys these are numbers, UUIDs and codes by the
    /// value's own form. Dates that would move by a column move each on its own.
    pub fn of(kind: &MaskKind, key: &Key) -> Self {
        match kind {
            MaskKind::Id | MaskKind::Uuid => Self {
                form: Form::Reference,
                secret: key.secret("id"),
                limit: None,
                folds: false,
                pads: false,
            },
            MaskKind::Date { days, moving: Moving::By(_) } => {
                let kind = MaskKind::Date { days: *days, moving: Moving::Each };
                make(&kind, &ColumnType::Text, &Facts::default(), key)
            }
            kind => make(kind, &ColumnType::Text, &Facts::default(), key),
        }
    }
}

impl MaskPlan {
    /// The mask that it becomes with a key.
    pub fn mask(&self, key: &Key) -> Mask {
        let mask = make(&self.kind, &self.element, &self.facts, key);
        if matches!(self.column, ColumnType::Array(_)) {
            let secret = mask.secret.clone();
            return Mask {
                form: Form::Array(Box::new(mask)),
                secret,
                limit: None,
                folds: false,
                pads: false,
            };
        }
        mask
    }
}

fn make(kind: &MaskKind, element: &ColumnType, facts: &Facts, key: &Key) -> Mask {
    let (purpose, form) = match kind {
        MaskKind::Id => ("id", key_form(element, facts)),
        MaskKind::Uuid => ("id", Form::Uuid),
        MaskKind::Code { keep } => ("id", Form::Code { kept: (*keep).into() }),
        // Prose may make different texts equal.
        MaskKind::FreeText if facts.unique => ("id", Form::Code { kept: 0 }),
        MaskKind::Name(part) => ("name", Form::Name { part: *part, unique: facts.unique }),
        kind => (kind.name(), plain_form(kind, element, key)),
    };
    Mask { form, secret: key.secret(purpose), limit: facts.limit, folds: facts.folds, pads: facts.pads }
}

fn key_form(element: &ColumnType, facts: &Facts) -> Form {
    match element {
        ColumnType::Uuid => Form::Uuid,
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt | ColumnType::Numeric { .. } => {
            Form::Whole { border: facts.border }
        }
        _ => Form::Code { kept: 0 },
    }
}

fn plain_form(kind: &MaskKind, element: &ColumnType, key: &Key) -> Form {
    match kind {
        MaskKind::Email => Form::Email,
        MaskKind::Phone => Form::Phone,
        MaskKind::Card => Form::Card,
        MaskKind::Iban => Form::Iban,
        MaskKind::Ip => Form::Address,
        MaskKind::Mac => Form::Ethernet,
        MaskKind::Bytes => Form::Bytes,
        MaskKind::FreeText => Form::Prose,
        MaskKind::Number { percent } => Form::Noise { percent: *percent, most: most(element) },
        MaskKind::Date { days, moving } => Form::Date { window: *days, moving: moving.clone() },
        MaskKind::Json { paths } => Form::Json(places(paths, key)),
        MaskKind::Id | MaskKind::Uuid => Form::Reference,
        MaskKind::Code { keep } => Form::Code { kept: (*keep).into() },
        MaskKind::Name(part) => Form::Name { part: *part, unique: false },
    }
}

/// The greatest number of a type.
fn most(element: &ColumnType) -> Option<u64> {
    match element {
        ColumnType::SmallInt => Some(i16::MAX.unsigned_abs().into()),
        ColumnType::Integer => Some(i32::MAX.unsigned_abs().into()),
        ColumnType::BigInt => Some(i64::MAX.unsigned_abs()),
        _ => None,
    }
}

fn places(paths: &[(Vec<super::Step>, JsonRule)], key: &Key) -> Places {
    let mut places = Places::default();
    for (path, rule) in paths {
        let action = match rule {
            JsonRule::Keep => Action::Keep,
            JsonRule::Drop => Action::Drop,
            JsonRule::Mask(kind) => Action::Mask(Box::new(Mask::of(kind, key))),
        };
        places.set(path, action);
    }
    places
}
