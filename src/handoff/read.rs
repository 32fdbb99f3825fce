//! A lock's text read strictly: every fault with its line, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;

use super::lock::{
    DataEntry, Entry, InputFile, Inputs, Local, Lock, LockedImage, Migration, SecretValues, SeenImage,
    VERSION,
};
use super::migration::Verdict;
use crate::yaml::{Spanned, SpannedValue, parse_spanned};

const ANEW: &str = "write it anew with `devcluster lock`";

/// Something wrong with a lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct LockFault {
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything wrong with a lock, in order of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFaults(pub Vec<LockFault>);

impl std::error::Error for LockFaults {}

impl fmt::Display for LockFaults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            write!(out, "{}{fault}", if number > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// Reads a lock. Its root is held against its entries.
pub fn read(text: &str) -> Result<Lock, LockFaults> {
    let marks = conflict_marks(text);
    if !marks.is_empty() {
        return Err(LockFaults(marks));
    }
    let documents = parse_spanned(text)
        .map_err(|error| one(error.position.line, format!("{}; {ANEW}", error.message)))?;
    let [document] = documents.as_slice() else {
        return Err(one(1, format!("is {} documents, not one; {ANEW}", documents.len())));
    };
    if let Some(fault) = other_version(&document.root) {
        return Err(LockFaults(vec![fault]));
    }
    let mut reader = Reader { faults: Vec::new() };
    let lock = reader.lock(&document.root);
    if reader.faults.is_empty() && lock.computed_root() != lock.root {
        let line = text.lines().position(|line| line.starts_with("root:")).map_or(1, |at| at + 1);
        let message = format!("the root does not come from the entries: edited by hand, or merged; {ANEW}");
        return Err(one(line, message));
    }
    reader.faults.sort();
    if reader.faults.is_empty() { Ok(lock) } else { Err(LockFaults(reader.faults)) }
}

fn one(line: usize, message: String) -> LockFaults {
    LockFaults(vec![LockFault { line, message }])
}

fn conflict_marks(text: &str) -> Vec<LockFault> {
    let is_begin = |line: &str| line.starts_with("<<<<<<<");
    let lines = text.lines().enumerate().filter(|(_, line)| is_begin(line) || line.starts_with(">>>>>>>"));
    let mut open = false;
    let mut faults = Vec::new();
    for (at, line) in lines {
        // The end of a conflict that has begun is the same fault.
        if is_begin(line) || !open {
            let message = format!("a merge left a conflict here: merge the manifests, then {ANEW}");
            faults.push(LockFault { line: at + 1, message });
        }
        open = is_begin(line);
    }
    faults
}

/// The fault of a lock of another version; its other fields mean nothing here.
fn other_version(root: &Spanned) -> Option<LockFault> {
    let fault = |line, message| Some(LockFault { line, message });
    let SpannedValue::Map(entries) = &root.value else {
        return fault(root.start.line, format!("is no lock; {ANEW}"));
    };
    let named = |(key, _): &&(Spanned, Spanned)| key.value == SpannedValue::String("version".into());
    let Some((_, value)) = entries.iter().find(named) else {
        return fault(root.start.line, format!("is no lock: it has no version; {ANEW}"));
    };
    match value.value {
        SpannedValue::Int(VERSION) => None,
        SpannedValue::Int(newer) if newer > VERSION => fault(
            value.start.line,
            format!(
                "is of version {newer}, and this devcluster reads {VERSION}: bring devcluster up to date"
            ),
        ),
        _ => fault(value.start.line, format!("is of no version that this devcluster reads; {ANEW}")),
    }
}

struct Reader {
    faults: Vec<LockFault>,
}

/// The entries of a mapping that have not been asked for yet.
struct Fields<'s> {
    line: usize,
    what: &'static str,
    entries: Vec<(&'s str, &'s Spanned)>,
}

impl Reader {
    fn fault(&mut self, line: usize, message: impl Into<String>) {
        self.faults.push(LockFault { line, message: message.into() });
    }

    fn lock(&mut self, root: &Spanned) -> Lock {
        let mut fields = self.fields(root, "the lock");
        fields.take("version");
        let mut lock = Lock {
            root: self.digest(&mut fields, "root"),
            kubernetes: self.optional(&mut fields, "kubernetes"),
            api_versions: self.texts(&mut fields, "apiVersions"),
            images: self.list(&mut fields, "images", Self::image),
            ..Lock::default()
        };
        lock.data = self.list(&mut fields, "data", Self::data);
        lock.migrations = self.list(&mut fields, "migrations", Self::migration);
        for (line, key, entry) in self.list(&mut fields, "objects", Self::entry) {
            if lock.objects.insert(key.clone(), entry).is_some() {
                self.fault(line, format!("{key} is here twice; {ANEW}"));
            }
        }
        lock.secrets = fields.take("secrets").map(|value| self.secrets(value));
        lock.seen = self.list(&mut fields, "seen", Self::seen);
        if let Some(value) = self.required(&mut fields, "inputs") {
            lock.inputs = self.inputs(value);
        }
        if let Some(value) = self.required(&mut fields, "local") {
            lock.local = self.local(value);
        }
        self.end(fields);
        lock
    }

