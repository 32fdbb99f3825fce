//! What follows a change: addresses, readiness, and what controllers wrote.

use std::time::{Duration, Instant};

use super::change::Work;
use crate::apply;
use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::cluster::address::{self as balancer, Address};
use crate::event::Event;
use crate::operation::address::{self, Tried};
use crate::operation::error::OperationError;

impl Work<'_> {
    /// Gives the load balancers' Services their addresses.
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

    /// Waits until all is ready, as long as `timeout`. Jobs that completed meanwhile are remembered, also where something else failed: their
    /// TTL removes them, and they are not to run again.
    pub async fn wait(&mut self, timeout: Duration) -> Result<(), OperationError> {
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
        let options = WaitOptions { timeout, wait_for_jobs: true, step: step.into() };
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

    /// Every address, tried. Load balancers' that were `assigned` just now are given time to settle; those that stood
    /// before are assigned again only where one does not answer, for a node that was restarted has forgotten them.
    pub(in crate::operation) async fn addresses(
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
