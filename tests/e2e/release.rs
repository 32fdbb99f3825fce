//! Releases on a real cluster: recorded by what changes it, and gone back to without a request failing, wherever it is killed.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use devcluster::operation::fault::RELEASE_POINTS;
use serde_json::Value;

use crate::developing::eventually;
use crate::harness::Project;
use crate::requests::{Requests, get};

const OLD: &str = "one blue first-word";
const NEW: &str = "two red second-word";

impl Project {
    fn web(&self) -> SocketAddr {
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        let address = self.kubectl(&["get", "service", "web", "-n", "released", "-o", path]);
        format!("{}:80", address.trim()).parse().expect("an address")
    }

    pub fn release(&self, args: &[&str]) -> Value {
        let (text, _) = self.succeed(&[&["release"], args, &["-o", "json"]].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    pub fn numbers(&self) -> Vec<u64> {
        let list = self.release(&["list"]);
        let releases = list["releases"].as_array().expect("a list");
        releases.iter().map(|release| release["number"].as_u64().expect("a number")).collect()
    }

    /// The image's bytes under its name on the node.
    fn image(&self) -> String {
        let node = self.nodes().remove(0);
        let output = Command::new("docker")
            .args([
                "exec",
                &node,
                "ctr",
                "-n",
                "k8s.io",
                "images",
                "ls",
                "name==registry.example.com/released/web:1",
            ])
            .output()
            .expect("docker runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().find(|word| word.starts_with("sha256:")).expect("a digest").to_owned()
    }

    /// Another version under the same tag, another configuration and secret, and an object more.
    pub fn change(&self) {
        self.edit("app/main.go", r#"version = "one""#, r#"version = "two""#);
        self.edit("deploy/system.yaml", "colour: blue", "colour: red");
        self.edit("deploy/system.yaml", "first-word", "second-word");
        let more =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: released}\ndata: {a: b}\n";
        std::fs::write(self.directory().join("deploy/more.yaml"), more).expect("written");
    }

    /// Waits until nothing else answers: Pods that end are still asked for a moment.
    pub fn answers_alone(&self, text: &str) {
        let web = self.web();
        eventually(&format!("{text} alone answers"), || {
            (0..30).all(|_| get(web).is_ok_and(|answer| answer == text))
        });
    }

    /// Holds that the system is as the manifests in `kept` have it, and answers so.
    fn is_old(&self, kept: &Path, image: &str) {
        assert_eq!(self.image(), image);
        let more = self.kubectl(&["get", "configmap", "more", "-n", "released", "--ignore-not-found"]);
        assert_eq!(more, "", "an object that came with the later release is gone");
        self.kubectl_diff_is_empty("-f", kept);
        assert_eq!(get(self.web()).expect("it answers"), OLD);
        let pods =
            self.kubectl(&["get", "pods", "-n", "released", "-l", "devcluster.dev/let-go", "-o", "json"]);
        let pods: Value = serde_json::from_str(&pods).expect("JSON");
        let living = pods["items"].as_array().expect("a list").iter();
        assert_eq!(living.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count(), 0);
    }
}

#[test]
fn a_revert_brings_everything_back_without_a_failed_request() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-release");
    let project = Project::copy_of(&fixture);
    project.succeed(&["up"]);
    let kept = fixture.join("deploy");
    let image = project.image();
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(project.numbers(), [1], "what changes nothing is no release");

    project.change();
    project.succeed(&["up"]);
    project.answers_alone(NEW);
    told(&project);

    let requests = Requests::start(project.web());
    let reverted = project.release(&["revert", "1"]);
    let answers = requests.end();
    eprintln!("{answers:?}");
    assert_eq!(answers.failures, [] as [&str; 0]);
    assert!(answers.texts.keys().all(|text| [OLD, NEW].contains(&text.as_str())), "{answers:?}");
    project.answers_alone(OLD);
    assert_eq!((&reverted["release"], &reverted["undrained"]), (&3.into(), &serde_json::json!([])));
    project.is_old(&kept, &image);

    let (said, _) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("nothing to do: all stands as in release 1"), "{said}");
    let (said, _) = project.succeed(&["release", "annotate", "1", "the good one"]);
    assert_eq!(said.trim(), "said of release 1");
    assert_eq!(project.release(&["show", "1"])["notes"], serde_json::json!(["the good one"]));
    // The revert said so: the files bring what they say.
    project.succeed(&["up"]);
    project.answers_alone(NEW);
    assert_eq!(project.numbers(), [1, 2, 3, 4], "what was said took no number");

    killed(&project, &kept, &image);
    two_at_once(&project);
    images_gone(&project, &image);
    unready(&project, &kept, &image);
}

/// What differs is told, values of Secrets are not.
fn told(project: &Project) {
    let (text, _) = project.succeed(&["release", "diff", "1"]);
    for line in [
        "+ ConfigMap released/more",
        r#"/data/colour: "blue" → "red""#,
        r#"/stringData/word: "(changed)" → "(changed)""#,
        "~ image registry.example.com/released/web:1: ",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let machines = project.release(&["diff", "1", "2"]).to_string();
    let records = project.kubectl(&["get", "configmaps", "-n", "devcluster-system", "-o", "json"]);
    for text in [text, machines, records] {
        assert!(!text.contains("first-word") && !text.contains("second-word"), "{text}");
    }
    let (_, said) = project.fail(&["release", "revert", "9"], 2);
    assert!(said.contains("there is no release 9; the last is 2"), "{said}");
}

/// Killed after each of its steps, the same command completes it, and no request fails on the way.
fn killed(project: &Project, kept: &Path, image: &str) {
    for point in RELEASE_POINTS {
        project.succeed(&["up"]);
        project.answers_alone(NEW);
        let before = project.numbers();
        let requests = Requests::start(project.web());
        let output = project
            .command(&["release", "revert", "1"])
            .env("DEVCLUSTER_FAULT_POINT", point)
            .output()
            .expect("runs");
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", String::from_utf8_lossy(&output.stderr));
        project.succeed(&["release", "revert", "1"]);
        let answers = requests.end();
        assert_eq!(answers.failures, [] as [&str; 0], "{point}");
        project.answers_alone(OLD);
        project.is_old(kept, image);
        assert_eq!(project.numbers().len(), before.len() + 1, "{point}: one revert is one release");
    }
}

fn two_at_once(project: &Project) {
    project.succeed(&["up"]);
    let mut first = project.command(&["release", "revert", "1"]).spawn().expect("runs");
    let lock = project.state().join("lock");
    let process = first.id().to_string();
    eventually("the first has the lock", || {
        std::fs::read_to_string(&lock).is_ok_and(|text| text.trim() == process)
    });
    let (_, said) = project.fail(&["release", "revert", "1"], 1);
    assert!(said.contains("another devcluster command"), "{said}");
    assert!(first.wait().expect("it ends").success());
}

/// What the node has no more the engine has: `ledger::many_releases_on_two_nodes` takes it away there, too.
fn images_gone(project: &Project, image: &str) {
    project.succeed(&["up"]);
    project.answers_alone(NEW);
    let node = project.nodes().remove(0);
    let script = format!(
        "ctr -n k8s.io images ls | awk '$3 == \"{image}\" {{print $1}}' | xargs -r ctr -n k8s.io images rm"
    );
    let status = Command::new("docker").args(["exec", &node, "sh", "-c", &script]).status();
    assert!(status.expect("docker runs").success());
    let (_, said) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("1 image of release 1 from the engine"), "{said}");
    project.answers_alone(OLD);
}

/// Pods of the old version that do not get ready with what is there now: the revert ends, says why and is recorded so, and what ran
/// serves on. Another revert goes back from there, and the same command goes on.
fn unready(project: &Project, kept: &Path, image: &str) {
    project.succeed(&["up"]);
    project.answers_alone(NEW);
    let new = project.numbers().pop().expect("a release").to_string();
    project.kubectl(&["create", "configmap", "later", "-n", "released", "--from-literal=is=there"]);
    let requests = Requests::start(project.web());
    let fails = || {
        let before = project.numbers();
        let (_, said) = project.fail(&["release", "revert", "1", "--timeout", "8s"], 3);
        let said = said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
        for part in ["objects ready after 8 s", "readiness probe fails", "503", "`devcluster release revert"]
        {
            assert!(said.contains(part), "no {part} in {said}");
        }
        let list = project.release(&["list"]);
        let newest = list["releases"].as_array().and_then(|all| all.last()).expect("a release");
        assert_eq!((&newest["made"]["to"], &newest["unready"]), (&1.into(), &true.into()), "{newest}");
        assert_eq!(project.numbers().len(), before.len() + 1);
        let (text, _) = project.succeed(&["release", "list"]);
        assert!(text.contains("not all was ready when it was recorded"), "{text}");
    };
    fails();
    project.succeed(&["release", "revert", &new]);
    project.answers_alone(NEW);
    // Once more where the template goes back, too, and the Deployment replaces its Pods itself.
    project.edit("deploy/system.yaml", "periodSeconds: 1", "periodSeconds: 2");
    project.succeed(&["up"]);
    project.answers_alone(NEW);
    fails();
    let answers = requests.end();
    assert_eq!(answers.failures, [] as [&str; 0]);
    assert_eq!(answers.texts.keys().collect::<Vec<_>>(), [NEW], "no Pod of the old version was asked");

    project.kubectl(&["delete", "configmap", "later", "-n", "released"]);
    // The kubelet looks at a Pod that changes, and at others once a minute.
    project.kubectl(&["annotate", "pods", "-n", "released", "-l", "app=web", "looked=again"]);
    let before = project.numbers();
    project.succeed(&["release", "revert", "1"]);
    project.answers_alone(OLD);
    project.is_old(kept, image);
    assert_eq!(project.numbers().len(), before.len() + 1, "now it is ready");
    let (said, _) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("nothing to do"), "{said}");
}

