//! Writing files so that a reader never sees half of one.

use std::io;
use std::path::Path;

/// Writes `bytes` to `file` at once: under another name first, then renamed. Makes the directory where it is missing.
pub(super) fn write_atomically(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut temporary, bytes)?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}
