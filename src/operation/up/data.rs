//! Brings data to stores before what uses them is applied: the stores and all that makes no Pods first, then snapshots, then
//! what migrates, then seeds. What is left is applied by the caller.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::apply::wait::{Target, WaitOptions, Wanted as Awaited, wait};
use crate::apply::{self, ApplyOptions, HookEvent, Inventory, run_hooks};
use crate::config::DataFrom;
use crate::data::discover::{Store, StoreKind};
use crate::event::{Event, Silent};
use crate::manifest::{Object, ObjectId};
use crate::operation::datasets::seed::{self, Fresh};
use crate::operation::datasets::{self, Wanted};
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::migrations::before::{self, Coming};
use crate::operation::migrations::{self, Migration};
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::load;

/// What it takes.
pub(in crate::operation) struct Bring<'a> {
    pub session: &'a Session,
    pub desired: &'a Desired,
    pub existing: &'a Existing,
    pub objects: &'a [Object],
    pub inventory: &'a mut Inventory,
    pub timeout: Duration,
    /// The migrations before which snapshots are taken.
    pub coming: &'a [Coming],
}

/// What was brought.
pub(in crate::operation) struct Brought {
    /// The stores that hold their data now.
    pub given: Vec<Store>,
    /// Charts' hooks that ran.
    pub hooks: BTreeSet<ObjectId>,
}

/// Holds what the configuration says of data against the manifests and the catalogue, before anything is done.
pub(in crate::operation) fn check(session: &Session, desired: &Desired) -> Result<(), OperationError> {
    datasets::wanted(session, &desired.rendered.objects)?;
    migrations::named(session, &desired.rendered)?;
    Ok(())
}

/// What of the configuration's data was never given to its store. What was given and has changed since is said: it is for
/// the developer to replace what the store holds now.
pub(in crate::operation) fn due(
    session: &Session,
    desired: &Desired,
    new: bool,
) -> Result<Vec<Wanted>, OperationError> {
    let recorded = datasets::recorded(session);
    let mut due = Vec::new();
    for wanted in datasets::wanted(session, &desired.rendered.objects)? {
        let store = wanted.store.name();
        let before = recorded.get(&store).into_iter().flatten().find(|one| one.from == wanted.loaded.from);
        match before {
            Some(before) if !new => {
                if before.digest != wanted.loaded.digest {
                    let note = format!(
                        "{} has changed since {store} was given it; `devcluster {}` replaces what is there",
                        wanted.loaded.from,
                        again(&wanted)
                    );
                    session.reporter.report(Event::Note(note));
                }
            }
            _ => due.push(wanted),
        }
    }
    Ok(due)
}

/// The command that gives a store its data again.
fn again(wanted: &Wanted) -> String {
    match &wanted.from {
        DataFrom::Snapshot(name) => format!("snapshot load {name} --store {}", wanted.store.name()),
        DataFrom::Seed(_) => {
            let path = wanted.loaded.from.trim_start_matches("seed ");
            format!("seed load {path} --store {}", wanted.store.name())
        }
    }
}

