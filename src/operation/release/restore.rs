//! Brings back what stores held at a release: the snapshots that were taken before what lies between, or loaded there.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::DeleteParams;
use serde::{Deserialize, Serialize};

use super::revert::Way;
use crate::apply::Inventory;
use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, SnapshotName};
use crate::event::Event;
use crate::handoff::release::Crossing;
use crate::manifest::ObjectId;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::blocking;
use crate::operation::snapshots::load;
use crate::operation::stores;
use crate::operation::stores::users;

/// The file that names the stores that a revert has brought back whose release is not recorded yet.
const LOADED: &str = "release-restored";

/// What is in that file.
#[derive(Serialize, Deserialize)]
struct Loaded {
    from: u64,
    to: u64,
    stores: BTreeSet<String>,
}

/// The snapshots that `between` asks for, each of which must be in the catalogue.
pub(in crate::operation) async fn find(
    session: &Session,
    desired: &Desired,
    between: &Crossing,
) -> Result<Vec<(Store, SnapshotName)>, OperationError> {
    let all = stores::all(desired);
    let mut found = Vec::new();
    for (store, name) in between.restores() {
        let name: SnapshotName = name.parse().map_err(OperationError::Name)?;
        let (catalogue, wanted) = (Catalogue::open(session.config.snapshots()), name.clone());
        blocking(move || Ok(catalogue.find(&wanted).map(drop)?)).await?;
        found.push((stores::named(&all, store)?, name));
    }
    Ok(found)
}

/// Loads them. Who uses a store is told. What the same revert has loaded before it was killed stays, for hooks may have run on it.
pub(in crate::operation) async fn load(
    session: &Session,
    existing: &Existing,
    way: &Way,
) -> Result<(), OperationError> {
    let (from, to) = (way.from.number, way.to.number);
    let known = session.state.read(LOADED).and_then(|text| serde_json::from_slice::<Loaded>(&text).ok());
    let mut loaded = known.filter(|known| (known.from, known.to) == (from, to)).unwrap_or(Loaded {
        from,
        to,
        stores: BTreeSet::new(),
    });
    for (store, name) in &way.restores {
        if loaded.stores.contains(&store.name()) {
            let text = format!("{} was brought back by the run that was cut short", store.name());
            session.reporter.report(Event::Note(text));
            continue;
        }
        load::load(session, existing, store, name, true).await?;
        users::after_change(session, &way.desired, existing, store, false).await?;
        loaded.stores.insert(store.name());
        session.state.write(LOADED, &serde_json::to_vec(&loaded).unwrap_or_default())?;
    }
    Ok(())
}

/// Has the next revert load all of it.
pub(in crate::operation) fn forget(session: &Session) {
    let _ = std::fs::remove_file(session.state.directory().join(LOADED));
}

/// Takes Jobs away that migrated what is there no more: the next `up` that has them makes them anew, and they run.
pub(in crate::operation) async fn run_anew(
    existing: &Existing,
    inventory: &mut Inventory,
    jobs: &BTreeSet<ObjectId>,
) -> Result<(), OperationError> {
    inventory.entries.retain(|id, _| !jobs.contains(id));
    inventory.save(&existing.cluster).await?;
    for id in jobs {
        let api = Api::<Job>::namespaced(existing.cluster.client.clone(), &id.namespace);
        match api.delete(&id.name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(OperationError::request(format!("delete {id}"), error)),
        }
    }
    Ok(())
}
