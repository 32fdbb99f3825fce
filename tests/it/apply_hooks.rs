//! A chart's hooks: once at install, again when the chart changes, on request; failures with their log.

use std::sync::Mutex;
use std::time::Duration;

use devcluster::apply::{
    ApplyError, ApplyOptions, Course, DeletePolicy, Hook, HookEvent, Inventory, ReleaseHooks,
    apply_with_hooks, hooks_after, run_hooks,
};
use devcluster::event::{Event, Reporter, Silent};
use devcluster::manifest::Object;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::apiserver::{Place, place};

/// Notes what ran, in order.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Reporter for Log {
    fn report(&self, event: Event) {
        if let Event::Started { step, .. } = event {
            self.0.lock().unwrap().push(step);
        }
    }
}

impl Log {
    fn hooks(&self) -> Vec<String> {
        let mut all = self.0.lock().unwrap();
        let hooks = all.iter().filter(|step| step.contains("hook")).cloned().collect();
        all.clear();
        hooks
    }
}

fn hook(place: &Place, name: &str, weight: i32, events: &[HookEvent], policies: &[DeletePolicy]) -> Hook {
    let yaml = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: NS}}\nspec: {{template: {{spec: {{restartPolicy: \
         Never, containers: [{{name: a, image: example.com/a}}]}}}}}}\n"
    );
    let object = place.objects(&yaml).remove(0);
    Hook {
        release: "demo".into(),
        namespace: place.namespace.clone(),
        object,
        events: events.to_vec(),
        weight,
        delete_policies: policies.to_vec(),
    }
}

/// Does the job controller's work: every Job of the namespace comes to its end at once.
async fn finish_jobs(place: &Place, kind: &str) -> ! {
    let resource = place.resource("batch/v1", "Job");
    let api = place.cluster.api(&resource, &place.namespace);
    let time = "2026-01-01T00:00:00Z";
    let before = if kind == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified \
               backoff limit", "lastProbeTime": time, "lastTransitionTime": time})
    };
    let mut status =
        json!({"status": {"startTime": time, "conditions": [condition(before), condition(kind)]}});
    if kind == "Complete" {
        status["status"]["completionTime"] = json!(time);
    }
    loop {
        for job in place.cluster.list(&resource, &place.namespace, None).await.unwrap() {
            if job.pointer("/status/conditions").is_none() {
                let name = job["metadata"]["name"].as_str().unwrap();
                // It may be deleted in between.
                let _ = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn up(place: &Place, objects: &[Object], release: &ReleaseHooks, log: &Log) -> Result<(), ApplyError> {
    let mut inventory: Inventory = place.inventory().await;
    let options = ApplyOptions::default();
    let releases = std::slice::from_ref(release);
    tokio::select! {
        done = apply_with_hooks(&place.cluster, objects, releases, &options, &mut inventory, log) => done.map(drop),
        never = finish_jobs(place, "Complete") => never,
    }
}

#[tokio::test]
async fn install_hooks_run_once_and_upgrade_hooks_when_the_chart_changes() {
    let place = place("hooks").await;
    let objects =
        place.objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: NS}\n");
    let events = [HookEvent::PreInstall, HookEvent::PreUpgrade];
    let mut release = ReleaseHooks {
        release: format!("{}/api", place.namespace),
        source: "test".into(),
        hash: "1".into(),
        hooks: vec![
            hook(&place, "late", 5, &events, &[]),
            hook(&place, "early", -5, &[HookEvent::PreInstall], &[]),
            hook(&place, "seed", 0, &[HookEvent::PostInstall], &[DeletePolicy::HookSucceeded]),
            hook(&place, "check", 0, &[HookEvent::Test], &[]),
        ],
    };
    let log = Log::default();
    up(&place, &objects, &release, &log).await.unwrap();
    assert_eq!(log.hooks(), ["pre-install hook early", "pre-install hook late", "post-install hook seed"]);
    let exists = async |name: &str| place.live("batch/v1", "Job", name).await.is_some();
    assert!(exists("early").await && exists("late").await, "Helm leaves them until they run again");
    assert!(!exists("seed").await, "deleted when it had succeeded");

    up(&place, &objects, &release, &log).await.unwrap();
    assert_eq!(log.hooks(), [] as [&str; 0]);

    let uid = place.live("batch/v1", "Job", "late").await.unwrap()["metadata"]["uid"].clone();
    release.hash = "2".into();
    up(&place, &objects, &release, &log).await.unwrap();
    assert_eq!(log.hooks(), ["pre-upgrade hook late"]);
    assert_ne!(place.live("batch/v1", "Job", "late").await.unwrap()["metadata"]["uid"], uid);

    // Hooks are nobody's objects: pruning leaves them alone.
    let options = ApplyOptions { prune: true, ..ApplyOptions::default() };
    place.apply(&objects, &options).await.unwrap();
    assert!(exists("late").await);

    let run = run_hooks(&place.cluster, &release, HookEvent::Test, &options, &log);
    let count =
        tokio::select! { done = run => done.unwrap(), never = finish_jobs(&place, "Complete") => never };
    assert_eq!((count, log.hooks()), (1, vec!["test hook check".to_owned()]));
}

/// Goes back to a release, its Jobs ending as `ended` says, with the inventory as it is stored.
async fn back(
    place: &Place,
    objects: &[Object],
    releases: &[ReleaseHooks],
    log: &Log,
    ended: &str,
) -> Result<(), ApplyError> {
    let mut inventory: Inventory = place.inventory().await;
    let options = ApplyOptions { course: Course::Back, ..ApplyOptions::default() };
    let going = async {
        apply_with_hooks(&place.cluster, objects, releases, &options, &mut inventory, log).await?;
        assert!(place.live("v1", "ConfigMap", "settings").await.is_some());
        hooks_after(&place.cluster, releases, &options, &mut inventory, log).await
    };
    tokio::select! { done = going => done, never = finish_jobs(place, ended) => never }
}

#[tokio::test]
async fn going_back_runs_the_rollback_hooks_of_what_is_gone_back_to_and_no_others() {
    let place = place("hookback").await;
    let settings = |colour: &str| {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: NS}}\ndata: {{colour: {colour}}}\n"
        );
        place.objects(&text)
    };
    let release = |name: &str, hash: &str, hooks: Vec<Hook>| ReleaseHooks {
        release: format!("{}/{name}", place.namespace),
        source: "test".into(),
        hash: hash.into(),
        hooks,
    };
    let all = [HookEvent::PreInstall, HookEvent::PreUpgrade, HookEvent::PreDelete, HookEvent::Test];
    let hooks = |version: &str| {
        vec![
            hook(&place, &format!("late-{version}"), 5, &[HookEvent::PreRollback], &[]),
            hook(&place, &format!("early-{version}"), -5, &[HookEvent::PreRollback], &[]),
            hook(&place, &format!("after-{version}"), 0, &[HookEvent::PostRollback], &[]),
            hook(&place, &format!("other-{version}"), 0, &all, &[]),
        ]
    };
    let [one, two] = ["1", "2"].map(|version| release("api", version, hooks(version)));
    let still = release("still", "1", vec![hook(&place, "still", 0, &[HookEvent::PreRollback], &[])]);
    let log = Log::default();
    up(&place, &settings("blue"), &one, &log).await.unwrap();
    up(&place, &[], &still, &log).await.unwrap();
    up(&place, &settings("red"), &two, &log).await.unwrap();
    log.hooks();

    let releases = [one.clone(), still];
    let error = back(&place, &settings("blue"), &releases, &log, "Failed").await.unwrap_err().to_string();
    assert!(error.contains("pre-rollback hook Job") && error.contains("early-1"), "{error}");
    assert_eq!(log.hooks(), ["pre-rollback hook early-1"]);
    let colour = async || place.live("v1", "ConfigMap", "settings").await.unwrap()["data"]["colour"].clone();
    assert_eq!(colour().await, "red", "objects wait for what runs before");

    back(&place, &settings("blue"), &releases, &log, "Complete").await.unwrap();
    let ran = ["pre-rollback hook early-1", "pre-rollback hook late-1", "post-rollback hook after-1"];
    assert_eq!(log.hooks(), ran, "by weight; none of a chart that stands as it was");
    assert_eq!(colour().await, "blue");
    back(&place, &settings("blue"), &releases, &log, "Complete").await.unwrap();
    assert_eq!(log.hooks(), [] as [&str; 0], "it stands");

    // The chart's next version is an upgrade from there, and the next way back is one of its own.
    up(&place, &settings("red"), &two, &log).await.unwrap();
    assert_eq!(log.hooks(), ["pre-upgrade hook other-2"]);
    back(&place, &settings("blue"), &releases, &log, "Complete").await.unwrap();
    assert_eq!(log.hooks(), ran);
}

