//! Synthetic data by workers in the cluster: the same program with the same generator as an Indexed Job, each index loading
//! its share of the rows. What comes of it is what one process would have loaded.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::seed;
use super::seed::Live;
use super::worker::Task;
use crate::apply::SYSTEM_NAMESPACE;
use crate::data::discover::Store;
use crate::data::postgres::{Credentials, Spread};
use crate::event::Event;
use crate::image::own::{self, OwnImage};
use crate::image::{Content, WantedImage, load};
use crate::operation::admission;
use crate::operation::datasets;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots;
use crate::operation::stores;
use crate::operation::stores::meter::Meter;
use crate::operation::stores::outcome::Seeded;
use crate::operation::stores::reach::ClusterReach;
use crate::words::counted;

const STEP: &str = "data";

/// How often is asked how far the workers are.
const PAUSE: Duration = Duration::from_millis(500);

/// What a ConfigMap holds at most, and a little room for the rest of it.
const LARGEST_TASK: usize = 1_000_000;

/// The last lines of a worker that failed.
const LOG_LINES: i64 = 20;

/// How long a Job stays where nobody is left to delete it, in seconds.
const KEPT: u32 = 600;

/// The container's name in workers' Pods.
const CONTAINER: &str = "worker";

/// Replaces the rows of a store's tables as [`seed::seed`] does, by so many workers.
pub async fn seed(
    session: &Session,
    existing: &Existing,
    store: &Store,
    path: &Path,
    workers: usize,
) -> Result<Seeded, OperationError> {
    let reporter = &session.reporter;
    let shown = path.strip_prefix(session.config.directory()).unwrap_or(path).display().to_string();
    let what = format!("{shown} into {store} by {}", counted(workers, "worker"));
    reporter.report(Event::Started { step: STEP.into(), what });
    let text = datasets::seed_text(path)?;
    let (Live::Postgres(server, schema), generator) = seed::generator(existing, store, path, &text).await?
    else {
        return Err(OperationError::OtherStore { store: store.to_string() });
    };
    let task = Task { schema, seed: text, name: shown };
    let packed = task.pack().map_err(|source| OperationError::Data { path: path.to_owned(), source })?;
    if packed.len() > LARGEST_TASK {
        return Err(OperationError::TooLargeForWorkers { seed: task.name });
    }
    let image = deliver(session, existing).await?;
    let meter = Meter::new(STEP, reporter.clone());
    let tell = |progress: crate::data::postgres::Progress<'_>| meter.tell(progress);
    let crew = Crew { client: existing.cluster.client.clone(), name: crew_name(store), workers };
    crew.dismiss().await?;
    let spread = Spread::begin(&server, &task.schema, &generator, &tell).await?;
    let credentials = stores::postgres_credentials(&existing.cluster.client, store).await?;
    let reach = ClusterReach::new(existing.cluster.client.clone(), store.clone());
    let address = reach
        .address()
        .await
        .map_err(|error| OperationError::Workers { why: error.to_string(), log: Vec::new() });
    let worked = async {
        let (address, labels) = address?;
        let address = format!("{address}/{}", spread.database());
        // Beside what production's own policies admit to the store's Pod.
        admission::open(&crew.client, &crew.name, &store.workload.namespace, Some(&labels)).await?;
        crew.call(&image, &address, &credentials, packed).await?;
        crew.watch(session, &spread).await
    };
    let worked = worked.await;
    let dismissed = crew.dismiss().await;
    if let Err(error) = worked.and(dismissed) {
        spread.give_up().await;
        return Err(error);
    }
    let report = spread.finish(&tell).await?;
    let seeded = seed::seeded(&report.loaded);
    let what = seed::sentence(store, &seeded);
    reporter.report(Event::Done { step: STEP.into(), what, took: seeded.took });
    report.notes.iter().for_each(|note| reporter.report(Event::Note(note.clone())));
    snapshots::load::tell_ended(session, report.sessions_ended);
    datasets::record_seed(session, &store.name(), path, &task.seed)?;
    snapshots::load::keep(session, existing, store).await?;
    Ok(seeded)
}

/// Has the nodes hold an image of this program.
pub(in crate::operation) async fn deliver(
    session: &Session,
    existing: &Existing,
) -> Result<OwnImage, OperationError> {
    let image = own::ensure(&session.engine).await?;
    let nodes: Vec<_> = existing.nodes.iter().map(|node| node.node.clone()).collect();
    let wanted = [WantedImage {
        content: Content::Engine(image.reference.clone()),
        names: vec![image.reference.clone()],
    }];
    let cache = session.state.cache();
    load::deliver(&session.engine, cache, &nodes, async { None }, &wanted, session.reporter.as_ref()).await?;
    Ok(image)
}

/// A name of at most 52 characters, for Pods of a Job append theirs.
fn crew_name(store: &Store) -> String {
    let digest = blake3::hash(store.name().as_bytes()).to_hex();
    let own: String = store.workload.name.chars().take(30).map(|c| if c == '.' { '-' } else { c }).collect();
    format!("seed-{}-{}", own.trim_end_matches('-'), &digest[..6])
}

/// The workers of one load.
struct Crew {
    client: Client,
    name: String,
    workers: usize,
}

