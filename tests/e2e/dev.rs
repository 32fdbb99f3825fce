//! `devcluster dev` on a system of two nodes whose image has neither shell nor tar.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::developing::{Dev, eventually, tree};
use crate::engine::{self, Detour};
use crate::harness::Project;

/// The system as it runs.
struct Running<'a>(&'a Project);

impl Running<'_> {
    /// The Pods that stay, by name.
    fn pods(&self) -> BTreeMap<String, Value> {
        let text = self.0.kubectl(&["get", "pods", "-n", "developed", "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        let pods = list["items"].as_array().expect("a list").iter();
        pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| (pod["metadata"]["name"].as_str().expect("a name").to_owned(), pod.clone()))
            .collect()
    }

    /// What a Pod answers; none where it does not, or not well.
    fn get(&self, pod: &str, path: &str) -> Option<String> {
        let url = format!("/api/v1/namespaces/developed/pods/{pod}:8080/proxy{path}");
        let output = self.0.try_kubectl(&["get", "--raw", &url]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until both Pods answer so.
    fn answer(&self, path: &str, wanted: Option<&str>) {
        eventually(&format!("{path} is {wanted:?}"), || {
            let pods = self.pods();
            pods.len() == 2 && pods.keys().all(|pod| self.get(pod, path).as_deref() == wanted)
        });
    }

    fn ready(&self) {
        eventually("both Pods are ready", || {
            let pods = self.pods();
            pods.len() == 2 && pods.values().all(|pod| pod["status"]["containerStatuses"][0]["ready"] == true)
        });
    }

    /// Runs a shell line on a Pod's node.
    fn on_node(pod: &Value, script: &str) -> String {
        let node = pod["spec"]["nodeName"].as_str().expect("a node");
        let output = Command::new("docker").args(["exec", node, "sh", "-c", script]).output();
        String::from_utf8_lossy(&output.expect("docker runs").stdout).into_owned()
    }
}

#[test]
fn what_is_saved_runs_and_the_way_back_is_told() {
    let project = Project::developed();
    let mut dev = Dev::start(&project, &[], None);
    let running = Running(&project);
    running.answer("/version", Some("one"));
    let before = running.pods();
    for pod in before.keys() {
        running.get(pod, "/mark").expect("marked");
    }
    copies(&project, &running);
    outlives_what_restarts(&project, &dev, &running);
    tells(&project, &mut dev, &running);
    let sources = swaps(&project, &mut dev, &running);
    let (status, _) = project.succeed(&["status"]);
    assert!(status.contains("its image was swapped in place"), "{status}");
    let (parity, _) = project.succeed(&["parity"]);
    assert!(parity.contains("Changed while developing"), "{parity}");
    assert_eq!(tree(&project.directory()), sources, "dev changes nothing of the project");
    dev.quit();
    project.succeed(&["up"]);
    let (status, _) = project.succeed(&["status"]);
    assert!(!status.contains("changed while developing"), "{status}");
    running.ready();
    running.answer("/version", Some("five"));
    running.answer("/read/srv/page.html", Some("page-three"));
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    assert_eq!(tree(&project.directory()), sources);
}

fn copies(project: &Project, running: &Running<'_>) {
    let at = |path: &str| project.directory().join("app").join(path);
    fs::write(at("static/page.html"), "page-two").expect("written");
    running.answer("/read/srv/page.html", Some("page-two"));
    fs::create_dir_all(at("static/new/deep")).expect("made");
    fs::write(at("static/new/deep/file"), "deep").expect("written");
    running.answer("/read/srv/new/deep/file", Some("deep"));
    fs::write(at("static/with space\nand line"), "odd").expect("written");
    running.answer("/read/srv/with%20space%0Aand%20line", Some("odd"));
    let bytes = at("static").join(OsStr::from_bytes(b"\xff\xfe"));
    fs::write(&bytes, "bytes").expect("written");
    running.answer("/read/srv/%FF%FE", Some("bytes"));
    // A build cannot take it.
    fs::remove_file(bytes).expect("removed");
    running.answer("/read/srv/%FF%FE", None);
    symlink("page.html", at("static/link")).expect("made");
    running.answer("/read/srv/link", Some("page-two"));
    // Nobody but its owner may read it, and it is the owner's whom the image gave the others.
    fs::set_permissions(at("static/page.html"), fs::Permissions::from_mode(0o600)).expect("set");
    fs::write(at("static/page.html"), "page-three").expect("written");
    running.answer("/read/srv/page.html", Some("page-three"));
    fs::rename(at("static/new"), at("static/moved")).expect("moved");
    running.answer("/read/srv/moved/deep/file", Some("deep"));
    running.answer("/read/srv/new/deep/file", None);
    fs::remove_dir_all(at("static/moved")).expect("removed");
    running.answer("/read/srv/moved/deep/file", None);
    // A link of the image is followed inside the container.
    fs::write(at("through/inside"), "inside").expect("written");
    running.answer("/read/data/inside", Some("inside"));
    for pod in running.pods().values() {
        assert_eq!(Running::on_node(pod, "ls /data 2>/dev/null"), "", "nothing of it is on the node");
    }
    // One that never stops changing holds nothing up.
    let log = at("static/log");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = {
        let (log, stop) = (log.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut text = String::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                text.push_str("a line\n");
                fs::write(&log, &text).expect("written");
                std::thread::sleep(Duration::from_millis(2));
            }
            text
        })
    };
    fs::write(at("static/calm"), "calm").expect("written");
    running.answer("/read/srv/calm", Some("calm"));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let text = writing.join().expect("it ends");
    running.answer("/read/srv/log", Some(&text));
    fs::remove_file(log).expect("removed");
    // A checkout of many.
    fs::create_dir(at("static/many")).expect("made");
    for number in 0..5000 {
        fs::write(at(&format!("static/many/{number}")), number.to_string()).expect("written");
    }
    running.answer("/read/srv/many/4999", Some("4999"));
    for number in [0, 4913] {
        running.answer(&format!("/read/srv/many/{number}"), Some(&number.to_string()));
    }
    fs::remove_dir_all(at("static/many")).expect("removed");
    running.answer("/read/srv/many/4999", None);
    // A big one.
    let big = fs::File::create(at("static/big")).expect("made");
    big.set_len(1 << 30).expect("grown");
    drop(big);
    let big_is_there = || {
        running.pods().values().all(|pod| {
            let find = "stat -c %s /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/rootfs/srv/big 2>/dev/null";
            Running::on_node(pod, find).trim() == (1_u64 << 30).to_string()
        })
    };
    // It holds no other up, and what was saved of it last is what stays.
    std::thread::sleep(Duration::from_millis(500));
    fs::write(at("static/small"), "small").expect("written");
    running.answer("/read/srv/small", Some("small"));
    assert!(!big_is_there(), "the big one was there first");
    eventually("1 GiB is there", big_is_there);
    fs::remove_file(at("static/big")).expect("removed");
    running.answer("/read/srv/big", None);
}

