//! Whether entries may be unpacked: each lies below a directory that came before it, none leads out of the volume, and all
//! have the order and the spelling that every snapshot of the same files has.

use std::cmp::Ordering;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::blocks::{BLOCK, MOST_HOLES};
use super::entry::{Entry, FilePath, Kind};
use super::error::ArchiveFault;

/// Bytes of the longest path (PATH_MAX) and of its longest part (NAME_MAX), as Linux has them.
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;
/// Bytes of the largest value of an attribute (XATTR_SIZE_MAX), and attributes of a file.
const LARGEST_VALUE: usize = 64 << 10;
const MOST_ATTRIBUTES: usize = 256;

/// Whether an extended header's key is an attribute that belongs to files. Those that give rights or label for this machine's
/// own sake (`security.`, `trusted.`) do not, but for access control lists.
pub(super) fn is_attribute(key: &str) -> bool {
    let sound = key.len() <= 300 && !key.contains(['=', '\n', '\0']);
    let own = ["SCHILY.xattr.user.", "SCHILY.acl.access", "SCHILY.acl.default"];
    sound && own.iter().any(|prefix| key.starts_with(prefix))
}

/// That entries stand in order, none twice, each below a directory that came before.
#[derive(Debug, Default)]
pub(super) struct Order {
    last: Option<FilePath>,
    /// The names of the directories that are open.
    open: Vec<Vec<u8>>,
}

impl Order {
    /// Takes the next entry.
    pub fn next(&mut self, entry: &Entry) -> Result<(), ArchiveFault> {
        let path = &entry.path;
        let refused = |reason| Err(ArchiveFault::Entry { path: path.shown(), reason });
        let Some(last) = &self.last else {
            if !path.0.is_empty() || entry.kind != Kind::Directory {
                return refused("comes before the volume's directory");
            }
            self.last = Some(path.clone());
            return Ok(());
        };
        if let Some(reason) = leads_out(path) {
            return refused(reason);
        }
        if last.order(path) != Ordering::Less {
            return refused("is not in order, or there twice");
        }
        let parts: Vec<&[u8]> = path.parts().collect();
        let (name, above) = parts.split_last().map_or((&b""[..], &[][..]), |(name, above)| (*name, above));
        let is_open =
            self.open.len() >= above.len() && self.open.iter().zip(above).all(|(open, part)| open == part);
        if !is_open {
            return refused("lies below what is no directory");
        }
        self.open.truncate(above.len());
        if entry.kind == Kind::Directory {
            self.open.push(name.to_vec());
        }
        self.last = Some(path.clone());
        Ok(())
    }
}

/// Why a path is none below the volume's directory.
fn leads_out(path: &FilePath) -> Option<&'static str> {
    let bytes = &path.0;
    if bytes.is_empty() || bytes.len() > LONGEST_PATH || bytes.contains(&0) {
        return Some("is no path");
    }
    if bytes.starts_with(b"/") {
        return Some("is absolute");
    }
    bytes.split(|byte| *byte == b'/').find_map(|part| match part {
        b"" => Some("has an empty part"),
        b"." | b".." => Some("leads out of the volume"),
        part if part.len() > LONGEST_NAME => Some("has a part that is too long"),
        _ => None,
    })
}

/// All that is checked before a volume is touched.
#[derive(Debug, Default)]
pub(super) struct Check {
    order: Order,
    /// Files with further names, and whether they came already.
    named_again: HashMap<FilePath, bool>,
    /// Entries so far.
    pub entries: u64,
    /// Bytes in the stream of contents that they have.
    pub kept: u64,
    /// Bytes of all files, holes and all.
    pub bytes: u64,
}

impl Check {
    /// Takes note of a file that has further names. To be told of all entries before the first is taken.
    pub fn foresee(&mut self, entry: Entry) {
        if entry.kind == Kind::Hardlink {
            self.named_again.insert(entry.link, false);
        }
    }

    /// Takes the next entry.
    pub fn next(&mut self, entry: &Entry) -> Result<(), ArchiveFault> {
        self.order.next(entry)?;
        let refused = |reason| Err(ArchiveFault::Entry { path: entry.path.shown(), reason });
        if let Some(reason) = self.fault(entry) {
            return refused(reason);
        }
        if entry.kind == Kind::File
            && let Some(came) = self.named_again.get_mut(&entry.path)
        {
            *came = true;
        }
        let sums = (self.kept.checked_add(entry.kept()), self.bytes.checked_add(entry.size));
        let (Some(kept), Some(bytes)) = sums else { return refused("makes the volume larger than any") };
        (self.kept, self.bytes, self.entries) = (kept, bytes, self.entries + 1);
        Ok(())
    }

    fn fault(&self, entry: &Entry) -> Option<&'static str> {
        let is_file = entry.kind == Kind::File;
        let is_bare =
            |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.attributes.len()) == (0, 0, 0, 0);
        match entry.kind {
            Kind::Hardlink if leads_out(&entry.link).is_some() => {
                return Some("is a link that leads out of the volume");
            }
            Kind::Hardlink if self.named_again.get(&entry.link) != Some(&true) => {
                return Some("is a further name of what is no file, or comes later");
            }
            Kind::Hardlink if !is_bare(entry) => return Some("is a further name with an owner of its own"),
            Kind::Symlink
                if entry.link.0.is_empty()
                    || entry.link.0.len() > LONGEST_PATH
                    || entry.link.0.contains(&0) =>
            {
                return Some("is a link that leads nowhere");
            }
            Kind::File | Kind::Directory if !entry.link.0.is_empty() => {
                return Some("leads elsewhere and is no link");
            }
            _ => {}
        }
        if entry.mode > 0o7777 || (is_file && entry.mode & 0o6000 != 0) {
            return Some("has permissions that no file in a volume is given");
        }
        // -1 is how chown is told to change nothing.
        if entry.uid == u32::MAX || entry.gid == u32::MAX {
            return Some("has an owner that no file has");
        }
        if !is_file && (entry.size != 0 || !entry.holes.is_empty()) {
            return Some("has contents and is no file");
        }
        if entry.size > i64::MAX as u64 || !are_holes(entry) {
            return Some("has a size or holes that no file has");
        }
        let sound = |(key, value): (&String, &String)| {
            is_attribute(key) && STANDARD.decode(value).is_ok_and(|value| value.len() <= LARGEST_VALUE)
        };
        let sound = entry.attributes.len() <= MOST_ATTRIBUTES && entry.attributes.iter().all(sound);
        (!sound).then_some("has attributes that no file in a volume is given")
    }
}

/// Whether holes are whole blocks inside the file, apart from each other.
fn are_holes(entry: &Entry) -> bool {
    let block = BLOCK as u64;
    let mut at = None;
    entry.holes.len() <= MOST_HOLES
        && entry.holes.iter().all(|(start, length)| {
            let end = start.checked_add(*length).filter(|end| *end <= entry.size);
            let apart = at.is_none_or(|at| *start > at);
            at = end;
            *length > 0 && start % block == 0 && length % block == 0 && apart && end.is_some()
        })
}
