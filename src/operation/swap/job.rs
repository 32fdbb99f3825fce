//! Runs Jobs of the manifests anew, with the bytes that their images now stand for. Only where that is asked for: what a Job
//! did once is not always to be done again.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::DeleteParams;
use kube::runtime::{conditions, wait::await_condition};
use serde_json::Value;

use crate::apply::wait::{Target, WaitOptions, Wanted, wait};
use crate::apply::{self, ApplyOptions, Inventory};
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::images;
use crate::operation::migrations::Migration;
use crate::operation::migrations::before;
use crate::operation::session::Existing;
use crate::operation::swap::{Stage, is_named};
use crate::operation::up::INVENTORY;

/// How long a Job's Pods may take to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// Deletes the manifests' Jobs that run one of the images called `names`, waits until their Pods are gone, and applies them
/// as production wrote them. Gives them by name.
pub async fn recreate(stage: Stage<'_>, names: &BTreeSet<String>) -> Result<Vec<String>, OperationError> {
    let jobs = jobs(stage, names);
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let cluster = &stage.existing.cluster;
    let mut inventory = Inventory::load(cluster, INVENTORY).await?;
    let coming = before::coming(
        stage.session,
        stage.desired,
        |migration| matches!(migration, Migration::Job(one) if jobs.iter().any(|job| job.id() == one.id())),
    )?;
    before::tell(stage.session, &coming);
    if stage.style.snapshot {
        before::secure(stage.session, stage.existing, stage.desired, &coming, &[]).await?;
    }
    // First of all they are no longer ones that have run: whatever ends this, the next `up` makes them.
    inventory.entries.retain(|id, _| !jobs.iter().any(|job| job.id() == *id));
    inventory.save(cluster).await?;
    for job in &jobs {
        delete(stage.existing, job).await?;
    }
    let reporter = stage.session.reporter.as_ref();
    apply::apply(cluster, &jobs, &ApplyOptions::default(), &mut inventory, reporter).await?;
    let migrate = |job: &&Object| coming.iter().any(|one| one.named.name == name_of(job));
    let migrating: Vec<Target> =
        jobs.iter().filter(migrate).filter_map(|job| Target::of(cluster, job, Wanted::Ready)).collect();
    if !migrating.is_empty() {
        // Only what has come to its end is known to have run.
        let step = "jobs".to_owned();
        let options = WaitOptions { timeout: PATIENCE, wait_for_jobs: true, step };
        wait(&cluster.client, &migrating, &options, reporter).await?;
        before::done(stage.session, &coming)?;
    }
    Ok(jobs.iter().map(|job| job.id().to_string()).collect())
}

fn jobs(stage: Stage<'_>, names: &BTreeSet<String>) -> Vec<Object> {
    let own: Vec<_> =
        names.iter().flat_map(|name| images::of_build(stage.session, stage.desired, name, "")).collect();
    let runs_one = |object: &&Object| {
        let lists = ["/spec/template/spec/initContainers", "/spec/template/spec/containers"];
        let containers =
            lists.iter().filter_map(|list| object.value.pointer(list).and_then(Value::as_array)).flatten();
        let mut images = containers.filter_map(|container| container["image"].as_str());
        object.gvk().group == "batch"
            && object.kind() == "Job"
            && images.any(|named| own.iter().any(|image| is_named(named, image)))
    };
    stage.desired.rendered.objects.iter().filter(runs_one).cloned().collect()
}

/// What the configuration calls a Job.
fn name_of(job: &Object) -> String {
    format!("{}/{}", job.namespace(), job.name())
}

/// Deletes a Job and waits until its Pods are gone.
pub(in crate::operation) async fn delete(existing: &Existing, job: &Object) -> Result<(), OperationError> {
    let what = || format!("delete {} to run it anew", job.id());
    let api = Api::<Job>::namespaced(existing.cluster.client.clone(), job.namespace());
    let Some(live) = api.get_opt(job.name()).await.map_err(|error| OperationError::request(what(), error))?
    else {
        return Ok(());
    };
    let deleted = api.delete(job.name(), &DeleteParams::foreground()).await;
    match deleted {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(OperationError::request(what(), error)),
    }
    let uid = live.metadata.uid.unwrap_or_default();
    // It is a large future, and dev would carry it about all the time.
    let gone = Box::pin(await_condition(api, job.name(), conditions::is_deleted(&uid)));
    match tokio::time::timeout(PATIENCE, gone).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(OperationError::Swap { what: what(), reason: error.to_string() }),
        Err(_) => Err(OperationError::Swap {
            what: what(),
            reason: format!("its Pods did not end within {} s", PATIENCE.as_secs()),
        }),
    }
}
