//! One way in which code and schema meet, tried on a copy: the stores, the data, migrations, the code, the commands of `ci:`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::data::{self, Taken};
use super::ground::{self as ground, INVENTORY};
use super::hooks::Chart;
use super::volumes;
use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::apply::{self, ApplyOptions, HookEvent, Inventory, ReleaseHooks, run_hooks};
use crate::data::discover::Store;
use crate::event::{Event, Silent};
use crate::handoff::rehearse::report::Side;
use crate::handoff::rehearse::{Cell, Check, ClaimName, Copied, Files, GROUND, Verdict, Way, policy};
use crate::manifest::{Object, ObjectId};
use crate::operation::ci::copies::{self, Surroundings};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::migrations;

const STEP: &str = "rehearse";

/// Code as it goes into the copy.
pub(in crate::operation) struct Code {
    /// Production's objects.
    pub objects: Vec<Object>,
    /// What goes into the copy.
    pub copied: Copied,
    /// Its stores, as production has them.
    pub stores: Vec<Store>,
    /// Its charts' hooks.
    pub charts: Vec<Chart>,
}

/// A migration as it runs on the copy.
pub(in crate::operation) struct Moving {
    /// As the configuration has it.
    pub name: String,
    pub hooks: ReleaseHooks,
    pub event: HookEvent,
    /// The workload and its init container, where it is one: new code on the old schema starts without it.
    pub container: Option<(ObjectId, String)>,
    /// Claims that it mounts, and those that there must be in the copy for it.
    pub wanted: BTreeSet<ClaimName>,
    pub claims: BTreeSet<ClaimName>,
}

/// All that the four ways are tried with.
pub(in crate::operation) struct Rehearsal<'a> {
    pub surroundings: Surroundings<'a>,
    pub old: Code,
    pub new: Code,
    pub migrations: Vec<Moving>,
    pub taken: Taken,
    /// What is known of claims' files, and the claims that there are in each copy.
    pub files: Files,
    pub claims: BTreeSet<ClaimName>,
    pub timeout: Duration,
}

