//! One attempt at a command that is spread over the cluster: an Indexed Job, each index with its number, all to their end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::log::{Log, Watch};
use super::out::Out;
use crate::apply::SYSTEM_NAMESPACE;
use crate::apply::hook::pod_state;
use crate::event::{Event, Reporter};
use crate::handoff::ci::{Ended, Redactor};
use crate::operation::admission;
use crate::operation::error::OperationError;
use crate::operation::logs;

/// How often is asked how far they are.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a Job stays where nobody is left to delete it, in seconds.
const KEPT: u64 = 600;
/// On the Jobs of shards.
const LABEL: &str = "devcluster.dev/shards";
/// How the Jobs' names begin.
const PREFIX: &str = "ci-";
/// The container's name.
const CONTAINER: &str = "command";
/// Why a container does not start and never will.
const HOPELESS: [&str; 5] = [
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// The shards of a command.
pub(super) struct Crew<'a> {
    /// The connection.
    pub client: Client,
    /// Where they run.
    pub namespace: &'a str,
    /// The command's name.
    pub command: &'a str,
    /// The command line.
    pub argv: &'a [String],
    /// What they run.
    pub image: &'a str,
    /// How many there are.
    pub count: u32,
    /// Their variables.
    pub env: &'a BTreeMap<String, String>,
    /// The namespaces whose Pods they are to reach.
    pub reached: &'a BTreeSet<String>,
    /// How long they may take.
    pub timeout: Duration,
    /// Ends them early.
    pub interrupted: &'a CancellationToken,
    /// Takes what happens.
    pub reporter: &'a dyn Reporter,
    /// What is to be told to nobody.
    pub redactor: &'a Redactor,
    /// Takes their lines.
    pub watch: Watch<'a>,
}

/// What came of it.
pub(super) struct Told {
    /// How it ended.
    pub ended: Ended,
    /// The files of what they wrote.
    pub logs: Vec<String>,
    /// The last lines of the first one that failed.
    pub tail: Vec<String>,
}

