//! Cuts a stream where its content says so, so that an insertion moves no later cut.

use fastcdc::v2020::FastCDC;

/// Bytes of the smallest chunk, but for a stream's last.
const SMALLEST: u32 = 64 << 10;
/// Bytes that chunks have on average.
const MEAN: u32 = 256 << 10;
/// Bytes of the largest chunk.
pub(super) const LARGEST: usize = 1 << 20;
/// Bytes gathered before any is moved.
const ROOM: usize = 2 * LARGEST;

/// Cuts by FastCDC (Xia et al., USENIX ATC 2016, in the 2020 form that rolls two bytes at a time). The cuts
/// depend on the bytes alone, not on the sizes in which they arrive.
#[derive(Debug, Default)]
pub(super) struct Chunker {
    gathered: Vec<u8>,
    start: usize,
}

impl Chunker {
    /// Takes bytes and hands on each chunk that is complete.
    pub fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut emit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.gathered.len() >= ROOM {
                self.gathered.drain(..self.start);
                self.start = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(ROOM - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            while self.gathered.len() - self.start >= LARGEST {
                self.cut(&mut emit)?;
            }
        }
        Ok(())
    }

    /// Hands on what is left.
    pub fn finish<E>(&mut self, mut emit: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        while self.start < self.gathered.len() {
            self.cut(&mut emit)?;
        }
        Ok(())
    }

    fn cut<E>(&mut self, emit: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let rest = self.gathered.get(self.start..).unwrap_or_default();
        let largest = u32::try_from(LARGEST).unwrap_or(u32::MAX);
        let (_, end) = FastCDC::new(rest, SMALLEST, MEAN, largest).cut(0, rest.len());
        let (chunk, _) = rest.split_at(end.clamp(1, rest.len()));
        self.start += chunk.len();
        emit(chunk)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::Read;

    use super::*;

    fn noise(seed: u8, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        blake3::Hasher::new().update(&[seed]).finalize_xof().take(length).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn chunks(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut keep = |chunk: &[u8]| -> Result<(), Infallible> {
            all.push(chunk.to_vec());
            Ok(())
        };
        let mut chunker = Chunker::default();
        for part in bytes.chunks(step) {
            chunker.push(part, &mut keep).unwrap();
        }
        chunker.finish(&mut keep).unwrap();
        all
    }

    #[test]
    fn cuts_depend_on_the_bytes_alone() {
        let bytes = noise(1, 9 << 20);
        let whole = chunks(&bytes, usize::MAX);
        assert_eq!(whole.concat(), bytes);
        assert!(whole.iter().all(|chunk| chunk.len() <= LARGEST));
        assert!((20..60).contains(&whole.len()), "{}", whole.len());
        for step in [4_099, 65_536, 3 << 20] {
            assert_eq!(chunks(&bytes, step), whole, "{step}");
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let mut bytes = noise(2, 8 << 20);
        let before = chunks(&bytes, usize::MAX);
        bytes.splice(3_000_000..3_000_000, *b"one more row");
        let after = chunks(&bytes, usize::MAX);
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!((1..=3).contains(&new), "{new}");
    }

    #[test]
    fn nothing_and_zeros_have_their_chunks() {
        assert!(chunks(b"", 1).is_empty());
        assert_eq!(chunks(b"a", 1), [b"a"]);
        assert_eq!(chunks(&vec![0; 3 << 20], 1 << 16).len(), 3);
    }
}
