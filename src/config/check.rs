//! Holds a tree against the table that describes it, and names everything that does not fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::{Document, Faults, nearest, suggest};
use super::shape::{Record, Shape, Text};
use super::tree::{Spanned, SpannedValue, Tree as _};

/// Checks one document's tree.
pub(super) struct Checker<'a> {
    /// The document, for the faults.
    pub(super) document: &'a Arc<Document>,
    /// Where faults go.
    pub(super) faults: &'a Faults,
}

impl Checker<'_> {
    /// Checks what stands at `at` (such as `images[0].context`; empty at the top) against a shape.
    pub(super) fn check(&self, node: &Spanned, shape: &Shape, at: &str) {
        match (shape, &node.value) {
            (Shape::Either(shapes), value) => match shapes.iter().find(|shape| takes_type(shape, value)) {
                Some(shape) => self.check(node, shape, at),
                None => self.wrong_type(node, shape, at),
            },
            (Shape::Record(record), SpannedValue::Map(entries)) => self.record(node, entries, record, at),
            (Shape::Map(keys, values), SpannedValue::Map(entries)) => self.map(entries, keys, values, at),
            (Shape::List(item), SpannedValue::Seq(items)) => {
                for (index, node) in items.iter().enumerate() {
                    self.check(node, item, &format!("{at}[{index}]"));
                }
            }
            (Shape::Text(text), SpannedValue::String(found)) if !text.takes(found) => {
                let message = format!("`{at}` cannot be `{found}`");
                self.faults.add(self.document, node.span(), message, format!("needed is {}", text.what));
            }
            (Shape::Choice(words), SpannedValue::String(found)) if !words.contains(&found.as_str()) => {
                let help = suggest(found, "known are", words.iter().copied());
                self.faults.add(self.document, node.span(), format!("`{at}` cannot be `{found}`"), help);
            }
            (Shape::Int { min, max }, SpannedValue::Int(found)) if !(*min..=*max).contains(found) => {
                let message = format!("`{at}` cannot be {found}");
                self.faults.add(self.document, node.span(), message, format!("needed is {}", shape.wanted()));
            }
            (Shape::True, SpannedValue::Bool(false)) => {
                let help = "needed is true; remove the key where it should not be so".to_owned();
                self.faults.add(self.document, node.span(), format!("`{at}` cannot be false"), help);
            }
            (shape, value) if !takes_type(shape, value) => self.wrong_type(node, shape, at),
            _ => {}
        }
    }

    fn wrong_type(&self, node: &Spanned, shape: &Shape, at: &str) {
        let place = if at.is_empty() { "the file".to_owned() } else { format!("`{at}`") };
        let message = match node.value {
            SpannedValue::Null => format!("{place} is empty"),
            _ => format!("{place} is {}", node.kind()),
        };
        let written = self.document.text.get(node.start.offset..node.end.offset).unwrap_or_default();
        let number =
            matches!(node.value, SpannedValue::Int(_) | SpannedValue::Float(_) | SpannedValue::Bool(_));
        let help = match (&node.value, shape) {
            (_, Shape::Text(text)) if number && text.takes(written) => {
                format!("needed is text: quote it, \"{written}\"")
            }
            (SpannedValue::String(text), Shape::Int { .. } | Shape::Bool)
                if text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok() =>
            {
                format!("needed is {}: write it without quotes", shape.wanted())
            }
            (SpannedValue::Null, _) if !at.is_empty() => {
                format!("needed is {}; or remove the key", shape.wanted())
            }
            _ => format!("needed is {}", shape.wanted()),
        };
        self.faults.add(self.document, node.span(), message, help);
    }

    /// Checks that keys are text and stand once; gives the first entry of each.
    fn keys<'t>(
        &self,
        entries: &'t [(Spanned, Spanned)],
        at: &str,
    ) -> Vec<(&'t str, &'t (Spanned, Spanned))> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut first = Vec::new();
        for entry in entries {
            let Some(key) = entry.0.text() else {
                let message = format!("a key of {} is {}", place(at), entry.0.kind());
                self.faults.add(self.document, entry.0.span(), message, "keys are text: quote it".to_owned());
                continue;
            };
            if let Some(line) = seen.get(key) {
                let help = format!("it stands in line {line} already; keep one of them");
                self.faults.add(
                    self.document,
                    entry.0.span(),
                    format!("duplicate key `{}`", join(at, key)),
                    help,
                );
                continue;
            }
            seen.insert(key, entry.0.start.line);
            first.push((key, entry));
        }
        first
    }

    fn map(&self, entries: &[(Spanned, Spanned)], keys: &Text, values: &Shape, at: &str) {
        for (key, (node, value)) in self.keys(entries, at) {
            if !keys.takes(key) {
                let message = format!("`{key}` cannot be a key of {}", place(at));
                self.faults.add(self.document, node.span(), message, format!("needed is {}", keys.what));
            }
            self.check(value, values, &join(at, key));
        }
    }

    fn record(&self, node: &Spanned, entries: &[(Spanned, Spanned)], record: &Record, at: &str) {
        let names = || record.fields.iter().map(|field| field.name);
        let found = self.keys(entries, at);
        let has = |name: &str| found.iter().any(|(key, _)| *key == name);
        let mut meant = Vec::new();
        for (key, (name, value)) in &found {
            if let Some(field) = record.fields.iter().find(|field| field.name == *key) {
                if let Some(with) = field.with.filter(|with| !has(with)) {
                    let message = format!("`{}` needs `{with}` beside it", join(at, key));
                    let help = format!("add `{with}`, or remove `{key}`");
                    self.faults.add(self.document, name.span(), message, help);
                }
                self.check(value, &field.shape, &join(at, key));
            } else {
                // What is taken already was not what this key was meant to be.
                let free: Vec<&str> = names().filter(|name| !has(name)).collect();
                let near = nearest(key, free.iter().copied());
                meant.extend(near);
                let help = near.map_or_else(
                    || format!("known here are: {}", quoted(names())),
                    |near| format!("did you mean `{near}`?"),
                );
                self.faults.add(self.document, name.span(), format!("unknown key `{}`", join(at, key)), help);
            }
        }
        for field in record.fields {
            // A misspelt key is one fault, not two.
            if field.required && !has(field.name) && !meant.contains(&field.name) {
                let message = format!("`{}` is missing", join(at, field.name));
                let help = format!("needed is {}", field.shape.wanted());
                self.faults.add_missing(self.document, node.span(), message, help);
            }
        }
        self.one_of(node, &found, record, &meant, at);
    }

    fn one_of(
        &self,
        node: &Spanned,
        found: &[(&str, &(Spanned, Spanned))],
        record: &Record,
        meant: &[&str],
        at: &str,
    ) {
        let present: Vec<_> = found.iter().filter(|(key, _)| record.one_of.contains(key)).collect();
        let names = quoted(record.one_of.iter().copied());
        if let [(first, _), rest @ ..] = present.as_slice() {
            for (key, (name, _)) in rest {
                let message = format!("`{}` cannot stand beside `{first}`", join(at, key));
                self.faults.add(self.document, name.span(), message, format!("exactly one of {names}"));
            }
        } else if !record.one_of.is_empty() && !record.one_of.iter().any(|name| meant.contains(name)) {
            let message = format!("{} has none of {names}", place(at));
            self.faults.add_missing(self.document, node.span(), message, format!("exactly one of {names}"));
        }
    }
}

fn place(at: &str) -> String {
    if at.is_empty() { "the file".into() } else { format!("`{at}`") }
}

fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The place of a key within a place.
pub(super) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.into() } else { format!("{at}.{key}") }
}

/// Whether a shape takes values of this type at all.
fn takes_type(shape: &Shape, value: &SpannedValue) -> bool {
    match (shape, value) {
        (Shape::Either(shapes), value) => shapes.iter().any(|shape| takes_type(shape, value)),
        (Shape::Bool | Shape::True, SpannedValue::Bool(_))
        | (Shape::Int { .. }, SpannedValue::Int(_))
        | (Shape::Text(_) | Shape::Choice(_), SpannedValue::String(_))
        | (Shape::List(_), SpannedValue::Seq(_))
        | (Shape::Map(..) | Shape::Record(_), SpannedValue::Map(_)) => true,
        (Shape::Scalar, value) => matches!(
            value,
            SpannedValue::Bool(_) | SpannedValue::Int(_) | SpannedValue::Float(_) | SpannedValue::String(_)
        ),
        _ => false,
    }
}
