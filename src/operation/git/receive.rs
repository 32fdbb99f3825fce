//! What a push to the served remote runs: each pushed commit is checked out, tested, and refused where that fails.
//!
//! The check-out has one place for each served repository, made anew by every push. So the cluster, whose name comes from
//! the configuration's directory, is one for all pushes, kept between them, and not the one that is developed on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::process::Child;

use super::clusters;
use super::pusher::Pusher;
use super::serve::{CHECK_KEY, Check, FILE_KEY, PROJECT_KEY, REPOSITORY};
use crate::event::{Event, Reporter};
use crate::handoff::links::{Links, leading_out};
use crate::operation::git::{Git, SURROUNDING};
use crate::operation::handoff::error::HandoffError;
use crate::process::Command;
use crate::words::{counted, shown};

/// How long a check has to end when nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many pushes' results are kept.
const KEPT: usize = 10;

/// A commit that was tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The commit.
    pub commit: String,
    /// What ran.
    pub check: &'static str,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Where its results are, where it wrote any.
    pub results: Option<PathBuf>,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// The commits that were tested.
    pub tested: Vec<Tested>,
    /// The project that the remote was made in, where it is known and a cluster may stand for the next push.
    pub project: Option<PathBuf>,
}

/// Tests what a push would change, as git tells a pre-receive hook: `OLD NEW REF` lines. Ends with the first that fails.
pub async fn run(home: &Path, updates: &str, reporter: &dyn Reporter) -> Result<Received, HandoffError> {
    let git = Git::at(&home.join(REPOSITORY));
    let commits = commits(&git, updates).await?;
    if commits.is_empty() {
        return Ok(Received::default());
    }
    let pusher = Pusher::find();
    let turn = turn(home, &pusher, reporter).await?;
    let mut received = Received::default();
    for commit in commits {
        reporter.report(Event::Note(format!("testing {}", &commit[..commit.len().min(12)])));
        check_out(&git, home, &commit, reporter).await?;
        let tested = test(&git, home, &commit, &turn, &pusher).await?;
        let passed = tested.code == Some(0);
        received.tested.push(tested);
        if !passed {
            break;
        }
    }
    if !clusters::read(home).is_empty() {
        received.project = git.find(&["config", "--get", PROJECT_KEY]).await?.map(PathBuf::from);
    }
    Ok(received)
}

/// The commits that refs would be moved to, each once. A ref that goes needs no test.
async fn commits(git: &Git, updates: &str) -> Result<Vec<String>, HandoffError> {
    let mut commits = Vec::new();
    for line in updates.lines() {
        let mut words = line.splitn(3, ' ').skip(1);
        let (Some(new), Some(name)) = (words.next(), words.next()) else { return Err(HandoffError::Batch) };
        if new.bytes().all(|byte| byte == b'0') {
            continue;
        }
        let Some(commit) = git.commit(new).await? else {
            let reason = "it is no commit, so nothing of it can be tested".to_owned();
            return Err(HandoffError::Push { name: name.escape_debug().to_string(), reason });
        };
        if !commits.contains(&commit) {
            commits.push(commit);
        }
    }
    Ok(commits)
}

/// The file that whoever tests or removes holds locked.
pub(in crate::operation) fn turn_file(home: &Path) -> Result<File, HandoffError> {
    let path = home.join("lock");
    let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|source| HandoffError::Io { path, source })
}

/// Waits until no other push is being tested. What is tested has the lock, too: one whose push was killed still counts.
async fn turn(home: &Path, pusher: &Pusher, reporter: &dyn Reporter) -> Result<File, HandoffError> {
    let failed = |source| HandoffError::Io { path: home.join("lock"), source };
    let file = turn_file(home)?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    reporter.report(Event::Note("another push is being tested; this one waits for it".into()));
    let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    tokio::select! {
        file = waiting => file.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed),
        () = pusher.left() => Err(HandoffError::Left),
    }
}

/// Leaves the commit's files in `checkout`, whole or not at all. No hook runs, no submodule is followed, and a commit
/// with links that lead out of it is refused.
async fn check_out(
    git: &Git,
    home: &Path,
    commit: &str,
    reporter: &dyn Reporter,
) -> Result<(), HandoffError> {
    let listing = git.command(&["ls-tree", "-r", "-z", "--full-tree", commit]).output().await?;
    let (mut links, mut submodules) = (Links::new(), 0);
    for line in listing.split(|byte| *byte == 0) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
        let about = String::from_utf8_lossy(&line[..tab]).into_owned();
        match about.split(' ').next() {
            Some("120000") => {
                let id = about.rsplit(' ').next().unwrap_or_default();
                let target = git.command(&["cat-file", "blob", id]).output().await?;
                links.insert(line[tab + 1..].to_vec(), target);
            }
            Some("160000") => submodules += 1,
            _ => {}
        }
    }
    let out = leading_out(&links);
    if let Some(first) = out.first() {
        let first = shown(Path::new(&*String::from_utf8_lossy(first)));
        let reason =
            format!("{} out of the tree, such as {first}", counted(out.len(), "symbolic link leading"));
        return Err(HandoffError::Push { name: commit.to_owned(), reason });
    }
    if submodules > 0 {
        let what = format!("{} left out: submodules are not followed", counted(submodules, "submodule"));
        reporter.report(Event::Warning(what));
    }
    write_tree(git, home, commit).await
}

