//! Charts that render differently each time: the fields that do are found by rendering twice, and keep their first
//! values. What is kept may be secret: it lies in a file of its owner's, and is never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ManifestError;
use super::index::write_private;
use super::object::{Object, ObjectId};

/// A field that comes out differently each time its chart is rendered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VolatileField {
    /// The object, under the name that is kept.
    pub object: ObjectId,
    /// The field's JSON pointer.
    pub pointer: String,
}

/// What a field was when it was first rendered, and what it was the second time: between them they tell which part of
/// it is made up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct First {
    kept: Value,
    other: Value,
    /// The chart's hash then.
    chart: String,
}

/// Fields by pointer, by object, by release.
type Fields = BTreeMap<String, First>;
type Releases = BTreeMap<String, BTreeMap<String, Fields>>;

/// The first values of volatile fields.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    releases: Mutex<Releases>,
}

impl Memory {
    /// What a file holds. One that cannot be understood is an error: to forget would change secrets under a running
    /// system.
    pub(super) fn open(file: PathBuf) -> Result<Self, ManifestError> {
        let failed = |error| ManifestError::File { path: file.display().to_string(), action: "read", error };
        let releases = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Releases::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { file, releases: Mutex::new(releases) })
    }

    fn save(&self, releases: &Releases) -> Result<(), ManifestError> {
        let failed =
            |error| ManifestError::File { path: self.file.display().to_string(), action: "written", error };
        let bytes = serde_json::to_vec(releases).map_err(|error| failed(error.into()))?;
        write_private(&self.file, &bytes).map_err(failed)
    }
}

/// Finds the fields in which two renderings of a release differ, gives those of the first their kept values, and names
/// them. `chart` is the chart's hash.
pub(super) fn settle(
    first: &mut [Object],
    second: &[Object],
    memory: &Memory,
    release: &str,
    chart: &str,
) -> Result<Vec<VolatileField>, ManifestError> {
    let mut releases = memory.releases.lock().unwrap_or_else(PoisonError::into_inner);
    let before = releases.get(release).cloned().unwrap_or_default();
    let mut after = BTreeMap::new();
    let mut named = Vec::new();
    for (key, at, other) in pair(first, second) {
        let object = &mut first[at];
        let mut pointers = Vec::new();
        differing(&object.value, &other.value, &mut String::new(), &mut pointers);
        let mut fields = Fields::new();
        for pointer in pointers {
            let fresh = First {
                kept: object.value.pointer(&pointer).cloned().unwrap_or_default(),
                other: other.value.pointer(&pointer).cloned().unwrap_or_default(),
                chart: chart.into(),
            };
            let known = before.get(&key).and_then(|fields| fields.get(&pointer));
            let settled = known.map_or(fresh.clone(), |known| known.carry(&fresh, object, &pointer));
            if let Some(value) = object.value.pointer_mut(&pointer) {
                *value = settled.kept.clone();
            }
            fields.insert(pointer, settled);
        }
        named.extend(
            fields.keys().map(|pointer| VolatileField { object: object.id(), pointer: pointer.clone() }),
        );
        if !fields.is_empty() {
            after.insert(key, fields);
        }
    }
    if after != before {
        releases.insert(release.into(), after);
        memory.save(&releases)?;
    }
    Ok(named)
}

/// Objects of two renderings that are the same one, with a key that stays: by identity, and those whose names differ by
/// kind and order.
fn pair<'s>(first: &[Object], second: &'s [Object]) -> Vec<(String, usize, &'s Object)> {
    let mut by_id: BTreeMap<ObjectId, &Object> = second.iter().map(|object| (object.id(), object)).collect();
    let ids: BTreeSet<ObjectId> = first.iter().map(Object::id).collect();
    let mut left: BTreeMap<(String, String, String), std::collections::VecDeque<&Object>> = BTreeMap::new();
    let nameless = |id: &ObjectId| (id.group.clone(), id.kind.clone(), id.namespace.clone());
    for object in second.iter().filter(|object| !ids.contains(&object.id())) {
        left.entry(nameless(&object.id())).or_default().push_back(object);
    }
    let mut counts: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (at, object) in first.iter().enumerate() {
        let id = object.id();
        if let Some(other) = by_id.remove(&id) {
            pairs.push((id.to_string(), at, other));
            continue;
        }
        let of_kind = nameless(&id);
        if let Some(other) = left.get_mut(&of_kind).and_then(std::collections::VecDeque::pop_front) {
            let count = counts.entry(of_kind).or_default();
            *count += 1;
            pairs.push((format!("{}.{} {} #{count}", id.kind, id.group, id.namespace), at, other));
        }
    }
    pairs
}

