//! Brings production's system up, or puts right what differs: the whole of what devcluster is for, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::address::{self, Tried};
use super::before_migration::{self, Coming};
use super::error::OperationError;
use super::gather::{self, Desired};
use super::ground::{self, Confirm, Due, Made};
use super::images::{self, Provided, Provision};
use super::memory::Memory;
use super::session::{Existing, Session};
use super::up_data::{self, Bring};
use super::{datasets, fault, hooks, release_record, relieve, restart, swapped, synced};
use crate::apply::pods::StaleContainer;
use crate::apply::readiness::{Rules, readiness};
use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::apply::{self, ApplyOptions, Checked, Difference, Inventory, ReleaseHooks};
use crate::cluster::address::{self as balancer, Address};
use crate::cluster::identity::Found;
use crate::data::discover::Store;
use crate::event::Event;
use crate::image::DeliveryReport;
use crate::manifest::{Object, ObjectId};

/// How to bring it up.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Asked before the cluster is made anew.
    pub confirm: Confirm<'a>,
    /// How long to wait for readiness.
    pub timeout: Duration,
    /// Whether volumes that left the manifests may be pruned.
    pub prune_volumes: bool,
    /// Whether a snapshot is taken before a migration that cannot be taken back.
    pub snapshot: bool,
    /// Whether containers that `dev` swapped stay where they run the right bytes.
    pub developing: bool,
}

/// What `up` did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The cluster.
    pub cluster: String,
    /// Whether nothing was to do.
    pub unchanged: bool,
    /// How many objects stand, production's own.
    pub objects: usize,
    /// Where the system answers.
    pub addresses: Vec<Tried>,
    /// Declared memory against real memory.
    pub memory: Option<Memory>,
    /// The release that was recorded; none where nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Images that were built here and sent, as the engine has them.
    #[serde(skip)]
    pub sent_builds: Vec<String>,
    /// Stores that were given data.
    #[serde(skip)]
    pub given: Vec<Store>,
}

/// The name of the inventory in the cluster.
pub const INVENTORY: &str = "system";

/// Everything that was learnt of the live system without changing it.
pub struct Look {
    /// The inventory.
    pub inventory: Inventory,
    /// The objects that differ, and the live ones.
    pub checked: Checked,
    /// Changes that nodes are due.
    pub dues: Vec<Due>,
    /// The system's Pods.
    pub pods: Vec<Value>,
}

/// A system that was brought up, for who goes on with it.
pub struct Raised {
    /// What was done.
    pub report: Report,
    /// What stands.
    pub desired: Desired,
    /// Its cluster.
    pub existing: Existing,
    /// What the engine calls the images that were built here, by their names in the configuration.
    pub builds: BTreeMap<String, String>,
}

/// Brings the system up.
pub async fn run(session: &Session, options: &Options<'_>) -> Result<Report, OperationError> {
    Ok(raise(session, options).await?.report)
}

/// Brings the system up and gives what it took for that.
pub async fn raise(session: &Session, options: &Options<'_>) -> Result<Raised, OperationError> {
    let started = Instant::now();
    let _lock = session.lock()?;
    fault::point("locked");
    let finding = async {
        let found = session.find().await?;
        let asked = images::ask(&found);
        Ok::<_, OperationError>((found, asked))
    };
    let (desired, (found, asked)) = tokio::try_join!(gather::gather(session), finding)?;
    up_data::check(session, &desired)?;
    fault::point("rendered");
    let memory = Memory::now(desired.requirements.total.memory_bytes);
    if let (Some(memory), Found::Absent) = (&memory, &found) {
        session.reporter.report(Event::Note(memory.sentence()));
    }
    let objects = desired.objects();
    let is_there = matches!(found, Found::Ours(..));
    let providing = async {
        let provision = images::provide(session, &desired).await?;
        if !is_there {
            images::check(session, &provision.images).await?;
        }
        Ok::<_, OperationError>(provision)
    };
    let preparing = async {
        let (existing, made) = ground::prepare(session, &desired, found, options.confirm).await?;
        if made == Made::Created {
            lay_out(session, &desired, &existing).await?;
        }
        let look = look(&desired, &existing, &objects).await?;
        Ok((existing, made, look))
    };
    let ((existing, made, look), provision) = tokio::try_join!(preparing, providing)?;
    let Provision { images: provided, builds } = provision;
    fault::point("built");
    let asked = asked.filter(|_| made == Made::Kept);
    let (delivered, tried) =
        tokio::try_join!(images::deliver(session, &existing, asked, &provided), async {
            Ok(try_standing(&desired, &existing, &look).await)
        })?;
    fault::point("delivered");
    let given = Vec::new();
    let mut work =
        Work { session, desired: &desired, existing: &existing, options, objects: &objects, look, given };
    let assigned = work.change(made, &delivered, &provided).await?;
    let unchanged = assigned.is_none();
    let addresses = work.addresses(assigned, tried).await?;
    let given = work.given;
    let release = release_record::after_up(session, &desired, &existing, &delivered, !unchanged).await;
    let report = Report {
        cluster: session.state.cluster().into(),
        unchanged,
        objects: desired.rendered.objects.len(),
        addresses,
        memory,
        release,
        seconds: started.elapsed().as_secs_f64(),
        sent_builds: images::sent_builds(&provided, &delivered),
        given,
    };
    Ok(Raised { report, desired, existing, builds })
}

