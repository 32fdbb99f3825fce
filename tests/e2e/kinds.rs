//! `devcluster dev` on each kind of workload and container, and Ctrl-C amid a swap.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::developing::{Dev, eventually, tree};
use crate::harness::Project;

/// The Pods of an app that stay, by name.
fn pods(project: &Project, app: &str) -> BTreeMap<String, Value> {
    let selector = format!("app={app}");
    let text = project.kubectl(&["get", "pods", "-n", "kinds", "-l", &selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let pods = list["items"].as_array().expect("a list").iter();
    pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| (pod["metadata"]["name"].as_str().expect("a name").to_owned(), pod.clone()))
        .collect()
}

fn uids(project: &Project, app: &str) -> BTreeMap<String, String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().expect("a uid").to_owned();
    pods(project, app).iter().map(|(name, pod)| (name.clone(), uid(pod))).collect()
}

/// Waits until every Pod of an app answers so.
fn answer(project: &Project, app: &str, port: u16, path: &str, wanted: &str) {
    eventually(&format!("{app} answers {wanted:?} to {path}"), || {
        let pods = pods(project, app);
        let get = |pod: &String| {
            let url = format!("/api/v1/namespaces/kinds/pods/{pod}:{port}/proxy{path}");
            let output = project.try_kubectl(&["get", "--raw", &url]);
            output.status.success() && output.stdout == wanted.as_bytes()
        };
        !pods.is_empty() && pods.keys().all(get)
    });
}

/// The status of a Pod's container, an init container's too.
fn status<'p>(pod: &'p Value, container: &str) -> &'p Value {
    let lists = ["initContainerStatuses", "containerStatuses"];
    let mut all = lists.iter().filter_map(|list| pod["status"][list].as_array()).flatten();
    all.find(|status| status["name"] == container).expect("a status")
}

fn set_version(project: &Project, image: &str, from: &str, to: &str) {
    project.edit(
        &format!("{image}/main.go"),
        &format!("version = \"{from}\""),
        &format!("version = \"{to}\""),
    );
}

#[test]
fn every_kind_gets_its_new_image_as_it_can() {
    let project = Project::kinds();
    let mut dev = Dev::start(&project, &["--one-at-a-time"], None);
    answer(&project, "web", 8081, "/version", "one");
    sidecar_in_place_one_after_the_other(&project);
    init_container_by_a_new_pod(&project, &mut dev);
    workloads_in_place(&project, &mut dev);
    links_and_read_only_roots(&project, &mut dev);
    dev.quit();
    jobs_when_asked(&project);
    interrupted_amid_a_swap(&project);
}

fn sidecar_in_place_one_after_the_other(project: &Project) {
    let before = uids(project, "web");
    set_version(project, "side", "one", "two");
    answer(project, "web", 8081, "/version", "two");
    assert_eq!(uids(project, "web"), before);
    let mut started = Vec::new();
    for pod in pods(project, "web").values() {
        assert_eq!(status(pod, "app")["restartCount"], 0, "the sidecar alone starts anew");
        let at = status(pod, "side")["state"]["running"]["startedAt"].as_str().expect("it runs").to_owned();
        started.push(at.parse::<k8s_openapi::jiff::Timestamp>().expect("a time").as_second());
    }
    started.sort_unstable();
    // Ready for minReadySeconds, then the next; the times have no fractions.
    assert!(started[1] - started[0] >= 3, "{started:?}");
}

fn init_container_by_a_new_pod(project: &Project, dev: &mut Dev) {
    project.kubectl(&["create", "job", "-n", "kinds", "long", "--from", "cronjob/long"]);
    project.kubectl(&[
        "wait",
        "-n",
        "kinds",
        "pod",
        "-l",
        "job-name=long",
        "--for=condition=Ready",
        "--timeout=60s",
    ]);
    answer(project, "store", 8080, "/read/data/prepared", "one");
    let before = uids(project, "store");
    set_version(project, "init", "one", "two");
    answer(project, "store", 8080, "/read/data/prepared", "two");
    assert_ne!(uids(project, "store"), before);
    dev.says("still runs the image as it was: it belongs to a Job", 1);
    let told = project.kubectl(&["logs", "-n", "kinds", "job/once"]);
    assert_eq!(told.trim(), "one", "what a Job did is not done again unasked");
}

