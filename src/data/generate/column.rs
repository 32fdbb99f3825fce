//! Tables and columns ready to be evaluated: what [`compile`](super::compile) makes of a schema and a seed.

use std::collections::BTreeSet;

use super::distribution::{Shape, Weights, span};
use super::form::Form;
use super::pattern::Pattern;
use super::permute::Permutation;
use super::random::Stream;
use super::reference::Reference;
use super::series::Series;
use crate::data::schema::TableName;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
    pub(super) references: Vec<Reference>,
    pub(super) groups: Vec<Group>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) stream: Stream,
    /// The share of nulls, and the numbers that decide about them.
    pub(super) null: f64,
    pub(super) nulls: Stream,
    /// The references that give it its value, the first that refers to a row; with the referred table's column.
    pub(super) references: Vec<(usize, usize)>,
    /// Null, where no reference refers to a row.
    pub(super) null_unreferred: bool,
    /// Its own source, where no reference gives its value.
    pub(super) source: Source,
    /// Its place in a group that is unique together.
    pub(super) member: Option<Member>,
    /// The column that its rank goes with, and how strongly.
    pub(super) with: Option<(usize, f64)>,
    /// Columns whose values it may not be below.
    pub(super) floors: Vec<Fence>,
    /// Columns whose values it may not be above.
    pub(super) ceilings: Vec<Fence>,
    pub(super) fit: Fit,
    /// Whether the database makes the value: it is not written.
    pub(super) omitted: bool,
}

/// Another column's value as a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fence {
    pub(super) column: usize,
    pub(super) strict: bool,
}

/// What a text is made to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) shortest: u64,
    pub(super) longest: Option<u64>,
    /// Into lower letters (true) or upper ones (false).
    pub(super) lower: Option<bool>,
}

/// Where values come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Always null.
    Nothing,
    /// Numbers, times, truth.
    Number(Numbers),
    /// Texts and labels.
    Text(Texts),
    /// The form's own: see [`special`](super::special).
    Special,
}

/// Numbers of a range.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Sorted; none of these.
    pub(super) excluded: Vec<i64>,
    pub(super) how: How,
}

/// How numbers are chosen.
#[derive(Debug, Clone)]
pub(super) enum How {
    Sequence { start: i64, step: i64 },
    Shape(Shape),
    Choice { values: Vec<i64>, weights: Weights },
    Series(Series),
    After { column: usize, mean: f64, most: i64 },
    Reached { states: usize, state: usize, after: usize, mean: f64 },
}

/// Texts.
#[derive(Debug, Clone)]
pub(super) enum Texts {
    Choice {
        entries: Vec<String>,
        weights: Weights,
    },
    Dictionary(&'static [&'static str]),
    Pattern(Pattern),
    Template(Vec<Part>),
    Words {
        words: &'static [&'static str],
        min: u64,
        max: u64,
    },
    States(Walk),
    /// As many digits of base 36.
    Code(u32),
    /// Another's, with a number behind it that makes it unique.
    Numbered(Box<Texts>),
}

/// A part of a template.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Literal(String),
    Dictionary {
        entries: &'static [&'static str],
        slug: bool,
    },
    Column {
        column: usize,
        slug: bool,
    },
    /// A house's number.
    Number,
    Unique,
}

/// States by number, and where each leads: the next states (none is to stay) by weight.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    pub(super) labels: Vec<String>,
    pub(super) start: usize,
    pub(super) next: Vec<Option<(Vec<Option<usize>>, Weights)>>,
}

impl Walk {
    /// More transitions are not made: a cycle of states has to end.
    const LONGEST: u32 = 32;

    /// The states that a row went through, the first one included, each with the number of transitions before it.
    pub(super) fn path(&self, stream: &Stream, row: u64) -> impl Iterator<Item = (u32, usize)> {
        let mut draws = stream.draws(row);
        let mut at = Some(self.start);
        (0..=Self::LONGEST).map_while(move |step| {
            let state = at?;
            at = self.next.get(state).and_then(Option::as_ref).and_then(|(next, weights)| {
                let chosen = weights.at(draws.unit());
                next.get(chosen).copied().flatten()
            });
            Some((step, state))
        })
    }
}

/// A place in a [`Group`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) group: usize,
    pub(super) place: usize,
    /// Between two values that follow each other in the domain, so that few of a large one lie all over it.
    pub(super) stride: u64,
}

/// Columns and references that are unique together: each row has its own combination, by a permutation of all.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) permutation: Permutation,
    /// How many values each place has.
    pub(super) radices: Vec<u64>,
}

impl Group {
    /// Which value `row` has at `place`.
    pub(super) fn digit(&self, row: u64, place: usize) -> u64 {
        let mut rest = self.permutation.at(row);
        for radix in self.radices.iter().take(place) {
            rest /= radix;
        }
        self.radices.get(place).map_or(0, |radix| rest % radix)
    }
}

