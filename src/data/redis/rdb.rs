//! Reads an RDB stream (`rdb.c`, `rdb.h`; versions 9 to 12: Redis 5 to 8, Valkey 7 and 8), just enough to cut its entries.
//! What a server keeps for its own sake (ages, table sizes, its memory) is passed over.

use std::io::{self, Read};

use crc::{CRC_64_REDIS, Crc, Digest, Table};

use super::entry::Entry;
use super::error::RdbError;
use super::value::{self, Input};

/// CRC-64 in the parameters of Redis (`crc64.c`: Jones' polynomial).
pub(super) static CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Versions that are read.
const VERSIONS: std::ops::RangeInclusive<u16> = 9..=12;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// The opcode of a library of functions, which begins it in a payload of FUNCTION RESTORE, too.
pub(super) const FUNCTION: u8 = 0xf5;

/// A part of the stream.
#[derive(Debug)]
pub(super) enum Item {
    /// A key of a database.
    Entry(u32, Entry),
    /// A library of functions; its key is its first line, which names it.
    Function(Entry),
}

/// Bytes with the checksum of those that were taken.
struct Source<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the next byte is.
    at: usize,
    /// Where bytes begin that are not yet in the checksum.
    unsummed: usize,
    digest: Digest<'static, u64, Table<16>>,
}

impl<R: Read> Source<R> {
    fn sum(&mut self) {
        self.digest.update(self.buffer.get(self.unsummed..self.at).unwrap_or_default());
        self.unsummed = self.at;
    }

    fn fill(&mut self) -> Result<(), RdbError> {
        self.sum();
        self.buffer.resize(BUFFER, 0);
        let read = self.from.read(&mut self.buffer)?;
        self.buffer.truncate(read);
        (self.at, self.unsummed) = (0, 0);
        if read == 0 { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(()) }
    }
}

impl<R: Read> Input for Source<R> {
    fn copy(&mut self, mut count: usize, out: &mut Vec<u8>) -> Result<(), RdbError> {
        while count > 0 {
            let ready = self.buffer.get(self.at..).unwrap_or_default();
            if ready.is_empty() {
                self.fill()?;
                continue;
            }
            let taken = ready.get(..count).unwrap_or(ready);
            out.extend_from_slice(taken);
            (self.at, count) = (self.at + taken.len(), count - taken.len());
        }
        Ok(())
    }
}

/// An RDB stream.
pub(super) struct Rdb<R> {
    source: Source<R>,
    version: u16,
    database: u32,
    expires: Option<u64>,
}

impl<R: Read> Rdb<R> {
    /// Reads the stream's beginning.
    pub(super) fn begin(from: R) -> Result<Self, RdbError> {
        let source = Source { from, buffer: Vec::new(), at: 0, unsummed: 0, digest: CHECKSUM.digest() };
        let mut rdb = Self { source, version: 0, database: 0, expires: None };
        let head = rdb.bytes::<9>()?;
        let digits = head.strip_prefix(b"REDIS").and_then(|digits| std::str::from_utf8(digits).ok());
        let version = digits.and_then(|digits| digits.parse::<u16>().ok()).ok_or(RdbError::Magic)?;
        if !VERSIONS.contains(&version) {
            return Err(RdbError::Version(version.into()));
        }
        rdb.version = version;
        Ok(rdb)
    }

    /// Its version.
    pub(super) fn version(&self) -> u16 {
        self.version
    }

    /// The next part; none at the end, whose checksum was right.
    pub(super) fn next(&mut self) -> Result<Option<Item>, RdbError> {
        loop {
            match u8::from_le_bytes(self.bytes()?) {
                FUNCTION => return self.function().map(Some),
                // Places of a cluster's slots.
                0xf4 => self.numbers(3)?,
                0xf7 => return Err(RdbError::Module),
                // Since when a key was not used.
                0xf8 => self.numbers(1)?,
                // How often it was used.
                0xf9 => drop(self.bytes::<1>()?),
                // What the server says of itself.
                0xfa => {
                    let mut passed = Vec::new();
                    value::text(&mut self.source, &mut passed)?;
                    value::text(&mut self.source, &mut passed)?;
                }
                // Sizes of tables.
                0xfb => self.numbers(2)?,
                0xfc => self.expires = Some(u64::from_le_bytes(self.bytes()?)),
                0xfd => self.expires = Some(u64::from(u32::from_le_bytes(self.bytes()?)) * 1000),
                0xfe => {
                    let number = value::count(&mut self.source, &mut Vec::new())?;
                    self.database = u32::try_from(number)
                        .map_err(|_| RdbError::Malformed("a database's number is too large"))?;
                }
                0xff => return self.end().map(|()| None),
                opcode @ 0xe0.. => return Err(RdbError::Opcode(opcode)),
                kind => return self.entry(kind).map(Some),
            }
        }
    }

    /// The bytes that follow the end.
    pub(super) fn trailer(&mut self, count: usize) -> Result<Vec<u8>, RdbError> {
        let mut out = Vec::new();
        self.source.copy(count, &mut out)?;
        Ok(out)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let mut out = Vec::with_capacity(N);
        self.source.copy(N, &mut out)?;
        out.try_into().map_err(|_| RdbError::Malformed("a part is too short"))
    }

    fn numbers(&mut self, count: usize) -> Result<(), RdbError> {
        let mut passed = Vec::new();
        (0..count).try_for_each(|_| value::count(&mut self.source, &mut passed).map(drop))
    }

    fn function(&mut self) -> Result<Item, RdbError> {
        let mut value = vec![FUNCTION];
        value::text(&mut self.source, &mut value)?;
        Ok(Item::Function(Entry::function(value)?))
    }

    fn entry(&mut self, kind: u8) -> Result<Item, RdbError> {
        let mut encoded = Vec::new();
        value::text(&mut self.source, &mut encoded)?;
        let key = value::plain(&encoded)?;
        value::known(kind, &key)?;
        let mut value = vec![kind];
        value::cut(kind, &mut self.source, &mut value)?;
        Ok(Item::Entry(self.database, Entry { key, expires: self.expires.take(), value }))
    }

    fn end(&mut self) -> Result<(), RdbError> {
        self.source.sum();
        let found = self.source.digest.clone().finalize();
        let expected = u64::from_le_bytes(self.bytes()?);
        // A server that was told not to makes no checksum.
        if expected == 0 || expected == found { Ok(()) } else { Err(RdbError::Checksum { found, expected }) }
    }
}
