//! Limits in a column's own units.

use crate::data::generate::check::{Bound, Limits};
use crate::data::generate::form::Form;

/// The numbers that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Ends {
    /// The least.
    pub(in crate::data) low: i64,
    /// The greatest.
    pub(in crate::data) high: i64,
    /// Whether the least, and the greatest, are asked for by constraints rather than by the type.
    pub(in crate::data) asked: (bool, bool),
    /// None of these; sorted.
    pub(in crate::data) excluded: Vec<i64>,
    /// One of these.
    pub(in crate::data) allowed: Option<Vec<i64>>,
}

impl Ends {
    /// Of a form of numbers; none where a constant of the limits is none of its values, or the form has no numbers.
    pub(in crate::data) fn of(form: &Form, limits: &Limits, clock: i64) -> Option<Self> {
        let (mut low, mut high) = match form {
            Form::Number { range, .. } => *range,
            Form::Boolean => (0, 1),
            _ => return None,
        };
        let units = |text: &str| match form {
            Form::Boolean => truth(text).map(|truth| (i64::from(truth), true)),
            _ => form.units(text, clock),
        };
        for Bound { text, inclusive } in &limits.low {
            let (units, exact) = units(text)?;
            low = low.max(units.saturating_add(i64::from(!exact || !inclusive)));
        }
        for Bound { text, inclusive } in &limits.high {
            let (units, exact) = units(text)?;
            high = high.min(units.saturating_sub(i64::from(exact && !inclusive)));
        }
        let exactly = |texts: &[String]| {
            let all: Option<Vec<_>> = texts.iter().map(|text| units(text)).collect();
            let mut found: Vec<i64> =
                all?.into_iter().filter(|(_, exact)| *exact).map(|(units, _)| units).collect();
            found.sort_unstable();
            found.dedup();
            Some(found)
        };
        let mut excluded = exactly(&limits.excluded)?;
        // What is excluded at the ends only moves them.
        while let Some(at) = excluded.iter().position(|value| *value == low || *value == high) {
            let value = excluded.remove(at);
            if value == low { low += 1 } else { high -= 1 }
        }
        excluded.retain(|value| (low..=high).contains(value));
        let allowed = match &limits.allowed {
            None => None,
            Some(texts) => {
                let mut allowed = exactly(texts)?;
                allowed.retain(|value| (low..=high).contains(value) && !excluded.contains(value));
                Some(allowed)
            }
        };
        Some(Self { low, high, asked: (!limits.low.is_empty(), !limits.high.is_empty()), excluded, allowed })
    }

    /// The part of `low..=high` that is allowed; where none is, as wide a part at the allowed end nearest to it.
    pub(in crate::data) fn near(&self, low: i64, high: i64) -> (i64, i64) {
        let (from, to) = (low.max(self.low), high.min(self.high));
        if from <= to {
            return (from, to);
        }
        let width = high.saturating_sub(low).max(0);
        if low > self.high {
            (self.high.saturating_sub(width).max(self.low), self.high)
        } else {
            (self.low, self.low.saturating_add(width).min(self.high))
        }
    }
}

/// A truth as databases write it.
pub(in crate::data) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::form::Unit;

    #[test]
    fn limits_become_units() {
        let form = Form::Number { unit: Unit::Decimal { scale: 1 }, range: (-999, 999) };
        let bound = |text: &str, inclusive| Bound { text: text.into(), inclusive };
        let cases = [
            (vec![bound("0", false)], vec![bound("10", false)], vec![], (1, 99)),
            (vec![bound("0.55", true)], vec![bound("0.99", true)], vec![], (6, 9)),
            (vec![bound("0.55", false)], vec![bound("0.99", false)], vec![], (6, 9)),
            (vec![bound("0", true)], vec![], vec!["0", "0.1"], (2, 999)),
        ];
        for (low, high, excluded, ends) in cases {
            let excluded = excluded.into_iter().map(str::to_owned).collect();
            let limits = Limits { low, high, excluded, ..Limits::default() };
            let found = Ends::of(&form, &limits, 0).unwrap();
            assert_eq!((found.low, found.high), ends, "{limits:?}");
        }
        let wrong = Limits { low: vec![bound("x", true)], ..Limits::default() };
        assert_eq!(Ends::of(&form, &wrong, 0), None);
    }

    #[test]
    fn a_guess_is_brought_into_the_allowed_range() {
        let ends = |low, high| Ends { low, high, asked: (true, true), excluded: vec![], allowed: None };
        assert_eq!(ends(0, 10).near(5, 100), (5, 10));
        assert_eq!(ends(1000, 9999).near(0, 100), (1000, 1100));
        assert_eq!(ends(-50, -10).near(0, 100), (-50, -10));
    }
}
