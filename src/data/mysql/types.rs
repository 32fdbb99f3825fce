//! MySQL's and MariaDB's types as [`ColumnType`]s. Ranges that no column type has (`unsigned`, `timestamp`, `year`) become
//! domains, whose checks generators keep to: MySQL's manual, "Data Types".

use std::collections::BTreeMap;

use crate::data::schema::{ColumnType, Domain};

/// A column's type as the catalogue has it.
#[derive(Debug, Clone)]
pub(super) struct Kind<'c> {
    /// `int`.
    pub(super) data: &'c str,
    /// `int(10) unsigned`.
    pub(super) full: &'c str,
    /// `shop.orders.state`: what an enumeration is called, for it has no name of its own.
    pub(super) place: String,
    /// Whether texts that differ in case alone are equal, and the column is part of a key.
    pub(super) folds: bool,
    /// Whether the database counts it: 0 and the greatest value have a meaning of their own then.
    pub(super) counts: bool,
    /// Whether a check asks for JSON: MariaDB's `json` is text with such a check.
    pub(super) is_json: bool,
}

/// Enumerations and domains that were met.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) enums: BTreeMap<String, Vec<String>>,
    pub(super) domains: BTreeMap<String, Domain>,
}

/// Ways to combine the members of a `set` that are made: more say nothing new.
const MOST_SETS: usize = 64;

impl Types {
    /// What a column is.
    pub(super) fn resolve(&mut self, kind: &Kind<'_>) -> ColumnType {
        let unsigned = kind.full.contains("unsigned");
        let numbers: Vec<u16> = arguments(kind.full);
        let first = numbers.first().copied();
        let length = first.map(u32::from);
        match kind.data {
            "tinyint" if kind.full.starts_with("tinyint(1)") => ColumnType::Boolean,
            "bit" if first == Some(1) => ColumnType::Boolean,
            "bit" => ColumnType::Bit(length.unwrap_or(1)),
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
                self.integer(kind.data, unsigned, kind.counts)
            }
            "decimal" => {
                let scale = numbers.get(1).copied().unwrap_or(0);
                let base = ColumnType::Numeric { precision: first, scale };
                if unsigned { self.domain(kind.full, base, &[">= 0"]) } else { base }
            }
            "float" | "double" => self.float(kind, unsigned, &numbers),
            _ if kind.is_json => ColumnType::Json,
            "json" => ColumnType::Json,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => self.text(kind, length),
            "binary" if first == Some(16) => ColumnType::Uuid,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnType::Bytes,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time { zoned: false },
            "datetime" => ColumnType::Timestamp { zoned: false },
            // What 32 bits hold, without the days that another zone's clock would move out of it.
            "timestamp" => {
                let ends = [">= '1970-01-02 00:00:00'", "<= '2038-01-18 00:00:00'"];
                self.domain("timestamp", ColumnType::Timestamp { zoned: true }, &ends)
            }
            "year" => self.domain("year", ColumnType::Integer, &[">= 1901", "<= 2155"]),
            "enum" => self.labels(kind, members(kind.full)),
            "set" => self.labels(kind, combined(&members(kind.full))),
            "uuid" => ColumnType::Uuid,
            "inet4" => ColumnType::Inet,
            _ => ColumnType::Other(kind.full.to_owned()),
        }
    }

    fn integer(&mut self, data: &str, unsigned: bool, counts: bool) -> ColumnType {
        let (base, low, high) = match (data, unsigned) {
            ("smallint", false) if !counts => return ColumnType::SmallInt,
            ("int", false) => return ColumnType::Integer,
            ("bigint", false) => return ColumnType::BigInt,
            ("tinyint", false) => (ColumnType::SmallInt, -128, 127),
            ("tinyint", true) => (ColumnType::SmallInt, 0, 255),
            ("smallint", false) => (ColumnType::SmallInt, -32_768, 32_767),
            ("smallint", true) => (ColumnType::Integer, 0, 65_535),
            ("mediumint", false) => (ColumnType::Integer, -8_388_608, 8_388_607),
            ("mediumint", true) => (ColumnType::Integer, 0, 16_777_215),
            ("int", true) => (ColumnType::BigInt, 0, 4_294_967_295),
            // What generators count to is below the greatest of 64 bits.
            _ => (ColumnType::Numeric { precision: Some(20), scale: 0 }, 0, i64::MAX),
        };
        let mut name = if unsigned { format!("{data} unsigned") } else { data.to_owned() };
        let (low, high) = if counts { (1, high - 1) } else { (low, high) };
        if counts {
            name.push_str(" auto_increment");
        }
        let checks = [format!(">= {low}"), format!("<= {high}")];
        let known = if high >= i64::MAX - 1 { 1 } else { 2 };
        let checks: Vec<&str> = checks.iter().take(known).map(String::as_str).collect();
        self.domain(&name, base, &checks)
    }

    fn float(&mut self, kind: &Kind<'_>, unsigned: bool, numbers: &[u16]) -> ColumnType {
        let base = match (numbers, kind.data) {
            ([precision, scale], _) => ColumnType::Numeric { precision: Some(*precision), scale: *scale },
            (_, "float") => ColumnType::Real,
            _ => ColumnType::Double,
        };
        if unsigned { self.domain(kind.full, base, &[">= 0"]) } else { base }
    }

    fn text(&mut self, kind: &Kind<'_>, length: Option<u32>) -> ColumnType {
        let longest = match kind.data {
            // 255 bytes, of characters with up to four.
            "tinytext" => Some(63),
            "char" | "varchar" => length,
            _ => None,
        };
        match (kind.folds, longest) {
            (true, None) => ColumnType::CiText,
            (true, Some(longest)) => {
                let domain = Domain {
                    base: ColumnType::CiText,
                    not_null: false,
                    checks: vec![format!("char_length(VALUE) <= {longest}")],
                };
                self.named(&format!("varchar({longest}) without case"), domain)
            }
            (false, None) => ColumnType::Text,
            (false, Some(longest)) if kind.data == "char" => ColumnType::Char(longest),
            (false, Some(longest)) => ColumnType::VarChar(longest),
        }
    }

    fn domain(&mut self, name: &str, base: ColumnType, checks: &[&str]) -> ColumnType {
        let checks = checks.iter().map(|check| format!("VALUE {check}")).collect();
        self.named(name, Domain { base, not_null: false, checks })
    }

    fn named(&mut self, name: &str, domain: Domain) -> ColumnType {
        let name = format!("mysql.{name}");
        self.domains.insert(name.clone(), domain);
        ColumnType::Domain(name)
    }

    fn labels(&mut self, kind: &Kind<'_>, labels: Vec<String>) -> ColumnType {
        self.enums.insert(kind.place.clone(), labels);
        ColumnType::Enum(kind.place.clone())
    }
}

