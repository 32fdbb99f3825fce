//! What tells the system that is rendered now from the one that a lock was written for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::build::{Present, is_secret_key};
use super::fields::{Change, Field, differing, step};
use super::lock::{DataEntry, Entry, Lock, Migration, SecretValues};
use super::read::{by_path, outline};
use super::secret::KEYED;
use crate::parity::ImageReference;
use crate::words::counted;

/// How many files are named as the cause of one difference.
const FILES_NAMED: usize = 5;

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What became of it.
    pub change: Change,
    /// The object, hook, data set or setting.
    pub subject: String,
    /// Its fields that differ; none where all of it is new or gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The inputs that it likely comes from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The lock's root.
    pub root: String,
    /// How many objects and hooks there are now.
    pub objects: usize,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What could not be compared here, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Comparison {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        !self.differences.is_empty()
    }
}

/// Compares. What only explains (files, renderers) and local policy do not differ by themselves.
pub fn compare(lock: &Lock, now: &Present) -> Comparison {
    let mut comparison = Comparison {
        root: lock.root.clone(),
        objects: now.objects.len(),
        differences: Vec::new(),
        notes: Vec::new(),
    };
    let changed = Changed::of(lock, &now.lock);
    settings(lock, &now.lock, &mut comparison.differences);
    data(lock, &now.lock, &mut comparison);
    sources(lock, &now.lock, &changed, &mut comparison.differences);
    comparison.notes.extend(now.lock.migrations.iter().filter(|one| one.reversible.may_lose()).map(|one| {
        format!(
            "migration {} cannot be taken back ({}){}",
            one.name,
            one.reversible.word(),
            listed_after(&one.because)
        )
    }));
    let mut values = secret_values(lock, &now.lock, &mut comparison.notes);
    let keys: BTreeSet<&String> = lock.objects.keys().chain(now.lock.objects.keys()).collect();
    for key in keys {
        let (was, is) = (lock.objects.get(key), now.lock.objects.get(key));
        let secret = values.remove(key.as_str()).unwrap_or_default();
        comparison.differences.extend(object(key, was, is, now, secret, &changed));
    }
    comparison
}

fn object(
    key: &str,
    was: Option<&Entry>,
    is: Option<&Entry>,
    now: &Present,
    mut secret: Vec<Field>,
    changed: &Changed,
) -> Option<Difference> {
    let whole = |change, entry: &Entry| Difference {
        change,
        subject: key.to_owned(),
        fields: Vec::new(),
        causes: changed.causes(entry),
    };
    let (was, is) = match (was, is) {
        (None, Some(is)) => return Some(whole(Change::Added, is)),
        (Some(was), None) => return Some(whole(Change::Gone, was)),
        (Some(was), Some(is)) => (was, is),
        (None, None) => return None,
    };
    if was.hash == is.hash && secret.is_empty() {
        return None;
    }
    let mut fields = match (outline(was), now.objects.get(key)) {
        (Some(outline), Some(value)) if was.hash != is.hash => differing(&outline, value),
        _ => Vec::new(),
    };
    secret.retain(|one| !fields.iter().any(|field| field.path == one.path));
    fields.extend(secret);
    Some(Difference { fields, ..whole(Change::Differs, is) })
}

fn settings(lock: &Lock, now: &Lock, into: &mut Vec<Difference>) {
    let differs = |subject: &str, now: String| Difference {
        change: Change::Differs,
        subject: subject.to_owned(),
        fields: vec![Field { change: Change::Differs, path: String::new(), now: Some(now.into()) }],
        causes: vec!["devcluster.yaml".into()],
    };
    if lock.kubernetes != now.kubernetes {
        into.push(differs("Kubernetes' version", now.kubernetes.clone().unwrap_or_else(|| "unset".into())));
    }
    if lock.api_versions != now.api_versions {
        into.push(differs("API versions", now.api_versions.join(", ")));
    }
    let is_other = |(was, is): &(&Migration, &Migration)| !was.is_as(is);
    let pairs = || lock.migrations.iter().zip(&now.migrations);
    let names = |lock: &Lock| lock.migrations.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    if names(lock) == names(now) {
        into.extend(pairs().filter(is_other).map(|(_, is)| {
            let now = format!("{}{}", is.reversible.word(), listed_after(&is.because));
            Difference { causes: Vec::new(), ..differs(&format!("migration {}", is.name), now) }
        }));
    } else {
        into.push(differs("migrations", names(now).join(", ")));
    }
}

