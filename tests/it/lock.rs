//! Locks of real manifests: the same root wherever they are, and every edit that matters caught, no other. What matters is
//! told by kubectl's and helm's own output, not by devcluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use devcluster::manifest::emit::value_to_yaml;
use devcluster::yaml;
use serde_json::Value;

/// A project's copy, and a home of its own.
struct Project {
    directory: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Project {
    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devcluster"));
        command.args(args).current_dir(self.path()).env("DEVCLUSTER_HOME", self.home.path());
        command
            .env_remove("DEVCLUSTER_LOCK_KEY")
            .env_remove("DEVCLUSTER_FILE")
            .env_remove("DEVCLUSTER_PROFILE");
        command
    }

    /// The exit code, and what was said.
    fn devcluster(&self, args: &[&str]) -> (i32, String) {
        run(&mut self.command(args))
    }

    fn lock(&self) -> String {
        let (code, said) = self.devcluster(&["lock"]);
        assert_eq!(code, 0, "{said}");
        std::fs::read_to_string(self.path().join("devcluster.lock")).unwrap()
    }
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

fn empty() -> Project {
    let directory = tempfile::tempdir().unwrap();
    Project { directory, home: tempfile::tempdir().unwrap() }
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            assert!(std::fs::copy(entry.path(), target).is_ok());
        }
    }
}

fn shop() -> Option<Project> {
    if Command::new("helm").arg("version").output().is_err() {
        eprintln!("skipped: there is no helm");
        return None;
    }
    let project = empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop"), project.path());
    // The example comes with its own.
    std::fs::remove_file(project.path().join("devcluster.lock")).unwrap();
    Some(project)
}

fn boutique() -> Option<Project> {
    let Some(manifests) = std::env::var_os("DEVCLUSTER_REAL_MANIFESTS") else {
        eprintln!("skipped: DEVCLUSTER_REAL_MANIFESTS names no directory of real manifests");
        return None;
    };
    let project = empty();
    copy(&Path::new(&manifests).join("online-boutique"), &project.path().join("deploy"));
    let config = "apiVersion: devcluster.dev/v1alpha1\nname: boutique\nmanifests:\n  - kustomize: deploy\n";
    std::fs::write(project.path().join("devcluster.yaml"), config).unwrap();
    Some(project)
}

fn git(directory: &Path, args: &[&str]) {
    let user = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let (code, said) = run(Command::new("git").current_dir(directory).args(user).args(args));
    assert_eq!(code, 0, "{said}");
}

fn elsewhere(project: &Project) {
    git(project.path(), &["init", "--quiet"]);
    git(project.path(), &["add", "--all"]);
    git(project.path(), &["commit", "--quiet", "-m", "a"]);
    let lock = project.lock();
    let path = project.path().display().to_string();
    assert!(!lock.contains(&path) && !lock.contains("not-a-secret"), "{lock}");
    assert!(!lock.contains("tree: null"), "{lock}");
    assert_eq!(project.lock(), lock, "a second run writes the same");
    git(project.path(), &["add", "--all"]);
    git(project.path(), &["commit", "--quiet", "-m", "lock"]);
    assert_eq!(project.lock(), lock, "a lock that is committed stays as it is");

    let clone = empty();
    let below = clone.path().join("a b/ü");
    git(clone.path(), &["clone", "--quiet", &path, below.to_str().unwrap()]);
    for (zone, locale) in [("Pacific/Chatham", "tr_TR.UTF-8"), ("America/St_Johns", "C")] {
        let mut command = clone.command(&["verify", "-o", "json"]);
        command.current_dir(&below).env("TZ", zone).env("LC_ALL", locale).env("LANG", locale);
        let (code, said) = run(command.env("HOME", clone.home.path()));
        assert_eq!(code, 0, "{said}");
        let mut command = clone.command(&["lock", "--out", "other.lock"]);
        command.current_dir(&below).env("TZ", zone).env("LC_ALL", locale);
        let (code, said) = run(command.env("HOME", clone.home.path()));
        assert_eq!(code, 0, "{said}");
        let other = std::fs::read_to_string(below.join("other.lock")).unwrap();
        std::fs::remove_file(below.join("other.lock")).unwrap();
        assert_eq!(other, lock);
    }
}

