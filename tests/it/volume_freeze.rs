//! Containers are frozen by this machine's own kernel: a cgroup with a program that writes pairs of files in place of a
//! container. Needs the right to make cgroups, as root has it; clusters' nodes are tried by the tests on clusters.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use devcluster::data::volume::Frozen;

use crate::volume_node::Here;

const ROOT: &str = "/sys/fs/cgroup";

/// A program in a cgroup of its own, which writes ever the same number to two files.
struct Writer {
    id: String,
    group: PathBuf,
    child: Child,
    files: tempfile::TempDir,
}

impl Writer {
    /// None where no cgroup can be made.
    fn start(id: &str) -> Option<Self> {
        let is_v2 = Path::new(ROOT).join("cgroup.controllers").exists();
        let id = format!("{id}{:032x}", std::process::id());
        let group =
            Path::new(ROOT).join(if is_v2 { "" } else { "freezer" }).join(format!("devcluster-test-{id}"));
        if let Err(error) = std::fs::create_dir(&group) {
            eprintln!("not tried: {} cannot be made: {error}", group.display());
            return None;
        }
        let files = tempfile::tempdir().expect("a directory");
        let script = "while :; do n=$((n + 1)); echo $n > a; echo $n > b; done";
        let script = format!("echo $$ > {}/cgroup.procs; {script}", group.display());
        let child =
            Command::new("sh").args(["-c", &script]).current_dir(files.path()).stdin(Stdio::null()).spawn();
        let writer = Self { id, group, child: child.expect("sh runs"), files };
        writer.wait_for_more();
        Some(writer)
    }

    fn read(&self) -> [String; 2] {
        ["a", "b"].map(|name| std::fs::read_to_string(self.files.path().join(name)).unwrap_or_default())
    }

    /// Waits until it writes.
    fn wait_for_more(&self) {
        let before = self.read();
        while self.read() == before {
            std::thread::yield_now();
        }
    }

    fn is_frozen(&self) -> bool {
        let read = |name: &str| std::fs::read_to_string(self.group.join(name)).unwrap_or_default();
        read("freezer.state").starts_with("FROZEN") || read("cgroup.events").contains("frozen 1")
    }

    fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = std::fs::write(self.group.join("freezer.state"), "THAWED");
        let _ = std::fs::write(self.group.join("cgroup.freeze"), "0");
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir(&self.group);
    }
}

/// A guard thaws what killed ones left: tests that look for that cannot have others beside them.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const HERE: Here = Here("this machine");

#[tokio::test(flavor = "multi_thread")]
async fn what_is_frozen_writes_nothing_and_goes_on_then() {
    let _alone = ALONE.lock().await;
    let Some(writer) = Writer::start("a") else { return };
    for _ in 0..20 {
        let mut frozen = Frozen::freeze(&HERE, std::slice::from_ref(&writer.id)).await.expect("frozen");
        assert_eq!(frozen.containers(), 1);
        assert!(writer.is_frozen());
        let first = writer.read();
        frozen.beat().await.expect("heard");
        for _ in 0..1000 {
            assert_eq!(writer.read(), first);
        }
        frozen.thaw().await.expect("thawed");
        assert!(!writer.is_frozen());
        writer.wait_for_more();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_again_when_nobody_holds_it() {
    let _alone = ALONE.lock().await;
    let Some(writer) = Writer::start("b") else { return };
    let frozen = Frozen::freeze(&HERE, std::slice::from_ref(&writer.id)).await.expect("frozen");
    assert!(writer.is_frozen());
    drop(frozen);
    writer.wait_for_more();
    assert!(
        Frozen::freeze(&HERE, &["nobody".to_owned()]).await.expect("nothing to freeze").containers() == 0
    );
}

/// A guard that is killed thaws nothing; the next one does.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_guard_left_is_thawed_by_the_next() {
    let _alone = ALONE.lock().await;
    let Some(writer) = Writer::start("c") else { return };
    let frozen = Frozen::freeze(&HERE, std::slice::from_ref(&writer.id)).await.expect("frozen");
    let script = format!("kill -9 $(pgrep -f 'perl -e.*{}$')", writer.id);
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh runs").success());
    assert!(frozen.thaw().await.is_err(), "that it was not still to the end is told");
    assert!(writer.is_frozen());
    Frozen::freeze(&HERE, &[]).await.expect("nothing to freeze").thaw().await.expect("thawed");
    writer.wait_for_more();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_killed_writes_no_more() {
    let _alone = ALONE.lock().await;
    let Some(mut writer) = Writer::start("d") else { return };
    let mut frozen = Frozen::freeze(&HERE, std::slice::from_ref(&writer.id)).await.expect("frozen");
    let last = writer.read();
    frozen.kill_at_the_end().await.expect("heard");
    assert!(Path::new(&format!("/proc/{}", writer.process())).exists());
    // Dropped, not thawed: as when devcluster is killed.
    drop(frozen);
    let status = writer.child.wait().expect("ended");
    assert!(!status.success());
    assert_eq!(writer.read(), last, "nothing was written in between");
}