/// Reasons behind what they are for.
fn listed_after(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}

fn data(lock: &Lock, now: &Lock, into: &mut Comparison) {
    let whole = |change, data: &DataEntry| Difference {
        change,
        subject: format!("data of {}: {}", data.store, data.from),
        fields: Vec::new(),
        causes: if change == Change::Differs { Vec::new() } else { vec!["devcluster.yaml".into()] },
    };
    let same = |a: &DataEntry, b: &DataEntry| a.store == b.store && a.from == b.from;
    for is in &now.data {
        match lock.data.iter().find(|was| same(was, is)) {
            None => into.differences.push(whole(Change::Added, is)),
            Some(was) => match (&was.digest, &is.digest) {
                (Some(was), Some(is_now)) if was != is_now => {
                    into.differences.push(whole(Change::Differs, is));
                }
                (Some(_), Some(_)) => {}
                (_, None) => into.notes.push(format!("{} is not here: its data was not compared", is.from)),
                (None, _) => into.notes.push(format!("{} was not there when the lock was written", is.from)),
            },
        }
    }
    let gone = lock.data.iter().filter(|was| !now.data.iter().any(|is| same(was, is)));
    into.differences.extend(gone.map(|was| whole(Change::Gone, was)));
    let order = |data: &[DataEntry], other: &[DataEntry]| -> Vec<String> {
        let both = data.iter().filter(|one| other.iter().any(|two| same(one, two)));
        both.map(|data| format!("{} {}", data.store, data.from)).collect()
    };
    if order(&lock.data, &now.data) != order(&now.data, &lock.data) {
        into.differences.push(Difference {
            change: Change::Differs,
            subject: "the order of data".into(),
            fields: Vec::new(),
            causes: vec!["devcluster.yaml".into()],
        });
    }
}

/// Images that are now built from something else. Which images there are is told by the objects that name them.
fn sources(lock: &Lock, now: &Lock, changed: &Changed, into: &mut Vec<Difference>) {
    for is in &now.images {
        let Some(was) = lock.images.iter().find(|was| was.reference == is.reference) else { continue };
        let change = match (&was.source, &is.source) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Gone,
            (was, is) if was != is => Change::Differs,
            _ => continue,
        };
        let causes = if change == Change::Differs {
            changed.of_build(&is.reference)
        } else {
            vec!["devcluster.yaml".into()]
        };
        let subject = format!("what {} is built from", is.reference);
        into.push(Difference { change, subject, fields: Vec::new(), causes });
    }
}

/// Fields of Secrets whose values differ, by Secret.
fn secret_values<'a>(
    lock: &'a Lock,
    now: &'a Lock,
    notes: &mut Vec<String>,
) -> BTreeMap<&'a str, Vec<Field>> {
    let secrets = lock.objects.keys().filter(|key| is_secret_key(key)).count();
    let why = match (&lock.secrets, &now.secrets) {
        (Some(was), Some(is)) if was.key == is.key => return differing_values(was, is),
        _ if secrets == 0 => return BTreeMap::new(),
        (None, _) => "the lock was written without a key",
        (Some(_), None) => "there is no key",
        (Some(_), Some(_)) => "the lock was written with another key",
    };
    notes.push(format!("values of {} were not compared: {why}", counted(secrets, "Secret")));
    BTreeMap::new()
}

fn differing_values<'a>(was: &'a SecretValues, is: &SecretValues) -> BTreeMap<&'a str, Vec<Field>> {
    let mut found: BTreeMap<&str, Vec<Field>> = BTreeMap::new();
    let hashes = was.values.iter().filter_map(|(at, was)| Some((at, was, is.values.get(at)?)));
    // A value that is in one alone is a key more or less, which the shape tells.
    for ((secret, key), ..) in hashes.filter(|(_, was, is)| was != is) {
        let mut path = "/data".to_owned();
        step(&mut path, key, |path| {
            let field = Field { change: Change::Differs, path: path.clone(), now: None };
            found.entry(secret).or_default().push(field);
        });
    }
    found
}

