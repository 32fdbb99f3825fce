//! `devcluster ci` on a real cluster: what passes, what fails and how, what is written down, and that no Secret is in it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Project;

/// The fixture's password and what base64 makes of it.
const SECRETS: [&str; 3] = ["corr3ct h0rse", "Y29ycjNjdCBoMHJzZS", "corr3ct%20h0rse"];

/// A run and what it wrote.
struct Run {
    code: Option<i32>,
    said: String,
    shown: String,
    /// The bundle's files.
    files: BTreeMap<String, String>,
}

impl Run {
    fn result(&self) -> Value {
        serde_json::from_str(&self.files["result.json"]).expect("JSON")
    }

    /// A step's verdict, with how its attempts ended.
    fn step(&self, name: &str) -> (String, Vec<String>) {
        let result = self.result();
        let steps = result["steps"].as_array().expect("steps").clone();
        let step = steps.iter().find(|step| step["name"] == name).expect("the step");
        let attempts = step["attempts"].as_array().cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        (word(&step["verdict"]), attempts.iter().map(|attempt| word(&attempt["result"])).collect())
    }

    fn no_secret_is_told(&self) {
        for secret in SECRETS {
            assert!(
                !self.said.contains(secret) && !self.shown.contains(secret),
                "{}{}",
                self.said,
                self.shown
            );
            let told = self.files.iter().find(|(_, text)| text.contains(secret));
            assert_eq!(told.map(|(name, _)| name), None, "{secret}");
        }
    }
}

impl Project {
    fn tested() -> Self {
        Self::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-ci"))
    }

    fn ci_command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = self.command(&[&["ci"], args].concat());
        command.env_remove("CI").env_remove("GITHUB_STEP_SUMMARY").envs(env.iter().copied());
        command
    }

    fn ci(&self, args: &[&str], env: &[(&str, &str)]) -> Run {
        self.ran(&self.ci_command(args, env).output().expect("devcluster runs"))
    }

    fn ran(&self, output: &Output) -> Run {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (shown, said) = (text(&output.stdout), text(&output.stderr));
        eprintln!("--- devcluster ci: {}\n{shown}{said}", output.status);
        Run {
            code: output.status.code(),
            said,
            shown,
            files: unpacked(&self.results().join("bundle.tar.gz")),
        }
    }

    fn results(&self) -> std::path::PathBuf {
        self.directory().join(".devcluster/ci")
    }

    fn attested(&self) -> Output {
        self.run(&["verify", "--attestation", ".devcluster/ci/attestation.json"])
    }
}

fn unpacked(bundle: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(bundle).expect("a bundle");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (entry.path().expect("a name").display().to_string(), text)
    });
    entries.collect()
}

#[test]
fn a_run_is_written_down_whatever_comes_of_it() {
    let project = Project::tested();
    let absent = project.ci(&[], &[]);
    assert_eq!(absent.code, Some(2));
    assert!(
        absent.said.contains("`devcluster lock`") && absent.said.contains("--no-lock"),
        "{}",
        absent.said
    );
    assert!(project.clusters().is_empty(), "no cluster was made for that");
    let git = |args: &[&str]| {
        let git = Command::new("git").current_dir(project.directory()).args(args).output().expect("git runs");
        String::from_utf8_lossy(&git.stdout).into_owned()
    };
    git(&["init", "-q"]);
    project.succeed(&["lock"]);
    all_passes(&project);
    let seen = git(&["status", "--porcelain", "--untracked-files=all"]);
    assert!(!seen.contains(".devcluster/"), "{seen}");
    failures_and_attempts_are_told(&project);
    a_shard_fails(&project);
    shards_are_admitted_and_nobody_else(&project);
    interrupted(&project);
    killed(&project);
    a_lock_that_differs(&project);
    never_ready(&project);
    taken_down_in_ci(&project);
}

