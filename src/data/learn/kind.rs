//! What can be measured of a column, by its type.

use crate::data::schema::{Column, ColumnType, Schema, Table};

/// What a column's values are, as far as measuring goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    /// True or false.
    Truth,
    /// Labels of an enumeration, which are schema.
    Label,
    /// Whole numbers.
    Whole,
    /// Other numbers.
    Number(Numbers),
    /// Times.
    Time(Times),
    /// Texts.
    Text,
    /// Bytes.
    Bytes,
    /// Everything else, measured as text.
    Other,
}

/// Numbers that need care to become 64 binary bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Numbers {
    /// Binary.
    Float,
    /// Decimal.
    Decimal,
    /// Money, decimal by a cast.
    Money,
}

/// What times have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Times {
    /// A day.
    Day,
    /// A day and a time.
    Instant,
    /// A time of day.
    OfDay,
    /// A span.
    Span,
}

impl Kind {
    /// Of a type. Domains are what they are based on.
    pub(super) fn of(kind: &ColumnType, schema: &Schema) -> Self {
        let mut kind = kind;
        // Domains of domains end somewhere; a catalogue that is damaged need not.
        for _ in 0..16 {
            let ColumnType::Domain(name) = kind else { break };
            let Some(domain) = schema.domains.get(name) else { return Self::Other };
            kind = &domain.base;
        }
        match kind {
            ColumnType::Boolean => Self::Truth,
            ColumnType::Enum(_) => Self::Label,
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => Self::Whole,
            ColumnType::Numeric { .. } => Self::Number(Numbers::Decimal),
            ColumnType::Real | ColumnType::Double => Self::Number(Numbers::Float),
            ColumnType::Money => Self::Number(Numbers::Money),
            ColumnType::Date => Self::Time(Times::Day),
            ColumnType::Timestamp { .. } => Self::Time(Times::Instant),
            ColumnType::Time { .. } => Self::Time(Times::OfDay),
            ColumnType::Interval => Self::Time(Times::Span),
            ColumnType::Text | ColumnType::VarChar(_) | ColumnType::Char(_) | ColumnType::CiText => {
                Self::Text
            }
            ColumnType::Bytes => Self::Bytes,
            _ => Self::Other,
        }
    }

    /// Whether values lie on a line.
    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Self::Whole | Self::Number(_) | Self::Time(_))
    }

    /// Whether common values may be named without being allowed by name: keys, times, fractions and whole documents never are.
    pub(super) fn may_be_named(self, table: &Table, column: &Column) -> bool {
        let keys = table
            .foreign_keys
            .iter()
            .map(|key| &key.columns)
            .chain(table.uniques.iter().map(|set| &set.columns));
        let is_key = keys.chain([&table.primary_key]).any(|columns| columns.contains(&column.name));
        matches!(self, Self::Truth | Self::Label) || (matches!(self, Self::Whole | Self::Text) && !is_key)
    }
}
