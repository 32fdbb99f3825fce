//! A release rehearsed on copies in a real cluster: what old code cannot run on is told before anything is migrated, and nothing of
//! the rehearsal is left.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::developing::eventually;
use crate::harness::Project;

const REACHES: &str = r#"name=r
timeout 2 bash -c "exec 3<>/dev/tcp/items.$name.svc.cluster.local/5432" && echo "the real store is there" >&2 && exit 1
exec psql"#;
/// Real files are there with their rights, and one start of this copy's; of what is too large, nothing.
const FILES: &str = r#"exec 2>&1
[ "$(cat /files/mark)" = real ] && [ "$(stat -c %u-%a /files/mark)" = 999-600 ] || exit 1
[ "$(wc -l < /files/log)" -eq 1 ] && [ ! -e /large/real ] || exit 1
exec psql"#;
const WRITES: &str = "echo real > /files/mark; chown 999 /files/mark; chmod 600 /files/mark; : > /files/log; head -c 3000000 /dev/zero > /large/real";
const HOOK: &str =
    r#"last: '! psql -Atqc "SELECT column_name FROM information_schema.columns" | grep -x note'"#;
const SYSTEM: &str = "deploy/system.yaml";

impl Project {
    fn rehearsed_items(&self, statement: &str) -> String {
        let output =
            self.kubectl(&["exec", "-n", "r", "items-0", "--", "psql", "-U", "items", "-Atqc", statement]);
        output.trim().to_owned()
    }

    fn in_web(&self, script: &str) -> String {
        self.kubectl(&["exec", "-n", "r", "deployment/web", "--", "sh", "-c", script])
    }

    /// The real data and files, what runs on it, and the releases.
    fn real(&self) -> [String; 6] {
        [
            self.in_web("ls -lnR --time-style=full-iso /files /large; cat /files/log /files/mark"),
            self.rehearsed_items("SELECT count(*) FROM told"),
            self.rehearsed_items("SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM items i"),
            self.rehearsed_items("SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = 'items'"),
            self.kubectl(&["get", "pods", "-n", "r", "-o", "jsonpath={.items[*].metadata.uid}"]),
            self.succeed(&["release", "list", "-o", "json"]).0,
        ]
    }

    /// Holds that nothing of a rehearsal is in the cluster, on its nodes, or in the catalogue.
    pub fn nothing_is_left(&self) {
        let namespaces = self.kubectl(&["get", "namespaces", "-o", "name"]);
        assert!(!namespaces.contains("devcluster-rehearse"), "{namespaces}");
        let inventories = self.kubectl(&["get", "configmaps", "-n", "devcluster-system", "-o", "name"]);
        assert!(!inventories.contains("rehearsal"), "{inventories}");
        let (snapshots, _) = self.succeed(&["snapshot", "list", "-o", "json"]);
        assert!(!snapshots.contains("devcluster-rehearse"), "{snapshots}");
        let volumes = self.kubectl(&["get", "persistentvolumes", "-o", "name"]);
        assert!(!volumes.contains("devcluster-rehearse"), "{volumes}");
        assert!(!self.volumes().join(".rehearsal").exists());
        for node in self.nodes() {
            let mut list = Command::new("docker");
            list.args(["exec", &node, "ctr", "-n", "k8s.io", "images", "ls", "-q"]);
            let listed = list.output().expect("docker runs");
            let names = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(!names.contains("devcluster.local/rehearsal"), "{names}");
        }
    }

    /// What came of each way, `old/new` for old code on the new schema.
    fn rehearse(&self, code: i32) -> (Value, String) {
        let output =
            self.run(&["release", "rehearse", "--timeout", "60s", "--volumes-up-to", "2Mi", "-o", "json"]);
        assert_eq!(output.status.code(), Some(code));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let cells = report["cells"].as_array().expect("cells").iter().map(|cell| {
            format!("{}/{} {}", text(&cell["code"]), text(&cell["schema"]), text(&cell["verdict"]))
        });
        let cells = cells.collect::<Vec<_>>().join(", ");
        (report, cells)
    }

