//! The leak check's first half: what original values there are.

use std::collections::HashMap;

use super::form::{name, prose};
use super::key::Key;
use super::leak_search::LeakSearch;

/// The most distinct values that are remembered, over all columns: so a check stays below 32 MiB.
pub const MOST_VALUES: usize = 400_000;
/// The bytes of a value that are looked at.
pub(super) const LONGEST: usize = 64;
/// The Mersenne prime that values are hashed by (Carter and Wegman, "Universal Classes of Hash Functions", 1979).
const PRIME: u64 = (1 << 61) - 1;

/// Which values are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeakLimits {
    /// The least bytes of a value; from 4 to 64.
    pub length: usize,
    /// The least distinct values of that length that a column must have.
    pub distinct: u64,
}

impl Default for LeakLimits {
    fn default() -> Self {
        Self { length: 6, distinct: 16 }
    }
}

/// Remembers the original values of masked columns. [`LeakCheck::search`] then looks for them in what came out.
///
/// What a clean check shows: of each column that is masked or dropped and has enough distinct values of enough length, no
/// value that was looked for stands in the output more often than chance explains, in upper or lower case. What it does not:
/// - Up to [`MOST_VALUES`] distinct values all are looked for; of more, a keyed sample of the largest columns. A column that
///   came through as a whole is found all the same; a lone value of a sampled column may be missed.
/// - Values that are shorter, or of columns with few distinct ones, are not looked for: `active` and `Berlin` are everywhere.
/// - A value in another encoding (base64, hexadecimal, escapes within JSON or XML), split, or compressed is not seen.
/// - Of a value beyond 64 bytes its first 64 are looked for; of JSON each text that a path masks, and
///   of masked arrays each element.
/// - A masked value may by chance be another's original, as any permutation of ten-digit numbers has it. So each value
///   counts by how likely chance is to write it, from its letters and digits; words of the masks' dictionaries count little.
#[derive(Debug)]
pub struct LeakCheck {
    limits: LeakLimits,
    hash: Hash,
    columns: Vec<ColumnValues>,
    names: HashMap<String, usize>,
    count: usize,
    most: usize,
}

/// A column's values.
#[derive(Debug)]
pub(super) struct ColumnValues {
    /// Its name.
    pub(super) name: String,
    /// Values by their hashes.
    pub(super) values: HashMap<u64, Value>,
    /// Only values whose hashes end in so many zero bits are remembered.
    pub(super) halvings: u32,
}

/// What is known of a value besides its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    /// The bytes that were hashed.
    pub(super) length: u8,
    /// How unlikely chance is to write it: one in 2 to this power.
    pub(super) bits: u8,
    /// What it begins with.
    pub(super) class: Class,
    /// A hash of its first bytes.
    pub(super) anchor: u32,
}

/// What a token begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Letter,
    Digit,
    Other,
}

/// A keyed hash that can be taken of ever longer beginnings of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash {
    factor: u64,
    /// The bytes that an anchor is made of.
    pub(super) anchor: usize,
}

impl Hash {
    /// The hash of a text that is one byte longer.
    pub(super) fn step(self, state: u64, byte: u8) -> u64 {
        let product = u128::from(state) * u128::from(self.factor) + u128::from(byte.to_ascii_lowercase()) + 1;
        // 2^61 is 1 modulo the prime: the upper bits are added to the lower ones.
        let part = |bits: u128| u64::try_from(bits & u128::from(PRIME)).unwrap_or(0);
        let sum = part(product) + part(product >> 61);
        if sum >= PRIME { sum - PRIME } else { sum }
    }

