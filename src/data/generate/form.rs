//! How a column's values are held while they are made: numbers as whole units (cents, days, microseconds), all else as text.

use super::calendar::{self, DAY, SECOND};
use super::digits::{write_date, write_decimal, write_time};
use super::distribution::span;
use crate::data::schema::{ColumnType, Schema};

/// The largest number of units that is ever made: sums of two stay within 64 bits.
pub(in crate::data) const MOST: i64 = 999_999_999_999_999_999;
/// Digits after the point that floats are made with.
const FLOAT_SCALE: u32 = 3;

/// A type's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Form {
    /// True or false.
    Boolean,
    /// Numbers, one each unit.
    Number {
        /// What a unit is.
        unit: Unit,
        /// The least and the greatest.
        range: (i64, i64),
    },
    /// Text.
    Text {
        /// Characters at most.
        longest: Option<u64>,
        /// Whether letters' case is no difference.
        folds: bool,
    },
    /// One of the labels.
    Label(Vec<String>),
    /// Another type's literal.
    Special(Special),
    /// A type that nothing is known about: its values have to be told.
    Unknown(String),
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Unit {
    /// Units of 1 / 10^scale.
    Decimal {
        /// Digits after the point.
        scale: u32,
    },
    /// Days since 1970.
    Day,
    /// Microseconds of a day.
    Time {
        /// Whether with an offset.
        zoned: bool,
    },
    /// Microseconds since 1970, UTC.
    Instant {
        /// Whether with an offset.
        zoned: bool,
    },
}

/// Types whose values are made whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Special {
    /// Bytes.
    Bytes,
    /// A version 4 UUID.
    Uuid,
    /// A span of hours, minutes and seconds.
    Interval,
    /// A JSON object.
    Json,
    /// An XML element.
    Xml,
    /// A private IPv4 address.
    Address,
    /// A locally administered Ethernet address.
    MacAddress,
    /// So many bits.
    Bits(u32),
    /// Words for search.
    Words,
    /// A point of the plane.
    Point,
    /// Some values of a form.
    Array(Box<Form>),
    /// A range of a number.
    Range(Unit),
}

impl Form {
    /// Of a type. Domains are those of what they are based on.
    pub(in crate::data) fn of(kind: &ColumnType, schema: &Schema) -> Self {
        Self::nested(kind, schema, 0)
    }

    fn nested(kind: &ColumnType, schema: &Schema, depth: u32) -> Self {
        let number = |scale, range| Self::Number { unit: Unit::Decimal { scale }, range };
        let text = |longest: Option<u32>, folds| Self::Text { longest: longest.map(u64::from), folds };
        match kind {
            _ if depth > 8 => Self::Unknown("a type nested too deep".to_owned()),
            ColumnType::Boolean => Self::Boolean,
            ColumnType::SmallInt => number(0, (i16::MIN.into(), i16::MAX.into())),
            ColumnType::Integer => number(0, (i32::MIN.into(), i32::MAX.into())),
            ColumnType::BigInt => number(0, (-MOST, MOST)),
            ColumnType::Numeric { precision, scale } => {
                let scale = if precision.is_none() && *scale == 0 { 2 } else { u32::from(*scale).min(17) };
                let most = 10_i64
                    .checked_pow(precision.map_or(18, u32::from).min(18))
                    .map_or(MOST, |power| power - 1);
                number(scale, (-most, most))
            }
            // Seven digits are exact in 32 bits, fifteen in 64.
            ColumnType::Real => number(FLOAT_SCALE, (-9_999_999, 9_999_999)),
            ColumnType::Double => number(FLOAT_SCALE, (-999_999_999_999_999, 999_999_999_999_999)),
            ColumnType::Money => number(2, (-MOST, MOST)),
            ColumnType::Text => text(None, false),
            ColumnType::VarChar(longest) | ColumnType::Char(longest) => text(Some(*longest), false),
            ColumnType::CiText => text(None, true),
            ColumnType::Date => time(Unit::Day),
            ColumnType::Time { zoned } => time(Unit::Time { zoned: *zoned }),
            ColumnType::Timestamp { zoned } => time(Unit::Instant { zoned: *zoned }),
            ColumnType::Enum(name) => Self::Label(schema.enums.get(name).cloned().unwrap_or_default()),
            ColumnType::Domain(name) => match schema.domains.get(name) {
                Some(domain) => Self::nested(&domain.base, schema, depth + 1),
                None => Self::Unknown(name.clone()),
            },
            ColumnType::Array(of) => match Self::nested(of, schema, depth + 1) {
                Self::Unknown(name) => Self::Unknown(name),
                form => Self::Special(Special::Array(Box::new(form))),
            },
            ColumnType::Range(of) => match Self::nested(of, schema, depth + 1) {
                Self::Number { unit, .. } => Self::Special(Special::Range(unit)),
                _ => Self::Unknown("range".to_owned()),
            },
            other => special(other),
        }
    }

