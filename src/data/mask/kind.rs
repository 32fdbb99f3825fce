//! The kinds of masks a policy can name, which types they fit, and what they keep.

use super::form::date::Moving;
use super::form::json_path::Step;
use super::form::name::NamePart;
use crate::data::schema::ColumnType;

/// What a masked column looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskKind {
    /// E-mail addresses, at domains that are no one's.
    Email,
    /// Phone numbers; country code, length and punctuation stay.
    Phone,
    /// Payment card numbers; network, length and a right check digit stay.
    Card,
    /// People's names.
    Name(NamePart),
    /// Words for words, as long.
    FreeText,
    /// Keys: whole numbers, UUIDs and codes, permuted.
    Id,
    /// Codes: letters and digits permuted in their places; so many first ones stay.
    Code {
        /// The letters and digits that stay.
        keep: u8,
    },
    /// UUIDs, also in text.
    Uuid,
    /// Numbers, moved by at most so many per cent of themselves.
    Number {
        /// From 1 to 100.
        percent: u8,
    },
    /// Days and times, moved by at most so many days.
    Date {
        /// At least 1.
        days: u32,
        /// How they move.
        moving: Moving,
    },
    /// Addresses of hosts and networks.
    Ip,
    /// Ethernet addresses.
    Mac,
    /// International bank account numbers.
    Iban,
    /// Random bytes, as many.
    Bytes,
    /// JSON of which only what is named stays.
    Json {
        /// What stays, and how.
        paths: Vec<(Vec<Step>, JsonRule)>,
    },
}

/// What is done with a value within JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonRule {
    /// It stays.
    Keep,
    /// It is left out, also below a path that stays.
    Drop,
    /// It is masked; never as JSON.
    Mask(MaskKind),
}

impl MaskKind {
    /// The names under which policies know them. `postal-code` is a code.
    pub(super) const NAMES: [&'static str; 18] = [
        "email",
        "phone",
        "card",
        "name",
        "first-name",
        "last-name",
        "free-text",
        "id",
        "code",
        "postal-code",
        "uuid",
        "number",
        "date",
        "ip",
        "mac",
        "iban",
        "bytes",
        "json",
    ];

    /// Its name in a policy.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Name(NamePart::Full) => "name",
            Self::Name(NamePart::Given) => "first-name",
            Self::Name(NamePart::Family) => "last-name",
            Self::FreeText => "free-text",
            Self::Id => "id",
            Self::Code { .. } => "code",
            Self::Uuid => "uuid",
            Self::Number { .. } => "number",
            Self::Date { .. } => "date",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Iban => "iban",
            Self::Bytes => "bytes",
            Self::Json { .. } => "json",
        }
    }

    /// Whether it can write a type, domains resolved.
    pub(super) fn fits(&self, kind: &ColumnType) -> bool {
        use ColumnType as T;
        if let T::Array(element) = kind {
            return self.fits(element);
        }
        match self {
            Self::Email
            | Self::Phone
            | Self::Card
            | Self::Name(_)
            | Self::FreeText
            | Self::Code { .. }
            | Self::Iban => is_text(kind),
            Self::Id => {
                let whole =
                    matches!(kind, T::SmallInt | T::Integer | T::BigInt | T::Numeric { scale: 0, .. });
                whole || matches!(kind, T::Uuid) || is_text(kind)
            }
            Self::Uuid => matches!(kind, T::Uuid) || is_text(kind),
            Self::Number { .. } => {
                matches!(kind, T::SmallInt | T::Integer | T::BigInt | T::Numeric { .. } | T::Real | T::Double)
            }
            Self::Date { .. } => {
                matches!(kind, T::Date | T::Time { .. } | T::Timestamp { .. }) || is_text(kind)
            }
            Self::Ip => matches!(kind, T::Inet | T::Cidr) || is_text(kind),
            Self::Mac => matches!(kind, T::MacAddress) || is_text(kind),
            Self::Bytes => matches!(kind, T::Bytes),
            Self::Json { .. } => matches!(kind, T::Json | T::Jsonb | T::Text),
        }
    }

    /// Whether different values may come out equal, whatever the column is.
    pub(super) fn may_collide(&self) -> bool {
        matches!(self, Self::Number { .. } | Self::FreeText | Self::Json { .. })
    }
}

/// Whether a type is text.
pub(super) fn is_text(kind: &ColumnType) -> bool {
    matches!(kind, ColumnType::Text | ColumnType::VarChar(_) | ColumnType::Char(_) | ColumnType::CiText)
}
