//! The ledger of releases in the cluster: ConfigMaps and Secrets of our own that are created and never changed.
//!
//! Blobs are written first and the record last, and creating the record takes its number: a run that dies between leaves
//! blobs that nobody names, and two at once cannot be one release.

pub mod bytes;
pub mod carry;
pub(super) mod hooks;
pub mod record;
pub(super) mod restore;
pub mod revert;
pub(super) mod reverted;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use serde_json::{Map, Value, json};

use crate::apply::client::Resource;
use crate::apply::inventory::ensure_namespace;
use crate::apply::{Cluster, SYSTEM_NAMESPACE};
use crate::handoff::release::blob::{self, SALT};
use crate::handoff::release::record::{VERSION, is_secret};
use crate::handoff::release::{
    Blob, Content, Entry, Fault, Kept, Ledger, Made, Pack, Place, Record, ReleaseError, packs,
};
use crate::manifest::{Gvk, Object, ObjectId, Origin};
use crate::operation::error::OperationError;
use crate::operation::fault;

const LABEL: &str = "devcluster.dev/release";
const PART: &str = "devcluster.dev/release-part";
pub(super) const RECORD: &str = "record";
pub(super) const BLOBS: &str = "blobs";
const HASH: &str = "hash";
/// The type of Secrets that hold blobs.
const SECRET_TYPE: &str = "devcluster.dev/release-blobs";
/// The most bytes that a record may come to, compressed; the API server takes 1 MiB.
const RECORD_LIMIT: usize = 1_000_000;
/// How many names are tried for a pack whose own name something damaged has.
const NAMES: usize = 9;

/// What is recorded.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What made it.
    pub made: Made,
    /// Who.
    pub by: String,
    /// What is said about it.
    pub note: Option<String>,
    /// Whether not all was ready.
    pub unready: bool,
    /// The root of the lock.
    pub lock: Option<String>,
    /// The git tree.
    pub tree: Option<String>,
    /// The git commit.
    pub commit: Option<String>,
    /// What the system is made of.
    pub content: Content,
}

impl Draft {
    /// A draft that says what made it and who did.
    pub fn new(made: Made, by: String, content: Content) -> Self {
        Self { made, by, note: None, unready: false, lock: None, tree: None, commit: None, content }
    }
}

/// An object and its place among those that are kept.
type Numbered<'a> = (usize, &'a Object);

/// A cluster's ledger.
#[derive(Clone)]
pub struct Book {
    cluster: Cluster,
    name: String,
}

fn kind(secret: bool) -> Resource {
    let (kind, plural) = if secret { ("Secret", "secrets") } else { ("ConfigMap", "configmaps") };
    Resource { gvk: Gvk::new("v1", kind), plural: plural.into(), namespaced: true }
}

/// An object's name.
pub(super) fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// What a release's objects say that they come from.
pub(super) fn source(number: u64) -> String {
    format!("release {number}")
}

/// An object of ours as for kubectl.
fn shown(secret: bool, name: &str) -> String {
    format!("{} {SYSTEM_NAMESPACE}/{name}", kind(secret).gvk.kind)
}

impl Book {
    /// The ledger called `name`, which must do as part of an object's name.
    pub fn new(cluster: &Cluster, name: &str) -> Self {
        Self { cluster: cluster.clone(), name: name.into() }
    }

    fn record_name(&self, entry: Entry) -> String {
        format!("release-{}-{entry}", self.name)
    }

    fn selector(&self, part: &str) -> String {
        format!("{LABEL}={},{PART}={part}", self.name)
    }

    pub(super) async fn list(&self, secret: bool, part: &str) -> Result<Vec<Value>, OperationError> {
        let selector = self.selector(part);
        let found = self.cluster.list(&kind(secret), SYSTEM_NAMESPACE, Some(&selector)).await;
        found.map_err(|error| OperationError::request("list the ledger of releases", error))
    }

    /// Reads every record: one request. What cannot be read is told by name.
    pub async fn load(&self) -> Result<Ledger, OperationError> {
        let mut ledger = Ledger::default();
        for object in self.list(false, RECORD).await? {
            let name = name(&object);
            let entry = name.strip_prefix(&format!("release-{}-", self.name)).and_then(|n| n.parse().ok());
            let Some(entry) = entry else { continue };
            match unsealed(entry, &object) {
                Ok(record) => {
                    ledger.records.insert(entry, record);
                }
                Err(why) => {
                    ledger.faults.insert(entry, Fault::new(entry, shown(false, name), why));
                }
            }
        }
        ledger.find_gaps(|entry| shown(false, &self.record_name(entry)));
        Ok(ledger)
    }

    /// The texts of a release's objects, each held against its hash.
    pub async fn texts(
        &self,
        number: u64,
        wanted: &[Kept],
    ) -> Result<BTreeMap<ObjectId, Object>, OperationError> {
        let objects = self.objects(number, wanted).await?;
        Ok(wanted.iter().map(|kept| kept.id.clone()).zip(objects).collect())
    }

