//! What a build is made from, told without an engine and alike in every clone: what git ignores does not count, nor what of
//! permissions git does not keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::build::{BuildJob, ignore_of, index_of};
use super::context::list_context;
use super::error::ImageError;
use crate::process::Command;

/// What a build is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// BLAKE3 over its Dockerfile, its arguments, its stage and its context, hex.
    pub digest: String,
    /// The context's files, from its directory, each with a digest of what git keeps of it.
    pub files: BTreeMap<String, String>,
}

/// Changes when the meaning of digests does.
const VERSION: &str = "devcluster build source 1";

/// Reads what `job` is made from. `cache` remembers hashes of files.
pub async fn source(job: BuildJob<'_>, cache: &Path) -> Result<Source, ImageError> {
    let build = job.build;
    let read = |path: &Path, source| ImageError::Read { image: job.name.into(), path: path.into(), source };
    let dockerfile =
        std::fs::read_to_string(&build.dockerfile).map_err(|source| read(&build.dockerfile, source))?;
    let (root, ignore, index) = (build.context.clone(), ignore_of(job)?, index_of(cache, build));
    let listing = tokio::task::spawn_blocking(move || list_context(&root, &ignore, &index));
    let (listed, ignored) = tokio::join!(listing, ignored_by_git(&build.context));
    let mut files = match listed {
        Ok(done) => done.map_err(|(path, source)| read(&path, source))?,
        Err(stopped) => return Err(read(&build.context, std::io::Error::other(stopped))),
    };
    files.retain(|path, _| !is_among(path, &ignored));
    let mut hasher = blake3::Hasher::new_derive_key(VERSION);
    let mut field = |name: &str, value: &str| {
        for part in [name, value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    };
    field("dockerfile", &dockerfile);
    for (name, value) in [("target", &build.target), ("platform", &build.platform)] {
        field(name, value.as_deref().unwrap_or_default());
    }
    for (name, value) in &build.args {
        field("arg", name);
        field("=", value);
    }
    for (path, told) in &files {
        field("file", path);
        field("=", told);
    }
    Ok(Source { digest: hasher.finalize().to_hex().to_string(), files })
}

/// Files and directories (these with a slash at the end) that git ignores; none outside of git.
async fn ignored_by_git(directory: &Path) -> BTreeSet<String> {
    let listing = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let Ok(output) = Command::new("git").directory(directory).args(listing).output().await else {
        return BTreeSet::new();
    };
    let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

/// Whether a path or a directory above it is in `set`.
fn is_among(path: &str, set: &BTreeSet<String>) -> bool {
    set.contains(path) || path.match_indices('/').any(|(at, _)| set.contains(&path[..=at]))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Build;

    #[tokio::test]
    async fn what_a_clone_would_have_counts_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let (context, cache) = (root.path().join("app"), root.path().join("cache"));
        std::fs::create_dir_all(context.join("bin")).unwrap();
        let write = |path: &str, text: &str| std::fs::write(context.join(path), text).unwrap();
        write("Dockerfile", "FROM scratch\n");
        write("bin/run", "run\n");
        write(".gitignore", "*.pyc\nbuilt/\n");
        let git = std::process::Command::new("git").arg("init").arg("-q").current_dir(&context).status();
        assert!(git.unwrap().success());
        std::fs::write(context.join(".dockerignore"), ".git\n").unwrap();
        let mut build = Build {
            dockerfile: context.join("Dockerfile"),
            context: context.clone(),
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            platform: None,
            sync: Vec::new(),
        };
        let digest =
            async |build: &Build| source(BuildJob { name: "app", build }, &cache).await.unwrap().digest;
        let first = digest(&build).await;
        std::fs::create_dir(context.join("built")).unwrap();
        write("built/out", "1");
        write("bin/run.pyc", "1");
        std::fs::create_dir(context.join("empty")).unwrap();
        let mode = |mode| {
            std::fs::set_permissions(context.join("bin/run"), PermissionsExt::from_mode(mode)).unwrap();
        };
        mode(0o664);
        assert_eq!(digest(&build).await, first);
        mode(0o755);
        assert_ne!(digest(&build).await, first, "a program is another file");
        mode(0o644);
        assert_eq!(digest(&build).await, first);
        write("bin/run", "ran\n");
        assert_ne!(digest(&build).await, first);
        write("bin/run", "run\n");
        build.args.insert("V".into(), "1".into());
        assert_ne!(digest(&build).await, first);
    }
}