#[test]
fn the_examples_own_lock_is_of_what_is_there() {
    let Some(project) = shop() else { return };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let (code, said) = run(project.command(&["verify"]).current_dir(&example));
    assert_eq!(code, 0, "{said}write it anew: cd examples/shop && devcluster lock");
}

#[test]
fn the_shops_root_is_the_same_in_a_clone_elsewhere() {
    if let Some(project) = shop() {
        elsewhere(&project);
    }
}

#[test]
fn the_boutiques_root_is_the_same_in_a_clone_elsewhere() {
    if let Some(project) = boutique() {
        elsewhere(&project);
    }
}

#[test]
fn a_lock_that_cannot_be_compared_with_says_what_to_do() {
    let Some(project) = shop() else { return };
    let (code, said) = project.devcluster(&["verify"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`devcluster lock` writes it"), "{said}");
    let lock = project.lock();
    for (text, wanted) in [
        (lock.replacen("version: 1", "version: 9", 1), "bring devcluster up to date"),
        (lock.replacen("objects:", "<<<<<<< HEAD\nobjects:", 1), "a merge left a conflict here"),
        (lock.replacen("kubernetes: \"1.34\"", "kubernetes: \"1.33\"", 1), "edited by hand"),
    ] {
        std::fs::write(project.path().join("devcluster.lock"), text).unwrap();
        let (code, said) = project.devcluster(&["verify"]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_secret_that_differs_is_caught_by_who_has_the_key() {
    let project = empty();
    let write = |value: &str| {
        let secret =
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{word: {value}}}\n");
        std::fs::write(project.path().join("s.yaml"), secret).unwrap();
    };
    let config = "apiVersion: devcluster.dev/v1alpha1\nname: s\nmanifests:\n  - files: s.yaml\n";
    std::fs::write(project.path().join("devcluster.yaml"), config).unwrap();
    write("hunter2");
    let key = "5e".repeat(32);
    let (code, said) = run(project.command(&["lock"]).env("DEVCLUSTER_LOCK_KEY", &key));
    assert_eq!(code, 0, "{said}");
    let lock = std::fs::read_to_string(project.path().join("devcluster.lock")).unwrap();
    assert!(!lock.contains("hunter2") && !lock.contains(&key), "{lock}");
    write("hunter3");
    let (code, said) = run(project.command(&["verify"]).env("DEVCLUSTER_LOCK_KEY", &key));
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("~ Secret default/s\n    ~ /data/word\n    from s.yaml") && !said.contains("hunter"),
        "{said}"
    );
    let (code, said) = project.devcluster(&["verify"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("values of 1 Secret were not compared: there is no key"), "{said}");
    let (code, said) = run(project.command(&["verify"]).env("DEVCLUSTER_LOCK_KEY", "hunter4"));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("64 hexadecimal digits") && !said.contains("hunter4"), "{said}");
}

/// Edits of each kind of input, and what is said of them; nothing where they do not matter.
const KNOWN: [(&str, &str, &str, &str); 12] = [
    (
        "charts/notifications/values.yaml",
        "pullPolicy: IfNotPresent",
        "pullPolicy: Always",
        "imagePullPolicy now \"Always\"",
    ),
    ("charts/notifications/values.yaml", "keep: 500", "keep: 501", ""),
    ("charts/notifications/templates/service.yaml", "kind: Service", "kind: Service # a comment", ""),
    (
        "deploy/overlays/production/kustomization.yaml",
        "newTag: 1.4.2",
        "newTag: 1.4.3",
        "perhaps deploy/overlays/production/kustomization.yaml (it takes the key to tell)",
    ),
    (
        "deploy/overlays/production/kustomization.yaml",
        "=demo-password-not-a-secret",
        "=other",
        "+ Secret shop/",
    ),
    (
        "deploy/base/redis/redis.conf",
        "\n",
        "\n# read by redis alone, and still another file\n",
        "+ ConfigMap shop/redis-configuration-",
    ),
    ("devcluster.yaml", "profile: laptop", "profile: ci", ""),
    ("devcluster.yaml", "\"1.34\"", "\"1.33\"", "~ Kubernetes' version\n    ~ now 1.33"),
    ("devcluster.yaml", "shop-small}", "shop-large}", "+ data of shop/postgres: snapshot shop-large"),
    ("devcluster.yaml", "[shop/migrate]", "[]", "~ migrations"),
    (
        "services/catalogue/main.go",
        "package main",
        "package main // of the catalogue",
        "~ what registry.example.com/shop/catalogue:1.4.2 is built from\n    from services/catalogue/main.go",
    ),
    ("services/catalogue/.dockerignore", "\n", "\n# says nothing\n", ""),
];

#[test]
fn every_kind_of_input_is_followed() {
    let Some(project) = shop() else { return };
    project.lock();
    for (file, from, to, wanted) in KNOWN {
        let path = project.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let (code, said) = project.devcluster(&["verify"]);
        std::fs::write(&path, text).unwrap();
        assert_eq!(code, if wanted.is_empty() { 0 } else { 4 }, "{file}, {from} to {to}:\n{said}");
        assert!(said.contains(wanted), "{file}, {from} to {to}:\n{said}");
    }
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Comment,
    Rewritten,
    Value,
    Order,
    Unit,
    Tag,
    Default,
}

/// In turn; the last one where there is a chart.
const KINDS: [Kind; 7] =
    [Kind::Comment, Kind::Rewritten, Kind::Value, Kind::Order, Kind::Unit, Kind::Tag, Kind::Default];

/// Files that an edit may be made in.
fn editable(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "templates" | "services" | "snapshots" | "load" | ".git") {
                editable(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "yaml")
            && !matches!(name.as_str(), "kustomization.yaml" | "Chart.yaml" | "devcluster.yaml")
        {
            found.push(path);
        }
    }
}

/// Places of leaves or lists, as pointers; what names an object, so that another would be there, is left alone.
fn places(value: &Value, at: &str, wanted: &dyn Fn(&str, &Value) -> bool, found: &mut Vec<String>) {
    let fixed = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
    if fixed.contains(&at) {
        return;
    }
    if wanted(at, value) {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), wanted, found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{number}"), wanted, found);
            }
        }
        _ => {}
    }
}

