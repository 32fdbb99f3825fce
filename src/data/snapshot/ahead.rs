//! Chunks fetched and checked ahead, on threads; neighbours in a pack with one read where each read waits for
//! a network.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::encoding::{Decoder, Encoded};
use super::lanes::Lanes;
use super::manifest::Chunk;
use super::packs::{ChunkFault, Packs};

/// What is made of a chunk as it is stored and its declared size, or what is wrong with it.
type Check<T> = fn(&mut Decoder, Encoded, u32) -> Result<T, String>;

/// A list of chunks, one after the other.
#[derive(Debug)]
pub(super) struct Ahead<T> {
    lanes: Lanes<Vec<Result<T, ChunkFault>>>,
    ready: VecDeque<Result<T, ChunkFault>>,
}

impl Ahead<Vec<u8>> {
    /// Their plain bytes.
    pub fn plain(packs: &Arc<Packs>, chunks: &[Chunk]) -> Self {
        Self::start(packs, chunks, |decoder, stored, size| {
            decoder.decode(stored.id, stored.encoding, size, stored.bytes)
        })
    }
}

impl Ahead<Encoded> {
    /// The chunks as they are stored, each checked as if it were read.
    pub fn stored(packs: &Arc<Packs>, chunks: &[Chunk]) -> Self {
        Self::start(packs, chunks, |decoder, stored, size| {
            decoder.decode(stored.id, stored.encoding, size, stored.bytes.clone()).map(|_| stored)
        })
    }
}

impl<T: Send + 'static> Ahead<T> {
    fn start(packs: &Arc<Packs>, chunks: &[Chunk], check: Check<T>) -> Self {
        let all: Arc<[Chunk]> = chunks.into();
        let runs = packs.runs(chunks);
        let lanes = Lanes::start(&runs, packs.reads().at_once, || {
            let (packs, all, mut decoder) = (packs.clone(), all.clone(), Decoder::default());
            move |(start, end)| {
                read(&packs, all.get(Range { start, end }).unwrap_or_default(), &mut decoder, check)
            }
        });
        Self { lanes, ready: VecDeque::new() }
    }

    /// The next chunk; none when there are no more, or when a thread has died.
    pub fn next(&mut self) -> Option<Result<T, ChunkFault>> {
        if self.ready.is_empty() {
            self.ready = self.lanes.next()?.into();
        }
        self.ready.pop_front()
    }

    /// Ends all work.
    pub fn stop(&mut self) {
        self.lanes.stop();
        self.ready.clear();
    }
}

/// A run of chunks, each checked.
fn read<T>(
    packs: &Packs,
    run: &[Chunk],
    decoder: &mut Decoder,
    check: Check<T>,
) -> Vec<Result<T, ChunkFault>> {
    let mut checked = |(chunk, stored): (&Chunk, Result<Encoded, ChunkFault>)| {
        check(decoder, stored?, chunk.size).map_err(|reason| packs.damage(chunk.id, reason))
    };
    run.iter().zip(packs.stored_run(run)).map(&mut checked).collect()
}
