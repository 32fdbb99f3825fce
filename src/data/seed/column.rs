//! Reads what makes a column's values.

use super::fault::suggest;
use super::node::{Entry, Reader, get};
use super::{FanOut, Make, Series, Spread, States};
use crate::data::schema::Table;
use crate::yaml::{Spanned, SpannedValue};

/// The makers, as they are written.
pub(super) const MAKERS: [&str; 16] = [
    "constant",
    "sequence",
    "uniform",
    "normal",
    "exponential",
    "zipf",
    "choice",
    "dictionary",
    "pattern",
    "template",
    "words",
    "series",
    "after",
    "states",
    "reached",
    "parent",
];

/// The maker of this name.
pub(super) fn make(reader: &Reader<'_>, maker: &str, node: &Spanned, table: &Table) -> Option<Make> {
    match maker {
        "constant" if node.value == SpannedValue::Null => Some(Make::Constant(None)),
        "constant" => reader.text(node).map(|text| Make::Constant(Some(text))),
        "sequence" => sequence(reader, node),
        "uniform" | "normal" | "exponential" | "zipf" => range(reader, maker, node),
        "choice" => {
            let entries = reader.weights(node);
            if entries.iter().all(|(_, weight)| *weight == 0.0) {
                reader.faults.add(node, "no value has a weight", "write `[a, b]`, or `{a: 2, b: 1}`");
            }
            Some(Make::Choice(entries))
        }
        "dictionary" => dictionary(reader, node),
        "pattern" => reader.text(node).map(Make::Pattern),
        "template" => reader.text(node).map(Make::Template),
        "words" => {
            let [min, max] = reader.items(node) else {
                reader.wrong(node, "two numbers `[least, most]`");
                return None;
            };
            Some(Make::Words { min: reader.count(min)?, max: reader.count(max)? })
        }
        "series" => Some(Make::Series(series(reader, node))),
        "after" => after(reader, node, table),
        "states" => states(reader, node),
        "reached" => reached(reader, node, table),
        "parent" => fan_out(reader, node).map(Make::Parent),
        _ => None,
    }
}

/// A column of the same table.
pub(super) fn sibling(reader: &Reader<'_>, node: &Spanned, table: &Table) -> Option<String> {
    let name = reader.text(node)?;
    if table.column(&name).is_none() {
        let known = table.columns.iter().map(|column| column.name.as_str());
        reader.faults.add(node, format!("{} has no column `{name}`", table.name), suggest(&name, known));
        return None;
    }
    Some(name)
}

fn sequence(reader: &Reader<'_>, node: &Spanned) -> Option<Make> {
    if !matches!(node.value, SpannedValue::Map(_)) {
        return Some(Make::Sequence { start: reader.whole(node, i64::MIN)?, step: 1 });
    }
    let entries = reader.map(node, Some(&["start", "step"]));
    let whole =
        |key, otherwise| get(entries, key).map_or(Some(otherwise), |node| reader.whole(node, i64::MIN));
    Some(Make::Sequence { start: whole("start", 1)?, step: whole("step", 1)? })
}

/// `[min, max]`, or a mapping.
fn range(reader: &Reader<'_>, maker: &str, node: &Spanned) -> Option<Make> {
    if let ("uniform", SpannedValue::Seq(items)) = (maker, &node.value) {
        let [min, max] = &items[..] else {
            reader.wrong(node, "two values `[least, most]`");
            return None;
        };
        return Some(Make::Range {
            shape: Spread::Uniform,
            min: Some(reader.text(min)?),
            max: Some(reader.text(max)?),
        });
    }
    let keys: &[&str] = match maker {
        "uniform" => &["min", "max"],
        "normal" => &["mean", "deviation", "min", "max"],
        "exponential" => &["mean", "min", "max"],
        _ => &["exponent", "min", "max"],
    };
    let entries = reader.map(node, Some(keys));
    let needed = |key| reader.need(node, entries, key).and_then(|node| reader.text(node));
    let shape = match maker {
        "uniform" => Spread::Uniform,
        "normal" => Spread::Normal { mean: needed("mean")?, deviation: needed("deviation")? },
        "exponential" => Spread::Exponential { mean: needed("mean")? },
        _ => Spread::Zipf { exponent: exponent(reader, reader.need(node, entries, "exponent")?)? },
    };
    let end = |key| get(entries, key).and_then(|node| reader.text(node));
    Some(Make::Range { shape, min: end("min"), max: end("max") })
}

