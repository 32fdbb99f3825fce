//! Goes back to a release: the bytes behind images' names first, then its objects by the stages that `up` applies in, then
//! Pods that run other bytes under an unchanged template. What went comes back and what came goes; data stays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::bytes;
use super::bytes::Due;
use super::hooks;
use super::record;
use super::restore;
use super::view;
use crate::apply;
use crate::apply::pods::StaleContainer;
use crate::data::discover::Store;
use crate::data::snapshot::SnapshotName;
use crate::event::Event;
use crate::handoff::release::diff::Changed;
use crate::handoff::release::takes::{self, no_drain, read_at_start};
use crate::handoff::release::{Content, Digests, Kept, Ledger, Record, ReleaseDiff, ReleaseError, crossing};
use crate::manifest::{Object, ObjectId, Rendered};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::gather::{self, Desired};
use crate::operation::ground;
use crate::operation::images;
use crate::operation::release::Book;
use crate::operation::session::{Existing, Session};
use crate::operation::sync::synced;
use crate::operation::up::change::Work;
use crate::operation::up::restart;
use crate::operation::up::{self, Look};

/// How to go back.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The release.
    pub to: u64,
    /// What happens where data or migrations lie between.
    pub data: Between,
    /// How long to wait for readiness.
    pub timeout: Duration,
}

/// What happens where data or migrations lie between two releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// The revert stops before it changes anything.
    Stop,
    /// It goes on, with the data as it is.
    Keep,
    /// It brings the snapshots of then back as well.
    Restore,
}

/// What a revert did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reverted {
    /// The release that stood before.
    pub from: u64,
    /// The release that it went back to.
    pub to: u64,
    /// The release that was recorded; none where all was so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// What of the ledger changed.
    pub diff: ReleaseDiff,
    /// Workloads that do not drain, with the reason.
    pub undrained: Vec<String>,
    /// Until everything was told to the cluster, in seconds: what follows is its own.
    pub told_seconds: f64,
    /// How long it took in all.
    pub seconds: f64,
}

/// A release that can come back, and what that takes.
pub(in crate::operation) struct Way {
    pub ledger: Ledger,
    pub from: Record,
    pub to: Record,
    /// Its objects, in the order of the record.
    pub kept: Vec<Kept>,
    pub desired: Desired,
    diff: ReleaseDiff,
    images: Due,
    /// Jobs that migrate, as they stand now.
    pub migrating: BTreeSet<ObjectId>,
    /// Snapshots to bring back, by store.
    pub restores: Vec<(Store, SnapshotName)>,
}

