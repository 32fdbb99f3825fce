//! Orders between two columns: one of them gives way, by its range where that is enough, by the other's value in each row.

use super::draft::{Draft, Wrong};
use crate::data::generate::check::Order;
use crate::data::generate::column::{Fence, How, Source, Table};
use crate::data::generate::form::{Form, Unit};

/// Makes a table's columns keep their orders; gives what cannot be kept, with both columns' names.
pub(super) fn fences(table: &mut Table, drafts: &mut [Draft], orders: &[Order]) -> Vec<(String, Wrong)> {
    let mut faults = Vec::new();
    let mut all: Vec<(usize, usize, bool)> = Vec::new();
    let place = |name: &String| table.columns.iter().position(|column| column.name == *name);
    for order in orders {
        if let (Some(lower), Some(higher)) = (place(&order.lower), place(&order.higher)) {
            all.push((lower, higher, order.strict));
        }
    }
    all.sort_unstable();
    all.dedup();
    // Ranges shrink until each leaves room for those above it: as often as there are orders, for chains of them.
    for _ in 0..all.len() {
        for (lower, higher, strict) in &all {
            shrink(table, drafts, *lower, *higher, *strict);
        }
    }
    for (lower, higher, strict) in all {
        if let Err(wrong) = keep(table, drafts, lower, higher, strict) {
            faults.push((format!("{} and {}", table.columns[lower].name, table.columns[higher].name), wrong));
        }
    }
    faults
}

fn unit(table: &Table, at: usize) -> Option<Unit> {
    if let Form::Number { unit, .. } = table.columns[at].form { Some(unit) } else { None }
}

/// Whether a column's values may be moved within its range.
fn gives_way(table: &Table, drafts: &[Draft], at: usize) -> bool {
    let column = &table.columns[at];
    let free = column.references.is_empty() && column.member.is_none();
    let moves = |how: &How| !matches!(how, How::Sequence { .. } | How::Choice { .. });
    free && matches!(&drafts[at].source, Source::Number(numbers) if moves(&numbers.how))
}

/// The least and the greatest value of a column.
fn extent(table: &Table, drafts: &[Draft], at: usize) -> Option<(i64, i64)> {
    let Source::Number(numbers) = &drafts[at].source else { return None };
    if !table.columns[at].references.is_empty() {
        // The range of the column referred to has taken what is asked of this one, but is not known here.
        return None;
    }
    match &numbers.how {
        How::Sequence { start, step } if table.columns[at].member.is_none() => {
            let rows = i64::try_from(table.rows.saturating_sub(1)).unwrap_or(i64::MAX);
            let last = start.saturating_add(step.saturating_mul(rows));
            Some((*start.min(&last), *start.max(&last)))
        }
        How::Choice { values, .. } => Some((*values.iter().min()?, *values.iter().max()?)),
        _ => Some((numbers.low, numbers.high)),
    }
}

fn shrink(table: &Table, drafts: &mut [Draft], lower: usize, higher: usize, strict: bool) {
    let (Some(from), Some(to)) = (unit(table, lower), unit(table, higher)) else { return };
    let strict = i64::from(strict);
    if gives_way(table, drafts, lower)
        && let Some((_, high)) = extent(table, drafts, higher)
        && let Some(high) = to.convert(high, from, false)
        && let Source::Number(numbers) = &mut drafts[lower].source
    {
        let high = numbers.high.min(high.saturating_sub(strict));
        if high >= numbers.low {
            numbers.high = high;
        } else if let Some(ends) = drafts[lower].ends.as_ref().filter(|ends| ends.low <= high)
            && !drafts[lower].told
        {
            (numbers.low, numbers.high) =
                (ends.low.max(high.saturating_sub(numbers.high - numbers.low)), high);
        }
    }
    if gives_way(table, drafts, higher)
        && let Some((low, _)) = extent(table, drafts, lower)
        && let Some(low) = from.convert(low, to, true)
        && let Source::Number(numbers) = &mut drafts[higher].source
    {
        let low = numbers.low.max(low.saturating_add(strict));
        if low <= numbers.high {
            numbers.low = low;
        }
    }
}

/// Whether a column's values follow another's already.
fn depends(table: &Table, drafts: &[Draft], one: usize, other: usize) -> bool {
    let column = &table.columns[one];
    let follows = match &drafts[one].source {
        Source::Number(numbers) => match numbers.how {
            How::After { column, .. } => column == other,
            How::Reached { states, after, .. } => states == other || after == other,
            _ => false,
        },
        _ => false,
    };
    let fenced = column.floors.iter().chain(&column.ceilings).any(|fence| fence.column == other);
    follows || fenced || column.with.is_some_and(|(with, _)| with == other)
}

fn keep(
    table: &mut Table,
    drafts: &mut [Draft],
    lower: usize,
    higher: usize,
    strict: bool,
) -> Result<(), Wrong> {
    let help =
        || "give both ranges that leave room, or name the constraint in the table's `unchecked`".to_owned();
    let comparable = match (unit(table, lower), unit(table, higher)) {
        (Some(from), Some(to)) => from.convert(0, to, false).is_some(),
        _ => false,
    };
    if !comparable {
        return Err(("an order between them is not understood".to_owned(), help()));
    }
    let (low, high) = (extent(table, drafts, lower), extent(table, drafts, higher));
    let below = |bound: Option<i64>, room: Option<i64>, inclusive: bool| match (bound, room) {
        (Some(bound), Some(room)) => bound < room || (bound == room && inclusive),
        _ => false,
    };
    let to_higher = |value: i64, up| {
        unit(table, lower).zip(unit(table, higher)).and_then(|(from, to)| from.convert(value, to, up))
    };
    let top = low.and_then(|(_, top)| to_higher(top, true));
    if below(top, high.map(|(bottom, _)| bottom), !strict) {
        return Ok(());
    }
    // The one that gives way has room in every row: its own end lies beyond the other's.
    let first = !depends(table, drafts, lower, higher);
    if first && gives_way(table, drafts, higher) && below(top, high.map(|(_, top)| top), !strict) {
        table.columns[higher].floors.push(Fence { column: lower, strict });
        return Ok(());
    }
    let bottom = low.and_then(|(bottom, _)| to_higher(bottom, true));
    if gives_way(table, drafts, lower) && below(bottom, high.map(|(bottom, _)| bottom), !strict) {
        table.columns[lower].ceilings.push(Fence { column: higher, strict });
        return Ok(());
    }
    Err(("one has to be below the other, and neither can give way".to_owned(), help()))
}
