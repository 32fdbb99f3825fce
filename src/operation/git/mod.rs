//! Git's plumbing, by its own program: reading and writing commits without touching a work tree or the user's index.

pub(super) mod branches;
pub(super) mod clusters;
pub(super) mod pusher;
pub mod receive;
pub mod remove;
pub mod serve;

use std::path::{Path, PathBuf};

use crate::handoff::layout::Files;
use crate::operation::handoff::error::HandoffError;
use crate::process::{Command, ProcessError};

/// Variables by which a surrounding git would have this one work elsewhere.
pub(super) const SURROUNDING: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// A repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    directory: PathBuf,
}

impl Git {
    /// The repository that a directory is in.
    pub(super) async fn open(directory: &Path) -> Result<Self, HandoffError> {
        let git = Self { directory: directory.to_owned() };
        match git.command(&["rev-parse", "--git-dir"]).output().await {
            Ok(_) => Ok(git),
            Err(ProcessError::Failed { .. }) => {
                Err(HandoffError::NoRepository { directory: directory.to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A repository by its own directory.
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// A call of git in the repository; it asks for no password on a terminal.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let command = Command::new("git").directory(&self.directory).args(args.iter().copied());
        command.env("GIT_TERMINAL_PROMPT", "0")
    }

    /// What git prints, without white space around it.
    pub(super) async fn text(&self, args: &[&str]) -> Result<String, HandoffError> {
        let out = self.command(args).output().await?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// The same, where git's failing means that there is none.
    pub(super) async fn find(&self, args: &[&str]) -> Result<Option<String>, HandoffError> {
        match self.command(args).output().await {
            Ok(out) => {
                Ok(Some(String::from_utf8_lossy(&out).trim().to_owned()).filter(|text| !text.is_empty()))
            }
            Err(ProcessError::Failed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The commit that a name stands for.
    pub(super) async fn commit(&self, name: &str) -> Result<Option<String>, HandoffError> {
        self.find(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
            .await
    }

    /// Whether one commit is the other or came before it.
    pub(super) async fn is_ancestor(&self, one: &str, other: &str) -> Result<bool, HandoffError> {
        match self.command(&["merge-base", "--is-ancestor", one, other]).output().await {
            Ok(_) => Ok(true),
            Err(ProcessError::Failed { status, .. }) if status.code() == Some(1) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The content of a file of a commit.
    pub(super) async fn file(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, HandoffError> {
        match self.command(&["cat-file", "blob", &format!("{commit}:{path}")]).output().await {
            Ok(content) => Ok(Some(content)),
            Err(ProcessError::Failed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The plain files of a commit whose paths are wanted; links and submodules are no files.
    pub(super) async fn files(
        &self,
        commit: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Files, HandoffError> {
        let listing = self.command(&["ls-tree", "-r", "-z", "--full-tree", commit]).output().await?;
        let mut wanted: Vec<(String, String)> = Vec::new();
        for line in listing.split(|byte| *byte == 0) {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((about, path)) = line.split_once('\t') else { continue };
            let mut words = about.split(' ');
            let (mode, id) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
            if mode.starts_with("100") && is_wanted(path) {
                wanted.push((path.to_owned(), id.to_owned()));
            }
        }
        let asked: Vec<&str> = wanted.iter().flat_map(|(_, id)| [id.as_str(), "\n"]).collect();
        let out = self.command(&["cat-file", "--batch"]).stdin(asked.concat().into_bytes()).output().await?;
        let contents = batch(&out).ok_or(HandoffError::Batch)?;
        Ok(wanted.into_iter().map(|(path, _)| path).zip(contents).collect())
    }

    /// Writes a commit of `files` on `base`, whose own files they replace; none where the commit would change nothing.
    /// No ref is moved.
    pub(super) async fn write_commit(
        &self,
        base: Option<&str>,
        files: &Files,
        replaces: impl Fn(&str) -> bool,
        message: &str,
    ) -> Result<Option<String>, HandoffError> {
        let tree = self.write_tree(base, files, replaces).await?;
        let before = match base {
            Some(base) => {
                self.find(&["rev-parse", "--verify", "--quiet", &format!("{base}^{{tree}}")]).await?
            }
            None => None,
        };
        if before.as_ref() == Some(&tree) {
            return Ok(None);
        }
        let mut args = vec!["commit-tree", tree.as_str()];
        if let Some(base) = base {
            args.extend(["-p", base]);
        }
        // The plumbing does not look at it by itself.
        let signs = self.find(&["config", "--type=bool", "--get", "commit.gpgsign"]).await?;
        if signs.as_deref() == Some("true") {
            args.push("-S");
        }
        args.extend(["-F", "-"]);
        let out = self.command(&args).stdin(message.as_bytes().to_vec()).output().await?;
        Ok(Some(String::from_utf8_lossy(&out).trim().to_owned()))
    }

    /// Through an index of its own.
    async fn write_tree(
        &self,
        base: Option<&str>,
        files: &Files,
        replaces: impl Fn(&str) -> bool,
    ) -> Result<String, HandoffError> {
        let ids = self.write_blobs(files).await?;
        let scratch =
            tempfile::tempdir().map_err(|source| HandoffError::Io { path: std::env::temp_dir(), source })?;
        let index = scratch.path().join("index").display().to_string();
        let with_index = |args: &[&str]| self.command(args).env("GIT_INDEX_FILE", &index);
        with_index(&["read-tree", base.unwrap_or("--empty")]).output().await?;
        let there = with_index(&["ls-files", "-z"]).output().await?;
        let mut edits: Vec<u8> = Vec::new();
        // Mode 0 takes a path out; the id beside it only has to be one.
        let any = ids.first().map_or("", String::as_str);
        for path in there.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let text = String::from_utf8_lossy(path);
            if replaces(&text) && !files.contains_key(text.as_ref()) {
                edits.extend_from_slice(format!("0 {any}\t").as_bytes());
                edits.extend_from_slice(path);
                edits.push(0);
            }
        }
        for (path, id) in files.keys().zip(&ids) {
            edits.extend_from_slice(format!("100644 {id}\t{path}\0").as_bytes());
        }
        with_index(&["update-index", "-z", "--replace", "--index-info"]).stdin(edits).output().await?;
        let tree = with_index(&["write-tree"]).output().await?;
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }

    /// All in one call; their ids, in order of the paths.
    async fn write_blobs(&self, files: &Files) -> Result<Vec<String>, HandoffError> {
        let mut stream: Vec<u8> = Vec::new();
        for (at, content) in files.values().enumerate() {
            let mark = at + 1;
            stream.extend_from_slice(format!("blob\nmark :{mark}\ndata {}\n", content.len()).as_bytes());
            stream.extend_from_slice(content);
            stream.extend_from_slice(format!("\nget-mark :{mark}\n").as_bytes());
        }
        stream.extend_from_slice(b"done\n");
        let out = self.command(&["fast-import", "--quiet", "--done"]).stdin(stream).output().await?;
        let ids: Vec<String> = String::from_utf8_lossy(&out).lines().map(str::to_owned).collect();
        if ids.len() == files.len() { Ok(ids) } else { Err(HandoffError::Batch) }
    }
}

/// What `cat-file --batch` prints: `ID blob SIZE`, a line end, the content, a line end, each.
fn batch(mut out: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut contents = Vec::new();
    while !out.is_empty() {
        let end = out.iter().position(|byte| *byte == b'\n')?;
        let size: usize = std::str::from_utf8(&out[..end]).ok()?.rsplit(' ').next()?.parse().ok()?;
        let from = end + 1;
        contents.push(out.get(from..from + size)?.to_vec());
        out = out.get(from + size + 1..)?;
    }
    Some(contents)
}
