//! Which types hold all values of another.

use sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo};

/// Whether every value of `from` is the same value of `to`, and turns back into itself.
pub fn widens(from: &DataType, to: &DataType) -> bool {
    if from == to {
        return true;
    }
    if let (Some(from), Some(to)) = (whole(from), whole(to)) {
        return from <= to;
    }
    if let (Some(from), Some(to)) = (text(from), text(to)) {
        return match (from, to) {
            (_, None) => true,
            (Some(from), Some(to)) => from <= to,
            (None, Some(_)) => false,
        };
    }
    if let (Some((precision, scale)), Some((to_precision, to_scale))) = (exact(from), exact(to)) {
        return to_scale == scale && to_precision >= precision;
    }
    matches!((from, to), (DataType::Real | DataType::Float4, DataType::DoublePrecision | DataType::Float8))
}

/// Bytes of a signed whole number.
fn whole(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::SmallInt(None) | DataType::Int2(None) => Some(2),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Some(4),
        DataType::BigInt(None) | DataType::Int8(None) => Some(8),
        _ => None,
    }
}

/// The most characters of a text that is not padded; none for any number.
#[expect(clippy::option_option, reason = "no text at all, or one without a bound")]
fn text(data_type: &DataType) -> Option<Option<u64>> {
    match data_type {
        DataType::Text => Some(None),
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            match length {
                None | Some(CharacterLength::Max) => Some(None),
                Some(CharacterLength::IntegerLength { length, .. }) => Some(Some(*length)),
            }
        }
        _ => None,
    }
}

/// Digits, and those behind the point. With another scale a value turns back into one that is written otherwise.
fn exact(data_type: &DataType) -> Option<(u64, i64)> {
    match data_type {
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match info {
            ExactNumberInfo::Precision(precision) => Some((*precision, 0)),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => Some((*precision, *scale)),
            ExactNumberInfo::None => None,
        },
        _ => None,
    }
}
