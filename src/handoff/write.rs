//! A lock as text: YAML of one short block an object, sorted, so that two branches that touch different objects merge.

use std::fmt::{Display, Write as _};

use super::lock::{Lock, VERSION};
use crate::yaml::reads_as_string;

const HEAD: &str = "\
# What production's manifests come to, object by object. `devcluster lock` writes it, `devcluster verify` holds against it.
# Not to be edited by hand; after a merge write it anew.
";

/// The text of a lock.
pub fn write(lock: &Lock) -> String {
    let mut out = String::from(HEAD);
    line(&mut out, "version", VERSION);
    line(&mut out, "root", &lock.root);
    line(&mut out, "kubernetes", optional(lock.kubernetes.as_deref()));
    list(&mut out, "apiVersions", lock.api_versions.iter().map(|version| scalar(version)));
    let images = lock.images.iter().map(|image| {
        let told = [("digest", &image.digest), ("source", &image.source)];
        format!("{{image: {}{}}}", scalar(&image.reference), where_told(told))
    });
    out.push_str(
        "# digest: what the registry has it as, where an engine told it. source: what it is built from.\n",
    );
    list(&mut out, "images", images);
    let data = lock.data.iter().map(|data| {
        let digest = optional(data.digest.as_deref());
        format!("{{store: {}, from: {}, digest: {digest}}}", scalar(&data.store), scalar(&data.from))
    });
    list(&mut out, "data", data);
    let migrations = lock.migrations.iter().map(|migration| {
        let mut item =
            format!("name: {}\n  reversible: {}", scalar(&migration.name), migration.reversible.word());
        if let Some(statements) = &migration.statements {
            let _ = write!(item, "\n  statements: {}", scalar(statements));
        }
        if !migration.because.is_empty() {
            item.push_str("\n  because:");
            for reason in &migration.because {
                let _ = write!(item, "\n    - {}", scalar(reason));
            }
        }
        item
    });
    list(&mut out, "migrations", migrations);
    let objects = lock.objects.iter().map(|(key, entry)| {
        let mut item =
            format!("object: {}\n  hash: {}\n  from: {}", scalar(key), entry.hash, scalar(&entry.from));
        if let Some(file) = &entry.file {
            let _ = write!(item, "\n  file: {}", scalar(file));
        }
        let _ = write!(item, "\n  fields: {}", single_quoted(&entry.fields));
        item
    });
    list(&mut out, "objects", objects);
    write_secrets(&mut out, lock);
    let seen = lock.seen.iter().map(|seen| {
        let told = [("manifest", &seen.manifest), ("config", &seen.config)];
        let (image, platform) = (scalar(&seen.reference), scalar(&seen.platform));
        format!("{{image: {image}, platform: {platform}{}}}", where_told(told))
    });
    out.push_str("# What images were where this was written, by platform. Beside the root.\n");
    list(&mut out, "seen", seen);
    write_inputs(&mut out, lock);
    write_local(&mut out, lock);
    out
}

fn write_secrets(out: &mut String, lock: &Lock) {
    let Some(secrets) = &lock.secrets else { return };
    out.push_str(
        "# Keyed hashes: only who has the key can tell what they are of. Beside the root.\nsecrets:\n",
    );
    let _ = writeln!(out, "  key: {}", scalar(&secrets.key));
    let values = secrets.values.iter().map(|((secret, key), hash)| {
        format!("{{secret: {}, key: {}, hash: {}}}", scalar(secret), scalar(key), scalar(hash))
    });
    nested(out, "values", values);
}

fn write_inputs(out: &mut String, lock: &Lock) {
    out.push_str(
        "# What it was rendered from: explains differences, and is not part of the root.\ninputs:\n",
    );
    let _ = writeln!(out, "  tree: {}", optional(lock.inputs.tree.as_deref()));
    let renderers = lock.inputs.renderers.iter();
    let renderers =
        renderers.map(|(name, version)| format!("{{name: {}, version: {}}}", scalar(name), scalar(version)));
    nested(out, "renderers", renderers);
    let files = lock.inputs.files.iter().map(|file| {
        format!(
            "{{source: {}, path: {}, digest: {}}}",
            scalar(&file.source),
            scalar(&file.path),
            optional(file.digest.as_deref())
        )
    });
    nested(out, "files", files);
}

fn write_local(out: &mut String, lock: &Lock) {
    out.push_str("# Of the machine that wrote this: never travels, and is not part of the root.\nlocal:\n");
    let _ = writeln!(out, "  profile: {}", scalar(&lock.local.profile));
    let images = lock.local.images.iter();
    nested(
        out,
        "images",
        images.map(|(name, from)| format!("{{name: {}, from: {}}}", scalar(name), scalar(from))),
    );
    let patches = lock.local.patches.iter();
    let patches =
        patches.map(|(field, reason)| format!("{{field: {}, reason: {}}}", scalar(field), scalar(reason)));
    nested(out, "patches", patches);
}

fn line(out: &mut String, key: &str, value: impl Display) {
    let _ = writeln!(out, "{key}: {value}");
}

fn list(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    let _ = writeln!(out, "{key}:{}", if items.peek().is_some() { "" } else { " []" });
    for item in items {
        let _ = writeln!(out, "- {item}");
    }
}

fn nested(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    let _ = writeln!(out, "  {key}:{}", if items.peek().is_some() { "" } else { " []" });
    for item in items {
        let _ = writeln!(out, "  - {item}");
    }
}

fn where_told(fields: [(&str, &Option<String>); 2]) -> String {
    let told =
        fields.into_iter().filter_map(|(key, value)| Some(format!(", {key}: {}", scalar(value.as_ref()?))));
    told.collect()
}

fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".into(), scalar)
}

/// A text as YAML that reads it back: as it is where nothing in it means something in YAML, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+ ()=".contains(c);
    let mut characters = text.chars().peekable();
    let mut is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.ends_with([' ', ':']);
    while let Some(character) = characters.next() {
        is_plain &=
            plain(character) || character == ':' && characters.peek().is_some_and(|next| *next != ' ');
    }
    if is_plain && reads_as_string(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => {
                let _ = write!(out, "\\U{:08x}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

/// Printable ASCII in single quotes.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