    /// The hash as values are known by it, all bits mixed (MurmurHash3's finalizer).
    pub(super) fn finish(state: u64) -> u64 {
        let state = (state ^ state >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let state = (state ^ state >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        state ^ state >> 33
    }

    /// The anchor of a text's first bytes, which are the last ones that went into `window`.
    pub(super) fn anchor(self, window: u64) -> u32 {
        let kept = window & u64::MAX >> (64 - 8 * self.anchor);
        u32::try_from(kept.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap_or(0)
    }
}

impl LeakCheck {
    /// A check that has seen nothing. The key makes its hashes unpredictable.
    pub fn new(limits: LeakLimits, key: &Key) -> Self {
        let length = limits.length.clamp(4, LONGEST);
        let factor = key.secret("leak check").stream(&[]).number() % (PRIME - 256) + 256;
        Self {
            limits: LeakLimits { length, ..limits },
            hash: Hash { factor, anchor: length.min(8) },
            columns: Vec::new(),
            names: HashMap::new(),
            count: 0,
            most: MOST_VALUES,
        }
    }

    /// Remembers at most so many distinct values, where that is less than [`MOST_VALUES`].
    #[must_use]
    pub fn at_most(self, values: usize) -> Self {
        Self { most: values.clamp(1, MOST_VALUES), ..self }
    }

    /// Shows an original value of a masked column, not escaped.
    pub fn observe(&mut self, column: &str, original: &[u8]) {
        let original = original.trim_ascii();
        if original.len() < self.limits.length {
            return;
        }
        let at = self.column(column);
        let head = &original[..original.len().min(LONGEST)];
        let hash = Hash::finish(head.iter().fold(0, |state, byte| self.hash.step(state, *byte)));
        let known = &mut self.columns[at];
        if hash.trailing_zeros() < known.halvings || known.values.contains_key(&hash) {
            return;
        }
        let window = head[..self.hash.anchor]
            .iter()
            .fold(0, |window, byte| window << 8 | u64::from(byte.to_ascii_lowercase()));
        let value = Value {
            length: u8::try_from(head.len()).unwrap_or(u8::MAX),
            bits: bits(head),
            class: class(head[0]),
            anchor: self.hash.anchor(window),
        };
        known.values.insert(hash, value);
        self.count += 1;
        while self.count > self.most {
            self.halve();
        }
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(at) = self.names.get(name) {
            return *at;
        }
        let at = self.columns.len();
        self.columns.push(ColumnValues { name: name.to_owned(), values: HashMap::new(), halvings: 0 });
        self.names.insert(name.to_owned(), at);
        at
    }

    /// Forgets half of the largest column's values, picked by their hashes.
    fn halve(&mut self) {
        let Some(largest) = self.columns.iter_mut().max_by_key(|column| column.values.len()) else { return };
        let before = largest.values.len();
        largest.halvings += 1;
        let halvings = largest.halvings;
        largest.values.retain(|hash, _| hash.trailing_zeros() >= halvings);
        largest.values.shrink_to_fit();
        self.count -= before - largest.values.len();
    }

    /// Ends the first half: what comes out is looked through for the values that were shown. Output that was written before
    /// the last value was shown must be read again for it.
    pub fn search(self) -> LeakSearch {
        LeakSearch::new(self.limits, self.hash, self.columns)
    }
}

/// What a byte is the beginning of.
pub(super) fn class(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' => Class::Digit,
        b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => Class::Letter,
        _ => Class::Other,
    }
}

/// How unlikely chance is to write a value, in bits: 3.3 for a digit, 4.7 for a letter, 7 for a word that masks write, 15 for
/// a day, nothing for punctuation and for the zeros that a number ends with.
fn bits(value: &[u8]) -> u8 {
    let is_day = |run: &[u8]| {
        let shape = run.iter().map(|byte| if byte.is_ascii_digit() { b'9' } else { *byte });
        shape.eq(b"9999-99-99".iter().copied())
    };
    let (mut tenths, mut rest) = (0_usize, value);
    if let Some(day) = value.get(..10).filter(|head| is_day(head)) {
        tenths += 150;
        rest = &value[day.len()..];
    }
    let is_number = rest.iter().all(|byte| byte.is_ascii_digit() || b"+-.".contains(byte));
    if is_number && (rest.contains(&b'.') || rest.len() == value.len()) {
        while let [head @ .., b'0' | b'.'] = rest {
            rest = head;
        }
    }
    for run in rest.chunk_by(|one, other| class(*one) == class(*other)) {
        tenths += match class(run[0]) {
            Class::Digit => 33 * run.len(),
            Class::Letter => letters(run),
            Class::Other => 0,
        };
    }
    u8::try_from(tenths / 10).unwrap_or(u8::MAX)
}

fn letters(run: &[u8]) -> usize {
    let word = std::str::from_utf8(run).unwrap_or_default();
    if prose::is_of_dictionary(word) || name::is_of_dictionary(word) {
        70.min(47 * run.len())
    } else {
        47 * run.len()
    }
}

#[cfg(test)]
#[path = "leak_tests.rs"]
mod tests;
