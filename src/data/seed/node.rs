//! Reads nodes of a seed.yaml, each with a fault where it is not what is wanted.

use super::fault::{Faults, suggest};
use crate::yaml::{Spanned, SpannedValue};

/// A key and its value.
pub(in crate::data) type Entry = (Spanned, Spanned);

/// A mapping's value under `key`.
pub(in crate::data) fn get<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Spanned> {
    let is = |found: &Spanned| matches!(&found.value, SpannedValue::String(text) if text == key);
    entries.iter().find(|(found, _)| is(found)).map(|(_, value)| value)
}

/// Reads nodes of one text.
pub(in crate::data) struct Reader<'a> {
    pub(in crate::data) text: &'a str,
    pub(in crate::data) faults: Faults,
}

impl Reader<'_> {
    /// The entries of a mapping, each key once and, where `keys` says which there are, one of those.
    pub(in crate::data) fn map<'n>(&self, node: &'n Spanned, keys: Option<&[&str]>) -> &'n [Entry] {
        let SpannedValue::Map(entries) = &node.value else {
            let what = keys.map_or_else(|| "names with values".to_owned(), |keys| keys.join(", "));
            self.faults.add(node, "a mapping is needed here", format!("write {what}"));
            return &[];
        };
        let mut seen: Vec<String> = Vec::new();
        for (key, _) in entries {
            let name = self.scalar(key).unwrap_or_default();
            if seen.contains(&name) {
                self.faults.add(key, format!("`{name}` stands twice"), "keep one of them");
            } else if let Some(keys) = keys.filter(|keys| !keys.contains(&name.as_str())) {
                self.faults.add(
                    key,
                    format!("`{name}` is not known here"),
                    suggest(&name, keys.iter().copied()),
                );
            }
            seen.push(name);
        }
        entries
    }

    /// A mapping's value under `key`; a fault at `node` where it is not there.
    pub(in crate::data) fn need<'n>(
        &self,
        node: &Spanned,
        entries: &'n [Entry],
        key: &str,
    ) -> Option<&'n Spanned> {
        let found = get(entries, key);
        if found.is_none() {
            self.faults.add(node, format!("`{key}` is missing"), format!("write `{key}`"));
        }
        found
    }

    /// A scalar as it is written: `1.50` and `NO` stay those. None for null, mappings and sequences.
    pub(in crate::data) fn scalar(&self, node: &Spanned) -> Option<String> {
        match &node.value {
            SpannedValue::String(text) => Some(text.clone()),
            SpannedValue::Bool(_) | SpannedValue::Int(_) | SpannedValue::Float(_) => {
                self.text.get(node.start.offset..node.end.offset).map(|text| text.trim().to_owned())
            }
            SpannedValue::Null | SpannedValue::Seq(_) | SpannedValue::Map(_) => None,
        }
    }

    /// A scalar; a fault where it is none.
    pub(in crate::data) fn text(&self, node: &Spanned) -> Option<String> {
        let found = self.scalar(node);
        if found.is_none() {
            self.faults.add(node, "one value is needed here", "write a text or a number");
        }
        found
    }

    /// A number that `good` holds for; a fault that says `wanted` where it is none.
    pub(in crate::data) fn number(
        &self,
        node: &Spanned,
        wanted: &str,
        good: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let found = match node.value {
            #[expect(clippy::cast_precision_loss, reason = "weights and shares are no large numbers")]
            SpannedValue::Int(number) => Some(number as f64),
            SpannedValue::Float(number) => Some(number),
            _ => None,
        };
        let found = found.filter(|number| number.is_finite() && good(*number));
        if found.is_none() {
            self.wrong(node, wanted);
        }
        found
    }

    /// A whole number of at least `least`.
    pub(in crate::data) fn whole(&self, node: &Spanned, least: i64) -> Option<i64> {
        let found = if let SpannedValue::Int(number) = node.value { Some(number) } else { None };
        let found = found.filter(|number| *number >= least);
        if found.is_none() {
            let wanted = if least == i64::MIN {
                "a whole number".to_owned()
            } else {
                format!("a whole number from {least} on")
            };
            self.wrong(node, &wanted);
        }
        found
    }

    /// The same, not below 0.
    pub(in crate::data) fn count(&self, node: &Spanned) -> Option<u64> {
        self.whole(node, 0).map(i64::unsigned_abs)
    }

    /// The items of a sequence.
    pub(in crate::data) fn items<'n>(&self, node: &'n Spanned) -> &'n [Spanned] {
        if let SpannedValue::Seq(items) = &node.value {
            return items;
        }
        self.wrong(node, "a sequence `[…]`");
        &[]
    }

    /// A fault about a value.
    pub(in crate::data) fn wrong(&self, node: &Spanned, wanted: &str) {
        let found = self.scalar(node).map_or_else(|| "this".to_owned(), |text| format!("`{text}`"));
        self.faults.add(node, format!("it cannot be {found}"), format!("needed is {wanted}"));
    }

    /// Weights by name: `{a: 1, b: 2}`, or `[a, b]` for even ones.
    pub(in crate::data) fn weights(&self, node: &Spanned) -> Vec<(String, f64)> {
        if let SpannedValue::Seq(items) = &node.value {
            return items.iter().filter_map(|item| Some((self.text(item)?, 1.0))).collect();
        }
        let weight = |(key, value): &Entry| {
            Some((self.text(key)?, self.number(value, "a weight from 0 on", |n| n >= 0.0)?))
        };
        self.map(node, None).iter().filter_map(weight).collect()
    }
}