impl Crew<'_> {
    /// Runs them to their end, keeps what they wrote in a directory of the results, and removes the Job.
    pub(super) async fn run(&self, out: &Out, into: &str) -> Result<Told, OperationError> {
        self.dismiss().await?;
        let shown = Mutex::new(BTreeMap::new());
        let ended = async {
            self.admit().await?;
            let job: Job = made(self.job())?;
            let created = self.jobs().create(&PostParams::default(), &job).await;
            created
                .map_err(|error| OperationError::request(format!("start command {}", self.command), error))?;
            // Following may end by itself; what counts is the Job's end.
            let following = async {
                self.follow(&shown).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                ended = self.end() => ended,
                () = following => Ok(Ended::Interrupted),
            }
        }
        .await;
        let told = match ended {
            Ok(ended) => self.keep(out, into, ended, &shown).await,
            Err(error) => Err(error),
        };
        let dismissed = self.dismiss().await;
        let told = told?;
        dismissed?;
        Ok(told)
    }

    /// Lets them reach the system, beside what production's own policies admit to it.
    async fn admit(&self) -> Result<(), OperationError> {
        let mut passed = Vec::new();
        for namespace in self.reached {
            passed.extend(admission::open(&self.client, &self.name(), namespace, None).await?);
        }
        if !passed.is_empty() {
            let policies = passed.join(", ");
            self.reporter.report(Event::Note(format!(
                "{}: while its shards run, policies of ours beside production's NetworkPolicies admit them: {policies}",
                self.command
            )));
        }
        Ok(())
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// A name of at most 52 characters, for Pods of a Job append theirs.
    fn name(&self) -> String {
        let digest = blake3::hash(self.command.as_bytes()).to_hex();
        let own: String = self.command.chars().take(40).collect();
        format!("{PREFIX}{}-{}", own.trim_end_matches('-'), &digest[..6])
    }

    fn job(&self) -> Value {
        let mut env: Vec<Value> =
            self.env.iter().map(|(name, value)| json!({"name": name, "value": literal(value)})).collect();
        let index = "metadata.annotations['batch.kubernetes.io/job-completion-index']";
        env.push(json!({"name": "SHARD_INDEX", "valueFrom": {"fieldRef": {"fieldPath": index}}}));
        env.push(json!({"name": "SHARD_COUNT", "value": self.count.to_string()}));
        let argv: Vec<String> = self.argv.iter().map(|word| literal(word)).collect();
        json!({
            "metadata": {"name": self.name(), "labels": {LABEL: ""}},
            "spec": {
                "completionMode": "Indexed",
                "completions": self.count,
                "parallelism": self.count,
                // One that fails is not tried again, and the others go on: all of them are reported.
                "backoffLimitPerIndex": 0,
                "maxFailedIndexes": self.count,
                "activeDeadlineSeconds": self.timeout.as_secs().saturating_add(KEPT),
                "ttlSecondsAfterFinished": KEPT,
                "template": {"spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 5,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{
                        "name": CONTAINER,
                        "image": self.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": argv,
                        "env": env,
                        "securityContext": {"allowPrivilegeEscalation": false},
                    }],
                }},
            },
        })
    }

    /// Waits for their end.
    async fn end(&self) -> Result<Ended, OperationError> {
        let until = tokio::time::sleep(self.timeout);
        let mut until = std::pin::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return Ok(Ended::TimedOut { seconds: self.timeout.as_secs() }),
                () = self.interrupted.cancelled() => return Ok(Ended::Interrupted),
                () = tokio::time::sleep(PAUSE) => {}
            }
            let job = self.jobs().get(&self.name()).await;
            let job = job.map_err(|error| OperationError::request("look at the shards", error))?;
            if let Some(ended) = conclude(&job.status.unwrap_or_default(), self.count) {
                return Ok(ended);
            }
            if let Some(why) = self.hopeless().await? {
                return Ok(Ended::NotRun { why });
            }
        }
    }

    /// Why one of them never starts.
    async fn hopeless(&self) -> Result<Option<String>, OperationError> {
        let pods = self.own_pods().await?;
        let values = pods.iter().filter_map(|pod| serde_json::to_value(pod).ok());
        let stuck = values.filter_map(|pod| pod_state(&pod));
        Ok(stuck.into_iter().find(|state| HOPELESS.iter().any(|reason| state.contains(reason))))
    }

    async fn own_pods(&self) -> Result<Vec<Pod>, OperationError> {
        let own = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", self.name()));
        let listed = self.pods().list(&own).await;
        Ok(listed.map_err(|error| OperationError::request("list the shards' Pods", error))?.items)
    }

    /// Shows their lines as they come and counts them, by Pod.
    async fn follow(&self, shown: &Mutex<BTreeMap<String, usize>>) {
        let options = logs::Options {
            namespaces: [self.namespace.to_owned()].into(),
            pod: Some(self.name()),
            follow: true,
            tail: None,
            since_seconds: None,
            previous: false,
        };
        let (sender, mut lines) = mpsc::channel(256);
        let reading = logs::stream(self.client.clone(), options, sender);
        let showing = async {
            while let Some(line) = lines.recv().await {
                let name = self.shard_name(index_in(&line.pod, &self.name()));
                (self.watch)(&name, &self.redactor.text(&line.text));
                *shown.lock().unwrap_or_else(PoisonError::into_inner).entry(line.pod).or_default() += 1;
            }
        };
        let _ = tokio::join!(reading, showing);
    }

    fn shard_name(&self, index: Option<u32>) -> String {
        index.map_or_else(|| self.command.to_owned(), |index| format!("{}[{index}]", self.command))
    }

    /// Keeps what each of them wrote; what was not shown yet is shown.
    async fn keep(
        &self,
        out: &Out,
        into: &str,
        ended: Ended,
        shown: &Mutex<BTreeMap<String, usize>>,
    ) -> Result<Told, OperationError> {
        let mut newest: BTreeMap<u32, Pod> = BTreeMap::new();
        let mut pods = self.own_pods().await?;
        pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
        for pod in pods {
            if let Some(index) = index_in(&pod.name_any(), &self.name()) {
                newest.insert(index, pod);
            }
        }
        let mut told = Told { ended, logs: Vec::new(), tail: Vec::new() };
        for (index, pod) in newest {
            let params = LogParams { container: Some(CONTAINER.into()), ..LogParams::default() };
            let text = self.pods().logs(&pod.name_any(), &params).await.unwrap_or_default();
            let file = format!("{into}/shard-{index}.log");
            let skip = shown.lock().unwrap_or_else(PoisonError::into_inner).get(&pod.name_any()).copied();
            let left = AtomicUsize::new(skip.unwrap_or(0));
            let watch = |name: &str, line: &str| {
                if left.load(Ordering::Relaxed) == 0 {
                    (self.watch)(name, line);
                } else {
                    left.fetch_sub(1, Ordering::Relaxed);
                }
            };
            let path = out.place(&file)?;
            let failed = |source| super::error::CiError::Write { path: path.clone(), source };
            let name = self.shard_name(Some(index));
            let mut log = Log::begin(&path, &name, self.redactor, &watch).map_err(failed)?;
            for line in text.lines() {
                log.line(line.as_bytes()).map_err(failed)?;
            }
            let state = serde_json::to_value(&pod).ok().and_then(|pod| pod_state(&pod));
            let has_failed = matches!(&told.ended, Ended::Shards { failed, .. } if failed.contains(&index));
            let tail = log.end().map_err(failed)?;
            if told.tail.is_empty() && (has_failed || state.is_some()) {
                told.tail = tail.into_iter().chain(state).collect();
            }
            told.logs.push(file);
        }
        Ok(told)
    }

    /// Removes the Job and its Pods, those of a run that was ended early too.
    async fn dismiss(&self) -> Result<(), OperationError> {
        admission::close(&self.client, |job| job == self.name()).await?;
        delete(&self.jobs(), &self.name()).await
    }
}

