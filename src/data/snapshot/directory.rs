//! A catalogue's files in a directory, local or shared: each is written aside, brought onto the disk, and
//! renamed.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::objects::{Guard, Hold, Object, Objects};
use crate::words::shown;

/// The file that is locked. It is empty and stays.
const LOCK: &str = "lock";
/// Where files are written before they have their names.
const DRAFTS: &str = "temporary";
/// Files that are kept open for reading.
const OPEN: usize = 16;

/// A directory.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    open: Mutex<VecDeque<(String, Arc<File>)>>,
}

impl Directory {
    /// The directory need not exist; it is made when something is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), open: Mutex::default() }
    }

    fn file(&self, key: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(known, _)| known == key) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(self.root.join(key))?);
        if open.len() == OPEN {
            open.pop_front();
        }
        open.push_back((key.to_owned(), file.clone()));
        Ok(file)
    }

    fn forget(&self, key: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != key);
    }

    /// The lock's file; none where the directory is not there or cannot be written, so that nobody collects
    /// garbage in it from here.
    fn lock_file(&self) -> io::Result<Option<File>> {
        let path = self.root.join(LOCK);
        match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if unwritable(&error) => Ok(File::open(&path).ok()),
            Err(error) => Err(error),
        }
    }
}

impl Objects for Directory {
    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_file()) else {
                continue;
            };
            all.push(Object { name, size: entry.metadata()?.len() });
        }
        Ok(all)
    }

    fn read(&self, key: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file(key)?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn draft(&self) -> io::Result<NamedTempFile> {
        let drafts = self.root.join(DRAFTS);
        fs::create_dir_all(&drafts)?;
        // As readable as any file its owner makes: the directory may be shared.
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(drafts)
    }

    fn publish(&self, draft: NamedTempFile, key: &str, replace: bool) -> io::Result<()> {
        let path = self.root.join(key);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        draft.as_file().sync_all()?;
        if replace {
            draft.persist(&path).map_err(|failed| failed.error)?;
        } else {
            draft.persist_noclobber(&path).map_err(|failed| failed.error)?;
        }
        self.forget(key);
        sync(folder)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let path = self.root.join(key);
        self.forget(key);
        fs::remove_file(&path)?;
        path.parent().map_or(Ok(()), sync)
    }

    fn hold(&self, hold: Hold) -> io::Result<Guard> {
        if hold == Hold::Adding {
            fs::create_dir_all(&self.root)?;
        }
        let Some(file) = self.lock_file()? else { return Ok(Guard::none()) };
        match hold {
            Hold::Reading | Hold::Adding => file.lock_shared()?,
            Hold::Alone => file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
                TryLockError::Error(error) => error,
            })?,
        }
        Ok(Guard::of(file))
    }

    fn sweep(&self) -> io::Result<usize> {
        let left = self.list(DRAFTS)?;
        for Object { name, .. } in &left {
            let gone = fs::remove_file(self.root.join(DRAFTS).join(name));
            gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        Ok(left.len())
    }

    fn shown(&self, key: &str) -> String {
        if key.is_empty() { shown(&self.root) } else { shown(&self.root.join(key)) }
    }
}

/// Whether this file system lets nobody write from here.
fn unwritable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Brings a folder's names onto the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_published_is_there_and_what_is_not_vanishes() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::new(root.path().join("new"));
        assert_eq!(directory.list("packs").unwrap(), []);
        drop(directory.draft().unwrap());
        let mut draft = directory.draft().unwrap();
        draft.write_all(b"contents").unwrap();
        directory.publish(draft, "packs/a", false).unwrap();
        let taken = directory.publish(directory.draft().unwrap(), "packs/a", false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(directory.list("packs").unwrap(), [Object { name: "a".into(), size: 8 }]);
        assert_eq!(directory.read("packs/a", 3, 5).unwrap(), b"tents");
        assert_eq!(directory.read("packs/a", 3, 6).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(directory.sweep().unwrap(), 0);
        directory.remove("packs/a").unwrap();
        assert!(directory.read("packs/a", 0, 1).is_err());
    }

    #[test]
    fn many_share_and_one_is_alone() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (Directory::new(root.path()), Directory::new(root.path()));
        let shared = [one.hold(Hold::Adding).unwrap(), other.hold(Hold::Reading).unwrap()];
        assert_eq!(one.hold(Hold::Alone).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(shared);
        one.hold(Hold::Alone).unwrap();
    }
}