impl Bring<'_> {
    /// Brings all that is due, in the order in which it has to be.
    pub async fn run(mut self, due: &[Wanted]) -> Result<Brought, OperationError> {
        let migrations = migrations::named(self.session, &self.desired.rendered)?;
        // Files are there before anything that mounts them, stores among it.
        let (volumes, due): (Vec<&Wanted>, Vec<&Wanted>) =
            due.iter().partition(|wanted| wanted.store.kind == StoreKind::Volume);
        let mut given = Vec::new();
        for wanted in volumes {
            let fresh = seed::fresh(self.existing, &wanted.store).await?;
            given.extend(self.give(wanted, fresh).await?);
        }
        self.stores().await?;
        let mut fresh = Vec::new();
        for wanted in &due {
            fresh.push(seed::fresh(self.existing, &wanted.store).await?);
        }
        for (wanted, fresh) in due.iter().zip(&fresh) {
            if let DataFrom::Snapshot(_) = wanted.from {
                given.extend(self.give(wanted, *fresh).await?);
            }
        }
        before::secure(self.session, self.existing, self.desired, self.coming, &given).await?;
        for (named, migration) in self.session.config.migrations.iter().zip(&migrations) {
            self.migrate(&named.name, migration).await?;
        }
        // What it is reset to is what the application runs on: as the migrations left it.
        for store in &given {
            load::keep(self.session, self.existing, store).await?;
        }
        for (wanted, fresh) in due.iter().zip(&fresh) {
            if let DataFrom::Seed(_) = wanted.from {
                given.extend(self.give(wanted, *fresh).await?);
            }
        }
        let hooks = migrations.iter().flat_map(Migration::hooks).collect();
        Ok(Brought { given, hooks })
    }

    /// Brings the stores, and all that makes no Pods.
    pub async fn stores(&mut self) -> Result<(), OperationError> {
        let stores = crate::operation::stores::all(self.desired);
        let first = |object: &&Object| datasets::comes_first(object, &stores);
        let runs_store = |object: &Object| stores.iter().any(|store| store.workload == object.id());
        let own: Vec<Object> = self.objects.iter().filter(first).cloned().collect();
        self.stand(&own, runs_store, "the stores", "the stores are ready".into()).await
    }

    /// Gives a store its data, unless it holds some: nobody's work is replaced unasked.
    async fn give(&self, wanted: &Wanted, fresh: Fresh) -> Result<Option<Store>, OperationError> {
        let store = wanted.store.name();
        if fresh == Fresh::HoldsData {
            let recorded = datasets::recorded(self.session);
            let ours = recorded.get(&store).into_iter().flatten().any(|one| one.from == wanted.loaded.from);
            if !ours {
                let note = format!(
                    "{store} holds data already: {} is not loaded; `devcluster {}` replaces what is there",
                    wanted.loaded.from,
                    again(wanted)
                );
                self.session.reporter.report(Event::Note(note));
            }
            return Ok(None);
        }
        match &wanted.from {
            DataFrom::Snapshot(name) => {
                load::load(self.session, self.existing, &wanted.store, &name.parse()?, false).await?;
            }
            DataFrom::Seed(path) => {
                seed::seed(self.session, self.existing, &wanted.store, path).await?;
            }
        }
        Ok(Some(wanted.store.clone()))
    }

    /// Runs one that migrates and waits for its end.
    pub async fn migrate(&mut self, name: &str, migration: &Migration) -> Result<(), OperationError> {
        let (release, event) = match migration {
            Migration::Job(job) => {
                let job = std::slice::from_ref(job.as_ref());
                let (what, done) = (format!("migration {name}"), format!("migration {name} is done"));
                return self.stand(job, |_| true, &what, done).await;
            }
            Migration::Hooks(release, event) => (release, *event),
            Migration::InitContainer(release) => (release, HookEvent::PreInstall),
        };
        let (step, started) = ("data", Instant::now());
        let (cluster, reporter) = (&self.existing.cluster, self.session.reporter.as_ref());
        reporter.report(Event::Started { step: step.into(), what: format!("waiting for migration {name}") });
        let options = ApplyOptions { hook_patience: self.timeout, ..ApplyOptions::default() };
        let ran = run_hooks(cluster, release, event, &options, &Silent).await;
        ran.map_err(|error| migrations::failed(name, error))?;
        let what = format!("migration {name} is done");
        reporter.report(Event::Done { step: step.into(), what, took: started.elapsed() });
        Ok(())
    }

    /// Applies objects and waits until those that `counts` picks are ready.
    async fn stand(
        &mut self,
        objects: &[Object],
        counts: impl Fn(&Object) -> bool,
        what: &str,
        done: String,
    ) -> Result<(), OperationError> {
        let (cluster, reporter) = (&self.existing.cluster, self.session.reporter.as_ref());
        apply::apply(cluster, objects, &ApplyOptions::default(), self.inventory, reporter).await?;
        let targets: Vec<Target> = objects
            .iter()
            .filter(|object| counts(object) && !self.inventory.has_run(object))
            .filter_map(|object| Target::of(cluster, object, Awaited::Ready))
            .collect();
        let (step, started) = ("data", Instant::now());
        reporter.report(Event::Started { step: step.into(), what: format!("waiting for {what}") });
        let options = WaitOptions { timeout: self.timeout, wait_for_jobs: true, step: step.into() };
        let waited = wait(&cluster.client, &targets, &options, reporter).await?;
        for id in &waited.completed_jobs {
            if let Some(entry) = self.inventory.entries.get_mut(id) {
                entry.completed = true;
            }
        }
        self.inventory.save(cluster).await?;
        reporter.report(Event::Done { step: step.into(), what: done, took: started.elapsed() });
        Ok(())
    }
}
