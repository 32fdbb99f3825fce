//! Puts entries in the order of their databases and keys, in bounded memory: what does not fit goes sorted into temporary
//! files that have no name and end with the process, and all are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek as _, Write};
use std::ops::Range;

use super::entry::{Entry, array};

/// Bytes of entries that are held in memory.
const MEMORY: usize = 32 << 20;

/// Where an entry is held.
struct Held {
    database: u32,
    key: Range<usize>,
    all: Range<usize>,
}

/// Entries in the making of their order.
pub(super) struct Sorter {
    limit: usize,
    bytes: Vec<u8>,
    held: Vec<Held>,
    runs: Vec<File>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::within(MEMORY)
    }
}

impl Sorter {
    fn within(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), held: Vec::new(), runs: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, database: u32, entry: &Entry) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&database.to_le_bytes());
        entry.write(&mut self.bytes);
        let key = start + 8..start + 8 + entry.key.len();
        self.held.push(Held { database, key, all: start..self.bytes.len() });
        if self.bytes.len() + self.held.len() * size_of::<Held>() > self.limit {
            let mut file = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
            self.drain(&mut file)?;
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            self.runs.push(file);
        }
        Ok(())
    }

    /// All entries in order.
    pub(super) fn finish(mut self) -> io::Result<Merge> {
        let mut last = Vec::with_capacity(self.bytes.len());
        self.drain(&mut last)?;
        let mut runs: Vec<Box<dyn Read + Send>> = vec![Box::new(Cursor::new(last))];
        for file in self.runs {
            runs.push(Box::new(BufReader::with_capacity(1 << 16, file)));
        }
        let mut merge = Merge { runs, heads: BinaryHeap::new() };
        (0..merge.runs.len()).try_for_each(|run| merge.advance(run))?;
        Ok(merge)
    }

    /// Writes what is held, in order; nothing is held afterwards.
    fn drain(&mut self, out: &mut impl Write) -> io::Result<()> {
        let (bytes, mut held) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.held));
        let at = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        held.sort_unstable_by(|a, b| (a.database, at(&a.key)).cmp(&(b.database, at(&b.key))));
        held.iter().try_for_each(|one| out.write_all(at(&one.all)))
    }
}

/// The first entry of a run that is not yet taken; ordered by database and key.
type Head = Reverse<(u32, Vec<u8>, usize, Option<u64>, Vec<u8>)>;

/// Entries in order.
pub(super) struct Merge {
    runs: Vec<Box<dyn Read + Send>>,
    heads: BinaryHeap<Head>,
}

impl Merge {
    fn advance(&mut self, run: usize) -> io::Result<()> {
        let Some(from) = self.runs.get_mut(run) else { return Ok(()) };
        let mut first = [0; 1];
        if from.read(&mut first)? == 0 {
            return Ok(());
        }
        let ([a], [b, c, d]) = (first, array(from)?);
        let database = u32::from_le_bytes([a, b, c, d]);
        if let Some(Entry { key, expires, value }) = Entry::read(from)? {
            self.heads.push(Reverse((database, key, run, expires, value)));
        }
        Ok(())
    }

    /// The next entry with its database.
    pub(super) fn next(&mut self) -> io::Result<Option<(u32, Entry)>> {
        let Some(Reverse((database, key, run, expires, value))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some((database, Entry { key, expires, value })))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_in_order_whatever_the_memory(
            keys in proptest::collection::btree_set((0..3_u32, proptest::collection::vec(any::<u8>(), 0..6)), 0..60)
                .prop_map(|keys| keys.into_iter().collect::<Vec<_>>()).prop_shuffle(),
            limit in 50_usize..4000,
        ) {
            let mut sorter = Sorter::within(limit);
            for (database, key) in &keys {
                sorter.push(*database, &Entry { key: key.clone(), expires: None, value: key.clone() }).unwrap();
            }
            let mut merge = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some((database, entry)) = merge.next().unwrap() {
                prop_assert_eq!(&entry.key, &entry.value);
                found.push((database, entry.key));
            }
            let mut expected = keys;
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
