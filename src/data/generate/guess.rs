//! What a column's values are likely to be, by its name, type and constraints.

use super::calendar::{DAY, date};
use super::check::Limits;
use super::compile::Ends;
use super::form::{Form, Unit, write_integer};
use crate::data::schema::{Column, Table};
use crate::data::seed::{FanOut, Make, Series, Spread};

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
                guess(Make::Choice(labels.map(|label| (label.clone(), 1.0)).collect()), 0.05, "its type's labels")
            }
            Form::Number { unit, .. } => self.number(*unit),
            Form::Text { longest, .. } => super::guess_text::guess_text(self, *longest),
            Form::Special(_) => guess(None, 0.1, "its type"),
            Form::Unknown(_) => guess(Make::Constant(None), 1.0, "its type is not known: write a `choice` or a `pattern`"),
        }
    }

    pub(super) fn named(&self, words: &[&str]) -> bool {
        let name = self.column.name.to_ascii_lowercase();
        let parts: Vec<&str> = name.split(['_', '-', ' ']).collect();
        words.iter().any(|word| if word.contains('_') { name.contains(word) } else { parts.contains(word) })
    }

    fn truth(&self) -> Guess {
        let (yes, why) = if self.named(&["deleted", "archived", "blocked", "banned", "disabled", "admin", "is_admin"]) {
            (5.0, "its name: rarely true")
        } else if self.named(&["active", "enabled", "verified", "visible", "public", "published"]) {
            (90.0, "its name: mostly true")
        } else {
            (50.0, "its type")
        };
        guess(Make::Choice(vec![("true".to_owned(), yes), ("false".to_owned(), 100.0 - yes)]), 0.05, why)
    }

    fn number(&self, unit: Unit) -> Guess {
        match unit {
            Unit::Decimal { scale } => self.amount(scale),
            Unit::Time { .. } => self.range(Spread::Uniform, (8 * 3600 * 1_000_000, 18 * 3600 * 1_000_000), 0.1, "its type"),
            Unit::Day | Unit::Instant { .. } => self.time(unit),
        }
    }

    fn amount(&self, scale: u32) -> Guess {
        let one = 10_i64.pow(scale.min(17));
        let whole = scale == 0;
        if whole && (self.unique || self.table.primary_key == [self.column.name.as_str()]) {
            let start = Ends::of(self.form, self.limits, self.clock).map_or(1, |ends| ends.near(1, 1).0);
            return guess(Make::Sequence { start, step: 1 }, 0.0, "a key");
        }
        let uniform = |low: i64, high: i64, why| self.range(Spread::Uniform, (low * one, high * one), 0.1, why);
        if self.named(&["price", "amount", "total", "cost", "subtotal", "fee", "salary", "balance", "payment", "revenue"]) {
            let mean = if self.named(&["salary", "revenue", "balance"]) { "2000" } else { "40" };
            let shape = Spread::Exponential { mean: mean.to_owned() };
            return self.range(shape, (one, 5000 * one), 0.05, "its name: an amount, mostly small");
        }
        if self.named(&["quantity", "qty", "count", "units"]) {
            return self.range(Spread::Zipf { exponent: 1.2 }, (one, 20 * one), 0.05, "its name: a number of things");
        }
        let cases: [(&[&str], i64, i64, &'static str); 8] = [
            (&["age"], 18, 90, "its name: years of life"),
            (&["rating", "stars", "score"], 1, 5, "its name: a rating"),
            (&["percent", "percentage", "progress"], 0, 100, "its name: a percentage"),
            (&["latitude", "lat"], -90, 90, "its name: a latitude"),
            (&["longitude", "lng", "lon"], -180, 180, "its name: a longitude"),
            (&["rate", "discount", "tax", "share", "ratio", "probability"], 0, 1, "its name: a share"),
            (&["weight", "height", "width", "length", "depth"], 1, 100, "its name: a measure"),
            (&["position", "sort", "rank", "line", "number", "seq", "sequence"], 1, 100, "its name: a place in an order"),
        ];
        if self.named(&["year"]) {
            let (year, ..) = date(self.clock.div_euclid(DAY));
            return uniform(year - 30, year, "its name: a year");
        }
        let found = cases.into_iter().find(|(words, ..)| self.named(words));
        found.map_or_else(|| uniform(0, 1000, "its type"), |(_, low, high, why)| uniform(low, high, why))
    }

    /// A range within what is allowed.
    fn range(&self, shape: Spread, (low, high): (i64, i64), null: f64, why: &'static str) -> Guess {
        let (low, high) = match Ends::of(self.form, self.limits, self.clock) {
            Some(ends) => {
                let ends_asked = (ends.asked.0.then_some(ends.low), ends.asked.1.then_some(ends.high));
                match ends_asked {
                    // Both ends are told: they are what is meant.
                    (Some(low), Some(high)) if low <= high => (low, high),
                    _ => ends.near(low, high),
                }
            }
            None => (low, high),
        };
        let text = |units| {
            let mut out = Vec::new();
            if let Form::Number { unit, .. } = self.form {
                unit.write(units, &mut out);
            } else {
                write_integer(0, &mut out);
            }
            String::from_utf8_lossy(&out).into_owned()
        };
        guess(Make::Range { shape, min: Some(text(low)), max: Some(text(high)) }, null, why)
    }

    fn time(&self, unit: Unit) -> Guess {
        let per_day = if unit == Unit::Day { 1 } else { DAY };
        let now = self.clock / (DAY / per_day);
        if self.named(&["birth", "birthday", "birthdate", "born", "dob", "date_of_birth"]) {
            let years = |years: i64| now - years * 365 * per_day;
            return self.range(Spread::Uniform, (years(85), years(18)), 0.1, "its name: a day of birth");
        }
        let created = self.table.columns.iter().find(|column| {
            let is_time = column.kind == self.column.kind;
            is_time && matches!(column.name.as_str(), "created_at" | "created_on" | "created" | "inserted_at" | "creation_date")
        });
        let rare = self.named(&["deleted_at", "cancelled_at", "canceled_at", "archived_at", "deleted", "revoked_at", "banned_at"]);
        let null = if rare { 0.9 } else { 0.1 };
        if let Some(created) = created.filter(|created| created.name != self.column.name) {
            let (mean, why) = if self.named(&["expires", "expires_at", "valid_until", "due", "due_at", "due_date", "expiry"]) {
                ("30d", "its name: after it was created")
            } else {
                ("3d", "the table has a time of creation")
            };
            return guess(Make::After { column: created.name.clone(), mean: mean.to_owned(), max: Some("365d".to_owned()) }, null, why);
        }
        if self.limits.low.is_empty() && self.limits.high.is_empty() {
            return guess(Make::Series(business()), null, "its type: a time of business in the last year");
        }
        self.range(Spread::Uniform, (now - 365 * per_day, now), null, "its type")
    }
}

/// Working days and hours.
fn business() -> Series {
    let hours = (0..24).map(|hour| match hour {
        9..=17 => 10.0,
        7 | 8 | 18..=21 => 5.0,
        _ => 1.0,
    });
    Series { days: vec![5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 2.0], hours: hours.collect(), ..Series::default() }
}
