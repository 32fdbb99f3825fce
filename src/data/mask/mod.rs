//! Masking that fails closed: a policy says of every column whether it is kept, masked or dropped, or nothing is done at all.
//!
//! A [`Policy`] is read from YAML, [`classify`] holds it against a schema and refuses what it leaves open, [`Masker`] applies
//! it to COPY's rows, and a [`LeakCheck`] looks for original values in what came out. What is written depends on the
//! project's [`Key`] and the values alone, never on table, store or time.

mod apply;
mod classify;
mod copy_text;
mod form;
mod key;
mod kind;
mod leak;
mod leak_search;
mod links;
mod make;
mod masking;
mod permute;
mod policy;
mod read;
mod refused;
mod row;
mod suggest;
mod symbols;

pub use apply::Mask;
pub use classify::{Classified, ColumnTreatment, MaskPlan, TableTreatment, classify};
pub use copy_text::{Fields, escape, unescape};
pub use form::date::Moving;
pub use form::json_path::Step;
pub use form::name::NamePart;
pub use key::Key;
pub use kind::{JsonRule, MaskKind};
pub use leak::{LeakCheck, LeakLimits, MOST_VALUES};
pub use leak_search::{Leak, LeakSearch};
pub use masking::Masking;
pub use policy::{ColumnRule, Declared, Policy, PolicyFault, PolicyFaults, TablePolicy, TableRule};
pub use refused::{Open, Unclassified};
pub use row::{MaskError, Masker, TableMasker};
pub use suggest::suggest;

pub(in crate::data) use masking::{Treatment, came_through, lock};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod properties;