/// Shapes the nodes of a new cluster and applies what stands beside production's objects: it starts while images are
/// still being built.
async fn lay_out(session: &Session, desired: &Desired, existing: &Existing) -> Result<(), OperationError> {
    let dues = ground::dues(desired, existing).await?;
    for change in ground::shape_nodes(session, desired, existing, &dues).await? {
        session.reporter.report(Event::Note(change));
    }
    if desired.supplied.is_empty() {
        return Ok(());
    }
    let mut inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    let options = ApplyOptions::default();
    apply::apply(&existing.cluster, &desired.supplied, &options, &mut inventory, session.reporter.as_ref())
        .await?;
    Ok(())
}

/// Asks the live cluster what differs; changes nothing.
pub async fn look(
    desired: &Desired,
    existing: &Existing,
    objects: &[Object],
) -> Result<Look, OperationError> {
    let checked = async {
        let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
        let checked = apply::check(&existing.cluster, objects, &inventory).await?;
        Ok::<_, OperationError>((inventory, checked))
    };
    let ((inventory, checked), dues, pods) =
        tokio::try_join!(checked, ground::dues(desired, existing), restart::pods(existing, desired))?;
    Ok(Look { inventory, checked, dues, pods })
}

/// Tries the addresses as they stand. Those of load balancers are the live Services' own: nothing is asked for them.
async fn try_standing(desired: &Desired, existing: &Existing, look: &Look) -> Vec<Tried> {
    let services = look.checked.live.iter().filter(|(id, _)| id.kind == "Service");
    let standing = balancer::standing(services.map(|(_, live)| live));
    address::try_all(&desired.requirements, existing.record.fixed.ports, &standing, Duration::ZERO).await
}

/// A live system on its way to what is wanted.
pub(super) struct Work<'a> {
    pub session: &'a Session,
    pub desired: &'a Desired,
    pub existing: &'a Existing,
    pub options: &'a Options<'a>,
    pub objects: &'a [Object],
    pub look: Look,
    pub given: Vec<Store>,
}

