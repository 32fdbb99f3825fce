//! PostgreSQL's types as [`ColumnType`]s.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;

use super::printed;
use crate::data::schema::{ColumnType, Domain};

/// Nobody nests arrays and domains deeper; a catalogue that does is not followed further.
const DEEPEST: usize = 16;

/// A type as the catalogue has it.
#[derive(Debug, Clone)]
struct Type {
    schema: String,
    name: String,
    kind: String,
    element: u32,
    base: u32,
    modifier: i32,
    not_null: bool,
    subtype: u32,
    labels: Vec<String>,
    checks: Vec<String>,
    shown: String,
}

/// All types, and which enumerations and domains were met.
#[derive(Debug, Default)]
pub(super) struct Types {
    known: HashMap<u32, Type>,
    pub(super) enums: BTreeMap<String, Vec<String>>,
    pub(super) domains: BTreeMap<String, Domain>,
}

impl Types {
    /// From the rows of [`super::catalogue_queries::TYPES`].
    pub(super) fn new(rows: &[Row]) -> Self {
        let read = |row: &Row| {
            let found = Type {
                schema: row.get(1),
                name: row.get(2),
                kind: row.get(3),
                element: row.get(4),
                base: row.get(5),
                modifier: row.get(6),
                not_null: row.get(7),
                subtype: row.get(8),
                labels: row.get(9),
                checks: row.get(10),
                shown: row.get(11),
            };
            (row.get::<_, u32>(0), found)
        };
        Self { known: rows.iter().map(read).collect(), ..Self::default() }
    }

    /// What a column of a type is; `shown` is what the database calls it.
    pub(super) fn resolve(&mut self, oid: u32, modifier: i32, shown: &str) -> ColumnType {
        self.resolve_within(oid, modifier, shown, 0)
    }

    fn resolve_within(&mut self, oid: u32, modifier: i32, shown: &str, depth: usize) -> ColumnType {
        let other = || ColumnType::Other(shown.to_owned());
        let Some(found) = self.known.get(&oid).cloned().filter(|_| depth < DEEPEST) else { return other() };
        let full = format!("{}.{}", found.schema, found.name);
        match found.kind.as_str() {
            "e" => {
                self.enums.insert(full.clone(), found.labels);
                ColumnType::Enum(full)
            }
            "d" => {
                let base = self.resolve_within(found.base, found.modifier, &found.shown, depth + 1);
                let checks = found.checks.iter().map(|check| printed::settled(check).into_owned()).collect();
                let domain = Domain { base, not_null: found.not_null, checks };
                self.domains.insert(full.clone(), domain);
                ColumnType::Domain(full)
            }
            "r" if found.schema == "pg_catalog" => {
                ColumnType::Range(Box::new(self.resolve_within(found.subtype, -1, shown, depth + 1)))
            }
            "b" if found.element != 0 => {
                let shown = shown.trim_end_matches("[]").to_owned();
                ColumnType::Array(Box::new(self.resolve_within(found.element, modifier, &shown, depth + 1)))
            }
            _ if found.name == "citext" => ColumnType::CiText,
            _ if found.schema == "pg_catalog" => built_in(&found.name, modifier).unwrap_or_else(other),
            _ => other(),
        }
    }
}

fn built_in(name: &str, modifier: i32) -> Option<ColumnType> {
    // Lengths are kept with the header's four bytes.
    let length = u32::try_from(modifier).ok().and_then(|length| length.checked_sub(4));
    Some(match name {
        "bool" => ColumnType::Boolean,
        "int2" => ColumnType::SmallInt,
        "int4" => ColumnType::Integer,
        "int8" => ColumnType::BigInt,
        "numeric" => match length {
            // A negative scale rounds to tens: as digits after the point there are none.
            Some(both) => ColumnType::Numeric {
                precision: u16::try_from(both >> 16).ok(),
                scale: u16::try_from(both & 0x7ff).ok().filter(|scale| *scale < 0x400).unwrap_or(0),
            },
            None => ColumnType::Numeric { precision: None, scale: 0 },
        },
        "float4" => ColumnType::Real,
        "float8" => ColumnType::Double,
        "money" => ColumnType::Money,
        "text" => ColumnType::Text,
        "varchar" => length.map_or(ColumnType::Text, ColumnType::VarChar),
        "bpchar" => length.map_or(ColumnType::Text, ColumnType::Char),
        "bytea" => ColumnType::Bytes,
        "uuid" => ColumnType::Uuid,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time { zoned: false },
        "timetz" => ColumnType::Time { zoned: true },
        "timestamp" => ColumnType::Timestamp { zoned: false },
        "timestamptz" => ColumnType::Timestamp { zoned: true },
        "interval" => ColumnType::Interval,
        "json" => ColumnType::Json,
        "jsonb" => ColumnType::Jsonb,
        "xml" => ColumnType::Xml,
        "inet" => ColumnType::Inet,
        "cidr" => ColumnType::Cidr,
        "macaddr" => ColumnType::MacAddress,
        "bit" => ColumnType::Bit(u32::try_from(modifier).unwrap_or(1)),
        "varbit" => ColumnType::VarBit(u32::try_from(modifier).ok()),
        "tsvector" => ColumnType::TextSearchVector,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_lengths_and_digits() {
        for (name, modifier, expected) in [
            ("numeric", (10 << 16 | 2) + 4, Some(ColumnType::Numeric { precision: Some(10), scale: 2 })),
            ("numeric", (5 << 16 | 0x7fe) + 4, Some(ColumnType::Numeric { precision: Some(5), scale: 0 })),
            ("numeric", -1, Some(ColumnType::Numeric { precision: None, scale: 0 })),
            ("varchar", 84, Some(ColumnType::VarChar(80))),
            ("varchar", -1, Some(ColumnType::Text)),
            ("bpchar", 5, Some(ColumnType::Char(1))),
            ("bit", 7, Some(ColumnType::Bit(7))),
            ("varbit", -1, Some(ColumnType::VarBit(None))),
            ("point", -1, None),
        ] {
            assert_eq!(built_in(name, modifier), expected, "{name} {modifier}");
        }
    }
}
