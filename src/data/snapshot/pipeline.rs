//! Hashes, compresses and packs chunks on all cores while their streams are still being read. Memory is
//! bounded by the queues' lengths.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::catalogue::Catalogue;
use super::digest::ChunkId;
use super::encoding::{Compression, Encoded, Encoder};
use super::error::SnapshotError;
use super::manifest::{Chunk, MOST_CHUNKS};
use super::objects::Guard;
use super::packing::{Added, Packing};
use super::packs::Packs;

/// Chunks that wait for a worker, and as many that wait for the pack: 1 MiB each at most.
const QUEUE: usize = 4;

/// A chunk to be stored.
pub(super) struct Job {
    /// Its plain bytes.
    pub plain: Vec<u8>,
    /// Its place among the stream's chunks.
    pub sequence: usize,
    /// Where its name is waited for.
    pub reply: Sender<(usize, Chunk)>,
}

/// What all threads of a pipeline know.
#[derive(Debug)]
struct Shared {
    packs: Arc<Packs>,
    /// New chunks that a worker has taken on.
    claimed: Mutex<HashSet<ChunkId>>,
    /// What went wrong first.
    failure: Mutex<Option<SnapshotError>>,
    submitted: AtomicU64,
    /// No garbage is collected while a thread still writes, even for a snapshot that was given up.
    _guard: Arc<Guard>,
}

/// Where chunks go in.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Pipeline {
    intake: Intake,
    workers: Vec<JoinHandle<()>>,
    packer: JoinHandle<Option<Added>>,
    seal: SyncSender<Order>,
}

/// What the packer is told.
enum Order {
    /// A new chunk.
    Store(Encoded),
    /// There are no more.
    Seal,
}

impl Pipeline {
    /// Starts a worker a core, eight at most, and a packer.
    pub fn start(
        catalogue: &Catalogue,
        compression: Compression,
        guard: Arc<Guard>,
    ) -> Result<Self, SnapshotError> {
        let failed =
            |error| SnapshotError::writing("a snapshot's chunks", catalogue.objects.shown(""), error);
        let (claimed, failure, submitted) = Default::default();
        let packs = catalogue.packs.clone();
        let shared = Arc::new(Shared { packs, claimed, failure, submitted, _guard: guard });
        let (seal, orders) = mpsc::sync_channel(QUEUE);
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let mut workers = Vec::new();
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(8) {
            let mut encoder = Encoder::new(compression).map_err(failed)?;
            let (queue, seal, shared) = (queue.clone(), seal.clone(), shared.clone());
            workers.push(thread::spawn(move || work(&queue, &seal, &shared, &mut encoder)));
        }
        let packing = Packing::new(catalogue.objects.clone());
        let packer = {
            let shared = shared.clone();
            thread::spawn(move || pack(&orders, packing, &shared))
        };
        Ok(Self { intake: Intake { jobs, shared }, workers, packer, seal })
    }

    /// Where chunks go in.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Waits until all is stored. No other intake may be held.
    pub fn finish(self) -> Result<Added, SnapshotError> {
        let Self { intake: Intake { jobs, shared }, workers, packer, seal } = self;
        drop(jobs);
        let whole = workers.into_iter().all(|worker| worker.join().is_ok());
        let whole = whole && seal.send(Order::Seal).is_ok();
        drop(seal);
        let added = packer.join().ok().flatten();
        added.filter(|_| whole && !shared.has_failed()).ok_or_else(|| shared.failure())
    }
}

impl Intake {
    /// Hands a chunk over; waits while the queue is full.
    pub fn submit(&self, job: Job) -> Result<(), SnapshotError> {
        if self.shared.submitted.fetch_add(1, Ordering::Relaxed) >= MOST_CHUNKS {
            let what = format!("{MOST_CHUNKS} chunks is all that one may have; split it into several");
            return Err(SnapshotError::TooLarge(what));
        }
        self.jobs.send(job).map_err(|_| self.shared.failure())
    }

    /// What went wrong in the pipeline, for one who waits in vain. It is told once.
    pub fn failure(&self) -> SnapshotError {
        self.shared.failure()
    }
}

impl Shared {
    fn fail(&self, error: SnapshotError) {
        lock(&self.failure).get_or_insert(error);
    }

    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    fn failure(&self) -> SnapshotError {
        lock(&self.failure).take().unwrap_or(SnapshotError::Stopped("writing"))
    }

    /// Whether this chunk is to be stored, by whoever asks first.
    fn claim(&self, id: ChunkId) -> bool {
        !self.packs.has(id) && lock(&self.claimed).insert(id)
    }
}

/// A worker's life: until there are no more jobs, or something failed.
fn work(queue: &Mutex<Receiver<Job>>, packer: &SyncSender<Order>, shared: &Shared, encoder: &mut Encoder) {
    loop {
        let job = lock(queue).recv();
        let Ok(Job { plain, sequence, reply }) = job else { return };
        let id = ChunkId::of(&plain);
        let size = u32::try_from(plain.len()).unwrap_or(u32::MAX);
        if shared.claim(id) {
            let stored = match encoder.encode(id, plain) {
                Ok(chunk) => packer.send(Order::Store(chunk)).is_ok(),
                Err(source) => {
                    let path = format!("chunk {id}");
                    shared.fail(SnapshotError::Io { what: "compress", path, source });
                    false
                }
            };
            if !stored {
                return;
            }
        }
        // A stream that was given up waits for no reply.
        let _ = reply.send((sequence, Chunk { id, size }));
    }
}

/// The packer's life. Nothing, unless all was sealed.
fn pack(orders: &Receiver<Order>, mut packing: Packing, shared: &Shared) -> Option<Added> {
    for order in orders {
        let sealed = matches!(order, Order::Seal);
        let done = match order {
            Order::Store(chunk) => packing.add(&chunk),
            Order::Seal => packing.seal(),
        };
        if let Err(error) = done {
            shared.fail(error);
            return None;
        }
        if sealed {
            return Some(packing.added());
        }
    }
    None
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
