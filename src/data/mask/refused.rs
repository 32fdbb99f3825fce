//! Why a schema is not masked: what the policy leaves open, and what it says that cannot be.

use std::fmt;

use super::policy::PolicyFault;
use crate::data::schema::TableName;
use crate::words::counted;

/// A column that the policy says nothing about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub column: String,
    /// Its type, as a person knows it.
    pub kind: String,
    /// The rule that its name and type suggest, as a policy has it, or the key that it would follow.
    pub suggestion: String,
}

impl fmt::Display for Open {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, kind, suggestion } = self;
        write!(out, "{table}.{column} ({kind}): perhaps `{suggestion}`")
    }
}

/// Why nothing is masked, and so nothing may leave: complete, so that one round of answers is enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unclassified {
    /// Columns without a rule, in the order of tables and columns.
    pub open: Vec<Open>,
    /// Rules that cannot be, in the order they are written.
    pub faults: Vec<PolicyFault>,
}

impl fmt::Display for Unclassified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.open.is_empty() {
            let count = counted(self.open.len(), "column");
            write!(
                out,
                "the masking policy does not say what becomes of {count}; give each `keep`, `drop` or a mask:"
            )?;
            self.open.iter().try_for_each(|open| write!(out, "\n  {open}"))?;
        }
        if !self.faults.is_empty() {
            let between = if self.open.is_empty() { "" } else { "\n" };
            write!(out, "{between}the masking policy has {}:", counted(self.faults.len(), "fault"))?;
            self.faults.iter().try_for_each(|fault| write!(out, "\n  {fault}"))?;
        }
        Ok(())
    }
}
