//! Reads what the node's tar writes (POSIX.1-2001 pax interchange format, with GNU's sparse format 1.0 as tar's manual has it
//! in "Storing Sparse Files") into entries and contents. The crate's own reader takes no binary attributes and no such holes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tar::{EntryType, Header};

use super::blocks::Blocks;
use super::check::Order;
use super::entry::{Entry, FilePath, Kind};
use super::error::ArchiveFault;
use super::time::Moment;

/// Bytes of a header, and what everything is padded to.
const RECORD: usize = 512;
/// Bytes of the largest extended header: attributes of 64 KiB each are the file systems' limit.
const LARGEST_HEADER: u64 = 4 << 20;
/// Extents of a sparse file that are read.
const MOST_EXTENTS: u64 = 1 << 22;
/// Bytes that are read at once.
const PIECE: usize = 1 << 18;
/// Files that are named when they are left out; more are only counted.
const NAMED: usize = 20;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Entries.
    pub entries: u64,
    /// Bytes of all files, holes and all.
    pub bytes: u64,
    /// What was left out, each with its reason.
    pub left: Vec<String>,
    /// How many more were.
    pub left_more: u64,
}

impl Found {
    fn leave(&mut self, path: &FilePath, reason: &str) {
        if self.left.len() < NAMED {
            self.left.push(format!("{}: {reason}", path.shown()));
        } else {
            self.left_more += 1;
        }
    }
}

/// Reads an archive to its end. Entries go to one stream, a line each, contents to the other; `on_bytes` hears how many bytes
/// of the archive were read.
pub(super) fn read(
    from: impl Read,
    entries: &mut impl Write,
    contents: &mut impl Write,
    on_bytes: &dyn Fn(u64),
) -> Result<Found, ArchiveFault> {
    let mut archive = Archive { from, done: 0, on_bytes, piece: vec![0; PIECE] };
    let (mut found, mut order) = (Found::default(), Order::default());
    while let Some(mut told) = archive.next()? {
        let Some(mut entry) = told.entry(&mut found)? else {
            archive.skip(told.size)?;
            continue;
        };
        if entry.kind == Kind::File {
            entry.size = archive.contents(&told, contents, &mut entry.holes)?;
        } else {
            archive.skip(told.size)?;
        }
        order.next(&entry)?;
        found.entries += 1;
        found.bytes += entry.size;
        serde_json::to_writer(&mut *entries, &entry).map_err(io::Error::from)?;
        entries.write_all(b"\n")?;
    }
    Ok(found)
}

/// A header with what came before it.
struct Told {
    header: Header,
    extended: BTreeMap<Vec<u8>, Vec<u8>>,
    size: u64,
}

struct Archive<'p, R> {
    from: R,
    done: u64,
    on_bytes: &'p dyn Fn(u64),
    piece: Vec<u8>,
}

