//! The files of a rehearsal's claims: taken once, as they are at one moment, and laid anew for each way, beside the volumes and apart
//! from them. Each copy is a claim of the copy's namespace on a volume of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::apply::ApplyError;
use crate::cluster::Node;
use crate::cluster::provider::VOLUMES_ON_NODE;
use crate::data::discover::Store;
use crate::data::volume::{Progress, Volume};
use crate::event::Event;
use crate::handoff::rehearse::{ClaimName, Copies, Files, LABEL};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::volume;
use crate::operation::stores::node_reach::NodeReach;
use crate::words::{counted, sized};

const STEP: &str = "rehearse";
/// Where all of it is, below the volumes' directory: no namespace is called so.
const PLACE: &str = ".rehearsal";
const PAUSE: Duration = Duration::from_millis(200);
/// How long volumes may take to go.
const PATIENCE: Duration = Duration::from_mins(1);

/// The files as they were taken: what each way begins with.
fn taken(claim: &ClaimName) -> String {
    format!("{VOLUMES_ON_NODE}/{PLACE}/taken/{}/{}", claim.0, claim.1)
}

/// The files as one way has them.
fn laid(claim: &ClaimName) -> String {
    format!("{VOLUMES_ON_NODE}/{PLACE}/way/{}/{}", claim.0, claim.1)
}

/// Where it is on this machine.
fn here(session: &Session) -> PathBuf {
    session.state.volumes().join(PLACE)
}

/// Whether files of a rehearsal are there.
pub(in crate::operation) fn are_there(session: &Session) -> bool {
    here(session).exists()
}

/// The node that copies files: all of them see the same directory.
fn node(existing: &Existing) -> Result<&Node, OperationError> {
    let reason = || OperationError::Claim { claim: PLACE.into(), reason: "the cluster has no node".into() };
    existing.nodes.first().map(|node| &node.node).ok_or_else(reason)
}

/// Looks at claims, and decides which of them are copied: no file is read.
pub(in crate::operation) async fn survey(
    existing: &Existing,
    wanted: &BTreeSet<ClaimName>,
    limit: u64,
) -> Result<Files, OperationError> {
    let (mut found, mut empty) = (Vec::new(), Vec::new());
    let mut free: Option<u64> = None;
    let mut shares = true;
    for claim in wanted {
        match volume::space(existing, &Store::volume(&claim.0, &claim.1)).await {
            Ok(space) => {
                shares &= space.reflink;
                free = Some(free.map_or(space.free, |free| free.min(space.free)));
                found.push((claim.clone(), space.bytes));
            }
            Err(OperationError::Claim { reason, .. }) => empty.push((claim.clone(), reason)),
            // As where it is a file system of its own, beside which nothing can be copied.
            Err(OperationError::Volume(error)) => empty.push((claim.clone(), error.to_string())),
            Err(error) => return Err(error),
        }
    }
    let mut files = Files::choose(found, limit, free.filter(|_| !shares));
    files.empty.extend(empty);
    Ok(files)
}

/// Takes the files, each claim's as they are at one moment. Its Pods are frozen for a moment, and nothing of it changes.
pub(in crate::operation) async fn take(
    session: &Session,
    existing: &Existing,
    files: &Files,
) -> Result<(), OperationError> {
    if files.copied.is_empty() {
        return Ok(());
    }
    let begun = Instant::now();
    let (claims, bytes) = (counted(files.copied.len(), "claim"), sized(files.bytes()));
    session.reporter.report(Event::Note(format!(
        "the files of {claims} are copied, {bytes}, once now and once for each way; a claim above --volumes-up-to begins empty"
    )));
    let mut frozen = Duration::ZERO;
    for claim in files.copied.keys() {
        let store = Store::volume(&claim.0, &claim.1);
        session.reporter.report(Event::Started { step: STEP.into(), what: format!("the files of {store}") });
        // Measured anew: it is what the progress goes by.
        let space = volume::space(existing, &store).await?;
        let took = volume::copy(session, existing, (&store, space), &taken(claim)).await?;
        frozen = frozen.max(took.unwrap_or_default());
        fault::point("files-taken");
    }
    let frozen = match frozen.as_secs_f64() {
        0.0 => String::new(),
        seconds => format!("; Pods were frozen for {seconds:.2} s at most"),
    };
    let what = format!("files of {claims}, {bytes}{frozen}");
    session.reporter.report(Event::Done { step: STEP.into(), what, took: begun.elapsed() });
    Ok(())
}

