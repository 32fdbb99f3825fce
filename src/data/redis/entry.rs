//! A key with its value, and how a stream of a snapshot holds it.
//!
//! All numbers are little-endian: key length (32 bits), key, expiry (64 bits, milliseconds since 1970, all ones for none),
//! value length (32 bits), value: its type's byte and its serialized bytes.

use std::io::{self, Read};

use super::error::RdbError;
use super::value::{self, LARGEST};

/// The expiry of what never expires.
const NEVER: u64 = u64::MAX;

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// When it expires, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// Its type's byte and its serialized bytes.
    pub value: Vec<u8>,
}

impl Entry {
    /// A library of functions: its key is the first line of its code, which names it.
    pub(super) fn function(value: Vec<u8>) -> Result<Self, RdbError> {
        let code = value::plain(value.get(1..).unwrap_or_default())?;
        let key = code.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        Ok(Self { key, expires: None, value })
    }

    /// Appends its written form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Neither is longer than what was read: [`LARGEST`] at most.
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&length(&self.key));
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.expires.unwrap_or(NEVER).to_le_bytes());
        out.extend_from_slice(&length(&self.value));
        out.extend_from_slice(&self.value);
    }

    /// Reads the next one; none at the end.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut first = [0; 1];
        if from.read(&mut first)? == 0 {
            return Ok(None);
        }
        let [a] = first;
        let [b, c, d] = array(from)?;
        let key = bytes(from, u32::from_le_bytes([a, b, c, d]))?;
        let expires = Some(u64::from_le_bytes(array(from)?)).filter(|expires| *expires != NEVER);
        let length = u32::from_le_bytes(array(from)?);
        Ok(Some(Self { key, expires, value: bytes(from, length)? }))
    }
}

/// The next bytes.
pub(super) fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut out = [0; N];
    from.read_exact(&mut out)?;
    Ok(out)
}

fn bytes(from: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    if length as usize > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a key or a value is too long"));
    }
    // No more is set aside than comes.
    let mut out = Vec::with_capacity((length as usize).min(1 << 16));
    from.take(length.into()).read_to_end(&mut out)?;
    if out.len() == length as usize { Ok(out) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_reads_as_it_was_written(
            key in proptest::collection::vec(any::<u8>(), 0..50),
            value in proptest::collection::vec(any::<u8>(), 0..50),
            expires in proptest::option::of(0..u64::MAX),
        ) {
            let entry = Entry { key, expires, value };
            let mut out = Vec::new();
            entry.write(&mut out);
            let mut from = out.as_slice();
            prop_assert_eq!(Entry::read(&mut from).unwrap(), Some(entry));
            prop_assert_eq!(Entry::read(&mut from).unwrap(), None);
            for end in 1..out.len() {
                prop_assert!(Entry::read(&mut &out[..end]).is_err());
            }
        }
    }
}
