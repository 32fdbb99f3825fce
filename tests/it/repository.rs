//! A project in a git repository of its own, for tests of what devcluster does with git.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A project, the home of its devcluster, and nothing of the user's own configuration.
pub struct Repository {
    /// The work tree.
    pub directory: PathBuf,
    temporary: tempfile::TempDir,
}

const CONFIG: &str = "\
apiVersion: devcluster.dev/v1alpha1
name: shop
manifests:
  - files: deploy
environments:
  - name: staging
  - {name: production, production: true}
";

const MANIFESTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: registry.example.com/shop/web:1.4}
        - {name: log, image: registry.example.com/shop/log:2}
---
apiVersion: v1
kind: Secret
metadata: {name: database, namespace: shop}
stringData: {password: hunter2}
";

impl Repository {
    /// A committed project with its lock.
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("project");
        std::fs::create_dir_all(directory.join("deploy")).unwrap();
        let new = Self { directory, temporary };
        new.write("devcluster.yaml", CONFIG);
        new.write("deploy/all.yaml", MANIFESTS);
        new.git(&["init", "--quiet", "--initial-branch", "main"]);
        new.lock();
        new
    }

    /// A place beside the project.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// The project's clone beside it, with an own home.
    pub fn cloned(&self, from: &Path) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("clone");
        self.git(&["clone", "--quiet", from.to_str().unwrap(), directory.to_str().unwrap()]);
        Self { directory, temporary }
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let place = self.directory.join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    /// Replaces text in a file of the project.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.directory.join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replace(from, to));
    }

    /// Writes the lock anew and commits everything; the lock's root.
    pub fn lock(&self) -> String {
        let (code, said) = self.devcluster(&["lock"]);
        assert_eq!(code, 0, "{said}");
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
        self.root()
    }

    /// The root of the lock that is there.
    pub fn root(&self) -> String {
        let lock = std::fs::read_to_string(self.directory.join("devcluster.lock")).unwrap();
        let root = lock.lines().find_map(|line| line.strip_prefix("root: ")).unwrap();
        root.trim_matches('"').to_owned()
    }

    /// A command in the project.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.directory).stdin(Stdio::null());
        for name in ["DEVCLUSTER_LOCK_KEY", "DEVCLUSTER_SIGNING_KEY", "DEVCLUSTER_FILE", "DEVCLUSTER_PROFILE"]
        {
            command.env_remove(name);
        }
        let user = [("NAME", "Ada"), ("EMAIL", "ada@example.com")];
        for (name, value) in user {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command
            .env("DEVCLUSTER_HOME", self.beside("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            // No engine: what it has must not decide what comes out.
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command
    }

    /// devcluster's exit code, and all that it said.
    pub fn devcluster(&self, args: &[&str]) -> (i32, String) {
        run(&mut self.command(env!("CARGO_BIN_EXE_devcluster"), args))
    }

    /// What devcluster tells machines.
    pub fn json(&self, args: &[&str]) -> Value {
        let output =
            self.command(env!("CARGO_BIN_EXE_devcluster"), args).args(["-o", "json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What git prints; it must succeed.
    pub fn git(&self, args: &[&str]) -> String {
        let (code, said) = self.try_git(args);
        assert_eq!(code, 0, "git {args:?}: {said}");
        said.trim().to_owned()
    }

    /// Git's exit code, and all that it said.
    pub fn try_git(&self, args: &[&str]) -> (i32, String) {
        run(&mut self.command("git", args))
    }

    /// An attestation about a lock, beside the project.
    pub fn attestation(&self, name: &str, lock: &str, results: &[(&str, &str)]) -> String {
        let steps: Vec<Value> =
            results.iter().map(|(name, result)| json!({"name": name, "verdict": result})).collect();
        let failed = results.iter().any(|(_, result)| *result == "failed");
        let result = json!({"verdict": if failed { "failed" } else { "passed" }, "steps": steps});
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "devcluster.lock", "digest": {"sha256": lock}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {"buildType": "https://devcluster.dev/ci/v1"},
                "runDetails": {"builder": {"id": "x"}},
                "devcluster_result": result,
            },
        });
        let path = self.beside(name);
        std::fs::write(&path, statement.to_string()).unwrap();
        path.display().to_string()
    }
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}
