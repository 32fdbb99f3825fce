//! Which Dockerfile builds which image of the manifests, and from which context.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::survey::Build;

/// Directory names that say nothing of what is built in them.
const GENERIC: [&str; 6] = ["docker", "build", "src", "app", "container", "image"];

/// The images that Dockerfiles among `files` build, and the Dockerfiles that build none of them.
pub(super) fn matched(
    directory: &Path,
    files: &[PathBuf],
    project: &str,
    images: &BTreeSet<String>,
) -> (Vec<Build>, Vec<String>) {
    let mut builds: Vec<Build> = Vec::new();
    let mut unmatched = Vec::new();
    let mut taken: BTreeSet<&String> = BTreeSet::new();
    let dockerfiles: Vec<(&PathBuf, String)> =
        files.iter().filter_map(|path| Some((path, subject(path, project)?))).collect();
    // Exact names first: `worker` is not to take `shop-worker` from `shop-worker/Dockerfile`.
    let mut found: Vec<Option<&String>> = vec![None; dockerfiles.len()];
    for exact in [true, false] {
        for (at, (_, subject)) in dockerfiles.iter().enumerate() {
            if found[at].is_some() {
                continue;
            }
            found[at] = images.iter().find(|image| !taken.contains(image) && names(image, subject, exact));
            taken.extend(found[at]);
        }
    }
    for ((path, _), image) in dockerfiles.iter().zip(found) {
        let Some(image) = image else {
            unmatched.push(path.display().to_string());
            continue;
        };
        let context = context(directory, path);
        let dockerfile = path.strip_prefix(&context).unwrap_or(path).display().to_string();
        builds.push(Build {
            image: image.clone(),
            context: if context.as_os_str().is_empty() { ".".into() } else { context.display().to_string() },
            dockerfile: (dockerfile != "Dockerfile").then_some(dockerfile),
        });
    }
    builds.sort_by(|one, other| one.image.cmp(&other.image));
    (builds, unmatched)
}

/// What a Dockerfile builds, by its name or directory; `None` for other files.
fn subject(path: &Path, project: &str) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if let Some(subject) = name
        .strip_prefix("Dockerfile.")
        .or_else(|| name.strip_suffix(".Dockerfile"))
        .or_else(|| name.strip_suffix(".dockerfile"))
    {
        return (subject != "dockerignore").then(|| subject.to_lowercase());
    }
    if name != "Dockerfile" {
        return None;
    }
    let directories = path.parent()?.iter().rev().filter_map(|part| part.to_str()).map(str::to_lowercase);
    let subject = directories.into_iter().find(|part| !GENERIC.contains(&part.as_str()));
    Some(subject.unwrap_or_else(|| project.to_owned()))
}

/// Whether an image's last part is `subject`, or ends with it after a `-` where that need not be exact.
fn names(image: &str, subject: &str, exact: bool) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    if exact {
        return last == subject;
    }
    let ends = |text: &str, end: &str| text.strip_suffix(end).is_some_and(|rest| rest.ends_with(['-', '_']));
    ends(last, subject) || ends(subject, last)
}

/// The nearest directory at or above the Dockerfile in which everything that it copies exists.
fn context(directory: &Path, dockerfile: &Path) -> PathBuf {
    let own = dockerfile.parent().unwrap_or(Path::new("")).to_owned();
    let text = std::fs::read_to_string(directory.join(dockerfile)).unwrap_or_default();
    let copied = copied(&text);
    own.ancestors()
        .find(|context| copied.iter().all(|path| directory.join(context).join(path).exists()))
        .map_or(own.clone(), Path::to_owned)
}

/// Plain paths that a Dockerfile copies from its context.
fn copied(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        let mut words = line.split_whitespace();
        if !words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("COPY") || word.eq_ignore_ascii_case("ADD"))
        {
            continue;
        }
        let words: Vec<&str> = words.collect();
        if words
            .iter()
            .any(|word| word.starts_with("--from=") || word.starts_with("<<") || word.starts_with('['))
        {
            continue;
        }
        let paths: Vec<&str> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
        let Some((_, sources)) = paths.split_last() else { continue };
        let plain = |path: &&&str| !path.contains(['*', '?', '[', '$', '"']) && !path.contains("://");
        found.extend(sources.iter().filter(plain).map(|path| path.trim_start_matches('/').to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfiles_tell_what_they_build() {
        let of = |path: &str| subject(Path::new(path), "shop");
        assert_eq!(of("services/catalogue/Dockerfile").as_deref(), Some("catalogue"));
        assert_eq!(of("services/catalogue/docker/Dockerfile").as_deref(), Some("catalogue"));
        assert_eq!(of("Dockerfile").as_deref(), Some("shop"));
        assert_eq!(of("build/Dockerfile.worker").as_deref(), Some("worker"));
        assert_eq!(of("api.Dockerfile").as_deref(), Some("api"));
        assert_eq!(of("Dockerfile.dockerignore"), None);
        assert_eq!(of("main.go"), None);
    }

    #[test]
    fn images_match_whole_parts_of_names() {
        assert!(names("r.example.com/shop/worker", "worker", true));
        assert!(!names("r.example.com/shop-worker", "worker", true));
        assert!(names("r.example.com/shop-worker", "worker", false));
        assert!(!names("r.example.com/coworker", "worker", false));
    }

    #[test]
    fn copies_from_the_context_are_read() {
        let text = "FROM x\nCOPY --chown=a go.mod go.sum ./\nCOPY --from=build /a /b\nADD https://x/y z\ncopy src \\\n  lib /app/\n";
        assert_eq!(copied(text), ["go.mod", "go.sum", "src", "lib"]);
    }
}
