//! The directory of a run's results: ours alone, out of git's sight, whole after every kill.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::error::CiError;

/// Where results go where nothing else is said, from the configuration's directory.
pub const DEFAULT: &str = ".devcluster/ci";
/// All results in one file.
pub const BUNDLE: &str = "bundle.tar.gz";
/// Says to git that nothing here is the project's, and to us that all of it is ours.
const MARK: &str = ".gitignore";
const MARKED: &str = "# Results of `devcluster ci`, made anew by each run.\n*\n";
/// What a run leaves, and the next one removes.
const RESULTS: [&str; 9] = [
    "commands",
    "diagnostics",
    "addresses.json",
    "attestation.json",
    "devcluster.lock",
    "junit.xml",
    "result.json",
    "summary.md",
    BUNDLE,
];

/// The directory. While this lives no other run takes it.
#[derive(Debug)]
pub struct Out {
    directory: PathBuf,
    _taken: File,
}

impl Out {
    /// Takes the directory and removes what an earlier run left.
    pub fn take(directory: PathBuf) -> Result<Self, CiError> {
        let failed = |source| CiError::Write { path: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(failed)?;
        let mark = directory.join(MARK);
        let is_ours = fs::read_to_string(&mark).is_ok_and(|text| text == MARKED);
        if !is_ours {
            let names =
                fs::read_dir(&directory).map_err(failed)?.map(|entry| entry.map(|entry| entry.file_name()));
            let names = names.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            // A run that was killed while it marked it left an empty mark and nothing else.
            let begun = names.iter().all(|name| name == MARK)
                && fs::metadata(&mark).is_ok_and(|mark| mark.len() == 0);
            if !names.is_empty() && !begun {
                return Err(CiError::NotOurs { path: directory });
            }
            fs::write(&mark, MARKED).map_err(failed)?;
        }
        let taken = File::open(&mark).map_err(failed)?;
        if taken.try_lock().is_err() {
            return Err(CiError::Busy { path: directory });
        }
        for name in RESULTS {
            let path = directory.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CiError::Write { path, source });
                }
                _ => {}
            }
        }
        Ok(Self { directory, _taken: taken })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The place of a file, whose directory is made.
    pub fn place(&self, name: &str) -> Result<PathBuf, CiError> {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .map_err(|source| CiError::Write { path: parent.to_owned(), source })?;
        }
        Ok(path)
    }

    /// Writes a file whole or not at all, and gives the SHA-256 of what is in it.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<String, CiError> {
        let path = self.place(name)?;
        self.persist(&path, |file| file.write_all(content))
            .map_err(|source| CiError::Write { path, source })?;
        Ok(Sha256::digest(content).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }

    /// Packs all results but the bundle itself, the same bytes from the same files.
    pub fn bundle(&self) -> Result<PathBuf, CiError> {
        let path = self.directory.join(BUNDLE);
        let mut files = Vec::new();
        for name in RESULTS.into_iter().filter(|name| *name != BUNDLE) {
            list(&self.directory, Path::new(name), &mut files)
                .map_err(|source| CiError::Write { path: path.clone(), source })?;
        }
        files.sort();
        let pack = |file: &mut File| {
            let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
            for name in &files {
                append(&mut archive, &self.directory, name)?;
            }
            archive.into_inner()?.finish().map(drop)
        };
        self.persist(&path, pack).map_err(|source| CiError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    fn persist(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::Permissions::from_mode(0o644);
        let mut draft =
            tempfile::Builder::new().prefix(".draft-").permissions(mode).tempfile_in(&self.directory)?;
        fill(draft.as_file_mut())?;
        draft.persist(path)?;
        Ok(())
    }
}

/// The files at a name, from the directory.
fn list(directory: &Path, name: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let path = directory.join(name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {
            for entry in fs::read_dir(&path)? {
                list(directory, &name.join(entry?.file_name()), into)?;
            }
        }
        Ok(found) if found.is_file() => into.push(name.to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<GzEncoder<&mut File>>, directory: &Path, name: &Path) -> io::Result<()> {
    let file = File::open(directory.join(name))?;
    let mut header = tar::Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(0o644);
    let size = header.size()?;
    archive.append_data(&mut header, name, io::Read::take(file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_removed_and_git_sees_none_of_it() {
        let root = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let output =
                std::process::Command::new("git").current_dir(root.path()).args(args).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        git(&["init", "-q"]);
        let directory = root.path().join(DEFAULT);
        let out = Out::take(directory.clone()).unwrap();
        out.write("commands/a/attempt-1.log", b"said").unwrap();
        assert_eq!(git(&["status", "--porcelain", "--untracked-files=all"]), "");
        assert!(matches!(Out::take(directory.clone()).unwrap_err(), CiError::Busy { .. }));
        drop(out);
        fs::write(directory.join("mine.txt"), "kept").unwrap();
        let _again = Out::take(directory.clone()).unwrap();
        assert!(!directory.join("commands").exists());
        assert!(directory.join("mine.txt").exists());
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("result.json"), "another's").unwrap();
        assert!(matches!(Out::take(other.path().to_owned()).unwrap_err(), CiError::NotOurs { .. }));
        assert!(other.path().join("result.json").exists());
    }

    #[test]
    fn the_same_files_are_the_same_bundle() {
        let pack = || {
            let root = tempfile::tempdir().unwrap();
            let out = Out::take(root.path().join("out")).unwrap();
            for name in ["summary.md", "commands/b/1.log", "commands/a/1.log"] {
                out.write(name, name.as_bytes()).unwrap();
            }
            fs::read(out.bundle().unwrap()).unwrap()
        };
        let bytes = pack();
        assert_eq!(bytes, pack());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["commands/a/1.log", "commands/b/1.log", "summary.md"]);
    }
}
