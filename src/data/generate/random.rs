//! Randomness that is counted, not drawn: each number is a function of (seed, table, column, row, draw) alone.
//!
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011), keyed by BLAKE3.

/// The multipliers and the key's increments of Philox4x32, as its authors chose them.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low, high] = [
            u64::from(MULTIPLIERS[0]) * u64::from(counter[0]),
            u64::from(MULTIPLIERS[1]) * u64::from(counter[2]),
        ];
        counter =
            [upper(high) ^ counter[1] ^ key[0], lower(high), upper(low) ^ counter[3] ^ key[1], lower(low)];
        key = [key[0].wrapping_add(INCREMENTS[0]), key[1].wrapping_add(INCREMENTS[1])];
    }
    counter
}

#[expect(clippy::cast_possible_truncation, reason = "the half is meant")]
fn lower(word: u64) -> u32 {
    word as u32
}

fn upper(word: u64) -> u32 {
    lower(word >> 32)
}

/// The numbers of one column: as many as are wanted for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Stream {
    key: [u32; 2],
    salt: u32,
}

impl Stream {
    /// The stream of `names` (a table's, a column's, a purpose's) under `seed`.
    pub(in crate::data) fn new(seed: u64, names: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"devcluster generate 1");
        hasher.update(&seed.to_le_bytes());
        for name in names {
            // The length first: ("ab", "c") is not ("a", "bc").
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        let mut words = [0_u32; 3];
        for (word, bytes) in words.iter_mut().zip(hasher.finalize().as_bytes().chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        Self { key: [words[0], words[1]], salt: words[2] }
    }

    /// The numbers of `row`, from the first on.
    pub(in crate::data) fn draws(&self, row: u64) -> Draws {
        Draws { stream: self.clone(), row, block: 0, kept: None }
    }

    /// The first number of `row`.
    pub(in crate::data) fn number(&self, row: u64) -> u64 {
        self.draws(row).number()
    }

    /// The first number of `row` as a part of one: 0 <= x < 1.
    pub(in crate::data) fn unit(&self, row: u64) -> f64 {
        unit(self.number(row))
    }
}

/// 53 bits of a number as a part of one: 0 <= x < 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
pub(in crate::data) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// The part of `range` that lies as far in it as `number` in 64 bits: below `range`, biased by less than range / 2^64.
pub(in crate::data) fn scaled(number: u64, range: u64) -> u64 {
    u64::try_from((u128::from(number) * u128::from(range)) >> 64).unwrap_or(u64::MAX)
}

/// The same, with what is left of the number: it stands for another one as long as few bits are used.
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
pub(in crate::data) fn split(number: u64, range: u64) -> (u64, u64) {
    let product = u128::from(number) * u128::from(range);
    ((product >> 64) as u64, product as u64)
}

/// The numbers of one row, one after the other.
#[derive(Debug, Clone)]
pub(in crate::data) struct Draws {
    stream: Stream,
    row: u64,
    block: u32,
    kept: Option<u64>,
}

impl Draws {
    /// The next 64 bits.
    pub(in crate::data) fn number(&mut self) -> u64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let counter = [lower(self.row), upper(self.row), self.block, self.stream.salt];
        let [a, b, c, d] = philox(counter, self.stream.key);
        self.block = self.block.wrapping_add(1);
        self.kept = Some(u64::from(c) << 32 | u64::from(d));
        u64::from(a) << 32 | u64::from(b)
    }

    /// The next number as a part of one: 0 <= x < 1.
    pub(in crate::data) fn unit(&mut self) -> f64 {
        unit(self.number())
    }

    /// The next number below `range`; 0 where that is 0.
    pub(in crate::data) fn below(&mut self, range: u64) -> u64 {
        scaled(self.number(), range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors' Random123 library ships for philox4x32, 10 rounds.
    #[test]
    fn philox_gives_its_authors_answers() {
        let all = u32::MAX;
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([all; 4], [all; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox(counter, key), answer);
        }
    }

    #[test]
    fn a_stream_is_the_same_on_every_version() {
        let stream = Stream::new(42, &["public.customers", "email"]);
        let mut draws = stream.draws(7);
        let golden = [draws.number(), draws.number(), draws.number(), stream.number(u64::MAX)];
        assert_eq!(golden, GOLDEN);
        assert_ne!(stream, Stream::new(43, &["public.customers", "email"]));
        assert_ne!(Stream::new(1, &["ab", "c"]), Stream::new(1, &["a", "bc"]));
    }

    const GOLDEN: [u64; 4] = [
        12_160_512_007_045_296_513,
        7_734_881_800_504_269_100,
        11_858_394_293_530_335_073,
        11_602_564_132_452_939_804,
    ];

    #[test]
    fn numbers_fall_evenly_and_stay_below_their_range() {
        let stream = Stream::new(1, &["t", "c"]);
        let mut counts = [0_u32; 10];
        for row in 0..10_000 {
            counts[usize::try_from(stream.draws(row).below(10)).unwrap()] += 1;
            assert!((0.0..1.0).contains(&stream.unit(row)));
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(split(u64::MAX / 2 + 1, 10), (5, 0));
        assert_eq!(scaled(u64::MAX, 1), 0);
        assert_eq!(scaled(u64::MAX, u64::MAX), u64::MAX - 1);
        assert!(unit(u64::MAX) < 1.0);
    }
}
