//! Objects onto the cluster: stages, server-side apply, readiness.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::stream::StreamExt;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::event::{Event, Reporter};
use crate::manifest::{Object, ObjectId};

pub mod check;
pub mod client;
pub mod crd;
pub mod diagnose;
pub mod diff;
pub mod error;
pub mod fallback;
pub mod fields;
pub mod hook;
pub mod hook_run;
pub mod immutable;
pub mod inventory;
mod inventory_store;
pub mod live;
pub mod pods;
pub mod prune;
pub mod readiness;
pub mod replicas;
pub mod retry;
pub mod server_side;
pub mod stage;
pub mod takeover;
pub mod wait;
pub mod webhook;

pub use check::{Change, Checked, Difference, check};
pub use client::{Cluster, MANAGER, SYSTEM_NAMESPACE};
pub use error::ApplyError;
pub use hook::{Course, DeletePolicy, Hook, HookEvent, ReleaseHooks};
pub use hook_run::run_hooks;
pub use inventory::Inventory;
pub use prune::{Kept, Pruned};
pub use server_side::{Applied, Outcome};

use error::ObjectError;
use live::Live;
use replicas::Scaled;
use server_side::{Applier, Settled};
use stage::Stage;

const STEP: &str = "apply";

/// How objects are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Whether objects that left the manifests are deleted.
    pub prune: bool,
    /// Whether that goes for PersistentVolumeClaims and PersistentVolumes, too.
    pub prune_volumes: bool,
    /// Whether objects are recreated when a field that cannot change has to; Jobs and Pods always are, what holds data
    /// never is.
    pub recreate_immutable: bool,
    /// Requests under way at once, each on a connection of its own.
    pub concurrency: usize,
    /// How long to wait for what passes by itself: an API server that is busy, a CRD that is not served yet, an object that
    /// is going away, a webhook whose Pods start.
    pub patience: Duration,
    /// How long one hook may take.
    pub hook_patience: Duration,
    /// Which way charts go. On the way back the hooks that run after objects are the caller's to run, by [`hooks_after`].
    pub course: Course,
}

impl Default for ApplyOptions {
    /// Nothing is deleted; 8 requests at once; two minutes' patience, five for a hook as Helm has it.
    fn default() -> Self {
        Self {
            prune: false,
            prune_volumes: false,
            recreate_immutable: false,
            concurrency: client::CONCURRENCY,
            patience: Duration::from_mins(2),
            hook_patience: Duration::from_mins(5),
            course: Course::Forward,
        }
    }
}

/// What an apply did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every object, in the order it was applied in: by stage, then as in the manifests.
    pub applied: Vec<Applied>,
    /// What left the manifests.
    pub pruned: Pruned,
}

/// Brings `objects` onto the cluster: [`apply_with_hooks`] without hooks.
pub async fn apply(
    cluster: &Cluster,
    objects: &[Object],
    options: &ApplyOptions,
    inventory: &mut Inventory,
    reporter: &dyn Reporter,
) -> Result<Report, ApplyError> {
    apply_with_hooks(cluster, objects, &[], options, inventory, reporter).await
}

/// Brings `objects` onto the cluster, stage by stage, and saves the inventory before the first and after each, so that a
/// run that is killed anywhere is completed by the next. Objects that stand as they were left are not written at all. All
/// objects of a stage are tried; the next stage starts only where none was refused.
///
/// A release that is new or changed has its hooks run before and after its objects; namespaces and CRDs come before that,
/// and so do the objects of everything else, because a hook may need them.
pub async fn apply_with_hooks(
    cluster: &Cluster,
    objects: &[Object],
    releases: &[ReleaseHooks],
    options: &ApplyOptions,
    inventory: &mut Inventory,
    reporter: &dyn Reporter,
) -> Result<Report, ApplyError> {
    let started = Instant::now();
    let what = format!("{} objects", objects.len());
    reporter.report(Event::Started { step: STEP.into(), what });
    cluster.discover().await?;
    refuse_unknown_kinds(cluster, objects, releases)?;
    intend(cluster, objects, inventory).await?;
    let run = Run { cluster, objects, options, scaled: Scaled::of(objects), reporter };
    let mut report = Report::default();

    let first = |object: &&Object| stage::position(&object.gvk().group, object.kind()) < stage::FOUNDATION;
    run.stages(objects.iter().filter(first), inventory, &mut report).await?;
    let due: Vec<&ReleaseHooks> =
        releases.iter().filter(|release| run.due(release, inventory).is_some()).collect();
    let rest = || objects.iter().filter(|object| !first(object));
    let waits = |object: &&Object| due.iter().any(|release| release.source == object.origin.source);
    run.stages(rest().filter(|object| !waits(object)), inventory, &mut report).await?;
    for of_one_source in due.chunk_by(|a, b| a.source == b.source) {
        for release in of_one_source {
            run.hooks(release, true, inventory).await?;
        }
        let own = rest().filter(|object| object.origin.source == of_one_source[0].source);
        run.stages(own, inventory, &mut report).await?;
        for release in of_one_source.iter().filter(|_| options.course == Course::Forward) {
            run.hooks(release, false, inventory).await?;
        }
    }

    if options.prune {
        report.pruned = prune::prune(cluster, objects, inventory, options.prune_volumes).await?;
        inventory.save(cluster).await?;
        run.say_pruned(&report.pruned);
    }
    reporter.report(Event::Done { step: STEP.into(), what: summary(&report), took: started.elapsed() });
    Ok(report)
}