impl Numbers {
    /// How many values can be counted.
    pub(super) fn size(&self) -> u64 {
        match &self.how {
            How::Choice { values, .. } => values.len() as u64,
            _ => span(self.low, self.high).saturating_sub(self.excluded.len() as u64),
        }
    }

    /// The `index`-th value.
    pub(super) fn counted(&self, index: u64, stride: u64) -> i64 {
        if let How::Choice { values, .. } = &self.how {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            return values.get(at).copied().unwrap_or(self.low);
        }
        let mut value = self.low.saturating_add_unsigned(index.saturating_mul(stride));
        for excluded in &self.excluded {
            value += i64::from(value >= *excluded);
        }
        value
    }

    /// The value nearest to `value` in `low..=high` that is not excluded.
    pub(super) fn allowed(&self, value: i64, low: i64, high: i64) -> i64 {
        let is_free = |value: i64| self.excluded.binary_search(&value).is_err();
        if is_free(value) {
            return value;
        }
        let above = (value..=high).find(|value| is_free(*value));
        above.or_else(|| (low..=value).rev().find(|value| is_free(*value))).unwrap_or(value)
    }
}

impl Texts {
    /// How many of its texts can be counted, each once; none where they cannot, or where making them fit would join some.
    /// `plain` has, by column, the length of the longest text of those that have no digits in theirs.
    pub(super) fn size(&self, folds: bool, fit: Fit, plain: &[Option<usize>]) -> Option<u64> {
        let fits = |shortest: usize, longest: usize| {
            shortest as u64 >= fit.shortest && fit.longest.is_none_or(|most| longest as u64 <= most)
        };
        let all_fit = |mut entries: &mut dyn Iterator<Item = &str>| {
            Iterator::all(&mut entries, |entry| fits(entry.chars().count(), entry.chars().count()))
        };
        match self {
            Self::Choice { entries, .. } => {
                let distinct: BTreeSet<String> = entries.iter().map(|entry| entry.to_lowercase()).collect();
                let differ = distinct.len() == entries.len() || !(folds || fit.lower.is_some());
                (differ && all_fit(&mut entries.iter().map(String::as_str))).then_some(entries.len() as u64)
            }
            Self::Dictionary(entries) => {
                all_fit(&mut entries.iter().copied()).then_some(entries.len() as u64)
            }
            Self::Pattern(pattern) => {
                let (shortest, longest) = pattern.lengths();
                let counts =
                    pattern.is_injective() && fits(shortest, longest) && !folds && fit.lower.is_none();
                counts.then(|| pattern.size())
            }
            Self::Code(width) => Some(36_u64.pow((*width).min(12))),
            Self::Numbered(_) => Some(COUNTED),
            Self::Template(parts) if numbers_itself(parts, fit.longest, plain) => Some(COUNTED),
            _ => None,
        }
    }
}

/// Numbers that are written into texts are below this; so many digits they have.
pub(super) const COUNTED: u64 = 1 << 41;
pub(super) const COUNTED_DIGITS: u64 = 13;

/// Whether a template's `{unique}` makes its texts differ: no other digit can stand in them, and it is never cut off.
fn numbers_itself(parts: &[Part], longest: Option<u64>, plain: &[Option<usize>]) -> bool {
    let sibling = |column: &usize| plain.get(*column).copied().flatten();
    let is_plain = |part: &Part| match part {
        Part::Literal(text) => !has_digit(text),
        Part::Dictionary { entries, .. } => longest_plain(entries).is_some(),
        Part::Column { column, .. } => sibling(column).is_some(),
        Part::Number => false,
        Part::Unique => true,
    };
    let size = |part: &Part| match part {
        Part::Literal(text) => text.len(),
        // A slug may be longer than what it is of, by its umlauts.
        Part::Dictionary { entries, .. } => longest_plain(entries).unwrap_or(0) + 4,
        Part::Column { column, .. } => sibling(column).unwrap_or(0) + 4,
        _ => 0,
    };
    let Some(at) = parts.iter().position(|part| matches!(part, Part::Unique)) else { return false };
    let behind: usize = parts.iter().skip(at + 1).map(size).sum();
    let one = parts.iter().filter(|part| matches!(part, Part::Unique)).count() == 1;
    one && parts.iter().all(is_plain) && longest.is_none_or(|most| behind as u64 + COUNTED_DIGITS <= most)
}

fn has_digit(text: &str) -> bool {
    text.chars().any(char::is_numeric)
}

/// The length of the longest entry in bytes, where none has a digit.
pub(super) fn longest_plain(entries: &[&str]) -> Option<usize> {
    let plain = !entries.iter().any(|entry| has_digit(entry));
    plain.then(|| entries.iter().map(|entry| entry.len()).max().unwrap_or(0))
}
