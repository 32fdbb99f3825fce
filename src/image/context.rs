//! A build's context as its ignore file leaves it, hashed: names, kinds, permissions, link targets and contents, not times.
//! Contents are read once: a stat index remembers each file's hash under what the file system says of it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::dockerignore::Ignore;

/// A file that changes within this many nanoseconds before it is read may change again unseen under the same times.
const RACY_NS: i128 = 50_000_000;

/// What the file system says of a file. As long as it stays, the contents stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    size: u64,
    mtime_ns: i128,
    ctime_ns: i128,
    inode: u64,
}

impl Stat {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let time = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            size: metadata.len(),
            mtime_ns: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: time(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// The hash of a context, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextHash {
    /// blake3 of the context, hex.
    pub hash: String,
    /// Files, links and directories in it.
    pub entries: usize,
    /// Files whose contents had to be read.
    pub read: usize,
}

struct Entry {
    /// Relative, separated by `/`.
    path: String,
    mode: u32,
    kind: Kind,
}

enum Kind {
    Directory,
    File(Stat),
    Link(Vec<u8>),
}

/// Hashes the context in `root` as `ignore` leaves it. `index` is where hashes of files are remembered; it holds nothing
/// that cannot be had again. An error comes with the path it is about.
pub fn hash_context(root: &Path, ignore: &Ignore, index: &Path) -> Result<ContextHash, (PathBuf, io::Error)> {
    let seen = look(root, ignore, index)?;
    let hash = digest(&seen.entries, &|path| seen.hashes.get(path).copied());
    Ok(ContextHash { hash, entries: seen.entries.len(), read: seen.read })
}

/// The files and links of a context by path, each with what it holds as git would tell it apart: contents, whether it can be
/// run, where a link leads. So a clone elsewhere, under another umask, has the same.
pub fn list_context(
    root: &Path,
    ignore: &Ignore,
    index: &Path,
) -> Result<BTreeMap<String, String>, (PathBuf, io::Error)> {
    let seen = look(root, ignore, index)?;
    let listed = seen.entries.iter().filter_map(|entry| {
        let told = match &entry.kind {
            Kind::Directory => return None,
            Kind::Link(target) => format!("{}+l", blake3::hash(target).to_hex()),
            Kind::File(_) => {
                let hash = blake3::Hash::from(seen.hashes.get(&entry.path).copied().unwrap_or_default());
                format!("{}{}", hash.to_hex(), if entry.mode & 0o100 == 0 { "" } else { "+x" })
            }
        };
        Some((entry.path.clone(), told))
    });
    Ok(listed.collect())
}

/// A context as it is on disk.
struct Seen {
    entries: Vec<Entry>,
    /// Of files' contents, by path.
    hashes: BTreeMap<String, [u8; 32]>,
    /// Files whose contents had to be read.
    read: usize,
}

fn look(root: &Path, ignore: &Ignore, index: &Path) -> Result<Seen, (PathBuf, io::Error)> {
    let mut entries = Vec::new();
    walk(root, "", ignore, &mut entries)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let known = read_index(index);
    let wanted: Vec<(&str, Stat)> = entries
        .iter()
        .filter_map(|entry| match entry.kind {
            Kind::File(stat) => Some((entry.path.as_str(), stat)),
            _ => None,
        })
        .collect();
    let unknown: Vec<(&str, Stat)> = wanted
        .iter()
        .copied()
        .filter(|(path, stat)| known.get(*path).is_none_or(|(kept, _)| kept != stat))
        .collect();
    let fresh = hash_files(root, &unknown)?;
    if !unknown.is_empty() || known.len() != wanted.len() {
        let kept = wanted.iter().filter_map(|(path, stat)| match fresh.get(*path) {
            Some((hash, true)) => Some((*path, *stat, *hash)),
            Some((_, false)) => None,
            None => known.get(*path).map(|(_, hash)| (*path, *stat, *hash)),
        });
        // The index only saves time: a directory that cannot be written costs reading, not the build.
        let _ = write_index(index, kept);
    }
    let hash_of = |path: &str| {
        fresh.get(path).map(|(hash, _)| *hash).or_else(|| known.get(path).map(|(_, hash)| *hash))
    };
    let hashes = wanted.iter().filter_map(|(path, _)| Some(((*path).to_owned(), hash_of(path)?))).collect();
    let read = unknown.len();
    Ok(Seen { entries, hashes, read })
}

fn walk(
    root: &Path,
    directory: &str,
    ignore: &Ignore,
    entries: &mut Vec<Entry>,
) -> Result<(), (PathBuf, io::Error)> {
    let full = root.join(directory);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    for child in std::fs::read_dir(&full).map_err(failed(&full))? {
        let child = child.map_err(failed(&full))?;
        let full = child.path();
        let Some(name) = child.file_name().to_str().map(ToOwned::to_owned) else {
            return Err((full, io::Error::new(io::ErrorKind::InvalidData, "the name is not UTF-8")));
        };
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        let ignored = ignore.ignores(&path);
        let kind = child.file_type().map_err(failed(&full))?;
        if ignored && !(kind.is_dir() && ignore.may_take_back_in(&path)) {
            continue;
        }
        if kind.is_dir() {
            walk(root, &path, ignore, entries)?;
        }
        if ignored {
            continue;
        }
        let metadata = child.metadata().map_err(failed(&full))?;
        let what = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&full).map_err(failed(&full))?;
            Kind::Link(target.into_os_string().into_encoded_bytes())
        } else if kind.is_file() {
            Kind::File(Stat::of(&metadata))
        } else {
            continue; // sockets, pipes and devices: BuildKit sends no contents of them
        };
        entries.push(Entry { path, mode: metadata.mode() & 0o7777, kind: what });
    }
    Ok(())
}

