//! A remote on this machine, whose push is tested before it is taken.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cluster::state::State;
use crate::config::Config;
use crate::operation::error::OperationError;
use crate::operation::git::Git;
use crate::operation::handoff::error::HandoffError;
use crate::process::Command;

/// The repository below the served directory.
pub(in crate::operation) const REPOSITORY: &str = "remote.git";
/// Where its configuration keeps the path of `devcluster.yaml` from the top of the pushed tree.
pub(in crate::operation) const FILE_KEY: &str = "devcluster.file";
/// Where it keeps what a push runs.
pub(in crate::operation) const CHECK_KEY: &str = "devcluster.check";
/// Where it keeps the directory of the project that it was made in.
pub(in crate::operation) const PROJECT_KEY: &str = "devcluster.project";

/// What a push runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// All of `devcluster ci`.
    Ci,
    /// `devcluster verify` alone: the lock, in a second.
    Verify,
}

impl Check {
    /// The verb.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Verify => "verify",
        }
    }

    /// The check of that name.
    pub(in crate::operation) fn parse(name: &str) -> Option<Self> {
        [Self::Ci, Self::Verify].into_iter().find(|check| check.name() == name)
    }
}

/// A remote that is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Served {
    /// The repository: what to push to.
    pub url: String,
    /// What a push runs.
    pub check: &'static str,
    /// Adds the remote to the project's repository.
    pub command: String,
}

/// Makes the remote, or brings one that is there up to date; what was pushed to it stays.
pub async fn run(config: &Config, check: Check) -> Result<Served, OperationError> {
    let git = Git::open(config.directory()).await?;
    let file = path_in_repository(&git, &config.file).await?;
    let home = State::open(&config.cluster.name)?.served();
    let repository = home.join(REPOSITORY);
    let io = |source| HandoffError::Io { path: home.clone(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&home).map_err(io)?;
    let path = repository.display().to_string();
    // Without a template, since that would bring hooks of others.
    let make = ["init", "--quiet", "--bare", "--template=", path.as_str()];
    Command::new("git").args(make).output().await.map_err(HandoffError::from)?;
    let remote = Git::at(&repository);
    let hooks = repository.join("hooks");
    let settings = [
        // Whatever the user's own configuration says of hooks.
        ("core.hooksPath", hooks.display().to_string()),
        ("receive.fsckObjects", "true".to_owned()),
        (FILE_KEY, file),
        (CHECK_KEY, check.name().to_owned()),
        (PROJECT_KEY, config.directory().display().to_string()),
    ];
    for (key, value) in settings {
        remote.command(&["config", key, &value]).output().await.map_err(HandoffError::from)?;
    }
    write_hook(&hooks, &home)?;
    let name = if check == Check::Ci { "devcluster" } else { "devcluster-verify" };
    let command = Command::new("git").args(["remote", "add", name, path.as_str()]).argv();
    Ok(Served { url: path, check: check.name(), command })
}

/// The path of a file of a work tree from its top.
async fn path_in_repository(git: &Git, file: &Path) -> Result<String, HandoffError> {
    let top = PathBuf::from(git.text(&["rev-parse", "--show-toplevel"]).await?);
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (file, top) = (canonical(file), canonical(&top));
    match file.strip_prefix(&top) {
        Ok(path) => Ok(path.display().to_string()),
        Err(_) => Err(HandoffError::Outside { file, worktree: top }),
    }
}

/// Whole or not at all: git runs what it finds there.
fn write_hook(hooks: &Path, home: &Path) -> Result<(), HandoffError> {
    let io = |source| HandoffError::Io { path: hooks.to_owned(), source };
    let program = std::env::current_exe().map_err(io)?;
    let call = Command::new(program.display().to_string());
    let call = call.args(["git".to_owned(), "receive".to_owned(), home.display().to_string()]).argv();
    fs::create_dir_all(hooks).map_err(io)?;
    let mode = fs::Permissions::from_mode(0o755);
    let mut draft = tempfile::Builder::new().permissions(mode).tempfile_in(hooks).map_err(io)?;
    write!(draft, "#!/bin/sh\n# Written by `devcluster git serve`.\nexec {call}\n").map_err(io)?;
    draft.persist(hooks.join("pre-receive")).map_err(|error| io(error.error))?;
    Ok(())
}
