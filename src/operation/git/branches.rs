//! Branches that handoffs and promotions write: where one stands, here and on a remote, and how it goes on.

use crate::handoff::layout::{Files, is_own};
use crate::handoff::marker;
use crate::operation::git::Git;
use crate::operation::handoff::error::HandoffError;

/// A branch as it stands before it is written.
#[derive(Debug, Clone)]
pub(in crate::operation) struct Branch {
    /// Its name.
    pub name: String,
    /// The commit to go on from; none where the branch is yet to be.
    pub base: Option<String>,
    /// Where it stands here.
    here: Option<String>,
    /// Where it stands on the remote that it is pushed to, if it is.
    remote: Option<(String, Option<String>)>,
}

/// Looks at a branch. With a remote, what only that has is fetched, without a ref of its own.
pub(in crate::operation) async fn look(
    git: &Git,
    name: &str,
    push: Option<&str>,
) -> Result<Branch, HandoffError> {
    let name = checked(git, name).await?;
    let here = git.commit(&format!("refs/heads/{name}")).await?;
    let Some(remote) = push else {
        let base = match &here {
            Some(here) => Some(here.clone()),
            None => tracked(git, &name).await?,
        };
        return Ok(Branch { name, base, here, remote: None });
    };
    let there = fetched(git, remote, &name).await?;
    let base = match (&here, &there) {
        (Some(here), Some(there)) if git.is_ancestor(here, there).await? => Some(there.clone()),
        (Some(here), Some(there)) if git.is_ancestor(there, here).await? => Some(here.clone()),
        (Some(_), Some(_)) => {
            return Err(HandoffError::Diverged { branch: name, remote: remote.to_owned() });
        }
        (here, there) => here.clone().or_else(|| there.clone()),
    };
    Ok(Branch { name, base, here, remote: Some((remote.to_owned(), there)) })
}

/// The branch's name, without `refs/heads/`, where git takes it for one.
async fn checked(git: &Git, name: &str) -> Result<String, HandoffError> {
    let short = name.strip_prefix("refs/heads/").unwrap_or(name);
    let wrong = |reason: &str| HandoffError::Branch { name: name.to_owned(), reason: reason.to_owned() };
    if short.starts_with('-') || short.contains("@{") {
        return Err(wrong("git takes it for something else"));
    }
    let format = git.find(&["check-ref-format", "--branch", short]).await?;
    if format.as_deref() != Some(short) {
        return Err(wrong("git does not take it for one"));
    }
    Ok(short.to_owned())
}

/// Where a clone last saw the branch: in `origin`, else in the one remote that has it.
async fn tracked(git: &Git, name: &str) -> Result<Option<String>, HandoffError> {
    if let Some(found) = git.commit(&format!("refs/remotes/origin/{name}")).await? {
        return Ok(Some(found));
    }
    let pattern = format!("refs/remotes/*/{name}");
    let found = git.text(&["for-each-ref", "--format=%(objectname)", &pattern]).await?;
    let mut found = found.lines();
    Ok(found.next().filter(|_| found.next().is_none()).map(str::to_owned))
}

/// Where the branch stands on a remote; its commits are here then.
async fn fetched(git: &Git, remote: &str, name: &str) -> Result<Option<String>, HandoffError> {
    if remote.starts_with('-') || remote.is_empty() {
        return Err(HandoffError::Remote { name: remote.to_owned() });
    }
    let full = format!("refs/heads/{name}");
    let listed = git.text(&["ls-remote", "--", remote, &full]).await?;
    // Git lists every ref that ends so: `refs/heads/a/refs/heads/b`, too.
    let mut refs = listed.lines().filter_map(|line| line.split_once('\t'));
    let Some((id, _)) = refs.find(|(_, found)| *found == full) else { return Ok(None) };
    if git.commit(id).await?.is_none() {
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote, &full];
        git.command(&args).output().await?;
    }
    Ok(Some(id.to_owned()))
}

impl Branch {
    /// Refuses a branch that others write, and one that a work tree has checked out.
    pub(in crate::operation) async fn check(&self, git: &Git) -> Result<(), HandoffError> {
        if let Some(base) = &self.base {
            let ours = git.text(&["ls-tree", "--full-tree", "--name-only", base, ".devcluster"]).await?;
            let marked = git.file(base, marker::PATH).await?.is_some();
            if !marked && (ours.is_empty() || !self.holds_only_records(git, base).await?) {
                return Err(HandoffError::Foreign { branch: self.name.clone() });
            }
        }
        let worktrees = git.text(&["worktree", "list", "--porcelain"]).await?;
        let mut worktree = "";
        for line in worktrees.lines() {
            worktree = line.strip_prefix("worktree ").unwrap_or(worktree);
            if line.strip_prefix("branch refs/heads/") == Some(self.name.as_str()) {
                return Err(HandoffError::CheckedOut {
                    branch: self.name.clone(),
                    worktree: worktree.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// An approval may stand before there is anything to approve.
    async fn holds_only_records(&self, git: &Git, base: &str) -> Result<bool, HandoffError> {
        let paths = git.text(&["ls-tree", "-r", "--full-tree", "--name-only", base]).await?;
        Ok(paths.lines().all(|path| path.starts_with(".devcluster/")))
    }

    /// Writes the files of a handoff, which replace those of the one before; none where the branch has them already.
    pub(in crate::operation) async fn commit(
        &mut self,
        git: &Git,
        files: &Files,
        message: &str,
    ) -> Result<Option<String>, HandoffError> {
        self.write(git, files, is_own, message).await
    }

    /// Writes files beside what is there.
    pub(in crate::operation) async fn add(
        &mut self,
        git: &Git,
        files: &Files,
        message: &str,
    ) -> Result<Option<String>, HandoffError> {
        self.write(git, files, |_| false, message).await
    }

    async fn write(
        &mut self,
        git: &Git,
        files: &Files,
        replaces: impl Fn(&str) -> bool,
        message: &str,
    ) -> Result<Option<String>, HandoffError> {
        let commit = git.write_commit(self.base.as_deref(), files, replaces, message).await?;
        if let Some(commit) = &commit {
            self.base = Some(commit.clone());
        }
        Ok(commit)
    }

    /// Has the branch stand where it was written to, here and then on its remote. Either may have been done already by
    /// a run that was killed. Whether it was pushed.
    pub(in crate::operation) async fn finish(&mut self, git: &Git) -> Result<bool, HandoffError> {
        let Some(base) = self.base.clone() else { return Ok(false) };
        let full = format!("refs/heads/{}", self.name);
        if self.here.as_ref() != Some(&base) {
            let before = self.here.clone().unwrap_or_default();
            let reason = "devcluster: lock handed on";
            git.command(&["update-ref", "-m", reason, &full, &base, &before]).output().await?;
            self.here = Some(base.clone());
        }
        match &mut self.remote {
            Some((remote, there)) if there.as_ref() != Some(&base) => {
                let refspec = format!("{base}:{full}");
                git.command(&["push", "--quiet", "--", remote, &refspec]).output().await?;
                *there = Some(base);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
