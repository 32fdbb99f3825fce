//! A comparison as text: a line an object, below it the fields that differ, live first.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Diff, DiffClass, DiffEntry, FieldCause, FieldDiff};

/// Lines of a long text shown around its change.
const CONTEXT: usize = 2;

/// The comparison as text: `-` is what the cluster has, `+` what applying would make of it. Ends with a count of each
/// class. Objects without a difference are counted only.
pub fn render(diff: &Diff) -> String {
    let mut out = String::new();
    for entry in diff.entries.iter().filter(|entry| entry.class != DiffClass::Same) {
        entry_lines(&mut out, entry);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", counts(diff));
    out
}

fn entry_lines(out: &mut String, entry: &DiffEntry) {
    let note = if entry.note.is_empty() { String::new() } else { format!(": {}", entry.note.trim()) };
    let _ = writeln!(out, "{} {}{note}", entry.id, class_words(entry.class));
    out.push_str(&fields(&entry.fields));
}

/// Fields that differ, live first.
pub(super) fn fields(fields: &[FieldDiff]) -> String {
    let mut out = String::new();
    for field in fields {
        if let Some(why) = cause_words(&field.cause) {
            let _ = writeln!(out, "  {} ({why})", field.path);
        } else {
            let _ = writeln!(out, "  {}", field.path);
        }
        field_lines(&mut out, field);
    }
    out
}

fn class_words(class: DiffClass) -> &'static str {
    match class {
        DiffClass::Same => "is the same",
        DiffClass::Expired | DiffClass::HookDeleted => "is gone",
        DiffClass::OtherManager => "was changed by a controller",
        DiffClass::Patched => "differs by a named patch",
        DiffClass::NotAskable => "cannot be compared",
        DiffClass::Differs => "differs",
        DiffClass::Absent => "is not in the cluster",
    }
}

fn cause_words(cause: &FieldCause) -> Option<String> {
    match cause {
        FieldCause::Unexplained => None,
        FieldCause::Manager { managers } => {
            Some(format!("written by {}", managers.iter().cloned().collect::<Vec<_>>().join(", ")))
        }
        FieldCause::Patch { rule, reason } => Some(format!("patch {rule}: {reason}")),
    }
}

fn field_lines(out: &mut String, field: &FieldDiff) {
    let live = field.live.as_ref().map(lines).unwrap_or_default();
    let wanted = field.wanted.as_ref().map(lines).unwrap_or_default();
    // Long texts are alike but for a few lines: only those are shown.
    let same_start = live.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
    let rest = live.len().min(wanted.len()) - same_start;
    let same_end = live.iter().rev().zip(wanted.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let same_everywhere = same_start == live.len() && live.len() == wanted.len();
    let (same_start, same_end) = if same_everywhere { (0, 0) } else { (same_start, same_end) };
    let from = same_start.saturating_sub(CONTEXT);
    for line in &live[from..same_start] {
        let _ = writeln!(out, "      {line}");
    }
    for line in &live[same_start..live.len() - same_end] {
        let _ = writeln!(out, "    - {line}");
    }
    for line in &wanted[same_start..wanted.len() - same_end] {
        let _ = writeln!(out, "    + {line}");
    }
    let end = live.len() - same_end;
    for line in live[end..].iter().take(CONTEXT) {
        let _ = writeln!(out, "      {line}");
    }
}

/// A value in lines: a text as it is, a map or list as YAML.
fn lines(value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) if text.contains('\n') => text.clone(),
        Value::Object(_) | Value::Array(_) => {
            serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string())
        }
        scalar => scalar.to_string(),
    };
    text.lines().map(str::to_owned).collect()
}

fn counts(diff: &Diff) -> String {
    let classes = [
        (DiffClass::Same, "the same"),
        (DiffClass::Absent, "not in the cluster"),
        (DiffClass::Differs, "different"),
        (DiffClass::Patched, "different by a named patch"),
        (DiffClass::OtherManager, "changed by a controller"),
        (DiffClass::Expired, "completed and expired"),
        (DiffClass::HookDeleted, "deleted by hook policy"),
        (DiffClass::NotAskable, "not comparable"),
    ];
    let parts: Vec<String> = classes
        .iter()
        .map(|(class, words)| (diff.entries.iter().filter(|entry| entry.class == *class).count(), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let total = diff.entries.len();
    let objects = if total == 1 { "object" } else { "objects" };
    format!(
        "{total} {objects}: {}",
        if parts.is_empty() { "nothing to compare".into() } else { parts.join(", ") }
    )
}
