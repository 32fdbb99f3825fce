//! Why a lock could not be handed off, promoted or tested by a push.

use std::path::PathBuf;

use crate::operation::attestation::AttestationError;
use crate::operation::verify::LockError;
use crate::process::ProcessError;

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    /// Git, or another program.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The project's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no repository.
    #[error("{} is in no git repository; `git init` makes one, or name a directory: `--to ./DIR`", .directory.display())]
    NoRepository {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Git answered otherwise than its documentation says.
    #[error("git answered otherwise than asked; is another program called git on the PATH?")]
    Batch,
    /// Reading or writing failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A text that is no branch's name.
    #[error("`{name}` can be no branch: {reason}")]
    Branch {
        /// The text.
        name: String,
        /// Why.
        reason: String,
    },
    /// A text that is no remote.
    #[error("`{name}` can be no remote: name one of `git remote`, or a URL")]
    Remote {
        /// The text.
        name: String,
    },
    /// A branch that holds something else.
    #[error(
        "branch {branch} holds something that no handoff wrote: name a branch of its own, such as environments/staging"
    )]
    Foreign {
        /// The branch.
        branch: String,
    },
    /// A branch that a work tree has checked out, which would look changed.
    #[error("branch {branch} is checked out in {worktree}; check out another one there first")]
    CheckedOut {
        /// The branch.
        branch: String,
        /// The work tree.
        worktree: String,
    },
    /// A branch that went two ways.
    #[error(
        "branch {branch} here and on {remote} have each what the other lacks; `git branch -D {branch}` gives up what is only here"
    )]
    Diverged {
        /// The branch.
        branch: String,
        /// The remote.
        remote: String,
    },
    /// A directory that holds something else.
    #[error("{} holds {what}, which no handoff wrote: name an empty directory", .directory.display())]
    ForeignDirectory {
        /// The directory.
        directory: PathBuf,
        /// What is in it.
        what: String,
    },
    /// A directory that cannot be replaced as a whole.
    #[error("{} cannot be put in place in one step: name a directory of its own, such as ./handoff", .directory.display())]
    NamelessDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// Only a branch can be pushed.
    #[error("a directory cannot be pushed: leave `--push` out, or name a branch")]
    PushDirectory,
    /// An environment that is not configured.
    #[error("there is no environment {name}: `environments` of devcluster.yaml {there}")]
    NoEnvironment {
        /// Its name.
        name: String,
        /// What there is, in words.
        there: String,
    },
    /// An environment whose branch is not there.
    #[error(
        "{environment} has nothing to promote: there is no branch {branch} here; `devcluster handoff --to {environment}` writes it, `git fetch` brings it"
    )]
    Empty {
        /// The environment.
        environment: String,
        /// Its branch.
        branch: String,
    },
    /// From an environment to itself.
    #[error("{name} cannot be promoted to itself")]
    Itself {
        /// The environment.
        name: String,
    },
    /// A handoff whose marker or files are not as they were written.
    #[error("branch {branch} is not as a handoff wrote it: {reason}; hand the lock off anew")]
    Edited {
        /// The branch.
        branch: String,
        /// What is wrong.
        reason: String,
    },
    /// An attestation or a key that cannot be read.
    #[error(transparent)]
    Read(#[from] AttestationError),
    /// An attestation that does not do.
    #[error("{path} cannot be approved on: {reason}")]
    Attestation {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A record that is none.
    #[error("{path} in branch {branch} {reason}")]
    Record {
        /// The branch.
        branch: String,
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody approved.
    #[error(
        "{environment} takes only what was approved, and lock {lock} has no approval that holds{why}\n  `devcluster promote --to {environment} --approve --attestation .devcluster/ci/attestation.json` records who approves it, when, and on which attestation"
    )]
    NotApproved {
        /// The environment.
        environment: String,
        /// The lock's root.
        lock: String,
        /// What is wrong with approvals that are there, each with what goes before it.
        why: String,
    },
    /// A name that cannot be recorded.
    #[error("`{by}` names nobody: it is to be one line of text")]
    Nobody {
        /// The text.
        by: String,
    },
    /// A pipeline's file that is there.
    #[error("{} is there already; `--force` writes it anew", .file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// A text that a pipeline would have to quote.
    #[error(
        "{what} is called `{text}`, and a pipeline takes only letters, digits, `.`, `_`, `-` and `/` there"
    )]
    NotPlain {
        /// What it is of.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A way of installing that is no line of shell.
    #[error(
        "--install takes one line of shell, which leaves devcluster at \"$tools/bin/devcluster\" or on the PATH"
    )]
    Install,
    /// The configuration is outside of the repository's work tree.
    #[error("{} is not in the work tree {}: nothing of it would be pushed", .file.display(), .worktree.display())]
    Outside {
        /// The configuration.
        file: PathBuf,
        /// The work tree.
        worktree: PathBuf,
    },
    /// A remote that is in use.
    #[error("a push is being tested in {}; wait for its end", .home.display())]
    Testing {
        /// The served directory.
        home: PathBuf,
    },
    /// Whoever pushed is gone.
    #[error("the push was broken off; nothing was taken")]
    Left,
    /// A push that cannot be tested.
    #[error("{name}: {reason}")]
    Push {
        /// The ref, or commit.
        name: String,
        /// Why.
        reason: String,
    },
}

impl HandoffError {
    /// Whether what was asked for cannot be, rather than that it failed.
    pub fn is_users(&self) -> bool {
        !matches!(
            self,
            Self::Process(_)
                | Self::Batch
                | Self::Io { .. }
                | Self::NotApproved { .. }
                | Self::Testing { .. }
                | Self::Left
                | Self::Push { .. }
        )
    }
}
