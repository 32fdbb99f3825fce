//! What a release is made of, gathered when `up` has changed something or a store was given data.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::bytes;
use super::carry;
use super::restore;
use crate::data::discover::{Store, StoreKind};
use crate::data::{mysql, postgres};
use crate::event::Event;
use crate::handoff::release::{
    Before, Chart, Content, Digests, Held, Kept, KeptHook, Ledger, Made, Ran, Record, takes,
};
use crate::image::DeliveryReport;
use crate::image::name::normalised;
use crate::manifest::{Object, Rendered};
use crate::operation::datasets;
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::gather::Desired;
use crate::operation::hooks;
use crate::operation::lock;
use crate::operation::lock::tree;
use crate::operation::migrations::judged;
use crate::operation::migrations::migrated;
use crate::operation::migrations::migrated::Taken;
use crate::operation::migrations::{self, Migration};
use crate::operation::release::{Book, Draft};
use crate::operation::session::{Existing, Session};
use crate::operation::stores;
use crate::operation::up::INVENTORY;
use crate::process::Command;
use crate::words::counted;

/// The file that says that the system is being changed and no release tells of it yet.
const DUE: &str = "release-due";
/// How long a store may take to tell its schema.
const PATIENCE: Duration = Duration::from_secs(3);

/// The cluster's ledger.
pub fn book(existing: &Existing) -> Book {
    Book::new(&existing.cluster, INVENTORY)
}

/// The ledger, with what was kept of it while there was no cluster. For who holds the cluster's lock.
pub(in crate::operation) async fn open(
    session: &Session,
    existing: &Existing,
) -> Result<(Book, Ledger), OperationError> {
    let came = carry::put(session, existing).await?;
    let book = book(existing);
    let ledger = book.load().await?;
    if came {
        keep_images(session, existing, &ledger).await;
    }
    Ok((book, ledger))
}

async fn keep_images(session: &Session, existing: &Existing, ledger: &Ledger) {
    if let Err(error) = bytes::keep(existing, ledger).await {
        let text = format!("images of earlier releases may go from the nodes: {error}");
        session.reporter.report(Event::Warning(text));
    }
}

/// Says that the system is about to be changed, so that a run that is killed before its release is recorded has the next
/// one record it. What a revert before has brought back counts no more.
pub fn begin(session: &Session) -> Result<(), OperationError> {
    restore::forget(session);
    mark(session)
}

/// The same for a revert, which goes on where the same one was killed.
pub(in crate::operation) fn mark(session: &Session) -> Result<(), OperationError> {
    Ok(session.state.write(DUE, b"")?)
}

/// Whether the system is being changed, or was by a run that ended before its release was recorded.
pub(in crate::operation) fn is_due(session: &Session) -> bool {
    session.state.read(DUE).is_some()
}

pub(in crate::operation) fn end(session: &Session) {
    let _ = std::fs::remove_file(session.state.directory().join(DUE));
    restore::forget(session);
}

/// Records what `up` made, where it changed something. A ledger that cannot be written is said, and is no failure of `up`:
/// the next one tries again.
pub async fn after_up(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    delivered: &DeliveryReport,
    changed: bool,
) -> Option<u64> {
    if !changed && !is_due(session) && !carry::waits(session, existing) {
        return None;
    }
    told(session, of_up(session, desired, existing, delivered).await)
}

/// Records what a store was given. `made` says what happened to it.
pub async fn after_data(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    made: Made,
) -> Option<u64> {
    told(session, of_data(session, desired, existing, made).await)
}

fn told(session: &Session, recorded: Result<Option<Record>, OperationError>) -> Option<u64> {
    match recorded {
        Ok(record) => {
            end(session);
            record.map(|record| record.number)
        }
        Err(error) => {
            session.reporter.report(Event::Warning(format!("the release is not recorded: {error}")));
            None
        }
    }
}

