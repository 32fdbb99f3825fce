//! What files a configuration's system is made of: read from the configuration and the ignore files, for the pure function
//! that says what a change leads to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Build, Config, Image, ImageFrom, Source, SyncRule, literal_part};
use crate::dockerignore::Ignore;
use crate::watch::{GitIgnores, ImageSource, Sources, Synced};

/// What the files of a configuration are.
pub fn sources(config: &Config) -> Sources {
    let images = config.images.iter().filter_map(|image| match &image.from {
        ImageFrom::Build(build) => Some(built(image, build)),
        ImageFrom::StandIn { .. } => None,
    });
    let images: Vec<ImageSource> = images.collect();
    let contexts: Vec<PathBuf> = images.iter().map(|image| image.context.clone()).collect();
    Sources {
        configuration: real(&config.file),
        manifests: manifests(config),
        git: GitIgnores::read(&contexts),
        images,
    }
}

/// Directories and files that a configuration's manifests come from, wherever links lead.
pub fn manifests(config: &Config) -> Vec<PathBuf> {
    let manifests = config.manifests.iter().flat_map(|source| match source {
        Source::Files { paths, .. } => {
            paths.iter().map(|path| config.directory().join(literal_part(Path::new(path)))).collect()
        }
        Source::Kustomize { path, .. } => vec![kustomize_root(path, config.directory())],
        Source::Helm(helm) => {
            std::iter::once(helm.chart.clone()).chain(helm.values.clone()).collect::<Vec<_>>()
        }
    });
    with_links(&manifests.collect::<Vec<_>>())
}

fn built(image: &Image, build: &Build) -> ImageSource {
    let file = Ignore::locate(&build.context, &build.dockerfile);
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    ImageSource {
        name: image.name.clone(),
        context: build.context.clone(),
        dockerfile: build.dockerfile.clone(),
        // A faulty ignore file fails the build, which says so.
        ignore: Ignore::parse(&text).unwrap_or_default(),
        sync: build.sync.iter().map(synced).collect(),
    }
}

fn synced(rule: &SyncRule) -> Synced {
    Synced { rule: rule.clone(), ignore: Ignore::parse(&rule.ignore.join("\n")).unwrap_or_default() }
}

/// A path without symbolic links, as files that change are told; of what is not there, the part that is.
pub fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    })
}

/// Directories and files that manifests come from, with those that links below them lead to.
fn with_links(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: BTreeSet<PathBuf> = roots.iter().map(|root| real(root)).collect();
    let mut left: Vec<PathBuf> = found.iter().cloned().collect();
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => left.push(entry.path()),
                Ok(kind) if kind.is_symlink() => {
                    let target = real(&entry.path());
                    // One that leads back to where it stands adds nothing.
                    if !found.iter().any(|root| target.starts_with(root)) {
                        left.push(target.clone());
                        found.insert(target);
                    }
                }
                _ => {}
            }
        }
    }
    found.into_iter().collect()
}

/// A kustomization refers to others beside it: all of the project's directory that it is in counts.
fn kustomize_root(path: &Path, project: &Path) -> PathBuf {
    match path.strip_prefix(project).ok().and_then(|below| below.components().next()) {
        Some(first) => project.join(first),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_links_lead_to_is_watched_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in ["deploy/base", "elsewhere/deep", "more"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        for (link, target) in [
            ("deploy/base/up", ".."),
            ("deploy/link", "../elsewhere"),
            ("elsewhere/deep/on", "../../more"),
            ("more/back", "../deploy"),
            ("deploy/nowhere", "/nowhere"),
        ] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let found = with_links(&[root.join("deploy")]);
        let names = ["deploy", "elsewhere", "more"].map(|name| root.join(name));
        assert_eq!(found.iter().filter(|path| path.starts_with(&root)).cloned().collect::<Vec<_>>(), names);
        assert_eq!(real(&root.join("deploy/link/deep/new")), root.join("elsewhere/deep/new"));
    }

    #[test]
    fn globs_and_kustomizations_are_watched_from_where_they_may_reach() {
        assert_eq!(literal_part(Path::new("deploy/**/*.yaml")), PathBuf::from("deploy"));
        assert_eq!(literal_part(Path::new("a/b.yaml")), PathBuf::from("a/b.yaml"));
        let root = kustomize_root(Path::new("/p/deploy/overlays/production"), Path::new("/p"));
        assert_eq!(root, PathBuf::from("/p/deploy"));
        assert_eq!(kustomize_root(Path::new("/q/x"), Path::new("/p")), PathBuf::from("/q/x"));
    }
}
