//! The leak check's second half: looks for original values in what came out.

use std::collections::BTreeMap;
use std::fmt;

use super::copy_text::{Fields, unescape};
use super::leak::{Class, ColumnValues, Hash, LONGEST, LeakLimits, class};

/// How many anchors there may be: 24 bits, 2 MiB as a set.
const ANCHOR_WORDS: usize = 1 << 18;
/// A value of so many bits counts wherever it stands; others only as a word of their own.
const TELLING: u8 = 64;
/// How unlikely it may be, by chance alone, that a clean output is reported for one column and kind of value.
const RISK: f64 = 1e-6;
/// Chance is taken for so much more frequent than evenly drawn letters and digits have it: real data is not even.
const UNEVEN: f64 = 4.0;

/// Original values that stand in the output. It names the column and never a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// The column, as it was observed.
    pub column: String,
    /// The distinct values that were found.
    pub found: u64,
    /// The distinct values that were looked for.
    pub looked_for: u64,
    /// About how many distinct values the column has of enough length.
    pub distinct: u64,
}

impl fmt::Display for Leak {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, found, looked_for, distinct } = self;
        write!(out, "`{column}` is masked or dropped, but {found} of its values stand in the output")?;
        write!(out, " ({looked_for} of about {distinct} distinct ones were looked for)")
    }
}

/// Looks for original values. Made by [`super::LeakCheck::search`].
#[derive(Debug)]
pub struct LeakSearch {
    limits: LeakLimits,
    hash: Hash,
    /// Bit `n` says that there are values of `n + 1` bytes.
    lengths: u64,
    anchors: Vec<u64>,
    /// Ordered by hash.
    values: Vec<Sought>,
    columns: Vec<Column>,
    /// Tokens that were seen, by what they begin with: letters, digits, others.
    tokens: [u64; 3],
    bytes: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    name: String,
    halvings: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sought {
    hash: u64,
    column: u32,
    bits: u8,
    class: Class,
    found: bool,
}

impl LeakSearch {
    pub(super) fn new(limits: LeakLimits, hash: Hash, observed: Vec<ColumnValues>) -> Self {
        let mut search = Self {
            limits,
            hash,
            lengths: 0,
            anchors: vec![0; ANCHOR_WORDS],
            values: Vec::new(),
            columns: Vec::new(),
            tokens: [0; 3],
            bytes: 0,
            scratch: Vec::new(),
        };
        for column in observed {
            if distinct(column.values.len() as u64, column.halvings) < limits.distinct {
                continue;
            }
            let at = u32::try_from(search.columns.len()).unwrap_or(u32::MAX);
            search.values.reserve_exact(column.values.len());
            for (hash, value) in column.values {
                search.lengths |= 1 << (value.length.clamp(1, 64) - 1);
                search.anchors[(value.anchor >> 6) as usize % ANCHOR_WORDS] |= 1 << (value.anchor & 63);
                let sought = Sought { hash, column: at, bits: value.bits, class: value.class, found: false };
                search.values.push(sought);
            }
            search.columns.push(Column { name: column.name, halvings: column.halvings });
        }
        search.values.sort_unstable_by_key(|sought| sought.hash);
        search
    }

    /// Looks through a line of COPY's text format: each field's value, not escaped.
    pub fn seen_line(&mut self, line: &[u8]) {
        for field in Fields::new(line) {
            if !field.contains(&b'\\') {
                self.seen(field);
                continue;
            }
            let mut value = std::mem::take(&mut self.scratch);
            value.clear();
            if unescape(field, &mut value) {
                self.seen(&value);
            }
            self.scratch = value;
        }
    }

    /// Looks through a piece of output. What stands across the border of two pieces is not seen: show whole values or lines.
    pub fn seen(&mut self, output: &[u8]) {
        self.bytes += output.len() as u64;
        let width = self.hash.anchor;
        let (mut window, mut before) = (0, None);
        for (at, byte) in output.iter().enumerate() {
            let kind = class(*byte);
            if before != Some(kind) {
                self.tokens[kind as usize] += 1;
            }
            before = Some(kind);
            window = window << 8 | u64::from(byte.to_ascii_lowercase());
            if at + 1 >= width {
                let anchor = self.hash.anchor(window);
                if self.anchors[(anchor >> 6) as usize % ANCHOR_WORDS] >> (anchor & 63) & 1 == 1 {
                    self.look(output, at + 1 - width);
                }
            }
        }
    }

