//! Hands the very manifests that ran to a branch or a directory that Argo CD or Flux follow.

pub(super) mod directory;
pub mod error;

use std::path::{Path, PathBuf};

use self::error::HandoffError;
use crate::config::Config;
use crate::event::{Event, Reporter};
use crate::handoff::layout::{Handoff, lay_out};
use crate::handoff::pin::{AsWritten, GivenDigest};
use crate::handoff::{self, Comparison, message};
use crate::operation::error::OperationError;
use crate::operation::git::Git;
use crate::operation::git::branches;
use crate::operation::lock;
use crate::operation::lock::digests;
use crate::operation::promote::approve;
use crate::operation::verify;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub to: Target,
    /// The lock; beside the configuration where unset.
    pub lock: Option<PathBuf>,
    /// Digests that the user knows.
    pub digests: Vec<GivenDigest>,
    /// Whether the kustomization lists charts' hooks, too.
    pub list_hooks: bool,
}

/// Where manifests are handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A branch of the project's repository.
    Branch {
        /// Its name.
        name: String,
        /// The remote that it is pushed to, if it is.
        push: Option<String>,
    },
    /// A directory.
    Directory(PathBuf),
}

impl Target {
    /// What `--to` means: an environment, a directory where it is written as a path (`./x`, `x/`, `/x`), else a branch.
    pub fn parse(text: &str, push: Option<String>, config: &Config) -> Result<Self, HandoffError> {
        if let Some(environment) = config.environments.iter().find(|known| known.name == text) {
            return Ok(Self::Branch { name: environment.branch.clone(), push });
        }
        let is_path = text.starts_with(['.', '/', '~']) || text.ends_with('/');
        match push {
            Some(_) if is_path => Err(HandoffError::PushDirectory),
            _ if is_path => Ok(Self::Directory(text.into())),
            push => Ok(Self::Branch { name: text.to_owned(), push }),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// What is rendered is not what the lock is of; nothing was written.
    Differs(Box<Comparison>),
    /// It is where it was asked for.
    Handed(Handed),
}

/// What was handed off.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// The branch or directory.
    pub to: String,
    /// The lock's root.
    pub lock: String,
    /// The commit; none of a directory.
    pub commit: Option<String>,
    /// Whether anything was written.
    pub changed: bool,
    /// Whether a remote was brought up to it.
    pub pushed: bool,
    /// How many objects there are.
    pub objects: usize,
    /// How many hooks of charts.
    pub hooks: usize,
    /// Secrets that are left out.
    pub secrets_left_out: Vec<String>,
    /// Images that are not pinned.
    pub images_as_written: Vec<AsWritten>,
}

/// Compares with the lock, and hands off.
pub async fn run(
    config: &Config,
    request: &Request,
    reporter: &dyn Reporter,
) -> Result<Outcome, OperationError> {
    let (known, rendered) = match locked(config, request.lock.as_deref(), reporter).await? {
        Ok(locked) => locked,
        Err(comparison) => return Ok(Outcome::Differs(comparison)),
    };
    for field in &rendered.volatile {
        let what = format!(
            "{} {} is made up anew at each rendering; this machine's is written",
            field.object, field.pointer
        );
        reporter.report(Event::Warning(what));
    }
    let pins = digests::pins(config, &known, &request.digests, reporter).await?;
    let handoff = lay_out(&rendered, &known.root, &pins, request.list_hooks);
    Ok(Outcome::Handed(hand(config, &request.to, handoff, pins.as_written).await?))
}

/// The lock and what was rendered, or how they differ.
async fn locked(
    config: &Config,
    file: Option<&Path>,
    reporter: &dyn Reporter,
) -> Result<Result<(handoff::Lock, crate::manifest::Rendered), Box<Comparison>>, OperationError> {
    let known = verify::read(config, file)?;
    let (rendered, mut present) = lock::rendered(config, reporter).await?;
    if handoff::compare(&known, &present).differs() {
        lock::explain(config, &mut present).await;
        return Ok(Err(Box::new(handoff::compare(&known, &present))));
    }
    Ok(Ok((known, rendered)))
}

async fn hand(
    config: &Config,
    to: &Target,
    handoff: Handoff,
    images_as_written: Vec<AsWritten>,
) -> Result<Handed, HandoffError> {
    let (to, commit, changed, pushed) = match to {
        Target::Directory(directory) => {
            let changed = directory::write(directory, &handoff.files)?;
            (directory.display().to_string(), None, changed, false)
        }
        Target::Branch { name, push } => {
            let git = Git::open(config.directory()).await?;
            let mut branch = branches::look(&git, name, push.as_deref()).await?;
            branch.check(&git).await?;
            let reached = config.environments.iter().find(|known| known.branch == branch.name);
            if let Some(gated) = reached.filter(|known| known.takes_approval()) {
                approve::required(&git, &branch, gated, &handoff.marker.lock).await?;
            }
            let message = message::of_handoff(&config.name, &handoff).text();
            let changed = branch.commit(&git, &handoff.files, &message).await?.is_some();
            let pushed = branch.finish(&git).await?;
            (branch.name, branch.base, changed, pushed)
        }
    };
    Ok(Handed {
        to,
        lock: handoff.marker.lock,
        commit,
        changed,
        pushed,
        objects: handoff.objects,
        hooks: handoff.hooks,
        secrets_left_out: handoff.marker.secrets,
        images_as_written,
    })
}
