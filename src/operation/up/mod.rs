//! Brings production's system up, or puts right what differs: the whole of what devcluster is for.

pub(super) mod change;
pub(super) mod data;
pub(super) mod evict;
pub mod relieve;
pub mod restart;
pub(super) mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use self::change::Work;
use crate::apply::{self, ApplyOptions, Checked, Inventory};
use crate::cluster::address as balancer;
use crate::cluster::identity::Found;
use crate::data::discover::Store;
use crate::event::Event;
use crate::manifest::Object;
use crate::operation::address::{self, Tried};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::gather::{self, Desired};
use crate::operation::ground::{self, Confirm, Due, Made};
use crate::operation::images::{self, Provision};
use crate::operation::memory::Memory;
use crate::operation::rehearse;
use crate::operation::release::{carry, record};
use crate::operation::session::{Existing, Session};

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
    /// While developing, the images that are to be swapped in once the system is up: what runs of them stays until then, as does
    /// what was swapped before and runs the right bytes.
    pub developing: Option<&'a BTreeSet<String>>,
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
    /// How many images something else stands in for.
    pub stand_ins: usize,
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
    data::check(session, &desired)?;
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
            let laying = lay_out(session, &desired, &existing);
            tokio::join!(carry::put_or_tell(session, &existing), laying).1?;
        } else {
            rehearse::tidy(session, &existing).await?;
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
    let release = record::after_up(session, &desired, &existing, &delivered, !unchanged).await;
    let report = Report {
        cluster: session.state.cluster().into(),
        unchanged,
        objects: desired.rendered.objects.len(),
        stand_ins: images::stand_ins(&provided),
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