impl Crew {
    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }

    /// Starts them. What they are given goes when their Job goes.
    async fn call(
        &self,
        image: &OwnImage,
        address: &str,
        credentials: &Credentials,
        task: Vec<u8>,
    ) -> Result<(), OperationError> {
        let failed = |error| OperationError::request("start workers", error);
        let job: Job = made(self.job(image, address, &credentials.user))?;
        let job = self.jobs().create(&PostParams::default(), &job).await.map_err(failed)?;
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": job.uid()}]);
        let metadata = json!({"name": self.name, "ownerReferences": owner});
        let encoded = base64::engine::general_purpose::STANDARD.encode(task);
        let given: ConfigMap = made(json!({"metadata": metadata, "binaryData": {"task": encoded}}))?;
        let secret: Secret =
            made(json!({"metadata": metadata, "stringData": {"password": credentials.password.reveal()}}))?;
        let namespace = SYSTEM_NAMESPACE;
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        maps.create(&PostParams::default(), &given).await.map_err(failed)?;
        let secrets = Api::<Secret>::namespaced(self.client.clone(), namespace);
        secrets.create(&PostParams::default(), &secret).await.map_err(failed)?;
        let go = Patch::Merge(json!({"spec": {"suspend": false}}));
        self.jobs().patch(&self.name, &PatchParams::default(), &go).await.map_err(failed)?;
        Ok(())
    }

    fn job(&self, image: &OwnImage, address: &str, user: &str) -> Value {
        let user: String =
            url::form_urlencoded::byte_serialize(user.as_bytes()).collect::<String>().replace('+', "%20");
        let workers = self.workers.to_string();
        let own = ["seed", "worker", "--workers", &workers, "--task", "/task/task", "--into"];
        let command: Vec<String> = image
            .command
            .iter()
            .cloned()
            .chain(own.map(str::to_owned))
            .chain([format!("postgres://{user}@{address}")])
            .collect();
        let container = json!({
            "name": CONTAINER,
            "image": image.reference,
            "imagePullPolicy": "Never",
            "command": command,
            "env": [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": self.name, "key": "password"}}}],
            "volumeMounts": [{"name": "task", "mountPath": "/task", "readOnly": true}],
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
            },
        });
        json!({
            "metadata": {"name": self.name},
            "spec": {
                "suspend": true,
                "completionMode": "Indexed",
                "completions": self.workers,
                "parallelism": self.workers,
                "backoffLimit": self.workers.saturating_mul(2),
                "ttlSecondsAfterFinished": KEPT,
                "template": {"spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "tolerations": [{"operator": "Exists"}],
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                    "volumes": [{"name": "task", "configMap": {"name": self.name}}],
                }},
            },
        })
    }

    /// Waits for their end and shows how far they are.
    async fn watch(&self, session: &Session, spread: &Spread) -> Result<(), OperationError> {
        let started = Instant::now();
        let total = spread.rows();
        loop {
            let done = spread.loaded().await?;
            let what = format!("rows by {}", counted(self.workers, "worker"));
            session.reporter.report(Event::Progress { step: STEP.into(), done, total, what });
            let job = self.jobs().get(&self.name).await;
            let job = job.map_err(|error| OperationError::request("look at the workers", error))?;
            let status = job.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let met = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
            if met("Complete").is_some() {
                return Ok(());
            }
            if let Some(failed) = met("Failed") {
                let why = failed.message.clone().unwrap_or_else(|| "they failed".into());
                return Err(OperationError::Workers { why, log: self.log().await });
            }
            // A worker that cannot even start fails its Job only after many minutes.
            if status.ready.unwrap_or(0) == 0
                && status.succeeded.unwrap_or(0) == 0
                && started.elapsed() > PATIENCE
            {
                let why = format!("none has started within {} s", PATIENCE.as_secs());
                return Err(OperationError::Workers { why, log: self.log().await });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The last lines of a worker that failed, or why it does not start; nothing where that cannot be read.
    async fn log(&self) -> Vec<String> {
        let api = Api::<Pod>::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let own = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", self.name));
        let pods = api.list(&own).await.map(|list| list.items).unwrap_or_default();
        let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
        let failed = pods.iter().find(|pod| phase(pod).as_deref() == Some("Failed"));
        let Some(pod) = failed.or(pods.first()) else { return Vec::new() };
        let params = LogParams {
            container: Some(CONTAINER.into()),
            tail_lines: Some(LOG_LINES),
            ..LogParams::default()
        };
        let text = api.logs(&pod.name_any(), &params).await.unwrap_or_default();
        let state = serde_json::to_value(pod).ok().and_then(|pod| crate::apply::hook::pod_state(&pod));
        text.lines().map(str::to_owned).chain(state).collect()
    }

    /// Sends them away, those of a load that was ended early too.
    async fn dismiss(&self) -> Result<(), OperationError> {
        let failed = |error| OperationError::request("delete the workers' Job", error);
        admission::close(&self.client, |job| job == self.name).await?;
        let (jobs, params) = (self.jobs(), DeleteParams::foreground());
        match jobs.delete(&self.name, &params).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(failed(error)),
        }
        while jobs.get_opt(&self.name).await.map_err(failed)?.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// How long the first worker may take to start.
const PATIENCE: Duration = Duration::from_mins(2);

fn made<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, OperationError> {
    serde_json::from_value(value)
        .map_err(|error| OperationError::Workers { why: error.to_string(), log: Vec::new() })
}
