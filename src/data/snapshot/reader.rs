//! Reads a stream: chunks are fetched, decompressed and checked ahead on threads of their own.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use super::encoding::Decoder;
use super::error::{Place, SnapshotError};
use super::manifest::{Chunk, Manifest, Stream};
use super::name::{SnapshotName, StreamPath};
use super::objects::Guard;
use super::packs::Packs;

/// Threads that read ahead for one stream, at most.
const THREADS: usize = 4;

/// A chunk's plain bytes, or why they cannot be had.
type Read1 = Result<Vec<u8>, SnapshotError>;

/// Reads a stream's plain bytes. Nothing is handed out unchecked; after an error there is nothing more. It holds the catalogue: no garbage is
/// collected meanwhile.
#[derive(Debug)]
pub struct StreamReader {
    /// Thread `n` of `k` delivers the chunks `n`, `n + k`, `n + 2k`, …
    lanes: Vec<Receiver<Read1>>,
    next: usize,
    chunks: usize,
    current: Vec<u8>,
    read: usize,
    _guard: Arc<Guard>,
}

impl StreamReader {
    pub(super) fn new(packs: &Arc<Packs>, manifest: &Manifest, stream: &Stream, guard: Arc<Guard>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = stream.chunks.len().min(cores).min(THREADS);
        let mut lanes = Vec::new();
        for lane in 0..count {
            let chunks = stream.placed().skip(lane).step_by(count).collect();
            let ahead = Ahead {
                packs: packs.clone(),
                snapshot: manifest.name.clone(),
                stream: stream.path.clone(),
                chunks,
            };
            let (send, receive) = mpsc::sync_channel(2);
            thread::spawn(move || ahead.run(&send));
            lanes.push(receive);
        }
        Self { lanes, next: 0, chunks: stream.chunks.len(), current: Vec::new(), read: 0, _guard: guard }
    }

    /// The next chunk's plain bytes, so far as they are not read; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        if self.read < self.current.len() {
            let rest = self.current.split_off(self.read);
            self.current.clear();
            self.read = 0;
            return Ok(Some(rest));
        }
        if self.next == self.chunks {
            return Ok(None);
        }
        let stopped = || Err(SnapshotError::Stopped("reading"));
        let lane = self.next.checked_rem(self.lanes.len()).and_then(|lane| self.lanes.get(lane));
        let received = lane.map_or_else(stopped, |lane| lane.recv().unwrap_or_else(|_| stopped()));
        if received.is_ok() {
            self.next += 1;
        } else {
            self.lanes.clear();
        }
        received.map(Some)
    }
}

impl Read for StreamReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.current.len() {
            self.current = self.next_chunk()?.unwrap_or_default();
            self.read = 0;
        }
        let rest = self.current.get(self.read..).unwrap_or_default();
        let (now, _) = rest.split_at(rest.len().min(out.len()));
        if let Some(room) = out.get_mut(..now.len()) {
            room.copy_from_slice(now);
        }
        self.read += now.len();
        Ok(now.len())
    }
}

/// What a thread reads ahead.
struct Ahead {
    packs: Arc<Packs>,
    snapshot: SnapshotName,
    stream: StreamPath,
    chunks: Vec<(u64, Chunk)>,
}

impl Ahead {
    /// Until all is read, something is wrong, or nobody wants more.
    fn run(self, send: &SyncSender<Read1>) {
        let mut decoder = match Decoder::new() {
            Ok(decoder) => decoder,
            Err(error) => return drop(send.send(Err(SnapshotError::reading(self.stream.as_str(), error)))),
        };
        for (offset, Chunk { id, size }) in self.chunks {
            let plain = self.packs.plain(id, size, &mut decoder);
            let plain = plain.map_err(|fault| {
                fault.at(Place {
                    snapshot: self.snapshot.clone(),
                    stream: self.stream.clone(),
                    offset,
                    chunk: id,
                })
            });
            let failed = plain.is_err();
            if send.send(plain).is_err() || failed {
                return;
            }
        }
    }
}
