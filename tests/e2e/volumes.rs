//! Volumes' files in a real cluster: taken at one moment while a program writes them, put back under it, reset, and there
//! before it starts.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use crate::harness::Project;

const STORE: [&str; 2] = ["--store", "files/data-state-0"];
const POD: [&str; 4] = ["-n", "files", "pod", "state-0"];

impl Project {
    /// What names this start of the program: another after each.
    fn start_of_program(&self) -> String {
        let form = "jsonpath={.metadata.uid}/{.status.containerStatuses[0].restartCount}/{.status.containerStatuses[0].state.running.startedAt}";
        let output = self.try_kubectl(&[&["get"], &POD[..], &["-o", form]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the program found when it started, once that is another start than `before`.
    fn found_after(&self, before: &str) -> String {
        loop {
            let now = self.start_of_program();
            if now != before && now.rsplit('/').next().is_some_and(|started| !started.is_empty()) {
                let output = self.try_kubectl(&["logs", "-n", "files", "state-0"]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                if let Some(line) = text.lines().next() {
                    return line.to_owned();
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The number that the program is at.
    fn number(&self) -> u64 {
        let output = self.kubectl(&["exec", "-n", "files", "state-0", "--", "cat", "/data/199"]);
        output.trim().parse().expect("a number")
    }

    /// Waits until the program has gone on.
    fn goes_on(&self) {
        let before = self.number();
        while self.number() == before {}
    }

    fn volume(&self, verb: &[&str]) -> String {
        self.succeed(&[&["snapshot"], verb, &STORE].concat()).1
    }
}

fn whole(found: &str) -> u64 {
    let number = found.strip_prefix("found whole ").unwrap_or_else(|| panic!("{found}"));
    number.parse().expect("a number")
}

#[test]
fn files_are_of_one_moment_and_are_put_back_under_what_writes_them() {
    let project = Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-volume"));
    project.succeed(&["up"]);
    assert_eq!(whole(&project.found_after("")), 0);
    let last = taken_and_put_back(&project);
    reset(&project, last);
    same_files_same_digest(&project);
    killed(&project);
    stands_before_what_uses_it(&project);
}

/// Each snapshot was taken while the program wrote, and is whole.
fn taken_and_put_back(project: &Project) -> u64 {
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        project.goes_on();
        let said = project.volume(&["create", name]);
        assert!(said.contains("s: 1 container of state-0"), "{said}");
    }
    let mut numbers = Vec::new();
    for name in names {
        let before = project.start_of_program();
        let said = project.volume(&["load", name]);
        assert!(said.contains("started anew"), "{said}");
        numbers.push(whole(&project.found_after(&before)));
        project.goes_on();
    }
    assert!(numbers.is_sorted() && numbers[0] < numbers[4], "{numbers:?}");
    numbers[4]
}

fn reset(project: &Project, loaded: u64) {
    for _ in 0..2 {
        project.goes_on();
        project.kubectl(&["exec", "-n", "files", "state-0", "--", "touch", "/data/more"]);
        let before = project.start_of_program();
        project.volume(&["reset"]);
        assert_eq!(whole(&project.found_after(&before)), loaded);
        let there =
            project.try_kubectl(&["exec", "-n", "files", "state-0", "--", "test", "-e", "/data/more"]);
        assert!(!there.status.success());
    }
    let (_, said) = project.fail(&["snapshot", "create", "x", "--store", "files/nothing"], 2);
    assert!(said.contains("their claims are files/data-"), "{said}");
    let (_, said) = project.fail(&["snapshot", "create", "x", "--store", "pvc/files/nothing"], 1);
    assert!(said.contains("there is no such claim"), "{said}");
}

fn same_files_same_digest(project: &Project) {
    let said = project.volume(&["create", "live", "--live"]);
    assert!(said.contains("nothing is frozen"), "{said}");
    project.kubectl(&["scale", "-n", "files", "statefulset/state", "--replicas=0"]);
    project.kubectl(&["wait", "-n", "files", "--for=delete", "pod/state-0", "--timeout=60s"]);
    project.volume(&["create", "still"]);
    project.volume(&["create", "again"]);
    project.succeed(&["snapshot", "diff", "still", "again"]);
    project.kubectl(&["scale", "-n", "files", "statefulset/state", "--replicas=1"]);
    project.found_after("");
}

/// devcluster is killed while Pods are frozen: they go on, and the next run goes on, too.
fn killed(project: &Project) {
    for (point, args) in
        [("frozen", ["create", "cut"]), ("to-change", ["load", "five"]), ("changed", ["load", "five"])]
    {
        project.goes_on();
        let before = project.start_of_program();
        let args = [&["snapshot"], &args[..], &STORE].concat();
        let output = project.command(&args).env("DEVCLUSTER_FAULT_POINT", point).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "killed at {point}: {said}");
        if point == "frozen" {
            project.goes_on();
            assert_eq!(project.start_of_program(), before, "it went on where it was");
        } else {
            whole(&project.found_after(&before));
        }
    }
    project.goes_on();
    let before = project.start_of_program();
    project.volume(&["load", "five"]);
    whole(&project.found_after(&before));
}

/// A cluster made anew has the files before the program starts for the first time.
fn stands_before_what_uses_it(project: &Project) {
    project.succeed(&["down", "--data", "--yes"]);
    let with_data = "data:\n  - {store: files/data-state-0, snapshot: three}\nmanifests:";
    project.edit("devcluster.yaml", "manifests:", with_data);
    project.succeed(&["up", "--yes"]);
    assert!(whole(&project.found_after("")) > 0, "the first start finds the files");
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
}
