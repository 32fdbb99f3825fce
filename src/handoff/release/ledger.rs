//! All records that can be read, and what is wrong with the others.

use std::collections::BTreeMap;

use super::error::ReleaseError;
use super::record::{Made, Record};

/// How many releases' images are kept on the nodes.
pub const KEPT: usize = 10;

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The release.
    pub number: u64,
    /// The object of ours, named as for kubectl.
    pub object: String,
    /// What is wrong with it.
    pub why: String,
}

/// The ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records by number.
    pub records: BTreeMap<u64, Record>,
    /// What cannot be read, by number.
    pub faults: BTreeMap<u64, Fault>,
}

impl Ledger {
    /// Adds a fault for each number that is missing between others. `named` names the object that should be there.
    pub fn find_gaps(&mut self, named: impl Fn(u64) -> String) {
        for number in 1..self.last() {
            if !self.records.contains_key(&number) && !self.faults.contains_key(&number) {
                let why = "is missing".to_owned();
                self.faults.insert(number, Fault { number, object: named(number), why });
            }
        }
    }

    /// The highest number that was ever taken; 0 where none was.
    pub fn last(&self) -> u64 {
        let last = |number: Option<&u64>| number.copied().unwrap_or_default();
        last(self.records.keys().next_back()).max(last(self.faults.keys().next_back()))
    }

    /// The release that stands now: the last that can be read.
    pub fn current(&self) -> Option<&Record> {
        self.releases().next_back()
    }

    /// Releases, the oldest first.
    pub fn releases(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.values().filter(|record| record.is_release())
    }

    /// The releases whose images stay on the nodes, the newest first: of those with the same images one counts, so that
    /// resetting data ten times lets go of nothing.
    pub fn recent(&self) -> impl Iterator<Item = &Record> {
        let mut before = None;
        let apart = self.releases().rev().filter(move |record| {
            let images = Some(&record.content.images);
            before.replace(&record.content.images) != images
        });
        apart.take(KEPT)
    }

    /// A release.
    pub fn release(&self, number: u64) -> Result<&Record, ReleaseError> {
        if let Some(Fault { object, why, .. }) = self.faults.get(&number) {
            return Err(ReleaseError::Damaged { number, object: object.clone(), why: why.clone() });
        }
        match self.records.get(&number) {
            Some(Record { made: Made::Annotation { of }, .. }) => Err(ReleaseError::Note { number, of: *of }),
            Some(record) => Ok(record),
            None if self.last() == 0 => Err(ReleaseError::None),
            None => Err(ReleaseError::Unknown { number, last: self.last() }),
        }
    }

    /// What was said about a release: with it, and later.
    pub fn notes(&self, number: u64) -> Vec<&str> {
        let own = self.records.get(&number).into_iter();
        let later = self
            .records
            .values()
            .filter(|record| matches!(record.made, Made::Annotation { of } if of == number));
        own.chain(later).filter_map(|record| record.note.as_deref()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Digests;
    use super::super::record::tests::record;
    use super::*;

    fn ledger(records: Vec<Record>) -> Ledger {
        let records = records.into_iter().map(|record| (record.number, record)).collect();
        Ledger { records, ..Ledger::default() }
    }

    #[test]
    fn a_gap_is_told_and_the_rest_works() {
        let mut found = ledger(vec![record(1, Made::Up), record(4, Made::Up)]);
        found.find_gaps(|number| format!("ConfigMap release-{number}"));
        assert_eq!(found.faults.keys().collect::<Vec<_>>(), [&2, &3]);
        let error = found.release(2).unwrap_err().to_string();
        assert!(error.starts_with("ConfigMap release-2 is missing: release 2 cannot be read"), "{error}");
        assert_eq!(found.release(1).unwrap().number, 1);
        assert_eq!(found.current().unwrap().number, 4);
        assert_eq!(found.release(9).unwrap_err(), ReleaseError::Unknown { number: 9, last: 4 });
        assert_eq!(Ledger::default().release(1).unwrap_err(), ReleaseError::None);
    }

    #[test]
    fn notes_are_no_releases() {
        let mut note = record(2, Made::Annotation { of: 1 });
        note.note = Some("slow".into());
        let mut first = record(1, Made::Up);
        first.note = Some("first".into());
        let found = ledger(vec![first, note]);
        assert_eq!(found.current().unwrap().number, 1);
        assert_eq!(found.notes(1), ["first", "slow"]);
        assert_eq!(found.release(2).unwrap_err(), ReleaseError::Note { number: 2, of: 1 });
        assert_eq!(found.last(), 2, "its number is taken");
    }

    #[test]
    fn ten_releases_are_recent() {
        let release = |number: u64| {
            let mut release = record(number, Made::Up);
            let bytes = Digests { config: String::new(), manifest: (number / 2).to_string() };
            release.content.images.insert("a:1".into(), bytes);
            release
        };
        let found = ledger((0..24).map(release).collect());
        let recent: Vec<u64> = found.recent().map(|record| record.number).collect();
        assert_eq!(recent, [23, 21, 19, 17, 15, 13, 11, 9, 7, 5], "one of those with the same images");
    }
}
