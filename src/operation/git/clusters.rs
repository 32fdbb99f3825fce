//! Which clusters pushes to a served repository may have made, by their names: those of the check-out's configurations. The project's
//! own is none of them, though a fixed `cluster.name` makes pushes use it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;

use crate::config;

/// The file below the served directory, a name a line.
const FILE: &str = "clusters";
/// The profile of runs; a cluster's name does not depend on it.
const PROFILE: &str = "ci";

/// Notes the cluster of a configuration before it is made. One that cannot be read makes none.
pub(in crate::operation) fn note(home: &Path, file: &Path) -> io::Result<()> {
    let Ok(config) = config::load(Some(file), Some(PROFILE), file.parent().unwrap_or(home)) else {
        return Ok(());
    };
    let (name, mut known) = (config.cluster.name, read(home));
    // The served directory is called as the project's own cluster is.
    if home.file_name().is_some_and(|own| own == name.as_str()) || !known.insert(name) {
        return Ok(());
    }
    let mut draft = tempfile::NamedTempFile::new_in(home)?;
    known.iter().try_for_each(|name| writeln!(draft, "{name}"))?;
    draft.persist(home.join(FILE)).map(drop).map_err(|error| error.error)
}

/// Those that were noted.
pub(in crate::operation) fn read(home: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(home.join(FILE)).unwrap_or_default();
    text.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_noted_once_and_the_projects_own_never() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("shop-69c17c");
        let checkout = home.join("checkout");
        std::fs::create_dir_all(&checkout).unwrap();
        let file = checkout.join("devcluster.yaml");
        let write = |text: &str| {
            let whole =
                format!("apiVersion: devcluster.dev/v1alpha1\n{text}manifests: [{{files: m.yaml}}]\n");
            std::fs::write(&file, whole).unwrap();
            std::fs::write(checkout.join("m.yaml"), "").unwrap();
            note(&home, &file).unwrap();
        };
        write("name: shop\n");
        write("name: shop\n");
        write("name: renamed\n");
        write("name: shop\ncluster: {name: shop-69c17c}\n");
        write("nonsense: shop\n");
        let names: Vec<String> = read(&home).into_iter().collect();
        assert!(
            names.len() == 2 && names[0].starts_with("renamed-") && names[1].starts_with("shop-"),
            "{names:?}"
        );
        assert!(!names.contains(&"shop-69c17c".to_owned()));
    }
}