fn all_passes(project: &Project) {
    let summary = project.directory().join("step-summary");
    std::fs::write(&summary, "before\n").expect("written");
    let key = std::fs::read_to_string(key_path("p256.pem")).expect("a key");
    let env = [("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8")), ("DEVCLUSTER_SIGNING_KEY", &key)];
    let run = project.ci(&[], &env);
    assert_eq!(run.code, Some(0));
    assert!(
        run.said.contains("policies of ours beside production's NetworkPolicies admit them: tested/own"),
        "{}",
        run.said
    );
    assert!(
        !run.files.values().any(|text| text.contains(key.lines().nth(1).expect("a line"))),
        "no key is told"
    );
    assert!(run.said.contains("kept: cluster"), "{}", run.said);
    assert_eq!(run.step("flaky"), ("passed".into(), vec!["failed".into(), "passed".into()]));
    assert_eq!(run.step("data").0, "skipped");
    assert!(run.said.contains("broken | attempt with a note"), "output is shown as it comes: {}", run.said);
    assert!(run.said.contains("secret | *** is ***"), "{}", run.said);
    for shard in 0..3 {
        let log = &run.files[&format!("commands/load/attempt-1/shard-{shard}.log")];
        assert_eq!(log.lines().collect::<Vec<_>>(), [format!("shard {shard} of 3").as_str(), "hello"]);
    }
    let jobs = project.kubectl(&["get", "jobs,pods", "-n", "devcluster-system", "-o", "name"]);
    assert!(!jobs.contains("ci-load"), "{jobs}");
    assert!(run.files["junit.xml"].contains("<flakyFailure"), "{}", run.files["junit.xml"]);
    assert_eq!(
        std::fs::read_to_string(summary).expect("readable"),
        format!("before\n{}", run.files["summary.md"])
    );
    assert_eq!(
        run.files["devcluster.lock"],
        std::fs::read_to_string(project.directory().join("devcluster.lock")).expect("a lock")
    );
    run.no_secret_is_told();
    let attested = project.attested();
    assert!(attested.status.success());
    assert!(String::from_utf8_lossy(&attested.stdout).contains("tested: 8 steps passed"));
    let public = key_path("p256.pub.pem");
    let signed =
        project.run(&["verify", "--attestation", ".devcluster/ci/attestation.json", "--key", &public]);
    assert!(
        signed.status.success() && String::from_utf8_lossy(&signed.stdout).contains("signed by"),
        "{signed:?}"
    );
    signed_for_others(project, &public);
    // Nothing of the run stands in the way of an empty diff.
    project.kubectl_diff_is_empty("-f", &project.directory().join("deploy"));
}

fn key_path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys").join(name).display().to_string()
}

