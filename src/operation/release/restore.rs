//! Brings back what stores held at a release: the snapshots that were taken before what lies between, or loaded there.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::DeleteParams;

use crate::apply::Inventory;
use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, SnapshotName};
use crate::handoff::release::Crossing;
use crate::manifest::ObjectId;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::blocking;
use crate::operation::snapshots::load;
use crate::operation::stores;
use crate::operation::stores::users;

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

/// Loads them. Who uses a store is told.
pub(in crate::operation) async fn load(
    session: &Session,
    existing: &Existing,
    desired: &Desired,
    restores: &[(Store, SnapshotName)],
) -> Result<(), OperationError> {
    for (store, name) in restores {
        load::load(session, existing, store, name, true).await?;
        users::after_change(session, desired, existing, store, false).await?;
    }
    Ok(())
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