/// Makes the copy's claims: with the files as they were taken, or empty where they were not.
pub(in crate::operation) async fn lay(
    session: &Session,
    existing: &Existing,
    (claims, files): (&BTreeSet<ClaimName>, &Files),
    copies: &Copies,
) -> Result<(), OperationError> {
    let begun = Instant::now();
    for claim in claims {
        let Some(copy) = copies.get(&claim.0) else { continue };
        if let Some(bytes) = files.copied.get(claim) {
            let name = format!("the copy of {}/{}", claim.0, claim.1);
            let reach = NodeReach::new(node(existing)?.clone(), name);
            let tell = |progress: Progress<'_>| volume::tell(&session.reporter, STEP, progress);
            Volume::new(Arc::new(reach), taken(claim)).lay(&laid(claim), *bytes, &tell).await?;
        } else {
            let open = "mkdir -p -m 0700 -- \"${1%/*}\" && mkdir -m 0777 -- \"$1\"";
            node(existing)?.run(&["sh", "-c", open, "sh", &laid(claim)]).await?;
        }
        bind(existing, claim, copy).await?;
    }
    bound(existing, claims, copies).await?;
    if !files.copied.is_empty() {
        let what = format!("files of {}, {}", counted(files.copied.len(), "claim"), sized(files.bytes()));
        session.reporter.report(Event::Done { step: "data".into(), what, took: begun.elapsed() });
    }
    Ok(())
}

/// A claim in the copy, and a volume that is bound to it alone. The volume is called by the claim's uid: one that had its name in the
/// way before would be taken for it by whoever still remembers that.
async fn bind(existing: &Existing, claim: &ClaimName, copy: &str) -> Result<(), OperationError> {
    let failed = |error| OperationError::request(format!("make the claim {copy}/{}", claim.1), error);
    let unmade = |error| failed(kube::Error::SerdeError(error));
    let client = &existing.cluster.client;
    let labels = json!({LABEL: "true"});
    let (params, modes, size) = (PostParams::default(), json!(["ReadWriteMany"]), json!({"storage": "1Gi"}));
    let wanted: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": claim.1, "namespace": copy, "labels": labels},
        "spec": {"accessModes": modes, "storageClassName": "", "resources": {"requests": size}},
    }))
    .map_err(unmade)?;
    let made = Api::namespaced(client.clone(), copy).create(&params, &wanted).await.map_err(failed)?;
    let uid = made.uid().unwrap_or_default();
    let volume: PersistentVolume = serde_json::from_value(json!({
        "metadata": {"name": format!("devcluster-rehearse-{uid}"), "labels": labels},
        "spec": {
            "capacity": size, "accessModes": modes, "storageClassName": "", "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": copy, "name": claim.1, "uid": uid,
            },
            "hostPath": {"path": laid(claim), "type": "Directory"},
        },
    }))
    .map_err(unmade)?;
    Api::all(client.clone()).create(&params, &volume).await.map_err(failed)?;
    Ok(())
}

/// Waits until the claims have their volumes, before there are Pods: one that comes earlier counts as fitting no node.
async fn bound(
    existing: &Existing,
    claims: &BTreeSet<ClaimName>,
    copies: &Copies,
) -> Result<(), OperationError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for (copy, name) in claims.iter().filter_map(|claim| Some((copies.get(&claim.0)?, &claim.1))) {
        let api = Api::<PersistentVolumeClaim>::namespaced(existing.cluster.client.clone(), copy);
        let what = || format!("bind the claim {copy}/{name}");
        loop {
            let found = api.get(name).await.map_err(|error| OperationError::request(what(), error))?;
            if found.status.and_then(|status| status.phase).as_deref() == Some("Bound") {
                break;
            }
            if tokio::time::Instant::now() > deadline {
                let message = format!("it had no volume within {} s", PATIENCE.as_secs());
                return Err(ApplyError::Request { what: what(), message }.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Takes away what one way had, once its Pods are gone; the files as they were taken stay.
pub(in crate::operation) async fn clear(
    session: &Session,
    existing: &Existing,
) -> Result<(), OperationError> {
    let api = Api::<PersistentVolume>::all(existing.cluster.client.clone());
    let own = ListParams::default().labels(&format!("{LABEL}=true"));
    let failed = |error| OperationError::request("delete the rehearsal's volumes", error);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut told = BTreeSet::new();
    loop {
        let left = api.list(&own).await.map_err(failed)?.items;
        if left.is_empty() {
            break;
        }
        for name in left.iter().map(ResourceExt::name_any) {
            if !told.insert(name.clone()) {
                continue;
            }
            match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                deleted => drop(deleted.map_err(failed)?),
            }
        }
        if tokio::time::Instant::now() > deadline {
            let message = format!("they did not go within {} s", PATIENCE.as_secs());
            return Err(ApplyError::Request { what: "delete the rehearsal's volumes".into(), message }.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    remove(session, existing, "/way").await
}

/// Takes all files of a rehearsal away.
pub(in crate::operation) async fn forget(
    session: &Session,
    existing: &Existing,
) -> Result<(), OperationError> {
    remove(session, existing, "").await
}

async fn remove(session: &Session, existing: &Existing, below: &str) -> Result<(), OperationError> {
    // Files belong to the users that Pods run as: a node may remove them.
    if are_there(session) {
        let path = format!("{VOLUMES_ON_NODE}/{PLACE}{below}");
        node(existing)?.run(&["rm", "-rf", "--", &path]).await?;
    }
    Ok(())
}