    /// The same in the order in which they are wanted.
    pub async fn objects(&self, number: u64, wanted: &[Kept]) -> Result<Vec<Object>, OperationError> {
        let needed: BTreeSet<(bool, &str)> =
            wanted.iter().map(|kept| (kept.is_secret(), kept.place.pack.as_str())).collect();
        let reading = needed.into_iter().map(|(secret, name)| async move {
            let found = self.cluster.get(&kind(secret), SYSTEM_NAMESPACE, name).await;
            let found = found
                .map_err(|error| OperationError::request(format!("read {}", shown(secret, name)), error))?;
            Ok::<_, OperationError>((name, found.map(|object| blobs(&object))))
        });
        let packs: BTreeMap<&str, Option<BTreeMap<String, Vec<u8>>>> =
            futures::future::try_join_all(reading).await?.into_iter().collect();
        let mut objects = Vec::new();
        for kept in wanted {
            let Place { blob, pack } = &kept.place;
            let damaged =
                |why: String| ReleaseError::Damaged { number, object: shown(kept.is_secret(), pack), why };
            let found = packs.get(pack.as_str()).and_then(Option::as_ref);
            let found = found.ok_or_else(|| damaged("is missing".into()))?;
            let packed =
                found.get(blob).ok_or_else(|| damaged(format!("has no blob of {} any more", kept.id)))?;
            let value = blob::open(blob, packed, kept.is_secret())
                .map_err(|why| damaged(format!("is damaged: the blob of {} {why}", kept.id)))?;
            let origin = Origin { source: source(number), file: None, line: 0 };
            objects.push(Object { value, origin });
        }
        Ok(objects)
    }

    /// Writes the blobs of objects that the ledger has not yet, and tells where each is kept, in their order. Charts' hooks
    /// may name one object twice.
    pub async fn keep(&self, ledger: &Ledger, objects: &[Object]) -> Result<Vec<Kept>, OperationError> {
        let (open, secret): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
            objects.iter().enumerate().partition(|(_, object)| !is_secret(&object.id()));
        let mut places = self.keep_open(ledger, &open).await?;
        if !secret.is_empty() {
            places.extend(self.keep_secret(&secret).await?);
        }
        let kept = objects.iter().enumerate();
        let kept = kept.filter_map(|(at, object)| Some(Kept { place: places.remove(&at)?, id: object.id() }));
        Ok(kept.collect())
    }