/// Runs the hooks that come after objects where an apply left them to its caller: on the way back data may come between.
pub async fn hooks_after(
    cluster: &Cluster,
    releases: &[ReleaseHooks],
    options: &ApplyOptions,
    inventory: &mut Inventory,
    reporter: &dyn Reporter,
) -> Result<(), ApplyError> {
    let run = Run { cluster, objects: &[], options, scaled: Scaled::default(), reporter };
    for release in releases {
        run.hooks(release, false, inventory).await?;
    }
    Ok(())
}

fn refuse_unknown_kinds(
    cluster: &Cluster,
    objects: &[Object],
    releases: &[ReleaseHooks],
) -> Result<(), ApplyError> {
    let hooks = releases.iter().flat_map(|release| &release.hooks).map(|hook| &hook.object);
    let all: Vec<Object> = objects.iter().chain(hooks).cloned().collect();
    let missing = crd::missing(&all, &cluster.kinds());
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApplyError::UnknownKinds(crd::unknown(&missing, &cluster.kinds())))
}

async fn intend(cluster: &Cluster, objects: &[Object], inventory: &mut Inventory) -> Result<(), ApplyError> {
    let mut news = false;
    for object in objects {
        news |= inventory.intend(object);
    }
    if news { inventory.save(cluster).await } else { Ok(()) }
}

struct Run<'a> {
    cluster: &'a Cluster,
    objects: &'a [Object],
    options: &'a ApplyOptions,
    scaled: Scaled,
    reporter: &'a dyn Reporter,
}

impl Run<'_> {
    async fn stages<'o>(
        &self,
        objects: impl Iterator<Item = &'o Object>,
        inventory: &mut Inventory,
        report: &mut Report,
    ) -> Result<(), ApplyError> {
        for stage in stage::stages(objects) {
            self.stage(&stage, inventory, report).await?;
        }
        Ok(())
    }

    fn due(&self, release: &ReleaseHooks, inventory: &Inventory) -> Option<(HookEvent, HookEvent)> {
        release.due(inventory.releases.get(&release.release), self.options.course)
    }

    /// Runs the hooks that are due before or after a release's objects, and remembers that they ran.
    async fn hooks(
        &self,
        release: &ReleaseHooks,
        before: bool,
        inventory: &mut Inventory,
    ) -> Result<(), ApplyError> {
        let Some((pre, post)) = self.due(release, inventory) else { return Ok(()) };
        let event = if before { pre } else { post };
        if !release.has_run(inventory.releases.get(&release.release), event) {
            run_hooks(self.cluster, release, event, self.options, self.reporter).await?;
            inventory.releases.entry(release.release.clone()).or_default().ran(event, &release.hash);
        }
        if !before {
            inventory.releases.entry(release.release.clone()).or_default().stands(&release.hash);
        }
        inventory.save(self.cluster).await
    }

    async fn stage(
        &self,
        stage: &Stage<'_>,
        inventory: &mut Inventory,
        report: &mut Report,
    ) -> Result<(), ApplyError> {
        let mut live =
            live::read(self.cluster, stage.objects.iter().copied(), self.options.concurrency).await?;
        let mut errors = Vec::new();
        let results = self.settle_all(stage, &mut live, inventory, report.applied.len()).await?;
        for (object, result) in results {
            match result {
                Ok(applied) => {
                    remember(inventory, self.cluster, object, &applied);
                    self.say(object, &applied);
                    report.applied.push(finished(object, applied));
                }
                Err(error) => errors.push(error),
            }
        }
        inventory.save(self.cluster).await?;
        if !errors.is_empty() {
            return Err(ApplyError::Objects { stage: stage.name.into(), errors });
        }
        let crds: Vec<&str> =
            stage.objects.iter().filter(|object| crd::is_crd(object)).map(|object| object.name()).collect();
        crd::wait_established(self.cluster, &crds, self.options.patience).await
    }

    /// Applies a stage's objects side by side; the results come in the stage's order.
    async fn settle_all<'s>(
        &self,
        stage: &Stage<'s>,
        live: &mut Live,
        inventory: &Inventory,
        before: usize,
    ) -> Result<Vec<(&'s Object, Result<Step, ObjectError>)>, ApplyError> {
        let mut work = Vec::new();
        let mut results: Vec<(usize, &Object, Result<Step, ObjectError>)> = Vec::new();
        for (index, object) in stage.objects.iter().enumerate() {
            let found = live.remove(&object.id());
            match check::difference(object, inventory, found.as_ref()) {
                None => results.push((index, *object, Ok(Step::Stands(found)))),
                Some(_) => work.push((index, *object, found)),
            }
        }
        for (_, object, _) in &work {
            webhook::wait_for_backends(self.cluster, object, self.objects, self.options.patience).await?;
        }
        let applier = Applier {
            cluster: self.cluster,
            scaled: &self.scaled,
            recreate_immutable: self.options.recreate_immutable,
            patience: self.options.patience,
        };
        let mut done = before + results.len();
        let mut running = futures::stream::iter(work)
            .map(|(index, object, found)| {
                let entry = inventory.entries.get(&object.id());
                let applier = &applier;
                async move {
                    let Some(resource) = applier.cluster.resolve(object) else {
                        let reason = error::Refusal::NoAnswer("its kind is no longer served".into());
                        return (index, object, Err(ObjectError::new(object, reason)));
                    };
                    let before = found.clone();
                    let settled = applier.settle(object, &resource, found, entry).await;
                    (index, object, settled.map(|settled| Step::Settled(settled, before)))
                }
            })
            .buffer_unordered(self.options.concurrency.max(1));
        while let Some(result) = running.next().await {
            done += 1;
            self.progress(done, result.1);
            results.push(result);
        }
        results.sort_by_key(|(index, ..)| *index);
        Ok(results.into_iter().map(|(_, object, result)| (object, result)).collect())
    }

    fn progress(&self, done: usize, object: &Object) {
        self.reporter.report(Event::Progress {
            step: STEP.into(),
            done: done as u64,
            total: self.objects.len() as u64,
            what: object.id().to_string(),
        });
    }

    fn say(&self, object: &Object, step: &Step) {
        let Step::Settled(settled, before) = step else { return };
        let id = object.id();
        let fields =
            before.as_ref().map(|before| diff::changed(object, before, &settled.live)).unwrap_or_default();
        match &settled.outcome {
            Outcome::Configured if !fields.is_empty() => {
                self.reporter.report(Event::Note(format!("{id} is changed\n{}", fields.trim_end())));
            }
            Outcome::FellBack { why } => self.reporter.report(Event::Warning(format!(
                "{id} ({}): server-side apply does not take it, so it was applied as client-side apply does: {why}",
                error::place(&object.origin)
            ))),
            Outcome::Recreated { field } => self
                .reporter
                .report(Event::Note(format!("{id} was deleted and created anew: {field} cannot change"))),
            _ => {}
        }
        for note in &settled.notes {
            self.reporter.report(Event::Note(format!("{id}: {note}")));
        }
    }

    fn say_pruned(&self, pruned: &Pruned) {
        for id in &pruned.deleted {
            self.reporter.report(Event::Note(format!("{id} left the manifests and was deleted")));
        }
        for Kept { id, why } in &pruned.kept {
            self.reporter.report(Event::Note(format!("{id} left the manifests and is kept: {why}")));
        }
    }
}

