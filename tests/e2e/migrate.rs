//! Migrations in a real cluster: what cannot be taken back is told before it runs, and a snapshot of then brings it back.

use crate::developing::{Dev, eventually};
use crate::harness::Project;

const SYSTEM: &str = "deploy/system.yaml";
/// The statement that a release's migration ends with.
const FIRST: &str = "SELECT 'release 1';";

impl Project {
    fn items(&self, statement: &str) -> String {
        let output =
            self.kubectl(&["exec", "-n", "m", "items-0", "--", "psql", "-U", "items", "-Atqc", statement]);
        output.trim().to_owned()
    }

    /// A release whose migration ends with another statement.
    fn deploy(&self, statement: &str, number: u32) {
        let file = self.directory().join(SYSTEM);
        let text = std::fs::read_to_string(&file).expect("a manifest");
        let lines = text.lines().map(|line| match line {
            line if line.starts_with("    ") && line.ends_with(&format!("-- release {}", number - 1)) => {
                format!("    {statement} -- release {number}")
            }
            line => line.replace(&format!("\"release {}\"", number - 1), &format!("\"release {number}\"")),
        });
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("written");
    }

    /// The snapshots that were taken by themselves, the oldest first.
    fn taken(&self) -> Vec<String> {
        let (text, _) = self.succeed(&["snapshot", "list", "-o", "json"]);
        let listed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let all = listed["snapshots"].as_array().expect("snapshots").iter();
        let mut names: Vec<(String, String)> = all
            .map(|one| (one["created"].to_string(), one["name"].as_str().unwrap_or_default().to_owned()))
            .filter(|(_, name)| name.starts_with("before-"))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }
}

