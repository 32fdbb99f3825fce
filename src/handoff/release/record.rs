//! One release, as the ledger has it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::handoff::migration::Verdict;
use crate::manifest::{DeletePolicy, HookEvent, ObjectId};

/// The format written here.
pub const VERSION: u32 = 1;
/// The most bytes that a record may come to: what says it is larger is not read.
const MOST: usize = 32 << 20;

/// A record's number in the ledger, as it is named: `3` is release 3, `3.2` the second annotation of it. What somebody says
/// about a release so takes no release's number; annotations written before have one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The release, from 1.
    pub release: u64,
    /// The annotation among that release's, from 1; none for the release itself.
    pub annotation: Option<u64>,
}

impl Entry {
    /// The number that the record itself holds.
    pub fn own(self) -> u64 {
        self.annotation.unwrap_or(self.release)
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self.annotation {
            Some(own) => Self { annotation: Some(own + 1), ..self },
            None => (self.release + 1).into(),
        }
    }
}

impl From<u64> for Entry {
    fn from(release: u64) -> Self {
        Self { release, annotation: None }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.release)?;
        self.annotation.map_or(Ok(()), |own| write!(out, ".{own}"))
    }
}

impl FromStr for Entry {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text.split_once('.') {
            Some((release, own)) => Ok(Self { release: release.parse()?, annotation: Some(own.parse()?) }),
            None => Ok(text.parse::<u64>()?.into()),
        }
    }
}

/// What made a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub enum Made {
    /// `up` changed the system.
    Up,
    /// The system went back to another release.
    Revert {
        /// That release.
        to: u64,
    },
    /// A store was given data.
    Load {
        /// The store, `NAMESPACE/NAME`.
        store: String,
        /// `snapshot NAME` or `seed PATH`.
        from: String,
    },
    /// A store was put back as it was loaded last.
    Reset {
        /// The store, `NAMESPACE/NAME`.
        store: String,
    },
    /// Nothing: somebody said something about a release.
    Annotation {
        /// That release.
        of: u64,
    },
}

/// Where a blob is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Its hash.
    pub blob: String,
    /// The object of ours that holds it.
    pub pack: String,
}

/// An object of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The object.
    pub id: ObjectId,
    /// Where its text is kept.
    #[serde(flatten)]
    pub place: Place,
}

impl Kept {
    /// Whether its blob is in a Secret.
    pub fn is_secret(&self) -> bool {
        is_secret(&self.id)
    }
}

/// Whether an object's text belongs in a Secret.
pub fn is_secret(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Secret"
}

/// What an image's name stands for on the nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digests {
    /// The digest of its configuration.
    pub config: String,
    /// The digest of its manifest.
    pub manifest: String,
}

impl Digests {
    /// Whether both are the same bytes: one configuration names all layers, and may stand in several manifests.
    pub fn are(&self, other: &Self) -> bool {
        self.manifest == other.manifest || (!self.config.is_empty() && self.config == other.config)
    }
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// `snapshot NAME` or `seed PATH`.
    pub from: String,
    /// The digest of its content.
    pub digest: String,
    /// A fingerprint of the schema it stood in, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// A migration that ran, in this release or one before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ran {
    /// Its name in the configuration.
    pub name: String,
    /// Tells what it ran: its object and the bytes of its images.
    pub hash: String,
    /// Whether it can be taken back, in a verdict's word; what is no such word counts as `unknown`.
    pub reversible: String,
    /// The snapshots that were taken before it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Before>,
}

impl Ran {
    /// Whether it can be taken back.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.reversible).unwrap_or_default()
    }
}

/// A snapshot of a store as it was before a migration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Before {
    /// The store, `NAMESPACE/NAME`.
    pub store: String,
    /// The snapshot in the project's catalogue.
    pub snapshot: String,
}

/// A chart of a release, with its hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// The name that Helm has for it, as `NAMESPACE/NAME`.
    pub release: String,
    /// The hash of the chart as it was rendered.
    pub hash: String,
    /// All its hooks, in the order in which they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<KeptHook>,
}

/// A hook of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptHook {
    /// Its object, hook annotations included.
    #[serde(flatten)]
    pub kept: Kept,
    /// The events it runs at.
    pub events: Vec<HookEvent>,
    /// Lower ones run first.
    pub weight: i32,
    /// When it is deleted.
    pub delete_policies: Vec<DeletePolicy>,
}

/// What a system is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Production's objects, in the order they are applied in.
    #[serde(default)]
    pub objects: Vec<Kept>,
    /// Images by their normalised names.
    #[serde(default)]
    pub images: BTreeMap<String, Digests>,
    /// What stores hold, by `NAMESPACE/NAME`.
    #[serde(default)]
    pub data: BTreeMap<String, Held>,
    /// Every migration that ran up to here.
    #[serde(default)]
    pub migrations: Vec<Ran>,
    /// Charts with their hooks; none where the release was recorded by a version that did not keep them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charts: Option<Vec<Chart>>,
}