/// What became of one object in a stage.
enum Step {
    /// Nothing was to do; `None` where it is a Job that has run and gone.
    Stands(Option<Value>),
    /// It was written, and was this before.
    Settled(Settled, Option<Value>),
}

fn remember(inventory: &mut Inventory, cluster: &Cluster, object: &Object, step: &Step) {
    match step {
        Step::Stands(Some(live)) => inventory.seen(&object.id(), live),
        Step::Stands(None) => {}
        Step::Settled(settled, _) => {
            let created = matches!(settled.outcome, Outcome::Created | Outcome::Recreated { .. });
            inventory.applied(object, &settled.live, created, settled.shape.clone());
        }
    }
    if let Some(resource) = cluster.resolve(object) {
        inventory.kinds.insert(resource.gvk.clone(), resource);
    }
}

fn finished(object: &Object, step: Step) -> Applied {
    let (outcome, live, notes) = match step {
        Step::Stands(None) => (Outcome::HasRun, None, Vec::new()),
        Step::Stands(Some(live)) => (Outcome::Unchanged, Some(live), Vec::new()),
        Step::Settled(settled, _) => (settled.outcome, Some(settled.live), settled.notes),
    };
    let live = live.and_then(|live| serde_json::from_value::<DynamicObject>(live).ok());
    Applied { id: object.id(), outcome, live, notes }
}

/// `3 created, 1 configured, 44 unchanged, 1 deleted`.
fn summary(report: &Report) -> String {
    let count = |wanted: fn(&Outcome) -> bool| {
        report.applied.iter().filter(|applied| wanted(&applied.outcome)).count()
    };
    let parts = [
        (count(|outcome| *outcome == Outcome::Created), "created"),
        (count(|outcome| matches!(outcome, Outcome::Configured | Outcome::FellBack { .. })), "configured"),
        (count(|outcome| matches!(outcome, Outcome::Recreated { .. })), "recreated"),
        (count(|outcome| matches!(outcome, Outcome::Unchanged | Outcome::HasRun)), "unchanged"),
        (report.pruned.deleted.len(), "deleted"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { "nothing to do".into() } else { said.join(", ") }
}

/// The ids of objects, for comparing sets of them.
pub fn ids(objects: &[Object]) -> BTreeSet<ObjectId> {
    objects.iter().map(Object::id).collect()
}