    fn migrate_with(&self, old: &str, new: &str, number: u32) {
        self.edit(SYSTEM, old, new);
        self.edit(SYSTEM, &format!("\"release {}\"", number - 1), &format!("\"release {number}\""));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn what_old_code_cannot_run_on_is_told_and_nothing_real_is_touched() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-rehearse");
    let project = Project::copy_of(&fixture);
    project.succeed(&["up"]);
    project.rehearsed_items(
        "INSERT INTO items SELECT n, 'name ' || n, 'note ' || n FROM generate_series(1, 500) n",
    );
    project.in_web(WRITES);
    let before = project.real();

    // Under the same tag: code that no longer asks for the column, and a hook that wants it gone.
    project.edit("web/probe", "SELECT note", "SELECT name");
    project.edit("web/probe", "exec psql", FILES);
    project.edit("chart/values.yaml", r#"last: "true""#, HOOK);
    project.migrate_with("SELECT 'release 1';", "ALTER TABLE items DROP COLUMN note;", 2);
    let (report, cells) = project.rehearse(1);
    assert_eq!(cells, "old/old passed, old/new failed, new/old failed, new/new passed");
    let why = text(&report["cells"][2]["why"]);
    assert!(
        why.contains("post-upgrade hook") && why.contains("a-second") && why.contains("/tells: note"),
        "{why}"
    );
    let why = text(&report["cells"][1]["why"]);
    assert!(why.contains("web") && why.contains(r#"column "note" does not exist"#), "{why}");
    let checks = report["cells"][3]["checks"].as_array().expect("checks").iter();
    let checks: Vec<&str> = checks.map(|check| text(&check["verdict"])).collect();
    assert_eq!(checks, ["passed", "skipped", "passed"], "{}", report["cells"][3]);
    assert_eq!(report["renamed"][0], "Deployment r/web: items.r.svc.cluster.local");
    assert!(
        report["volumes"]["r/files"].is_u64() && report["volumes"]["r/large"].is_null(),
        "{}",
        report["volumes"]
    );
    assert_eq!(
        report["emptied"][0],
        "Deployment r/web: large: its files take 3.0 MB, and --volumes-up-to is 2.1 MB"
    );
    let hooks = ["Job r/a-second", "Job r/b-first"];
    assert_eq!(report["hooks"], serde_json::json!(hooks));
    assert_eq!(project.real(), before);
    project.nothing_is_left();

    project.edit("chart/values.yaml", HOOK, r#"last: "true""#);
    // One that adds is for both. The new code is not ready where the real store can be reached: its name is put together there.
    project.edit("web/probe", "exec psql", REACHES);
    project.edit(
        SYSTEM,
        "ALTER TABLE items DROP COLUMN note;",
        "ALTER TABLE items ADD COLUMN IF NOT EXISTS price int;",
    );
    let killed =
        project.command(&["release", "rehearse"]).env("DEVCLUSTER_FAULT_POINT", "rehearsed").output();
    assert!(!killed.expect("it runs").status.success());
    assert!(
        project.kubectl(&["get", "namespaces", "-o", "name"]).contains("devcluster-rehearse-r"),
        "it was killed halfway"
    );
    let (_, cells) = project.rehearse(0);
    assert_eq!(cells, "old/old passed, old/new passed, new/old passed, new/new passed");
    assert_eq!(project.real(), before);
    project.nothing_is_left();

    ended_early(&project, &before);
    what_would_reach_further_is_refused(&project);
}

fn ended_early(project: &Project, before: &[String; 6]) {
    let killed =
        project.command(&["release", "rehearse"]).env("DEVCLUSTER_FAULT_POINT", "files-taken").output();
    assert!(!killed.expect("it runs").status.success());
    assert!(project.volumes().join(".rehearsal").exists(), "files were taken");
    let mut child = project.command(&["release", "rehearse"]).spawn().expect("it runs");
    eventually("a copy is there", || {
        project.kubectl(&["get", "namespaces", "-o", "name"]).contains("devcluster-rehearse-r")
    });
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(&project.real(), before);
    project.nothing_is_left();
}

fn what_would_reach_further_is_refused(project: &Project) {
    project.edit(SYSTEM, "items.r.svc.cluster.local", "items.elsewhere.svc");
    let (_, said) = project.fail(&["release", "rehearse"], 1);
    assert!(
        said.contains("Deployment r/web: items.elsewhere.svc is in a namespace that is not copied"),
        "{said}"
    );
    project.nothing_is_left();
}