impl Content {
    /// Everything whose text is kept: objects, then hooks.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.objects.iter().chain(self.hooks().map(|(_, hook)| &hook.kept))
    }

    /// Its hooks, each with its chart.
    pub fn hooks(&self) -> impl Iterator<Item = (&Chart, &KeptHook)> {
        let charts = self.charts.iter().flatten();
        charts.flat_map(|chart| chart.hooks.iter().map(move |hook| (chart, hook)))
    }

    /// Adds a migration that ran, unless the same ran before.
    pub fn ran(&mut self, ran: Ran) {
        if !self.migrations.iter().any(|known| (&known.name, &known.hash) == (&ran.name, &ran.hash)) {
            self.migrations.push(ran);
        }
    }
}

/// One record of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The format.
    pub version: u32,
    /// Its number, from 1; an annotation's is among its release's.
    pub number: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who.
    pub by: String,
    /// What made it.
    pub made: Made,
    /// What somebody said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether the command that made it ended before all was ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unready: bool,
    /// The root of the lock that these manifests come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The git tree of the configuration's directory, where all was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// The git commit, where all was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What the system is made of; empty where the record only says something.
    #[serde(flatten)]
    pub content: Content,
}

impl Record {
    /// Whether it is a release, and not something said about one.
    pub fn is_release(&self) -> bool {
        !matches!(self.made, Made::Annotation { .. })
    }

    /// The record as it is kept: its hash, and its text compressed.
    pub fn seal(&self) -> (String, Vec<u8>) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let hash = blake3::hash(&text).to_hex().to_string();
        (hash, zstd::bulk::compress(&text, 3).unwrap_or_default())
    }

    /// Reads what [`Record::seal`] gave; says in a few words what is wrong with it.
    pub fn unseal(entry: Entry, hash: &str, sealed: &[u8]) -> Result<Self, String> {
        let text = zstd::bulk::decompress(sealed, MOST).map_err(|_| "cannot be uncompressed".to_owned())?;
        if blake3::hash(&text).to_hex().as_str() != hash {
            return Err("is not what was written: its hash is another".into());
        }
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| format!("is no record: {error}"))?;
        let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if version > u64::from(VERSION) {
            return Err(format!(
                "was written by a newer devcluster (format {version}): bring this one up to date"
            ));
        }
        let record: Self = serde_json::from_value(value).map_err(|error| format!("is no record: {error}"))?;
        match (entry.annotation, &record.made) {
            _ if record.number != entry.own() => Err(format!("says it is release {}", record.number)),
            (Some(_), Made::Annotation { of }) if *of == entry.release => Ok(record),
            (Some(_), _) => Err(format!("says nothing about release {}", entry.release)),
            (None, _) => Ok(record),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A release with nothing in it.
    pub(in super::super) fn record(number: u64, made: Made) -> Record {
        Record {
            version: VERSION,
            number,
            at: "2026-01-01T00:00:00Z".into(),
            by: "a <a@example.com>".into(),
            made,
            note: None,
            unready: false,
            lock: None,
            tree: None,
            commit: None,
            content: Content::default(),
        }
    }

    #[test]
    fn an_annotation_is_named_by_its_release() {
        let second = Entry { release: 3, annotation: Some(2) };
        assert_eq!((second.to_string(), "3.2".parse()), ("3.2".to_owned(), Ok(second)));
        assert_eq!(
            (Entry::from(3).next().to_string(), second.next().to_string()),
            ("4".into(), "3.3".into())
        );
        assert!(Entry::from(3) < second && second < Entry::from(4));
        assert!(["", "3.", "blobs-1", "3.1.1"].iter().all(|text| text.parse::<Entry>().is_err()));
        let (hash, sealed) = record(2, Made::Annotation { of: 3 }).seal();
        assert!(Record::unseal(second, &hash, &sealed).is_ok());
        assert!(
            Record::unseal(Entry { release: 4, ..second }, &hash, &sealed)
                .unwrap_err()
                .contains("nothing about")
        );
        assert!(Record::unseal(2.into(), &hash, &sealed).is_ok(), "as annotations were numbered before");
    }

    #[test]
    fn what_is_sealed_is_read_again_and_damage_is_told() {
        let mut written = record(3, Made::Revert { to: 1 });
        written.content.images.insert("a:1".into(), Digests { config: "c".into(), manifest: "m".into() });
        let (hash, sealed) = written.seal();
        assert_eq!(Record::unseal(3.into(), &hash, &sealed), Ok(written.clone()));
        assert!(Record::unseal(4.into(), &hash, &sealed).unwrap_err().contains("release 3"));
        assert!(Record::unseal(3.into(), "other", &sealed).unwrap_err().contains("hash"));
        assert!(Record::unseal(3.into(), &hash, b"text").unwrap_err().contains("uncompressed"));
        written.version = 9;
        let (hash, sealed) = written.seal();
        assert!(Record::unseal(3.into(), &hash, &sealed).unwrap_err().contains("newer"));
    }

    #[test]
    fn a_migration_counts_once_for_what_it_ran() {
        let mut content = Content::default();
        for hash in ["a", "a", "b"] {
            content.ran(Ran {
                name: "m".into(),
                hash: hash.into(),
                reversible: "unknown".into(),
                before: Vec::new(),
            });
        }
        assert_eq!(content.migrations.len(), 2);
    }
}
