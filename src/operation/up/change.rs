//! Changes a live system into what is wanted, step by step.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::data::{self, Bring};
use super::relieve;
use super::restart;
use crate::apply::pods::StaleContainer;
use crate::apply::readiness::{Rules, readiness};
use crate::apply::{self, ApplyOptions, Course, Difference, ReleaseHooks};
use crate::cluster::address::Address;
use crate::data::discover::Store;
use crate::event::Event;
use crate::image::DeliveryReport;
use crate::manifest::{Object, ObjectId};
use crate::operation::datasets;
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::gather::Desired;
use crate::operation::ground::{self, Made};
use crate::operation::hooks;
use crate::operation::images::{self, Provided};
use crate::operation::migrations::before::{self, Coming};
use crate::operation::release::record;
use crate::operation::session::{Existing, Session};
use crate::operation::swap::{self, swapped};
use crate::operation::sync::synced;
use crate::operation::up::{Look, Options};

/// A live system on its way to what is wanted.
pub(in crate::operation) struct Work<'a> {
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
    pub(in crate::operation) async fn change(
        &mut self,
        made: Made,
        delivered: &DeliveryReport,
        provided: &[Provided],
    ) -> Result<Option<Vec<Address>>, OperationError> {
        let hooks = hooks::due(&self.desired.rendered, &self.look.inventory, Course::Forward);
        let stands_for = images::stands_for(delivered);
        let mut stale = restart::stale(&self.look.pods, &stands_for);
        let synced = synced::recorded(self.session);
        let swapped = self.options.developing.map(|_| swapped::recorded(self.session));
        stale.extend(restart::left_by_dev(&self.look.pods, &stands_for, &synced, swapped.as_ref()));
        let owed = self.options.developing.into_iter().flatten();
        let owed: Vec<Provided> =
            owed.flat_map(|name| images::of_build(self.session, self.desired, name, "")).collect();
        stale.retain(|one| !owed.iter().any(|image| swap::is_named(&one.running.image, image)));
        let data = data::due(self.session, self.desired, made == Made::Created)?;
        let due = !self.look.checked.changes.is_empty() || !hooks.is_empty() || !data.is_empty();
        let left = !stale.is_empty() || relieve::is_left(&self.look.pods);
        let settled = made == Made::Kept && self.look.dues.is_empty() && delivered.nothing_done() && !left;
        if settled && !due && self.unready().is_empty() {
            return Ok(None);
        }
        record::begin(self.session)?;
        let coming = self.coming(&hooks, &stale, !data.is_empty())?;
        before::tell(self.session, &coming);
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
        self.wait(self.options.timeout).await?;
        before::done(self.session, &coming)?;
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
    pub(in crate::operation) fn is_inert(&self, id: &ObjectId) -> bool {
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
        let changes = before::Changes {
            objects: &self.look.checked.changes,
            releases: hooks,
            pods: stale
                .iter()
                .map(|one| (one.running.namespace.as_str(), one.running.pod.as_str()))
                .collect(),
            bringing,
        };
        before::coming(self.session, self.desired, |migration| changes.run(migration))
    }

    /// Takes the snapshots that going back from migrations would need. Stores that hold files and do not stand are brought first.
    async fn secure(&mut self, coming: &[Coming]) -> Result<(), OperationError> {
        if !self.options.snapshot || !before::may_lose(coming) {
            return Ok(());
        }
        let absent = |store: &Store| {
            self.look.checked.changes.iter().any(|change| {
                let gone = matches!(change.what, Difference::New | Difference::Absent | Difference::Deleting);
                gone && change.id == store.workload
            })
        };
        let away: Vec<Store> =
            crate::operation::stores::all(self.desired).into_iter().filter(absent).collect();
        let mut spared = Vec::new();
        if away.iter().any(|store| before::holds_files(self.session, store)) {
            self.bringer(coming).stores().await?;
        } else {
            spared = away;
        }
        before::secure(self.session, self.existing, self.desired, coming, &spared).await
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

    fn remember_images(&self, provided: &[Provided]) -> Result<(), OperationError> {
        let bytes: BTreeMap<&str, &crate::parity::ImageBytes> = provided
            .iter()
            .flat_map(|image| image.wanted.names.iter().map(|name| (name.as_str(), &image.bytes)))
            .collect();
        self.session.state.write("bytes.json", &serde_json::to_vec_pretty(&bytes).unwrap_or_default())?;
        Ok(())
    }
}