    /// Looks for values that begin at one place.
    fn look(&mut self, output: &[u8], start: usize) {
        let is_word = |at: Option<usize>| {
            at.and_then(|at| output.get(at)).is_some_and(|byte| class(*byte) != Class::Other)
        };
        let begins = !(is_word(Some(start)) && is_word(start.checked_sub(1)));
        let mut state = 0;
        for (count, byte) in output[start..].iter().take(LONGEST).enumerate() {
            state = self.hash.step(state, *byte);
            if count + 1 < self.limits.length || self.lengths >> count & 1 == 0 {
                continue;
            }
            let end = start + count;
            let ends = count + 1 == LONGEST || !(is_word(Some(end)) && is_word(Some(end + 1)));
            let hash = Hash::finish(state);
            let first = self.values.partition_point(|sought| sought.hash < hash);
            for sought in self.values[first..].iter_mut().take_while(|sought| sought.hash == hash) {
                sought.found |= sought.bits >= TELLING || begins && ends;
            }
        }
    }

    /// The columns of which only a sample is looked for, and about what share in per cent: say so beside a clean result.
    pub fn sampled(&self) -> impl Iterator<Item = (&str, f64)> {
        let sampled = self.columns.iter().filter(|column| column.halvings > 0);
        sampled.map(|column| {
            (column.name.as_str(), 100.0 / 2_f64.powi(column.halvings.try_into().unwrap_or(i32::MAX)))
        })
    }

    /// What was found beyond what chance explains, by the columns' names.
    pub fn finish(self) -> Vec<Leak> {
        // For each column: by first byte and bits, how many were looked for and how many found.
        let mut counts: Vec<BTreeMap<(usize, u8), (u64, u64)>> = vec![BTreeMap::new(); self.columns.len()];
        for sought in &self.values {
            let Some(kinds) = counts.get_mut(sought.column as usize) else { continue };
            let (looked_for, found) = kinds.entry((sought.class as usize, sought.bits)).or_default();
            *looked_for += 1;
            *found += u64::from(sought.found);
        }
        let mut leaks: Vec<Leak> = Vec::new();
        for (column, kinds) in self.columns.iter().zip(counts) {
            let is_leak = kinds.iter().any(|((class, bits), (looked_for, found))| {
                let places = if *bits >= TELLING { self.bytes } else { self.tokens[*class] };
                *found > by_chance(places, *looked_for, *bits)
            });
            if is_leak {
                let looked_for = kinds.values().map(|(looked_for, _)| looked_for).sum();
                let found = kinds.values().map(|(_, found)| found).sum();
                let distinct = distinct(looked_for, column.halvings);
                leaks.push(Leak { column: column.name.clone(), found, looked_for, distinct });
            }
        }
        leaks.sort_by(|one, other| one.column.cmp(&other.column));
        leaks
    }
}

fn distinct(remembered: u64, halvings: u32) -> u64 {
    remembered.checked_shl(halvings).unwrap_or(u64::MAX)
}

/// How many of the values may be found by chance: more are found with a probability below [`RISK`], by Poisson's law.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn by_chance(places: u64, looked_for: u64, bits: u8) -> u64 {
    let expected = UNEVEN * places as f64 * looked_for as f64 / 2_f64.powi(bits.into());
    let (mut allowed, mut term) = (0_u64, (-expected).exp());
    if expected > 100.0 {
        // Beyond, the law is narrow: half as many again is beyond five standard deviations.
        return looked_for.min((expected * 1.5).ceil().to_string().parse().unwrap_or(u64::MAX));
    }
    let mut below = term;
    while 1.0 - below > RISK && allowed < looked_for {
        allowed += 1;
        term *= expected / allowed as f64;
        below += term;
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_allows_what_it_explains() {
        for (places, looked_for, bits, allowed) in
            [(1000, 1000, 60, 0), (1000, 1000, 30, 2), (1_000_000, 1000, 33, 6), (1_000_000, 1000, 10, 1000)]
        {
            assert_eq!(by_chance(places, looked_for, bits), allowed, "{bits}");
        }
    }
}