    /// Units of a constant, rounded down, and whether that is exactly it. `now` is the clock's.
    pub(in crate::data) fn units(&self, text: &str, clock: i64) -> Option<(i64, bool)> {
        match self {
            Self::Number { unit, .. } => unit.parse(text, clock),
            _ => None,
        }
    }
}

fn time(unit: Unit) -> Form {
    let range = match unit {
        Unit::Time { .. } => (0, DAY - SECOND),
        Unit::Day => (calendar::day(1900, 1, 1), calendar::day(9999, 12, 31)),
        _ => (calendar::day(1900, 1, 1) * DAY, calendar::day(9999, 12, 31) * DAY),
    };
    Form::Number { unit, range }
}

fn special(kind: &ColumnType) -> Form {
    Form::Special(match kind {
        ColumnType::Bytes => Special::Bytes,
        ColumnType::Uuid => Special::Uuid,
        ColumnType::Interval => Special::Interval,
        ColumnType::Json | ColumnType::Jsonb => Special::Json,
        ColumnType::Xml => Special::Xml,
        ColumnType::Inet | ColumnType::Cidr => Special::Address,
        ColumnType::MacAddress => Special::MacAddress,
        ColumnType::Bit(bits) => Special::Bits(*bits),
        ColumnType::VarBit(bits) => Special::Bits(bits.unwrap_or(8)),
        ColumnType::TextSearchVector => Special::Words,
        ColumnType::Other(name) if name == "point" => Special::Point,
        ColumnType::Other(name) if name == "name" => return Form::Text { longest: Some(63), folds: false },
        ColumnType::Other(name) if name == "oid" => {
            return Form::Number { unit: Unit::Decimal { scale: 0 }, range: (0, u32::MAX.into()) };
        }
        other => return Form::Unknown(format!("{other:?}")),
    })
}

impl Unit {
    fn parse(self, text: &str, clock: i64) -> Option<(i64, bool)> {
        let text = text.trim();
        match self {
            Self::Decimal { scale } => decimal(text, scale),
            Self::Day => {
                let micros = if text == "now" { clock } else { calendar::parse_timestamp(text)? };
                Some((micros.div_euclid(DAY), micros.rem_euclid(DAY) == 0))
            }
            Self::Time { .. } => Some((calendar::parse_time(text.trim_end_matches("+00"))?, true)),
            Self::Instant { .. } if text == "now" => Some((clock, true)),
            Self::Instant { .. } => Some((calendar::parse_timestamp(text)?, true)),
        }
    }

    /// Units of a distance: a number for numbers, a span (`2d`) for times.
    pub(in crate::data) fn distance(self, text: &str) -> Option<i64> {
        match self {
            Self::Decimal { scale } => decimal(text.trim(), scale).map(|(units, _)| units),
            Self::Day => calendar::parse_span(text).map(|micros| micros / DAY),
            Self::Time { .. } | Self::Instant { .. } => calendar::parse_span(text),
        }
    }

    /// A number of these units in another's, up or down to a whole one; none where they count different things.
    pub(in crate::data) fn convert(self, value: i64, to: Self, up: bool) -> Option<i64> {
        let divided = |value: i64, by: i64| value.div_euclid(by) + i64::from(up && value.rem_euclid(by) != 0);
        match (self, to) {
            (Self::Decimal { scale: from }, Self::Decimal { scale: to }) if from > to => {
                Some(divided(value, 10_i64.checked_pow(from - to)?))
            }
            (Self::Decimal { scale: from }, Self::Decimal { scale: to }) => {
                Some(value.saturating_mul(10_i64.checked_pow(to - from)?))
            }
            (Self::Day, Self::Instant { .. }) => Some(value.saturating_mul(DAY)),
            (Self::Instant { .. }, Self::Day) => Some(divided(value, DAY)),
            (Self::Day, Self::Day)
            | (Self::Instant { .. }, Self::Instant { .. })
            | (Self::Time { .. }, Self::Time { .. }) => Some(value),
            _ => None,
        }
    }

    /// Writes a number of units as databases read it.
    pub(in crate::data) fn write(self, value: i64, out: &mut Vec<u8>) {
        match self {
            Self::Decimal { scale } => write_decimal(value, scale, out),
            Self::Day => write_date(value, out),
            Self::Time { zoned } => {
                write_time(value, out);
                out.extend_from_slice(if zoned { b"+00" } else { b"" });
            }
            Self::Instant { zoned } => {
                write_date(value.div_euclid(DAY), out);
                out.push(b' ');
                write_time(value.rem_euclid(DAY), out);
                out.extend_from_slice(if zoned { b"+00" } else { b"" });
            }
        }
    }
}

