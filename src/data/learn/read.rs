//! Reads a profile's YAML. Every fault of it is found at once.

use std::collections::BTreeMap;

use super::profile::{
    ColumnProfile, Correlation, Distinct, FanOutProfile, NumberShape, Profile, Quantity, Rules, Seasons,
    Share, TableProfile, Widths,
};
use crate::data::schema::TableName;
use crate::data::seed::{Faults, Reader, SeedFaults, get};
use crate::yaml::{Position, Spanned, SpannedValue, parse_spanned};

const COLUMN: [&str; 10] = [
    "nulls",
    "distinct",
    "widths",
    "labels",
    "frequencies",
    "zipf",
    "quartiles",
    "negative",
    "zero",
    "seasons",
];

impl Profile {
    /// Reads `text`, shown as `name` in faults.
    pub fn read(text: &str, name: &str) -> Result<Self, SeedFaults> {
        let reader = Reader { text, faults: Faults::default() };
        let documents = parse_spanned(text).unwrap_or_else(|error| {
            let help = error.hint.unwrap_or_else(|| "correct the YAML".to_owned());
            reader.faults.add_at(error.position, error.message, help);
            Vec::new()
        });
        let mut profile = Self::default();
        match documents.as_slice() {
            [document] => whole(&reader, &document.root, &mut profile),
            [_, second, ..] => {
                reader.faults.add(&second.root, "there is a second document", "one file has one profile");
            }
            [] => {
                let at = Position { line: 1, column: 1, offset: 0 };
                reader.faults.add_at(
                    at,
                    "there is nothing in it".to_owned(),
                    "`seed learn` writes one".to_owned(),
                );
            }
        }
        reader.faults.result(name, profile)
    }
}

fn whole(reader: &Reader<'_>, root: &Spanned, profile: &mut Profile) {
    let entries = reader.map(root, Some(&["least", "label_share", "most_labels", "tables"]));
    let fallback = Rules::default();
    let least = reader.need(root, entries, "least").and_then(|node| reader.whole(node, 2));
    let share =
        get(entries, "label_share").and_then(|node| reader.number(node, "a share from 0 to 1", is_share));
    let labels = get(entries, "most_labels").and_then(|node| reader.count(node));
    profile.rules = Rules {
        least: least.map_or(fallback.least, i64::unsigned_abs),
        label_share: share.unwrap_or(fallback.label_share),
        most_labels: labels.unwrap_or(fallback.most_labels),
    };
    let Some(tables) = reader.need(root, entries, "tables") else { return };
    for (schema, node) in reader.map(tables, None) {
        let Some(schema) = reader.text(schema) else { continue };
        for (name, node) in reader.map(node, None) {
            if let Some(name) = reader.text(name) {
                profile.tables.insert(TableName::new(schema.clone(), name), table(reader, node));
            }
        }
    }
}

fn is_share(number: f64) -> bool {
    (0.0..=1.0).contains(&number)
}

fn table(reader: &Reader<'_>, node: &Spanned) -> TableProfile {
    let entries = reader.map(node, Some(&["rows", "columns", "keys", "correlations"]));
    let rows = reader.need(node, entries, "rows").and_then(|node| quantity(reader, node));
    let named = |key: &str| get(entries, key).map_or(&[][..], |node| reader.map(node, None));
    let columns =
        named("columns").iter().filter_map(|(key, node)| Some((reader.text(key)?, column(reader, node))));
    let keys =
        named("keys").iter().filter_map(|(key, node)| Some((reader.text(key)?, fan_out(reader, node))));
    let correlations = get(entries, "correlations").map_or(&[][..], |node| reader.items(node));
    TableProfile {
        rows: rows.unwrap_or(Quantity::None),
        columns: columns.collect(),
        keys: keys.collect::<BTreeMap<_, _>>(),
        correlations: correlations.iter().filter_map(|node| correlation(reader, node)).collect(),
    }
}

fn quantity(reader: &Reader<'_>, node: &Spanned) -> Option<Quantity> {
    match &node.value {
        SpannedValue::Int(0) => Some(Quantity::None),
        SpannedValue::Int(count) if *count > 0 => Some(Quantity::About(count.unsigned_abs())),
        SpannedValue::String(text) if text == "few" => Some(Quantity::Under),
        _ => {
            reader.wrong(node, "a number of rows, or `few`");
            None
        }
    }
}

fn column(reader: &Reader<'_>, node: &Spanned) -> ColumnProfile {
    let entries = reader.map(node, Some(&COLUMN));
    let found = |key: &str| get(entries, key);
    let labels = found("labels").map_or(&[][..], |node| reader.map(node, None));
    let label = |(key, node): &(Spanned, Spanned)| Some((reader.text(key)?, share(reader, node)?));
    ColumnProfile {
        nulls: reader
            .need(node, entries, "nulls")
            .and_then(|node| share(reader, node))
            .unwrap_or(Share::None),
        distinct: found("distinct").and_then(|node| distinct(reader, node)),
        widths: found("widths").and_then(|node| widths(reader, node)),
        labels: labels.iter().filter_map(label).collect(),
        frequencies: found("frequencies").map_or_else(Vec::new, |node| percents(reader, node, None)),
        zipf: found("zipf")
            .and_then(|node| reader.number(node, "an exponent from 0 to 10", |n| (0.0..=10.0).contains(&n))),
        lies: found("quartiles").and_then(|node| lies(reader, node, entries)),
        seasons: found("seasons").map(|node| seasons(reader, node)),
    }
}

