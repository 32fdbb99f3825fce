//! Partitions, with bounds as [`Partitioning`] has them.

use crate::data::generate::Unit;
use crate::data::schema::{PartitionBy, Partitioning};

/// A partition as the catalogue has it.
pub(super) struct Partition {
    pub(super) method: String,
    pub(super) expression: String,
    /// `LESS THAN` or the listed values.
    pub(super) description: Option<String>,
}

/// Days from year 0 to 1970, as TO_DAYS counts them.
const DAYS_TO_1970: i64 = 719_528;

/// How a table with these partitions, in order, is partitioned.
pub(super) fn partitioning(partitions: &[Partition]) -> Option<Partitioning> {
    let first = partitions.first()?;
    let by = match first.method.as_str() {
        method if method.starts_with("RANGE") => PartitionBy::Range,
        method if method.starts_with("LIST") => PartitionBy::List,
        // Hashes and keys have room for every value; so have periods of system time.
        _ => {
            let bounds = vec!["DEFAULT".to_owned()];
            return Some(Partitioning { by: PartitionBy::Hash, columns: Vec::new(), bounds });
        }
    };
    let described: Vec<&str> =
        partitions.iter().map(|partition| partition.description.as_deref().unwrap_or_default()).collect();
    let key = Key::read(&first.expression);
    let bounds = match (by, &key) {
        (PartitionBy::List, _) => described.iter().map(|values| listed(values)).collect(),
        (_, Key::Other) if described.last() == Some(&"MAXVALUE") => vec!["DEFAULT".to_owned()],
        _ => ranges(&described, &key),
    };
    Some(Partitioning { by, columns: key.columns(), bounds })
}

/// What values are partitioned by.
enum Key {
    Columns(Vec<String>),
    Year(String),
    Days(String),
    Other,
}

impl Key {
    fn read(expression: &str) -> Self {
        let name = |text: &str| Some(text.trim().strip_prefix('`')?.strip_suffix('`')?.replace("``", "`"));
        let plain: Option<Vec<String>> = expression.split(',').map(name).collect();
        if let Some(columns) = plain {
            return Self::Columns(columns);
        }
        let of = |function: &str| {
            let lower = expression.to_ascii_lowercase();
            let inside = lower.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
            name(expression.get(function.len() + 1..function.len() + 1 + inside.len())?)
        };
        of("year").map(Self::Year).or_else(|| of("to_days").map(Self::Days)).unwrap_or(Self::Other)
    }

    fn columns(self) -> Vec<String> {
        match self {
            Self::Columns(columns) => columns,
            Self::Year(column) | Self::Days(column) => vec![column],
            Self::Other => Vec::new(),
        }
    }

    /// A bound of the key as a bound of its column.
    fn bound(&self, text: &str) -> String {
        let number = text.parse::<i64>().ok();
        match (self, number) {
            (Self::Year(_), Some(year)) => format!("'{year:04}-01-01'"),
            (Self::Days(_), Some(days)) => {
                let mut out = b"'".to_vec();
                Unit::Day.write(days - DAYS_TO_1970, &mut out);
                out.push(b'\'');
                String::from_utf8_lossy(&out).into_owned()
            }
            _ => text.to_owned(),
        }
    }
}

/// A bound per partition; each begins where the one before ends.
fn ranges(described: &[&str], key: &Key) -> Vec<String> {
    let mut from = "MINVALUE".to_owned();
    let mut bounds = Vec::new();
    for text in described {
        let to = key.bound(text);
        bounds.push(format!("FOR VALUES FROM ({from}) TO ({to})"));
        from = to;
    }
    bounds
}

fn listed(values: &str) -> String {
    if values == "DEFAULT" { values.to_owned() } else { format!("FOR VALUES IN ({values})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, expression: &str, described: &[&str]) -> Partitioning {
        let partition = |description: &&str| Partition {
            method: method.to_owned(),
            expression: expression.to_owned(),
            description: Some((*description).to_owned()),
        };
        partitioning(&described.iter().map(partition).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn bounds_are_those_of_columns() {
        let ranges = read("RANGE", "year(`at`)", &["2024", "2025", "MAXVALUE"]);
        assert_eq!(ranges.columns, ["at"]);
        assert_eq!(
            ranges.bounds,
            [
                "FOR VALUES FROM (MINVALUE) TO ('2024-01-01')",
                "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
                "FOR VALUES FROM ('2025-01-01') TO (MAXVALUE)"
            ]
        );
        assert_eq!(
            read("RANGE", "to_days(`at`)", &["739251"]).bounds,
            ["FOR VALUES FROM (MINVALUE) TO ('2024-01-01')"]
        );
        assert_eq!(read("RANGE", "`a` + 1", &["5", "MAXVALUE"]).bounds, ["DEFAULT"]);
        assert_eq!(read("LIST COLUMNS", "`a`", &["'x','y'"]).bounds, ["FOR VALUES IN ('x','y')"]);
        assert_eq!(read("HASH", "`a`", &[""]).bounds, ["DEFAULT"]);
    }
}
