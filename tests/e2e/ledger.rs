//! The ledger over many releases on two nodes: charts' hooks on the way back, Pods that leave a gap, names of images that are
//! kept and let go of, with and without containerd's socket; and the ledger's way from one cluster into the next.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devcluster::operation::fault::LEDGER_POINTS;
use serde_json::Value;

use crate::harness::Project;

const WEB: &str = "registry.example.com/ledgered/web:1";
/// Has nodes asked as where their containerd has no socket for the host.
const SHUT: &str = "DEVCLUSTER_FAULT_CONTAINERD";

fn fixture(name: &str) -> Project {
    Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(name))
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {said}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A node's image names, and what they stand for.
fn names(node: &str) -> BTreeMap<String, String> {
    let table = docker(&["exec", node, "ctr", "-n", "k8s.io", "images", "ls"]);
    let rows = table.lines().skip(1).map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        (words[0].to_owned(), words[2].to_owned())
    });
    rows.collect()
}

/// What names of ours keep on a node.
fn kept(node: &str) -> BTreeSet<String> {
    let own =
        |(name, digest): (String, String)| name.starts_with("devcluster.local/release:").then_some(digest);
    names(node).into_iter().filter_map(own).collect()
}

/// What the kubelet does with images that nothing keeps, when a disk is full: every name goes.
fn collect(node: &str, digest: &str) {
    let own = |(name, is): (String, String)| (is == digest).then_some(name);
    for name in names(node).into_iter().filter_map(own) {
        docker(&["exec", node, "ctr", "-n", "k8s.io", "images", "rm", "--sync", &name]);
    }
}

