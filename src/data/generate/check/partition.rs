//! Partition bounds as limits: rows have to fall into a partition that is there.

use super::limits::{Bound, Limits};
use super::token::quoted;
use crate::data::schema::{PartitionBy, Partitioning};

/// What a partitioned table asks of its key's first column: limits, one of which has to be kept. None where a row cannot be
/// placed by them; an empty list where anything goes.
pub(in crate::data) fn partitions(partitioning: &Partitioning) -> Option<Vec<Limits>> {
    if partitioning.bounds.iter().any(|bound| bound == "DEFAULT") {
        return Some(Vec::new());
    }
    match partitioning.by {
        PartitionBy::Hash => covers_all(&partitioning.bounds).then(Vec::new),
        PartitionBy::List => {
            let mut allowed = Vec::new();
            for bound in &partitioning.bounds {
                let items = list(bound.trim().strip_prefix("FOR VALUES IN")?)?;
                allowed.extend(items.into_iter().filter(|item| !item.is_null()).map(|item| item.text));
            }
            let limits = Limits { allowed: Some(allowed), not_null: true, ..Limits::default() };
            (partitioning.columns.len() == 1).then(|| vec![limits])
        }
        PartitionBy::Range => {
            let ranges: Vec<Limits> =
                partitioning.bounds.iter().map(|bound| range(bound)).collect::<Option<_>>()?;
            (!partitioning.columns.is_empty() && !ranges.is_empty()).then(|| joined(ranges))
        }
    }
}

/// `FOR VALUES WITH (modulus 4, remainder 0)`: whether all remainders are there.
fn covers_all(bounds: &[String]) -> bool {
    let modulus = |bound: &String| {
        let (_, rest) = bound.split_once("modulus")?;
        rest.trim_start()
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u64>()
            .ok()
            .filter(|modulus| *modulus > 0)
    };
    let moduli: Option<Vec<u64>> = bounds.iter().map(modulus).collect();
    // Each modulus divides the largest: PostgreSQL asks for that.
    moduli.is_some_and(|moduli| {
        let largest = moduli.iter().copied().max().unwrap_or(0);
        moduli.iter().map(|modulus| largest / modulus).sum::<u64>() == largest && largest > 0
    })
}

/// `FOR VALUES FROM ('2024-01-01', 1) TO ('2025-01-01', MINVALUE)`: of the first column.
fn range(bound: &str) -> Option<Limits> {
    let (from, to) = bound.trim().strip_prefix("FOR VALUES FROM")?.split_once(") TO (")?;
    let (from, to) = (list(&format!("{from})"))?, list(&format!("({to}"))?);
    // With more columns, a first column strictly between the bounds is in whatever the others are.
    let several = from.len() > 1;
    let mut limits = Limits { not_null: true, ..Limits::default() };
    let from = from.into_iter().next()?;
    if !from.is("MINVALUE") {
        limits.low.push(Bound { text: from.text, inclusive: !several });
    }
    let to = to.into_iter().next()?;
    if !to.is("MAXVALUE") {
        limits.high.push(Bound { text: to.text, inclusive: false });
    }
    Some(limits)
}

/// Ranges where one begins as another ends are one.
fn joined(mut ranges: Vec<Limits>) -> Vec<Limits> {
    let mut found: Vec<Limits> = Vec::new();
    while let Some(mut range) = ranges.pop() {
        loop {
            let touches = |other: &Limits| {
                let meets = |end: &[Bound], start: &[Bound]| match (end, start) {
                    ([end], [start]) => end.text == start.text && start.inclusive,
                    _ => false,
                };
                meets(&range.high, &other.low) || meets(&other.high, &range.low)
            };
            let Some(at) = ranges.iter().position(touches) else { break };
            let other = ranges.swap_remove(at);
            if range.high.first().map(|bound| &bound.text) == other.low.first().map(|bound| &bound.text)
                && !range.high.is_empty()
            {
                range.high = other.high;
            } else {
                range.low = other.low;
            }
        }
        found.push(range);
    }
    found
}

struct Item {
    text: String,
    quoted: bool,
}

impl Item {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }

    fn is_null(&self) -> bool {
        self.is("NULL")
    }
}

/// `('a', 2, NULL)`.
fn list(text: &str) -> Option<Vec<Item>> {
    let mut rest = text.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        if rest.starts_with('\'') {
            let (text, after) = quoted(rest, '\'')?;
            items.push(Item { text, quoted: true });
            rest = after;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            items.push(Item { text: rest.get(..end)?.trim().to_owned(), quoted: false });
            rest = rest.get(end..)?;
        }
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(by: PartitionBy, columns: usize, bounds: &[&str]) -> Option<Vec<Limits>> {
        let columns = (0..columns).map(|n| format!("c{n}")).collect();
        partitions(&Partitioning {
            by,
            columns,
            bounds: bounds.iter().map(|bound| (*bound).into()).collect(),
        })
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let bounds = [
            "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
            "FOR VALUES FROM ('2024-03-01') TO (MAXVALUE)",
            "FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')",
        ];
        let found = read(PartitionBy::Range, 1, &bounds).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].low, [Bound { text: "2024-01-01".into(), inclusive: true }]);
        assert!(found[0].high.is_empty() && found[0].not_null);
        assert_eq!(read(PartitionBy::Range, 1, &bounds[..2]).unwrap().len(), 2);
    }

    #[test]
    fn lists_and_hashes_are_read() {
        let found =
            read(PartitionBy::List, 1, &["FOR VALUES IN ('a', 'it''s', NULL)", "FOR VALUES IN (3)"]).unwrap();
        assert_eq!(found[0].allowed, Some(vec!["a".into(), "it's".into(), "3".into()]));
        assert_eq!(read(PartitionBy::List, 1, &["FOR VALUES IN (1)", "DEFAULT"]), Some(vec![]));
        let hash = |n: u32| format!("FOR VALUES WITH (modulus 2, remainder {n})");
        assert_eq!(read(PartitionBy::Hash, 1, &[&hash(0), &hash(1)]), Some(vec![]));
        assert_eq!(read(PartitionBy::Hash, 1, &[&hash(0)]), None);
        assert_eq!(read(PartitionBy::Range, 0, &["FOR VALUES FROM (1) TO (2)"]), None);
    }
}
