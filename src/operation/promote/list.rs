//! Which lock each environment has and had, from the history of its branch.

use crate::config::Config;
use crate::handoff::message::{APPROVED_BY, LOCK, PROMOTED_FROM};
use crate::operation::git::Git;
use crate::operation::git::branches;
use crate::operation::handoff::error::HandoffError;

/// An environment's history.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct History {
    /// Its name.
    pub environment: String,
    /// Its branch.
    pub branch: String,
    /// Whether it is production.
    pub production: bool,
    /// What happened, the newest first.
    pub entries: Vec<Entry>,
}

/// A commit of an environment's branch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The commit.
    pub commit: String,
    /// When it was made, as ISO 8601 has it.
    pub at: String,
    /// By whom.
    pub by: String,
    /// The lock that the environment has since; none of commits that brought none, such as approvals.
    pub lock: Option<String>,
    /// The environment that it came from; none where it was handed off.
    pub from: Option<String>,
    /// Who approved.
    pub approved_by: Option<String>,
    /// The commit's subject.
    pub subject: String,
}

/// All environments, in their order; of each the newest `limit` commits.
pub async fn run(config: &Config, limit: u32) -> Result<Vec<History>, HandoffError> {
    let git = Git::open(config.directory()).await?;
    let mut all = Vec::new();
    for environment in &config.environments {
        let branch = branches::look(&git, &environment.branch, None).await?;
        let entries = match &branch.base {
            Some(base) => entries(&git, base, limit).await?,
            None => Vec::new(),
        };
        all.push(History {
            environment: environment.name.clone(),
            branch: branch.name,
            production: environment.production,
            entries,
        });
    }
    Ok(all)
}

async fn entries(git: &Git, base: &str, limit: u32) -> Result<Vec<Entry>, HandoffError> {
    let trailer = |name| format!("%(trailers:key={name},valueonly,separator=%x20)");
    let fields = ["%H", "%cI", "%cn", "%s", &trailer(LOCK), &trailer(PROMOTED_FROM), &trailer(APPROVED_BY)];
    let format = format!("--format={}", fields.join("%x1f"));
    let count = format!("--max-count={limit}");
    let log = git.text(&["log", "--first-parent", &count, &format, "--end-of-options", base]).await?;
    Ok(log.lines().filter_map(entry).collect())
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split('\u{1f}').map(|field| {
        let text: String = field.chars().filter(|character| !character.is_control()).collect();
        text.trim().to_owned()
    });
    let mut next = || fields.next();
    let (commit, at, by, subject) = (next()?, next()?, next()?, next()?);
    let mut trailer = || next().filter(|text| !text.is_empty());
    let (lock, from, approved_by) = (trailer(), trailer(), trailer());
    // `NAME COMMIT`
    let from = from.and_then(|from| from.split(' ').next().map(str::to_owned));
    Some(Entry { commit, at, by, lock, from, approved_by, subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_taken_apart() {
        let line = "c\u{1f}2026-01-02T03:04:05Z\u{1f}Ada\u{1f}s \u{1b}[31mx\u{1f}r\u{1f}staging d\u{1f}Bob <b@example.com>";
        let found = entry(line).unwrap();
        assert_eq!((found.commit.as_str(), found.subject.as_str()), ("c", "s [31mx"));
        assert_eq!(found.lock.as_deref(), Some("r"));
        assert_eq!(found.from.as_deref(), Some("staging"));
        assert_eq!(found.approved_by.as_deref(), Some("Bob <b@example.com>"));
        assert_eq!(entry("c\u{1f}a\u{1f}b\u{1f}s\u{1f}\u{1f}\u{1f}").unwrap().lock, None);
        assert_eq!(entry("c"), None);
    }
}
