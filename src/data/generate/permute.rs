//! Uniqueness without a retry: row r takes the value that a keyed permutation of the whole domain gives it.
//!
//! An unbalanced Feistel network over the next power of two, walked until it is back in the domain: Black and Rogaway,
//! "Ciphers with Arbitrary Finite Domains" (CT-RSA 2002), 2.3 and 2.4. It mixes; it is no cipher.

use super::random::Stream;

const ROUNDS: usize = 6;

/// A permutation of 0..size.
#[derive(Debug, Clone)]
pub(in crate::data) struct Permutation {
    size: u64,
    /// Bits of the right half, and of the left: it has the same number or one less.
    right: u32,
    left: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// Of `0..size`, as `stream` says. At most 2^63.
    pub(in crate::data) fn new(size: u64, stream: &Stream) -> Self {
        let size = size.clamp(1, 1 << 63);
        let bits = 64 - (size - 1).leading_zeros();
        let mut draws = stream.draws(0);
        Self { size, right: bits - bits / 2, left: bits / 2, keys: std::array::from_fn(|_| draws.number()) }
    }

    /// Where `index` goes. An index beyond the domain counts from the start again.
    pub(in crate::data) fn at(&self, index: u64) -> u64 {
        if self.size < 2 {
            return 0;
        }
        let mut place = self.rounds(index % self.size);
        // The network permutes a domain less than twice as large, and a cycle through the index comes back to it at last.
        while place >= self.size {
            place = self.rounds(place);
        }
        place
    }

    fn rounds(&self, place: u64) -> u64 {
        let (mut left, mut right) = (place >> self.right, place & mask(self.right));
        for pair in self.keys.chunks_exact(2) {
            left ^= mix(right ^ pair[0]) & mask(self.left);
            right ^= mix(left ^ pair[1]) & mask(self.right);
        }
        left << self.right | right
    }
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The finaliser of SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), with
/// Stafford's constants ("Mix13"). Its upper half is the better one.
fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ word >> 31) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_place_is_taken_once(size in 1_u64..3000, seed: u64) {
            let permutation = Permutation::new(size, &Stream::new(seed, &["p"]));
            let mut taken = vec![false; usize::try_from(size).unwrap()];
            for index in 0..size {
                let place = usize::try_from(permutation.at(index)).unwrap();
                prop_assert!(!std::mem::replace(&mut taken[place], true));
            }
        }

        #[test]
        fn a_large_domain_is_kept(size in 1_u64..=1 << 63, index: u64, seed: u64) {
            let permutation = Permutation::new(size, &Stream::new(seed, &["p"]));
            prop_assert!(permutation.at(index) < size);
            prop_assert!(size < 2 || permutation.at(0) != permutation.at(1));
        }
    }

    #[test]
    fn it_is_the_same_on_every_version_and_mixes() {
        let permutation = Permutation::new(1_000_000, &Stream::new(42, &["t", "id"]));
        assert_eq!([0, 1, 2, 999_999].map(|index| permutation.at(index)), GOLDEN);
        let rising = (0..1000).filter(|index| permutation.at(*index) < permutation.at(index + 1)).count();
        assert!((400..600).contains(&rising), "{rising}");
    }

    const GOLDEN: [u64; 4] = [937_099, 813_121, 431_453, 19_191];
}
