//! `up` from nothing, again, after damage, and after `down`.

use std::process::Command;

use crate::harness::Project;

#[test]
fn up_puts_right_what_was_changed_behind_its_back_and_data_outlives_the_cluster() {
    let project = Project::small();
    project.succeed(&["up"]);
    assert_eq!(
        project.kubectl(&["get", "deploy", "web", "-n", "small", "-o", "jsonpath={.status.readyReplicas}"]),
        "2"
    );
    answers(&project);
    nothing_to_do(&project);
    diffs_are_empty(&project);

    project.kubectl(&["delete", "configmap", "settings", "-n", "small"]);
    project.succeed(&["up"]);
    assert_eq!(
        project.kubectl(&["get", "cm", "settings", "-n", "small", "-o", "jsonpath={.data.colour}"]),
        "blue"
    );

    project.kubectl(&["scale", "deployment", "web", "-n", "small", "--replicas=1"]);
    project.succeed(&["up"]);
    assert_eq!(
        project.kubectl(&["get", "deploy", "web", "-n", "small", "-o", "jsonpath={.spec.replicas}"]),
        "2"
    );

    project.kubectl(&["patch", "configmap", "settings", "-n", "small", "-p", r#"{"data":{"colour":"red"}}"#]);
    project.succeed(&["up"]);
    assert_eq!(
        project.kubectl(&["get", "cm", "settings", "-n", "small", "-o", "jsonpath={.data.colour}"]),
        "blue"
    );

    a_lock_is_held_against_the_cluster(&project);
    image_removed_from_a_node(&project);
    nothing_to_do(&project);
    rebuilt_under_the_same_tag(&project);
    a_node_whose_disk_is_full(&project);
    data_is_found_again(&project);
}

fn nothing_to_do(project: &Project) {
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    let (plan, _) = project.succeed(&["plan"]);
    assert!(plan.starts_with("Nothing to do"), "{plan}");
}

/// Through its LoadBalancer's address and through the ingress under its host.
fn answers(project: &Project) {
    let address = project.kubectl(&[
        "get",
        "service",
        "web",
        "-n",
        "small",
        "-o",
        "jsonpath={.status.loadBalancer.ingress[0].ip}",
    ]);
    let body = curl(&[&format!("http://{address}/")]);
    assert!(body.contains("stands in here"), "{body}");
    let (status, _) = project.succeed(&["status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let port = status["ports"]["http"].as_u64().expect("the ingress's port");
    let host = format!("small.example.com:{port}:127.0.0.1");
    let body = curl(&["--resolve", &host, &format!("http://small.example.com:{port}/")]);
    assert!(body.contains("stands in here"), "{body}");
}

fn curl(args: &[&str]) -> String {
    let output =
        Command::new("curl").args(["-sS", "--max-time", "10"]).args(args).output().expect("curl runs");
    assert!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn diffs_are_empty(project: &Project) {
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
    project.succeed(&["diff"]);
}

/// A lock that was written for this system is held against the cluster itself.
fn a_lock_is_held_against_the_cluster(project: &Project) {
    project.succeed(&["lock"]);
    let (said, _) = project.succeed(&["verify", "--live"]);
    assert!(said.contains("the cluster is as in the lock"), "{said}");
    let scale = |replicas: &str| project.kubectl(&["scale", "-n", "small", "deployment/web", replicas]);
    scale("--replicas=3");
    let (said, _) = project.fail(&["verify", "--live"], 4);
    assert!(said.contains("web") && said.contains("the cluster differs from the lock"), "{said}");
    project.succeed(&["verify"]);
    project.succeed(&["up"]);
    project.succeed(&["verify", "--live"]);
}

fn image_removed_from_a_node(project: &Project) {
    let node = project.nodes().remove(0);
    let name = "registry.example.com/small/web:1";
    let remove = ["exec", &node, "ctr", "-n", "k8s.io", "images", "rm", name];
    assert!(Command::new("docker").args(remove).status().expect("docker runs").success());
    let (plan, _) = project.succeed(&["plan"]);
    assert!(plan.contains(&node), "the plan says where the image is to go: {plan}");
    project.succeed(&["up"]);
    let list = ["exec", &node, "ctr", "-n", "k8s.io", "images", "ls", "-q"];
    let names = Command::new("docker").args(list).output().expect("docker runs");
    assert!(String::from_utf8_lossy(&names.stdout).lines().any(|line| line == name));
}

/// The manifests did not change, yet every container must run the new bytes.
fn rebuilt_under_the_same_tag(project: &Project) {
    let ids = |project: &Project| {
        let text = project.kubectl(&["get", "pods", "-n", "small", "-o", "json"]);
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let pods = list["items"].as_array().expect("a list").iter();
        // One that is ending has left its Service already.
        let staying = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let ids = staying.map(|pod| pod["status"]["containerStatuses"][0]["imageID"].to_string());
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let before = ids(project);
    tag_on_nodes(project, "1", "before");
    project.edit("web/version", "one", "two");
    project.succeed(&["up"]);
    let after = ids(project);
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
    diffs_are_empty(project);
    let (said, _) = project.fail(&["verify"], 4);
    assert!(said.contains("is built from\n    from web/version"), "{said}");
    // Nothing is said of a cluster where the manifests are not the lock's.
    let (said, _) = project.fail(&["verify", "--live"], 4);
    assert!(said.contains("the cluster was not compared") && !said.contains("the cluster is"), "{said}");
    containers_that_run_other_bytes(project);
}

/// Gives the image a further name on every node.
fn tag_on_nodes(project: &Project, from: &str, to: &str) {
    let name = |tag: &str| format!("registry.example.com/small/web:{tag}");
    for node in project.nodes() {
        let tag = ["exec", &node, "ctr", "-n", "k8s.io", "images", "tag", "--force", &name(from), &name(to)];
        assert!(Command::new("docker").args(tag).status().expect("docker runs").success());
    }
}

/// Objects and names are as they are to be, and what runs is not.
fn containers_that_run_other_bytes(project: &Project) {
    project.succeed(&["lock"]);
    project.succeed(&["verify", "--live"]);
    tag_on_nodes(project, "1", "now");
    tag_on_nodes(project, "before", "1");
    project.kubectl(&["delete", "pods", "-n", "small", "--all", "--wait"]);
    project.kubectl(&["rollout", "status", "-n", "small", "deployment/web", "--timeout=60s"]);
    tag_on_nodes(project, "now", "1");
    let (said, _) = project.fail(&["verify", "--live"], 4);
    let wanted = "runs other bytes than registry.example.com/small/web:1 stands for";
    assert!(said.contains(wanted) && said.contains("the cluster differs from the lock"), "{said}");
    assert!(!said.contains("stands for other bytes on"), "{said}");
    project.succeed(&["up"]);
    let (said, _) = project.succeed(&["verify", "--live"]);
    assert!(said.contains("the cluster is as in the lock"), "{said}");
}

/// The place where containerd takes images in has room for nothing: what the kernel says is the real thing.
fn a_node_whose_disk_is_full(project: &Project) {
    let node = project.nodes().remove(0);
    let docker = |args: &[&str]| {
        let mut all = vec!["exec", &node];
        all.extend(args);
        assert!(Command::new("docker").args(all).status().expect("docker runs").success());
    };
    let ingest = "/var/lib/containerd/io.containerd.content.v1.content/ingest";
    docker(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", ingest]);
    let noise: String =
        (0..200_000_u64).flat_map(|n| (n * 2_654_435_761).to_string().into_bytes()).map(char::from).collect();
    std::fs::write(project.directory().join("web/version"), noise).expect("written");
    let (_, said) = project.fail(&["up"], 1);
    docker(&["umount", ingest]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("no space left on device") && said.contains(&node), "{said}");
    assert!(said.contains("docker system df"), "what to do: {said}");
    project.succeed(&["up"]);
    nothing_to_do(project);
}

fn data_is_found_again(project: &Project) {
    let file = project.volumes().join("small/data/row");
    std::fs::write(&file, "kept").expect("the claim's directory is on the host");
    project.succeed(&["down"]);
    project.succeed(&["up"]);
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "kept");
    nothing_to_do(project);
}