impl<R: Read> Archive<'_, R> {
    /// The next file's header; none at the end, once all that follows was read.
    fn next(&mut self) -> Result<Option<Told>, ArchiveFault> {
        let mut extended = BTreeMap::new();
        loop {
            let header = self.header()?;
            if header.as_bytes().iter().all(|byte| *byte == 0) {
                // A program that failed says so at its very end.
                io::copy(&mut self.from, &mut io::sink())?;
                return Ok(None);
            }
            let size = header.entry_size()?;
            match header.entry_type() {
                EntryType::XHeader => extended = records(&self.text(size)?)?,
                EntryType::XGlobalHeader => drop(self.text(size)?),
                _ => {
                    let size = match extended.get(b"size".as_slice()) {
                        Some(text) => number(text).ok_or(ArchiveFault::Malformed("a size is no number"))?,
                        None => size,
                    };
                    return Ok(Some(Told { header, extended, size }));
                }
            }
        }
    }

    fn header(&mut self) -> Result<Header, ArchiveFault> {
        let mut header = Header::new_old();
        self.fill(header.as_mut_bytes())?;
        let bytes = header.as_bytes();
        let sum: u32 = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        // A header of zeros has no checksum.
        if sum == 8 * 32 || header.cksum()? == sum {
            Ok(header)
        } else {
            Err(ArchiveFault::Malformed("a header's checksum is wrong"))
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveFault> {
        self.from.read_exact(bytes)?;
        self.done += bytes.len() as u64;
        Ok(())
    }

    fn text(&mut self, size: u64) -> Result<Vec<u8>, ArchiveFault> {
        if size > LARGEST_HEADER {
            return Err(ArchiveFault::Large(size));
        }
        let mut text = Vec::new();
        self.data(size, |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        self.pad(size)?;
        Ok(text)
    }

    /// Hands on so many bytes.
    fn data(
        &mut self,
        mut size: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), ArchiveFault>,
    ) -> Result<(), ArchiveFault> {
        let mut piece = std::mem::take(&mut self.piece);
        while size > 0 {
            let some = usize::try_from(size).unwrap_or(PIECE).min(PIECE);
            let (now, _) = piece.split_at_mut(some);
            self.fill(now)?;
            take(now)?;
            size -= some as u64;
            (self.on_bytes)(self.done);
        }
        self.piece = piece;
        Ok(())
    }

    fn pad(&mut self, size: u64) -> Result<(), ArchiveFault> {
        let over = usize::try_from(size % RECORD as u64).unwrap_or_default();
        let mut padding = [0; RECORD];
        let (padding, _) = padding.split_at_mut((RECORD - over) % RECORD);
        self.fill(padding)
    }

    fn skip(&mut self, size: u64) -> Result<(), ArchiveFault> {
        self.data(size, |_| Ok(()))?;
        self.pad(size)
    }

    /// Reads a file, and gives its size.
    fn contents(
        &mut self,
        told: &Told,
        out: &mut impl Write,
        holes: &mut Vec<(u64, u64)>,
    ) -> Result<u64, ArchiveFault> {
        let mut blocks = Blocks::default();
        let mut keep = |bytes: &[u8]| Ok::<(), ArchiveFault>(out.write_all(bytes)?);
        let size = match told.extended.get(b"GNU.sparse.major".as_slice()) {
            None => {
                self.data(told.size, |bytes| blocks.push(bytes, &mut keep))?;
                told.size
            }
            Some(major) if major == b"1" => {
                let real = told.extended.get(b"GNU.sparse.realsize".as_slice()).and_then(|text| number(text));
                let real = real.ok_or(ArchiveFault::Malformed("a sparse file has no size"))?;
                let (extents, told_by_map) = self.map()?;
                let (mut at, mut left) = (0, told.size.checked_sub(told_by_map));
                for (offset, length) in extents {
                    let gap = offset
                        .checked_sub(at)
                        .ok_or(ArchiveFault::Malformed("a sparse file's parts overlap"))?;
                    at = offset.saturating_add(length);
                    left = left.and_then(|left| left.checked_sub(length));
                    if left.is_none() || at > real {
                        break;
                    }
                    blocks.zeros(gap, &mut keep)?;
                    self.data(length, |bytes| blocks.push(bytes, &mut keep))?;
                }
                let rest = real.checked_sub(at).filter(|_| left == Some(0));
                blocks.zeros(
                    rest.ok_or(ArchiveFault::Malformed("a sparse file's parts do not make up its size"))?,
                    &mut keep,
                )?;
                real
            }
            Some(_) => return Err(ArchiveFault::Malformed("a sparse file is of an unknown form")),
        };
        *holes = blocks.finish(&mut keep)?;
        self.pad(told.size)?;
        Ok(size)
    }

    /// The parts of a sparse file that hold data, and the bytes that told of them.
    fn map(&mut self) -> Result<(Vec<(u64, u64)>, u64), ArchiveFault> {
        let mut digits = Digits { record: [0; RECORD], at: RECORD, taken: 0 };
        let count = digits.number(self)?;
        if count > MOST_EXTENTS {
            return Err(ArchiveFault::Malformed("a sparse file has too many parts"));
        }
        let mut extents = Vec::new();
        for _ in 0..count {
            extents.push((digits.number(self)?, digits.number(self)?));
        }
        Ok((extents, digits.taken))
    }
}

/// Numbers, each on a line, in records.
struct Digits {
    record: [u8; RECORD],
    at: usize,
    taken: u64,
}

impl Digits {
    fn number<R: Read>(&mut self, archive: &mut Archive<'_, R>) -> Result<u64, ArchiveFault> {
        let mut text = Vec::new();
        loop {
            if self.at == RECORD {
                archive.fill(&mut self.record)?;
                (self.at, self.taken) = (0, self.taken + RECORD as u64);
            }
            let byte = self.record.get(self.at).copied().unwrap_or_default();
            self.at += 1;
            if byte == b'\n' {
                return number(&text)
                    .ok_or(ArchiveFault::Malformed("a sparse file's map has what is no number"));
            }
            text.push(byte);
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let plain = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The records of an extended header: `LENGTH KEY=VALUE`, where the value may be any bytes.
fn records(mut text: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ArchiveFault> {
    let mut all = BTreeMap::new();
    let malformed = || ArchiveFault::Malformed("an extended header is cut wrongly");
    while !text.is_empty() {
        let space = text.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let (length, _) = text.split_at(space);
        let length = number(length).and_then(|length| usize::try_from(length).ok()).ok_or_else(malformed)?;
        let (record, rest) = text.split_at_checked(length).ok_or_else(malformed)?;
        let record =
            record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(malformed)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = record.split_at(equals);
        all.insert(key.to_vec(), value.strip_prefix(b"=").unwrap_or_default().to_vec());
        text = rest;
    }
    Ok(all)
}

impl Told {
    /// What it tells of, but for contents; none of what is left out.
    fn entry(&mut self, found: &mut Found) -> Result<Option<Entry>, ArchiveFault> {
        let path = self
            .extended
            .remove(b"GNU.sparse.name".as_slice())
            .or_else(|| self.extended.remove(b"path".as_slice()));
        let path = inside(&path.unwrap_or_else(|| self.header.path_bytes().into_owned()));
        let kind = match self.header.entry_type() {
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Link => Kind::Hardlink,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Fifo => return Ok(leave(found, &path, "a named pipe")),
            EntryType::Char | EntryType::Block => return Ok(leave(found, &path, "a device")),
            _ => return Err(ArchiveFault::Malformed("a file is of an unknown kind")),
        };
        let target = self.extended.remove(b"linkpath".as_slice());
        let target = target
            .or_else(|| self.header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let mut entry = Entry {
            path,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Moment::default(),
            size: 0,
            holes: Vec::new(),
            link: match kind {
                Kind::Hardlink => inside(&target),
                Kind::Symlink => FilePath(target),
                Kind::File | Kind::Directory => FilePath::default(),
            },
            attributes: BTreeMap::new(),
        };
        // A further name has all else in common with the first.
        if kind != Kind::Hardlink {
            self.describe(&mut entry, found)?;
        }
        Ok(Some(entry))
    }

    fn describe(&self, entry: &mut Entry, found: &mut Found) -> Result<(), ArchiveFault> {
        let whose = |extended: Option<&Vec<u8>>, plain: io::Result<u64>| -> Result<u32, ArchiveFault> {
            let id = extended.map_or_else(|| plain.ok(), |text| number(text));
            id.and_then(|id| u32::try_from(id).ok()).ok_or(ArchiveFault::Malformed("an owner is no number"))
        };
        entry.uid = whose(self.extended.get(b"uid".as_slice()), self.header.uid())?;
        entry.gid = whose(self.extended.get(b"gid".as_slice()), self.header.gid())?;
        entry.mode = self.header.mode()? & 0o7777;
        if entry.kind == Kind::File && entry.mode & 0o6000 != 0 {
            found.leave(&entry.path, "taken without the permission to run as its owner");
            entry.mode &= 0o1777;
        }
        let mtime = match self.extended.get(b"mtime".as_slice()) {
            Some(text) => std::str::from_utf8(text).ok().and_then(Moment::read),
            None => {
                i64::try_from(self.header.mtime()?).ok().map(|seconds| Moment { seconds, nanoseconds: 0 })
            }
        };
        entry.mtime = mtime.ok_or(ArchiveFault::Malformed("a time is none"))?;
        for (key, value) in &self.extended {
            let Ok(key) = std::str::from_utf8(key) else { continue };
            if super::check::is_attribute(key) {
                entry.attributes.insert(key.to_owned(), STANDARD.encode(value));
            } else if key.starts_with("SCHILY.xattr.security.capability") {
                found.leave(&entry.path, "taken without its capabilities");
            }
        }
        Ok(())
    }
}

fn leave(found: &mut Found, path: &FilePath, what: &str) -> Option<Entry> {
    found.leave(path, &format!("{what}, left out"));
    None
}

/// A path as tar tells it of `.`: without what it begins and ends with.
fn inside(path: &[u8]) -> FilePath {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    FilePath(if path == b"." { Vec::new() } else { path.to_vec() })
}
