//! What a column's values are likely to be, by its name, type and constraints.

use super::calendar::{DAY, date};
use super::check::Limits;
use super::compile::Ends;
use super::form::{Form, Unit};
use super::guess_time::guess_time;
use crate::data::schema::{Column, Made, Table};
use crate::data::seed::{FanOut, Make, Spread};

/// A guess.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) struct Guess {
    /// What makes the values; none where the type does by itself.
    pub(in crate::data) make: Option<Make>,
    /// The share of nulls, for a column that can be null.
    pub(in crate::data) null: f64,
    /// Why.
    pub(in crate::data) why: &'static str,
}

/// The reason where a name says nothing.
pub(super) const TYPE: &str = "its type";

/// Names of numbers, and the range that they mean.
const RANGES: [(&[&str], i64, i64, &str); 8] = [
    (&["age"], 18, 90, "its name: years of life"),
    (&["rating", "stars", "score"], 1, 5, "its name: a rating"),
    (&["percent", "percentage", "progress"], 0, 100, "its name: a percentage"),
    (&["latitude", "lat"], -90, 90, "its name: a latitude"),
    (&["longitude", "lng", "lon"], -180, 180, "its name: a longitude"),
    (&["rate", "discount", "tax", "share", "ratio", "probability"], 0, 1, "its name: a share"),
    (&["weight", "height", "width", "length", "depth"], 1, 100, "its name: a measure"),
    (
        &["position", "sort", "rank", "line", "number", "seq", "sequence"],
        1,
        100,
        "its name: a place in an order",
    ),
];

/// What is known about a column.
pub(in crate::data) struct Known<'a> {
    /// Its table.
    pub(in crate::data) table: &'a Table,
    /// Itself.
    pub(in crate::data) column: &'a Column,
    /// Its type's values.
    pub(in crate::data) form: &'a Form,
    /// What constraints ask.
    pub(in crate::data) limits: &'a Limits,
    /// Whether a foreign key gives its value.
    pub(in crate::data) refers: bool,
    /// Whether it is unique by itself.
    pub(in crate::data) unique: bool,
    /// The clock.
    pub(in crate::data) clock: i64,
}

/// What a name says: of a path into a document its last field, `customer.0.firstName` as `first_name`.
fn said(name: &str) -> String {
    let is_item = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let last = name.rsplit('.').find(|part| !is_item(part)).unwrap_or(name);
    let mut said = String::new();
    let mut was_lower = false;
    for character in last.chars() {
        if character.is_ascii_uppercase() && was_lower {
            said.push('_');
        }
        was_lower = character.is_ascii_lowercase();
        said.push(character.to_ascii_lowercase());
    }
    said
}

pub(super) fn guess(make: impl Into<Option<Make>>, null: f64, why: &'static str) -> Guess {
    Guess { make: make.into(), null, why }
}