    fn image(&mut self, value: &Spanned) -> LockedImage {
        let mut fields = self.fields(value, "an image");
        let image = LockedImage {
            reference: self.text(&mut fields, "image"),
            digest: self.if_there(&mut fields, "digest"),
            source: self.if_there(&mut fields, "source"),
        };
        self.end(fields);
        image
    }

    fn seen(&mut self, value: &Spanned) -> SeenImage {
        let mut fields = self.fields(value, "an image that was seen");
        let seen = SeenImage {
            reference: self.text(&mut fields, "image"),
            platform: self.text(&mut fields, "platform"),
            manifest: self.if_there(&mut fields, "manifest"),
            config: self.if_there(&mut fields, "config"),
        };
        self.end(fields);
        seen
    }

    fn data(&mut self, value: &Spanned) -> DataEntry {
        let mut fields = self.fields(value, "data");
        let entry = DataEntry {
            store: self.text(&mut fields, "store"),
            from: self.text(&mut fields, "from"),
            digest: self.optional(&mut fields, "digest"),
        };
        self.end(fields);
        entry
    }

    fn migration(&mut self, value: &Spanned) -> Migration {
        let mut fields = self.fields(value, "a migration");
        let name = self.text(&mut fields, "name");
        let word = self.text(&mut fields, "reversible");
        let reversible = Verdict::of(&word).unwrap_or_else(|| {
            self.fault(value.start.line, format!("`reversible: {word}` is not known here; {ANEW}"));
            Verdict::Unknown
        });
        let statements = fields.take("statements").and_then(|value| self.as_text(value, "statements"));
        let because = fields.take("because").map(|value| self.texts_of(value, "because")).unwrap_or_default();
        let migration = Migration { name, reversible, statements, because };
        self.end(fields);
        migration
    }

    fn entry(&mut self, value: &Spanned) -> (usize, String, Entry) {
        let mut fields = self.fields(value, "an object");
        let key = self.text(&mut fields, "object");
        let hash = self.digest(&mut fields, "hash");
        let from = self.text(&mut fields, "from");
        let file = self.if_there(&mut fields, "file");
        let outline = self.text(&mut fields, "fields");
        self.end(fields);
        (value.start.line, key, Entry { hash, from, file, fields: outline })
    }

    fn secrets(&mut self, value: &Spanned) -> SecretValues {
        let mut fields = self.fields(value, "secrets");
        let key = self.text(&mut fields, "key");
        let mut values = BTreeMap::new();
        let listed = self.list(&mut fields, "values", |reader, value| {
            let mut fields = reader.fields(value, "a Secret's value");
            let secret = reader.text(&mut fields, "secret");
            let key = reader.text(&mut fields, "key");
            let hash = reader.text(&mut fields, "hash");
            reader.end(fields);
            (value.start.line, (secret, key), hash)
        });
        for (line, (secret, key), hash) in listed {
            if values.insert((secret.clone(), key.clone()), hash).is_some() {
                self.fault(line, format!("{key} of {secret} is here twice; {ANEW}"));
            }
        }
        self.end(fields);
        SecretValues { key, values }
    }

    fn inputs(&mut self, value: &Spanned) -> Inputs {
        let mut fields = self.fields(value, "inputs");
        let inputs = Inputs {
            tree: self.optional(&mut fields, "tree"),
            renderers: self.pairs(&mut fields, "renderers", ["name", "version"]).into_iter().collect(),
            files: self.list(&mut fields, "files", |reader, value| {
                let mut fields = reader.fields(value, "a file");
                let file = InputFile {
                    source: reader.text(&mut fields, "source"),
                    path: reader.text(&mut fields, "path"),
                    digest: reader.optional(&mut fields, "digest"),
                };
                reader.end(fields);
                file
            }),
        };
        self.end(fields);
        inputs
    }

    fn local(&mut self, value: &Spanned) -> Local {
        let mut fields = self.fields(value, "local");
        let local = Local {
            profile: self.text(&mut fields, "profile"),
            images: self.pairs(&mut fields, "images", ["name", "from"]).into_iter().collect(),
            patches: self.pairs(&mut fields, "patches", ["field", "reason"]),
        };
        self.end(fields);
        local
    }