impl Rehearsal<'_> {
    /// Tries one way on a copy that is made anew.
    pub async fn cell(&self, way: Way) -> Result<Cell, OperationError> {
        let begun = Instant::now();
        let reporter = &self.surroundings.session.reporter;
        reporter.report(Event::Started { step: STEP.into(), what: way.to_string() });
        ground::clear(self.surroundings.session, self.surroundings.existing).await?;
        let (verdict, checks) = match Box::pin(self.tried(way)).await {
            Ok(checks) => (of_checks(&checks), checks),
            Err(error) if !is_of_code(&error) => return Err(error),
            Err(error) => {
                let why = self.surroundings.redactor.text(&error.to_string());
                (Verdict::Failed { why }, Vec::new())
            }
        };
        fault::point("rehearsed");
        let word = if verdict == Verdict::Passed { "passed" } else { "failed" };
        let what = format!("{way}: {word}");
        reporter.report(Event::Done { step: STEP.into(), what, took: begun.elapsed() });
        Ok(Cell { way, verdict, checks, seconds: begun.elapsed().as_secs_f64() })
    }

    async fn tried(&self, way: Way) -> Result<Vec<Check>, OperationError> {
        let code = if way.code == Side::Old { &self.old } else { &self.new };
        let Surroundings { session, existing, copies, .. } = self.surroundings;
        ground::make(existing, copies, &code.objects).await?;
        volumes::lay(session, existing, (&self.claims, &self.files), copies).await?;
        let mut inventory = Inventory::new(INVENTORY);
        let (stores, plain) = self.beginning(code);
        let namespaces = copies.iter().map(|(_, copy)| copy).chain([GROUND]);
        let first: Vec<Object> = namespaces.map(policy::policy).chain(plain).collect();
        self.stand(&first, &mut inventory, &stores).await?;
        data::load(session, existing, (&code.stores, copies), &self.taken).await?;
        if way.schema == Side::New {
            let (_, plain) = self.beginning(&self.new);
            let needed: Vec<Object> =
                plain.into_iter().filter(|object| object.pod_template().is_none()).collect();
            self.stand(&needed, &mut inventory, &[]).await?;
            for migration in &self.migrations {
                self.migrate(migration).await?;
            }
        }
        let mut objects = code.copied.objects.clone();
        if way == (Way { code: Side::New, schema: Side::Old }) {
            for object in &mut objects {
                self.hold_back(object);
            }
        }
        // Those that a migration needed ran before it.
        let both_new = way == Way { code: Side::New, schema: Side::New };
        let migrated =
            self.migrations.iter().filter(|_| both_new).flat_map(|migration| &migration.hooks.hooks);
        let ran: BTreeSet<ObjectId> = migrated.map(|hook| hook.object.id()).collect();
        self.hooks(code.charts.iter().map(|chart| chart.before(&ran))).await?;
        let ids: Vec<ObjectId> = objects.iter().map(Object::id).collect();
        self.stand(&objects, &mut inventory, &ids).await?;
        self.hooks(code.charts.iter().map(|chart| chart.after(&ran))).await?;
        copies::run(&self.surroundings).await
    }

    /// What is there before the data: the stores, and all that makes no Pods.
    fn beginning(&self, code: &Code) -> (Vec<ObjectId>, Vec<Object>) {
        let copies = self.surroundings.copies;
        let stores = code.stores.iter().filter_map(|store| data::copy(store, copies));
        let stores: Vec<ObjectId> = stores.map(|store| store.workload).collect();
        let all = code.copied.objects.iter();
        let first = all.filter(|object| object.pod_template().is_none() || stores.contains(&object.id()));
        let first = first.cloned().collect();
        (stores, first)
    }

    /// Applies objects and waits for those in `awaited`.
    async fn stand(
        &self,
        objects: &[Object],
        inventory: &mut Inventory,
        awaited: &[ObjectId],
    ) -> Result<(), OperationError> {
        let cluster = &self.surroundings.existing.cluster;
        let options = ApplyOptions { recreate_immutable: true, ..ApplyOptions::default() };
        apply::apply(cluster, objects, &options, inventory, &Silent).await?;
        let targets: Vec<Target> = objects
            .iter()
            .filter(|object| awaited.contains(&object.id()))
            .filter_map(|object| Target::of(cluster, object, Wanted::Ready))
            .collect();
        if targets.is_empty() {
            return Ok(());
        }
        let options = WaitOptions { timeout: self.timeout, wait_for_jobs: true, step: STEP.into() };
        wait(&cluster.client, &targets, &options, self.surroundings.session.reporter.as_ref()).await?;
        Ok(())
    }

    async fn migrate(&self, migration: &Moving) -> Result<(), OperationError> {
        let options = ApplyOptions { hook_patience: self.timeout, ..ApplyOptions::default() };
        let cluster = &self.surroundings.existing.cluster;
        let ran = run_hooks(cluster, &migration.hooks, migration.event, &options, &Silent).await;
        ran.map(drop).map_err(|error| migrations::failed(&migration.name, error))
    }

    /// Runs charts' hooks, each to its end.
    async fn hooks(
        &self,
        charts: impl Iterator<Item = (ReleaseHooks, HookEvent)>,
    ) -> Result<(), OperationError> {
        let options = ApplyOptions { hook_patience: self.timeout, ..ApplyOptions::default() };
        let Surroundings { session, existing, .. } = self.surroundings;
        for (hooks, event) in charts {
            run_hooks(&existing.cluster, &hooks, event, &options, session.reporter.as_ref()).await?;
        }
        Ok(())
    }

    /// Takes away what would migrate as the code starts.
    fn hold_back(&self, object: &mut Object) {
        let id = object.id();
        let own = self.migrations.iter().filter_map(|migration| migration.container.as_ref());
        let names: Vec<&String> = own.filter(|(workload, _)| *workload == id).map(|(_, name)| name).collect();
        let spec = object.pod_template_mut().and_then(|template| template.get_mut("spec"));
        let containers = spec.and_then(|spec| spec.get_mut("initContainers")?.as_array_mut());
        if let Some(containers) = containers {
            containers.retain(|one| !names.iter().any(|name| one["name"] == **name));
        }
    }
}

/// Whether a failure says something of code and schema; else the rehearsal itself failed.
fn is_of_code(error: &OperationError) -> bool {
    matches!(error, OperationError::NotReady(_) | OperationError::Apply(_) | OperationError::Migration { .. })
}

fn of_checks(checks: &[Check]) -> Verdict {
    let failed = checks.iter().filter_map(|check| match &check.verdict {
        Verdict::Failed { why } => Some(format!("{}: {why}", check.name)),
        Verdict::Passed | Verdict::Skipped { .. } => None,
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() { Verdict::Passed } else { Verdict::Failed { why: failed.join("; ") } }
}