/// What is read first thing after a start is what was saved last.
fn outlives_what_restarts(project: &Project, dev: &Dev, running: &Running<'_>) {
    fs::write(project.directory().join("app/static/first.txt"), "first-two").expect("written");
    running.answer("/read/srv/first.txt", Some("first-two"));
    running.answer("/first", Some("first-one"));
    dev.delivered();
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    for (name, pod) in running.pods() {
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().expect("an id");
        let id = id.trim_start_matches("containerd://");
        let path = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/init.pid");
        let before = restarts(&pod);
        Running::on_node(&pod, &format!("kill -9 $(cat {path})"));
        eventually("the container starts again", || {
            running.pods().get(&name).is_some_and(|pod| restarts(pod) > before)
        });
    }
    running.ready();
    running.answer("/first", Some("first-two"));
    // A Pod that is replaced, and one whose node is drained.
    fs::write(project.directory().join("app/static/first.txt"), "first-three").expect("written");
    running.answer("/read/srv/first.txt", Some("first-three"));
    dev.delivered();
    let pods = running.pods();
    let mut pods = pods.iter();
    let (name, _) = pods.next().expect("a Pod");
    project.kubectl(&["delete", "pod", "-n", "developed", name]);
    running.ready();
    let (_, pod) = pods.next().expect("another");
    let node = pod["spec"]["nodeName"].as_str().expect("a node");
    project.kubectl(&["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"]);
    project.kubectl(&["uncordon", node]);
    running.ready();
    running.answer("/first", Some("first-three"));
    for pod in running.pods().keys() {
        running.get(pod, "/mark").expect("marked");
    }
}

/// What a rule does once its files are there.
fn tells(project: &Project, dev: &mut Dev, running: &Running<'_>) {
    let write = |path: &str, text: &str| {
        fs::write(project.directory().join("app").join(path), text).expect("written");
    };
    write("conf/text", "conf-two");
    running.answer("/read/data/conf", Some("conf-two"));
    write("noted/text", "noted-two");
    running.answer("/read/data/noted", Some("noted-two"));
    let before: Vec<String> = running.pods().into_keys().collect();
    running.answer("/boot", Some("boot-one"));
    write("boot/text", "boot-two");
    running.answer("/boot", Some("boot-two"));
    running.ready();
    assert_eq!(running.pods().into_keys().collect::<Vec<_>>(), before, "restarted in place");
    // What cannot start is said once, and the next save mends it.
    write("boot/text", "fails");
    dev.says("cannot swap the image", 1);
    write("boot/text", "boot-three");
    running.answer("/boot", Some("boot-three"));
    assert_eq!(dev.times("cannot swap the image"), 1);
    assert_eq!(dev.times("no running container had to change"), 0, "nothing is tried without a save");
}