async fn of_up(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    delivered: &DeliveryReport,
) -> Result<Option<Record>, OperationError> {
    let started = Instant::now();
    let ((book, ledger), data) =
        tokio::try_join!(open(session, existing), async { Ok(data(session, desired, existing).await) })?;
    let mut content = Content { images: images(delivered), data, ..Content::default() };
    content.migrations = ledger.current().map(|record| record.content.migrations.clone()).unwrap_or_default();
    for ran in ran(session, desired, &content.images)? {
        content.ran(ran);
    }
    (content.objects, content.charts) = kept(&book, &ledger, desired).await?;
    if ledger.current().is_some_and(|record| record.content == content && !record.unready) {
        keep_images(session, existing, &ledger).await;
        carry::keep(session, existing).await;
        return Ok(None);
    }
    let directory = session.config.directory();
    let (by, tree) = tokio::join!(who(directory), tree::id(directory));
    let commit = if tree.is_some() { git(directory, &["rev-parse", "HEAD"]).await } else { None };
    let root = lock::root(&session.config, &desired.rendered, &session.state).await?;
    let draft = Draft { lock: Some(root), tree, commit, ..Draft::new(Made::Up, by, content) };
    write(session, existing, &book, ledger, draft, started).await.map(Some)
}

async fn of_data(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    made: Made,
) -> Result<Option<Record>, OperationError> {
    let started = Instant::now();
    let (book, ledger) = open(session, existing).await?;
    // Without a release there is nothing that the data belongs to: the first `up` tells of both.
    let Some(current) = ledger.current().cloned() else { return Ok(None) };
    let data = data(session, desired, existing).await;
    let by = who(session.config.directory()).await;
    let Record { lock, tree, commit, content, .. } = current;
    let draft = Draft { lock, tree, commit, ..Draft::new(made, by, Content { data, ..content }) };
    write(session, existing, &book, ledger, draft, started).await.map(Some)
}

/// Writes the record, keeps its images on the nodes, and says so.
pub(in crate::operation) async fn write(
    session: &Session,
    existing: &Existing,
    book: &Book,
    mut ledger: Ledger,
    draft: Draft,
    started: Instant,
) -> Result<Record, OperationError> {
    let record = book.record(&ledger, draft).await?;
    fault::point("release-written");
    ledger.records.insert(record.number.into(), record.clone());
    let content = &record.content;
    let (objects, images) = (content.objects.len(), content.images.len());
    let what =
        format!("{} recorded: {}, {}", record.number, counted(objects, "object"), counted(images, "image"));
    session.reporter.report(Event::Done { step: "release".into(), what, took: started.elapsed() });
    keep_images(session, existing, &ledger).await;
    carry::keep(session, existing).await;
    Ok(record)
}

/// Keeps the texts of production's objects and of charts' hooks.
async fn kept(
    book: &Book,
    ledger: &Ledger,
    desired: &Desired,
) -> Result<(Vec<Kept>, Option<Vec<Chart>>), OperationError> {
    let releases = hooks::releases(&desired.rendered);
    let mut all = production(desired);
    let objects = all.len();
    all.extend(releases.iter().flat_map(|release| &release.hooks).map(|hook| hook.object.clone()));
    let mut kept = book.keep(ledger, &all).await?;
    let mut of_hooks = kept.split_off(objects).into_iter();
    let charts = releases.into_iter().map(|release| Chart {
        hooks: release
            .hooks
            .into_iter()
            .zip(of_hooks.by_ref())
            .map(|(hook, kept)| KeptHook {
                kept,
                events: hook.events,
                weight: hook.weight,
                delete_policies: hook.delete_policies,
            })
            .collect(),
        release: release.release,
        hash: release.hash,
    });
    let charts = charts.collect();
    Ok((kept, Some(charts)))
}

/// Production's objects as they are applied; what stands beside them is worked out anew from these.
fn production(desired: &Desired) -> Vec<Object> {
    let kept = desired.rendered.objects.iter().filter(|object| !desired.skipped.contains(&object.id()));
    kept.cloned().collect()
}

fn images(delivered: &DeliveryReport) -> BTreeMap<String, Digests> {
    let known = delivered.images.iter().filter(|image| !image.manifest_digest.is_empty());
    known
        .flat_map(|image| {
            let digests = Digests { config: image.image_id.clone(), manifest: image.manifest_digest.clone() };
            image.names.iter().map(move |name| (name.clone(), digests.clone()))
        })
        .collect()
}