/// The numbers between a type's brackets: `decimal(10,2)`.
fn arguments<T: std::str::FromStr>(full: &str) -> Vec<T> {
    let inside =
        full.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    inside.split(',').map_while(|number| number.trim().parse().ok()).collect()
}

/// The members of `enum('a','it''s')`.
fn members(full: &str) -> Vec<String> {
    let inside = full.split_once('(').map_or("", |(_, rest)| rest);
    let (mut found, mut rest) = (Vec::new(), inside);
    while let Some(start) = rest.find('\'') {
        let mut member = String::new();
        rest = rest.get(start + 1..).unwrap_or_default();
        while let Some(end) = rest.find('\'') {
            member.push_str(rest.get(..end).unwrap_or_default());
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(after) = rest.strip_prefix('\'') else { break };
            member.push('\'');
            rest = after;
        }
        found.push(member);
    }
    found
}

/// Members of a set alone and together, in the set's order.
fn combined(members: &[String]) -> Vec<String> {
    let count = 1_usize.checked_shl(u32::try_from(members.len()).unwrap_or(64)).unwrap_or(usize::MAX);
    let chosen = |bits: usize| {
        let within = members.iter().enumerate().filter(|(at, _)| *at < 20 && bits >> at & 1 == 1);
        within.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(",")
    };
    (1..count.min(MOST_SETS)).map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(data: &str, full: &str) -> (ColumnType, Types) {
        let mut types = Types::default();
        let kind =
            Kind { data, full, place: "shop.t.c".to_owned(), folds: false, counts: false, is_json: false };
        (types.resolve(&kind), types)
    }

    #[test]
    fn widths_signs_and_lengths_are_kept() {
        for (data, full, expected) in [
            ("tinyint", "tinyint(1)", ColumnType::Boolean),
            ("int", "int(11)", ColumnType::Integer),
            ("decimal", "decimal(10,2)", ColumnType::Numeric { precision: Some(10), scale: 2 }),
            ("varchar", "varchar(40)", ColumnType::VarChar(40)),
            ("bit", "bit(7)", ColumnType::Bit(7)),
            ("binary", "binary(16)", ColumnType::Uuid),
            ("point", "point", ColumnType::Other("point".into())),
        ] {
            assert_eq!(resolved(data, full).0, expected, "{full}");
        }
        let (kind, types) = resolved("int", "int(10) unsigned");
        assert_eq!(kind, ColumnType::Domain("mysql.int unsigned".into()));
        assert_eq!(types.domains["mysql.int unsigned"].checks, ["VALUE >= 0", "VALUE <= 4294967295"]);
    }

    #[test]
    fn members_of_enumerations_and_sets_are_read() {
        assert_eq!(members("enum('a','it''s','','b,c')"), ["a", "it's", "", "b,c"]);
        let (_, types) = resolved("set", "set('a','b','c')");
        assert_eq!(types.enums["shop.t.c"], ["a", "b", "a,b", "c", "a,c", "b,c", "a,b,c"]);
        assert_eq!(combined(&vec!["x".to_owned(); 64]).len(), 63);
    }
}
