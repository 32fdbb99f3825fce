//! How a wait speaks.

use super::judge::Missing;
use super::waiting::Retry;
use super::*;

fn id(name: &str) -> ObjectId {
    ObjectId { group: "apps".into(), kind: "Deployment".into(), namespace: "shop".into(), name: name.into() }
}

fn targets(names: &[&str]) -> Vec<Target> {
    let resource = ApiResource {
        group: "apps".into(),
        version: "v1".into(),
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        plural: "deployments".into(),
    };
    names
        .iter()
        .map(|name| Target { id: id(name), resource: resource.clone(), wanted: Wanted::Ready })
        .collect()
}

#[test]
fn progress_names_the_first_few_that_are_missing() {
    let targets = targets(&["a", "b", "c", "d", "e"]);
    let missing = |target| Missing { target, message: "0 of 1 replicas ready".into(), hopeless: false };
    let verdict = Verdict { missing: vec![missing(0), missing(2), missing(3), missing(4)], again: None };
    assert_eq!(
        summary(&targets, &verdict),
        "Deployment shop/a: 0 of 1 replicas ready; Deployment shop/c: 0 of 1 replicas ready; \
         Deployment shop/d: 0 of 1 replicas ready; and 1 more"
    );
}

#[test]
fn the_error_says_how_far_it_came_and_what_is_missing() {
    let mut error = NotReady {
        ready: 1,
        total: 2,
        timed_out: Some(Duration::from_secs(90)),
        diagnoses: vec![Diagnosis {
            id: id("web"),
            reason: "no".into(),
            events: Vec::new(),
            logs: Vec::new(),
        }],
        completed_jobs: BTreeSet::new(),
    };
    assert_eq!(error.to_string(), "1 of 2 objects ready after 90 s\n  Deployment shop/web: no");
    error.timed_out = None;
    assert_eq!(
        error.to_string(),
        "1 of 2 objects ready, and the others will not get there\n  Deployment shop/web: no"
    );
}

#[test]
fn a_failing_watch_is_tried_again_soon_and_then_every_few_seconds() {
    let pauses: Vec<u128> = Retry::default().take(7).map(|pause| pause.as_millis()).collect();
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 3200, 3200]);
}
