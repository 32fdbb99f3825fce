//! Programs on the PATH, and what tells one build of them from another.

use std::path::PathBuf;

/// A program that was found.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    /// Its name, as it is called.
    pub name: &'static str,
    /// Its path, modification time and size.
    pub stamp: String,
}

/// The first of the programs that is on the PATH; the first of all where none is, so that the error names it.
pub(super) fn find(names: &[&'static str]) -> Tool {
    let found = names.iter().find_map(|name| stamp(name).map(|stamp| Tool { name, stamp }));
    found.unwrap_or(Tool { name: names[0], stamp: String::new() })
}

fn stamp(name: &str) -> Option<String> {
    let paths = std::env::var_os("PATH")?;
    let file: PathBuf =
        std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file())?;
    let about = file.metadata().ok()?;
    Some(format!("{} {} {:?}", file.display(), about.len(), about.modified().ok()?))
}
