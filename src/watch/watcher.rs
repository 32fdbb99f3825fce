//! Sees files change, by the operating system's own notices.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::batch::Batches;
use super::mounts;
use super::poll::Poll;

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel's limit is reached.
    #[error(
        "the kernel's limit of watched directories is reached at {path}; raise it with `sudo sysctl fs.inotify.max_user_watches=524288`"
    )]
    Limit {
        /// Where.
        path: PathBuf,
    },
    /// Another reason.
    #[error("{path} cannot be watched: {reason}")]
    Failed {
        /// What was to be watched.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// When what is in a new directory is looked at again: what was made in it before it was watched is never told.
const AGAIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(300)];

/// Watches directories. Dropped, it stops.
pub struct Watcher {
    _system: RecommendedWatcher,
    _poll: Option<Poll>,
    /// Roots that are looked at again and again, and the kind of file system that makes it so.
    pub polled: Vec<(PathBuf, String)>,
    /// What changed, in batches.
    pub batches: Batches,
}

impl Watcher {
    /// Watches `roots` and all below them.
    pub fn start(roots: &[PathBuf]) -> Result<Self, WatchError> {
        let (send, changes) = unbounded_channel();
        let looked = send.clone();
        let top = roots.to_vec();
        let fresh = look_again(send.clone());
        let mut trials = BTreeSet::new();
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if event.need_rescan() => tell_all(&send, &top),
            Ok(event) => tell(&send, &fresh, &mut trials, event),
            // A directory that vanished while it was added; what follows says so itself.
            Err(_) => {}
        };
        let failed = |path: &Path, error: notify::Error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => WatchError::Limit { path: path.to_owned() },
            _ => WatchError::Failed { path: path.to_owned(), reason: error.to_string() },
        };
        let nowhere = Path::new(".");
        let polled: Vec<(PathBuf, String)> =
            roots.iter().filter_map(|root| Some((root.clone(), mounts::silent(root)?))).collect();
        // A build takes a link below its context for a link: what it leads to is watched where it is a root itself.
        let settings = notify::Config::default().with_follow_symlinks(false);
        let mut system =
            RecommendedWatcher::new(handler, settings).map_err(|error| failed(nowhere, error))?;
        let told = roots.iter().filter(|root| polled.iter().all(|(polled, _)| polled != *root));
        for root in told {
            system.watch(root, RecursiveMode::Recursive).map_err(|error| failed(root, error))?;
        }
        let roots = polled.iter().map(|(root, _)| root.clone()).collect::<Vec<_>>();
        let poll = (!roots.is_empty()).then(|| Poll::start(roots, looked));
        Ok(Self { _system: system, _poll: poll, polled, batches: Batches::new(changes) })
    }
}

/// Every file may have changed: too much happened at once for the kernel to tell.
fn tell_all(send: &UnboundedSender<PathBuf>, roots: &[PathBuf]) {
    for root in roots {
        tell_below(send, root);
    }
}

/// Tells of what appears in new directories that are sent to it, on a thread of its own.
fn look_again(send: UnboundedSender<PathBuf>) -> mpsc::Sender<PathBuf> {
    let (fresh, directories) = mpsc::channel::<PathBuf>();
    std::thread::spawn(move || {
        while let Ok(first) = directories.recv() {
            let mut known: BTreeSet<PathBuf> = BTreeSet::new();
            let mut open = BTreeSet::from([first]);
            for pause in AGAIN {
                std::thread::sleep(pause);
                open.extend(directories.try_iter());
                let (told, mut found) = unbounded_channel();
                for directory in &open {
                    tell_below(&told, directory);
                }
                drop(told);
                while let Ok(path) = found.try_recv() {
                    // What is there at the first look was told, or is told now.
                    if known.insert(path.clone()) {
                        let _ = send.send(path);
                    }
                }
            }
        }
    });
    fresh
}

/// Whether this is vim trying whether it may write: an empty file called 4913, made and at once removed. `trials` are those
/// that were made and not removed yet.
fn is_vims_trial(trials: &mut BTreeSet<PathBuf>, kind: EventKind, path: &Path) -> bool {
    if path.file_name().is_none_or(|name| name != "4913") {
        return false;
    }
    match kind {
        EventKind::Remove(_) => trials.remove(path),
        EventKind::Create(_) if path.metadata().map_or(true, |found| found.len() == 0) => {
            trials.insert(path.to_owned());
            true
        }
        _ if path.metadata().is_ok_and(|found| found.len() > 0) => {
            trials.remove(path);
            false
        }
        _ => trials.contains(path),
    }
}