impl Work<'_> {
    /// Does what is to do and gives the load balancers' addresses; none where nothing was to do.
    async fn change(
        &mut self,
        made: Made,
        delivered: &DeliveryReport,
        provided: &[Provided],
    ) -> Result<Option<Vec<Address>>, OperationError> {
        let hooks = hooks::due(&self.desired.rendered, &self.look.inventory);
        let stands_for = images::stands_for(delivered);
        let mut stale = restart::stale(&self.look.pods, &stands_for);
        let synced = synced::recorded(self.session);
        let swapped = self.options.developing.then(|| swapped::recorded(self.session));
        stale.extend(restart::left_by_dev(&self.look.pods, &stands_for, &synced, swapped.as_ref()));
        let data = up_data::due(self.session, self.desired, made == Made::Created)?;
        let due = !self.look.checked.changes.is_empty() || !hooks.is_empty() || !data.is_empty();
        let left = !stale.is_empty() || relieve::is_left(&self.look.pods);
        let settled = made == Made::Kept && self.look.dues.is_empty() && delivered.nothing_done() && !left;
        if settled && !due && self.unready().is_empty() {
            return Ok(None);
        }
        release_record::begin(self.session)?;
        let coming = self.coming(&hooks, &stale, !data.is_empty())?;
        before_migration::tell(self.session, &coming);
        for change in ground::shape_nodes(self.session, self.desired, self.existing, &self.look.dues).await? {
            self.session.reporter.report(Event::Note(change));
        }
        images::mirror(self.existing, self.desired).await?;
        fault::point("shaped");
        if data.is_empty() {
            self.secure(&coming).await?;
        }
        if due {
            self.name();
            restart::free_volumes(self.existing).await?;
            let ran = if data.is_empty() { BTreeSet::new() } else { self.bring(&data, &coming).await? };
            self.apply(&ran).await?;
        }
        fault::point("applied");
        let addresses = self.assign_addresses().await?;
        restart::run(self.session, self.existing, &stale, self.options.timeout).await?;
        synced::forget(self.session)?;
        self.wait().await?;
        before_migration::done(self.session, &coming)?;
        self.remember_images(provided)?;
        self.settle().await?;
        fault::point("ready");
        Ok(Some(addresses))
    }

    /// Objects that were applied and are not ready now.
    pub fn unready(&self) -> Vec<ObjectId> {
        let rules = Rules { now: Timestamp::now(), wait_for_jobs: true, ..Rules::default() };
        let live = self.look.checked.live.iter().filter(|(id, _)| !self.is_inert(id));
        live.filter(|(_, value)| !readiness(value, &rules).is_current()).map(|(id, _)| id.clone()).collect()
    }

    /// Whether nobody in this cluster acts on an object, so that it will never say it is ready.
    fn is_inert(&self, id: &ObjectId) -> bool {
        let profile = &self.session.config.profile;
        self.desired.open_schema.contains(&(id.group.clone(), id.kind.clone()))
            || (id.kind == "Ingress" && !profile.ingress)
            || (id.kind == "HorizontalPodAutoscaler" && !profile.metrics)
            || (id.kind == "Service" && !profile.load_balancer)
    }

    fn name(&self) {
        const SHOWN: usize = 5;
        let changes = &self.look.checked.changes;
        let names: Vec<String> = changes.iter().take(SHOWN).map(|change| change.id.to_string()).collect();
        let more = changes.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !changes.is_empty() {
            self.session.reporter.report(Event::Note(format!("to apply: {}{rest}", names.join(", "))));
        }
    }

    /// The migrations that are about to run: with data to bring all but those that stand.
    fn coming(
        &self,
        hooks: &[ReleaseHooks],
        stale: &[StaleContainer],
        bringing: bool,
    ) -> Result<Vec<Coming>, OperationError> {
        let changes = before_migration::Changes {
            objects: &self.look.checked.changes,
            releases: hooks,
            pods: stale
                .iter()
                .map(|one| (one.running.namespace.as_str(), one.running.pod.as_str()))
                .collect(),
            bringing,
        };
        before_migration::coming(self.session, self.desired, |migration| changes.run(migration))
    }

    /// Takes the snapshots that going back from migrations would need. Stores that hold files and do not stand are brought first.
    async fn secure(&mut self, coming: &[Coming]) -> Result<(), OperationError> {
        if !self.options.snapshot || !before_migration::may_lose(coming) {
            return Ok(());
        }
        let absent = |store: &Store| {
            self.look.checked.changes.iter().any(|change| {
                let gone = matches!(change.what, Difference::New | Difference::Absent | Difference::Deleting);
                gone && change.id == store.workload
            })
        };
        let away: Vec<Store> = super::stores::all(self.desired).into_iter().filter(absent).collect();
        let mut spared = Vec::new();
        if away.iter().any(|store| before_migration::holds_files(self.session, store)) {
            self.bringer(coming).stores().await?;
        } else {
            spared = away;
        }
        before_migration::secure(self.session, self.existing, self.desired, coming, &spared).await
    }

    fn bringer<'b>(&'b mut self, coming: &'b [Coming]) -> Bring<'b> {
        Bring {
            session: self.session,
            desired: self.desired,
            existing: self.existing,
            objects: self.objects,
            inventory: &mut self.look.inventory,
            timeout: self.options.timeout,
            coming: if self.options.snapshot { coming } else { &[] },
        }
    }

    /// Brings data to the stores before what uses them is applied. Gives the hooks that ran for that.
    async fn bring(
        &mut self,
        data: &[datasets::Wanted],
        coming: &[Coming],
    ) -> Result<BTreeSet<ObjectId>, OperationError> {
        let brought = self.bringer(coming).run(data).await?;
        self.given = brought.given;
        Ok(brought.hooks)
    }

    /// Applies all, with the hooks that are due but for those that ran just now.
    async fn apply(&mut self, ran: &BTreeSet<ObjectId>) -> Result<(), OperationError> {
        let profile = &self.session.config.profile;
        let options = ApplyOptions {
            prune: profile.prune,
            prune_volumes: self.options.prune_volumes,
            recreate_immutable: profile.recreate_immutable,
            ..ApplyOptions::default()
        };
        let reporter = self.session.reporter.as_ref();
        let mut releases = hooks::releases(&self.desired.rendered);
        for release in &mut releases {
            release.hooks.retain(|hook| !ran.contains(&hook.object.id()));
        }
        apply::apply_with_hooks(
            &self.existing.cluster,
            self.objects,
            &releases,
            &options,
            &mut self.look.inventory,
            reporter,
        )
        .await?;
        Ok(())
    }

    pub async fn assign_addresses(&self) -> Result<Vec<Address>, OperationError> {
        if !self.session.config.profile.load_balancer || self.desired.requirements.load_balancers.is_empty() {
            return Ok(Vec::new());
        }
        let Some(node) = self.existing.nodes.first() else { return Ok(Vec::new()) };
        let cluster = self.session.state.cluster();
        let client = &self.existing.cluster.client;
        let services = balancer::services(cluster, client).await?;
        Ok(balancer::assign(cluster, client, &node.node, &services).await?.0)
    }

    /// Waits until all is ready. Jobs that completed meanwhile are remembered, also where something else failed: their
    /// TTL removes them, and they are not to run again.
    pub async fn wait(&mut self) -> Result<(), OperationError> {
        let started = Instant::now();
        let targets: Vec<Target> = self
            .objects
            .iter()
            .filter(|object| !self.look.inventory.has_run(object))
            .filter_map(|object| {
                let wanted = if self.is_inert(&object.id()) { Wanted::Present } else { Wanted::Ready };
                Target::of(&self.existing.cluster, object, wanted)
            })
            .collect();
        let step = "ready";
        self.session
            .reporter
            .report(Event::Started { step: step.into(), what: "waiting for all to be ready".into() });
        let options = WaitOptions { timeout: self.options.timeout, wait_for_jobs: true, step: step.into() };
        let reporter = self.session.reporter.as_ref();
        let waited = wait(&self.existing.cluster.client, &targets, &options, reporter).await;
        let completed = match &waited {
            Ok(waited) => &waited.completed_jobs,
            Err(not_ready) => &not_ready.completed_jobs,
        };
        for id in completed {
            if let Some(entry) = self.look.inventory.entries.get_mut(id) {
                entry.completed = true;
            }
        }
        if waited.is_err() {
            self.look.inventory.save(&self.existing.cluster).await?;
        }
        waited?;
        let what = format!("{} objects ready", targets.len());
        self.session.reporter.report(Event::Done { step: step.into(), what, took: started.elapsed() });
        Ok(())
    }

    /// What controllers wrote since is the state to compare the next run with.
    pub async fn settle(&mut self) -> Result<(), OperationError> {
        let live =
            apply::live::read(&self.existing.cluster, self.objects, apply::client::CONCURRENCY).await?;
        for (id, value) in &live {
            self.look.inventory.seen(id, value);
        }
        self.look.inventory.save(&self.existing.cluster).await?;
        Ok(())
    }

    fn remember_images(&self, provided: &[Provided]) -> Result<(), OperationError> {
        let bytes: BTreeMap<&str, &crate::parity::ImageBytes> = provided
            .iter()
            .flat_map(|image| image.wanted.names.iter().map(|name| (name.as_str(), &image.bytes)))
            .collect();
        self.session.state.write("bytes.json", &serde_json::to_vec_pretty(&bytes).unwrap_or_default())?;
        Ok(())
    }

    /// Every address, tried. Load balancers' that were `assigned` just now are given time to settle; those that stood
    /// before are assigned again only where one does not answer, for a node that was restarted has forgotten them.
    async fn addresses(
        &self,
        assigned: Option<Vec<Address>>,
        tried: Vec<Tried>,
    ) -> Result<Vec<Tried>, OperationError> {
        let balanced = match assigned {
            None if tried.iter().all(|tried| tried.answers) => return Ok(tried),
            None => self.assign_addresses().await?,
            Some(addresses) => addresses,
        };
        let ports = self.existing.record.fixed.ports;
        Ok(address::try_all(&self.desired.requirements, ports, &balanced, address::SETTLING).await)
    }
}
