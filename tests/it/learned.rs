//! What tests of measuring share: ways for a value to hide, and how alike two profiles are.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use devcluster::data::learn::{Distinct, Profile, Quantity, TableProfile};

/// Ways in which a value may hide in a text.
pub fn encodings(value: &str) -> BTreeSet<String> {
    let reversed: String = value.chars().rev().collect();
    let hex = value.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut all = BTreeSet::from([
        value.to_owned(),
        value.to_uppercase(),
        value.to_lowercase(),
        reversed,
        hex.to_uppercase(),
        hex,
    ]);
    all.insert(serde_json::to_string(value).unwrap().trim_matches('"').to_owned());
    // Where a value begins within three bytes decides its base64; the ends depend on what is around it.
    for before in ["", "a", "ab"] {
        let whole = base64::engine::general_purpose::STANDARD.encode(format!("{before}{value}"));
        all.insert(whole.get(4..whole.len().saturating_sub(4)).unwrap_or_default().to_owned());
    }
    if let Ok(number) = value.replace(['$', ','], "").parse::<f64>() {
        let whole = number.trunc();
        all.extend([
            format!("{number}"),
            format!("{number:e}"),
            format!("{whole}"),
            format!("{:x}", number.to_bits()),
            format!("{number:.1}"),
        ]);
        all.insert(format!("{number:.3e}"));
    }
    // Parts of composite values: days, times, elements.
    all.extend(
        value.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | ':' | '-'))).map(str::to_owned),
    );
    all.retain(|text| text.len() >= 5);
    all
}

/// A table of which only that is known.
pub fn table_of(rows: Quantity) -> TableProfile {
    TableProfile { rows, columns: BTreeMap::new(), correlations: Vec::new(), keys: BTreeMap::new() }
}

/// Rows, about.
#[expect(clippy::cast_precision_loss, reason = "counts of tests are small")]
pub fn about(quantity: Quantity) -> f64 {
    if let Quantity::About(count) = quantity { count as f64 } else { 25.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tests are small")]
fn distinct_share(table: &TableProfile, name: &str) -> Option<f64> {
    let column = &table.columns[name];
    let filled = about(table.rows) * (1.0 - column.nulls.part());
    Some(match column.distinct? {
        Distinct::Each(count) | Distinct::About(count) => (count as f64 / filled).min(1.0),
        Distinct::All => 1.0,
    })
}

/// Where two profiles are not alike.
pub fn differences(one: &Profile, other: &Profile) -> Vec<String> {
    let mut found = Vec::new();
    for (name, before) in &one.tables {
        let after = &other.tables[name];
        if (about(before.rows) - about(after.rows)).abs() > 0.1 * about(before.rows) {
            found.push(format!("{name} has {:?} rows, and then {:?}", before.rows, after.rows));
        }
        for (column, was) in &before.columns {
            let Some(is) = after.columns.get(column) else { continue };
            if (was.nulls.part() - is.nulls.part()).abs() > 0.05 {
                found.push(format!("{name}.{column}: nulls {}, and then {}", was.nulls, is.nulls));
            }
            let (Some(was), Some(is)) = (distinct_share(before, column), distinct_share(after, column))
            else {
                continue;
            };
            if (was - is).abs() > 0.1 {
                found.push(format!("{name}.{column}: distinct share {was:.2}, and then {is:.2}"));
            }
        }
        for (key, was) in &before.keys {
            let Some(is) = after.keys.get(key) else { continue };
            if (was.mean - is.mean).abs() > 0.1 * was.mean {
                found.push(format!("{name}, {key}: {} children, and then {}", was.mean, is.mean));
            }
        }
    }
    found
}