fn workloads_in_place(project: &Project, dev: &mut Dev) {
    let node = &project.nodes()[0];
    let copied = Command::new("docker")
        .args(["cp", "-q"])
        .arg(project.directory().join("static-pod.yaml"))
        .arg(format!("{node}:/etc/kubernetes/manifests/kinds-static.yaml"))
        .status();
    assert!(copied.expect("docker runs").success());
    let mirror = format!("pod/static-{node}");
    eventually("the static Pod is there", || {
        project.try_kubectl(&["get", "-n", "kinds", &mirror]).status.success()
    });
    project.kubectl(&["wait", "-n", "kinds", &mirror, "--for=condition=Ready", "--timeout=60s"]);
    let agent = uids(project, "agent").into_keys().next().expect("an agent");
    let image = "--image=registry.example.com/kinds/app:1";
    project.kubectl(&[
        "debug",
        "-n",
        "kinds",
        &format!("pod/{agent}"),
        image,
        "-c",
        "look",
        "--attach=false",
        "--",
        "/app",
    ]);
    eventually("the ephemeral container runs", || {
        let pods = pods(project, "agent");
        let state =
            |pod: &Value| pod["status"]["ephemeralContainerStatuses"][0]["state"]["running"].is_object();
        pods.values().all(state)
    });
    let apps = ["web", "store", "agent", "sealed"];
    let before = apps.map(|app| uids(project, app));
    set_version(project, "app", "one", "two");
    for app in apps {
        answer(project, app, 8080, "/version", "two");
    }
    assert_eq!(apps.map(|app| uids(project, app)), before);
    dev.says("its kubelet has it from a file on the node", 1);
    dev.says("it was added for debugging and cannot change", 1);
    answer(project, "store", 8080, "/read/data/prepared", "two");
    // A file saved before a swap's end would be in the image that the swap then goes on with.
    dev.says("swap: registry.example.com/kinds/app in", 1);
}

/// What is copied is in the directory that a link of the context leads to. Where a root is read-only, that is said, and what
/// starts anew has it.
fn links_and_read_only_roots(project: &Project, dev: &mut Dev) {
    fs::write(project.directory().join("app/shared/assets/page.html"), "page-two").expect("written");
    for app in ["web", "store", "agent"] {
        answer(project, app, 8080, "/read/srv/page.html", "page-two");
    }
    dev.says("its root is read-only: a container that starts anew has it", 1);
    answer(project, "sealed", 8080, "/read/srv/page.html", "page-one");
    dev.delivered();
    project.kubectl(&["delete", "pod", "-n", "kinds", "-l", "app=sealed"]);
    answer(project, "sealed", 8080, "/read/srv/page.html", "page-two");
}

fn jobs_when_asked(project: &Project) {
    let dev = Dev::start(project, &["--recreate-jobs"], None);
    set_version(project, "init", "two", "three");
    eventually("the Job was run anew", || {
        let told = project.try_kubectl(&["logs", "-n", "kinds", "job/once"]);
        told.stdout == b"three\n"
    });
    dev.quit();
}

fn interrupted_amid_a_swap(project: &Project) {
    let dev = Dev::start(project, &["--grace"], None);
    set_version(project, "app", "two", "three");
    let sources = tree(&project.directory());
    eventually("a Pod is patched and waits for its program to end", || {
        pods(project, "web").values().any(|pod| {
            let containers = pod["spec"]["containers"].as_array().expect("containers").iter();
            let patched = containers
                .filter_map(|one| one["image"].as_str())
                .any(|image| image.contains(":devcluster-"));
            patched && status(pod, "app")["state"]["running"].is_object()
        })
    });
    dev.quit();
    project.succeed(&["up"]);
    for app in ["web", "store", "agent", "sealed"] {
        answer(project, app, 8080, "/version", "three");
        for pod in pods(project, app).values() {
            assert_eq!(pod["spec"]["containers"][0]["image"], "registry.example.com/kinds/app:1", "{app}");
        }
    }
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    assert_eq!(tree(&project.directory()), sources);
}
