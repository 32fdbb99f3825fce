//! A thin layer: files that were copied into running containers, as a layer of their image's own, so that a container that
//! starts anew starts with them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::settle::copy_hashed;

/// What a thin layer has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinEntry {
    /// What is there.
    pub what: ThinContent,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: u32,
}

/// What is at a path of a thin layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThinContent {
    /// What is in a local file when the layer is written; nothing where that is gone.
    File(PathBuf),
    /// A symbolic link.
    Link(PathBuf),
    /// A directory.
    Directory,
    /// Nothing: what the layers below have is gone.
    Removed,
}

/// A thin layer in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinLayer {
    /// Its digest, which is its diff id: it is not compressed.
    pub diff_id: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file.
    pub path: PathBuf,
}

/// Writes a layer to `path`. Entries are absolute paths in the container.
pub fn write(path: &Path, entries: &BTreeMap<PathBuf, ThinEntry>) -> io::Result<ThinLayer> {
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    for (at, entry) in entries.iter().filter(|(at, entry)| counts(entries, at, entry)) {
        let Ok(name) = at.strip_prefix("/") else { continue };
        append(&mut archive, name, entry)?;
    }
    archive.into_inner()?.flush()?;
    let (diff_id, size) = copy_hashed(File::open(path)?, io::sink(), u64::MAX)?;
    Ok(ThinLayer { diff_id, size, path: path.to_owned() })
}

/// Whether an entry is written. A mark of what is gone stands for all below it, and must not stand where something is.
fn counts(entries: &BTreeMap<PathBuf, ThinEntry>, at: &Path, entry: &ThinEntry) -> bool {
    if entry.what != ThinContent::Removed {
        return true;
    }
    let is_removed = |path: &Path| entries.get(path).is_some_and(|entry| entry.what == ThinContent::Removed);
    let after = (Bound::Excluded(at), Bound::Unbounded);
    let mut below = entries.range::<Path, _>(after).take_while(|(below, _)| below.starts_with(at));
    !at.ancestors().skip(1).any(is_removed) && below.all(|(_, entry)| entry.what == ThinContent::Removed)
}

fn append(archive: &mut tar::Builder<impl Write>, name: &Path, entry: &ThinEntry) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mode(entry.mode);
    header.set_size(0);
    match &entry.what {
        ThinContent::File(local) => {
            let Ok(file) = File::open(local) else { return Ok(()) };
            let found = file.metadata()?;
            header.set_mtime(seconds(&found));
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(found.len());
            // A file that grows or shrinks meanwhile keeps the length that its header tells.
            let contents = io::Read::take(io::Read::chain(file, io::repeat(0)), found.len());
            archive.append_data(&mut header, name, contents)
        }
        ThinContent::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, name, target)
        }
        ThinContent::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, name, io::empty())
        }
        ThinContent::Removed => {
            header.set_entry_type(tar::EntryType::Regular);
            archive.append_data(&mut header, whiteout(name), io::empty())
        }
    }
}

fn seconds(found: &std::fs::Metadata) -> u64 {
    u64::try_from(std::os::unix::fs::MetadataExt::mtime(found)).unwrap_or_default()
}

/// The mark that says that a path of the layers below is gone (OCI image specification, "Whiteouts").
fn whiteout(name: &Path) -> PathBuf {
    let mut mark = OsString::from(".wh.");
    mark.push(name.file_name().unwrap_or_default());
    name.with_file_name(mark)
}

/// The configuration of an image with a thin layer on top; none where `config` is no image's.
pub(super) fn configure(config: &[u8], layer: &ThinLayer) -> Option<Vec<u8>> {
    let mut config: Value = serde_json::from_slice(config).ok()?;
    config.pointer_mut("/rootfs/diff_ids")?.as_array_mut()?.push(json!(layer.diff_id));
    if let Some(history) = config.get_mut("history").and_then(Value::as_array_mut) {
        history.push(json!({"created_by": "devcluster dev: files as they are saved"}));
    }
    Some(config.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_layer_has_files_links_directories_and_marks_of_what_is_gone() {
        let local = tempfile::tempdir().unwrap();
        std::fs::write(local.path().join("a"), "one").unwrap();
        let entry = |what| ThinEntry { what, uid: 7, gid: 8, mode: 0o640 };
        let long = format!("/{}/{}", "d".repeat(90), "f".repeat(90));
        let entries = BTreeMap::from([
            (PathBuf::from("/app/a b\nc"), entry(ThinContent::File(local.path().join("a")))),
            (PathBuf::from(&long), entry(ThinContent::File(local.path().join("a")))),
            (PathBuf::from("/app/gone"), entry(ThinContent::Removed)),
            (PathBuf::from("/app/gone/below"), entry(ThinContent::Removed)),
            (PathBuf::from("/app/again"), entry(ThinContent::Removed)),
            (PathBuf::from("/app/again/file"), entry(ThinContent::File(local.path().join("a")))),
            (PathBuf::from("/app/link"), entry(ThinContent::Link("/etc/x".into()))),
            (PathBuf::from("/app/sub"), entry(ThinContent::Directory)),
            (PathBuf::from("/app/vanished"), entry(ThinContent::File("/nowhere".into()))),
        ]);
        let layer = write(&local.path().join("layer"), &entries).unwrap();
        let mut archive = tar::Archive::new(File::open(&layer.path).unwrap());
        let mut found = Vec::new();
        for file in archive.entries().unwrap() {
            let mut file = file.unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(file.header().uid().unwrap(), 7);
            found.push((file.path().unwrap().into_owned(), file.header().entry_type(), text));
        }
        let of = |name: &str| found.iter().find(|(path, ..)| path == Path::new(name)).unwrap();
        assert_eq!(of("app/a b\nc").2, "one");
        assert_eq!(of(&long[1..]).2, "one");
        assert_eq!(of("app/.wh.gone").2, "");
        assert_eq!(of("app/link").1, tar::EntryType::Symlink);
        assert_eq!(of("app/sub").1, tar::EntryType::Directory);
        assert_eq!(of("app/again/file").2, "one");
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn the_layer_stands_on_top() {
        let layer = ThinLayer { diff_id: "sha256:b".into(), size: 1, path: "x".into() };
        let config = configure(br#"{"rootfs":{"diff_ids":["sha256:a"]},"history":[]}"#, &layer).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!(["sha256:a", "sha256:b"]));
        assert_eq!(config["history"].as_array().unwrap().len(), 1);
        assert!(configure(b"{}", &layer).is_none());
    }
}
