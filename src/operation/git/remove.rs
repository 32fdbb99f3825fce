//! Takes a remote of `git serve` away: the clusters that its pushes made, its check-out, its results and the repository.

use std::fs;
use std::path::PathBuf;

use super::clusters;
use super::receive::{remove, turn_file};
use super::serve::REPOSITORY;
use crate::cluster::state::State;
use crate::config::Config;
use crate::event::SharedReporter;
use crate::operation::down;
use crate::operation::error::OperationError;
use crate::operation::git::Git;
use crate::operation::handoff::error::HandoffError;
use crate::operation::session::Session;
use crate::process::Command;

/// What is there to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The repository.
    pub url: String,
    /// The clusters that pushes have made, or were about to.
    pub clusters: Vec<String>,
    home: PathBuf,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// The repository.
    pub url: String,
    /// The clusters that were there.
    pub clusters: Vec<String>,
    /// Takes it out of the project's repository, where that still has it as a remote.
    pub commands: Vec<String>,
}

/// What the project's remote comes to; none where there is none, or nothing of it is left.
pub fn find(config: &Config) -> Result<Option<Standing>, OperationError> {
    let home = State::open(&config.cluster.name)?.served();
    if !home.exists() {
        return Ok(None);
    }
    let url = home.join(REPOSITORY).display().to_string();
    Ok(Some(Standing { url, clusters: clusters::read(&home).into_iter().collect(), home }))
}

/// Removes it. The clusters go first, so that what is left after a kill still names them.
pub async fn run(
    config: &Config,
    standing: Standing,
    reporter: &SharedReporter,
) -> Result<Removed, OperationError> {
    let home = &standing.home;
    let turn = turn_file(home)?;
    if turn.try_lock().is_err() {
        return Err(HandoffError::Testing { home: home.clone() }.into());
    }
    let mut gone = Vec::new();
    for name in &standing.clusters {
        let mut of_pushes = config.clone();
        of_pushes.cluster.name.clone_from(name);
        let session = Session::open(of_pushes, reporter.clone()).await?;
        if down::run(&session, true, true).await?.existed {
            gone.push(name.clone());
        }
        let runs = session.state.runs();
        remove(&runs).map_err(|source| HandoffError::Io { path: runs, source })?;
    }
    let failed = |source| HandoffError::Io { path: home.clone(), source };
    remove(&home.join(REPOSITORY)).map_err(failed)?;
    fs::remove_dir_all(home).map_err(failed)?;
    Ok(Removed { commands: commands(config, &standing.url).await?, url: standing.url, clusters: gone })
}

/// One for each remote of the project that leads there.
async fn commands(config: &Config, url: &str) -> Result<Vec<String>, HandoffError> {
    let git = Git::open(config.directory()).await?;
    let listed = git.find(&["config", "--get-regexp", r"^remote\..*\.url$"]).await?.unwrap_or_default();
    let names = listed.lines().filter_map(|line| {
        let (key, there) = line.split_once(' ')?;
        (there == url).then(|| key.strip_prefix("remote.")?.strip_suffix(".url")).flatten()
    });
    Ok(names.map(|name| Command::new("git").args(["remote", "remove", name]).argv()).collect())
}
