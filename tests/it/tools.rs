//! Other people's programs that tests hold things against.

use std::path::{Path, PathBuf};

/// A tool of testbed/tools/ensure; none, with a word of it, where it is not installed.
pub fn tool(name: &str) -> Option<PathBuf> {
    let bed = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/bin").join(name);
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&on_path)
        .map(|directory| directory.join(name))
        .chain([bed])
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no {name}; `testbed/tools/ensure {name}` installs it");
    }
    found
}