/// in-toto's own verifier and types, where they are built.
fn signed_for_others(project: &Project, public: &str) {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/bin/attestation-check");
    if !checker.exists() {
        eprintln!("skipped: `testbed/tools/ensure attestation-check` builds the checker");
        return;
    }
    let file = project.results().join("attestation.json");
    let said = Command::new(checker).args(["--key", public]).arg(file).output().expect("it runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

fn failures_and_attempts_are_told(project: &Project) {
    let run = project.ci(&[], &[("BROKEN", "yes"), ("SLOW", "yes")]);
    assert_eq!(run.code, Some(6));
    assert_eq!(run.step("broken"), ("failed".into(), vec!["failed".into(), "failed".into()]));
    assert_eq!(run.step("slow"), ("failed".into(), vec!["timedOut".into()]));
    assert_eq!(run.step("load").0, "passed", "those after one that failed run too");
    let junit = &run.files["junit.xml"];
    assert!(junit.contains("<rerunFailure") && junit.contains("type=\"timedOut\""), "{junit}");
    for attempt in 1..=2 {
        assert!(run.files[&format!("commands/broken/attempt-{attempt}.log")].contains("attempt with a note"));
    }
    let sleeper = run.files["commands/slow/attempt-1.log"].trim().trim_start_matches("sleeper ").to_owned();
    assert!(!runs(&sleeper), "what a command started ends with it");
    let log = run.files.iter().find(|(name, _)| name.starts_with("diagnostics/broken/logs/tested/web-"));
    assert!(log.expect("the web's log").1.contains("logging in with ***"));
    assert!(run.files["diagnostics/broken/objects/tested/Secret.login.yaml"].contains("password: '***'"));
    run.no_secret_is_told();
    assert_eq!(project.attested().status.code(), Some(4));
    let fast = project.ci(&["--fail-fast"], &[("BROKEN", "yes")]);
    assert_eq!((fast.code, fast.step("load").0.as_str()), (Some(6), "skipped"));
}

fn runs(id: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

fn a_shard_fails(project: &Project) {
    project.edit(
        "devcluster.yaml",
        "echo \"shard $SHARD",
        "test $SHARD_INDEX != 1; code=$?; echo \"shard $SHARD",
    );
    project.edit("devcluster.yaml", "ADDRESS/\"']", "ADDRESS/\"; exit $code']");
    let run = project.ci(&[], &[]);
    assert_eq!(run.code, Some(6));
    assert_eq!(run.step("load"), ("failed".into(), vec!["failed".into()]));
    assert!(run.files["summary.md"].contains("failed in shard 1 of 3"), "{}", run.files["summary.md"]);
    assert!(
        (0..3).all(|shard| run.files.contains_key(&format!("commands/load/attempt-1/shard-{shard}.log")))
    );
}

/// The network enforces the fixture's policy, so that the shards reached the Service by being admitted; and nothing of that is left.
fn shards_are_admitted_and_nobody_else(project: &Project) {
    let policies = project.kubectl(&["get", "networkpolicies", "-A", "-o", "name"]);
    assert_eq!(policies.lines().collect::<Vec<_>>(), ["networkpolicy.networking.k8s.io/own"], "{policies}");
    let image = "--image=registry.example.com/tested/tests:1";
    let command = "timeout 5 wget -qO- http://web.tested.svc/ || echo shut out";
    let within = |namespace: &str| {
        let run = ["run", "probe", "-n", namespace, image, "--restart=Never", "--attach", "--rm", "--quiet"];
        project.kubectl(&[&run[..], &["--command", "--", "sh", "-c", command]].concat())
    };
    assert!(within("default").contains("shut out"));
    assert!(within("tested").contains("hello"));
}

/// Killed while a command runs and while shards do: the next run ends and removes what that left.
fn killed(project: &Project) {
    project.edit("devcluster.yaml", "echo \"shard $SHARD", "sleep 0; echo \"shard $SHARD");
    kill_when(project, &[("SLOW", "yes")], || sleeper(project).is_some());
    let sleeper = sleeper(project).expect("the command's child goes on without its run");
    project.edit("devcluster.yaml", "sleep 0", "sleep 600");
    let is_there = |what: &[&str]| !project.kubectl(&[&["get", "-o", "name"], what].concat()).is_empty();
    let policies = ["networkpolicies", "-A", "-l", "devcluster.dev/admits"];
    let jobs = ["jobs", "-n", "devcluster-system", "-l", "devcluster.dev/shards"];
    let said = kill_when(project, &[], || is_there(&policies) && is_there(&jobs));
    assert!(said.contains("ended what a `devcluster ci` that was killed had left"), "{said}");
    assert!(!runs(&sleeper), "the run after it has ended the child");
    assert!(is_there(&policies) && is_there(&jobs), "a killed run removes nothing");
    project.edit("devcluster.yaml", "sleep 600", "sleep 0");
    let run = project.ci(&["--fail-fast"], &[("BROKEN", "yes")]);
    assert_eq!((run.code, run.step("load").0.as_str()), (Some(6), "skipped"));
    assert!(!is_there(&policies) && !is_there(&jobs));
}

/// Starts a run, kills it as soon as something is so, and gives what it said.
fn kill_when(project: &Project, env: &[(&str, &str)], is_so: impl Fn() -> bool) -> String {
    let mut command = project.ci_command(&[], env);
    let log = project.directory().join("killed.log");
    let file = std::fs::File::create(&log).expect("made");
    command.stdout(std::process::Stdio::null()).stderr(file);
    let mut child = command.spawn().expect("devcluster runs");
    let begun = Instant::now();
    while !is_so() {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none() && begun.elapsed() < Duration::from_mins(3), "{ended:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    std::fs::read_to_string(log).expect("readable")
}

/// The process that the fixture's slow command starts, where it runs.
fn sleeper(project: &Project) -> Option<String> {
    let directory = project.directory().canonicalize().expect("a directory");
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let mut found = processes.filter(|process| {
        let of = |name: &str| process.path().join(name);
        std::fs::read(of("cmdline")).is_ok_and(|line| line == b"sleep\x001000\x00")
            && std::fs::read_link(of("cwd")).is_ok_and(|place| place == directory)
    });
    found.next().map(|process| process.file_name().to_string_lossy().into_owned())
}

/// Ended while a command runs: that ends too, and what was done is written down.
fn interrupted(project: &Project) {
    project.edit("devcluster.yaml", "timeout: 2s", "timeout: 10m");
    // The log of the run before would be taken for this one's.
    std::fs::remove_dir_all(project.results()).expect("results of the run before");
    let mut command = project.ci_command(&[], &[("SLOW", "yes")]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let child = child.expect("devcluster runs");
    let log = project.results().join("commands/slow/attempt-1.log");
    let begun = Instant::now();
    // The log's file is there once the command is about to run.
    while !log.exists() {
        assert!(begun.elapsed() < Duration::from_mins(2), "the command runs");
        std::thread::sleep(Duration::from_secs(1));
    }
    std::thread::sleep(Duration::from_secs(1));
    assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill runs").success());
    let run = project.ran(&child.wait_with_output().expect("it ends"));
    assert_eq!(run.code, Some(130));
    assert_eq!(run.step("slow"), ("interrupted".into(), vec!["interrupted".into()]));
    assert_eq!((run.step("smoke").0.as_str(), run.step("load").0.as_str()), ("passed", "skipped"));
    let sleeper = run.files["commands/slow/attempt-1.log"].trim().trim_start_matches("sleeper ").to_owned();
    assert!(sleeper.parse::<u32>().is_ok() && !runs(&sleeper), "{sleeper}");
    assert_eq!(project.attested().status.code(), Some(4));
}

fn a_lock_that_differs(project: &Project) {
    project.edit("deploy/system.yaml", "periodSeconds: 1", "periodSeconds: 2");
    let run = project.ci(&[], &[]);
    assert_eq!(run.code, Some(4));
    assert!(run.said.contains("periodSeconds") && run.said.contains("deploy/system.yaml"), "{}", run.said);
    assert_eq!((run.step("lock").0.as_str(), run.step("up").0.as_str()), ("failed", "skipped"));
    run.no_secret_is_told();
    let run = project.ci(&["--no-lock", "--fail-fast"], &[("BROKEN", "yes")]);
    assert_eq!((run.code, run.step("lock").0.as_str()), (Some(6), "skipped"));
    assert!(!run.files.contains_key("attestation.json"));
}

fn never_ready(project: &Project) {
    project.edit("deploy/system.yaml", "exec httpd -f", "echo cannot listen; exit 3; exec httpd -f");
    project.succeed(&["lock"]);
    let run = project.ci(&["--timeout", "90s"], &[]);
    assert_eq!(run.code, Some(3));
    assert_eq!((run.step("up").0.as_str(), run.step("smoke").0.as_str()), ("failed", "skipped"));
    let diagnosis = &run.files["diagnostics/up/diagnosis.txt"];
    assert!(diagnosis.contains("Deployment tested/web") && diagnosis.contains("exits with 3"), "{diagnosis}");
    assert!(run.files["diagnostics/up/pods.txt"].contains("tested/web-"));
    assert!(run.files["diagnostics/up/events.txt"].contains("BackOff"));
    let previous = run.files.iter().find(|(name, _)| name.ends_with("/web.previous.log"));
    let previous = previous.expect("the log before the restart").1;
    assert!(previous.contains("cannot listen") && previous.contains("logging in with ***"), "{previous}");
    run.no_secret_is_told();
}

fn taken_down_in_ci(project: &Project) {
    project.edit("deploy/system.yaml", "echo cannot listen; exit 3; exec httpd -f", "exec httpd -f");
    project.succeed(&["lock"]);
    let run = project.ci(&["--fail-fast"], &[("CI", "true"), ("BROKEN", "yes")]);
    assert_eq!(run.code, Some(6));
    assert!(run.files.contains_key("diagnostics/broken/pods.txt"), "gathered before it was taken away");
    assert!(project.clusters().is_empty());
}
