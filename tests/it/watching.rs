//! Watching where the kernel does not help: file systems whose changes come unannounced, and limits.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use devcluster::watch::{WatchError, Watcher};

/// A directory under a second name, through a file system in user space.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(directory: &Path, at: &'a Path) -> Self {
        let status = Command::new("bindfs").arg("--no-allow-other").arg(directory).arg(at).status();
        assert!(status.expect("bindfs runs: testbed/tools/ensure bindfs").success());
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn what_others_change_on_a_file_system_that_tells_nothing_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let (real, seen) = (root.path().join("real"), root.path().join("seen"));
    for directory in [&real, &seen] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(real.join("file"), "one").unwrap();
    let _mounted = Mounted::new(&real, &seen);
    let mut watcher = Watcher::start(std::slice::from_ref(&seen)).unwrap();
    assert_eq!(watcher.polled.len(), 1, "{:?}", watcher.polled);
    fs::write(real.join("file"), "two two").unwrap();
    fs::write(real.join("new"), "new").unwrap();
    let mut missing = vec![seen.join("file"), seen.join("new")];
    while !missing.is_empty() {
        let batch = tokio::time::timeout(Duration::from_secs(20), watcher.batches.next()).await;
        let batch = batch.expect("told").expect("open");
        missing.retain(|path| !batch.paths.contains(path));
    }
}

/// The kernel counts watches by user and namespace: in one of its own, the test has few.
#[test]
fn the_kernels_limit_is_told_with_the_way_out() {
    const INSIDE: &str = "DEVCLUSTER_TEST_LIMITED";
    if std::env::var_os(INSIDE).is_none() {
        let script = "echo 5 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "watching::the_kernels_limit_is_told_with_the_way_out", "--nocapture"])
            .env(INSIDE, "yes")
            .output()
            .expect("unshare runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    for number in 0..10 {
        fs::create_dir(root.path().join(number.to_string())).unwrap();
    }
    let refused = Watcher::start(&[root.path().to_owned()]).err().expect("too many");
    assert!(matches!(refused, WatchError::Limit { .. }), "{refused}");
    assert!(refused.to_string().contains("sudo sysctl fs.inotify.max_user_watches="), "{refused}");
}
