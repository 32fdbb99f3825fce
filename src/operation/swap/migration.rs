//! What a swap does where it runs a migration: a Pod that is replaced runs its init containers anew, and one of them may migrate.

use std::time::Duration;

use serde_json::Value;

use super::pod;
use crate::apply::pods::RunningContainer;
use crate::operation::error::OperationError;
use crate::operation::migrations::before::{self, Changes, Coming};
use crate::operation::swap::Stage;

/// How long a Pod's init containers may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Migrations that the Pods of a swap run anew.
pub(in crate::operation) struct Migrating(Vec<Coming>);

/// Tells of the migrations that the replaced Pods will run, and takes the snapshots that going back would need, as `up` does.
pub(in crate::operation) async fn secure(
    stage: Stage<'_>,
    replaced: Vec<&RunningContainer>,
) -> Result<Migrating, OperationError> {
    if replaced.is_empty() {
        return Ok(Migrating(Vec::new()));
    }
    let pods = replaced.iter().map(|one| (one.namespace.as_str(), one.pod.as_str())).collect();
    let changes = Changes { objects: &[], releases: &[], pods, bringing: false };
    let coming = before::coming(stage.session, stage.desired, |migration| changes.run(migration))?;
    before::tell(stage.session, &coming);
    if stage.style.snapshot {
        before::secure(stage.session, stage.existing, stage.desired, &coming, &[]).await?;
    }
    Ok(Migrating(coming))
}

impl Migrating {
    /// Waits until the new Pods have run them, so that they are known to have run; one that fails is an error.
    pub async fn finish(self, stage: Stage<'_>, is_new: impl Fn(&str) -> bool) -> Result<(), OperationError> {
        let mut changes = stage.live.changes();
        for one in &self.0 {
            let name = &one.named.name;
            let failed =
                |reason: String| OperationError::Swap { what: format!("run migration {name}"), reason };
            let done = async {
                loop {
                    match outcome(&stage.live.pods(), name, &is_new) {
                        None => {}
                        Some(done) => return done.map_err(failed),
                    }
                    if changes.changed().await.is_err() {
                        return Ok(());
                    }
                }
            };
            match tokio::time::timeout(PATIENCE, done).await {
                Ok(done) => done?,
                Err(_) => return Err(failed(format!("it had not run within {} s", PATIENCE.as_secs()))),
            }
        }
        before::done(stage.session, &self.0)
    }
}

/// What came of an init container called `NAMESPACE/WORKLOAD/CONTAINER` in all Pods of its workload; none while one has yet to run it.
fn outcome(pods: &[Value], name: &str, is_new: impl Fn(&str) -> bool) -> Option<Result<(), String>> {
    let [namespace, workload, container] = name.split('/').collect::<Vec<_>>()[..] else {
        return Some(Ok(()));
    };
    let own = pods.iter().filter(|pod| {
        pod["metadata"]["namespace"] == namespace
            && pod["metadata"]["name"].as_str().is_some_and(|pod| pod.starts_with(workload))
            && pod.pointer("/metadata/deletionTimestamp").is_none()
            && pod::containers(pod).iter().any(|(own, ..)| *own == container)
    });
    let mut any = false;
    for pod in own {
        let status = pod::status(pod, container)?;
        if !is_new(status["imageID"].as_str().unwrap_or_default()) {
            return None;
        }
        for state in [&status["state"], &status["lastState"]] {
            match state["terminated"]["exitCode"].as_i64() {
                Some(0) | None => {}
                Some(code) => return Some(Err(format!("it ended with {code}"))),
            }
        }
        if status["state"]["terminated"].is_null() {
            return None;
        }
        any = true;
    }
    any.then_some(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_migration_has_run_once_every_pod_has_run_its_new_bytes() {
        let pod = |id: &str, state: Value| {
            json!({"metadata": {"namespace": "m", "name": "web-1"},
                "spec": {"initContainers": [{"name": "prepare", "image": "a"}]},
                "status": {"initContainerStatuses": [{"name": "prepare", "imageID": id, "state": state}]}})
        };
        let ended = |code: i32| json!({"terminated": {"exitCode": code}});
        let of = |pods: &[Value]| outcome(pods, "m/web/prepare", |id| id == "new");
        assert_eq!(of(&[]), None, "its owner has yet to make a Pod");
        assert_eq!(of(&[pod("old", ended(0))]), None);
        assert_eq!(of(&[pod("new", json!({"running": {}}))]), None);
        assert_eq!(of(&[pod("new", ended(0)), pod("old", ended(0))]), None);
        assert_eq!(of(&[pod("new", ended(0))]), Some(Ok(())));
        assert_eq!(of(&[pod("new", ended(1))]), Some(Err("it ended with 1".into())));
    }
}
