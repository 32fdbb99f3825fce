//! Everything that `up` would do, worked out without doing any of it.

use std::collections::{BTreeMap, BTreeSet};

use super::datasets::Wanted;
use super::error::OperationError;
use super::gather::{Desired, gather};
use super::ground;
use super::hooks;
use super::images;
use super::migrations;
use super::migrations::Migration;
use super::migrations::before::{self, Changes, Coming};
use super::session::{Existing, Session};
use super::up::data;
use super::up::{Look, look};
use crate::apply::{Course, Difference, Inventory};
use crate::cluster::Node;
use crate::cluster::identity::{self, Found};
use crate::manifest::{Object, ObjectId};
use crate::parity::{ClusterAction, DataAction, MigrationAction, ObjectAction, ObjectWork, Plan};

/// Works the plan out.
pub async fn run(session: &Session) -> Result<Plan, OperationError> {
    // The engine takes longer to tell its version than to tell anything else: what asks for it later finds it here.
    let (desired, found, _) =
        tokio::try_join!(gather(session), session.find(), async { Ok(session.engine.version().await?) })?;
    let nodes: Vec<Node> = match &found {
        Found::Ours(_, nodes) if nodes.iter().all(|node| node.running) => {
            nodes.iter().map(|node| node.node.clone()).collect()
        }
        _ => Vec::new(),
    };
    migrations::named(session, &desired.rendered)?;
    migrations::propose(session, &desired.rendered);
    let images = images::plan(session, &desired, &nodes).await?;
    let count = desired.shape.nodes.len();
    let anew_data = data::due(session, &desired, true)?;
    let anew = |cluster: ClusterAction| Plan {
        cluster,
        shape_changes: Vec::new(),
        images: images.clone(),
        objects: all_new(&desired),
        data: data(&anew_data),
        hooks: hooks::planned(&desired.rendered, &Inventory::new(crate::operation::up::INVENTORY)),
        migrations: actions(session, &desired, |_| true),
        addresses: addresses(&desired),
    };
    // A fault in their statements is told here, and not where the plan is made.
    before::coming(session, &desired, |_| true)?;
    match found {
        Found::Absent => Ok(anew(ClusterAction::Create { nodes: count, reason: "there is none yet".into() })),
        Found::Unfinished => {
            Ok(anew(ClusterAction::Create { nodes: count, reason: "it was left unfinished".into() }))
        }
        Found::Ours(record, provided) => {
            let reasons = ground::recreation(session, &desired, &record.fixed);
            if !reasons.is_empty() {
                return Ok(anew(ClusterAction::Recreate { reasons }));
            }
            let cluster = session.connect().await?;
            identity::verify(&session.state, &record, &cluster.client).await?;
            let existing = Existing { record, nodes: provided, cluster };
            let look = look(&desired, &existing, &desired.objects()).await?;
            let data_due = data::due(session, &desired, false)?;
            let hooks_due = hooks::due(&desired.rendered, &look.inventory, Course::Forward);
            let changing = Changes {
                objects: &look.checked.changes,
                releases: &hooks_due,
                pods: Vec::new(),
                bringing: !data_due.is_empty(),
            };
            Ok(Plan {
                cluster: ClusterAction::Keep,
                shape_changes: look.dues.iter().map(ToString::to_string).collect(),
                images,
                data: data(&data_due),
                hooks: hooks::planned(&desired.rendered, &look.inventory),
                migrations: actions(session, &desired, |migration| changing.run(migration)),
                objects: changes(&desired, &look),
                addresses: addresses(&desired),
            })
        }
    }
}

/// The migrations that would run. That all can be judged has been seen before.
fn actions(session: &Session, desired: &Desired, runs: impl Fn(&Migration) -> bool) -> Vec<MigrationAction> {
    let coming = before::coming(session, desired, runs).unwrap_or_default();
    let action = |one: Coming| MigrationAction {
        reversible: one.told.verdict.word().to_owned(),
        because: one.told.reasons(),
        undo: one.told.undo().filter(|_| !one.told.verdict.may_lose()),
        snapshot: one.told.verdict.may_lose(),
        name: one.told.name,
    };
    coming.into_iter().map(action).collect()
}

fn data(due: &[Wanted]) -> Vec<DataAction> {
    let action =
        |wanted: &Wanted| DataAction { store: wanted.store.name(), from: wanted.loaded.from.clone() };
    due.iter().map(action).collect()
}

/// Why an object is made: where no manifest has it, because some rely on it.
fn why_made(desired: &Desired) -> impl Fn(&ObjectId) -> &'static str {
    let supplied: BTreeSet<ObjectId> = desired.supplied.iter().map(Object::id).collect();
    move |id| if supplied.contains(id) { "beside the manifests, which rely on it" } else { "" }
}

fn all_new(desired: &Desired) -> Vec<ObjectAction> {
    let why_made = why_made(desired);
    let new = |id: ObjectId| ObjectAction { why: why_made(&id).into(), action: ObjectWork::Create, id };
    let mut actions: Vec<ObjectAction> = desired.applied().map(|object| new(object.id())).collect();
    actions.sort();
    actions
}

fn changes(desired: &Desired, look: &Look) -> Vec<ObjectAction> {
    let mut actions: BTreeMap<ObjectId, (ObjectWork, &str)> =
        desired.applied().map(|object| (object.id(), (ObjectWork::Unchanged, ""))).collect();
    let why_made = why_made(desired);
    for change in &look.checked.changes {
        let (action, why) = match change.what {
            Difference::New => (ObjectWork::Create, why_made(&change.id)),
            Difference::Absent => (ObjectWork::Create, "it was deleted"),
            Difference::Deleting => (ObjectWork::Create, "it is being deleted"),
            Difference::Edited => (ObjectWork::Update, "the manifests changed"),
            Difference::Drifted => (ObjectWork::Update, "it was changed in the cluster"),
            Difference::Obsolete => (ObjectWork::Delete, "it left the manifests"),
        };
        actions.insert(change.id.clone(), (action, why));
    }
    let mut actions: Vec<ObjectAction> = actions
        .into_iter()
        .map(|(id, (action, why))| ObjectAction { id, action, why: why.to_owned() })
        .collect();
    actions.sort();
    actions
}

fn addresses(desired: &Desired) -> Vec<String> {
    let hosts = desired.requirements.ingresses.iter().flat_map(|ingress| {
        let secured = &ingress.tls_hosts;
        let hosts = ingress.hosts();
        let urls =
            hosts.into_iter().map(|host| (host, if secured.contains(host) { "https" } else { "http" })).map(
                |(host, scheme)| format!("{scheme}://{}/", if host.is_empty() { "127.0.0.1" } else { host }),
            );
        urls.collect::<Vec<_>>()
    });
    let services = desired.requirements.load_balancers.iter().map(|service| service.object.to_string());
    hosts.chain(services).collect()
}
