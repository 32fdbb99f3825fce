//! What stood at each path when it was last looked at, so that a notice becomes what really changed: files of a directory
//! that went away are known one by one, and a notice without a change is none.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is at a path now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// A file.
    File {
        /// Its permissions.
        mode: u32,
        /// Whether its permissions are what they were.
        same_mode: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: PathBuf,
    },
    /// A directory.
    Directory {
        /// Its permissions.
        mode: u32,
    },
    /// Nothing anymore.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    mode: u32,
    size: u64,
    changed: (i64, i64),
    inode: u64,
    directory: bool,
}

impl Seen {
    fn of(found: &Metadata) -> Self {
        // The contents of a directory are their own entries.
        let plain = !found.is_dir();
        Self {
            mode: found.mode() & 0o7777,
            size: if plain { found.size() } else { 0 },
            changed: if plain { (found.mtime(), found.mtime_nsec()) } else { (0, 0) },
            inode: found.ino(),
            directory: !plain,
        }
    }
}

/// What stood at each path below some roots.
#[derive(Debug, Clone, Default)]
pub struct Index {
    seen: BTreeMap<PathBuf, Seen>,
}

impl Index {
    /// Looks at all below `roots`, leaving out what `skips` says; symbolic links are not followed.
    pub fn of(roots: impl IntoIterator<Item = PathBuf>, skips: impl Fn(&Path) -> bool) -> Self {
        let mut index = Self::default();
        let mut left: Vec<PathBuf> = roots.into_iter().collect();
        while let Some(path) = left.pop() {
            let Ok(found) = path.symlink_metadata() else { continue };
            if skips(&path) {
                continue;
            }
            if found.is_dir() {
                let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                left.extend(entries.map(|entry| entry.path()));
            }
            index.seen.insert(path, Seen::of(&found));
        }
        index
    }

    /// The paths at which `later`, a later look at the same roots, has something else.
    pub fn differences(&self, later: &Self) -> Vec<PathBuf> {
        let gone = self.seen.keys().filter(|path| !later.seen.contains_key(*path));
        let other = later.seen.iter().filter(|(path, seen)| self.seen.get(*path) != Some(seen));
        gone.chain(other.map(|(path, _)| path)).cloned().collect()
    }

    /// What changed at `path` and, where a directory was there, below it; remembered as it is now. In the order in which
    /// it is to be made: what is gone first, deepest first.
    pub fn changes(&mut self, path: &Path) -> Vec<(PathBuf, Now)> {
        let found = path.symlink_metadata().ok();
        let mut changes = Vec::new();
        if found.as_ref().is_none_or(|found| !found.is_dir()) {
            changes.extend(self.below(path).into_iter().rev().map(|gone| (gone, Now::Gone)));
        }
        let Some(found) = found else {
            if self.seen.contains_key(path) {
                changes.push((path.to_owned(), Now::Gone));
            }
            self.forget(&changes);
            return changes;
        };
        let seen = Seen::of(&found);
        let before = self.seen.get(path);
        if before == Some(&seen) {
            return changes;
        }
        if before.is_some_and(|before| before.directory != seen.directory) {
            changes.push((path.to_owned(), Now::Gone));
        }
        let same_mode = before.is_some_and(|before| before.mode == seen.mode && !before.directory);
        self.forget(&changes);
        let now = if found.is_dir() {
            Some(Now::Directory { mode: seen.mode })
        } else if found.is_symlink() {
            std::fs::read_link(path).ok().map(|target| Now::Link { target })
        } else if found.is_file() {
            Some(Now::File { mode: seen.mode, same_mode })
        } else {
            None // a socket or a pipe
        };
        if let Some(now) = now {
            self.seen.insert(path.to_owned(), seen);
            changes.push((path.to_owned(), now));
        }
        changes
    }

    fn below(&self, path: &Path) -> Vec<PathBuf> {
        let after = (Bound::Excluded(path), Bound::Unbounded);
        let paths = self.seen.range::<Path, _>(after).map(|(path, _)| path);
        paths.take_while(|below| below.starts_with(path)).cloned().collect()
    }

    fn forget(&mut self, changes: &[(PathBuf, Now)]) {
        for (path, _) in changes {
            self.seen.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn two_looks_differ_where_something_changed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["same", "gone", "changed"] {
            fs::write(at(name), "1").unwrap();
        }
        let look = || Index::of([root.path().to_owned()], |_| false);
        let before = look();
        fs::remove_file(at("gone")).unwrap();
        fs::write(at("changed"), "2").unwrap();
        fs::write(at("new"), "1").unwrap();
        assert_eq!(before.differences(&look()), [at("gone"), at("changed"), at("new")]);
    }

    #[test]
    fn notices_become_what_really_changed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("d/deep")).unwrap();
        fs::write(at("d/deep/a"), "1").unwrap();
        fs::write(at("d/b"), "1").unwrap();
        let mut index = Index::of([root.path().to_owned()], |_| false);
        assert_eq!(index.changes(&at("d/b")), []);
        fs::set_permissions(at("d/b"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(index.changes(&at("d/b")), [(at("d/b"), Now::File { mode: 0o755, same_mode: false })]);
        fs::write(at("d/b"), "22").unwrap();
        assert_eq!(index.changes(&at("d/b")), [(at("d/b"), Now::File { mode: 0o755, same_mode: true })]);
        // A directory that moved away: nobody tells of what was in it.
        fs::rename(at("d"), at("e")).unwrap();
        let gone: Vec<PathBuf> = index.changes(&at("d")).into_iter().map(|(path, _)| path).collect();
        assert_eq!(gone, [at("d/deep/a"), at("d/deep"), at("d/b"), at("d")]);
        // A directory that became a link.
        assert_eq!(index.changes(&at("e")).len(), 1);
        index.changes(&at("e/b"));
        fs::remove_dir_all(at("e")).unwrap();
        symlink("elsewhere", at("e")).unwrap();
        assert_eq!(
            index.changes(&at("e")),
            [
                (at("e/b"), Now::Gone),
                (at("e"), Now::Gone),
                (at("e"), Now::Link { target: "elsewhere".into() })
            ]
        );
        assert_eq!(index.changes(&at("never")), []);
    }
}