/// Whether two digests of a file tell if it changed: both there, and not keyed with two keys.
fn is_comparable(was: Option<&str>, is: Option<&str>) -> bool {
    let key =
        |digest: &str| digest.strip_prefix(KEYED).and_then(|rest| Some(rest.split_once('-')?.0.to_owned()));
    matches!((was, is), (Some(was), Some(is)) if key(was) == key(is))
}

/// The first few files, and how many more there are.
fn named<'a>(mut files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut named: Vec<String> = files.by_ref().take(FILES_NAMED).map(str::to_owned).collect();
    let more = files.count();
    if more > 0 {
        named.push(format!("{} more", counted(more, "file")));
    }
    named
}

/// Inputs that are not as they were.
struct Changed<'a> {
    /// By source.
    files: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Those of which it cannot be told, by source.
    untold: BTreeMap<&'a str, BTreeSet<&'a str>>,
    renderers: BTreeMap<&'a str, String>,
    /// Whether helm renders for another Kubernetes.
    kubernetes: bool,
}

impl<'a> Changed<'a> {
    fn of(lock: &'a Lock, now: &'a Lock) -> Self {
        let (was, is) = (by_path(&lock.inputs), by_path(&now.inputs));
        let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut untold: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (source, path) in was.keys().chain(is.keys()) {
            let file = (*source, *path);
            match (was.get(&file), is.get(&file)) {
                (Some(was), Some(is)) if !is_comparable(*was, *is) => {
                    untold.entry(source).or_default().insert(path);
                }
                (was, is) if was != is => {
                    files.entry(source).or_default().insert(path);
                }
                _ => {}
            }
        }
        let mut renderers = BTreeMap::new();
        for (name, version) in &now.inputs.renderers {
            if let Some(before) = lock.inputs.renderers.get(name)
                && before != version
            {
                renderers.insert(name.as_str(), format!("{name} {before} became {version}"));
            }
        }
        Self { files, untold, renderers, kubernetes: lock.kubernetes != now.kubernetes }
    }

    /// Changed files of the build that `image` comes from; where it has too many to be told, or its arguments changed, the
    /// build itself.
    fn of_build(&self, image: &str) -> Vec<String> {
        let image = image.parse::<ImageReference>().ok();
        let covers = |source: &str| {
            let name = source.strip_prefix("build ");
            name.is_some_and(|name| image.as_ref().is_some_and(|image| image.is_covered_by(name)))
        };
        let files: Vec<&str> = self
            .files
            .iter()
            .filter(|(source, _)| covers(source))
            .flat_map(|(_, files)| files)
            .copied()
            .collect();
        let causes = named(files.into_iter());
        if causes.is_empty() {
            vec!["its context, or its arguments in devcluster.yaml".into()]
        } else {
            causes
        }
    }

    fn causes(&self, entry: &Entry) -> Vec<String> {
        let mut causes = Vec::new();
        if let Some(files) = self.files.get(entry.from.as_str()) {
            let own = entry.file.as_deref().filter(|file| files.contains(file));
            let others = files.iter().copied().filter(|file| Some(*file) != own);
            causes.extend(named(own.into_iter().chain(others)));
        }
        let kind = entry.from.split(' ').next().unwrap_or_default();
        causes.extend(self.renderers.get(kind).cloned());
        if self.kubernetes && kind == "helm" {
            causes.push("Kubernetes' version".into());
        }
        if let Some(files) = self.untold.get(entry.from.as_str())
            && causes.is_empty()
        {
            let files: Vec<&str> = files.iter().copied().take(FILES_NAMED).collect();
            causes.push(format!("perhaps {} (it takes the key to tell)", files.join(", ")));
        }
        // A chart's `set`, release and API versions are written there, and nothing else decides what it renders.
        if causes.is_empty() && kind == "helm" {
            causes.push("devcluster.yaml".into());
        }
        causes
    }
}