#[test]
fn what_cannot_be_taken_back_is_told_before_and_brought_back() {
    let project =
        Project::copy_of(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-migrate"));
    project.edit(SYSTEM, FIRST, "SELECT 1; -- release 1");
    let (plan, _) = project.succeed(&["plan"]);
    assert!(plan.contains("m/migrate") && plan.contains("additive"), "{plan}");
    project.succeed(&["up"]);
    assert_eq!(project.taken(), Vec::<String>::new(), "nothing was there to be lost");
    project.items("INSERT INTO items SELECT n, 'name ' || n, 'note ' || n FROM generate_series(1, 500) n");
    told_and_brought_back(&project);
    additive_ones_take_none(&project);
    an_init_container_is_one_too(&project);
    three_are_kept(&project);
    a_cluster_made_anew_is_no_excuse(&project);
}

/// In `dev`, what a saved file has run anew migrates as well: an init container of a Pod that is replaced, and a Job.
#[test]
fn developing_secures_what_migrates_anew() {
    let project =
        Project::copy_of(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-migrate"));
    let write = |path: &str, text: &str| {
        let path = project.directory().join("prepare").join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("Dockerfile", "FROM postgres:15\nCOPY prepare.sql /prepare.sql\n");
    write("prepare.sql", "SELECT 'first';\n");
    let image = "registry.example.com/m/prepare";
    project.edit(
        "devcluster.yaml",
        "migrations:",
        &format!("images: [{{name: {image}, context: prepare}}]\nmigrations:"),
    );
    project.edit(
        SYSTEM,
        "image: postgres:15\n          command: [psql, --quiet, \"--command=CREATE TABLE IF NOT EXISTS prepared (id integer PRIMARY KEY)\"]",
        &format!("image: {image}:1\n          command: [psql, --quiet, --set=ON_ERROR_STOP=1, --file=/prepare.sql]"),
    );
    project.edit(
        SYSTEM,
        "image: postgres:15\n          command: [psql, --quiet, --set",
        &format!("image: {image}:1\n          command: [psql, --quiet, --set"),
    );
    let job = || project.kubectl(&["get", "job", "-n", "m", "migrate", "-o", "jsonpath={.metadata.uid}"]);
    let mut dev = Dev::start(&project, &["--recreate-jobs"], None);
    let before = job();
    assert_eq!(project.taken(), Vec::<String>::new(), "nothing was there to be lost");
    project.items("INSERT INTO items SELECT n, 'name ' || n, 'note ' || n FROM generate_series(1, 500) n");
    write("prepare.sql", "DELETE FROM items WHERE id > 400;\n");
    dev.says("swap: registry.example.com/m/prepare in", 1);
    assert_eq!(project.items("SELECT count(*) FROM items"), "400");
    // As `up` told at first, where there was nothing to be lost.
    assert_eq!(dev.times("whether migration m/web/prepare can be taken back is unknown"), 2);
    let taken = project.taken();
    let name =
        taken.iter().find(|name| name.starts_with("before-m-web-prepare-")).expect("a snapshot before it");
    dev.says(&format!("devcluster snapshot load {name} --store m/items"), 1);
    eventually("the Job ran anew", || job() != before);
    // One that fails is told, and the snapshot of before stays.
    write("prepare.sql", "SELECT 1 / 0;\n");
    dev.says("run migration m/web/prepare", 1);
    write("prepare.sql", "SELECT 'last';\n");
    dev.says("swap: registry.example.com/m/prepare in", 2);
    // A key runs the Job anew, and what is secured before is what it may take by now.
    project.edit(SYSTEM, FIRST, "DELETE FROM items WHERE id > 300;");
    dev.says("the system is as the manifests are", 1);
    let before = job();
    dev.press('j');
    dev.says("1 Job run anew", 1);
    assert_ne!(job(), before);
    assert_eq!(project.items("SELECT count(*) FROM items"), "300");
    let all = project.taken();
    let of_job = all.iter().find(|name| name.starts_with("before-m-migrate-")).expect("a snapshot before it");
    dev.says(&format!("devcluster snapshot load {of_job} --store m/items"), 1);
    dev.quit();
    // What was taken before the first is not replaced by what was taken before those after it.
    let second = format!("{name}-2");
    assert!(project.taken().contains(&second), "{:?}", project.taken());
    for (name, rows) in [(name, "500"), (&second, "400"), (of_job, "400")] {
        project.succeed(&["snapshot", "load", name, "--store", "m/items"]);
        assert_eq!(project.items("SELECT count(*) FROM items"), rows);
    }
}

fn told_and_brought_back(project: &Project) {
    let before = project.items("SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM items i");
    project.deploy("ALTER TABLE items DROP COLUMN IF EXISTS note;", 2);
    project.edit("deploy/reader.yaml", "colour: blue", "colour: red");
    project.edit("chart/values.yaml", "one", "two");
    let (plan, _) = project.succeed(&["plan"]);
    assert!(plan.contains("one-way: /migrations/schema.sql:2: ALTER TABLE items DROP COLUMN note"), "{plan}");
    // Killed once the snapshot stands: the column is there still, and the next run keeps the snapshot.
    let killed = project.command(&["up"]).env("DEVCLUSTER_FAULT_POINT", "secured").output().expect("it runs");
    assert!(!killed.status.success());
    let said = String::from_utf8_lossy(&killed.stderr).into_owned();
    assert!(said.contains("migration m/migrate is one-way"), "{said}");
    assert_eq!(project.items("SELECT count(note) FROM items"), "500");
    let taken = project.taken();
    assert_eq!(taken.len(), 1);
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("from the run that was cut short"), "{said}");
    assert_eq!(project.items("SELECT count(*) FROM information_schema.columns WHERE table_name = 'items' AND column_name = 'note'"), "0");
    assert_eq!(project.taken(), taken);
    let command = format!("devcluster snapshot load {} --store m/items", taken[0]);
    assert!(said.contains(&command), "{said}");
    // The code alone cannot go back over it; with its data it can, and forward again, where the migration runs anew.
    let (_, said) = project.fail(&["release", "revert", "1"], 1);
    assert!(said.contains(&taken[0]) && said.contains("--restore-data"), "{said}");
    all_goes_back_in_order(project, &before);
    project.succeed(&["up"]);
    assert_eq!(project.items("SELECT count(*) FROM information_schema.columns WHERE table_name = 'items' AND column_name = 'note'"), "0");
    let taken = project.taken();
    let (_, said) = project.succeed(&["snapshot", "load", &taken[0], "--store", "m/items"]);
    assert_eq!(project.items("SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM items i"), before);
    let (_, told) = project.succeed(&["up"]);
    assert!(told.contains("nothing to do"), "{told}");
    // The schema is of the snapshot's time, and the command that is named for it brings it to this one.
    let command = format!("devcluster snapshot load {} --store m/items --migrate", taken[0]);
    assert!(said.contains(&command), "{said}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let (_, said) = project.succeed(&words);
    assert!(said.contains("migration m/migrate is one-way"), "{said}");
    assert_eq!(project.items(NOTES), "0");
    assert_eq!(project.items("SELECT count(*) FROM items"), "500");
    assert_eq!(project.items("SELECT count(*) FROM prepared"), "0", "the init container's ran, too");
    // What it is reset to is what the migrations left.
    project.items("DELETE FROM items");
    project.succeed(&["snapshot", "reset", "--store", "m/items"]);
    assert_eq!(
        (project.items(NOTES), project.items("SELECT count(*) FROM items")),
        ("0".into(), "500".into())
    );
    let (_, said) = project.succeed(&["snapshot", "reset", "--store", "m/items", "--migrate"]);
    assert!(said.contains("migration m/migrate is done"), "{said}");
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("nothing to do"), "{said}");
}

/// Objects, data, the hooks that follow, Pods; a run that is killed after the hooks is gone on with, and what the hooks did to the data
/// that came back stays.
fn all_goes_back_in_order(project: &Project, before: &str) {
    // A Pod that started with what goes back now.
    project.kubectl(&["delete", "pods", "-n", "m", "-l", "app=reader"]);
    let revert = ["release", "revert", "1", "--restore-data"];
    let killed = project.command(&revert).env("DEVCLUSTER_FAULT_POINT", "release-hooked").output();
    assert!(!killed.expect("it runs").status.success());
    let held = |rest: &str| {
        assert_eq!(project.items("SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM items i"), before);
        assert_eq!(project.items("SELECT notes || ' ' || drops FROM hooked"), "1 0", "{rest}");
        let job = project.kubectl(&["get", "job", "migrate", "-n", "m", "--ignore-not-found", "-o", "name"]);
        assert_eq!(job, "", "it does not run on what came back, {rest}");
    };
    held("killed");
    project.items("INSERT INTO hooked VALUES (7, 7)");
    let (_, said) = project.succeed(&revert);
    assert!(said.contains("was brought back by the run that was cut short"), "{said}");
    assert_eq!(
        project.items("DELETE FROM hooked WHERE notes = 7 RETURNING drops"),
        "7",
        "it is not loaded twice"
    );
    held("complete");
    let time = |args: &[&str]| project.kubectl(&[&["get", "-n", "m"], args].concat());
    let hooked = time(&["job", "after-one", "-o", "jsonpath={.status.completionTime}"]);
    let started =
        time(&["pods", "-l", "app=reader", "-o", "jsonpath={.items[*].metadata.creationTimestamp}"]);
    let newest = started.split(' ').max().expect("a Pod").to_owned();
    assert!(!hooked.is_empty() && newest >= hooked, "Pods come last: {started} and {hooked}");
    let pod = time(&["pods", "-l", "app=reader", "--sort-by=.metadata.creationTimestamp", "-o", "name"]);
    let pod = pod.trim().lines().last().expect("a Pod").to_owned();
    assert_eq!(project.kubectl(&["exec", "-n", "m", &pod, "--", "printenv", "COLOUR"]).trim(), "blue");
}

/// How many columns of that name there are.
const NOTES: &str =
    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'items' AND column_name = 'note'";

fn additive_ones_take_none(project: &Project) {
    let taken = project.taken();
    project.deploy("ALTER TABLE items ADD COLUMN price int;", 3);
    let (_, said) = project.succeed(&["up"]);
    assert!(!said.contains("one-way") && !said.contains("snapshot load"), "{said}");
    assert_eq!(project.items("SELECT count(*) FROM items WHERE price IS NULL"), "500");
    project.deploy("ALTER TABLE items RENAME COLUMN price TO cents;", 4);
    let (_, said) = project.succeed(&["up"]);
    assert!(
        said.contains("ALTER TABLE items RENAME COLUMN cents TO price"),
        "what undoes it is named: {said}"
    );
    assert_eq!(project.taken(), taken);
}

fn an_init_container_is_one_too(project: &Project) {
    project.edit(
        SYSTEM,
        "--command=CREATE TABLE IF NOT EXISTS prepared (id integer PRIMARY KEY)",
        "--command=DELETE FROM items WHERE id > 400",
    );
    let (_, said) = project.succeed(&["up"]);
    assert!(said.contains("migration m/web/prepare is one-way"), "{said}");
    assert_eq!(project.items("SELECT count(*) FROM items"), "400");
    let taken = project.taken();
    let name =
        taken.iter().find(|name| name.starts_with("before-m-web-prepare-")).expect("a snapshot of its own");
    project.succeed(&["snapshot", "load", name, "--store", "m/items"]);
    assert_eq!(project.items("SELECT count(*) FROM items"), "500");
}

fn three_are_kept(project: &Project) {
    for number in 5..8 {
        project.deploy(&format!("UPDATE items SET name = 'release {number}';"), number);
        project.succeed(&["up"]);
    }
    assert_eq!(project.taken().len(), 3);
    project.deploy("UPDATE items SET name = 'none';", 8);
    let (_, said) = project.succeed(&["up", "--no-snapshot"]);
    assert!(said.contains("is one-way") && !said.contains("snapshot load"), "{said}");
    assert_eq!(project.taken().len(), 3);
}

/// The volumes are found again, and with them data that a migration may take.
fn a_cluster_made_anew_is_no_excuse(project: &Project) {
    project.succeed(&["down", "--yes"]);
    project.deploy("DELETE FROM items;", 9);
    let before = project.taken();
    project.succeed(&["up"]);
    assert_eq!(project.items("SELECT count(*) FROM items"), "0");
    let taken = project.taken();
    let new = taken.iter().find(|name| !before.contains(name)).expect("a snapshot before it");
    project.succeed(&["snapshot", "load", new, "--store", "m/items"]);
    assert_eq!(project.items("SELECT count(*) FROM items WHERE name = 'none'"), "500");
}