    async fn keep_open(
        &self,
        ledger: &Ledger,
        objects: &[Numbered<'_>],
    ) -> Result<BTreeMap<usize, Place>, OperationError> {
        let api = Api::<ConfigMap>::namespaced(self.cluster.client.clone(), SYSTEM_NAMESPACE);
        let there = api.list_metadata(&ListParams::default().labels(&self.selector(BLOBS))).await;
        let there = there.map_err(|error| OperationError::request("list the ledger's blobs", error))?;
        let there: BTreeSet<&str> =
            there.items.iter().filter_map(|object| object.metadata.name.as_deref()).collect();
        let all = ledger.records.values().flat_map(|record| record.content.kept());
        let known: BTreeMap<&str, &Place> = all
            .filter(|kept| !kept.is_secret() && there.contains(kept.place.pack.as_str()))
            .map(|kept| (kept.place.blob.as_str(), &kept.place))
            .collect();
        let (mut places, mut new) = (BTreeMap::new(), Vec::new());
        for (at, object) in objects {
            let blob = Blob::of(&object.value);
            match known.get(blob.hash.as_str()) {
                Some(place) => {
                    places.insert(*at, (*place).clone());
                }
                None => new.push((*at, object.id(), blob)),
            }
        }
        places.extend(self.write(false, new).await?);
        Ok(places)
    }

    /// Secrets are compared by what they hold, since equal ones have unequal hashes.
    async fn keep_secret(&self, objects: &[Numbered<'_>]) -> Result<BTreeMap<usize, Place>, OperationError> {
        let mut known: BTreeMap<String, Place> = BTreeMap::new();
        for object in self.list(true, BLOBS).await? {
            let pack = name(&object);
            for (hash, packed) in blobs(&object) {
                if let Ok(value) = blob::open(&hash, &packed, true) {
                    known.insert(value.to_string(), Place { blob: hash, pack: pack.into() });
                }
            }
        }
        let (mut places, mut new) = (BTreeMap::new(), Vec::new());
        for (at, object) in objects {
            match known.get(&object.value.to_string()) {
                Some(place) => {
                    places.insert(*at, place.clone());
                }
                None => new.push((*at, object.id(), Blob::of_secret(&object.value, salt()?))),
            }
        }
        places.extend(self.write(true, new).await?);
        Ok(places)
    }

    async fn write(
        &self,
        secret: bool,
        blobs: Vec<(usize, ObjectId, Blob)>,
    ) -> Result<BTreeMap<usize, Place>, OperationError> {
        let hashes: Vec<(usize, String)> =
            blobs.iter().map(|(at, _, blob)| (*at, blob.hash.clone())).collect();
        let blobs = blobs.into_iter().map(|(_, id, blob)| (id, blob)).collect();
        let before = format!("release-{}-{}", self.name, if secret { "secrets" } else { "blobs" });
        let mut by_blob = BTreeMap::new();
        for pack in packs(&before, blobs)? {
            let name = self.write_pack(secret, &pack).await?;
            by_blob.extend(pack.blobs.into_keys().map(|hash| (hash, name.clone())));
        }
        let places = hashes.into_iter().filter_map(|(at, blob)| {
            let pack = by_blob.get(&blob)?.clone();
            Some((at, Place { blob, pack }))
        });
        Ok(places.collect())
    }

    /// Writes a pack and gives the name it has: its own, unless something damaged has that.
    async fn write_pack(&self, secret: bool, pack: &Pack) -> Result<String, OperationError> {
        let encoded: Map<String, Value> =
            pack.blobs.iter().map(|(hash, packed)| (hash.clone(), STANDARD.encode(packed).into())).collect();
        let names =
            (1..=NAMES).map(|n| if n == 1 { pack.name.clone() } else { format!("{}-{n}", pack.name) });
        for name in names {
            let mut object = self.object(secret, &name, BLOBS);
            object[if secret { "data" } else { "binaryData" }] = Value::Object(encoded.clone());
            if secret {
                object["type"] = json!(SECRET_TYPE);
            }
            if self.create(secret, &name, &object).await? {
                return Ok(name);
            }
            // A run that was killed before its record left it, or it is not what its name says.
            let there = self.cluster.get(&kind(secret), SYSTEM_NAMESPACE, &name).await;
            let there = there.map_err(|error| OperationError::request(format!("read {name}"), error))?;
            let there = there.map(|object| blobs(&object)).unwrap_or_default();
            let is_whole = pack
                .blobs
                .keys()
                .all(|hash| there.get(hash).is_some_and(|packed| blob::open(hash, packed, secret).is_ok()));
            if is_whole {
                return Ok(name);
            }
        }
        let why = "is damaged, and so are others of its name: delete them".to_owned();
        Err(ReleaseError::Damaged { number: 0, object: shown(secret, &pack.name), why }.into())
    }

    /// Records a release, or what somebody says about one, under the next number that is free.
    pub async fn record(&self, ledger: &Ledger, draft: Draft) -> Result<Record, OperationError> {
        fault::point("release-blobs");
        let Draft { made, by, note, unready, lock, tree, commit, content } = draft;
        let at = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut entry = ledger.next(&made);
        let (version, number) = (VERSION, entry.own());
        let mut record = Record { version, number, at, by, made, note, unready, lock, tree, commit, content };
        loop {
            let (hash, sealed) = record.seal();
            if sealed.len() > RECORD_LIMIT {
                return Err(ReleaseError::TooMany { objects: record.content.objects.len() }.into());
            }
            let name = self.record_name(entry);
            let mut object = self.object(false, &name, RECORD);
            object["data"] = json!({HASH: hash});
            object["binaryData"] = json!({RECORD: STANDARD.encode(sealed)});
            if self.create(false, &name, &object).await? {
                return Ok(record);
            }
            entry = entry.next();
            record.number = entry.own();
        }
    }

    pub(super) fn object(&self, secret: bool, name: &str, part: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": kind(secret).gvk.kind, "immutable": true,
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {LABEL: self.name, PART: part}},
        })
    }

    /// Creates an object; false where its name is taken.
    pub(super) async fn create(
        &self,
        secret: bool,
        name: &str,
        object: &Value,
    ) -> Result<bool, OperationError> {
        let kind = kind(secret);
        let mut answer = self.cluster.create(&kind, SYSTEM_NAMESPACE, object).await;
        if matches!(&answer, Err(kube::Error::Api(status)) if status.code == 404) {
            ensure_namespace(&self.cluster).await?;
            answer = self.cluster.create(&kind, SYSTEM_NAMESPACE, object).await;
        }
        match answer {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(OperationError::request(format!("write {}", shown(secret, name)), error)),
        }
    }
}

fn unsealed(entry: Entry, object: &Value) -> Result<Record, String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let hash = text(&format!("/data/{HASH}")).ok_or("has no hash")?;
    let sealed = text(&format!("/binaryData/{RECORD}")).ok_or("has no record in it")?;
    let sealed = STANDARD.decode(sealed).map_err(|_| "has no record in it")?;
    Record::unseal(entry, hash, &sealed)
}

/// The blobs in an object of ours, by hash.
fn blobs(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let data = object.get("binaryData").or_else(|| object.get("data")).and_then(Value::as_object);
    let decoded = data.into_iter().flatten().filter_map(|(hash, value)| {
        let packed = STANDARD.decode(value.as_str()?).ok()?;
        Some((hash.clone(), packed))
    });
    decoded.collect()
}

fn salt() -> Result<[u8; SALT], OperationError> {
    let path = std::path::PathBuf::from("/dev/urandom");
    let mut salt = [0; SALT];
    std::fs::File::open(&path)
        .and_then(|mut random| random.read_exact(&mut salt))
        .map_err(|source| OperationError::Data { path, source })?;
    Ok(salt)
}
