//! Releases and their differences, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::crossing::Moved;
use super::diff::{FieldChange, ImageChange, ReleaseDiff};
use super::hooks::{HookChange, What};
use super::ledger::Ledger;
use super::record::{Content, Digests, Held, KeptHook, Made, Record};
use crate::words::counted;

/// How much of a value is shown.
const SHOWN: usize = 100;

/// What made a release, in a few words.
pub fn made(made: &Made) -> String {
    match made {
        Made::Up => "up".into(),
        Made::Revert { to } => format!("revert to {to}"),
        Made::Load { store, from } => format!("{from} into {store}"),
        Made::Reset { store } => format!("reset of {store}"),
        Made::Annotation { of } => format!("note on {of}"),
    }
}

/// The ledger, a line each, the newest first. `gone` names, by release, images without which it cannot come back.
pub fn list(ledger: &Ledger, gone: &BTreeMap<u64, Vec<String>>) -> String {
    let current = ledger.current().map(|record| record.number);
    let numbers = (1..=ledger.last()).rev();
    let lines = numbers.filter_map(|number| {
        if let Some(fault) = ledger.faults.get(&number.into()) {
            return Some(format!("  {number:>4}  {} {}", fault.object, fault.why));
        }
        let record = ledger.records.get(&number.into()).filter(|record| record.is_release())?;
        let mark = if current == Some(number) { '*' } else { ' ' };
        let lock = record.lock.as_deref().map(|root| format!("  lock {}", short(root))).unwrap_or_default();
        let mut line =
            format!("{mark} {number:>4}  {}  {}  {}{lock}", record.at, made(&record.made), record.by);
        for note in ledger.notes(number) {
            let _ = write!(line, "\n        {}", one_line(note));
        }
        for fault in ledger.faults.values().filter(|fault| fault.number == number) {
            let _ = write!(line, "\n        what was said of it is lost: {} {}", fault.object, fault.why);
        }
        if record.unready {
            line += "\n        not all was ready when it was recorded";
        }
        if let Some(images) = gone.get(&number) {
            let _ = write!(line, "\n        cannot come back: {} gone", images.join(", "));
        }
        Some(line)
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "no release yet".into() } else { lines.join("\n") }
}

/// One release.
pub fn show(ledger: &Ledger, record: &Record) -> String {
    let mut text = format!("release {}: {}\n", record.number, made(&record.made));
    let _ = writeln!(text, "  when    {}\n  who     {}", record.at, one_line(&record.by));
    for (name, value) in [("lock", &record.lock), ("tree", &record.tree), ("commit", &record.commit)] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<6}  {value}");
        }
    }
    if record.unready {
        text += "  ready   not all, when it was recorded\n";
    }
    for note in ledger.notes(record.number) {
        let _ = writeln!(text, "  note    {}", one_line(note));
    }
    let content = &record.content;
    let _ = writeln!(text, "{}", counted(content.objects.len(), "object"));
    for kept in &content.objects {
        let _ = writeln!(text, "  {}  {}", short(&kept.place.blob), kept.id);
    }
    text += &hooks(content);
    let _ = writeln!(text, "{}", counted(content.images.len(), "image"));
    for (name, digests) in &content.images {
        let _ = writeln!(text, "  {name}  {}", digests.manifest);
    }
    for (store, held) in &content.data {
        let _ = writeln!(text, "data of {store}: {}", self::held(Some(held)));
    }
    for ran in &content.migrations {
        let _ =
            writeln!(text, "migration {} ({}): reversible: {}", ran.name, short(&ran.hash), ran.reversible);
    }
    text
}

/// Every chart's hooks, as they would run.
fn hooks(content: &Content) -> String {
    let Some(charts) = &content.charts else {
        return "hooks of charts: not recorded with this release\n".into();
    };
    let mut text = String::new();
    for chart in charts.iter().filter(|chart| !chart.hooks.is_empty()) {
        let _ = writeln!(text, "{} of chart {}", counted(chart.hooks.len(), "hook"), chart.release);
        for KeptHook { kept, events, weight, delete_policies } in &chart.hooks {
            let events: Vec<&str> = events.iter().map(|event| event.name()).collect();
            let policies: Vec<&str> = delete_policies.iter().map(|policy| policy.name()).collect();
            let _ = writeln!(
                text,
                "  {}  {}  {}, weight {weight}, deleted {}",
                short(&kept.place.blob),
                kept.id,
                events.join(","),
                policies.join(",")
            );
        }
    }
    text
}

