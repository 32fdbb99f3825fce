//! Faults of a seed.yaml: where, what, and the nearest right name; all of a file at once.

use std::cell::RefCell;
use std::fmt;

use crate::yaml::{Position, Spanned};

/// One thing wrong in a seed.yaml.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeedFault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The way out: the nearest right name, or what is allowed there.
    pub help: String,
}

/// All that is wrong in a seed.yaml, in the order it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} has {}:{}", crate::words::counted(.faults.len(), "fault"), crate::words::listed(.faults))]
pub struct SeedFaults {
    /// The file, as it is shown.
    pub name: String,
    /// At least one.
    pub faults: Vec<SeedFault>,
}

impl fmt::Display for SeedFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}; {}", self.line, self.column, self.message, self.help)
    }
}

/// Collects faults while a file is read.
#[derive(Debug, Default)]
pub(in crate::data) struct Faults(RefCell<Vec<SeedFault>>);

impl Faults {
    /// Adds one at a node. A place that has a fault gets no second one: the first is the cause.
    pub(in crate::data) fn add(&self, node: &Spanned, message: impl Into<String>, help: impl Into<String>) {
        self.add_at(node.start, message.into(), help.into());
    }

    /// Adds one at a position.
    pub(in crate::data) fn add_at(&self, at: Position, message: String, help: String) {
        let mut faults = self.0.borrow_mut();
        if !faults.iter().any(|fault| (fault.line, fault.column) == (at.line, at.column)) {
            faults.push(SeedFault { line: at.line, column: at.column, message, help });
        }
    }

    /// `value`, or all faults where there are any.
    pub(in crate::data) fn result<T>(self, name: &str, value: T) -> Result<T, SeedFaults> {
        let mut faults = self.0.into_inner();
        faults.sort();
        if faults.is_empty() { Ok(value) } else { Err(SeedFaults { name: name.to_owned(), faults }) }
    }
}

/// ``did you mean `x`?`` where a name is near, and all names where none is.
pub(super) fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let allowed = (name.chars().count() / 3).max(1);
    let near = known
        .clone()
        .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= allowed && *distance < known.len())
        .min();
    if let Some((_, near)) = near {
        return format!("did you mean `{near}`?");
    }
    let names: Vec<_> = known.map(|known| format!("`{known}`")).collect();
    if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) }
}
