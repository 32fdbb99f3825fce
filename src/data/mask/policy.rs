//! The masking policy that a project writes: what becomes of each column of each table.
//!
//! ```yaml
//! tables:
//!   public.customers:
//!     id: keep
//!     email: { mask: email }
//!     note: drop
//!     born: { mask: date, days: 365 }
//!     profile: { mask: json, paths: { $.phone: { mask: phone }, $.language: keep } }
//!   public.sessions: drop        # the table stays, its rows do not
//! leaks: { length: 6, distinct: 16 }
//! ```

use std::fmt;

use super::kind::MaskKind;
use super::leak::LeakLimits;
use crate::words::{counted, listed};
use crate::yaml::Position;

/// What becomes of data, by table and column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The tables it names, in the order they are written.
    pub tables: Vec<TablePolicy>,
    /// Which values the leak check looks for.
    pub leaks: LeakLimits,
}

/// What becomes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePolicy {
    /// The table as it is written: `schema.name`, or `name` where no two schemas have it.
    pub name: String,
    /// Where.
    pub position: Position,
    /// What becomes of it.
    pub rule: TableRule,
}

/// What becomes of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRule {
    /// None stays.
    Drop,
    /// All stay, with these columns.
    Columns(Vec<Declared>),
}

/// A column's rule and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The column.
    pub column: String,
    /// Where.
    pub position: Position,
    /// Its rule.
    pub rule: ColumnRule,
}

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnRule {
    /// It stays as it is.
    Keep,
    /// It is null, or its type's empty value where null is excluded.
    Drop,
    /// It is masked.
    Mask(MaskKind),
}

impl fmt::Display for ColumnRule {
    /// As a policy has it, options aside.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => out.write_str("keep"),
            Self::Drop => out.write_str("drop"),
            Self::Mask(kind) => write!(out, "mask: {}", kind.name()),
        }
    }
}

/// One thing wrong in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.position.line, self.position.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(out, "; {help}"))
    }
}

/// Everything wrong in a policy, in the order it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the masking policy has {}:{}", counted(.0.len(), "fault"), listed(.0))]
pub struct PolicyFaults(pub Vec<PolicyFault>);

/// ``did you mean `x`?`` where a name is near another: at most a third of it wrong.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let allowed = (name.chars().count() / 3).max(1);
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let near = near.filter(|(distance, _)| *distance <= allowed).min()?;
    Some(format!("did you mean `{}`?", near.1))
}