fn tell(
    send: &UnboundedSender<PathBuf>,
    fresh: &mpsc::Sender<PathBuf>,
    trials: &mut BTreeSet<PathBuf>,
    event: notify::Event,
) {
    // Reads and the watcher's own set-up arrive as accesses; a writer that closed its file is the one that counts. Where
    // the system tells of no closing, data that changed must do.
    let written = matches!(event.kind, EventKind::Access(AccessKind::Close(AccessMode::Write)))
        || (cfg!(not(target_os = "linux")) && matches!(event.kind, EventKind::Modify(ModifyKind::Data(_))));
    let directory = matches!(
        event.kind,
        EventKind::Create(CreateKind::Folder)
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
    );
    let other = matches!(
        event.kind,
        EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Name(_) | ModifyKind::Any)
            | EventKind::Create(_)
    );
    if !(written || directory || other) {
        return;
    }
    for path in event.paths {
        if is_vims_trial(trials, event.kind, &path) {
            continue;
        }
        // What was made in a new directory before it was watched is never told: it is looked for.
        if directory && path.is_dir() && !path.is_symlink() {
            let _ = fresh.send(path.clone());
            tell_below(send, &path);
        }
        // What is being written is told when it is closed; a link, hard or symbolic, is whole at once.
        let is_being_written = |found: Metadata| found.is_file() && found.len() > 0 && found.nlink() == 1;
        if event.kind == EventKind::Create(CreateKind::File)
            && path.symlink_metadata().is_ok_and(is_being_written)
        {
            continue;
        }
        let _ = send.send(path);
    }
}

fn tell_below(send: &UnboundedSender<PathBuf>, directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            tell_below(send, &path);
        } else {
            let _ = send.send(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn change(watcher: &mut Watcher) -> std::collections::BTreeSet<PathBuf> {
        let next = watcher.batches.next();
        tokio::time::timeout(std::time::Duration::from_secs(10), next)
            .await
            .expect("told")
            .expect("open")
            .paths
    }

    #[tokio::test]
    async fn saves_renames_removals_and_new_trees_are_seen_and_reads_are_not() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/old"), "1").unwrap();
        let mut watcher = Watcher::start(&[root.path().to_owned()]).unwrap();
        fs::read(at("d/old")).unwrap();
        fs::write(at("d/a"), "1").unwrap();
        assert!(change(&mut watcher).await.contains(&at("d/a")));
        // An editor's atomic save.
        fs::write(at("d/.tmp"), "2").unwrap();
        fs::rename(at("d/.tmp"), at("d/a")).unwrap();
        while !change(&mut watcher).await.contains(&at("d/a")) {}
        fs::remove_file(at("d/a")).unwrap();
        while !change(&mut watcher).await.contains(&at("d/a")) {}
        // A file that happens to be called as vim calls its trials; and a trial.
        fs::write(at("d/4913"), "1").unwrap();
        while !change(&mut watcher).await.contains(&at("d/4913")) {}
        fs::remove_file(at("d/4913")).unwrap();
        while !change(&mut watcher).await.contains(&at("d/4913")) {}
        fs::File::create(at("d/4913")).unwrap();
        fs::remove_file(at("d/4913")).unwrap();
        fs::write(at("d/after"), "1").unwrap();
        let mut told = BTreeSet::new();
        while !told.contains(&at("d/after")) {
            told.extend(change(&mut watcher).await);
        }
        assert!(!told.contains(&at("d/4913")), "{told:?}");
        std::os::unix::fs::symlink("old", at("d/symbolic")).unwrap();
        while !change(&mut watcher).await.contains(&at("d/symbolic")) {}
        fs::hard_link(at("d/old"), at("d/hard")).unwrap();
        while !change(&mut watcher).await.contains(&at("d/hard")) {}
        // A tree that is made somewhere else and moved here: nobody tells of what is in it.
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir_all(elsewhere.path().join("t/deep")).unwrap();
        fs::write(elsewhere.path().join("t/deep/file"), "3").unwrap();
        fs::rename(elsewhere.path().join("t"), at("t")).unwrap();
        while !change(&mut watcher).await.contains(&at("t/deep/file")) {}
        // Trees that grow faster than they can be watched.
        for number in 0..50 {
            fs::create_dir_all(at(&format!("n{number}/deep/deeper"))).unwrap();
            fs::write(at(&format!("n{number}/deep/deeper/file")), "4").unwrap();
        }
        let mut missing: std::collections::BTreeSet<PathBuf> =
            (0..50).map(|number| at(&format!("n{number}/deep/deeper/file"))).collect();
        while !missing.is_empty() {
            for path in change(&mut watcher).await {
                missing.remove(&path);
            }
        }
    }
}