impl Known<'_> {
    /// What its values are likely to be.
    pub(in crate::data) fn guess(&self) -> Guess {
        if self.refers {
            return guess(Make::Parent(FanOut::Uniform), 0.1, "a foreign key");
        }
        if let Some(allowed) = &self.limits.allowed {
            let entries = allowed.iter().map(|entry| (entry.clone(), 1.0)).collect();
            return guess(Make::Choice(entries), 0.05, "a constraint lists its values");
        }
        match self.form {
            Form::Boolean => self.truth(),
            Form::Label(labels) => {
                let labels = labels.iter().filter(|label| !self.limits.excluded.contains(label));
                guess(
                    Make::Choice(labels.map(|label| (label.clone(), 1.0)).collect()),
                    0.05,
                    "its type's labels",
                )
            }
            Form::Number { unit, .. } => self.number(*unit),
            Form::Text { longest, .. } => super::guess_text::guess_text(self, *longest),
            Form::Special(_) => guess(None, 0.1, TYPE),
            Form::Unknown(_) => {
                guess(Make::Constant(None), 1.0, "its type is not known: write a `choice` or a `pattern`")
            }
        }
    }

    pub(super) fn named(&self, words: &[&str]) -> bool {
        let name = said(&self.column.name);
        let parts: Vec<&str> = name.split(['_', '-', ' ']).collect();
        words.iter().any(|word| if word.contains('_') { name.contains(word) } else { parts.contains(word) })
    }

    fn truth(&self) -> Guess {
        let (yes, why) =
            if self.named(&["deleted", "archived", "blocked", "banned", "disabled", "admin", "is_admin"]) {
                (5.0, "its name: rarely true")
            } else if self.named(&["active", "enabled", "verified", "visible", "public", "published"]) {
                (90.0, "its name: mostly true")
            } else {
                (50.0, TYPE)
            };
        guess(Make::Choice(vec![("true".to_owned(), yes), ("false".to_owned(), 100.0 - yes)]), 0.05, why)
    }

    fn number(&self, unit: Unit) -> Guess {
        match unit {
            Unit::Decimal { scale } => self.amount(scale),
            Unit::Time { .. } => {
                self.range(Spread::Uniform, (8 * 3600 * 1_000_000, 18 * 3600 * 1_000_000), 0.1, TYPE)
            }
            Unit::Day | Unit::Instant { .. } => guess_time(self, unit),
        }
    }

    fn amount(&self, scale: u32) -> Guess {
        let one = 10_i64.pow(scale.min(17));
        let whole = scale == 0;
        let counts = matches!(self.column.made, Made::IdentityAlways | Made::Sequence);
        if whole && (counts || self.unique || self.table.primary_key == [self.column.name.as_str()]) {
            let start = Ends::of(self.form, self.limits, self.clock).map_or(1, |ends| ends.near(1, 1).0);
            return guess(Make::Sequence { start, step: 1 }, 0.0, "a key");
        }
        let uniform =
            |low: i64, high: i64, why| self.range(Spread::Uniform, (low * one, high * one), 0.1, why);
        if self.named(&[
            "price", "amount", "total", "cost", "subtotal", "fee", "salary", "balance", "payment", "revenue",
        ]) {
            let mean = if self.named(&["salary", "revenue", "balance"]) { "2000" } else { "40" };
            let shape = Spread::Exponential { mean: mean.to_owned() };
            return self.range(shape, (one, 5000 * one), 0.05, "its name: an amount, mostly small");
        }
        if self.named(&["quantity", "qty", "count", "units"]) {
            return self.range(
                Spread::Zipf { exponent: 1.2 },
                (one, 20 * one),
                0.05,
                "its name: a number of things",
            );
        }
        if self.named(&["year"]) {
            let (year, ..) = date(self.clock.div_euclid(DAY));
            return uniform(year - 30, year, "its name: a year");
        }
        let found = RANGES.iter().find(|(words, ..)| self.named(words));
        found.map_or_else(|| uniform(0, 1000, TYPE), |(_, low, high, why)| uniform(*low, *high, why))
    }

    /// A range within what is allowed.
    pub(super) fn range(
        &self,
        shape: Spread,
        (low, high): (i64, i64),
        null: f64,
        why: &'static str,
    ) -> Guess {
        let (low, high) = match Ends::of(self.form, self.limits, self.clock) {
            // Without a name that says more, ends that are both asked for are what is meant.
            Some(ends) if why == TYPE && ends.asked == (true, true) && ends.low <= ends.high => {
                (ends.low, ends.high)
            }
            Some(ends) => ends.near(low, high),
            None => (low, high),
        };
        let text = |units| {
            let mut out = Vec::new();
            if let Form::Number { unit, .. } = self.form {
                unit.write(units, &mut out);
            }
            String::from_utf8_lossy(&out).into_owned()
        };
        guess(Make::Range { shape, min: Some(text(low)), max: Some(text(high)) }, null, why)
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn names_of_columns_and_of_paths_say_the_same() {
        for name in ["first_name", "FIRST_NAME", "firstName", "customer.firstName", "people.0.first_name"] {
            assert_eq!(said(name), "first_name", "{name}");
        }
        assert_eq!((said("tags.0"), said("1.2")), ("tags".to_owned(), "1.2".to_owned()));
    }
}
