//! Which names a statement takes and which it sets free: what undoes a script must find the names that it needs.

use sqlparser::ast::{ObjectName, Visit, visit_relations};
use std::ops::ControlFlow;

use super::scope::Scope;

/// Where names without a schema are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Context {
    /// Where the session that runs the script looks by itself.
    #[default]
    Own,
    /// Where this statement says.
    Set(String),
    /// Nobody knows.
    Unknown,
}

/// A name that only one thing can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The table that it is a part of; none of a table, a view or a type.
    pub of: Option<String>,
    /// `column c`, or the name of what is no part.
    pub name: String,
}

impl Name {
    /// Of a table, view, sequence, index or type: PostgreSQL has one room for them, or nearly so.
    pub fn whole(name: impl Into<String>) -> Self {
        Self { of: None, name: name.into() }
    }

    /// Of a part of a table.
    pub fn part(of: impl Into<String>, kind: &str, name: &str) -> Self {
        Self { of: Some(of.into()), name: format!("{kind} {name}") }
    }
}

/// What a statement does to names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Taken from now on.
    pub gives: Vec<Name>,
    /// Free from now on; undoing it needs them.
    pub frees: Vec<Name>,
    /// Tables and views that what it makes does not let go.
    pub leans: Vec<String>,
    /// The table or view that undoing it takes something from.
    pub on: Option<String>,
    /// What the script had made and this takes away again.
    pub ends: Option<Name>,
    /// Whether what came before it may not have been.
    pub rolls_back: bool,
    /// Where it ran.
    pub context: Context,
}

/// The tables and views that something names.
pub fn relations(of: &impl Visit, scope: &Scope) -> Vec<String> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_relations(of, |name: &ObjectName| {
        found.push(scope.key(name));
        ControlFlow::Continue(())
    });
    found
}
