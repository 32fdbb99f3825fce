//! The namespaces that a rehearsal is held in: made empty, and taken away whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};

use super::{network, volumes};
use crate::apply::{ApplyError, Inventory};
use crate::handoff::rehearse::{Copies, GROUND, LABEL, RehearseError};
use crate::image::keep;
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};

/// The inventory of what is applied there.
pub(in crate::operation) const INVENTORY: &str = "rehearsal";

const PAUSE: Duration = Duration::from_millis(300);
/// How long namespaces may take to go.
const PATIENCE: Duration = Duration::from_mins(3);

fn api(existing: &Existing) -> Api<Namespace> {
    Api::all(existing.cluster.client.clone())
}

async fn ours(existing: &Existing) -> Result<BTreeSet<String>, OperationError> {
    let listed = api(existing).list(&ListParams::default().labels(&format!("{LABEL}=true"))).await;
    let listed = listed.map_err(|error| OperationError::request("list Namespaces", error))?;
    Ok(listed.items.iter().map(ResourceExt::name_any).collect())
}

/// Refuses names that something else has.
pub(in crate::operation) async fn check(existing: &Existing, copies: &Copies) -> Result<(), OperationError> {
    let ours = ours(existing).await?;
    let mut taken = Vec::new();
    let names = copies.iter().map(|(_, copy)| copy).chain([GROUND]);
    for copy in names.filter(|name| !ours.contains(*name)) {
        let found = api(existing).get_opt(copy).await;
        if found.map_err(|error| OperationError::request("read a Namespace", error))?.is_some() {
            taken.push(copy.to_owned());
        }
    }
    if taken.is_empty() { Ok(()) } else { Err(RehearseError::Taken(taken).into()) }
}

/// Makes the namespaces, with the labels that production's have: what Pods may do is by those.
pub(in crate::operation) async fn make(
    existing: &Existing,
    copies: &Copies,
    objects: &[Object],
) -> Result<(), OperationError> {
    make_one(existing, GROUND, std::iter::empty()).await?;
    for (own, copy) in copies.iter() {
        let production = objects.iter().find(|object| object.kind() == "Namespace" && object.name() == own);
        let labels = production.and_then(|object| object.value.pointer("/metadata/labels")?.as_object());
        let labels = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .filter(|(key, _)| key != "kubernetes.io/metadata.name");
        make_one(existing, copy, labels).await?;
    }
    Ok(())
}

/// Makes one of them.
pub(in crate::operation) async fn make_one(
    existing: &Existing,
    name: &str,
    labels: impl Iterator<Item = (String, String)>,
) -> Result<(), OperationError> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    let mut labels: BTreeMap<String, String> = labels.collect();
    labels.insert(LABEL.into(), "true".into());
    namespace.metadata.labels = Some(labels);
    let made = api(existing).create(&PostParams::default(), &namespace).await;
    made.map(drop).map_err(|error| OperationError::request(format!("make the namespace {name}"), error))
}

/// Takes the namespaces away with their volumes, and what is remembered of their objects. Returns once they are gone.
pub(in crate::operation) async fn clear(
    session: &Session,
    existing: &Existing,
) -> Result<(), OperationError> {
    clear_namespaces(existing).await?;
    volumes::clear(session, existing).await?;
    Ok(Inventory::remove(&existing.cluster, INVENTORY).await?)
}

async fn clear_namespaces(existing: &Existing) -> Result<(), OperationError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut told = BTreeSet::new();
    loop {
        let left = ours(existing).await?;
        if left.is_empty() {
            break;
        }
        for name in &left {
            if told.insert(name.clone()) {
                let deleted = api(existing).delete(name, &DeleteParams::background()).await;
                match deleted {
                    Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                    Err(error) => {
                        return Err(OperationError::request(format!("delete the namespace {name}"), error));
                    }
                    Ok(_) => {}
                }
            }
        }
        if tokio::time::Instant::now() > deadline {
            let names: Vec<String> = left.into_iter().collect();
            let message = format!("{} did not go within {} s", names.join(", "), PATIENCE.as_secs());
            return Err(
                ApplyError::Request { what: "delete the rehearsal's namespaces".into(), message }.into()
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Takes everything of a rehearsal away from the cluster.
pub(in crate::operation) async fn leave(
    session: &Session,
    existing: &Existing,
) -> Result<(), OperationError> {
    network::forget(existing).await?;
    clear(session, existing).await?;
    volumes::forget(session, existing).await?;
    for node in &existing.nodes {
        keep::forget_rehearsed(&node.node).await?;
    }
    Ok(())
}
