//! What is known of a file, as a snapshot has it: a line of JSON whose members have a fixed order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::time::Moment;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A further name of a regular file that came before.
    Hardlink,
    /// A symbolic link.
    Symlink,
}

/// A path below the volume's directory, as the file system has it: any bytes but 0. In JSON a text in which `%` and what is
/// no UTF-8 are `%` and two digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(pub Vec<u8>);

impl FilePath {
    /// Its parts; none of the volume's directory itself.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// As archives order it: a directory's entries right behind it, those of one directory by their bytes.
    pub fn order(&self, other: &Self) -> Ordering {
        self.parts().cmp(other.parts())
    }

    /// As messages show it.
    pub fn shown(&self) -> String {
        let text: String = String::from(self.clone()).chars().take(200).collect();
        if text.is_empty() { ".".to_owned() } else { text.escape_debug().to_string() }
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        let mut text = Self::new();
        for part in path.0.utf8_chunks() {
            text.push_str(&part.valid().replace('%', "%25"));
            for byte in part.invalid() {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    }
}

impl TryFrom<String> for FilePath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (digits, rest) =
                part.split_at_checked(2).ok_or("a path's `%` has no two digits behind it")?;
            bytes.push(
                u8::from_str_radix(digits, 16).map_err(|_| "a path's `%` has no two digits behind it")?,
            );
            bytes.extend_from_slice(rest.as_bytes());
        }
        let path = Self(bytes);
        // One spelling a path: two would pass for two files.
        if String::from(path.clone()) == text {
            Ok(path)
        } else {
            Err("a path is spelt otherwise than it has to be")
        }
    }
}

/// A file, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it is; empty for the volume's directory itself.
    pub path: FilePath,
    /// What it is.
    pub kind: Kind,
    /// Its permissions, with the bits above them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mode: u32,
    /// Its user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// Its group.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// When it was changed last; the beginning of 1970 for a further name.
    pub mtime: Moment,
    /// Bytes of a file, holes and all.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub size: u64,
    /// Where a file has only zeros: offsets and lengths of whole blocks, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<(u64, u64)>,
    /// Where a link leads: of a hard link the path of another entry, of a symbolic one any text.
    #[serde(default, skip_serializing_if = "is_no_link")]
    pub link: FilePath,
    /// Extended attributes and access control lists, by tar's names for them; values in base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Entry {
    /// Bytes that are not in holes: those that the stream of contents has.
    pub fn kept(&self) -> u64 {
        self.holes.iter().fold(self.size, |left, (_, length)| left.saturating_sub(*length))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

fn is_no_link(path: &FilePath) -> bool {
    path.0.is_empty()
}
