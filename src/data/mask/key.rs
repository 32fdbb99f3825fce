//! The key that masks are made with, and what is drawn from it.

use std::fmt;

use blake3::{Hasher, OutputReader};

/// A project's masking key: whoever has it can test guesses at original values, so it stays out of every snapshot.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// From 32 bytes of a random source.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret for one purpose. Secrets of different purposes tell nothing about each other.
    pub(super) fn secret(&self, purpose: &str) -> Secret {
        let root = blake3::derive_key("devcluster data masking v1", &self.0);
        Secret(*blake3::keyed_hash(&root, purpose.as_bytes()).as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(hidden)")
    }
}

/// What a mask of one kind draws on.
#[derive(Clone)]
pub(super) struct Secret(pub(super) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(hidden)")
    }
}

/// What a permutation depends on besides its secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tweak(pub(super) [u8; 32]);

impl Secret {
    /// The tweak for some parts. The parts' borders count.
    pub(super) fn tweak(&self, parts: &[&[u8]]) -> Tweak {
        Tweak(*self.hasher(parts).finalize().as_bytes())
    }

    /// Random numbers that some parts alone decide.
    pub(super) fn stream(&self, parts: &[&[u8]]) -> Stream {
        Stream(self.hasher(parts).finalize_xof())
    }

    fn hasher(&self, parts: &[&[u8]]) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher
    }
}

/// Random numbers.
pub(super) struct Stream(OutputReader);

impl Stream {
    /// Fills a buffer.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }

    /// A number of 64 bits.
    pub(super) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `size`; 0 where `size` is 0. Off from even by less than `size` in 2^64.
    pub(super) fn below(&mut self, size: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(size);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of several; none of none.
    pub(super) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(choices.len() as u64);
        choices.get(usize::try_from(at).unwrap_or(0))
    }

    /// So many letters and digits of base 32 (RFC 4648, lowercase): 5 bits each.
    pub(super) fn tag(&mut self, length: usize, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        for _ in 0..length {
            out.extend(self.one_of(DIGITS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_shows() {
        let key = Key::new([7; 32]);
        assert_eq!(format!("{key:?} {:?}", key.secret("email")), "Key(hidden) Secret(hidden)");
    }

    #[test]
    fn purposes_parts_and_their_borders_count() {
        let key = Key::new([7; 32]);
        let draw = |purpose: &str, parts: &[&[u8]]| key.secret(purpose).stream(parts).number();
        let drawn = [
            draw("a", &[b"xy"]),
            draw("b", &[b"xy"]),
            draw("a", &[b"x", b"y"]),
            draw("a", &[b"xy", b""]),
            Key::new([8; 32]).secret("a").stream(&[b"xy"]).number(),
        ];
        for (at, number) in drawn.iter().enumerate() {
            assert!(!drawn[..at].contains(number));
        }
        assert_eq!(drawn[0], draw("a", &[b"xy"]));
    }
}