fn exponent(reader: &Reader<'_>, node: &Spanned) -> Option<f64> {
    reader.number(node, "a number from 0 to 10", |number| (0.0..=10.0).contains(&number))
}

fn dictionary(reader: &Reader<'_>, node: &Spanned) -> Option<Make> {
    let name = reader.text(node)?;
    let known = crate::data::generate::dictionary_names();
    if !known.clone().any(|known| known == name) {
        reader.faults.add(node, format!("there is no dictionary `{name}`"), suggest(&name, known));
        return None;
    }
    Some(Make::Dictionary(name))
}

fn series(reader: &Reader<'_>, node: &Spanned) -> Series {
    let entries = reader.map(node, Some(&["from", "to", "growth", "days", "hours"]));
    let time = |key| get(entries, key).and_then(|node| reader.text(node));
    let weights = |key, count: usize| {
        let Some(node) = get(entries, key) else { return Vec::new() };
        let items = reader.items(node);
        if items.len() != count {
            reader.wrong(node, &format!("a sequence of {count} weights"));
        }
        items.iter().filter_map(|item| reader.number(item, "a weight from 0 on", |n| n >= 0.0)).collect()
    };
    let growth = get(entries, "growth");
    Series {
        from: time("from"),
        to: time("to"),
        growth: growth.and_then(|node| reader.number(node, "a number above 0", |growth| growth > 0.0)),
        days: weights("days", 7),
        hours: weights("hours", 24),
    }
}

fn after(reader: &Reader<'_>, node: &Spanned, table: &Table) -> Option<Make> {
    let entries = reader.map(node, Some(&["column", "mean", "max"]));
    let column = reader.need(node, entries, "column").and_then(|node| sibling(reader, node, table));
    let mean = reader.need(node, entries, "mean").and_then(|node| reader.text(node));
    let max = get(entries, "max").and_then(|node| reader.text(node));
    Some(Make::After { column: column?, mean: mean?, max })
}

fn states(reader: &Reader<'_>, node: &Spanned) -> Option<Make> {
    let entries = reader.map(node, Some(&["start", "transitions"]));
    let start = reader.need(node, entries, "start").and_then(|node| reader.text(node));
    let transitions =
        reader.need(node, entries, "transitions").map_or(&[][..], |node| reader.map(node, None));
    let from = |(key, node): &Entry| Some((reader.text(key)?, reader.weights(node)));
    let transitions = transitions.iter().filter_map(from).collect();
    Some(Make::States(States { start: start?, transitions }))
}

fn reached(reader: &Reader<'_>, node: &Spanned, table: &Table) -> Option<Make> {
    let entries = reader.map(node, Some(&["column", "state", "after", "mean"]));
    let column = |key| reader.need(node, entries, key).and_then(|node| sibling(reader, node, table));
    let text = |key| reader.need(node, entries, key).and_then(|node| reader.text(node));
    let (states, state, after, mean) = (column("column"), text("state"), column("after"), text("mean"));
    Some(Make::Reached { column: states?, state: state?, after: after?, mean: mean? })
}

/// `uniform`, `even`, `{zipf: 1.1}` or `{counts: {0: 30, 1: 70}}`.
fn fan_out(reader: &Reader<'_>, node: &Spanned) -> Option<FanOut> {
    match reader.scalar(node).as_deref() {
        Some("uniform") => return Some(FanOut::Uniform),
        Some("even") => return Some(FanOut::Even),
        Some(_) => {
            reader.wrong(node, "`uniform`, `even`, `{zipf: 1.1}` or `{counts: {0: 30, 1: 70}}`");
            return None;
        }
        None => {}
    }
    let entries = reader.map(node, Some(&["zipf", "counts"]));
    if let Some(node) = get(entries, "zipf") {
        return Some(FanOut::Zipf { exponent: exponent(reader, node)? });
    }
    let counts = get(entries, "counts").map_or(&[][..], |node| reader.map(node, None));
    let count = |(key, node): &Entry| {
        Some((reader.count(key)?, reader.number(node, "a weight from 0 on", |n| n >= 0.0)?))
    };
    Some(FanOut::Counts(counts.iter().filter_map(count).collect()))
}
