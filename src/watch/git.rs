//! `.gitignore`: what of a tree is nobody's source.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The ignore files that count for some trees.
#[derive(Debug, Clone, Default)]
pub struct GitIgnores {
    /// Directories and what their files say, deepest first.
    files: Vec<(PathBuf, Gitignore)>,
}

impl GitIgnores {
    /// Reads those in and above `roots`, as far up as the repository goes. Lines that cannot be read are passed over, as Git
    /// does.
    pub fn read(roots: &[PathBuf]) -> Self {
        let mut found: Vec<PathBuf> = Vec::new();
        for root in roots {
            let Some(repository) = root.ancestors().find(|above| above.join(".git").exists()) else {
                continue;
            };
            let above = root.ancestors().take_while(|above| above.starts_with(repository));
            found.extend(above.map(|above| above.join(".gitignore")).filter(|file| file.is_file()));
            found.extend([repository.join(".git/info/exclude")].into_iter().filter(|file| file.is_file()));
            let below = WalkBuilder::new(root).hidden(false).ignore(false).git_global(false).build();
            found.extend(
                below.flatten().map(ignore::DirEntry::into_path).filter(|path| path.ends_with(".gitignore")),
            );
        }
        found.sort();
        found.dedup();
        Self::new(found.into_iter().filter_map(|file| {
            let directory = if file.ends_with(".git/info/exclude") {
                file.ancestors().nth(3)?.to_owned()
            } else {
                file.parent()?.to_owned()
            };
            let mut builder = GitignoreBuilder::new(&directory);
            builder.add(&file);
            Some((directory, builder.build().ok()?))
        }))
    }

    /// From directories and the texts of their files.
    #[cfg(test)]
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Self {
        Self::new(texts.into_iter().filter_map(|(directory, text)| {
            let mut builder = GitignoreBuilder::new(directory);
            for line in text.lines() {
                let _ = builder.add_line(None, line);
            }
            Some((directory.to_owned(), builder.build().ok()?))
        }))
    }

    fn new(files: impl Iterator<Item = (PathBuf, Gitignore)>) -> Self {
        let mut files: Vec<_> = files.collect();
        files.sort_by_key(|(directory, _)| std::cmp::Reverse(directory.components().count()));
        Self { files }
    }

    /// Whether Git leaves a path out, itself or with a directory it is in. Whether it is a directory is not asked of the
    /// file system: what is called like one that is left out is taken for it.
    pub fn ignores(&self, path: &Path) -> bool {
        let own = self.files.iter().filter(|(directory, _)| path.starts_with(directory) && path != directory);
        for (_, file) in own {
            let as_file = file.matched_path_or_any_parents(path, false);
            let matched = if as_file.is_none() { file.matched(path, true) } else { as_file };
            if !matched.is_none() {
                return matched.is_ignore();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_has_the_last_word() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at(".git/info")).unwrap();
        std::fs::create_dir_all(at("a/b")).unwrap();
        for (file, text) in [
            (".gitignore", "*.log\nout/\n"),
            (".git/info/exclude", "mine\n"),
            ("a/b/.gitignore", "!keep.log\n"),
        ] {
            std::fs::write(at(file), text).unwrap();
        }
        let ignores = GitIgnores::read(&[at("a")]);
        for (path, ignored) in [
            ("a/x.log", true),
            ("a/b/keep.log", false),
            ("a/out/x", true),
            ("a/out", true),
            ("a/mine", true),
            ("a/x.go", false),
            ("a", false),
        ] {
            assert_eq!(ignores.ignores(&at(path)), ignored, "{path}");
        }
    }
}
