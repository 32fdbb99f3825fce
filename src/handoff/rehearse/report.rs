//! What came of a rehearsal: the four ways in which code and schema meet.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::copy::LeftOut;

/// Before the release, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// As it runs now.
    Old,
    /// As the files here have it.
    New,
}

/// How code and schema meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Way {
    /// The code.
    pub code: Side,
    /// The schema.
    pub schema: Side,
}

impl Way {
    /// All four, by row.
    pub const ALL: [Self; 4] = [
        Self { code: Side::Old, schema: Side::Old },
        Self { code: Side::Old, schema: Side::New },
        Self { code: Side::New, schema: Side::Old },
        Self { code: Side::New, schema: Side::New },
    ];

    /// What needs it to pass; none where nothing does.
    pub fn needed_for(self) -> Option<&'static str> {
        match (self.code, self.schema) {
            (Side::New, Side::New) => Some("the release itself needs it"),
            (Side::Old, Side::New) => {
                Some("a rolling update, in which old Pods meet the new schema, and a revert need it")
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if *self == Self::Old { "old" } else { "new" })
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} code on the {} schema", self.code, self.schema)
    }
}

/// Whether the network holds a copy's Pods back from all but the copies, as its NetworkPolicy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "enforced", rename_all = "lowercase")]
pub enum Network {
    /// From a Pod's first moment.
    Always,
    /// Not in a Pod's first moments.
    Late {
        /// How long something else could be reached, in milliseconds.
        milliseconds: u64,
    },
    /// It does not, or that could not be tried.
    Never {
        /// Why.
        why: String,
    },
}

/// What came of one of them, or of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// All went well.
    Passed,
    /// Something did not.
    Failed {
        /// What.
        why: String,
    },
    /// It was not tried.
    Skipped {
        /// Why.
        why: String,
    },
}

/// A command of `ci:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Its last lines, where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// What in its words led to the copy, as it is written.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub changed: BTreeSet<String>,
}

/// What came of one way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Which.
    #[serde(flatten)]
    pub way: Way,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The commands that were run on it.
    pub checks: Vec<Check>,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The release whose objects are the old code.
    pub release: u64,
    /// What migrates.
    pub migrations: Vec<String>,
    /// The stores whose data was copied.
    pub stores: Vec<String>,
    /// The claims whose files were copied, with the bytes that they took.
    pub volumes: BTreeMap<String, u64>,
    /// Charts' hooks that were run, those that migrate apart.
    pub hooks: BTreeSet<String>,
    /// The four.
    pub cells: Vec<Cell>,
    /// What did not go into the copy.
    pub left_out: BTreeSet<LeftOut>,
    /// Names of Services that lead to the copy.
    pub renamed: BTreeSet<String>,
    /// Volumes that began empty.
    pub emptied: BTreeSet<String>,
    /// Whether the copies were held back from what is real.
    pub network: Network,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// What came of one way.
    pub fn cell(&self, way: Way) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.way == way)
    }

    /// Whether all that a release needs passed.
    pub fn passes(&self) -> bool {
        let mut needed = Way::ALL.into_iter().filter(|way| way.needed_for().is_some());
        needed.all(|way| self.cell(way).is_some_and(|cell| cell.verdict == Verdict::Passed))
    }
}