fn is_amount(at: &str, value: &Value) -> bool {
    let parts: Vec<&str> = at.rsplit('/').collect();
    let named = matches!(parts[0], "cpu" | "memory" | "storage");
    named && matches!(parts.get(1), Some(&("requests" | "limits"))) && other_unit(value).is_some()
}

/// The same amount, written otherwise.
fn other_unit(value: &Value) -> Option<Value> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 = number.parse().ok()?;
    Some(match &text[number.len()..] {
        "" => format!("{amount}000m").into(),
        "m" => format!("{}.{:03}", amount / 1000, amount % 1000).into(),
        "Mi" => format!("{}Ki", amount * 1024).into(),
        "Gi" => format!("{}Mi", amount * 1024).into(),
        _ => return None,
    })
}

/// One edit of a file's text; none where the file has nothing of the kind.
fn edit(kind: Kind, text: &str, random: &mut Random) -> Option<String> {
    if kind == Kind::Comment {
        let lines: Vec<&str> = text.lines().collect();
        let tops: Vec<usize> =
            (0..lines.len()).filter(|at| lines[*at].starts_with(|c: char| c.is_ascii_alphabetic())).collect();
        let at = tops[random.below(tops.len())];
        return Some(format!("{}\n# says nothing\n{}\n", lines[..at].join("\n"), lines[at..].join("\n")));
    }
    let mut documents: Vec<Value> =
        yaml::load(text).documents.into_iter().map(|document| document.value).collect();
    let which = random.below(documents.len());
    let document = &mut documents[which];
    let wanted: &dyn Fn(&str, &Value) -> bool = match kind {
        Kind::Comment | Kind::Rewritten => &|at, _| at.is_empty(),
        Kind::Value | Kind::Default => &|_, value| value.is_string() || value.is_i64() || value.is_boolean(),
        Kind::Order => {
            &|_, value| value.as_array().is_some_and(|items| items.len() > 1 && items[0] != items[1])
        }
        Kind::Unit => &is_amount,
        Kind::Tag => &|at, value| value.is_string() && (at.ends_with("/image") || at.ends_with("/image/tag")),
    };
    let mut found = Vec::new();
    places(document, "", wanted, &mut found);
    if found.is_empty() {
        return None;
    }
    let place = document.pointer_mut(&found[random.below(found.len())]).unwrap();
    match (kind, &mut *place) {
        (Kind::Unit, value) => *value = other_unit(value).unwrap(),
        (Kind::Order, Value::Array(items)) => items.swap(0, 1),
        (Kind::Value | Kind::Tag | Kind::Default, Value::String(text)) => text.push('7'),
        (Kind::Value | Kind::Default, Value::Bool(value)) => *value = !*value,
        (Kind::Value | Kind::Default, value) if value.is_i64() => {
            *value = (value.as_i64().unwrap() + 1).into();
        }
        _ => {}
    }
    Some(documents.iter().map(value_to_yaml).collect::<Vec<_>>().join("---\n"))
}

