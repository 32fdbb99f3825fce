//! Whether the one who pushed is still there. Git runs its hook to the end when the push was killed, with nobody to read
//! what it says, so the hook looks by itself: the processes between it and the push are no longer each other's parents.

use std::time::Duration;

/// The chain of processes from git's server part to the push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::operation) struct Pusher {
    chain: Vec<u32>,
}

impl Pusher {
    /// Looks who pushes; where that cannot be told, nobody is ever gone.
    pub(in crate::operation) fn find() -> Self {
        let ancestors = ancestors(std::os::unix::process::parent_id());
        Self { chain: watched(&ancestors) }
    }

    /// Ends when the push is gone.
    pub(in crate::operation) async fn left(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.is_gone() {
                return;
            }
        }
    }

    fn is_gone(&self) -> bool {
        let Some(first) = self.chain.first() else { return false };
        let now: Vec<u32> = ancestors(*first).into_iter().map(|(id, _)| id).collect();
        !now.starts_with(&self.chain)
    }
}

/// A process and those that it comes from, with their names, as far as Linux tells.
fn ancestors(process: u32) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    let mut next = process;
    while next > 1 && all.len() < 5 {
        let Ok(about) = std::fs::read_to_string(format!("/proc/{next}/stat")) else { break };
        let Some((name, parent)) = name_and_parent(&about) else { break };
        all.push((next, name));
        next = parent;
    }
    all
}

/// `ID (NAME) STATE PARENT …`, where a name may hold anything.
fn name_and_parent(about: &str) -> Option<(String, u32)> {
    let (head, rest) = about.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    Some((name, rest.split(' ').nth(1)?.parse().ok()?))
}

/// Git's server part, and what is between it and the push, which is git, too; from another machine, what started it.
fn watched(ancestors: &[(u32, String)]) -> Vec<u32> {
    let push = ancestors.iter().skip(1).position(|(_, name)| name.starts_with("git")).map_or(1, |at| at + 1);
    let chain: Vec<u32> = ancestors.iter().take(push + 1).map(|(id, _)| *id).collect();
    if chain.len() > 1 { chain } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_push_is_found_among_the_ancestors() {
        let all = |names: &[&str]| -> Vec<(u32, String)> {
            (10_u32..).zip(names.iter().map(|name| (*name).to_owned())).collect()
        };
        assert_eq!(watched(&all(&["git", "sh", "git", "bash"])), [10, 11, 12]);
        assert_eq!(watched(&all(&["git-receive-pac", "git", "git"])), [10, 11]);
        assert_eq!(watched(&all(&["git", "sshd", "sshd"])), [10, 11]);
        assert!(watched(&all(&["git"])).is_empty() && watched(&[]).is_empty());
        assert_eq!(name_and_parent("7 (a) b (c)) S 6 7 7"), Some(("a) b (c)".into(), 6)));
        assert_eq!(name_and_parent("7"), None);
    }

    #[test]
    fn one_that_is_there_is_not_gone_and_one_that_never_was_is() {
        assert!(!Pusher::find().is_gone());
        assert!(!Pusher { chain: Vec::new() }.is_gone());
        assert!(Pusher { chain: vec![std::process::id(), u32::MAX] }.is_gone());
    }
}
