//! What a run's commands are known by once it is gone. A run that is told to end ends them; one that is killed cannot, so the
//! next one does: it finds their process groups in a note, and by a variable that all of them have, wherever they went.
//!
//! A note is a file that its run holds locked, so that only a dead run's is acted on. A process id counts with the time at which
//! that process started, since ids come again. Without /proc, as on macOS, neither can be told: then nothing is ended, and said.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use super::error::CiError;
use super::processes::{self, Process};
use crate::event::{Event, Reporter};
use crate::words::counted;

/// The variable that a run's commands have.
pub(super) const MARK: &str = "DEVCLUSTER_RUN";
/// How notes' names begin.
const PREFIX: &str = "run-";
/// How long what is left is given to end by itself, and then to be gone.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// The note of this run. Its file goes when this is dropped, and stays when the run is killed.
#[derive(Debug)]
pub struct Running {
    file: Mutex<NamedTempFile>,
    mark: String,
}

/// What a note says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Note {
    /// What ids and times are of: this start of the machine, and this container.
    place: String,
    /// First processes of groups, with when they started in the kernel's ticks; none where it did not tell.
    groups: Vec<(i32, Option<u64>)>,
}

impl Running {
    /// Ends what killed runs have left, and begins a note.
    pub async fn begin(directory: &Path, reporter: &dyn Reporter) -> Result<Self, CiError> {
        let failed = |source| CiError::Write { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        // A note that is not locked yet would be taken for a dead run's.
        let turn = directory.join("turn");
        let turn = OpenOptions::new().create(true).truncate(false).write(true).open(turn).map_err(failed)?;
        while let Err(error) = turn.try_lock() {
            match error {
                TryLockError::WouldBlock => tokio::time::sleep(PAUSE).await,
                TryLockError::Error(source) => return Err(failed(source)),
            }
        }
        for note in notes(directory).map_err(failed)? {
            end_left(&note, reporter).await.map_err(failed)?;
        }
        let begin = || {
            let mut file = tempfile::Builder::new().prefix(PREFIX).rand_bytes(16).tempfile_in(directory)?;
            file.as_file().try_lock().map_err(io::Error::other)?;
            writeln!(file, "{}", processes::place())?;
            let mark = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Self { file: Mutex::new(file), mark })
        };
        begin().map_err(failed)
    }

    /// What the commands' variable says.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Notes a group by its first process. One that cannot be noted is still found by its variable.
    pub(super) fn note(&self, group: i32) {
        let started = processes::look(group).map_or_else(|| "-".to_owned(), |one| one.started.to_string());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(file, "{group} {started}");
    }
}

fn notes(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut notes = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            notes.push(entry.path());
        }
    }
    Ok(notes)
}

/// Ends what a run has left, where it is dead, and removes its note.
async fn end_left(path: &Path, reporter: &dyn Reporter) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if file.try_lock().is_err() {
        return Ok(());
    }
    let note = parse(&fs::read_to_string(path).unwrap_or_default());
    let mark = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !processes::can_tell() {
        if !note.groups.is_empty() {
            let groups: Vec<String> = note.groups.iter().map(|(group, _)| group.to_string()).collect();
            let what = format!(
                "a `devcluster ci` that was killed may have left commands running, in process groups {}; `ps -g` shows them",
                groups.join(", ")
            );
            reporter.report(Event::Warning(what));
        }
    } else if note.place == processes::place() {
        end(&note, &mark, reporter).await;
    }
    fs::remove_file(path)
}

