//! Judges a script, statement after statement.

use sqlparser::ast::Statement;
use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;

use super::label::{command, first_words};
use super::names::Context;
use super::scope::Scope;
use super::split::{Part, split};
use super::verdict::{Judged, Judgement};

/// The longest statement that is read; a longer one is unknown.
const LONGEST: usize = 1 << 20;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dialect {
    /// PostgreSQL's.
    #[default]
    Postgres,
    /// MySQL's and MariaDB's.
    MySql,
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it is called, in messages.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// Whether a statement that fails ends it.
    pub stops: bool,
}

/// Judges scripts that run in this order. What one declares of types, the next knows; what one makes, the next does not count
/// as new, since the first may have run long ago.
pub fn judge(scripts: &[Script]) -> Vec<Vec<Judged>> {
    let mut scope = Scope::default();
    let mut all = Vec::new();
    for script in scripts {
        scope.begin(script.dialect, script.stops);
        all.push(one(script, &mut scope));
    }
    all
}

fn one(script: &Script, scope: &mut Scope) -> Vec<Judged> {
    let mut judged = Vec::new();
    for piece in split(&script.text, script.dialect) {
        let found = match &piece.part {
            Part::Command(text) => client(text, scope),
            Part::Statement(text) => statement(text, scope),
        };
        judged.extend(found.into_iter().map(|mut judgement| {
            judgement.names.context = scope.context.clone();
            Judged { line: piece.line, judgement }
        }));
    }
    judged
}

/// A statement, which as a comment that runs may not be run by every server: then it may lose, but makes nothing for certain.
fn statement(text: &str, scope: &mut Scope) -> Vec<Judgement> {
    if scope.dialect == Dialect::Postgres || !text.contains("/*") {
        return parsed(text, scope);
    }
    let unknown = |why: &str| vec![Judgement::unknown(first_words(text), why)];
    if text.contains("/*M!") {
        scope.forget();
        return unknown("MariaDB alone runs it");
    }
    match text.matches("/*!").count() {
        0 => parsed(text, scope),
        count => {
            let is_whole = count == 1 && text.starts_with("/*!") && text.ends_with("*/");
            let creates = text.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("create "));
            if !is_whole && !creates {
                scope.forget();
                return unknown("parts of it are run by some servers alone");
            }
            let stops = std::mem::replace(&mut scope.stops, false);
            let found = parsed(text, scope);
            scope.stops = stops;
            // What has not run is not to be undone.
            found.into_iter().map(|one| Judgement { undo: None, ..one }).collect()
        }
    }
}

fn parsed(text: &str, scope: &mut Scope) -> Vec<Judgement> {
    let unknown = |why: &str| vec![Judgement::unknown(first_words(text), why)];
    if let Some(why) = scope.lost {
        return unknown(why);
    }
    if text.len() > LONGEST {
        scope.forget();
        return unknown("it is too long to be read");
    }
    if text.contains("${") || text.contains("{{") {
        scope.forget();
        return unknown("a variable stands in it");
    }
    if let Some(statements) = statements(text, scope.dialect) {
        let judge = |one: &Statement| {
            scope.next_statement();
            super::statement::judge(one, scope)
        };
        return statements.iter().flat_map(judge).collect();
    }
    // Whatever it did, it may have been to what the script made.
    scope.forget();
    unknown("it cannot be read")
}

fn statements(text: &str, dialect: Dialect) -> Option<Vec<Statement>> {
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::MySql => &MySqlDialect {},
    };
    // The parser reads the rows of `COPY` itself, up to their end.
    let is_copy = text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy"));
    let text = if is_copy { format!("{text};\n\\.\n") } else { text.to_owned() };
    Parser::parse_sql(grammar, &text).ok().filter(|found| !found.is_empty())
}

/// A command of the client's own.
fn client(text: &str, scope: &mut Scope) -> Vec<Judgement> {
    let mut words = text.split_whitespace();
    let word = words.next().unwrap_or_default();
    match word {
        "\\echo" | "\\qecho" | "\\warn" | "\\timing" | "\\pset" | "\\encoding" | "\\x" | "\\t" | "\\a"
        | "\\restrict" | "\\unrestrict" | "\\conninfo" | "\\d" | "\\dt" => Vec::new(),
        "\\set" => {
            let (name, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if name == "ON_ERROR_STOP" {
                let off = ["", "0", "off", "false"].contains(&value.to_ascii_lowercase().as_str());
                scope.stops = !off || text.trim().ends_with("ON_ERROR_STOP");
                if !scope.stops {
                    scope.forget();
                }
            }
            Vec::new()
        }
        "\\c" | "\\connect" | "use" => {
            scope.forget();
            scope.context = Context::Unknown;
            Vec::new()
        }
        "\\q" | "\\quit" => {
            // What follows is never run, but that is for a reader to see.
            Vec::new()
        }
        _ => {
            scope.forget();
            vec![Judgement::unknown(command(text), "what it runs is not in the script")]
        }
    }
}
