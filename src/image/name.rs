//! Image names as containerd keeps them: with registry, namespace, and tag or digest.

/// The name under which containerd's CRI plugin looks an image up: `redis` is `docker.io/library/redis:latest`.
/// Of a name with tag and digest only the digest counts, as in distribution's `ParseDockerRef`.
pub fn normalised(name: &str) -> String {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    let (path, tag) = split_tag(rest);
    let (registry, repository) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
        _ => ("docker.io", path.to_owned()),
    };
    let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
    let repository = if registry == "docker.io" && !repository.contains('/') {
        format!("library/{repository}")
    } else {
        repository
    };
    match digest {
        Some(digest) => format!("{registry}/{repository}@{digest}"),
        None => format!("{registry}/{repository}:{}", tag.unwrap_or("latest")),
    }
}

/// Splits a name without digest into its path and its tag.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    }
}

/// A word that may stand in a repository's path: lower case, digits and single dashes.
pub fn path_component(text: &str) -> String {
    let mut word = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => word.push(c),
            _ if !word.is_empty() && !word.ends_with('-') => word.push('-'),
            _ => {}
        }
    }
    let word = word.trim_end_matches('-');
    if word.is_empty() { "image".into() } else { word.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_containerd_does() {
        for (name, full) in [
            ("redis", "docker.io/library/redis:latest"),
            ("redis:7", "docker.io/library/redis:7"),
            ("grafana/loki:3", "docker.io/grafana/loki:3"),
            ("index.docker.io/redis", "docker.io/library/redis:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:1", "localhost:5000/a:1"),
            ("registry.example.com:5000/team/a", "registry.example.com:5000/team/a:latest"),
            ("redis:7@sha256:00", "docker.io/library/redis@sha256:00"),
            ("gcr.io/a/b@sha256:00", "gcr.io/a/b@sha256:00"),
        ] {
            assert_eq!(normalised(name), full, "{name}");
        }
    }

    #[test]
    fn any_name_gives_a_path_component() {
        assert_eq!(path_component("ghcr.io/Shop/catalogue_2"), "ghcr-io-shop-catalogue-2");
        assert_eq!(path_component("//"), "image");
    }
}
