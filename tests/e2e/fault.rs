//! Killed after every step of `up`, devcluster goes on from there when called again.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use devcluster::operation::fault::POINTS;

use crate::engine::Detour;
use crate::harness::Project;

#[test]
fn up_completes_after_being_killed_after_any_of_its_steps() {
    let project = Project::small();
    for point in POINTS {
        if ["applied", "ready"].contains(&point) {
            // Something must be left to do, or these points are never passed.
            project.kubectl(&["-n", "small", "delete", "configmap", "settings", "--ignore-not-found"]);
        }
        let output =
            project.command(&["up", "--yes"]).env("DEVCLUSTER_FAULT_POINT", point).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "up was to be killed at {point}: {said}");
        eprintln!("killed at {point}");
    }
    project.succeed(&["up", "--yes"]);
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
}

/// Starts `up` and gives it back once it has said `words`.
fn up_until(project: &Project, words: &str, docker_host: Option<&str>) -> (Child, impl Read + use<>) {
    let mut command = project.command(&["up", "--yes", "--verbose"]);
    if let Some(host) = docker_host {
        command.env("DOCKER_HOST", host);
    }
    let mut up = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("devcluster runs");
    let mut said = BufReader::new(up.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("text"), 0, "up ended before it said {words:?}");
    }
    (up, said)
}

fn end(mut up: Child, mut said: impl Read) -> (Option<i32>, String) {
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    let code = up.wait().expect("up ends").code();
    eprintln!("--- ended with {code:?}: {text}");
    (code, text)
}

#[test]
fn up_completes_after_an_interruption_and_after_the_engine_stopped() {
    let project = Project::small();
    let (up, said) = up_until(&project, "Preparing nodes", None);
    let interrupted = Command::new("kill").args(["-INT", &up.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    let (code, said) = end(up, said);
    assert_eq!(code, Some(130));
    assert!(said.contains("interrupted; the same command goes on from here"), "{said}");

    let directory = tempfile::tempdir().expect("a directory");
    let detour = Detour::start(directory.path());
    let (up, said) = up_until(&project, "Preparing nodes", Some(&detour.host()));
    detour.cut();
    let (code, said) = end(up, said);
    assert_eq!(code, Some(5), "a missing engine");
    assert!(said.contains("the engine went away while it was to make cluster"), "{said}");

    project.succeed(&["up", "--yes"]);
    another_cluster_is_not_taken_for_ours(&project);
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
}

/// A tunnel makes any API server look local: an address says nothing, the CA and the uid do.
fn another_cluster_is_not_taken_for_ours(project: &Project) {
    let record = project.state().join("cluster.json");
    let kubeconfig = project.state().join("kubeconfig");
    let [kept_record, kept_kubeconfig] =
        [&record, &kubeconfig].map(|path| std::fs::read_to_string(path).expect("text"));
    let refused = || {
        for verb in [&["up"][..], &["status"], &["diff"], &["plan"]] {
            let (_, said) = project.fail(verb, 2);
            assert!(said.contains("is not the one devcluster made"), "{said}");
        }
    };
    let field = |text: &str, name: &str| {
        let value = text.split(&format!("{name}: ")).nth(1).expect("the field");
        value.lines().next().expect("a value").to_owned()
    };
    let [ours, another] =
        ["certificate-authority-data", "client-certificate-data"].map(|name| field(&kept_kubeconfig, name));
    std::fs::write(&kubeconfig, kept_kubeconfig.replace(&ours, &another)).expect("written");
    refused();
    std::fs::write(&kubeconfig, kept_kubeconfig).expect("written");
    let mut forged: serde_json::Value = serde_json::from_str(&kept_record).expect("JSON");
    forged["uid"] = serde_json::json!("00000000-0000-0000-0000-000000000000");
    std::fs::write(&record, forged.to_string()).expect("written");
    refused();
    std::fs::write(&record, kept_record).expect("written");
}