/// `-12.345` in units of 1 / 10^scale, rounded down.
fn decimal(text: &str, scale: u32) -> Option<(i64, bool)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (digits, exponent) =
        digits.split_once(['e', 'E']).map_or((digits, "0"), |(digits, power)| (digits, power));
    let exponent: i32 = exponent.parse().ok().filter(|power| (-40..=18).contains(power))?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let fits = whole.len() + part.len() <= 30 && !(whole.is_empty() && part.is_empty());
    let all = format!("{whole}{part}");
    (fits && all.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    let magnitude: i128 = all.parse().ok()?;
    let power = i32::try_from(scale).ok()? - i32::try_from(part.len()).ok()? + exponent;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    let value = if negative { -magnitude } else { magnitude };
    let (units, exact) = if power >= 0 {
        (value.checked_mul(factor)?, true)
    } else {
        (value.div_euclid(factor), value.rem_euclid(factor) == 0)
    };
    let most = i128::from(MOST);
    Some((i64::try_from(units.clamp(-most, most)).ok()?, exact))
}

impl Special {
    /// How many values of it are counted.
    pub(in crate::data) fn size(&self) -> u64 {
        match self {
            Self::Bytes | Self::Uuid | Self::Json | Self::Xml => 1 << 48,
            Self::Interval => 10_000_000,
            Self::Address => 1 << 24,
            Self::MacAddress => 1 << 40,
            Self::Bits(bits) => 1 << (*bits).min(48),
            Self::Words | Self::Point => 1 << 30,
            Self::Array(of) => match &**of {
                Form::Number { range: (low, high), .. } => span(*low, *high).min(1 << 30),
                Form::Special(special) => special.size(),
                Form::Boolean => 2,
                Form::Label(labels) => labels.len() as u64,
                _ => 36_u64.pow(6),
            },
            Self::Range(_) => 1 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::generate::calendar::HOUR;
    use proptest::prelude::*;

    fn written(unit: Unit, value: i64) -> String {
        let mut out = Vec::new();
        unit.write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn constants_become_units() {
        let decimal = Unit::Decimal { scale: 2 };
        let cases = [
            ("0", Some((0, true))),
            ("1.5", Some((150, true))),
            ("-0.005", Some((-1, false))),
            ("1e3", Some((100_000, true))),
            ("99999999999999999999999", Some((MOST, true))),
            ("x", None),
            ("", None),
            ("1.2.3", None),
        ];
        for (text, units) in cases {
            assert_eq!(decimal.parse(text, 0), units, "{text}");
        }
        assert_eq!(Unit::Day.parse("now", DAY + 1), Some((1, false)));
        assert_eq!(Unit::Instant { zoned: true }.parse("1970-01-02", 0), Some((DAY, true)));
        assert_eq!(Unit::Day.distance("2d"), Some(2));
        assert_eq!(decimal.distance("2.5"), Some(250));
    }

    #[test]
    fn units_are_written_as_databases_read_them() {
        assert_eq!(written(Unit::Decimal { scale: 2 }, -5), "-0.05");
        assert_eq!(written(Unit::Decimal { scale: 0 }, 1200), "1200");
        assert_eq!(written(Unit::Day, 0), "1970-01-01");
        assert_eq!(written(Unit::Instant { zoned: true }, SECOND / 2), "1970-01-01 00:00:00.500000+00");
        assert_eq!(written(Unit::Time { zoned: false }, 13 * HOUR + 61 * SECOND), "13:01:01");
    }

    #[test]
    fn units_convert() {
        let scale = |scale| Unit::Decimal { scale };
        assert_eq!(scale(2).convert(150, scale(0), false), Some(1));
        assert_eq!(scale(2).convert(150, scale(0), true), Some(2));
        assert_eq!(Unit::Day.convert(2, Unit::Instant { zoned: false }, false), Some(2 * DAY));
        assert_eq!(Unit::Day.convert(2, scale(0), false), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in -MOST..=MOST, scale in 0_u32..=17, day in -25_000_i64..2_900_000) {
            let unit = Unit::Decimal { scale };
            prop_assert_eq!(unit.parse(&written(unit, value), 0), Some((value, true)));
            prop_assert_eq!(Unit::Day.parse(&written(Unit::Day, day), 0), Some((day, true)));
            let instant = Unit::Instant { zoned: true };
            let micros = day * DAY + value.rem_euclid(DAY);
            prop_assert_eq!(instant.parse(&written(instant, micros), 0), Some((micros, true)));
        }
    }
}
