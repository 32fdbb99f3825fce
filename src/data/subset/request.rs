//! What someone wants of a database.

use super::fault::SubsetFault;
use super::plan::Cap;
use super::predicate;
use crate::data::schema::{Schema, Table, TableName};

/// Which rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to begin; what refers to these rows comes along, as far as caps allow.
    pub roots: Vec<Root>,
    /// Tables that come whole, such as countries; what refers to their rows does not come along for it.
    pub whole: Vec<TableName>,
    /// How many rows come along for each row that they refer to, where `caps` says nothing else.
    pub cap: Cap,
    /// Limits of single foreign keys.
    pub caps: Vec<EdgeCap>,
    /// Another number picks other rows wherever only some are picked.
    pub seed: u64,
}

/// The limit of a foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCap {
    /// The table that has it.
    pub table: TableName,
    /// Its constraint's name.
    pub constraint: String,
    /// How many rows come along by it.
    pub cap: Cap,
}

/// Rows to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// Those of a table that meet a condition in SQL.
    Where {
        /// The table.
        table: TableName,
        /// The condition.
        condition: String,
    },
    /// A share of a table, or of every table that refers to no other.
    Percent {
        /// The table.
        table: Option<TableName>,
        /// How much of it.
        share: Share,
    },
}

/// A share, in millionths: above nothing, and at most all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// From per cent, as people write them: `5`, `0.5`, `5%`.
    pub fn parse(text: &str) -> Result<Self, SubsetFault> {
        let fault = || SubsetFault::Share(text.to_owned());
        let plain = text.trim().trim_end_matches('%');
        let (whole, decimals) = plain.split_once('.').unwrap_or((plain, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 3
            || decimals.len() > 4
            || !is_digits(whole)
            || !is_digits(decimals)
        {
            return Err(fault());
        }
        let millionths: u32 = format!("{whole}{decimals:0<4}").parse().map_err(|_| fault())?;
        if (1..=1_000_000).contains(&millionths) { Ok(Self(millionths)) } else { Err(fault()) }
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// What the hash of rows within the share lies below, in hexadecimal digits; none where that is all of them.
    pub(super) fn hashes_below(self) -> Option<String> {
        let limit = (u64::from(self.0) << 32) / 1_000_000;
        (limit < 1 << 32).then(|| format!("{limit:08x}"))
    }

    /// In per cent.
    pub fn per_cent(self) -> String {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl Root {
    /// Reads a condition that begins with a column: `customers.id in (1, 2)`, `shop.customers.id = 3`.
    pub fn condition(schema: &Schema, text: &str) -> Result<Self, SubsetFault> {
        let names = predicate::leading_names(text);
        let (table, column) = match &names[..] {
            [table, column] => (find(schema, table)?, column),
            [space, table, column, ..] => (find(schema, &format!("{space}.{table}"))?, column),
            _ => return Err(SubsetFault::NoColumn(text.to_owned())),
        };
        let has = |known: &Table| known.columns.iter().any(|other| other.name.eq_ignore_ascii_case(column));
        if !schema.table(&table).is_some_and(has) {
            return Err(SubsetFault::UnknownColumn { table, column: column.clone() });
        }
        predicate::check(text)?;
        Ok(Self::Where { table, condition: text.trim().to_owned() })
    }

    /// As [`Root::condition`], for a MySQL or MariaDB, where `#` begins a comment.
    pub fn mysql_condition(schema: &Schema, text: &str) -> Result<Self, SubsetFault> {
        predicate::check_mysql(text)?;
        Self::condition(schema, text)
    }

    /// Reads a share: `5` of every table that refers to no other, `customers=5` of one.
    pub fn percent(schema: &Schema, text: &str) -> Result<Self, SubsetFault> {
        let (table, share) = match text.split_once('=') {
            Some((table, share)) => (Some(find(schema, table.trim())?), share),
            None => (None, text),
        };
        Ok(Self::Percent { table, share: Share::parse(share)? })
    }
}

/// A table by `schema.name`, or by its name where no two schemas have it. Letters' case counts where it tells tables apart.
fn find(schema: &Schema, name: &str) -> Result<TableName, SubsetFault> {
    let tables = || schema.tables.iter().map(|table| &table.name);
    let ways: [fn(&str, &str) -> bool; 2] = [|one, other| one == other, str::eq_ignore_ascii_case];
    for same in ways {
        if let Some(table) = tables().find(|table| same(&table.to_string(), name)) {
            return Ok(table.clone());
        }
        let mut named = tables().filter(|table| same(&table.name, name));
        match (named.next(), named.next()) {
            (Some(only), None) => return Ok(only.clone()),
            (Some(_), Some(_)) => return Err(SubsetFault::AmbiguousTable(name.to_owned())),
            (None, _) => {}
        }
    }
    Err(SubsetFault::UnknownTable(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::shop;
    use super::*;

    #[test]
    fn shares_are_read_and_shown() {
        for (text, millionths, shown) in
            [("5", 50_000, "5"), ("0.5%", 5_000, "0.5"), ("100", 1_000_000, "100"), ("0.0001", 1, "0.0001")]
        {
            let share = Share::parse(text).unwrap();
            assert_eq!((share.millionths(), share.per_cent().as_str()), (millionths, shown));
        }
        for text in ["", "0", "-1", "101", "x", "1e2", "0.00001", "."] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_find_their_table() {
        let schema = shop();
        for text in ["customers.id in (1, 2)", "public.customers.id = 3", "\"customers\".id is not null"] {
            let Root::Where { table, condition } = Root::condition(&schema, text).unwrap() else { panic!() };
            assert_eq!((table.name.as_str(), condition.as_str()), ("customers", text));
        }
        for (text, expected) in [
            ("id = 3", "`id = 3` does not begin with a column such as `customers.id`"),
            ("customer.id = 3", "there is no table `customer`; write it as `schema.table`"),
            ("customers.ids = 3", "`public.customers` has no column `ids`"),
            (
                "customers.id = 3; drop table x",
                "the condition `customers.id = 3; drop table x` has more than one statement",
            ),
        ] {
            assert_eq!(Root::condition(&schema, text).unwrap_err().to_string(), expected);
        }
        assert!(Root::mysql_condition(&schema, "`Customers`.ID = '#'").is_ok());
        let error = Root::mysql_condition(&schema, "customers.id = 3 # '").unwrap_err().to_string();
        assert!(error.contains("has a comment"), "{error}");
        assert!(matches!(Root::percent(&schema, "customers=5"), Ok(Root::Percent { table: Some(_), .. })));
        assert!(matches!(Root::percent(&schema, "5"), Ok(Root::Percent { table: None, .. })));
    }
}
