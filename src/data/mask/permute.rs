//! Permutations of any finite domain, picked by a key: what keeps different values different under a mask.
//!
//! The construction is the generalised Feistel cipher with cycle walking of Black and Rogaway, "Ciphers with Arbitrary
//! Finite Domains" (CT-RSA 2002), with a keyed BLAKE3 for its round function and the 10 rounds and the tweak of FF1
//! (NIST SP 800-38G). It is **not** FF1: no test vector of that standard fits it and nobody has certified it. As with FF1,
//! domains below a million values give little secrecy against who knows some pairs; they stay permutations all the same.

use super::key::{Secret, Tweak};

/// The largest domain: its two halves' product stays within 128 bits.
pub(super) const LARGEST: u128 = 1 << 124;

const ROUNDS: u8 = 10;

impl Secret {
    /// Where `value` goes under the permutation of `0..size` that the tweak picks. A value outside comes back as it is.
    pub(super) fn permute(&self, tweak: &Tweak, size: u128, value: u128) -> u128 {
        if !(2..=LARGEST).contains(&size) || value >= size {
            return value;
        }
        let root = size.isqrt();
        let left_size = if root * root == size { root } else { root + 1 };
        let right_size = size.div_ceil(left_size);
        let mut walked = value;
        loop {
            let (mut left, mut right) = (walked / right_size, walked % right_size);
            for round in 0..ROUNDS {
                if round % 2 == 0 {
                    left = (left + self.round(tweak, round, right, left_size)) % left_size;
                } else {
                    right = (right + self.round(tweak, round, left, right_size)) % right_size;
                }
            }
            walked = left * right_size + right;
            // Ends: the walk comes back to `value`, which is within, at the latest.
            if walked < size {
                return walked;
            }
        }
    }

    /// A number below `size`, by the other half.
    fn round(&self, tweak: &Tweak, round: u8, half: u128, size: u128) -> u128 {
        let mut block = [0; 49];
        block[..32].copy_from_slice(&tweak.0);
        block[32] = round;
        block[33..].copy_from_slice(&half.to_le_bytes());
        let hash = blake3::keyed_hash(&self.0, &block);
        let mut number = [0; 16];
        number.copy_from_slice(&hash.as_bytes()[..16]);
        let number = u128::from_le_bytes(number);
        // Off from even by less than 2^-32: 64 bits over at most 32, where dividing them is much faster, or 128 over 62.
        match (u64::try_from(number & u128::from(u64::MAX)), u32::try_from(size)) {
            (Ok(short), Ok(size)) => u128::from(short % u64::from(size)),
            _ => number % size,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::key::Key;
    use super::*;

    fn secret() -> Secret {
        Key::new([3; 32]).secret("test")
    }

    #[test]
    fn small_domains_are_permuted_whole() {
        let secret = secret();
        for size in (0..70).chain([99, 100, 101, 999, 1000, 4095, 4097]) {
            let tweak = secret.tweak(&[b"t"]);
            let images: BTreeSet<u128> = (0..size).map(|value| secret.permute(&tweak, size, value)).collect();
            assert_eq!(images, (0..size).collect(), "size {size}");
        }
    }

    #[test]
    fn tweaks_pick_other_permutations() {
        let secret = secret();
        let image = |tweak: &[u8]| -> Vec<u128> {
            (0..100).map(|value| secret.permute(&secret.tweak(&[tweak]), 100, value)).collect()
        };
        assert_eq!(image(b"a"), image(b"a"));
        assert_ne!(image(b"a"), image(b"b"));
    }

    proptest! {
        #[test]
        fn large_domains_keep_values_apart(size in 2..=LARGEST, one: u128, other: u128) {
            let secret = secret();
            let tweak = secret.tweak(&[]);
            let (one, other) = (one % size, other % size);
            let images = [secret.permute(&tweak, size, one), secret.permute(&tweak, size, other)];
            prop_assert!(images.iter().all(|image| *image < size));
            prop_assert_eq!(images[0] == images[1], one == other);
        }
    }
}