#[tokio::test]
async fn a_failed_hook_stops_the_release_and_runs_again() {
    let place = place("hookfail").await;
    let objects =
        place.objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: NS}\n");
    let release = ReleaseHooks {
        release: format!("{}/api", place.namespace),
        source: "test".into(),
        hash: "1".into(),
        hooks: vec![hook(&place, "migrate", 0, &[HookEvent::PreInstall], &[DeletePolicy::HookFailed])],
    };
    let mut inventory = place.inventory().await;
    let options = ApplyOptions::default();
    let releases = std::slice::from_ref(&release);
    let run = apply_with_hooks(&place.cluster, &objects, releases, &options, &mut inventory, &Silent);
    let error =
        tokio::select! { done = run => done.unwrap_err(), never = finish_jobs(&place, "Failed") => never };
    assert_eq!(
        error.to_string(),
        format!(
            "pre-install hook Job {0}/migrate of release {0}/api failed: BackoffLimitExceeded: Job has reached the \
             specified backoff limit",
            place.namespace
        )
    );
    assert!(place.live("v1", "ConfigMap", "settings").await.is_none(), "its release waits for it");
    assert!(place.live("batch/v1", "Job", "migrate").await.is_none(), "deleted when it had failed");

    let log = Log::default();
    up(&place, &objects, &release, &log).await.unwrap();
    assert_eq!(log.hooks(), ["pre-install hook migrate"]);
    assert!(place.live("v1", "ConfigMap", "settings").await.is_some());
}

#[tokio::test]
async fn a_hook_that_never_ends_is_given_up() {
    let place = place("hooklong").await;
    let release = ReleaseHooks {
        release: format!("{}/api", place.namespace),
        source: "test".into(),
        hash: "1".into(),
        hooks: vec![hook(&place, "migrate", 0, &[HookEvent::PreInstall], &[])],
    };
    let options = ApplyOptions { hook_patience: Duration::from_millis(200), ..ApplyOptions::default() };
    place.cluster.discover().await.unwrap();
    let error =
        run_hooks(&place.cluster, &release, HookEvent::PreInstall, &options, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("failed: it has not finished within 0 s"), "{error}");
}
