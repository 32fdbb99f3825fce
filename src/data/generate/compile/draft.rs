//! A column on its way from what the seed says to what is evaluated.

use crate::data::generate::check::Limits;
use crate::data::generate::column::{Fit, Source};
use crate::data::generate::compile::ends::Ends;
use crate::data::generate::form::Form;
use crate::data::schema::Table;
use crate::data::seed::Make;

/// What is known while a column's source is made.
pub(super) struct Context<'a> {
    pub(super) table: &'a Table,
    pub(super) form: &'a Form,
    pub(super) limits: &'a Limits,
    pub(super) clock: i64,
    pub(super) locale: crate::data::generate::Locale,
    /// Whether the seed says it, rather than a guess: then it is not bent to fit.
    pub(super) told: bool,
}

/// Why something cannot be made: what is wrong, and the way out.
pub(super) type Wrong = (String, String);

/// A source, and what it may be widened to.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) source: Source,
    pub(super) fit: Fit,
    /// The numbers that are allowed, where they are numbers.
    pub(super) ends: Option<Ends>,
    pub(super) told: bool,
    /// Whether the texts are asked for by a constraint: nothing is added to them.
    pub(super) fixed: bool,
}

impl Draft {
    /// Always null.
    pub(super) fn nothing() -> Self {
        Self { source: Source::Nothing, fit: Fit::default(), ends: None, told: false, fixed: true }
    }
}

impl Context<'_> {
    /// A sibling column's place.
    pub(super) fn sibling(&self, name: &str) -> Result<usize, Wrong> {
        let found = self.table.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| {
            (format!("there is no column `{name}`"), "name a column of the same table".to_owned())
        })
    }

    /// The numbers that constraints allow.
    pub(super) fn ends(&self) -> Result<Option<Ends>, Wrong> {
        if !matches!(self.form, Form::Number { .. } | Form::Boolean) {
            return Ok(None);
        }
        let ends = Ends::of(self.form, self.limits, self.clock).ok_or_else(|| {
            let message = "a constraint compares it with something that is no value of its type".to_owned();
            (message, "name the constraint in the table's `unchecked`".to_owned())
        })?;
        let none_left = ends.low > ends.high || ends.allowed.as_ref().is_some_and(Vec::is_empty);
        if none_left {
            return Err((
                "its constraints leave no value".to_owned(),
                "see whether they contradict each other".to_owned(),
            ));
        }
        Ok(Some(ends))
    }

    /// The characters that a text has at most.
    pub(super) fn longest(&self) -> Option<u64> {
        let by_type = if let Form::Text { longest, .. } = self.form { *longest } else { None };
        match (by_type, self.limits.longest) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What texts are made to fit, and whether constraints ask what cannot be given.
    pub(super) fn fit(&self) -> Result<Fit, Wrong> {
        let longest = self.longest();
        let empty_excluded = self.limits.excluded.iter().any(String::is_empty) || !self.limits.low.is_empty();
        let shortest = self.limits.shortest.max(u64::from(empty_excluded));
        if longest.is_some_and(|longest| longest < shortest) || shortest > 10_000_000 {
            return Err((
                format!("no text has {shortest} characters at least and fits"),
                "see its constraints".to_owned(),
            ));
        }
        let asks_length = self.limits.shortest > 0 || self.limits.longest.is_some();
        if asks_length && !matches!(self.form, Form::Text { .. }) {
            return Err((
                "a constraint asks for a length, and it is no text".to_owned(),
                "name the constraint in the table's `unchecked`".to_owned(),
            ));
        }
        Ok(Fit { shortest, longest, lower: self.limits.lower })
    }
}

/// `Make`s by the name they have in seed.yaml.
pub(in crate::data) fn make_name(make: &Make) -> &'static str {
    match make {
        Make::Constant(_) => "constant",
        Make::Sequence { .. } => "sequence",
        Make::Range { shape, .. } => match shape {
            crate::data::seed::Spread::Uniform => "uniform",
            crate::data::seed::Spread::Normal { .. } => "normal",
            crate::data::seed::Spread::Exponential { .. } => "exponential",
            crate::data::seed::Spread::Zipf { .. } => "zipf",
        },
        Make::Choice(_) => "choice",
        Make::Dictionary(_) => "dictionary",
        Make::Pattern(_) => "pattern",
        Make::Template(_) => "template",
        Make::Words { .. } => "words",
        Make::Series(_) => "series",
        Make::After { .. } => "after",
        Make::States(_) => "states",
        Make::Reached { .. } => "reached",
        Make::Parent(_) => "parent",
    }
}
