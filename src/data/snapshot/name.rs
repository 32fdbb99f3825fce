//! Names of snapshots and of the streams in them, and times: bounded, and safe wherever they are shown or end
//! up as file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be {what}: {reason}", .text.escape_debug())]
pub struct NameError {
    /// The beginning of the text.
    text: String,
    /// What it was to be.
    what: &'static str,
    /// The rule it breaks.
    reason: &'static str,
}

impl NameError {
    fn new(text: &str, what: &'static str, reason: &'static str) -> Self {
        Self { text: text.chars().take(120).collect(), what, reason }
    }
}

/// A snapshot's name in its catalogue: `shop-small`. At most 100 of `a-z`, `0-9`, `-`, `_` and `.`, beginning
/// with a letter or a digit, without `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotName(String);

impl SnapshotName {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = |reason| Err(NameError::new(text, "a snapshot's name", reason));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.is_empty() || text.len() > 100 {
            return refused("it has 1 to 100 characters");
        }
        if !text.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.')) {
            return refused("only lower-case letters, digits, `-`, `_` and `.` are allowed");
        }
        if !text.bytes().next().is_some_and(plain) || text.contains("..") {
            return refused("it begins with a letter or a digit and has no `..`");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A stream's place in its snapshot: `postgres/shop/orders/public.order_lines.copy`. Relative, `/` between
/// its parts, at most 1024 bytes, no part empty, `.` or `..`, no control characters and no `\`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamPath(String);

impl StreamPath {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is called `name` below a prefix.
    pub fn below(prefix: &str, name: &str) -> Result<Self, NameError> {
        format!("{prefix}/{name}").parse()
    }

    /// A name as part of a path: all that could be mistaken is written as `%2F`.
    pub fn part(name: &str) -> String {
        let mut out = String::new();
        for character in name.chars() {
            let plain = !character.is_control() && !matches!(character, '%' | '/' | '\\' | '.');
            if plain {
                out.push(character);
                continue;
            }
            let mut bytes = [0; 4];
            out.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
        out
    }
}

impl FromStr for StreamPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = |reason| Err(NameError::new(text, "a stream's path", reason));
        if text.is_empty() || text.len() > 1024 {
            return refused("it has 1 to 1024 bytes");
        }
        if text.chars().any(|character| character.is_control() || character == '\\') {
            return refused("control characters and `\\` are not allowed");
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refused("it is relative, and no part of it is empty, `.` or `..`");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A moment as it is shown: RFC 3339, such as `2026-11-25T21:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(String);

impl FromStr for Timestamp {
    type Err = NameError;

    /// The form is checked, not the calendar.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let like = |text: &str, form: &str| {
            let same =
                |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
            text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
        };
        let (moment, zone) = text.split_at_checked(19).unwrap_or((text, ""));
        let digits =
            zone.strip_prefix('.').map(|rest| rest.trim_start_matches(|digit: char| digit.is_ascii_digit()));
        let zone = digits.unwrap_or(zone);
        let zoned = ["Z", "+00:00", "-00:00"].iter().any(|form| like(zone, form));
        if text.len() <= 40 && like(moment, "0000-00-00T00:00:00") && zoned {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(text, "a time of creation", "it has the form 2026-11-25T21:00:00Z"))
    }
}

/// What the newtypes have in common.
macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_newtype!(SnapshotName);
text_newtype!(StreamPath);
text_newtype!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_names() {
        for good in ["shop-small", "a", "2026-11-25", "v1.2_x", &"a".repeat(100)] {
            assert_eq!(good.parse::<SnapshotName>().unwrap().as_str(), good);
        }
        for bad in ["", "Shop", "a/b", "..", "a..b", ".a", "-a", "_a", "ä", "a b", "a\0", &"a".repeat(101)] {
            assert!(bad.parse::<SnapshotName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        for good in
            ["2026-11-25T21:00:00Z", "2026-11-25T21:00:00.123456789+02:00", "2026-11-25T21:00:00-08:00"]
        {
            assert_eq!(good.parse::<Timestamp>().unwrap().to_string(), good);
        }
        let long = format!("2026-11-25T21:00:00.{}Z", "1".repeat(30));
        for bad in [
            "",
            "now",
            "2026-11-25",
            "2026-11-25T21:00:00",
            "2026-11-25T21:00:00\x1bZ",
            "ä".repeat(10).as_str(),
            &long,
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn streams_paths() {
        for good in [
            "a",
            "postgres/shop/orders/public.order_lines.copy",
            "volume/ä b/0.tar",
            "a..b",
            &"a".repeat(1024),
        ] {
            assert_eq!(good.parse::<StreamPath>().unwrap().as_str(), good);
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/..", "./a", "a\\b", "a\nb", "a\0", &"a".repeat(1025)] {
            assert!(bad.parse::<StreamPath>().is_err(), "{bad}");
        }
    }
}