/// A message that was broken into lines, in one.
fn one_line(said: &str) -> String {
    said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

impl Project {
    fn images_of(&self, release: u64) -> Value {
        self.release(&["show", &release.to_string()])["release"]["images"].clone()
    }

    /// The digests of the configuration and the manifest that the web image had.
    fn web_of(&self, release: u64) -> (String, String) {
        let images = self.images_of(release);
        let text = |key: &str| images[WEB][key].as_str().expect("a digest").to_owned();
        (text("config"), text("manifest"))
    }

    fn set(&self, file: &str, text: &str) {
        std::fs::write(self.directory().join(file), text).expect("written");
    }

    fn shut(&self, args: &[&str]) -> Output {
        let output = self.command(args).env(SHUT, "1").output().expect("runs");
        eprintln!("--- {} (shut)\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        output
    }

    fn field(&self, kind: &str, name: &str, path: &str) -> String {
        let path = format!("jsonpath={path}");
        self.kubectl(&["get", kind, name, "-n", "ledgered", "--ignore-not-found", "-o", &path])
    }

    fn pods(&self, selector: &str) -> Vec<Value> {
        let text = self.kubectl(&["get", "pods", "-n", "ledgered", "-l", selector, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().expect("a list").clone()
    }

    /// What the Pods of a selector serve, asked through the API server.
    fn served(&self, selector: &str) -> BTreeSet<String> {
        let get = |pod: &Value| {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            self.kubectl(&["get", "--raw", &format!("/api/v1/namespaces/ledgered/pods/{name}:8080/proxy/")])
        };
        self.pods(selector).iter().map(|pod| get(pod).trim().to_owned()).collect()
    }
}

#[test]
fn many_releases_on_two_nodes() {
    let project = fixture("fixture-ledger");
    project.succeed(&["up"]);
    assert_eq!(project.nodes().len(), 2);
    hooks(&project);
    gaps(&project);
    beyond_ten(&project);
    gone(&project);
    copied(&project);
}

/// Going back runs the rollback hooks of what is gone back to; one that fails stops it, and the same command goes on.
fn hooks(project: &Project) {
    project.set("chart/values.yaml", "version: two\n");
    project.set("web/version", "v2\n");
    project.succeed(&["up"]);
    let jobs = || {
        let names =
            project.kubectl(&["get", "jobs", "-n", "ledgered", "-o", "jsonpath={.items[*].metadata.name}"]);
        names.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(jobs(), ["upgrade-two"]);
    let (text, _) = project.succeed(&["release", "show", "1"]);
    assert!(text.contains("5 hooks of chart ledgered/told"), "{text}");
    assert!(
        text.contains("Job ledgered/before-one  pre-rollback, weight 0, deleted before-hook-creation"),
        "{text}"
    );
    let (text, _) = project.succeed(&["release", "diff", "1"]);
    for line in [
        "+ hook ledgered/told: Job ledgered/after-two",
        "- hook ledgered/told: Job ledgered/after-one",
        r#"/stringData/word: "(changed)" → "(changed)""#,
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let records = project.kubectl(&["get", "configmaps", "-n", "devcluster-system", "-o", "json"]);
    assert!(!records.contains("hook-word") && !text.contains("hook-word"));

    let (_, said) = project.fail(&["release", "revert", "1"], 1);
    let said = one_line(&said);
    assert!(
        said.contains("pre-rollback hook Job ledgered/before-one of release ledgered/told failed"),
        "{said}"
    );
    assert_eq!(project.field("configmap", "told", "{.data.version}"), "two", "objects wait for it");
    assert_eq!(project.numbers(), [1, 2]);
    project.kubectl(&["create", "configmap", "gate", "-n", "ledgered", "--from-literal=open=yes"]);
    let output = project
        .command(&["release", "revert", "1"])
        .env("DEVCLUSTER_FAULT_POINT", "release-applied")
        .output();
    assert_eq!(output.expect("runs").status.signal(), Some(9));
    let before = project.field("job", "before-one", "{.metadata.uid}");
    project.succeed(&["release", "revert", "1"]);
    assert_eq!(jobs(), ["after-one", "before-one", "upgrade-two"], "and no others");
    assert_eq!(project.field("job", "before-one", "{.metadata.uid}"), before, "it had run");
    assert_eq!(project.field("configmap", "told", "{.data.version}"), "one");
    let word = project.field("secret", "key", "{.data.word}");
    assert_eq!(word, "aG9vay13b3JkLW9uZQ==", "a Secret is a hook, too");
    assert_eq!(project.served("app=web"), ["v1".to_owned()].into());
    assert_eq!(project.numbers(), [1, 2, 3]);
    let (said, _) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("nothing to do"), "{said}");
    let upgraded = project.field("job", "upgrade-two", "{.metadata.uid}");
    project.succeed(&["up"]);
    assert_ne!(
        project.field("job", "upgrade-two", "{.metadata.uid}"),
        upgraded,
        "it is an upgrade from there"
    );
    assert_eq!(project.numbers(), [1, 2, 3, 4]);
}

/// Pods beside which no other stands: that is said, and all are ready when the command ends.
fn gaps(project: &Project) {
    let replaced = |args: &[&str], serves: &str| {
        let before: BTreeSet<String> =
            project.pods("app=slow").iter().map(|pod| pod["metadata"]["uid"].to_string()).collect();
        assert_eq!(before.len(), 5);
        let (_, said) = project.succeed(args);
        let pods = project.pods("app=slow");
        for pod in &pods {
            let conditions = pod["status"]["conditions"].as_array().expect("conditions");
            let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
            assert!(ready && pod["metadata"]["deletionTimestamp"].is_null(), "{pod}");
            assert!(!before.contains(&pod["metadata"]["uid"].to_string()), "it runs other bytes: {pod}");
        }
        assert_eq!(pods.len(), 5);
        assert_eq!(project.served("app=slow"), [serves.to_owned()].into());
        for owner in [
            "StatefulSet ledgered/store has a gap: each of its Pods ends before the next one starts: store-1, store-0",
            "DaemonSet ledgered/agent has a gap",
            "warning: ReplicaSet ledgered/single-",
        ] {
            assert!(said.contains(owner), "no {owner} in {said}");
        }
    };
    project.set("slow/version", "s2\n");
    replaced(&["up"], "s2");
    replaced(&["release", "revert", "4"], "s1");
    replaced(&["up"], "s2");
    assert_eq!(project.numbers(), [1, 2, 3, 4, 5, 6, 7]);
}

/// Twelve more, half of them without the socket: names of the last ten stay on both nodes, and the oldest of these comes back.
fn beyond_ten(project: &Project) {
    for version in 8..20 {
        project.set("web/version", &format!("v{version}\n"));
        let output = if version % 2 == 0 { project.shut(&["up"]) } else { project.run(&["up"]) };
        assert!(output.status.success());
    }
    assert_eq!(project.numbers(), (1..20).collect::<Vec<u64>>());
    let wanted: BTreeSet<String> = (10..20)
        .flat_map(|release| {
            let images = project.images_of(release);
            let images = images.as_object().expect("images").values();
            images.map(|image| image["manifest"].as_str().expect("a digest").to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(wanted.len(), 11, "ten of the one image and the other");
    for node in project.nodes() {
        assert_eq!(kept(&node), wanted, "{node}");
    }
    assert!(project.shut(&["release", "revert", "10"]).status.success());
    assert_eq!(project.served("app=web"), ["v10".to_owned()].into());
    let (_, manifest) = project.web_of(10);
    for node in project.nodes() {
        assert_eq!(names(&node)[WEB], manifest, "{node}");
    }
    project.succeed(&["release", "revert", "19"]);
    assert_eq!(project.served("app=web"), ["v19".to_owned()].into());
}

/// Bytes that nodes have no more come from the engine; what that has not either is told before anything changes.
fn gone(project: &Project) {
    let ((one, first), (_, second)) = (project.web_of(1), project.web_of(2));
    for node in project.nodes() {
        collect(&node, &first);
    }
    collect(&project.nodes()[1], &second);
    docker(&["rmi", "--force", &one]);
    let before: Vec<_> = project.nodes().iter().map(|node| names(node)).collect();
    let numbers = project.numbers();
    let (_, said) = project.fail(&["release", "revert", "1"], 1);
    let said = one_line(&said);
    let nodes = project.nodes();
    let told = format!("{WEB} from {}, {}", nodes[0], nodes[1]);
    assert!(said.contains(&told) && said.contains("nothing was changed"), "no {told} in {said}");
    assert!(said.contains("run `devcluster up`, which builds or pulls them again"), "{said}");
    let after: Vec<_> = project.nodes().iter().map(|node| names(node)).collect();
    assert_eq!((before, numbers), (after, project.numbers()));
    let list = project.release(&["list"]);
    let gone: Vec<u64> = list["releases"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|release| !release["imagesGone"].as_array().expect("a list").is_empty())
        .map(|release| release["number"].as_u64().expect("a number"))
        .collect();
    assert_eq!(gone, [1, 3]);
    let (text, _) = project.succeed(&["release", "list"]);
    assert!(text.contains(&format!("cannot come back: {WEB} gone")), "{text}");
    let (_, said) = project.succeed(&["release", "revert", "2"]);
    assert!(said.contains("of release 2 from the engine"), "{said}");
    assert_eq!(project.served("app=web"), ["v2".to_owned()].into());
}

/// A cluster that cannot tell its ledger any more goes without a question: what was recorded last is in the copy.
fn copied(project: &Project) {
    let last = project.numbers().into_iter().max().expect("a release");
    let file = project.ledger_file();
    std::fs::remove_file(project.state().join("kubeconfig")).expect("removed");
    let (_, said) = project.succeed(&["down"]);
    assert!(one_line(&said).contains("the ledger of releases stays as it was copied"), "{said}");
    let text = std::fs::read_to_string(&file).expect("the ledger");
    assert!(text.contains(&format!("\"release-system-{last}\"")), "release {last} is not in it");
}

impl Project {
    fn ledger_file(&self) -> PathBuf {
        let home = self.state();
        let home = home.ancestors().nth(2).expect("the home");
        let cluster = self.state().file_name().expect("a name").to_string_lossy().into_owned();
        home.join("ledgers").join(format!("{cluster}.json"))
    }
}

/// The ledger is kept where data is, whatever takes the cluster away, and wherever `down` is killed; the next cluster has it, and goes
/// back with images from the engine.
#[test]
fn the_ledger_outlives_its_cluster() {
    let project = fixture("fixture-release");
    project.succeed(&["up"]);
    project.change();
    project.succeed(&["up"]);
    project.succeed(&["release", "annotate", "1", "the good one"]);
    let told = |number: &str| project.release(&["show", number]);
    let file = project.ledger_file();
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let modes = || (mode(&file), mode(file.parent().expect("a directory")));
    assert_eq!(modes(), (0o600, 0o700));
    let [taken, put] = LEDGER_POINTS;

    let killed = |args: &[&str], point: &str| {
        let output = project.command(args).env("DEVCLUSTER_FAULT_POINT", point).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), Some(9), "{point}: {said}");
    };
    unread(&project, &file);
    killed(&["down"], taken);
    assert_eq!(project.numbers(), [1, 2], "the cluster is still there");
    // What takes it away then is not `down`.
    project.succeed(&["release", "annotate", "2", "the last word"]);
    let (first, second) = (told("1"), told("2"));
    assert_eq!(second["notes"], serde_json::json!(["the last word"]));
    for node in project.nodes() {
        docker(&["rm", "--force", "--volumes", &node]);
    }
    let (_, said) = project.fail(&["release", "list"], 1);
    assert!(said.contains("there is no cluster"), "{said}");
    assert!(said.contains(&format!("is kept in {}", file.display())), "{said}");

    killed(&["up"], put);
    assert_eq!(project.numbers(), [1, 2], "it comes before anything is ready");
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("the ledger of releases is in this cluster again"), "{said}");
    assert_eq!((told("1"), told("2")), (first, second.clone()));
    let manifest = second["release"]["images"]["registry.example.com/released/web:1"]["manifest"].clone();
    let manifest = manifest.as_str().expect("a digest").to_owned();
    assert_eq!(kept(&project.nodes()[0]), [manifest].into(), "what the new nodes have is kept there again");
    let after = project.numbers();
    let (_, said) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("of release 1 from the engine"), "{said}");
    project.answers_alone("one blue first-word");
    project.kubectl_diff_is_empty(
        "-f",
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-release/deploy"),
    );
    assert_eq!(project.numbers().len(), after.len() + 1);
    let (said, _) = project.succeed(&["release", "revert", "1"]);
    assert!(said.contains("nothing to do"), "{said}");

    // A cluster that stands still has it, too; one that cannot tell it is not taken away unasked.
    for node in project.nodes() {
        docker(&["stop", "-t", "2", &node]);
    }
    let (_, said) = project.succeed(&["down"]);
    assert!(said.contains(&format!("kept in {}: the ledger of releases", file.display())), "{said}");
    assert_eq!(modes(), (0o600, 0o700));
    let (_, said) = project.succeed(&["down", "--data"]);
    assert!(said.contains("removed: the ledger of releases"), "{said}");
    assert!(!file.exists());
}

/// A cluster whose ledger cannot be read is not taken away unasked, and a file that is none is not overwritten.
fn unread(project: &Project, file: &Path) {
    std::fs::remove_file(file).expect("as of a version that kept no copy");
    let kubeconfig = project.state().join("kubeconfig");
    let away = kubeconfig.with_extension("away");
    std::fs::rename(&kubeconfig, &away).expect("renamed");
    let (_, said) = project.fail(&["down"], 1);
    let said = one_line(&said);
    assert!(said.contains("the ledger of releases cannot be taken out of cluster"), "{said}");
    assert!(said.contains("`devcluster down --yes` takes it away without its ledger"), "{said}");
    std::fs::rename(&away, &kubeconfig).expect("renamed");
    std::fs::write(file, "{").expect("written");
    for args in [&["down"][..], &["release", "revert", "1"]] {
        let (_, said) = project.fail(args, 1);
        assert!(one_line(&said).contains("holds no ledger of releases ("), "{said}");
    }
    assert_eq!(std::fs::read(file).expect("it is there"), b"{");
    std::fs::remove_file(file).expect("removed");
    assert_eq!(project.numbers(), [1, 2]);
}