/// Pointers of the fields in which two values differ. Where lists are of different length, or a key is in one alone,
/// the whole of it differs.
fn differing(a: &Value, b: &Value, at: &mut String, found: &mut Vec<String>) {
    let here = at.len();
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                match b.get(key) {
                    Some(other) => differing(value, other, at, found),
                    None => found.push(at.clone()),
                }
                at.truncate(here);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (value, other)) in a.iter().zip(b).enumerate() {
                at.push('/');
                at.push_str(&number.to_string());
                differing(value, other, at, found);
                at.truncate(here);
            }
        }
        (a, b) if a != b => found.push(at.clone()),
        _ => {}
    }
}

impl First {
    /// What becomes of the kept value when the chart is rendered again: as it is while the chart is the same; with the
    /// made-up part as it was and the rest as it is now where the chart has changed.
    fn carry(&self, fresh: &First, object: &Object, pointer: &str) -> First {
        if self.chart == fresh.chart {
            return self.clone();
        }
        // A checksum stands for what it was made of, and that has changed with the chart.
        if pointer.starts_with("/spec/") && pointer.contains("/annotations/") && pointer.contains("checksum")
        {
            return fresh.clone();
        }
        let texts = (self.kept.as_str(), self.other.as_str(), fresh.kept.as_str(), fresh.other.as_str());
        let (Some(kept), Some(other), Some(now), Some(now_other)) = texts else {
            return Self { chart: fresh.chart.clone(), ..self.clone() };
        };
        let packed = object.kind() == "Secret" && pointer.starts_with("/data/");
        let carried = if packed {
            carry_packed(kept, other, now, now_other)
        } else {
            carry_text(kept, other, now, now_other)
        };
        Self { kept: carried.into(), other: fresh.other.clone(), chart: fresh.chart.clone() }
    }
}

fn carry_packed(kept: &str, other: &str, now: &str, now_other: &str) -> String {
    let open = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match (open(kept), open(other), open(now), open(now_other)) {
        (Some(kept), Some(other), Some(now), Some(now_other)) => {
            STANDARD.encode(carry_text(&kept, &other, &now, &now_other))
        }
        _ => kept.to_owned(),
    }
}

/// Line by line where that can be told: lines that no longer differ are taken as they are now.
fn carry_text(kept: &str, other: &str, now: &str, now_other: &str) -> String {
    let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
    let (kept_lines, others, nows, now_others) = (lines(kept), lines(other), lines(now), lines(now_other));
    let same_length = kept_lines.len() == others.len() && nows.len() == now_others.len();
    if !same_length {
        return kept.to_owned();
    }
    // The made-up parts of the old text, in order, take the places of those of the new one.
    let mut old = kept_lines
        .iter()
        .zip(&others)
        .filter(|(kept, other)| kept != other)
        .map(|(kept, other)| made_up(kept, other).1);
    let lines: Vec<String> = nows
        .iter()
        .zip(&now_others)
        .map(|(now, now_other)| {
            if now == now_other {
                return now.clone();
            }
            let (before, fresh, after) = made_up(now, now_other);
            format!("{before}{}{after}", old.next().unwrap_or(fresh))
        })
        .collect();
    lines.join("\n")
}

