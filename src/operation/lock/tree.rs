//! The id of the git tree that a directory is, without the lock in it: a lock cannot hold the id of a tree that holds it.

use std::path::Path;

use crate::handoff::FILE;
use crate::process::Command;

/// The id; none outside of git, without a commit, or with changes that are not committed. Nothing is written.
pub(in crate::operation) async fn id(directory: &Path) -> Option<String> {
    let git = |args: &[&str]| Command::new("git").directory(directory).args(args.iter().copied());
    let status = git(&["status", "--porcelain", "-z", "--no-renames", "--", "."]).output().await.ok()?;
    let mut changed = status.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    if changed.any(|line| !line.ends_with(FILE.as_bytes())) {
        return None;
    }
    let listing = git(&["ls-tree", "--full-tree", "-z", "HEAD:./"]).output().await.ok()?;
    let tree = entries(&listing)?;
    let id = git(&["hash-object", "-t", "tree", "--stdin"]).stdin(tree).output().await.ok()?;
    Some(String::from_utf8_lossy(&id).trim().to_owned()).filter(|id| !id.is_empty())
}

/// A tree object's content (gitformat-pack: `mode name NUL id`, each), of what `ls-tree -z` lists.
fn entries(listing: &[u8]) -> Option<Vec<u8>> {
    let mut tree = Vec::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let (about, name) = (std::str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]);
        if name == FILE.as_bytes() {
            continue;
        }
        let mut words = about.split(' ');
        let (mode, id) = (words.next()?, words.nth(1)?);
        tree.extend_from_slice(mode.trim_start_matches('0').as_bytes());
        tree.push(b' ');
        tree.extend_from_slice(name);
        tree.push(0);
        for at in (0..id.len()).step_by(2) {
            tree.push(u8::from_str_radix(id.get(at..at + 2)?, 16).ok()?);
        }
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_is_gits_own_and_the_lock_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("sub");
        std::fs::create_dir_all(directory.join("deploy")).unwrap();
        std::fs::write(directory.join("deploy/a.yaml"), "a").unwrap();
        assert_eq!(id(&directory).await, None);
        let git = |args: &[&str]| {
            let user = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            let output =
                std::process::Command::new("git").current_dir(root.path()).args(user).args(args).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "a"]);
        let wanted = git(&["rev-parse", "HEAD:sub"]);
        assert_eq!(id(&directory).await.as_deref(), Some(wanted.as_str()));
        std::fs::write(directory.join(FILE), "lock").unwrap();
        assert_eq!(id(&directory).await.as_deref(), Some(wanted.as_str()));
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "b"]);
        assert_eq!(id(&directory).await.as_deref(), Some(wanted.as_str()));
        std::fs::write(directory.join("deploy/a.yaml"), "b").unwrap();
        assert_eq!(id(&directory).await, None);
    }
}
