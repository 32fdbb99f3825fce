//! Paths of a configuration file: made absolute, and named with the nearest right one where they do not exist.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::fault::{Document, Faults, nearest};
use super::tree::{Spanned, Tree as _};

/// Resolves the paths of one document.
pub(super) struct Paths<'a> {
    /// The document, for the faults.
    pub(super) document: &'a Arc<Document>,
    /// Where faults go.
    pub(super) faults: &'a Faults,
    /// The directory that relative paths start from.
    pub(super) directory: &'a Path,
}

impl Paths<'_> {
    /// A directory, absolute.
    pub(super) fn directory(&self, node: &Spanned) -> Option<PathBuf> {
        let path = self.existing(node, self.directory)?;
        if path.is_dir() {
            return Some(path);
        }
        self.fault(node, "is a file, not a directory", self.parent_hint(node));
        None
    }

    /// A file, absolute.
    pub(super) fn file(&self, node: &Spanned) -> Option<PathBuf> {
        self.file_from(node, self.directory)
    }

    /// A file, from a directory other than the document's.
    pub(super) fn file_from(&self, node: &Spanned, directory: &Path) -> Option<PathBuf> {
        let path = self.existing(node, directory)?;
        if path.is_file() {
            return Some(path);
        }
        self.fault(node, "is a directory, not a file", None);
        None
    }

    /// A kustomization's directory; a path to its `kustomization.yaml` is what users mean by it too, but no tool takes it.
    pub(super) fn kustomization(&self, node: &Spanned) -> Option<PathBuf> {
        let path = self.directory(node)?;
        if KUSTOMIZATIONS.iter().any(|name| path.join(name).is_file()) {
            return Some(path);
        }
        self.fault(node, "has no kustomization.yaml", None);
        None
    }

    /// A Helm chart: a directory with a `Chart.yaml`, or an archive.
    pub(super) fn chart(&self, node: &Spanned) -> Option<PathBuf> {
        let path = self.existing(node, self.directory)?;
        if path.is_file() || path.join("Chart.yaml").is_file() {
            return Some(path);
        }
        self.fault(node, "has no Chart.yaml", None);
        None
    }

    /// A file, a directory, or a glob that matches something; as written.
    pub(super) fn files(&self, node: &Spanned) -> Option<String> {
        let text = node.text()?;
        if !is_glob(text) {
            return self.existing(node, self.directory).map(|_| text.to_owned());
        }
        match globset::GlobBuilder::new(text.trim_start_matches("./")).literal_separator(true).build() {
            Err(error) => self.fault(node, &format!("is not a glob: {}", error.kind()), None),
            Ok(glob) if !matches_any(&glob.compile_matcher(), text, self.directory) => {
                self.fault(node, "matches no file", Some("`**` crosses directories, `*` does not".into()));
            }
            Ok(_) => {}
        }
        Some(text.to_owned())
    }

    /// A path that exists, absolute and without symbolic links.
    pub(super) fn existing(&self, node: &Spanned, directory: &Path) -> Option<PathBuf> {
        let text = node.text()?;
        match directory.join(text).canonicalize() {
            Ok(path) => Some(path),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let help = near(directory, Path::new(text)).map_or_else(
                    || format!("paths start from {}", directory.display()),
                    |near| format!("did you mean `{near}`?"),
                );
                self.fault(node, "does not exist", Some(help));
                None
            }
            Err(error) => {
                self.fault(node, &format!("cannot be read: {error}"), None);
                None
            }
        }
    }

    fn parent_hint(&self, node: &Spanned) -> Option<String> {
        let text = node.text()?;
        let parent = Path::new(text).parent()?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        self.directory.join(parent).is_dir().then(|| format!("did you mean `{}`?", parent.display()))
    }

    fn fault(&self, node: &Spanned, what: &str, help: Option<String>) {
        let text = node.text().unwrap_or_default();
        self.faults.add(self.document, node.span(), format!("`{text}` {what}"), help);
    }
}

/// The names a kustomization's file may have.
pub(super) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The path with its missing part replaced by the nearest name there is.
fn near(directory: &Path, path: &Path) -> Option<String> {
    let mut found = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        if directory.join(&found).join(component).exists() {
            found.push(component);
            continue;
        }
        let Component::Normal(missing) = component else { return None };
        let mut names: Vec<String> = std::fs::read_dir(directory.join(&found))
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let name = nearest(missing.to_str()?, names.iter().map(String::as_str))?;
        let near = found.join(name);
        let whole: PathBuf = near.components().chain(components).collect();
        let guess = if directory.join(&whole).exists() { whole } else { near };
        return Some(guess.display().to_string());
    }
    None
}

/// Whether a path has wild cards in it.
pub fn is_glob(written: &str) -> bool {
    written.contains(['*', '?', '[', '{'])
}

/// The components of a path before the first with wild cards.
pub fn literal_part(path: &Path) -> PathBuf {
    path.components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).collect()
}

/// Whether any file below the glob's fixed part matches it.
fn matches_any(glob: &globset::GlobMatcher, text: &str, directory: &Path) -> bool {
    ignore::WalkBuilder::new(directory.join(literal_part(Path::new(text))))
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()))
        .any(|entry| {
            let path = entry.path();
            let relative = path.strip_prefix(directory).unwrap_or(path);
            glob.is_match(relative) || glob.is_match(path)
        })
}
