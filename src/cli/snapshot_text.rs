//! Snapshots as text for people and as values for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::data::snapshot::{Difference, Inspection, Listing, Received};
use crate::operation::stores::outcome::Taken;
use crate::words::{counted, sized};

/// A line a snapshot.
pub(super) fn listing(listing: &Listing) -> String {
    if listing.snapshots.is_empty() {
        return "there are no snapshots; `devcluster snapshot create NAME` takes one".into();
    }
    let width = listing.snapshots.iter().map(|one| one.name.as_str().len()).max().unwrap_or(0).max(4);
    let mut text =
        format!("{:<width$}  {:<20}  {:>9}  {:>7}  CONTENT\n", "NAME", "CREATED", "SIZE", "STREAMS");
    for one in &listing.snapshots {
        let content = one.content.to_string();
        let short = content.rsplit(':').next().unwrap_or_default().chars().take(12).collect::<String>();
        let _ = writeln!(
            text,
            "{:<width$}  {:<20}  {:>9}  {:>7}  {short}",
            one.name.as_str(),
            one.created.to_string(),
            sized(one.size),
            one.streams
        );
    }
    text.trim_end().to_owned()
}

pub(super) fn listing_value(listing: &Listing) -> Value {
    let snapshots = listing.snapshots.iter().map(|one| {
        json!({"name": one.name, "created": one.created, "content": one.content, "bytes": one.size, "streams": one.streams})
    });
    json!({"snapshots": snapshots.collect::<Vec<_>>(), "damaged": listing.damaged.iter().map(ToString::to_string).collect::<Vec<_>>()})
}

/// All there is to know of a snapshot.
pub(super) fn inspection(found: &Inspection) -> String {
    let manifest = &found.manifest;
    let mut text = format!("{}  created {}\ncontent {}\n", manifest.name, manifest.created, manifest.content);
    let _ = writeln!(
        text,
        "{}, {} stored as {}, {} of it this snapshot's alone",
        counted(found.chunks, "chunk"),
        sized(manifest.size()),
        sized(found.stored),
        sized(found.own)
    );
    if found.missing > 0 {
        let _ = writeln!(text, "{} MISSING: it cannot be loaded", counted(found.missing, "chunk"));
    }
    for (tool, version) in &manifest.tools {
        let _ = writeln!(text, "{tool} {version}");
    }
    for (key, value) in &manifest.attributes {
        let _ = writeln!(text, "{key}: {}", plain(value));
    }
    for stream in &manifest.streams {
        let rows = stream.attributes.get("rows").and_then(Value::as_u64);
        let rows = rows.map(|rows| format!("  {rows} rows")).unwrap_or_default();
        let _ = writeln!(text, "  {:>9}  {}{rows}", sized(stream.size), stream.path);
    }
    text.trim_end().to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn inspection_value(found: &Inspection) -> Value {
    json!({"manifest": found.manifest, "chunks": found.chunks, "stored": found.stored, "own": found.own, "missing": found.missing})
}

/// What came into a catalogue.
pub(super) fn received(received: &Received) -> String {
    format!(
        "{}: {} came with {}, {}",
        received.manifest.name,
        sized(received.manifest.size()),
        counted(usize::try_from(received.added.chunks).unwrap_or(usize::MAX), "new chunk"),
        sized(received.added.bytes)
    )
}

pub(super) fn received_value(received: &Received) -> Value {
    json!({"name": received.manifest.name, "content": received.manifest.content, "chunks": received.added.chunks, "bytes": received.added.bytes})
}

/// In what two snapshots differ: `+` is only in the second, `-` only in the first, `~` in both.
pub(super) fn difference(found: &Difference) -> String {
    let mut text = String::new();
    for (path, size) in &found.removed {
        let _ = writeln!(text, "- {path}  {}", sized(*size));
    }
    for (path, size) in &found.added {
        let _ = writeln!(text, "+ {path}  {}", sized(*size));
    }
    for one in &found.changed {
        let _ = writeln!(
            text,
            "~ {}  {} then {}, {} shared",
            one.path,
            sized(one.before),
            sized(one.after),
            sized(one.shared)
        );
    }
    let _ = write!(
        text,
        "{} the same; of the second {} are shared with the first, {} new",
        counted(found.same, "stream"),
        sized(found.shared),
        sized(found.new)
    );
    text
}

pub(super) fn difference_value(found: &Difference) -> Value {
    let list = |all: &[(crate::data::snapshot::StreamPath, u64)]| {
        all.iter().map(|(path, size)| json!({"path": path, "bytes": size})).collect::<Vec<_>>()
    };
    let changed = found
        .changed
        .iter()
        .map(|one| json!({"path": one.path, "before": one.before, "after": one.after, "shared": one.shared}));
    json!({
        "removed": list(&found.removed), "added": list(&found.added), "changed": changed.collect::<Vec<_>>(),
        "same": found.same, "shared": found.shared, "new": found.new,
    })
}

/// What was taken of each part.
pub(super) fn taken(taken: &Taken) -> String {
    let width = taken.parts.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let lines = taken.parts.iter().map(|one| {
        let bytes = one.bytes.map(|bytes| format!("  {:>9}", sized(bytes))).unwrap_or_default();
        format!("{:<width$}  {:>10} {}{bytes}", one.name, one.rows, taken.words.rows)
    });
    lines.collect::<Vec<_>>().join("\n")
}