    fn pairs(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        of: [&'static str; 2],
    ) -> Vec<(String, String)> {
        self.list(fields, key, |reader, value| {
            let mut fields = reader.fields(value, key);
            let pair = (reader.text(&mut fields, of[0]), reader.text(&mut fields, of[1]));
            reader.end(fields);
            pair
        })
    }

    fn fields<'s>(&mut self, value: &'s Spanned, what: &'static str) -> Fields<'s> {
        let mut fields = Fields { line: value.start.line, what, entries: Vec::new() };
        let SpannedValue::Map(entries) = &value.value else {
            self.fault(value.start.line, format!("{what} is to be a mapping; {ANEW}"));
            return fields;
        };
        for (key, value) in entries {
            match &key.value {
                SpannedValue::String(name) if fields.entries.iter().all(|(known, _)| known != name) => {
                    fields.entries.push((name, value));
                }
                SpannedValue::String(name) => {
                    self.fault(key.start.line, format!("{name} is here twice; {ANEW}"));
                }
                _ => self.fault(key.start.line, format!("{what} has a key that is no text; {ANEW}")),
            }
        }
        fields
    }

    /// What nobody asked for is not known here.
    fn end(&mut self, fields: Fields<'_>) {
        for (name, value) in fields.entries {
            let message = format!("{} has no field {name}; {ANEW}", fields.what);
            self.fault(value.start.line, message);
        }
    }

    fn required<'s>(&mut self, fields: &mut Fields<'s>, key: &'static str) -> Option<&'s Spanned> {
        let found = fields.take(key);
        if found.is_none() {
            self.fault(fields.line, format!("{} lacks {key}; {ANEW}", fields.what));
        }
        found
    }

    fn text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> String {
        let value = self.required(fields, key);
        value.and_then(|value| self.as_text(value, key)).unwrap_or_default()
    }

    fn as_text(&mut self, value: &Spanned, key: &str) -> Option<String> {
        if let SpannedValue::String(text) = &value.value {
            return Some(text.clone());
        }
        self.fault(value.start.line, format!("{key} is to be a text; {ANEW}"));
        None
    }

    fn if_there(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
        fields.take(key).and_then(|value| self.as_text(value, key))
    }

    fn optional(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
        let value = self.required(fields, key)?;
        if value.value == SpannedValue::Null { None } else { self.as_text(value, key) }
    }

    /// 64 hexadecimal digits.
    fn digest(&mut self, fields: &mut Fields<'_>, key: &'static str) -> String {
        let Some(value) = self.required(fields, key) else { return String::new() };
        let text = self.as_text(value, key).unwrap_or_default();
        let is_hash =
            text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        if !is_hash {
            self.fault(value.start.line, format!("{key} is to be 64 hexadecimal digits; {ANEW}"));
        }
        text
    }

    fn texts(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Vec<String> {
        self.required(fields, key).map(|value| self.texts_of(value, key)).unwrap_or_default()
    }

    fn texts_of(&mut self, value: &Spanned, key: &'static str) -> Vec<String> {
        self.items(value, key, |reader, value| reader.as_text(value, key).unwrap_or_default())
    }

    fn list<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        item: impl Fn(&mut Self, &Spanned) -> T,
    ) -> Vec<T> {
        self.required(fields, key).map(|value| self.items(value, key, item)).unwrap_or_default()
    }

    fn items<T>(
        &mut self,
        value: &Spanned,
        key: &'static str,
        item: impl Fn(&mut Self, &Spanned) -> T,
    ) -> Vec<T> {
        let SpannedValue::Seq(items) = &value.value else {
            self.fault(value.start.line, format!("{key} is to be a list; {ANEW}"));
            return Vec::new();
        };
        items.iter().map(|value| item(self, value)).collect()
    }
}

impl<'s> Fields<'s> {
    fn take(&mut self, key: &str) -> Option<&'s Spanned> {
        let at = self.entries.iter().position(|(name, _)| *name == key)?;
        Some(self.entries.swap_remove(at).1)
    }
}

/// The outline of an entry's fields; none where it cannot be read, so that only the object can be named.
pub(super) fn outline(entry: &Entry) -> Option<serde_json::Value> {
    serde_json::from_str(&entry.fields).ok()
}

/// Files by source and path.
pub(super) fn by_path(inputs: &Inputs) -> BTreeMap<(&str, &str), Option<&str>> {
    let files = inputs.files.iter();
    files.map(|file| ((file.source.as_str(), file.path.as_str()), file.digest.as_deref())).collect()
}