async fn write_tree(git: &Git, home: &Path, commit: &str) -> Result<(), HandoffError> {
    let (draft, place) = (home.join("checkout.new"), home.join("checkout"));
    let io = |source| HandoffError::Io { path: place.clone(), source };
    for left in [draft.clone(), home.join("checkout.index")] {
        remove(&left).map_err(io)?;
    }
    fs::create_dir(&draft).map_err(io)?;
    let index = home.join("checkout.index").display().to_string();
    let within = |args: &[&str]| {
        let command = git.command(args).env("GIT_INDEX_FILE", &index);
        command.env("GIT_WORK_TREE", draft.display().to_string())
    };
    within(&["read-tree", commit]).output().await?;
    within(&["checkout-index", "--all"]).output().await?;
    let is_there = place.exists();
    let flags = if is_there { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    renameat_with(CWD, &draft, CWD, &place, flags).map_err(|error| io(error.into()))?;
    remove(&draft).map_err(io)?;
    remove(Path::new(&index)).map_err(io)
}

pub(in crate::operation) fn remove(path: &Path) -> std::io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    result.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Runs the check in the check-out; what it says goes to the pusher as it comes.
async fn test(
    git: &Git,
    home: &Path,
    commit: &str,
    turn: &File,
    pusher: &Pusher,
) -> Result<Tested, HandoffError> {
    let setting = async |key: &str| git.text(&["config", "--get", key]).await;
    let file = setting(FILE_KEY).await?;
    let check = Check::parse(&setting(CHECK_KEY).await?).unwrap_or(Check::Ci);
    let config = home.join("checkout").join(&file);
    if !config.is_file() {
        let reason =
            format!("it has no {file}; `devcluster git serve` in the project says where that is now");
        return Err(HandoffError::Push { name: commit.to_owned(), reason });
    }
    let io = |source| HandoffError::Io { path: home.to_owned(), source };
    if check == Check::Ci {
        clusters::note(home, &config).map_err(io)?;
    }
    let program = std::env::current_exe().map_err(io)?.display().to_string();
    let mut command = Command::new(program).args(["--file".to_owned(), config.display().to_string()]);
    command = command.arg(check.name());
    let results = home.join("ci").join(commit);
    if check == Check::Ci {
        prune(&home.join("ci"), commit);
        command = command.args(["--out".to_owned(), results.display().to_string()]);
    }
    let directory = config.parent().unwrap_or(home);
    let command = command.directory(directory).env("GIT_CEILING_DIRECTORIES", home.display().to_string());
    // Its end, not ours, ends the turn.
    rustix::io::fcntl_setfd(turn, rustix::io::FdFlags::empty()).map_err(|error| io(error.into()))?;
    let mut started = command.to_tokio();
    started.stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    for variable in SURROUNDING {
        started.env_remove(variable);
    }
    let mut child = started.spawn().map_err(|source| command.start_error(source))?;
    let status = tokio::select! {
        status = child.wait() => status.map_err(io)?,
        () = pusher.left() => {
            stop(&mut child).await.map_err(io)?;
            return Err(HandoffError::Left);
        }
    };
    let results = Some(results).filter(|results| results.is_dir());
    Ok(Tested { commit: commit.to_owned(), check: check.name(), code: status.code(), results })
}

/// Politely at first.
async fn stop(child: &mut Child) -> std::io::Result<()> {
    if let Some(id) = child.id() {
        // One that has ended already needs no stopping.
        let _ = Command::new("kill").args(["-TERM".to_owned(), id.to_string()]).output().await;
    }
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(ended) => ended.map(drop),
        Err(_) => child.kill().await,
    }
}

/// Makes room for the results of `commit`.
fn prune(directory: &Path, commit: &str) {
    let mut there: BTreeSet<(std::time::SystemTime, PathBuf)> = BTreeSet::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if let (Ok(about), true) = (entry.metadata(), entry.file_name() != *commit) {
            there.insert((about.modified().unwrap_or(std::time::UNIX_EPOCH), entry.path()));
        }
    }
    for (_, path) in there.iter().take(there.len().saturating_sub(KEPT - 1)) {
        // What stays takes room and does no harm.
        let _ = remove(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let root = tempfile::tempdir().unwrap();
        symlink("x", root.path().join("made")).unwrap();
        let tree = root.path().join("tree");
        let links =
            [("d/up", ".."), ("x", "d/up/.."), ("in", "d/up/d"), ("twice", "in/up/in"), ("far", "in/../..")];
        fs::create_dir_all(tree.join("d")).unwrap();
        for (path, target) in links {
            symlink(target, tree.join(path)).unwrap();
        }
        let tree = tree.canonicalize().unwrap();
        let is_out = |path: &&str| !tree.join(path).canonicalize().unwrap().starts_with(&tree);
        let wanted: Vec<&str> = ["d/up", "far", "in", "twice", "x"].into_iter().filter(is_out).collect();
        assert_eq!(wanted, ["far", "x"]);
        let bytes = |text: &str| text.as_bytes().to_vec();
        let found = leading_out(&links.iter().map(|(path, target)| (bytes(path), bytes(target))).collect());
        assert_eq!(found, wanted.iter().map(|path| bytes(path)).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_results_make_room() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..15 {
            fs::create_dir(root.path().join(format!("c{number}"))).unwrap();
        }
        prune(root.path(), "c3");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), KEPT);
        assert!(root.path().join("c3").exists());
    }
}
