//! Writes entries and contents as an archive for the node's tar: every header is made here, none is passed on.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tar::{Builder, EntryType, Header};

use super::entry::{Entry, Kind};

/// Bytes that the parts of a sparse file's map are padded to.
const RECORD: usize = 512;

/// Writes one entry; a file's contents are taken from `contents`.
pub(super) fn write<W: Write>(
    to: &mut Builder<W>,
    entry: &Entry,
    contents: &mut impl Read,
) -> io::Result<()> {
    let path = [b"./", entry.path.0.as_slice()].concat();
    let link = match entry.kind {
        Kind::Hardlink => [b"./", entry.link.0.as_slice()].concat(),
        _ => entry.link.0.clone(),
    };
    let (mtime, real_size) = (entry.mtime.to_string(), entry.size.to_string());
    let mut records: Vec<(&str, &[u8])> = vec![("path", &path), ("mtime", mtime.as_bytes())];
    if !link.is_empty() {
        records.push(("linkpath", &link));
    }
    let map = map(entry);
    if !map.is_empty() {
        records.push(("GNU.sparse.major", b"1"));
        records.push(("GNU.sparse.minor", b"0"));
        records.push(("GNU.sparse.name", &path));
        records.push(("GNU.sparse.realsize", real_size.as_bytes()));
    }
    let mut attributes = Vec::new();
    for (key, value) in &entry.attributes {
        attributes.push((key.as_str(), STANDARD.decode(value).map_err(io::Error::other)?));
    }
    records.extend(attributes.iter().map(|(key, value)| (*key, value.as_slice())));
    to.append_pax_extensions(records)?;
    let mut header = Header::new_ustar();
    header.set_entry_type(match entry.kind {
        Kind::Directory => EntryType::Directory,
        Kind::File => EntryType::Regular,
        Kind::Hardlink => EntryType::Link,
        Kind::Symlink => EntryType::Symlink,
    });
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(0);
    let kept = entry.kept();
    header.set_size(kept + map.len() as u64);
    header.set_cksum();
    // Longer than told would be cut by the next header, shorter is told apart here.
    let mut own = contents.take(kept);
    to.append(&header, map.as_slice().chain(&mut own))?;
    if own.limit() == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Where a file with holes has data: the number of parts, then offset and length of each; nothing of a file without holes.
fn map(entry: &Entry) -> Vec<u8> {
    if entry.holes.is_empty() {
        return Vec::new();
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    for (start, length) in &entry.holes {
        if *start > at {
            parts.push((at, start - at));
        }
        at = start + length;
    }
    // The last part tells where the file ends, with a hole there, too.
    parts.push((at, entry.size.saturating_sub(at)));
    let mut text = format!("{}\n", parts.len());
    for (offset, length) in parts {
        let _ = write!(text, "{offset}\n{length}\n");
    }
    let mut text = text.into_bytes();
    text.resize(text.len().next_multiple_of(RECORD), 0);
    text
}
