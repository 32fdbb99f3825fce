//! Writes a pipeline into the project's repository.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::git::Git;
use super::handoff::error::HandoffError;
use crate::config::{Config, Source};
use crate::handoff::pipeline::{Facts, System, files};

/// Writes the pipeline's files, with `install` in place of our own way of installing devcluster; none is replaced without `force`.
/// Their paths.
pub async fn write(
    config: &Config,
    system: System,
    install: Option<String>,
    force: bool,
) -> Result<Vec<PathBuf>, HandoffError> {
    if install.as_ref().is_some_and(|line| line.trim().is_empty() || line.chars().any(char::is_control)) {
        return Err(HandoffError::Install);
    }
    let git = Git::open(config.directory()).await?;
    let top = PathBuf::from(git.text(&["rev-parse", "--show-toplevel"]).await?);
    let facts = Facts {
        directory: plain("the project's directory", directory(&top, config.directory())?)?,
        branch: plain("the branch", branch(&git).await?)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        install,
        helm: config.manifests.iter().any(|source| matches!(source, Source::Helm(_))),
        kustomize: config.manifests.iter().any(|source| matches!(source, Source::Kustomize { .. })),
        environments: config
            .environments
            .iter()
            .map(|one| (one.name.clone(), one.takes_approval()))
            .collect(),
    };
    let files: Vec<(PathBuf, String)> =
        files(system, &facts).into_iter().map(|(path, text)| (top.join(path), text)).collect();
    // Before the first is written.
    if let Some((file, _)) = files.iter().find(|(file, _)| !force && fs::symlink_metadata(file).is_ok()) {
        return Err(HandoffError::Exists { file: file.clone() });
    }
    for (file, text) in &files {
        save(file, text, force)?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

fn directory(top: &Path, directory: &Path) -> Result<String, HandoffError> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (top, directory) = (canonical(top), canonical(directory));
    match directory.strip_prefix(&top) {
        Ok(below) => Ok(below.to_string_lossy().into_owned()),
        Err(_) => Err(HandoffError::Outside { file: directory, worktree: top }),
    }
}

/// The branch that a clone of the remote starts on, else the one that is checked out.
async fn branch(git: &Git) -> Result<String, HandoffError> {
    let of_remote = git.find(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]).await?;
    if let Some(name) = of_remote.as_deref().and_then(|name| name.strip_prefix("origin/")) {
        return Ok(name.to_owned());
    }
    let here = git.find(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
    Ok(here.unwrap_or_else(|| "main".to_owned()))
}

/// A text that stands in YAML, Groovy and shell alike without quotes.
fn plain(what: &'static str, text: String) -> Result<String, HandoffError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if text.chars().all(fits) && !text.starts_with('-') {
        return Ok(text);
    }
    Err(HandoffError::NotPlain { what, text: text.escape_debug().to_string() })
}

/// Whole or not at all, and never over a file that came to be since it was looked for.
fn save(file: &Path, text: &str, force: bool) -> Result<(), HandoffError> {
    use std::os::unix::fs::PermissionsExt as _;
    let io = |source| HandoffError::Io { path: file.to_owned(), source };
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(io)?;
    let mode = fs::Permissions::from_mode(0o644);
    let mut draft = tempfile::Builder::new()
        .prefix(".devcluster-")
        .permissions(mode)
        .tempfile_in(directory)
        .map_err(io)?;
    draft.write_all(text.as_bytes()).map_err(io)?;
    if force {
        draft.persist(file).map_err(|error| io(error.error))?;
        return Ok(());
    }
    draft.persist_noclobber(file).map(drop).map_err(|error| {
        if error.error.kind() == std::io::ErrorKind::AlreadyExists {
            HandoffError::Exists { file: file.to_owned() }
        } else {
            io(error.error)
        }
    })
}