/// What is said at the end of a swap.
const SWAPPED: &str = "swap: registry.example.com/developed/app in";

/// Gives the project's files as they are at the end.
fn swaps(project: &Project, dev: &mut Dev, running: &Running<'_>) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let place = |pod: &Value| {
        (pod["metadata"]["uid"].clone(), pod["status"]["podIP"].clone(), pod["spec"]["nodeName"].clone())
    };
    let before: BTreeMap<String, _> =
        running.pods().into_iter().map(|(name, pod)| (name, place(&pod))).collect();
    let swapped = dev.times(SWAPPED);
    project.edit("app/main.go", "\"one\"", "\"two\"");
    running.answer("/version", Some("two"));
    dev.says(SWAPPED, swapped + 1);
    project.edit("app/main.go", "\"two\"", "two\"");
    dev.says("syntax error", 1);
    running.answer("/version", Some("two"));
    // Manifests are applied, and what was swapped stays, also where the kubelet has yet to tell of the new containers.
    let images = || {
        running.pods().values().map(|pod| pod["spec"]["containers"][0]["image"].clone()).collect::<Vec<_>>()
    };
    let named = images();
    project.edit("app/main.go", "two\"", "\"three\"");
    eventually("the Pods are patched", || images().iter().zip(&named).all(|(now, before)| now != before));
    project.edit("deploy/system.yaml", "colour: green", "colour: blue");
    eventually("the manifest is applied", || {
        let text = project.kubectl(&["get", "configmap", "settings", "-n", "developed", "-o", "yaml"]);
        text.contains("blue")
    });
    dev.says("data.colour", 1);
    dev.says("the system is as the manifests are", 1);
    running.answer("/version", Some("three"));
    // One that a manifest interrupts before the Pods are patched leaves them as they are, and is made up for after it.
    let named = images();
    project.edit("app/main.go", "\"three\"", "\"four\"");
    project.edit("deploy/system.yaml", "colour: blue", "colour: red");
    dev.says("the system is as the manifests are", 2);
    running.answer("/version", Some("four"));
    assert!(images().iter().zip(&named).all(|(now, before)| now != before), "they are swapped");
    // So it is with what the configuration interrupts once its image is on the nodes.
    let swapped = dev.times(SWAPPED);
    project.edit("app/main.go", "\"four\"", "\"five\"");
    let built = dev.times("images: ");
    dev.says("images: ", built + 1);
    project.edit("devcluster.yaml", "name: developed\n", "name: developed # as ever\n");
    dev.says("watching the manifests", 2);
    dev.says(SWAPPED, swapped + 1);
    running.answer("/version", Some("five"));
    running.ready();
    let after: BTreeMap<String, _> =
        running.pods().into_iter().map(|(name, pod)| (name, place(&pod))).collect();
    assert_eq!(before, after, "the same Pods on the same nodes under the same addresses");
    running.answer("/read/data/mark", Some("kept"));
    running.answer("/first", Some("first-three"));
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    // The configuration is read again.
    project.edit("devcluster.yaml", "# as ever\n", "# still\n");
    dev.says("watching the manifests", 3);
    tree(&project.directory())
}

#[test]
fn what_is_saved_while_engine_or_api_server_are_away_is_done_after() {
    let project = Project::developed();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let detour = Detour::start(elsewhere.path());
    let mut dev = Dev::start(&project, &["--grace", "--one-at-a-time"], Some(&detour.host()));
    let running = Running(&project);
    running.answer("/version", Some("one"));
    detour.cut();
    fs::write(project.directory().join("app/static/page.html"), "page-two").expect("written");
    project.edit("app/main.go", "\"one\"", "\"two\"");
    dev.says("what changed is kept", 1);
    running.answer("/version", Some("one"));
    detour.mend();
    running.answer("/version", Some("two"));
    running.answer("/read/srv/page.html", Some("page-two"));
    for node in project.nodes().iter().filter(|node| node.ends_with("control-plane")) {
        let killed = Command::new("docker").args(["exec", node, "pkill", "-9", "kube-apiserver"]).status();
        assert!(killed.expect("docker runs").success());
    }
    fs::write(project.directory().join("app/static/page.html"), "page-three").expect("written");
    project.edit("app/main.go", "\"two\"", "\"three\"");
    eventually("the API server answers", || project.try_kubectl(&["get", "nodes"]).status.success());
    running.answer("/version", Some("three"));
    running.answer("/read/srv/page.html", Some("page-three"));
    engine::restart();
    dev.says("a node was started again", 1);
    dev.says("the system is as the manifests are", 1);
    running.answer("/version", Some("three"));
    running.answer("/read/srv/page.html", Some("page-three"));
    fs::write(project.directory().join("app/static/page.html"), "page-four").expect("written");
    project.edit("app/main.go", "\"three\"", "\"four\"");
    running.answer("/version", Some("four"));
    running.answer("/read/srv/page.html", Some("page-four"));
    dev.quit();
}
