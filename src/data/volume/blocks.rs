//! Finds holes by what is in a file, not by how it was allocated: the same bytes have the same holes on every file system.

/// Bytes of a block; only whole ones, at multiples of their size, are holes.
pub(super) const BLOCK: usize = 64 << 10;
/// Holes of one file that are told; what comes behind counts as content. Bounds the memory that one file takes.
pub(super) const MOST_HOLES: usize = 1 << 16;

/// Cuts a file into content and holes.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The beginning of a block that is not complete.
    open: Vec<u8>,
    /// Where that block begins.
    at: u64,
    /// Holes so far.
    holes: Vec<(u64, u64)>,
}

impl Blocks {
    /// Takes bytes, and hands on those that are content.
    pub fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut keep: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.open.is_empty()
                && let Some((block, rest)) = bytes.split_at_checked(BLOCK)
            {
                self.block(block, &mut keep)?;
                bytes = rest;
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() == BLOCK {
                let block = std::mem::take(&mut self.open);
                self.block(&block, &mut keep)?;
                self.open = block;
                self.open.clear();
            }
        }
        Ok(())
    }

    /// Takes zeros, however many.
    pub fn zeros<E>(
        &mut self,
        mut count: u64,
        mut keep: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let nothing = vec![0; BLOCK];
        while count > 0 {
            if self.open.is_empty() && self.has_room() && count >= BLOCK as u64 {
                let whole = count - count % BLOCK as u64;
                self.hole(whole);
                count -= whole;
                continue;
            }
            let some = usize::try_from(count).unwrap_or(BLOCK).min(BLOCK - self.open.len());
            self.push(nothing.get(..some).unwrap_or_default(), &mut keep)?;
            count -= some as u64;
        }
        Ok(())
    }

    /// Ends the file: its holes.
    pub fn finish<E>(self, mut keep: impl FnMut(&[u8]) -> Result<(), E>) -> Result<Vec<(u64, u64)>, E> {
        if !self.open.is_empty() {
            keep(&self.open)?;
        }
        Ok(self.holes)
    }

    fn has_room(&self) -> bool {
        let goes_on = self.holes.last().is_some_and(|(start, length)| start + length == self.at);
        goes_on || self.holes.len() < MOST_HOLES
    }

    fn hole(&mut self, length: u64) {
        match self.holes.last_mut() {
            Some((start, before)) if *start + *before == self.at => *before += length,
            _ => self.holes.push((self.at, length)),
        }
        self.at += length;
    }

    fn block<E>(&mut self, block: &[u8], keep: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.has_room() && block.iter().all(|byte| *byte == 0) {
            self.hole(BLOCK as u64);
            return Ok(());
        }
        self.at += block.len() as u64;
        keep(block)
    }
}