type Hashes = BTreeMap<String, ([u8; 32], bool)>;

/// Hashes of files by path, and whether each may be remembered.
fn hash_files(root: &Path, files: &[(&str, Stat)]) -> Result<Hashes, (PathBuf, io::Error)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Hashes::new();
        while let Some((path, stat)) = files.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let full = root.join(path);
            let now = now_ns();
            let hash = hash_file(&full).map_err(|error| (full.clone(), error))?;
            let settled = stat.ctime_ns.max(stat.mtime_ns) < now - RACY_NS
                && std::fs::symlink_metadata(&full).is_ok_and(|after| Stat::of(&after) == *stat);
            done.insert((*path).to_owned(), (hash, settled));
        }
        Ok(done)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Hashes::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

fn hash_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(hasher.finalize().into())
}

fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

fn digest(entries: &[Entry], hash_of: &dyn Fn(&str) -> Option<[u8; 32]>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for entry in entries {
        field(entry.path.as_bytes());
        field(&entry.mode.to_le_bytes());
        match &entry.kind {
            Kind::Directory => field(b"d"),
            Kind::Link(target) => {
                field(b"l");
                field(target);
            }
            Kind::File(_) => {
                field(b"f");
                field(&hash_of(&entry.path).unwrap_or_default());
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

const INDEX_HEADER: &str = "devcluster context index 1";

type Index = BTreeMap<String, (Stat, [u8; 32])>;

/// Reads an index; what is not one is as good as none.
fn read_index(file: &Path) -> Index {
    let Ok(text) = std::fs::read_to_string(file) else { return Index::new() };
    let mut records = text.split('\0');
    if records.next() != Some(INDEX_HEADER) {
        return Index::new();
    }
    records.filter_map(read_record).collect()
}

fn read_record(record: &str) -> Option<(String, (Stat, [u8; 32]))> {
    let mut fields = record.splitn(6, ' ');
    let stat = Stat {
        size: fields.next()?.parse().ok()?,
        mtime_ns: fields.next()?.parse().ok()?,
        ctime_ns: fields.next()?.parse().ok()?,
        inode: fields.next()?.parse().ok()?,
    };
    let hash = blake3::Hash::from_hex(fields.next()?).ok()?;
    Some((fields.next()?.to_owned(), (stat, hash.into())))
}

fn write_index<'a>(file: &Path, entries: impl Iterator<Item = (&'a str, Stat, [u8; 32])>) -> io::Result<()> {
    use std::fmt::Write as _;
    let mut text = String::from(INDEX_HEADER);
    for (path, stat, hash) in entries {
        let hash = blake3::Hash::from(hash).to_hex();
        let Stat { size, mtime_ns, ctime_ns, inode } = stat;
        let _ = write!(text, "\0{size} {mtime_ns} {ctime_ns} {inode} {hash} {path}");
    }
    super::files::write_atomically(file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                tree.write(path, text);
            }
            tree
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join("context").join(path)
        }

        fn write(&self, path: &str, text: &str) {
            let full = self.path(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }

        fn hash(&self, ignore: &str) -> ContextHash {
            let index = self.0.path().join("index");
            hash_context(&self.path(""), &Ignore::parse(ignore).unwrap(), &index).unwrap()
        }

        /// Makes every file look older than the racy window.
        fn age() {
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
    }

    #[test]
    fn what_is_ignored_does_not_count() {
        let tree = Tree::new(&[("main.go", "x"), ("target/a", "1"), ("d/keep", "k"), ("d/b", "2")]);
        let ignore = "target\nd\n!d/keep";
        let before = tree.hash(ignore);
        assert_eq!(before.entries, 2, "main.go and d/keep");
        tree.write("target/a", "changed");
        tree.write("d/b", "changed");
        assert_eq!(tree.hash(ignore).hash, before.hash);
        tree.write("d/keep", "changed");
        assert_ne!(tree.hash(ignore).hash, before.hash);
    }

    #[test]
    fn an_unchanged_tree_is_not_read_again() {
        let tree = Tree::new(&[("a", "1"), ("d/b", "2")]);
        Tree::age();
        assert_eq!(tree.hash("").read, 2);
        let again = tree.hash("");
        assert_eq!(again.read, 0);
        tree.write("a", "9");
        let changed = tree.hash("");
        assert_eq!(changed.read, 1);
        assert_ne!(changed.hash, again.hash);
    }

    #[test]
    fn a_file_read_right_after_its_change_is_read_again() {
        let tree = Tree::new(&[("a", "1")]);
        let metadata = std::fs::metadata(tree.path("a")).unwrap();
        let racy = Stat::of(&metadata);
        let future = Stat { ctime_ns: now_ns() + 1_000_000_000, ..racy };
        let hashes = hash_files(&tree.path(""), &[("a", future)]).unwrap();
        assert!(!hashes["a"].1);
    }

    #[test]
    fn times_do_not_count_but_modes_links_and_names_do() {
        let tree = Tree::new(&[("run.sh", "#!/bin/sh\n"), ("z", "z")]);
        let first = tree.hash("").hash;
        tree.write("run.sh", "#!/bin/sh\n");
        assert_eq!(tree.hash("").hash, first, "rewritten with the same contents");
        std::fs::set_permissions(tree.path("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
        let executable = tree.hash("").hash;
        assert_ne!(executable, first);
        std::os::unix::fs::symlink("z", tree.path("link")).unwrap();
        let linked = tree.hash("").hash;
        assert_ne!(linked, executable);
        std::fs::remove_file(tree.path("link")).unwrap();
        std::os::unix::fs::symlink("run.sh", tree.path("link")).unwrap();
        assert_ne!(tree.hash("").hash, linked, "another target");
    }

    #[test]
    fn a_broken_index_is_as_good_as_none() {
        let tree = Tree::new(&[("a", "1")]);
        Tree::age();
        let first = tree.hash("").hash;
        std::fs::write(tree.0.path().join("index"), format!("{INDEX_HEADER}\0nonsense\01 2 3 4 zz a"))
            .unwrap();
        let again = tree.hash("");
        assert_eq!((again.hash, again.read), (first, 1));
    }

    #[test]
    fn a_missing_context_is_named() {
        let (path, error) =
            hash_context(Path::new("/no/such/context"), &Ignore::default(), Path::new("/no/index"))
                .unwrap_err();
        assert!(path.starts_with("/no/such/context"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
