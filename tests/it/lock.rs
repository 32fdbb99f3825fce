//! Locks of real manifests: the same root wherever they are, and every edit that matters caught, no other. What matters is
//! told by kubectl's and helm's own output, not by devcluster.

use std::path::Path;
use std::process::Command;

/// A project's copy, and a home of its own.
pub struct Project {
    directory: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Project {
    pub fn path(&self) -> &Path {
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
    pub fn devcluster(&self, args: &[&str]) -> (i32, String) {
        run(&mut self.command(args))
    }

    pub fn lock(&self) -> String {
        let (code, said) = self.devcluster(&["lock"]);
        assert_eq!(code, 0, "{said}");
        std::fs::read_to_string(self.path().join("devcluster.lock")).unwrap()
    }
}

pub fn run(command: &mut Command) -> (i32, String) {
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

pub fn shop() -> Option<Project> {
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

pub fn boutique() -> Option<Project> {
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
