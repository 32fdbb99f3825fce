//! A project in a directory of its own, with a cluster and volumes of its own; all of it goes when the test ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A project and its cluster.
pub struct Project {
    root: tempfile::TempDir,
}

impl Project {
    /// The small system of `fixture/`.
    pub fn small() -> Self {
        Self::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture"))
    }

    /// The system of `fixture-dev/`, which is developed on.
    pub fn developed() -> Self {
        Self::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-dev"))
    }

    /// The system of `fixture-kinds/`, which has a workload of each kind.
    pub fn kinds() -> Self {
        Self::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixture-kinds"))
    }

    /// A copy of the project in `directory`.
    pub fn copy_of(directory: &Path) -> Self {
        let root = tempfile::Builder::new().prefix("e2e-").tempdir().expect("a temporary directory");
        let status = Command::new("cp").arg("-r").arg(directory).arg(root.path().join("project")).status();
        assert!(status.expect("cp runs").success());
        Self { root }
    }

    /// The project's directory.
    pub fn directory(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// Where the volumes' data of the project's cluster lives.
    pub fn volumes(&self) -> PathBuf {
        let clusters = self.root.path().join("home/volumes");
        let cluster =
            std::fs::read_dir(clusters).expect("volumes").next().expect("a cluster").expect("readable");
        cluster.path()
    }

    /// A call of devcluster in the project.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devcluster"));
        command
            .args(args)
            .current_dir(self.directory())
            .env("DEVCLUSTER_HOME", self.root.path().join("home"));
        command
    }

    /// Runs devcluster; whatever comes of it.
    pub fn run(&self, args: &[&str]) -> Output {
        let begun = std::time::Instant::now();
        let output = self.command(args).output().expect("devcluster runs");
        eprintln!(
            "--- devcluster {} ({}, {:.1} s)\n{}{}",
            args.join(" "),
            output.status,
            begun.elapsed().as_secs_f64(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Runs devcluster, which must succeed, and gives its standard output and standard error.
    pub fn succeed(&self, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        assert!(output.status.success(), "devcluster {} failed", args.join(" "));
        texts(&output)
    }

    /// Runs devcluster, which must end with `code`, and gives both its outputs.
    pub fn fail(&self, args: &[&str], code: i32) -> (String, String) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "exit code of devcluster {}", args.join(" "));
        texts(&output)
    }

    /// The node containers of clusters that this project made.
    pub fn clusters(&self) -> Vec<String> {
        let clusters =
            std::fs::read_dir(self.root.path().join("home/clusters")).into_iter().flatten().flatten();
        let list = |name: String| {
            let filter = format!("label=io.x-k8s.kind.cluster={name}");
            let output = Command::new("docker")
                .args(["ps", "-aq", "--filter", &filter])
                .output()
                .expect("docker runs");
            String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        clusters.flat_map(|cluster| list(cluster.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Runs kubectl against the project's cluster; it must succeed.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let output = self.try_kubectl(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {text}{said}", args.join(" "));
        text
    }

    /// Runs kubectl against the project's cluster, whatever comes of it.
    pub fn try_kubectl(&self, args: &[&str]) -> Output {
        let kubeconfig = self.state().join("kubeconfig");
        Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig).args(args).output().expect("kubectl runs")
    }

    /// `kubectl diff` of the manifests that `from` (`-f` or `-k`) and a path name, as production's pipeline would ask.
    pub fn kubectl_diff(&self, from: &str, path: &Path) -> Output {
        let path = path.to_str().expect("UTF-8");
        self.try_kubectl(&["diff", "--server-side", "--field-manager", "devcluster", from, path])
    }

    /// Holds that this diff is empty.
    pub fn kubectl_diff_is_empty(&self, from: &str, path: &Path) {
        let output = self.kubectl_diff(from, path);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.is_empty(), "{text}{said}");
    }

    /// What devcluster keeps of the project's cluster.
    pub fn state(&self) -> PathBuf {
        let clusters = std::fs::read_dir(self.root.path().join("home/clusters")).expect("clusters");
        clusters.flatten().next().expect("a cluster").path()
    }

    /// The names of the cluster's node containers.
    pub fn nodes(&self) -> Vec<String> {
        let text = self.kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"]);
        text.split_whitespace().map(Into::into).collect()
    }

    /// Replaces `old` by `new` in one of the project's files.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.directory().join(file);
        let text = std::fs::read_to_string(&path).expect("the file");
        assert!(text.contains(old), "{file} has no {old:?}");
        std::fs::write(path, text.replace(old, new)).expect("written");
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::env::var_os("DEVCLUSTER_KEEP").is_none() {
            let _ = self.command(&["down", "--data", "--yes"]).output();
        }
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