/// A text as what it has in common with another before and behind, and the part between. What is common ends at a
/// character that is no letter or digit: random words begin alike by chance.
fn made_up<'t>(text: &'t str, other: &str) -> (&'t str, &'t str, &'t str) {
    let boundary = |c: char| !c.is_alphanumeric();
    let common: usize =
        text.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let start = text[..common]
        .rfind(boundary)
        .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    let (rest, rest_other) = (&text[start..], &other[start..]);
    let common: usize = rest
        .chars()
        .rev()
        .zip(rest_other.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let behind = &rest[rest.len() - common..];
    let end = behind.find(boundary).map_or(text.len(), |at| text.len() - common + at);
    (&text[..start], &text[start..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    fn object(kind: &str, name: &str, fields: &Value) -> Object {
        let mut value =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
        for (key, field) in fields.as_object().unwrap() {
            value[key] = field.clone();
        }
        Object { value, origin: Origin { source: "helm shop".into(), file: None, line: 0 } }
    }

    struct Release {
        directory: tempfile::TempDir,
    }

    impl Release {
        fn settle(&self, chart: &str, first: &[Object], second: &[Object]) -> (Vec<Object>, Vec<String>) {
            let memory = Memory::open(self.directory.path().join("volatile.json")).unwrap();
            let mut first = first.to_vec();
            let named = settle(&mut first, second, &memory, "shop/shop", chart).unwrap();
            (first, named.iter().map(|field| format!("{} {}", field.object, field.pointer)).collect())
        }
    }

    fn release() -> Release {
        Release { directory: tempfile::tempdir().unwrap() }
    }

    #[test]
    fn first_values_are_kept_and_fields_named() {
        let release = release();
        let secret = |word: &str| object("Secret", "s", &json!({"stringData": {"a/b": word, "fixed": "x"}}));
        let (first, named) = release.settle("1", &[secret("abc")], &[secret("def")]);
        assert_eq!(named, ["Secret shop/s /stringData/a~1b"]);
        assert_eq!(first[0], secret("abc"));
        let (again, _) = release.settle("1", &[secret("ghi")], &[secret("jkl")]);
        assert_eq!(again, first);
        // The chart changed: a random password stays, as its database does.
        let (again, _) = release.settle("2", &[secret("mno")], &[secret("pqr")]);
        assert_eq!(again, first);
        let mode = release.directory.path().join("volatile.json").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn only_the_made_up_part_is_kept_when_the_chart_changes() {
        let release = release();
        let config = |host: &str, word: &str| {
            let text = format!("url: postgres://u:{word}@{host}/db\nlevel: info\n");
            object("Secret", "s", &json!({"data": {"c": STANDARD.encode(&text)}, "stringData": {"c": text}}))
        };
        let (first, _) = release.settle("1", &[config("a", "xabc")], &[config("a", "xdef")]);
        assert_eq!(first[0], config("a", "xabc"));
        let (second, _) = release.settle("2", &[config("b", "ghi")], &[config("b", "jkl")]);
        assert_eq!(second[0], config("b", "xabc"));
        let (third, _) = release.settle("3", &[config("c", "mno")], &[config("c", "pqr")]);
        assert_eq!(third[0], config("c", "xabc"));
    }

    #[test]
    fn checksums_follow_the_chart() {
        let release = release();
        let pod = |sum: &str| {
            object(
                "Deployment",
                "d",
                &json!({"spec": {"template": {"metadata": {"annotations": {"checksum/config": sum}}}}}),
            )
        };
        let (first, _) = release.settle("1", &[pod("aa")], &[pod("bb")]);
        assert_eq!(release.settle("1", &[pod("cc")], &[pod("dd")]).0, first);
        assert_eq!(release.settle("2", &[pod("ee")], &[pod("ff")]).0, [pod("ee")]);
        assert_eq!(release.settle("2", &[pod("gg")], &[pod("hh")]).0, [pod("ee")]);
    }

    #[test]
    fn names_that_change_are_kept_too() {
        let release = release();
        let jobs =
            |one: &str, two: &str| [object("Job", one, &json!({})), object("Job", two, &json!({"spec": 1}))];
        let (first, named) = release.settle("1", &jobs("m-1", "n-1"), &jobs("m-2", "n-2"));
        assert_eq!(named, ["Job shop/m-1 /metadata/name", "Job shop/n-1 /metadata/name"]);
        let (again, named) = release.settle("1", &jobs("m-3", "n-3"), &jobs("m-4", "n-4"));
        assert_eq!(again, first);
        assert_eq!(named.len(), 2);
    }

    #[test]
    fn a_memory_that_cannot_be_understood_is_an_error() {
        let release = release();
        let file = release.directory.path().join("volatile.json");
        std::fs::write(&file, "torn").unwrap();
        assert!(Memory::open(file).unwrap_err().to_string().contains("volatile.json cannot be read"));
    }

    #[test]
    fn the_made_up_part_ends_at_a_boundary() {
        assert_eq!(made_up("pw=xab;k=1", "pw=xcd;k=1"), ("pw=", "xab", ";k=1"));
        assert_eq!(made_up("abc", "abd"), ("", "abc", ""));
        assert_eq!(made_up("ä-öa", "ä-üa"), ("ä-", "öa", ""));
        assert_eq!(made_up("a-a", "a-a-a"), ("a-", "a", ""));
    }
}
