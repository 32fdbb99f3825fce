//! What files a configuration's system is made of: read from the configuration and the ignore files, for the pure function
//! that says what a change leads to.

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
    let manifests = config.manifests.iter().flat_map(|source| match source {
        Source::Files { paths, .. } => {
            paths.iter().map(|path| config.directory().join(literal_part(Path::new(path)))).collect()
        }
        Source::Kustomize { path, .. } => vec![kustomize_root(path, config.directory())],
        Source::Helm(helm) => {
            std::iter::once(helm.chart.clone()).chain(helm.values.clone()).collect::<Vec<_>>()
        }
    });
    let contexts: Vec<PathBuf> = images.iter().map(|image| image.context.clone()).collect();
    Sources {
        configuration: config.file.clone(),
        manifests: manifests.collect(),
        git: GitIgnores::read(&contexts),
        images,
    }
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
    fn globs_and_kustomizations_are_watched_from_where_they_may_reach() {
        assert_eq!(literal_part(Path::new("deploy/**/*.yaml")), PathBuf::from("deploy"));
        assert_eq!(literal_part(Path::new("a/b.yaml")), PathBuf::from("a/b.yaml"));
        let root = kustomize_root(Path::new("/p/deploy/overlays/production"), Path::new("/p"));
        assert_eq!(root, PathBuf::from("/p/deploy"));
        assert_eq!(kustomize_root(Path::new("/q/x"), Path::new("/p")), PathBuf::from("/q/x"));
    }
}
