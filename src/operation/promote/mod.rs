//! Moves one lock from an environment to another: the same files, as a commit on the other's branch.

pub mod approve;
pub mod list;

use self::approve::Approve;
use crate::config::{Config, Environment};
use crate::handoff::approval::Approval;
use crate::handoff::layout::{self, Files, is_own};
use crate::handoff::marker::{self, Marker};
use crate::handoff::message::{self, Message, short};
use crate::operation::git::Git;
use crate::operation::git::branches::{self, Branch};
use crate::operation::handoff::error::HandoffError;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment that the lock is taken from; none where an approval is only to be recorded.
    pub from: Option<String>,
    /// The environment that it goes to.
    pub to: String,
    /// An approval to record first.
    pub approve: Option<Approve>,
    /// The remote whose branches count and that is written to, if one is.
    pub push: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Promoted {
    /// The environment that the lock was taken from.
    pub from: Option<String>,
    /// The environment.
    pub to: String,
    /// The lock's root.
    pub lock: String,
    /// The lock that the environment had before.
    pub before: Option<String>,
    /// The commit of the environment's branch.
    pub commit: Option<String>,
    /// Whether the environment has another lock than before.
    pub changed: bool,
    /// The approval that it rests on, where it takes one or one was recorded.
    pub approval: Option<Approval>,
    /// Whether that approval was recorded just now.
    pub recorded: bool,
    /// Whether a remote was brought up to it.
    pub pushed: bool,
}

/// What an environment has.
struct Standing {
    marker: Marker,
    files: Files,
    commit: String,
}

/// Records the approval that is asked for, and moves the lock where one is taken from somewhere.
pub async fn run(config: &Config, request: &Request) -> Result<Promoted, HandoffError> {
    let to = environment(config, &request.to)?;
    let from = request.from.as_deref().map(|name| environment(config, name)).transpose()?;
    if from.is_some_and(|from| from.name == to.name) {
        return Err(HandoffError::Itself { name: to.name.clone() });
    }
    let git = Git::open(config.directory()).await?;
    let source = match from {
        Some(from) => Some((from, standing(&git, from, request.push.as_deref()).await?)),
        None => None,
    };
    let mut target = branches::look(&git, &to.branch, request.push.as_deref()).await?;
    target.check(&git).await?;
    let before = lock_of(&git, &target).await?;
    let lock = match (&source, &request.approve) {
        (Some((_, standing)), _) => standing.marker.lock.clone(),
        (None, Some(_)) => approve::own_lock(config)?,
        // The command line asks for one of both.
        (None, None) => return Err(HandoffError::Itself { name: to.name.clone() }),
    };
    let mut approval = None;
    let mut recorded = false;
    if let Some(approve) = &request.approve {
        let (given, is_new) = approve::record(&git, &mut target, to, &lock, approve).await?;
        (approval, recorded) = (Some(given), is_new);
    }
    let mut changed = false;
    if let Some((from, standing)) = source {
        if to.takes_approval() {
            approval = Some(approve::required(&git, &target, to, &lock).await?);
        }
        let approval = approval.as_ref().filter(|_| to.takes_approval());
        let message = message(config, from, to, &standing, approval);
        changed = target.commit(&git, &standing.files, &message).await?.is_some();
    }
    let pushed = target.finish(&git).await?;
    Ok(Promoted {
        from: request.from.clone(),
        to: to.name.clone(),
        lock,
        before,
        commit: target.base,
        changed,
        approval,
        recorded,
        pushed,
    })
}

/// The environment of that name.
pub(super) fn environment<'c>(config: &'c Config, name: &str) -> Result<&'c Environment, HandoffError> {
    config.environments.iter().find(|known| known.name == name).ok_or_else(|| {
        let names: Vec<&str> = config.environments.iter().map(|known| known.name.as_str()).collect();
        let there = if names.is_empty() { "is empty".into() } else { format!("names {}", names.join(", ")) };
        HandoffError::NoEnvironment { name: name.to_owned(), there }
    })
}

/// What an environment's branch holds, as a handoff wrote it.
async fn standing(
    git: &Git,
    environment: &Environment,
    push: Option<&str>,
) -> Result<Standing, HandoffError> {
    let branch = branches::look(git, &environment.branch, push).await?;
    let empty =
        || HandoffError::Empty { environment: environment.name.clone(), branch: environment.branch.clone() };
    let edited = |reason: String| HandoffError::Edited { branch: environment.branch.clone(), reason };
    let commit = branch.base.ok_or_else(empty)?;
    let files = git.files(&commit, is_own).await?;
    let marker = files.get(marker::PATH).ok_or_else(empty)?;
    let marker = marker::read(marker).map_err(|reason| edited(format!("{} {reason}", marker::PATH)))?;
    if layout::contents(&files) != marker.contents {
        return Err(edited("its files were edited since".into()));
    }
    Ok(Standing { marker, files, commit })
}

/// The lock that an environment has, where it has one.
async fn lock_of(git: &Git, branch: &Branch) -> Result<Option<String>, HandoffError> {
    let Some(base) = &branch.base else { return Ok(None) };
    let content = git.file(base, marker::PATH).await?;
    Ok(content.and_then(|content| marker::read(&content).ok()).map(|marker| marker.lock))
}

fn message(
    config: &Config,
    from: &Environment,
    to: &Environment,
    standing: &Standing,
    approval: Option<&Approval>,
) -> String {
    let lock = &standing.marker.lock;
    let subject = format!("{}: lock {} from {} to {}", config.name, short(lock), from.name, to.name);
    let mut message = Message::new(subject)
        .leaving_out(&standing.marker)
        .trailer(message::LOCK, lock)
        .trailer(message::PROMOTED_FROM, &format!("{} {}", from.name, standing.commit));
    if let Some(approval) = approval {
        message = message
            .trailer(message::APPROVED_BY, &approval.by)
            .trailer(message::ATTESTATION, &format!("sha256:{}", approval.attestation));
    }
    message.text()
}