/// Removes what a run that was killed has left in the cluster: Jobs, and the policies that admit their Pods.
pub(super) async fn remove_left(client: &Client) -> Result<(), OperationError> {
    admission::close(client, |job| job.starts_with(PREFIX)).await?;
    let jobs = Api::<Job>::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let left = jobs.list(&ListParams::default().labels(LABEL)).await;
    for job in left.map_err(|error| OperationError::request("list the shards' Jobs", error))?.items {
        delete(&jobs, &job.name_any()).await?;
    }
    Ok(())
}

async fn delete(jobs: &Api<Job>, name: &str) -> Result<(), OperationError> {
    let failed = |error| OperationError::request("delete the shards' Job", error);
    match jobs.delete(name, &DeleteParams::foreground()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    while jobs.get_opt(name).await.map_err(failed)?.is_some() {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// How the Job ended; none while it runs.
fn conclude(status: &JobStatus, count: u32) -> Option<Ended> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let met = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
    if met("Complete").is_some() {
        return Some(Ended::Passed);
    }
    let condition = met("Failed")?;
    let failed = indexes(status.failed_indexes.as_deref().unwrap_or_default());
    if failed.is_empty() {
        let why = condition.message.clone().unwrap_or_else(|| "its Job failed".into());
        return Some(Ended::NotRun { why });
    }
    Some(Ended::Shards { failed, count })
}

/// Numbers as a Job's status has them: `1,3-5`.
fn indexes(text: &str) -> Vec<u32> {
    let parts = text.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    });
    parts.flatten().collect()
}

/// The index of a Pod of the Job: `JOB-INDEX-RANDOM`.
fn index_in(pod: &str, job: &str) -> Option<u32> {
    pod.strip_prefix(job)?.strip_prefix('-')?.split('-').next()?.parse().ok()
}

/// A text that the kubelet takes as it is: `$(NAME)` would be a variable.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

fn made<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, OperationError> {
    serde_json::from_value(value)
        .map_err(|error| OperationError::Workers { why: error.to_string(), log: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_tells_which_shards_failed() {
        let status = |value: Value| serde_json::from_value::<JobStatus>(value).unwrap();
        let met = |kind: &str| json!([{"type": kind, "status": "True", "message": "too long"}]);
        assert_eq!(conclude(&status(json!({"active": 3})), 3), None);
        assert_eq!(conclude(&status(json!({"conditions": met("Complete")})), 3), Some(Ended::Passed));
        let failed = status(json!({"conditions": met("Failed"), "failedIndexes": "0,2-3"}));
        assert_eq!(conclude(&failed, 5), Some(Ended::Shards { failed: vec![0, 2, 3], count: 5 }));
        let other = status(json!({"conditions": met("Failed")}));
        assert_eq!(conclude(&other, 5), Some(Ended::NotRun { why: "too long".into() }));
    }

    #[test]
    fn pods_tell_their_index_and_words_stay_as_they_are() {
        assert_eq!(index_in("ci-load-ab12cd-11-x2x2x", "ci-load-ab12cd"), Some(11));
        assert_eq!(index_in("other-1-x", "ci-load-ab12cd"), None);
        assert_eq!(literal("echo $(date) $HOME"), "echo $$(date) $HOME");
    }
}
