//! `devcluster dev` at work, and what is asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::harness::Project;

/// Long enough for whatever comes to come; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running `devcluster dev`.
pub struct Dev {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    keyboard: fs::File,
}

impl Dev {
    /// Starts it and waits until it watches.
    pub fn start(project: &Project, flags: &[&str], docker_host: Option<&str>) -> Self {
        let mut command = project.command(&["dev", "--yes", "--verbose"]);
        command.args(flags);
        if let Some(host) = docker_host {
            command.env("DOCKER_HOST", host);
        }
        let (keyboard, terminal) = terminal();
        command.stdin(terminal);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("devcluster runs");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = lines.clone();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                eprintln!("dev | {line}");
                keep.lock().expect("no thread panicked").push(line);
            }
        });
        let mut dev = Self { child, lines, keyboard };
        dev.says("watching the manifests", 1);
        dev
    }

    /// Waits until it has said `words` so often.
    pub fn says(&mut self, words: &str, times: usize) {
        eventually(&format!("dev says {words:?}"), || {
            assert!(self.child.try_wait().expect("a child").is_none(), "dev ended");
            self.times(words) >= times
        });
    }

    /// How often it said `words`.
    pub fn times(&self, words: &str) -> usize {
        self.lines.lock().expect("no thread panicked").iter().filter(|line| line.contains(words)).count()
    }

    /// Waits until what was copied last is under its image's name on the nodes.
    pub fn delivered(&self) {
        eventually("the nodes have what was copied", || {
            let lines = self.lines.lock().expect("no thread panicked");
            let mut of_sync = lines.iter().rev().filter(|line| line.starts_with("sync: "));
            of_sync.next().is_some_and(|line| line.contains("the nodes have all that was copied"))
        });
    }

    /// Presses a key.
    pub fn press(&mut self, key: char) {
        write!(self.keyboard, "{key}").expect("a terminal");
    }

    /// Interrupts it as Ctrl-C does.
    pub fn quit(mut self) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(130));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal: what types, and what a program reads from.
fn terminal() -> (fs::File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keyboard = openpt(flags).expect("a terminal");
    grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("a terminal of ours");
    let terminal = ioctl_tiocgptpeer(&keyboard, flags).expect("its other end");
    (keyboard.into(), terminal)
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is in a source tree: names, kinds, permissions, times and contents.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let is = path.symlink_metadata().expect("it is there");
        let contents = if is.is_dir() {
            left.extend(fs::read_dir(&path).expect("readable").map(|entry| entry.expect("readable").path()));
            Vec::new()
        } else if is.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().as_bytes().to_owned()
        } else {
            fs::read(&path).expect("readable")
        };
        found.insert(path, (is.mode(), is.mtime(), contents));
    }
    found
}
