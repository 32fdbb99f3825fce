//! Hashes of files, kept with what `stat` says of them, so that files that did not change are not read again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A file whose inode changed less than this long ago may change again without `stat` telling, as clocks of file
/// systems tick: its hash is not kept.
const SETTLED_AFTER_NS: i128 = 1_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
}

impl Stat {
    fn of(about: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified_ns: ns(about.mtime(), about.mtime_nsec()),
            changed_ns: ns(about.ctime(), about.ctime_nsec()),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries {
    files: BTreeMap<PathBuf, (Stat, String)>,
    #[serde(skip)]
    changed: bool,
}

/// The hashes of files.
#[derive(Debug)]
pub(super) struct Index {
    file: PathBuf,
    entries: Mutex<Entries>,
}

impl Index {
    /// The index kept in a file; an empty one where it cannot be read.
    pub(super) fn open(file: PathBuf) -> Self {
        let entries = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file, entries: Mutex::new(entries.unwrap_or_default()) }
    }

    /// blake3 of a file's content, hex.
    pub(super) fn hash(&self, path: &Path) -> std::io::Result<String> {
        let stat = Stat::of(&path.metadata()?);
        if let Some((known, hash)) = self.lock().files.get(path)
            && *known == stat
        {
            return Ok(hash.clone());
        }
        let hash = blake3::hash(&std::fs::read(path)?).to_hex().to_string();
        let after = Stat::of(&path.metadata()?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let age = i128::try_from(now).unwrap_or(0) - i128::from(after.changed_ns.max(after.modified_ns));
        let mut entries = self.lock();
        entries.changed = true;
        if after == stat && age > SETTLED_AFTER_NS {
            entries.files.insert(path.to_owned(), (stat, hash.clone()));
        } else {
            entries.files.remove(path);
        }
        Ok(hash)
    }

    /// Keeps what was learnt. Failing to only costs time later.
    pub(super) fn save(&self) {
        let mut entries = self.lock();
        if !entries.changed {
            return;
        }
        entries.files.retain(|path, _| path.exists());
        if let Ok(bytes) = serde_json::to_vec(&*entries)
            && write_private(&self.file, &bytes).is_ok()
        {
            entries.changed = false;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut temporary = tempfile::Builder::new().prefix(".writing-").tempfile_in(directory)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}

/// Writes a new file that only its owner may read.
pub(super) fn create_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn hash(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    #[test]
    fn a_file_is_read_again_when_it_changed_and_only_then() {
        let directory = tempfile::tempdir().unwrap();
        let (file, kept) = (directory.path().join("a"), directory.path().join("index.json"));
        std::fs::write(&file, "one").unwrap();
        let index = Index::open(kept.clone());
        assert_eq!(index.hash(&file).unwrap(), hash(b"one"));
        // Fresh files are not trusted.
        assert!(index.lock().files.is_empty());
        std::fs::write(&file, "two").unwrap();
        assert_eq!(index.hash(&file).unwrap(), hash(b"two"));
        // A settled one is: what the index says counts.
        let stat = Stat::of(&file.metadata().unwrap());
        index.lock().files.insert(file.clone(), (stat, "known".into()));
        index.save();
        let index = Index::open(kept.clone());
        assert_eq!(index.hash(&file).unwrap(), "known");
        std::fs::write(&file, "three").unwrap();
        assert_eq!(index.hash(&file).unwrap(), hash(b"three"));
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(index.hash(&directory.path().join("gone")).is_err());
    }
}
