//! The files that each source is rendered from, and the versions of the programs that render: what a change may come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::ManifestError;
use super::index::Index;
use super::kustomize::Reach;
use super::render::{RenderContext, source_name};
use super::{files, tool};
use crate::config::{Config, Source};
use crate::process::Command;

/// The files of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFiles {
    /// The source, as its objects' `origin.source` has it.
    pub source: String,
    /// The paths that it names, absolute.
    pub paths: Vec<PathBuf>,
    /// BLAKE3 of each file that decides what is rendered, hex, by absolute path.
    pub files: BTreeMap<PathBuf, String>,
}

/// The files of every source. Those that a kustomization reaches beyond its directory are among them; what it fetches from
/// elsewhere is not.
pub fn source_files(config: &Config, context: &RenderContext) -> Result<Vec<SourceFiles>, ManifestError> {
    let index = Index::open(context.state_directory.join("render/index.json"));
    let found = config.manifests.iter().map(|source| of_source(source, config.directory(), &index)).collect();
    index.save();
    found
}

fn of_source(source: &Source, directory: &Path, index: &Index) -> Result<SourceFiles, ManifestError> {
    let name = source_name(source, directory);
    let (paths, found) = match source {
        Source::Files { paths, .. } => {
            let mut found = BTreeSet::new();
            for written in paths {
                // What cannot be found has been told of while rendering.
                found.extend(files::find(written, directory).unwrap_or_default());
            }
            (paths.iter().map(|path| directory.join(path)).collect(), found)
        }
        Source::Kustomize { path, .. } => {
            let path = directory.join(path);
            let found = match Reach::of(&path) {
                Some(reach) => reach.files,
                None => below(&path)?,
            };
            (vec![path], found)
        }
        Source::Helm(helm) => {
            let mut found = below(&helm.chart)?;
            found.extend(helm.values.iter().cloned());
            (std::iter::once(&helm.chart).chain(&helm.values).cloned().collect(), found)
        }
    };
    let hashed = found.into_iter().map(|file| match index.hash(&file) {
        Ok(hash) => Ok((file, hash)),
        Err(error) => Err(unreadable(&file, error)),
    });
    Ok(SourceFiles { source: name, paths, files: hashed.collect::<Result<_, _>>()? })
}

fn below(path: &Path) -> Result<BTreeSet<PathBuf>, ManifestError> {
    let mut found = BTreeSet::new();
    if path.is_dir() {
        files::walk(path, &mut |file| {
            found.insert(file.to_owned());
        })
        .map_err(|error| unreadable(path, error))?;
    } else {
        found.insert(path.to_owned());
    }
    Ok(found)
}

fn unreadable(path: &Path, error: std::io::Error) -> ManifestError {
    ManifestError::File { path: path.display().to_string(), action: "read", error }
}

/// The versions of the programs that render these sources, by name; what does not tell its own is left out.
pub async fn renderers(config: &Config) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if config.manifests.iter().any(|source| matches!(source, Source::Kustomize { .. })) {
        let name = tool::find(&["kustomize", "kubectl"]).name;
        let args: &[&str] = if name == "kubectl" { &["version", "--client"] } else { &["version"] };
        if let Some(text) = first_line(name, args, "Kustomize Version: ").await {
            found.insert("kustomize".to_owned(), text);
        }
    }
    if config.manifests.iter().any(|source| matches!(source, Source::Helm(_)))
        && let Some(text) = first_line("helm", &["version", "--short"], "").await
    {
        found.insert("helm".to_owned(), text);
    }
    found
}

/// What a program says behind `label`, which is left out; its first line where no line has it.
async fn first_line(program: &str, args: &[&str], label: &str) -> Option<String> {
    let output = Command::new(program).args(args.iter().copied()).output().await.ok()?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let labelled = text.lines().find_map(|line| line.strip_prefix(label));
    labelled.or_else(|| text.lines().next()).map(|line| line.trim().to_owned())
}