/// `12%`, `few`, `all but few`.
fn share(reader: &Reader<'_>, node: &Spanned) -> Option<Share> {
    let text = reader.scalar(node).unwrap_or_default();
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match (text.as_str(), percent) {
        ("few", _) => Some(Share::Under),
        ("all but few", _) => Some(Share::AllButUnder),
        (_, Some(0.0)) => Some(Share::None),
        (_, Some(100.0)) => Some(Share::All),
        (_, Some(percent)) if percent > 0.0 && percent < 100.0 => Some(Share::Percent(percent)),
        _ => {
            reader.wrong(node, "a share such as `12%`, `few` or `all but few`");
            None
        }
    }
}

fn distinct(reader: &Reader<'_>, node: &Spanned) -> Option<Distinct> {
    let text = reader.scalar(node).unwrap_or_default();
    let about = text.strip_prefix("about ").and_then(|count| count.parse().ok());
    match (text.as_str(), about, text.parse()) {
        ("all", ..) => Some(Distinct::All),
        (_, Some(count), _) => Some(Distinct::About(count)),
        (_, _, Ok(count)) => Some(Distinct::Each(count)),
        _ => {
            reader.wrong(node, "a number, `about` a number, or `all`");
            None
        }
    }
}

fn widths(reader: &Reader<'_>, node: &Spanned) -> Option<Widths> {
    let entries = reader.map(node, Some(&["average", "most"]));
    let width = |key: &str| reader.need(node, entries, key).and_then(|node| reader.count(node));
    let (average, most) = (width("average"), width("most"));
    Some(Widths { average: average?, most: most? })
}

/// Numbers from 0 to 100, so many where that is told.
fn percents(reader: &Reader<'_>, node: &Spanned, count: Option<usize>) -> Vec<f64> {
    let items = reader.items(node);
    if let Some(count) = count.filter(|count| *count != items.len()) {
        reader.wrong(node, &format!("a sequence of {count} numbers"));
        return Vec::new();
    }
    items.iter().filter_map(|item| percent(reader, item)).collect()
}

fn percent(reader: &Reader<'_>, node: &Spanned) -> Option<f64> {
    reader.number(node, "a number from 0 to 100", |number| (0.0..=100.0).contains(&number))
}

fn lies(reader: &Reader<'_>, node: &Spanned, entries: &[(Spanned, Spanned)]) -> Option<NumberShape> {
    let place = |item: &Spanned| reader.number(item, "a place from 0 to 1", is_share);
    let [first, second, third] = reader.items(node) else {
        reader.wrong(node, "a sequence of 3 places from 0 to 1");
        return None;
    };
    let (first, second, third) = (place(first), place(second), place(third));
    let part = |key: &str| get(entries, key).and_then(|node| share(reader, node)).unwrap_or(Share::None);
    Some(NumberShape { quartiles: [first?, second?, third?], negative: part("negative"), zero: part("zero") })
}

fn seasons(reader: &Reader<'_>, node: &Spanned) -> Seasons {
    let entries = reader.map(node, Some(&["span", "growth", "days", "hours"]));
    let growth = get(entries, "growth");
    let weights = |key: &str, count| {
        get(entries, key).map_or_else(Vec::new, |node| percents(reader, node, Some(count)))
    };
    Seasons {
        span: get(entries, "span").and_then(|node| reader.count(node)),
        growth: growth.and_then(|node| reader.number(node, "a number above 0", |number| number > 0.0)),
        days: weights("days", 7),
        hours: weights("hours", 24),
    }
}

fn correlation(reader: &Reader<'_>, node: &Spanned) -> Option<Correlation> {
    let entries = reader.map(node, Some(&["columns", "rank"]));
    let columns = reader.need(node, entries, "columns").map(|node| {
        let names = reader.items(node).iter().filter_map(|item| reader.text(item)).collect::<Vec<_>>();
        <[String; 2]>::try_from(names).map_err(|_| reader.wrong(node, "the names of two columns"))
    });
    let rank = reader.need(node, entries, "rank");
    let rank = rank
        .and_then(|node| reader.number(node, "a number from -1 to 1", |rank| (-1.0..=1.0).contains(&rank)));
    Some(Correlation { columns: columns?.ok()?, rank: rank? })
}

fn fan_out(reader: &Reader<'_>, node: &Spanned) -> FanOutProfile {
    let entries = reader.map(node, Some(&["mean", "children"]));
    let mean = reader.need(node, entries, "mean");
    let mean = mean.and_then(|node| reader.number(node, "a number from 0 on", |mean| mean >= 0.0));
    let children = reader.need(node, entries, "children").map_or(&[][..], |node| reader.map(node, None));
    let child = |(key, node): &(Spanned, Spanned)| Some((reader.count(key)?, percent(reader, node)?));
    FanOutProfile { mean: mean.unwrap_or_default(), children: children.iter().filter_map(child).collect() }
}
