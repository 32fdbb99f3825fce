//! Where a serialized value ends, by its type: the form of `rdb.c` and `rdb.h` (Redis 7.4, <https://github.com/redis/redis>),
//! which DUMP, RESTORE and replication share. Values are cut, never read: strings stay compressed (LZF) as they are.

use std::ops::Range;

use super::error::{RdbError, shown};

/// Bytes of the largest value: a server takes back no more in one argument.
pub(super) const LARGEST: usize = 512 << 20;

/// Where serialized bytes come from.
pub(super) trait Input {
    /// Appends so many bytes.
    fn copy(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), RdbError>;
}

impl Input for &[u8] {
    fn copy(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), RdbError> {
        let ended = || RdbError::Malformed("a value ends within one of its parts");
        let (taken, rest) = self.split_at_checked(count).ok_or_else(ended)?;
        out.extend_from_slice(taken);
        *self = rest;
        Ok(())
    }
}

/// What a type's values are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One string.
    Text,
    /// A time, and one string.
    TimedText,
    /// A count, and so many parts.
    Parts(&'static [Part]),
    /// As parts, whose order is the memory's: it is put right.
    Unordered(&'static [Part]),
    /// As unordered parts, after a time.
    TimedUnordered(&'static [Part]),
    /// A stream, in one of three versions.
    Stream(u8),
    /// None that is known.
    Unknown(&'static str),
}

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Text,
    Length,
    /// A number in digits, after their count.
    Digits,
    /// So many bytes.
    Bytes(usize),
}

fn form(kind: u8) -> Form {
    use Part::{Bytes, Digits, Length, Text};
    match kind {
        0 | 9..=13 | 16 | 17 | 20 => Form::Text,
        1 | 14 => Form::Parts(&[Text]),
        2 => Form::Unordered(&[Text]),
        3 => Form::Parts(&[Text, Digits]),
        4 => Form::Unordered(&[Text, Text]),
        5 => Form::Parts(&[Text, Bytes(8)]),
        15 => Form::Stream(1),
        18 => Form::Parts(&[Length, Text]),
        19 => Form::Stream(2),
        21 => Form::Stream(3),
        24 => Form::TimedUnordered(&[Length, Text, Text]),
        25 => Form::TimedText,
        6 | 7 => Form::Unknown("a module's own"),
        22 | 23 => Form::Unknown("a hash of a version that was never released"),
        _ => Form::Unknown("which is not known"),
    }
}

/// That values of a key's type can be cut.
pub(super) fn known(kind: u8, key: &[u8]) -> Result<(), RdbError> {
    match form(kind) {
        Form::Unknown(name) => Err(RdbError::Kind { key: shown(key), kind, name }),
        _ => Ok(()),
    }
}

/// Appends a value's bytes; its type's byte is there already. Sets and hashes are put in the order of their bytes, for
/// their own order is another at each run of a server.
pub(super) fn cut(kind: u8, input: &mut impl Input, out: &mut Vec<u8>) -> Result<(), RdbError> {
    match form(kind) {
        Form::Text => text(input, out),
        Form::TimedText => {
            take(input, 8, out)?;
            text(input, out)
        }
        Form::Parts(part) => parts(part, input, out).map(drop),
        Form::Unordered(part) => unordered(part, input, out),
        Form::TimedUnordered(part) => {
            take(input, 8, out)?;
            unordered(part, input, out)
        }
        Form::Stream(version) => stream(version, input, out),
        Form::Unknown(_) => Err(RdbError::Malformed("a value's type is not known")),
    }
}

fn take(input: &mut impl Input, count: usize, out: &mut Vec<u8>) -> Result<(), RdbError> {
    if count > LARGEST.saturating_sub(out.len()) {
        return Err(RdbError::TooLarge);
    }
    input.copy(count, out)
}

fn byte(input: &mut impl Input, out: &mut Vec<u8>) -> Result<u8, RdbError> {
    take(input, 1, out)?;
    Ok(out.last().copied().unwrap_or_default())
}

/// A length, or how a string without one is encoded.
enum Length {
    Plain(u64),
    Encoded(u8),
}

fn length(input: &mut impl Input, out: &mut Vec<u8>) -> Result<Length, RdbError> {
    let first = byte(input, out)?;
    let mut big_endian = |count: usize| {
        let start = out.len();
        take(input, count, out)?;
        let bytes = out.get(start..).unwrap_or_default();
        Ok::<_, RdbError>(bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    match (first >> 6, first) {
        (0, _) => Ok(Length::Plain(u64::from(first))),
        (1, _) => Ok(Length::Plain(u64::from(first & 0x3f) << 8 | big_endian(1)?)),
        (2, 0x80) => Ok(Length::Plain(big_endian(4)?)),
        (2, 0x81) => Ok(Length::Plain(big_endian(8)?)),
        (3, _) => Ok(Length::Encoded(first & 0x3f)),
        _ => Err(RdbError::Malformed("a length is of no known form")),
    }
}

/// A plain length.
pub(super) fn count(input: &mut impl Input, out: &mut Vec<u8>) -> Result<u64, RdbError> {
    match length(input, out)? {
        Length::Plain(count) => Ok(count),
        Length::Encoded(_) => Err(RdbError::Malformed("a string stands where a length should")),
    }
}

fn size(number: u64) -> Result<usize, RdbError> {
    usize::try_from(number).ok().filter(|size| *size <= LARGEST).ok_or(RdbError::TooLarge)
}

/// Appends a string as it is encoded.
pub(super) fn text(input: &mut impl Input, out: &mut Vec<u8>) -> Result<(), RdbError> {
    match length(input, out)? {
        Length::Plain(length) => take(input, size(length)?, out),
        Length::Encoded(integer @ 0..=2) => take(input, 1 << integer, out),
        Length::Encoded(3) => {
            let packed = count(input, out)?;
            count(input, out)?;
            take(input, size(packed)?, out)
        }
        Length::Encoded(_) => Err(RdbError::Malformed("a string is encoded in no known form")),
    }
}

/// The plain bytes of an encoded string.
pub(super) fn plain(mut encoded: &[u8]) -> Result<Vec<u8>, RdbError> {
    let malformed = RdbError::Malformed("a string is not what its length says");
    let (input, mut head) = (&mut encoded, Vec::new());
    let number = match length(input, &mut head)? {
        Length::Plain(length) if length == input.len() as u64 => return Ok(input.to_vec()),
        Length::Encoded(3) => {
            let (packed, length) = (count(input, &mut head)?, size(count(input, &mut head)?)?);
            // LZF makes 264 bytes of 3 at most.
            let possible = packed == input.len() as u64 && length / 88 <= input.len();
            let unpacked = possible.then(|| lzf::decompress(input, length).ok()).flatten();
            return unpacked.filter(|bytes| bytes.len() == length).ok_or(malformed);
        }
        Length::Encoded(form) => match (form, *input) {
            (0, &[a]) => i64::from(i8::from_le_bytes([a])),
            (1, &[a, b]) => i64::from(i16::from_le_bytes([a, b])),
            (2, &[a, b, c, d]) => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => return Err(malformed),
        },
        Length::Plain(_) => return Err(malformed),
    };
    Ok(number.to_string().into_bytes())
}

fn part(part: Part, input: &mut impl Input, out: &mut Vec<u8>) -> Result<(), RdbError> {
    match part {
        Part::Text => text(input, out),
        Part::Length => count(input, out).map(drop),
        Part::Bytes(count) => take(input, count, out),
        Part::Digits => match byte(input, out)? {
            // Not a number, and the two infinities.
            253..=255 => Ok(()),
            digits => take(input, usize::from(digits), out),
        },
    }
}

/// Appends a count and so many parts; gives where each is.
fn parts(each: &[Part], input: &mut impl Input, out: &mut Vec<u8>) -> Result<Vec<Range<usize>>, RdbError> {
    let mut places = Vec::new();
    for _ in 0..count(input, out)? {
        let start = out.len();
        for piece in each {
            part(*piece, input, out)?;
        }
        places.push(start..out.len());
    }
    Ok(places)
}

fn unordered(each: &[Part], input: &mut impl Input, out: &mut Vec<u8>) -> Result<(), RdbError> {
    let mut places = parts(each, input, out)?;
    let Some(start) = places.first().map(|first| first.start) else { return Ok(()) };
    let bytes = |place: &Range<usize>| out.get(place.clone()).unwrap_or_default();
    if !places.is_sorted_by(|a, b| bytes(a) <= bytes(b)) {
        places.sort_unstable_by(|a, b| bytes(a).cmp(bytes(b)));
        let sorted = places.iter().map(bytes).collect::<Vec<_>>().concat();
        out.truncate(start);
        out.extend_from_slice(&sorted);
    }
    Ok(())
}

/// A stream: its listpacks, its numbers, and its groups with their consumers (`rdbSaveObject`, OBJ_STREAM).
fn stream(version: u8, input: &mut impl Input, out: &mut Vec<u8>) -> Result<(), RdbError> {
    use Part::{Bytes, Length, Text};
    parts(&[Text, Text], input, out)?;
    // Length and last id; since version 2 first id, highest deleted id and entries added, too.
    for _ in 0..if version >= 2 { 8 } else { 3 } {
        count(input, out)?;
    }
    for _ in 0..count(input, out)? {
        text(input, out)?;
        for _ in 0..if version >= 2 { 3 } else { 2 } {
            count(input, out)?;
        }
        // What was delivered and not acknowledged: id, time, deliveries.
        parts(&[Bytes(16), Bytes(8), Length], input, out)?;
        for _ in 0..count(input, out)? {
            text(input, out)?;
            take(input, if version >= 3 { 16 } else { 8 }, out)?;
            parts(&[Bytes(16)], input, out)?;
        }
    }
    Ok(())
}