/// Politely at first.
async fn end(note: &Note, mark: &str, reporter: &dyn Reporter) {
    let mut ended: BTreeSet<(i32, u64)> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for signal in [Signal::TERM, Signal::KILL] {
        let mut told = BTreeSet::new();
        let until = tokio::time::Instant::now() + GRACE;
        loop {
            let left = left(note, mark, &mut seen);
            if left.is_empty() {
                if !ended.is_empty() {
                    let names: Vec<String> = names.into_iter().collect();
                    let what = counted(ended.len(), "process");
                    reporter.report(Event::Note(format!(
                        "ended what a `devcluster ci` that was killed had left: {what} ({})",
                        names.join(", ")
                    )));
                }
                return;
            }
            for process in &left {
                let key = (process.id, process.started);
                // Looked at again at the last moment: an id that came to be another's is not told.
                let is_same = processes::look(process.id).is_some_and(|now| now.started == process.started);
                if is_same && told.insert(key) {
                    ended.insert(key);
                    names.insert(process.name.clone());
                    if let Some(id) = Pid::from_raw(process.id) {
                        // One that is gone is not there to be told.
                        let _ = kill_process(id, signal);
                    }
                }
            }
            if tokio::time::Instant::now() >= until {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    let left = left(note, mark, &mut seen);
    let left: Vec<String> = left.iter().map(|one| format!("{} ({})", one.id, one.name)).collect();
    reporter.report(Event::Warning(format!(
        "a `devcluster ci` that was killed has left processes that cannot be ended: {}",
        left.join(", ")
    )));
}

/// The processes that are of a dead run: those of its groups whose first process is still there, and all that have its mark.
/// This one and those that it comes from are not, whatever they were started by. A group that was `seen` with its first process
/// stays the run's while anyone is left in it: its id is no other's until then.
fn left(note: &Note, mark: &str, seen: &mut BTreeSet<i32>) -> Vec<Process> {
    let all = processes::all();
    let own = processes::lineage(&all, i32::try_from(std::process::id()).unwrap_or_default());
    let first = note
        .groups
        .iter()
        .filter(|(group, started)| all.iter().any(|one| one.id == *group && Some(one.started) == *started));
    seen.extend(first.map(|(group, _)| *group));
    seen.retain(|group| all.iter().any(|one| one.group == *group));
    let is_left = |one: &&Process| {
        !own.contains(&one.id) && !one.has_ended && (seen.contains(&one.group) || one.has(MARK, mark))
    };
    all.iter().filter(is_left).cloned().collect()
}

/// A line that was cut short by the kill says nothing.
fn parse(text: &str) -> Note {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let place = lines.next().unwrap_or_default().to_owned();
    let groups = lines.filter_map(|line| {
        let (group, started) = line.split_once(' ')?;
        Some((group.parse().ok().filter(|group| *group > 1)?, started.parse().ok()))
    });
    Note { place, groups: groups.collect() }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;
    use crate::event::Silent;

    fn start(script: &str, mark: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(MARK, mark).process_group(0).spawn().unwrap()
    }

    fn id(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn write(directory: &Path, name: &str, groups: &[(i32, u64)]) {
        let lines: Vec<String> = groups.iter().map(|(group, started)| format!("{group} {started}")).collect();
        fs::write(directory.join(name), format!("{}\n{}\n", processes::place(), lines.join("\n"))).unwrap();
    }

    #[test]
    fn notes_are_read_as_far_as_they_go() {
        let note = parse("here\n12 34\n13 -\n1 2\n14");
        assert_eq!(note, Note { place: "here".into(), groups: vec![(12, Some(34)), (13, None)] });
        assert_eq!(parse("he"), Note::default());
    }

    #[tokio::test]
    async fn what_a_dead_run_left_is_ended_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        // A group whose first process goes before another, which does not listen; one by its mark alone, which does not
        // listen either; one whose id was another's before; and a stranger.
        let ready = directory.path().join("ready");
        let script =
            format!("unset DEVCLUSTER_RUN; (trap '' TERM; >{}; exec sleep 1000) & wait", ready.display());
        let mut grouped = start(&script, "run-dead");
        let mut marked = start("trap '' TERM; while :; do sleep 1; done", "run-dead");
        let mut reused = start("exec sleep 1000", "run-other");
        let started = |child: &Child| processes::look(id(child)).unwrap().started;
        let groups = [(id(&grouped), started(&grouped)), (id(&reused), started(&reused) + 1)];
        write(directory.path(), "run-dead", &groups);
        // Another run is still there, and so are its commands.
        let alive = Running::begin(&directory.path().join("other"), &Silent).await.unwrap();
        let kept = directory.path().join("run-alive");
        write(directory.path(), "run-alive", &[(id(&reused), started(&reused))]);
        let lock = File::open(&kept).unwrap();
        lock.lock().unwrap();
        let waits = std::thread::spawn(move || (grouped.wait().unwrap(), marked.wait().unwrap()));
        while !ready.exists() {
            tokio::time::sleep(PAUSE).await;
        }
        let group = groups[0].0;
        let running = Running::begin(directory.path(), &Silent).await.unwrap();
        assert!(processes::all().iter().all(|one| one.group != group || one.has_ended));
        let (grouped, marked) = waits.join().unwrap();
        assert!(!grouped.success() && !marked.success());
        assert!(reused.try_wait().unwrap().is_none(), "it is another's");
        assert!(!directory.path().join("run-dead").exists() && kept.exists());
        reused.kill().unwrap();
        reused.wait().unwrap();
        let note = directory.path().join(running.mark());
        assert!(note.exists());
        drop((running, alive));
        assert!(!note.exists(), "a run that ends leaves no note");
    }

    #[tokio::test]
    async fn a_note_of_another_place_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = start("exec sleep 1000", "run-there");
        let started = processes::look(id(&child)).unwrap().started;
        fs::write(directory.path().join("run-there"), format!("elsewhere\n{} {started}\n", id(&child)))
            .unwrap();
        let running = Running::begin(directory.path(), &Silent).await.unwrap();
        running.note(id(&child));
        let note = parse(&fs::read_to_string(directory.path().join(running.mark())).unwrap());
        assert_eq!(note.groups, [(id(&child), Some(started))]);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
