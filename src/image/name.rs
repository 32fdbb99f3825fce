//! Image names as containerd keeps them: with registry, namespace, and tag or digest.

use crate::parity::reference::ImageReference;

/// The name under which containerd's CRI plugin looks an image up: `redis` is `docker.io/library/redis:latest`.
/// What is no image reference stays as it is: nothing will be found under it.
pub fn normalised(name: &str) -> String {
    name.parse::<ImageReference>().map_or_else(|_| name.to_owned(), |reference| reference.containerd_name())
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
    fn names_are_completed_and_others_left() {
        assert_eq!(normalised("redis"), "docker.io/library/redis:latest");
        assert_eq!(normalised("Not A Name"), "Not A Name");
    }

    #[test]
    fn any_name_gives_a_path_component() {
        assert_eq!(path_component("ghcr.io/Shop/catalogue_2"), "ghcr-io-shop-catalogue-2");
        assert_eq!(path_component("//"), "image");
    }
}