/// What kubectl and helm make of the project; none where they refuse.
fn rendered(project: &Project, kustomization: &str, chart: bool) -> Option<String> {
    let (code, mut text) =
        run(Command::new("kubectl").args(["kustomize", kustomization]).current_dir(project.path()));
    if code != 0 {
        return None;
    }
    if chart {
        let args =
            ["template", "notifications", "charts/notifications", "-n", "shop", "--kube-version", "1.34"];
        let values = ["-f", "deploy/notifications-values.yaml"];
        let (code, more) = run(Command::new("helm").args(args).args(values).current_dir(project.path()));
        if code != 0 {
            return None;
        }
        text.push_str(&more);
    }
    Some(text)
}

/// How many edits are made: `usual`, or as DEVCLUSTER_EDITS has it, for the table in docs/lock.md.
fn wanted_edits(usual: usize) -> usize {
    std::env::var("DEVCLUSTER_EDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Makes `count` edits, one at a time, each of the next kind.
fn edits(project: &Project, kustomization: &str, chart: bool, count: usize, seed: u64) {
    let before = rendered(project, kustomization, chart).unwrap();
    project.lock();
    assert_eq!(project.devcluster(&["verify"]).0, 0);
    let mut files = Vec::new();
    editable(project.path(), &mut files);
    let mut random = Random(seed);
    let (mut made, mut caught, mut tries) = (0, 0, 0);
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    while made < count {
        tries += 1;
        assert!(tries < count * 100, "too few places to edit");
        let kind = KINDS[made % if chart { KINDS.len() } else { KINDS.len() - 1 }];
        let file = &files[random.below(files.len())];
        if kind == Kind::Default && !file.ends_with("charts/notifications/values.yaml") {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        let Some(edited) = edit(kind, &text, &mut random) else { continue };
        std::fs::write(file, &edited).unwrap();
        let after = rendered(project, kustomization, chart);
        let Some(after) = after else {
            std::fs::write(file, text).unwrap();
            continue;
        };
        // A unit changes what is printed, and means the same.
        let matters = kind != Kind::Unit && after != before;
        let (code, said) = project.devcluster(&["verify"]);
        std::fs::write(file, &text).unwrap();
        let name = file.strip_prefix(project.path()).unwrap().display().to_string();
        assert_eq!(code, if matters { 4 } else { 0 }, "{kind:?} in {name}:\n{edited}\n{said}");
        assert!(!matters || said.contains(&name), "{kind:?}: {name} is not named:\n{said}");
        made += 1;
        caught += usize::from(matters);
        table.entry(format!("{kind:?}")).or_default()[usize::from(matters)] += 1;
        eprintln!("{kind:?} in {name}: {}", if matters { "caught" } else { "does not matter" });
    }
    for (kind, [silent, caught]) in table {
        eprintln!("| {kind} | {caught} | {silent} |");
    }
    eprintln!("{made} edits, {caught} of them mattered");
    assert!(
        caught >= count / 4 && caught <= count * 3 / 4,
        "{caught} of {made} edits mattered: a poor mixture"
    );
    assert_eq!(project.devcluster(&["verify"]).0, 0, "everything is as it was");
}

#[test]
fn edits_of_the_shop_that_matter_are_caught_and_no_others() {
    if let Some(project) = shop() {
        edits(&project, "deploy/overlays/production", true, wanted_edits(42), 0x9e37_79b9_7f4a_7c15);
    }
}

#[test]
fn edits_of_the_boutique_that_matter_are_caught_and_no_others() {
    if let Some(project) = boutique() {
        edits(&project, "deploy", false, wanted_edits(24), 0x2545_f491_4f6c_dd1d);
    }
}

/// Whether a migration can be taken back is in the lock, with why, and what changes that is a difference.
#[test]
fn what_a_migration_takes_is_in_the_lock() {
    let project = empty();
    let write = |name: &str, text: &str| {
        let file = project.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write(
        "devcluster.yaml",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: [{files: deploy}]\n\
         migrations: [{name: shop/migrate, statements: [db]}]\n",
    );
    write(
        "deploy/job.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, namespace: shop}\nspec: {template: {spec: \
         {restartPolicy: Never, containers: [{name: m, image: shop/web, command: [bin/rails, 'db:migrate']}]}}}\n",
    );
    write("db/1.sql", "CREATE TABLE t (id int);\n");
    let text = project.lock();
    assert!(text.contains("- name: shop/migrate\n  reversible: additive\n  statements: "), "{text}");
    // A comment, and another place of the same: no statement is another.
    write("db/1.sql", "-- the first\nCREATE TABLE t (id int);\n");
    assert_eq!(project.devcluster(&["verify"]).0, 0);
    write("db/2.sql", "ALTER TABLE t DROP COLUMN id; -- 'hunter2'\nINSERT INTO t VALUES ('hunter2');\n");
    let (code, said) = project.devcluster(&["verify"]);
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains(
            "~ migration shop/migrate\n    ~ now one-way: db/2.sql:1: ALTER TABLE t DROP COLUMN id"
        ),
        "{said}"
    );
    let text = project.lock();
    assert!(text.contains("reversible: one-way") && text.contains("its values are lost"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let (code, said) = project.devcluster(&["verify"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("note: migration shop/migrate cannot be taken back (one-way)"), "{said}");
    // Without its statements' files, nobody can tell.
    write(
        "devcluster.yaml",
        "apiVersion: devcluster.dev/v1alpha1\nname: a\nmanifests: [{files: deploy}]\nmigrations: [shop/migrate]\n",
    );
    let text = project.lock();
    assert!(text.contains("reversible: unknown\n  because:\n    - "), "{text}");
    write("devcluster.lock", &text.replace("reversible: unknown", "reversible: perhaps"));
    let (code, said) = project.devcluster(&["verify"]);
    assert!(code == 1 || code == 2, "{code}");
    assert!(said.contains("`reversible: perhaps` is not known here"), "{said}");
}