#[test]
fn what_lies_between_two_releases_stops_a_revert_until_it_is_told_to_go_on() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-data");
    let project = Project::copy_of(&fixture);
    project.succeed(&["up"]);
    let content = project.release(&["show", "1"])["release"].clone();
    assert_eq!(content["migrations"].as_array().map(Vec::len), Some(3), "{content}");
    assert_eq!(content["data"]["data/orders"]["from"], "seed snapshots/demo/seed.yaml");
    assert!(content["data"]["data/orders"]["schema"].is_string(), "{content}");
    project.succeed(&["snapshot", "create", "base", "--store", "data/orders"]);
    project.succeed(&["snapshot", "load", "base", "--store", "data/orders"]);
    project.succeed(&["snapshot", "reset", "--store", "data/orders"]);
    let list = project.release(&["list"]);
    let made: Vec<&Value> =
        list["releases"].as_array().expect("a list").iter().map(|one| &one["made"]).collect();
    assert_eq!(
        made[1],
        &serde_json::json!({"what": "load", "store": "data/orders", "from": "snapshot base"})
    );
    assert_eq!(made[2], &serde_json::json!({"what": "reset", "store": "data/orders"}));

    project.edit(
        "deploy/system.yaml",
        "CREATE INDEX IF",
        "ALTER TABLE orders DROP COLUMN IF EXISTS total_cents;\n    CREATE INDEX IF",
    );
    project.edit("deploy/system.yaml", "--file=/migrations", "--echo-errors, --file=/migrations");
    project.succeed(&["up"]);
    let job = || project.kubectl(&["get", "job", "migrate", "-n", "data", "-o", "jsonpath={.metadata.uid}"]);
    let ran = job();
    let (text, _) = project.succeed(&["release", "diff", "1"]);
    for line in ["+ migration data/migrate (", "~ data of data/orders: seed snapshots/demo/seed.yaml ("] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let (_, said) = project.fail(&["release", "revert", "1"], 1);
    for part in [
        "migration data/migrate ran (",
        "data/orders holds snapshot base (",
        "nothing was changed; --keep-data",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let (said, _) = project.succeed(&["release", "revert", "1", "--keep-data"]);
    assert!(said.contains("is release 1 again"), "{said}");
    assert_eq!(job(), ran, "what migrated does not run again, nor backwards");
    let sql = project.kubectl(&["get", "configmap", "migrations", "-n", "data", "-o", "jsonpath={.data}"]);
    assert!(!sql.contains("DROP COLUMN"), "{sql}");
    let (_, said) = project.fail(&["release", "revert", "3"], 1);
    assert!(said.contains("migration data/migrate ran ("), "{said}");
    project.succeed(&["release", "revert", "4"]);
}
