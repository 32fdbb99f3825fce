//! Foreign keys that share columns, `(tenant, customer)` and `(tenant, product)`: the second takes one of the rows that belong to the
//! same tenant. Those are computed, because their table's key to the tenants spreads them evenly.

use super::link::{Link, Links};

/// How a key's row follows another key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) struct Alignment {
    /// The other key of the same table.
    pub(in crate::data) with: usize,
    /// The key by which the other key's table refers to the table that both belong to; none where it is that table.
    pub(in crate::data) through: Option<usize>,
    /// The table that both belong to.
    pub(in crate::data) anchor: usize,
    /// The key by which this key's table refers to it.
    pub(in crate::data) spread: usize,
}

/// How `key` of the table at `at` can follow another; none where it cannot.
pub(super) fn align(all: &[Links], at: usize, key: &Link) -> Option<Alignment> {
    let links = &all[at];
    let shared: Vec<(usize, usize)> = key
        .columns
        .iter()
        .copied()
        .zip(key.references.iter().copied())
        .filter(|(own, _)| !links.columns[*own].is_empty())
        .collect();
    let (with, _) = *links.columns[shared.first()?.0].first()?;
    let other = &links.keys[with];
    // For each shared column: where it comes from in the other key's table.
    let mut sources = Vec::new();
    for (own, referred) in &shared {
        let (first, source) = *links.columns[*own].first()?;
        (first == with).then_some(())?;
        sources.push((*referred, source));
    }
    let spread = |(spread, link): (usize, &Link)| {
        let pairs: Vec<(usize, usize)> =
            link.columns.iter().copied().zip(link.references.iter().copied()).collect();
        let whole = pairs.len() == sources.len() && link.table != key.table && link.aligned.is_none();
        whole.then_some(())?;
        // The column of the common table that each shared column's source has to be.
        let mut wanted = Vec::new();
        for (referred, source) in &sources {
            let (_, target) = pairs.iter().find(|(column, _)| column == referred)?;
            wanted.push((*source, *target));
        }
        let through = through(all, other.table, link.table, &wanted)?;
        leads(&all[key.table], spread).then_some(Alignment { with, through, anchor: link.table, spread })
    };
    all[key.table].keys.iter().enumerate().find_map(spread)
}

/// The key from `table` to `anchor` that has these columns and targets; the inner none where they are the same table's.
#[expect(clippy::option_option, reason = "no key needed is other than no key found")]
fn through(all: &[Links], table: usize, anchor: usize, wanted: &[(usize, usize)]) -> Option<Option<usize>> {
    if table == anchor {
        return wanted.iter().all(|(source, target)| source == target).then_some(None);
    }
    let fits = |link: &Link| {
        let has = |pair: &(usize, usize)| {
            link.columns.iter().copied().zip(link.references.iter().copied()).any(|own| own == *pair)
        };
        link.table == anchor && link.columns.len() == wanted.len() && wanted.iter().all(has)
    };
    let found = all[table].keys.iter().position(fits)?;
    leads(&all[table], found).then_some(Some(found))
}

/// Whether a key is the first to give all of its columns their values.
fn leads(links: &Links, key: usize) -> bool {
    links.keys[key]
        .columns
        .iter()
        .all(|column| links.columns[*column].first().is_some_and(|(first, _)| *first == key))
}