/// In what two releases differ.
pub fn difference(diff: &ReleaseDiff) -> String {
    let mut unknown = String::new();
    for number in &diff.without_hooks {
        let _ = writeln!(unknown, "? release {number} was recorded without charts' hooks");
    }
    if diff.is_empty() {
        return format!("{unknown}releases {} and {} are the same", diff.from, diff.to);
    }
    let mut text = format!("from release {} to {}\n", diff.from, diff.to);
    for id in &diff.came {
        let _ = writeln!(text, "+ {id}");
    }
    for id in &diff.went {
        let _ = writeln!(text, "- {id}");
    }
    for changed in &diff.changed {
        let _ = write!(text, "~ {}\n{}", changed.id, fields(&changed.fields));
    }
    for HookChange { release, id, what } in &diff.hooks {
        let (mark, fields) = match what {
            What::Came => ('+', String::new()),
            What::Went => ('-', String::new()),
            What::Changed { fields } => ('~', self::fields(fields)),
        };
        let _ = write!(text, "{mark} hook {release}: {id}\n{fields}");
    }
    for ImageChange { name, was, is } in &diff.images {
        let digest = |digests: &Option<Digests>| {
            digests.as_ref().map_or("(none)".to_owned(), |digests| short(&digests.manifest).to_owned())
        };
        let _ = writeln!(text, "~ image {name}: {} → {}", digest(was), digest(is));
    }
    for Moved { store, here, there } in &diff.data {
        let _ = writeln!(text, "~ data of {store}: {} → {}", held(there.as_ref()), held(here.as_ref()));
    }
    for ran in &diff.migrations {
        let _ = writeln!(text, "+ migration {} ({})", ran.name, short(&ran.hash));
    }
    text + &unknown
}

fn fields(fields: &[FieldChange]) -> String {
    let mut text = String::new();
    for FieldChange { path, was, is } in fields {
        let _ = writeln!(text, "    {path}: {} → {}", value(was.as_ref()), value(is.as_ref()));
    }
    text
}

fn held(held: Option<&Held>) -> String {
    held.map_or("(none)".to_owned(), |held| {
        let schema = held.schema.as_deref().map(|schema| format!(", schema {}", short(schema)));
        format!("{} ({}{})", held.from, short(&held.digest), schema.unwrap_or_default())
    })
}

fn value(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(none)".into() };
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut}…")
}

/// The beginning of a hash or a digest.
pub fn short(hash: &str) -> &str {
    let bare = hash.strip_prefix("sha256:").unwrap_or(hash);
    bare.get(..12).unwrap_or(bare)
}

/// What would break the line or act on a terminal is escaped.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Fault;
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn the_newest_is_first_with_what_was_said_of_it_and_what_is_missing() {
        let mut note = record(3, Made::Annotation { of: 1 });
        note.note = Some("slow\n\u{1b}[31m".into());
        let records = [record(1, Made::Up), note, record(4, Made::Revert { to: 1 })];
        let ledger = Ledger {
            records: records.map(|record| (record.number.into(), record)).into(),
            faults: [(2.into(), Fault::new(2.into(), "ConfigMap s/release-2".into(), "is missing".into()))]
                .into(),
        };
        assert_eq!(
            list(&ledger, &[(1, vec!["a:1".to_owned()])].into()),
            "*    4  2026-01-01T00:00:00Z  revert to 1  a <a@example.com>\n     2  ConfigMap s/release-2 is missing\n     \
             1  2026-01-01T00:00:00Z  up  a <a@example.com>\n        slow\\n\\u{1b}[31m\n        cannot come back: a:1 gone"
        );
        assert_eq!(list(&Ledger::default(), &BTreeMap::new()), "no release yet");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert!(value(Some(&Value::from("ü".repeat(200)))).ends_with('…'));
        assert_eq!(value(None), "(none)");
    }
}
