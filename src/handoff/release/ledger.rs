//! All records that can be read, and what is wrong with the others.

use std::collections::BTreeMap;

use super::error::ReleaseError;
use super::record::{Entry, Made, Record};

/// How many releases' images are kept on the nodes.
pub const KEPT: usize = 10;

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The release.
    pub number: u64,
    /// The annotation of it; none where the release itself cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<u64>,
    /// The object of ours, named as for kubectl.
    pub object: String,
    /// What is wrong with it.
    pub why: String,
}

impl Fault {
    /// What is wrong with an entry of the ledger.
    pub fn new(entry: Entry, object: String, why: String) -> Self {
        Self { number: entry.release, annotation: entry.annotation, object, why }
    }
}

/// The ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Releases, and what was said about them.
    pub records: BTreeMap<Entry, Record>,
    /// What cannot be read.
    pub faults: BTreeMap<Entry, Fault>,
}

impl Ledger {
    /// Adds a fault for each number that is missing between others. `named` names the object that should be there.
    pub fn find_gaps(&mut self, named: impl Fn(Entry) -> String) {
        let annotations = (1..=self.last()).flat_map(|release| {
            let last = self.last_annotation(release);
            (1..last).map(move |own| Entry { release, annotation: Some(own) })
        });
        let all: Vec<Entry> = (1..=self.last()).map(Entry::from).chain(annotations).collect();
        for entry in all {
            if !self.records.contains_key(&entry) && !self.faults.contains_key(&entry) {
                self.faults.insert(entry, Fault::new(entry, named(entry), "is missing".to_owned()));
            }
        }
    }

    /// The first number that is free for what is made so.
    pub fn next(&self, made: &Made) -> Entry {
        match made {
            Made::Annotation { of } => {
                Entry { release: *of, annotation: Some(self.last_annotation(*of)) }.next()
            }
            _ => Entry::from(self.last()).next(),
        }
    }

    fn last_annotation(&self, release: u64) -> u64 {
        let own = self.records.keys().chain(self.faults.keys()).filter(|entry| entry.release == release);
        own.filter_map(|entry| entry.annotation).max().unwrap_or_default()
    }

    /// The highest number that was ever taken; 0 where none was.
    pub fn last(&self) -> u64 {
        let last = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.release);
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
        if let Some(Fault { object, why, .. }) = self.faults.get(&number.into()) {
            return Err(ReleaseError::Damaged { number, object: object.clone(), why: why.clone() });
        }
        match self.records.get(&number.into()) {
            Some(Record { made: Made::Annotation { of }, .. }) => Err(ReleaseError::Note { number, of: *of }),
            Some(record) => Ok(record),
            None if self.last() == 0 => Err(ReleaseError::None),
            None => Err(ReleaseError::Unknown { number, last: self.last() }),
        }
    }

    /// What was said about a release: with it, and later.
    pub fn notes(&self, number: u64) -> Vec<&str> {
        let own = self.records.get(&number.into()).into_iter();
        let is_of = |record: &Record| matches!(record.made, Made::Annotation { of } if of == number);
        let mut later: Vec<(&Entry, &Record)> =
            self.records.iter().filter(|(_, record)| is_of(record)).collect();
        later.sort_by_key(|(entry, record)| (&record.at, entry.annotation));
        own.chain(later.into_iter().map(|(_, record)| record))
            .filter_map(|record| record.note.as_deref())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Digests;
    use super::super::record::tests::record;
    use super::*;

    fn ledger(records: Vec<Record>) -> Ledger {
        let records = records.into_iter().map(|record| (record.number.into(), record)).collect();
        Ledger { records, ..Ledger::default() }
    }

    #[test]
    fn a_gap_is_told_and_the_rest_works() {
        let mut found = ledger(vec![record(1, Made::Up), record(4, Made::Up)]);
        found.find_gaps(|number| format!("ConfigMap release-{number}"));
        assert_eq!(found.faults.keys().collect::<Vec<_>>(), [&2.into(), &3.into()]);
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
    fn annotations_take_no_number_of_a_release() {
        let annotation = |release, own, at: &str| {
            let note = Some(format!("{release}.{own}"));
            let record = Record { at: at.into(), note, ..record(own, Made::Annotation { of: release }) };
            (Entry { release, annotation: Some(own) }, record)
        };
        let mut found = ledger(vec![record(1, Made::Up), record(2, Made::Up)]);
        let made = Made::Annotation { of: 1 };
        assert_eq!(found.next(&made).to_string(), "1.1");
        found.records.extend([annotation(1, 1, "2026-01-03"), annotation(1, 3, "2026-01-04")]);
        let old = Record { note: Some("old".into()), at: "2026-01-02".into(), ..record(3, made.clone()) };
        found.records.insert(3.into(), old);
        assert_eq!(
            (found.next(&made).to_string(), found.next(&Made::Up).to_string()),
            ("1.4".into(), "4".into())
        );
        assert_eq!(found.notes(1), ["old", "1.1", "1.3"]);
        assert_eq!(found.releases().map(|release| release.number).collect::<Vec<_>>(), [1, 2]);
        found.find_gaps(|entry| entry.to_string());
        assert_eq!(found.faults.keys().map(ToString::to_string).collect::<Vec<_>>(), ["1.2"]);
        assert!(found.release(1).is_ok(), "what is lost is said about it alone");
        found.records.extend([annotation(7, 1, "2026-01-05")]);
        assert_eq!(found.next(&Made::Up).to_string(), "8", "what somebody spoke of was there");
        found.find_gaps(|entry| entry.to_string());
        assert!(found.release(7).is_err());
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
