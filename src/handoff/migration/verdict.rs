//! What is said of a statement.

use serde::Serialize;

use super::names::Names;

/// Whether it can be taken back; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was there is there still, and the old code runs on it.
    Additive,
    /// Nothing is lost; the old code needs it undone, or may meet what it does not expect.
    Undoable,
    /// It cannot be told: counts as one-way.
    #[default]
    Unknown,
    /// Something is lost that it does not say.
    OneWay,
}

impl Verdict {
    /// Its word, as locks have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Additive => "additive",
            Self::Undoable => "undoable",
            Self::Unknown => "unknown",
            Self::OneWay => "one-way",
        }
    }

    /// The verdict of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Additive, Self::Undoable, Self::Unknown, Self::OneWay]
            .into_iter()
            .find(|one| one.word() == word)
    }

    /// Whether going back may lose data.
    pub fn may_lose(self) -> bool {
        matches!(self, Self::Unknown | Self::OneWay)
    }
}

/// What is said of one thing that a statement does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// What it does, without a value: `ALTER TABLE orders DROP COLUMN note`.
    pub what: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is one-way or unknown; empty otherwise.
    pub why: String,
    /// The statement that undoes it, where that is simple.
    pub undo: Option<String>,
    /// What the old code meets on the new schema; none where it runs as before.
    pub breaks: Option<String>,
    /// What it keeps others from while it runs on a large table.
    pub blocks: Option<String>,
    /// What it does to names.
    #[serde(skip)]
    pub(super) names: Names,
}

impl Judgement {
    fn new(what: impl Into<String>, verdict: Verdict) -> Self {
        let what = what.into();
        Self {
            what,
            verdict,
            why: String::new(),
            undo: None,
            breaks: None,
            blocks: None,
            names: Names::default(),
        }
    }

    /// Nothing is lost, and the old code runs.
    pub(super) fn additive(what: impl Into<String>) -> Self {
        Self::new(what, Verdict::Additive)
    }

    /// Nothing is lost, yet the old code meets something else.
    pub(super) fn undoable(what: impl Into<String>) -> Self {
        Self::new(what, Verdict::Undoable)
    }

    /// Something is lost.
    pub(super) fn one_way(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::new(what, Verdict::OneWay) }
    }

    /// It cannot be told.
    pub(super) fn unknown(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::new(what, Verdict::Unknown) }
    }

    /// With the statement that undoes it.
    pub(super) fn undo(self, statement: impl Into<String>) -> Self {
        Self { undo: Some(statement.into()), ..self }
    }

    /// With what it does to names.
    pub(super) fn names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// With what the old code meets.
    pub(super) fn breaks(self, why: impl Into<String>) -> Self {
        Self { breaks: Some(why.into()), ..self }
    }

    /// With what it keeps others from.
    pub(super) fn blocks(self, what: impl Into<String>) -> Self {
        Self { blocks: Some(what.into()), ..self }
    }
}

/// A judgement, with the line of its statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The line, from 1.
    pub line: usize,
    /// What is said.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// The worst of several verdicts; additive where there is none.
pub fn worst<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Verdict {
    judged.into_iter().map(|one| one.judgement.verdict).max().unwrap_or(Verdict::Additive)
}
