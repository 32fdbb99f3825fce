//! Foreign keys: the parent of each row, computed from the row's number.

use super::column::{Member, Table};
use super::distribution::Shape;
use super::permute::Permutation;
use super::random::{Stream, scaled, unit};

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// The table referred to.
    pub(super) table: usize,
    pub(super) parents: u64,
    pub(super) pick: Pick,
    /// The share of rows that refer to none.
    pub(super) null: f64,
    pub(super) stream: Stream,
    /// Another key of the same table that never refers to the same row; one parent less is counted then.
    pub(super) apart: Option<usize>,
}

/// How a row's parent is picked.
#[derive(Debug, Clone)]
pub(super) enum Pick {
    Uniform,
    /// The same number for each, side by side: rows in all.
    Even(u64),
    Zipf {
        exponent: f64,
        order: Permutation,
    },
    Counts {
        classes: Vec<Class>,
        order: Permutation,
        rows: u64,
    },
    Member(Member),
    /// An earlier row of the same table; the first refers to none, or to itself.
    Earlier {
        first: Option<u64>,
    },
    /// The row before it, likewise: each is referred to once.
    Previous,
    /// The row itself.
    Own,
    /// One of the rows that belong to the same row of a third table as another key's row.
    Aligned(Aligned),
}

/// See [`Pick::Aligned`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Aligned {
    /// The other key of the same table.
    pub(super) with: usize,
    /// The other key's table, and its key to the third table; none where it is that table.
    pub(super) through: Option<(usize, usize)>,
    /// How many rows the third table has.
    pub(super) anchors: u64,
}

/// Parents with the same number of children.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    /// How many parents come before them.
    pub(super) parents_before: u64,
    /// How many children those have.
    pub(super) rows_before: u64,
    /// How many children each has.
    pub(super) children: u64,
}

impl Reference {
    /// The parent of `row`.
    pub(super) fn row(&self, row: u64, table: &Table, tables: &[Table]) -> Option<u64> {
        let picked = self.picked(row, table, tables)?;
        let other = self.apart.and_then(|other| table.references.get(other)?.row(row, table, tables));
        Some(picked + u64::from(other.is_some_and(|other| picked >= other)))
    }

    fn picked(&self, row: u64, table: &Table, tables: &[Table]) -> Option<u64> {
        if self.parents == 0 {
            return None;
        }
        let is_random =
            matches!(self.pick, Pick::Uniform | Pick::Zipf { .. } | Pick::Earlier { .. } | Pick::Aligned(_));
        let mut number = 0;
        if self.null > 0.0 || is_random {
            let mut draws = self.stream.draws(row);
            number = draws.number();
            if self.null > 0.0 && draws.unit() < self.null {
                return None;
            }
        }
        match &self.pick {
            Pick::Uniform => Some(scaled(number, self.parents)),
            Pick::Even(rows) => {
                let place = u128::from(row) * u128::from(self.parents) / u128::from(*rows).max(1);
                u64::try_from(place).ok().map(|place| place.min(self.parents - 1))
            }
            Pick::Zipf { exponent, order } => {
                let high = i64::try_from(self.parents - 1).unwrap_or(i64::MAX);
                let rank = Shape::Zipf { exponent: *exponent }.at(unit(number), 0, high);
                Some(order.at(rank.unsigned_abs()))
            }
            Pick::Counts { classes, order, rows } => Some(order.at(counted(classes, row % rows))),
            Pick::Member(member) => {
                let digit = table.groups.get(member.group)?.digit(row, member.place);
                (digit < self.parents).then_some(digit)
            }
            Pick::Earlier { first } if row == 0 => *first,
            Pick::Earlier { .. } => Some(scaled(number, row)),
            Pick::Previous => row.checked_sub(1),
            Pick::Own => Some(row),
            Pick::Aligned(aligned) => {
                let (start, count) = aligned.block(row, self.parents, table, tables)?;
                (count > 0).then(|| start + scaled(number, count))
            }
        }
    }
}

impl Aligned {
    /// The rows of `parents` that belong where the other key's row does: the first, and how many. The inverse of [`Pick::Even`].
    fn block(&self, row: u64, parents: u64, table: &Table, tables: &[Table]) -> Option<(u64, u64)> {
        let other = table.references.get(self.with)?;
        let mut anchor = other.row(row, table, tables)?;
        if let Some((of, key)) = self.through {
            let of = tables.get(of)?;
            anchor = of.references.get(key)?.row(anchor, of, tables)?;
        }
        let first = |anchor: u64| {
            let place = (u128::from(anchor) * u128::from(parents)).div_ceil(u128::from(self.anchors.max(1)));
            u64::try_from(place).unwrap_or(u64::MAX)
        };
        Some((first(anchor), first(anchor + 1) - first(anchor)))
    }
}

fn counted(classes: &[Class], row: u64) -> u64 {
    let at = classes.partition_point(|class| class.rows_before <= row).saturating_sub(1);
    classes
        .get(at)
        .map_or(0, |class| class.parents_before + (row - class.rows_before) / class.children.max(1))
}