/// Goes back. Nothing is changed before all that it takes is known to be there.
pub async fn run(session: &Session, options: &Options) -> Result<Reverted, OperationError> {
    let started = Instant::now();
    let _lock = session.lock()?;
    let existing = session.existing().await?;
    let (book, ledger) = record::open(session, &existing).await?;
    let way = prepare(session, &existing, &book, ledger, options).await?;
    let mut objects = way.desired.objects();
    let look = up::look(&way.desired, &existing, &objects).await?;
    let restored = !way.restores.is_empty();
    if restored {
        // What a run before took away with the data that it had made does not run on what came back.
        let is_gone = |id: &ObjectId| way.migrating.contains(id) && !look.inventory.entries.contains_key(id);
        objects.retain(|object| !is_gone(&object.id()));
    }
    let standing: Vec<Object> =
        objects.iter().filter(|object| !way.migrating.contains(&object.id())).cloned().collect();
    let undrained = undrained(session, &way);
    let confirm = |_: &[String]| false;
    let up_options = up::Options {
        confirm: &confirm,
        timeout: options.timeout,
        prune_volumes: false,
        developing: None,
        snapshot: false,
    };
    let work = Work {
        session,
        desired: &way.desired,
        existing: &existing,
        options: &up_options,
        objects: &objects,
        look,
        given: Vec::new(),
    };
    let unrecorded = record::is_due(session);
    let mut going = Going { work, way: &way, images: way.to.content.images.clone(), restored, unrecorded };
    let changed = going.change().await?;
    if restored {
        record::mark(session)?;
        restore::load(session, &existing, &way).await?;
        restore::run_anew(&existing, &mut going.work.look.inventory, &way.migrating).await?;
        going.work.objects = &standing;
    }
    if changed {
        going.after().await?;
    }
    fault::point("release-hooked");
    let stale = going.stale().await?;
    let told = started.elapsed();
    let ready = going.ready(&stale).await;
    let release = going.record(&book, changed, ready).await?;
    Ok(Reverted {
        from: way.from.number,
        to: way.to.number,
        release,
        diff: way.diff.clone(),
        undrained,
        told_seconds: told.as_secs_f64(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Reads the release and holds it against data, nodes and images.
async fn prepare(
    session: &Session,
    existing: &Existing,
    book: &Book,
    ledger: Ledger,
    options: &Options,
) -> Result<Way, OperationError> {
    let to = ledger.release(options.to)?.clone();
    let from = ledger.current().ok_or(ReleaseError::None)?.clone();
    if to.content.objects.is_empty() {
        return Err(ReleaseError::Empty { number: to.number }.into());
    }
    let between = crossing(&from.content, &to.content);
    if !between.is_empty() && options.data == Between::Stop {
        let crossing = Box::new(between);
        return Err(ReleaseError::Crossing { from: from.number, to: to.number, crossing }.into());
    }
    if options.data == Between::Restore && !between.is_restorable() {
        return Err(ReleaseError::NotRestorable { to: to.number, crossing: Box::new(between) }.into());
    }
    let (kept, migrating) = going_back_without_migrating(&from.content, &to.content);
    let reading = async {
        let (mine, theirs): (Vec<Kept>, Vec<Kept>) =
            kept.iter().cloned().partition(|kept| migrating.contains(&kept.id));
        let (mine, mut texts) =
            tokio::try_join!(book.texts(from.number, &mine), book.texts(to.number, &theirs))?;
        texts.extend(mine);
        Ok(texts)
    };
    let (mut texts, images, diff, (charts, hooks)) = tokio::try_join!(
        reading,
        bytes::due(session, existing, &to),
        view::difference(book, &from, &to),
        hooks::of(book, &to)
    )?;
    let objects = kept.iter().filter_map(|kept| texts.remove(&kept.id)).collect();
    let desired = gather::desired(session, Rendered { objects, hooks, charts, ..Rendered::default() })?;
    let (has, needs) = (existing.nodes.len(), desired.shape.nodes.len());
    if needs > has {
        let reasons = format!("it needs {needs} nodes, and there are {has}");
        let source_words = bytes::sources(&to);
        return Err(ReleaseError::Shape { number: to.number, reasons, source_words }.into());
    }
    let restores = match options.data {
        Between::Restore => restore::find(session, &desired, &between).await?,
        Between::Stop | Between::Keep => Vec::new(),
    };
    Ok(Way { ledger, from, to, kept, desired, diff, images, migrating, restores })
}

/// The objects of a release, but Jobs that migrate as they stand now: an older one would run again.
fn going_back_without_migrating(from: &Content, to: &Content) -> (Vec<Kept>, BTreeSet<ObjectId>) {
    let names = from.migrations.iter().chain(&to.migrations).map(|ran| ran.name.as_str());
    let jobs: BTreeSet<(&str, &str)> = names.filter_map(|name| name.split_once('/')).collect();
    let migrates = |kept: &&Kept| {
        let id = &kept.id;
        id.kind == "Job" && jobs.contains(&(id.namespace.as_str(), id.name.as_str()))
    };
    let standing: Vec<&Kept> = from.objects.iter().filter(migrates).collect();
    let others = to.objects.iter().filter(|kept| !migrates(kept));
    let ids = standing.iter().map(|kept| kept.id.clone()).collect();
    (others.chain(standing).cloned().collect(), ids)
}

pub(super) fn is_same(from: &Content, to: &Content) -> bool {
    let charts = from.charts.is_none() || to.charts.is_none() || from.charts == to.charts;
    let images = from.images.len() == to.images.len()
        && from.images.iter().all(|(name, here)| to.images.get(name).is_some_and(|there| here.are(there)));
    charts && images && from.objects == to.objects
}

/// Says which workloads that are about to be replaced do not drain.
fn undrained(session: &Session, way: &Way) -> Vec<String> {
    let changed: BTreeSet<&ObjectId> = way.diff.changed.iter().map(|changed| &changed.id).collect();
    let moved: BTreeSet<&str> = way.diff.images.iter().map(|image| image.name.as_str()).collect();
    let is_replaced = |object: &&Object| {
        changed.contains(&object.id()) || image_names(object).iter().any(|name| moved.contains(name.as_str()))
    };
    let replaced = way.desired.rendered.objects.iter().filter(is_replaced);
    let all: Vec<String> =
        replaced.filter_map(|object| Some(format!("{}: {}", object.id(), no_drain(object)?))).collect();
    for one in &all {
        let text = format!("requests may fail while Pods are replaced: {one}");
        session.reporter.report(Event::Warning(text));
    }
    all
}

fn image_names(object: &Object) -> Vec<String> {
    let spec = object.pod_template().and_then(|template| template.get("spec"));
    spec.into_iter().flat_map(takes::images).map(images::normalised).collect()
}

/// A revert under way.
pub(in crate::operation) struct Going<'a> {
    pub work: Work<'a>,
    pub way: &'a Way,
    /// The release's images as they stand now.
    pub images: BTreeMap<String, Digests>,
    /// Whether data is brought back.
    pub restored: bool,
    /// Whether something changed the system before that no release tells of.
    pub unrecorded: bool,
}

impl Going<'_> {
    /// Names, nodes, objects. True where something was to do.
    async fn change(&mut self) -> Result<bool, OperationError> {
        let (charts, options) = (self.charts(), self.options());
        let Self { work, way, .. } = self;
        let (session, existing) = (work.session, work.existing);
        let renames = !way.images.is_empty();
        let Look { checked, dues, .. } = &work.look;
        let changes = !checked.changes.is_empty() || !dues.is_empty();
        let hooks = !charts.is_empty();
        if !(renames || changes || hooks || !is_same(&way.from.content, &way.to.content)) {
            return Ok(false);
        }
        record::mark(session)?;
        bytes::bring_back(session, existing, &way.to, &way.images).await?;
        fault::point("release-named");
        for change in ground::shape_nodes(session, work.desired, existing, dues).await? {
            session.reporter.report(Event::Note(change));
        }
        images::mirror(existing, work.desired).await?;
        restart::free_volumes(existing).await?;
        let (inventory, reporter) = (&mut work.look.inventory, session.reporter.as_ref());
        apply::apply_with_hooks(&existing.cluster, work.objects, &charts, &options, inventory, reporter)
            .await?;
        fault::point("release-applied");
        Ok(true)
    }

    /// What runs in Pods other than as the release has it.
    async fn stale(&mut self) -> Result<Vec<StaleContainer>, OperationError> {
        let existing = self.work.existing;
        let (images, stands_for) = bytes::now(existing, &self.way.to.content.images).await?;
        self.images = images;
        let pods = restart::pods(existing, self.work.desired).await?;
        let mut stale = restart::stale(&pods, &stands_for);
        let synced = synced::recorded(self.work.session);
        stale.extend(restart::left_by_dev(&pods, &stands_for, &synced, None));
        stale.extend(restart::all(&self.configured_since(&pods)));
        Ok(stale)
    }

    /// Replaces such Pods, and waits until all is ready: both together no longer than was asked for.
    async fn ready(&mut self, stale: &[StaleContainer]) -> Result<(), OperationError> {
        let (session, existing) = (self.work.session, self.work.existing);
        let deadline = Instant::now() + self.work.options.timeout;
        restart::run(session, existing, stale, self.work.options.timeout).await?;
        synced::forget(session)?;
        self.work.wait(restart::remaining(deadline)).await?;
        self.work.settle().await?;
        fault::point("release-ready");
        Ok(())
    }
}

impl Going<'_> {
    /// Pods that started after the release with configuration that goes back now, and read it no more. As `kubectl apply`
    /// does, `up` leaves Pods alone whose configuration alone changed: those that were there before have what goes back.
    fn configured_since(&self, pods: &[Value]) -> Vec<Value> {
        let changed: BTreeSet<(&str, &str, &str)> = self
            .way
            .diff
            .changed
            .iter()
            .filter(|changed| changed.id.group.is_empty())
            .map(|Changed { id, .. }| (id.kind.as_str(), id.namespace.as_str(), id.name.as_str()))
            .collect();
        let text = |pod: &Value, pointer: &str| {
            pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let is_due = |pod: &&Value| {
            let namespace = text(pod, "/metadata/namespace");
            text(pod, "/metadata/creationTimestamp") > self.way.to.at
                && pod.get("spec").is_some_and(|spec| {
                    read_at_start(spec)
                        .iter()
                        .any(|(kind, name)| changed.contains(&(kind, namespace.as_str(), name.as_str())))
                })
        };
        pods.iter().filter(is_due).cloned().collect()
    }
}