/// What migrated on the way here.
fn ran(
    session: &Session,
    desired: &Desired,
    images: &BTreeMap<String, Digests>,
) -> Result<Vec<Ran>, OperationError> {
    let named = migrations::named(session, &desired.rendered)?;
    let taken = migrated::recorded(session).taken;
    let told = judged::all(&session.config, &desired.rendered, &|_| false)?;
    let ran = told.into_iter().zip(&named).map(|(told, migration)| {
        let objects: Vec<&Object> = match migration {
            Migration::Job(job) => vec![job],
            Migration::Hooks(release, _) | Migration::InitContainer(release) => {
                release.hooks.iter().map(|hook| &hook.object).collect()
            }
        };
        let hash = fingerprint(&desired.rendered, &objects, images);
        let own = |taken: &&Taken| taken.migrations.contains(&told.name);
        let newest: BTreeMap<&str, &str> =
            taken.iter().filter(own).map(|taken| (taken.store.as_str(), taken.snapshot.as_str())).collect();
        let before = newest
            .into_iter()
            .map(|(store, snapshot)| Before { store: store.into(), snapshot: snapshot.into() });
        Ran { before: before.collect(), hash, reversible: told.verdict.word().into(), name: told.name }
    });
    Ok(ran.collect())
}

/// Tells what a migration runs: its objects, the ConfigMaps that they read, and the bytes behind the names of their images.
fn fingerprint(rendered: &Rendered, objects: &[&Object], images: &BTreeMap<String, Digests>) -> String {
    let mut hasher = blake3::Hasher::new();
    for object in objects {
        hasher.update(object.hash().as_bytes());
        let Some(spec) = object.pod_template().and_then(|template| template.get("spec")) else { continue };
        for image in takes::images(spec) {
            let digests = images.get(&normalised(image));
            hasher.update(digests.map_or("", |digests| digests.manifest.as_str()).as_bytes());
        }
        // No Secret: its hash would stand in a ConfigMap.
        for (kind, name) in takes::reads(spec).iter().filter(|(kind, _)| *kind == "ConfigMap") {
            let hooks = rendered.hooks.iter().map(|hook| &hook.object);
            let read = rendered.objects.iter().chain(hooks).find(|other| {
                (other.kind(), other.namespace(), other.name()) == (kind, object.namespace(), name)
            });
            hasher.update(read.map(Object::hash).unwrap_or_default().as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// What stores hold, as far as devcluster gave it to them.
pub(in crate::operation) async fn data(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
) -> BTreeMap<String, Held> {
    let known = stores::all(desired);
    let recorded = datasets::recorded(session).into_iter();
    let held = recorded.filter_map(|(store, loaded)| Some((store, loaded.into_iter().next()?)));
    let all = held.map(|(name, loaded)| {
        let store = known.iter().find(|store| store.name() == name);
        async move {
            let schema = match store {
                Some(store) => schema(existing, store).await,
                None => None,
            };
            (name, Held { from: loaded.from, digest: loaded.digest, schema })
        }
    });
    futures::future::join_all(all).await.into_iter().collect()
}

/// A fingerprint of a store's schema; none where it has none or does not answer.
async fn schema(existing: &Existing, store: &Store) -> Option<String> {
    let asking = async {
        let schema = match store.kind {
            StoreKind::Postgres => {
                postgres::schema(&stores::postgres(existing, store).await.ok()?).await.ok()?
            }
            StoreKind::MySql => {
                let server = stores::mysql_of(&existing.cluster.client, store).await.ok()?;
                mysql::schema(&server).await.ok()?
            }
            StoreKind::Redis | StoreKind::Mongo | StoreKind::Volume => return None,
        };
        let text = serde_json::to_vec(&schema).ok()?;
        Some(blake3::hash(&text).to_hex().to_string())
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten()
}

/// Who is at work: as git knows them, else the user on this machine.
pub async fn who(directory: &Path) -> String {
    let (name, email) =
        tokio::join!(git(directory, &["config", "user.name"]), git(directory, &["config", "user.email"]));
    match (name, email) {
        (Some(name), Some(email)) => format!("{name} <{email}>"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
            let host = host.map_or("localhost".to_owned(), |host| host.trim().to_owned());
            format!("{}@{host}", user.unwrap_or("unknown".into()))
        }
    }
}

async fn git(directory: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").directory(directory).args(args.iter().copied()).output().await.ok()?;
    Some(String::from_utf8_lossy(&output).trim().to_owned()).filter(|text| !text.is_empty())
}
