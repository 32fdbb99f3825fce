//! A comparison as people read it: a list like a diff's.

use std::fmt::Write as _;

use serde_json::Value;

use super::compare::Comparison;
use super::fields::{Change, Field};
use super::message::short;
use crate::words::counted;

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// The comparison in words: one line where nothing differs.
pub fn to_text(comparison: &Comparison) -> String {
    let mut out = String::new();
    for difference in &comparison.differences {
        let _ = writeln!(out, "{} {}", sign(difference.change), difference.subject);
        for field in &difference.fields {
            field_line(&mut out, field);
        }
        if !difference.causes.is_empty() {
            let _ = writeln!(out, "    from {}", difference.causes.join(", "));
        }
    }
    let objects = counted(comparison.objects, "object");
    let root = short(&comparison.root);
    let _ = match comparison.differences.len() {
        0 => writeln!(out, "{objects} as in the lock ({root})"),
        count => writeln!(out, "{} from the lock ({root}) among {objects}", counted(count, "difference")),
    };
    for note in &comparison.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Gone => '-',
        Change::Differs => '~',
    }
}

fn field_line(out: &mut String, field: &Field) {
    let space = if field.path.is_empty() { "" } else { " " };
    let _ = write!(out, "    {}{space}{}", sign(field.change), field.path);
    if let Some(now) = &field.now {
        let text = match now {
            Value::String(text) if field.path.is_empty() => text.clone(),
            other => other.to_string(),
        };
        let mut shown: String = text.chars().take(SHOWN).flat_map(visible).collect();
        if text.chars().count() > SHOWN {
            shown.push('…');
        }
        let _ = write!(out, " now {shown}");
    }
    out.push('\n');
}

/// A character that does nothing to a terminal.
fn visible(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}
