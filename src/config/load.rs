//! Finds and reads `devcluster.yaml`, and resolves it into one value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::Checker;
use super::fault::{ConfigError, Document, Faults};
use super::fields::CONFIG;
use super::model::Config;
use super::read::Reader;
use super::shape::Shape;
use super::tree;

/// The names a configuration file is found under.
pub const FILE_NAMES: [&str; 2] = ["devcluster.yaml", "devcluster.yml"];

/// Loads the configuration from `path` (a file, or a directory with a `devcluster.yaml`; relative to `directory`), or
/// from the nearest `devcluster.yaml` in `directory` or above it. `profile` takes the place of the file's own.
///
/// The environment variable `DEVCLUSTER_NODE_IMAGE` takes the place of `cluster.nodeImage`.
///
/// # Errors
/// Every fault of the file and of the profiles it uses, all at once.
pub fn load(path: Option<&Path>, profile: Option<&str>, directory: &Path) -> Result<Config, ConfigError> {
    load_with(path, profile, directory, std::env::var("DEVCLUSTER_NODE_IMAGE").ok())
}

/// As [`load`], with the node image that the environment asks for.
pub(super) fn load_with(
    path: Option<&Path>,
    profile: Option<&str>,
    directory: &Path,
    node_image: Option<String>,
) -> Result<Config, ConfigError> {
    let mut config = load_file(&find(path, directory)?, profile, directory)?;
    if let Some(image) = node_image.filter(|image| !image.is_empty()) {
        config.cluster.node_image = Some(image);
    }
    Ok(config)
}

/// The configuration file that `path` names or that is nearest to `directory`; absolute, without symbolic links.
pub fn find(path: Option<&Path>, directory: &Path) -> Result<PathBuf, ConfigError> {
    let absolute = |path: &Path| {
        path.canonicalize().map_err(|source| ConfigError::Read { file: path.to_owned(), source })
    };
    if let Some(path) = path {
        let path = directory.join(path);
        if path.is_dir() {
            let found = FILE_NAMES.iter().map(|name| path.join(name)).find(|path| path.is_file());
            return absolute(&found.ok_or(ConfigError::NotFound { directory: path })?);
        }
        return absolute(&path);
    }
    let start = absolute(directory)?;
    let files = start.ancestors().flat_map(|directory| FILE_NAMES.iter().map(|name| directory.join(name)));
    let mut files = files.filter(|path| path.is_file());
    files.next().ok_or_else(|| ConfigError::NotFound { directory: start.clone() })
}

/// Loads one file. Its faults are named relative to `directory`, where it is below that.
fn load_file(file: &Path, profile: Option<&str>, directory: &Path) -> Result<Config, ConfigError> {
    let text = text_of(file)?;
    let shown = directory.canonicalize().ok();
    let shown = shown.and_then(|directory| file.strip_prefix(directory).ok()).unwrap_or(file);
    let document = Arc::new(Document { name: shown.display().to_string(), text });
    let faults = Faults::default();
    let Some(tree) = tree::parse(&document, &faults) else {
        return Err(faults.failed());
    };
    Checker { document: &document, faults: &faults }.check(&tree, &Shape::Record(&CONFIG), "");
    let config =
        Reader::new(&document, &faults, file).config(&tree, profile.map(|name| (name, directory)))?;
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(faults.failed()),
    }
}

/// A file's text, without a byte order mark.
pub(super) fn text_of(file: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| ConfigError::Encoding {
        file: file.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
