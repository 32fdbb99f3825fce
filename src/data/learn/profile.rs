//! A profile: figures about a database's tables and columns, and no value of theirs.

use std::collections::BTreeMap;
use std::fmt;

use crate::data::schema::TableName;

/// A whole profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// What its figures rest on.
    pub rules: Rules,
    /// The tables that were measured.
    pub tables: BTreeMap<TableName, TableProfile>,
}

/// What keeps a single row from being read off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// No figure rests on fewer rows; above 0. What fewer rows have is `under` so many.
    pub least: u64,
    /// A value is named only where at least this share of the rows has it, 0 to 1.
    pub label_share: f64,
    /// A value is named only where its column has at most so many different ones.
    pub most_labels: u64,
}

impl Default for Rules {
    /// 50 rows, 1 %, 20 values.
    fn default() -> Self {
        Self { least: 50, label_share: 0.01, most_labels: 20 }
    }
}

/// What is known of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableProfile {
    /// Its rows.
    pub rows: Quantity,
    /// Its columns, by name. Empty where there are too few rows to say anything.
    pub columns: BTreeMap<String, ColumnProfile>,
    /// Columns whose ranks go together.
    pub correlations: Vec<Correlation>,
    /// How many children parents have, by foreign key.
    pub keys: BTreeMap<String, FanOutProfile>,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// None at all.
    None,
    /// Some, and fewer than [`Rules::least`].
    Under,
    /// About so many, to two significant digits.
    About(u64),
}

impl Quantity {
    /// Of a count, where no figure may rest on fewer than `least`.
    pub fn of(count: u64, least: u64) -> Self {
        match count {
            0 => Self::None,
            few if few < least => Self::Under,
            many => Self::About(two_digits(many)),
        }
    }
}

/// A part of some rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// None of them.
    None,
    /// Some, and fewer than [`Rules::least`].
    Under,
    /// So many percent, above 0 and below 100, to two significant digits.
    Percent(f64),
    /// All but some, and those are fewer than [`Rules::least`].
    AllButUnder,
    /// All of them.
    All,
}

impl Share {
    /// Of `part` of `whole` rows, where no figure may rest on fewer than `least`.
    pub fn of(part: u64, whole: u64, least: u64) -> Self {
        match (part, whole.saturating_sub(part)) {
            (0, _) => Self::None,
            (_, 0) => Self::All,
            (few, _) if few < least => Self::Under,
            (_, few) if few < least => Self::AllButUnder,
            _ => Self::Percent(two_digits_of(100.0 * ratio(part, whole)).min(99.0)),
        }
    }

    /// As a number from 0 to 1; what is not told is taken as half a percent.
    pub fn part(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Under => 0.005,
            Self::Percent(percent) => percent / 100.0,
            Self::AllButUnder => 0.995,
            Self::All => 1.0,
        }
    }
}

/// How many different values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distinct {
    /// So many, and each is in [`Rules::least`] rows or more.
    Each(u64),
    /// About so many: to tens below 100, else to two significant digits.
    About(u64),
    /// No two rows have the same.
    All,
}

impl Distinct {
    /// Of `count` values in `rows` rows, the rarest of them in `rarest` rows.
    pub fn of(count: u64, rows: u64, rarest: u64, rules: &Rules) -> Self {
        if count >= rows {
            Self::All
        } else if count <= rules.most_labels && rarest >= rules.least {
            Self::Each(count)
        } else if count < 100 {
            Self::About(((count + 5) / 10 * 10).max(10))
        } else {
            Self::About(two_digits(count))
        }
    }
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnProfile {
    /// The share of nulls.
    pub nulls: Share,
    /// Different values; none where too few rows have one.
    pub distinct: Option<Distinct>,
    /// Widths, of what is no number and no time.
    pub widths: Option<Widths>,
    /// Values that may be named, the most frequent first, and the share of the rows that have them.
    pub labels: Vec<(String, Share)>,
    /// Shares of the most frequent values, which are not named, the most frequent first.
    pub frequencies: Vec<f64>,
    /// The n-th value is about 1/n^exponent as frequent as the first, where that fits.
    pub zipf: Option<f64>,
    /// How numbers and times lie.
    pub lies: Option<NumberShape>,
    /// When times are.
    pub seasons: Option<Seasons>,
}

/// Characters or bytes, as the next power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// On average, those counted no more than `most`.
    pub average: u64,
    /// The width that [`Rules::least`] rows have or surpass.
    pub most: u64,
}

/// How numbers lie, whatever their scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberShape {
    /// Where the quartiles lie between the 5th percentile (0) and the 95th (1), in steps of 0.05.
    pub quartiles: [f64; 3],
    /// The share of those below 0.
    pub negative: Share,
    /// The share of zeros.
    pub zero: Share,
}

/// When times are, in UTC.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seasons {
    /// Seconds between the 5th percentile and the 95th, as the nearest power of two.
    pub span: Option<u64>,
    /// How many times as many at the end as at the start, to two significant digits.
    pub growth: Option<f64>,
    /// Percent of Monday to Sunday; empty where nothing is known.
    pub days: Vec<f64>,
    /// Percent of the hours from midnight; empty where nothing is known.
    pub hours: Vec<f64>,
}

/// Two columns whose ranks go together.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation {
    /// The columns.
    pub columns: [String; 2],
    /// Spearman's rank correlation, -1 to 1, in steps of 0.1.
    pub rank: f64,
}

/// How many children parents have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FanOutProfile {
    /// On average over all parents, to two significant digits.
    pub mean: f64,
    /// Numbers of children, and the percent of parents that have about so many; rising.
    pub children: Vec<(u64, f64)>,
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("0%"),
            Self::Under => out.write_str("few"),
            Self::Percent(percent) => write!(out, "{percent}%"),
            Self::AllButUnder => out.write_str("all but few"),
            Self::All => out.write_str("100%"),
        }
    }
}

/// To two significant digits.
pub(super) fn two_digits_of(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "two digits are kept"
)]
pub(super) fn two_digits(number: u64) -> u64 {
    two_digits_of(number as f64) as u64
}

#[expect(clippy::cast_precision_loss, reason = "two digits are kept")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_row_is_not_told() {
        for (part, whole, expected) in [
            (0, 0, Share::None),
            (0, 1000, Share::None),
            (1, 1000, Share::Under),
            (49, 1000, Share::Under),
            (50, 1000, Share::Percent(5.0)),
            (333, 1000, Share::Percent(33.0)),
            (123, 100_000, Share::Percent(0.12)),
            (99_900, 100_000, Share::Percent(99.0)),
            (999, 1000, Share::AllButUnder),
            (1000, 1000, Share::All),
        ] {
            assert_eq!(Share::of(part, whole, 50), expected, "{part} of {whole}");
        }
        let quantities = [0, 1, 49, 50, 1234, 98_765].map(|count| Quantity::of(count, 50));
        let about = Quantity::About;
        assert_eq!(
            quantities,
            [Quantity::None, Quantity::Under, Quantity::Under, about(50), about(1200), about(99_000)]
        );
    }

    #[test]
    fn few_values_are_counted_where_each_is_common() {
        let rules = Rules::default();
        for ((count, rows, rarest), expected) in [
            ((3, 1000, 50), Distinct::Each(3)),
            ((3, 1000, 1), Distinct::About(10)),
            ((26, 10_000, 100), Distinct::About(30)),
            ((1234, 10_000, 1), Distinct::About(1200)),
            ((1000, 1000, 1), Distinct::All),
        ] {
            assert_eq!(Distinct::of(count, rows, rarest, &rules), expected, "{count} {rows}");
        }
    }
}
