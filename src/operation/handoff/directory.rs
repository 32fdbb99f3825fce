//! A handoff as a directory: written whole beside its place, then put there in one step.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::error::HandoffError;
use crate::handoff::layout::{Files, is_own};
use crate::handoff::marker;

/// Has a directory hold these files and nothing else; whether anything had to be written. Only a directory that is empty, or
/// that an earlier handoff wrote and nobody added to, is taken.
pub(in crate::operation) fn write(directory: &Path, files: &Files) -> Result<bool, HandoffError> {
    let directory = absolute(directory)?;
    let there = match fs::symlink_metadata(&directory) {
        Ok(about) if about.is_dir() => Some(read(&directory)?),
        Ok(_) => return Err(foreign(&directory, "a file in its place")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(io(&directory, source)),
    };
    if let Some(there) = &there {
        if there == files {
            return Ok(false);
        }
        let ours = there.contains_key(marker::PATH);
        if let Some(other) = there.keys().find(|path| !ours || !is_own(path)) {
            return Err(foreign(&directory, other));
        }
    }
    let draft = beside(&directory)?;
    // One that a killed run left.
    remove(&draft)?;
    let written = write_all(&draft, files).and_then(|()| put(&draft, &directory, there.is_some()));
    // What is beside now is the old state, or a draft that failed.
    let removed = remove(&draft);
    written?;
    removed?;
    Ok(true)
}

fn absolute(directory: &Path) -> Result<PathBuf, HandoffError> {
    let current = std::env::current_dir().map_err(|source| io(directory, source))?;
    let joined = current.join(directory);
    let Some(name) = joined.file_name() else { return Err(nameless(directory)) };
    let parent = joined.parent().unwrap_or(&current);
    Ok(parent.canonicalize().map_err(|source| io(parent, source))?.join(name))
}

fn beside(directory: &Path) -> Result<PathBuf, HandoffError> {
    let name = directory.file_name().ok_or_else(|| nameless(directory))?;
    Ok(directory.with_file_name(format!(".{}.devcluster-new", name.to_string_lossy())))
}

/// All files below; directories without files and links are told by their own names.
fn read(directory: &Path) -> Result<Files, HandoffError> {
    let mut files = Files::new();
    let mut left = vec![PathBuf::new()];
    while let Some(below) = left.pop() {
        let at = directory.join(&below);
        for entry in fs::read_dir(&at).map_err(|source| io(&at, source))? {
            let entry = entry.map_err(|source| io(&at, source))?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type().map_err(|source| io(&at, source))?;
            if kind.is_dir() && entry.file_name() != ".git" {
                left.push(path);
                continue;
            }
            let place = directory.join(&path);
            let content = if kind.is_file() {
                fs::read(&place).map_err(|source| io(&place, source))?
            } else {
                Vec::new()
            };
            files.insert(path.to_string_lossy().into_owned(), content);
        }
    }
    Ok(files)
}

fn write_all(draft: &Path, files: &Files) -> Result<(), HandoffError> {
    fs::create_dir(draft).map_err(|source| io(draft, source))?;
    for (path, content) in files {
        let place = draft.join(path);
        let parent = place.parent().unwrap_or(draft);
        fs::create_dir_all(parent).map_err(|source| io(parent, source))?;
        fs::write(&place, content).map_err(|source| io(&place, source))?;
    }
    Ok(())
}

fn put(draft: &Path, directory: &Path, is_there: bool) -> Result<(), HandoffError> {
    let flags = if is_there { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    renameat_with(CWD, draft, CWD, directory, flags).map_err(|error| io(directory, error.into()))
}

fn remove(path: &Path) -> Result<(), HandoffError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(io(path, source)),
        _ => Ok(()),
    }
}

fn foreign(directory: &Path, what: &str) -> HandoffError {
    HandoffError::ForeignDirectory { directory: directory.to_owned(), what: what.to_owned() }
}

fn nameless(directory: &Path) -> HandoffError {
    HandoffError::NamelessDirectory { directory: directory.to_owned() }
}

fn io(path: &Path, source: std::io::Error) -> HandoffError {
    HandoffError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        texts.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn it_is_replaced_whole_and_nothing_else_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("out");
        let one = files(&[(marker::PATH, "{}"), ("manifests/a/x.yaml", "x"), ("kustomization.yaml", "k")]);
        let two = files(&[(marker::PATH, "{}"), ("manifests/b/y.yaml", "y"), ("kustomization.yaml", "k")]);
        fs::create_dir(root.path().join(".out.devcluster-new")).unwrap();
        assert!(write(&directory, &one).unwrap());
        assert!(!write(&directory, &one).unwrap(), "again: nothing to do");
        assert!(write(&directory, &two).unwrap());
        assert_eq!(read(&directory).unwrap(), two);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");

        fs::create_dir(directory.join("manifests/empty")).unwrap();
        fs::write(directory.join("manifests/b/y.yaml"), "edited").unwrap();
        assert!(write(&directory, &two).unwrap(), "an edit of ours is undone");
        for other in ["README.md", ".git/HEAD", ".devcluster/approvals/x.json"] {
            let place = directory.join(other);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, "theirs").unwrap();
            let error = write(&directory, &one).unwrap_err().to_string();
            assert!(error.contains(other.split("/HEAD").next().unwrap()), "{error}");
            assert_eq!(fs::read_to_string(&place).unwrap(), "theirs");
            fs::remove_file(&place).unwrap();
            let _ = fs::remove_dir(directory.join(".git"));
        }
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(write(&file, &Files::new()).is_err());
        for nameless in ["/", "x/.."] {
            let error = write(Path::new(nameless), &Files::new()).unwrap_err().to_string();
            assert!(error.contains("a directory of its own"), "{error}");
        }
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        assert!(write(&link, &Files::new()).is_err(), "a link is not followed");
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(write(&empty, &files(&[("kustomization.yaml", "k")])).unwrap());
        assert!(write(&empty, &files(&[("kustomization.yaml", "l")])).is_err(), "without a marker");
    }
}
