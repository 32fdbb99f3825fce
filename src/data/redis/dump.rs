//! Dumps a server's data into a snapshot as it is at one moment: what its fork writes is cut into entries, sorted by key, and
//! written without what differs from run to run. The same data gives the same bytes, but where a server itself encodes it
//! otherwise: after its `*-max-listpack-*` settings were changed, or where a large value has shrunk and was loaded again.
//! Takes 64 MiB of memory and the largest value's size; what is more goes through temporary files of as many bytes as the data.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::connect::Server;
use super::entry::Entry;
use super::error::RedisError;
use super::handshake::fork;
use super::progress::{OnProgress, Progress};
use super::rdb::Item;
use super::scan::scan;
use super::sort::Sorter;
use super::spare::{MARKER, keyspace};
use super::streams::{Contents, FORMAT, contents_path, database_path, functions_path, unwritten};
use crate::data::snapshot::{StreamPath, StreamWriter, Writer};

/// Bytes that are written at once.
const PIECE: usize = 1 << 18;
/// Entries between two words of progress.
const STEP: u64 = 1 << 14;

/// Which moment a dump is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Moment {
    /// One, by the server's own fork.
    #[default]
    One,
    /// Each key's own: for a server that does not let itself be replicated.
    Many,
}

/// How a server is dumped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// What its streams' paths begin with: `redis/shop/cache`.
    pub prefix: String,
    /// Whether values are to be masked. They cannot be: the dump is refused.
    pub mask: bool,
    /// Which moment it is of.
    pub moment: Moment,
}

/// What was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpReport {
    /// Entries of each database.
    pub databases: BTreeMap<u32, u64>,
    /// Libraries of functions.
    pub functions: u64,
    /// Bytes in the snapshot, before they are compressed.
    pub bytes: u64,
    /// What is not in the snapshot, or otherwise worth knowing.
    pub notes: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// Adds all of a server's data to a snapshot, as it is at one moment. On an error the snapshot must be given up: some of its
/// streams were never ended.
pub async fn dump(
    server: &Server,
    writer: &Writer,
    prefix: &str,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, RedisError> {
    let options = DumpOptions { prefix: prefix.to_owned(), ..DumpOptions::default() };
    dump_with(server, writer, &options, on_progress).await
}

/// As [`dump`], with options.
pub async fn dump_with(
    server: &Server,
    writer: &Writer,
    options: &DumpOptions,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, RedisError> {
    let started = Instant::now();
    if options.mask {
        return Err(RedisError::Mask(server.name().to_owned()));
    }
    let mut notes: Vec<String> = server.note().into_iter().collect();
    let total = keyspace(&mut server.link().await?).await?.into_values().fold(0, u64::saturating_add);
    let job = Job { server, writer, prefix: options.prefix.clone(), total, on_progress };
    let written = match options.moment {
        Moment::One => job.forked().await?,
        Moment::Many => {
            notes.push(format!("{} was scanned: its keys are not of one moment", server.name()));
            job.scanned().await?
        }
    };
    let Written { contents: Contents { databases, functions, .. }, left_out, bytes } = written;
    notes.extend(left_out.iter().map(|database| {
        format!("database {database} is left out: it is what an interrupted restore left; the next restore clears it")
    }));
    Ok(DumpReport { databases, functions, bytes, notes, took: started.elapsed() })
}

/// A dump under way.
struct Job<'j> {
    server: &'j Server,
    writer: &'j Writer,
    prefix: String,
    total: u64,
    on_progress: OnProgress<'j>,
}

impl Job<'_> {
    async fn forked(self) -> Result<Written, RedisError> {
        (self.on_progress)(Progress::Step("waiting for the server's fork"));
        let forked = fork(self.server).await?;
        let ((events, heard), prefix) = (mpsc::channel(16), self.prefix.clone());
        let work = move || {
            let mut collected = Collected::new(events);
            let version = forked.read(|item| collected.add(item))?;
            collected.write(version, &prefix)
        };
        self.attend(tokio::task::spawn_blocking(work), heard).await
    }

    async fn scanned(self) -> Result<Written, RedisError> {
        let ((events, heard), prefix) = (mpsc::channel(16), self.prefix.clone());
        let (items, mut scanned) = mpsc::channel(1024);
        let (version, versioned) = oneshot::channel();
        let work = move || {
            let mut collected = Collected::new(events);
            while let Some(item) = scanned.blocking_recv() {
                collected.add(item)?;
            }
            collected.write(versioned.blocking_recv().map_err(|_| RedisError::Stopped("the scan"))?, &prefix)
        };
        let scanning = async {
            let found = scan(self.server, items).await?;
            version.send(found).map_err(|_| RedisError::Stopped("the dump"))
        };
        let writing = self.attend(tokio::task::spawn_blocking(work), heard);
        // What a scan failed with says more than that it stopped.
        match tokio::join!(writing, scanning) {
            (Err(RedisError::Stopped(_)), Err(error)) => Err(error),
            (written, _) => written,
        }
    }

    /// Serves the thread until it is done. Dropped, the thread stops at its next event.
    async fn attend(
        &self,
        work: JoinHandle<Result<Written, RedisError>>,
        mut heard: mpsc::Receiver<Event>,
    ) -> Result<Written, RedisError> {
        while let Some(event) = heard.recv().await {
            match event {
                Event::Progress(done) => {
                    (self.on_progress)(Progress::Entries { done, total: self.total.max(done) });
                }
                Event::Step(step) => (self.on_progress)(Progress::Step(step)),
                Event::Begin(path, to) => drop(to.send(self.writer.stream(path, BTreeMap::new())?)),
            }
        }
        work.await.map_err(|_| RedisError::Stopped("the dump"))?
    }
}

/// What the thread that reads and writes wants of the task that knows writer and listener.
enum Event {
    Progress(u64),
    Step(&'static str),
    Begin(StreamPath, oneshot::Sender<StreamWriter>),
}

/// What was written.
struct Written {
    contents: Contents,
    left_out: BTreeSet<u32>,
    bytes: u64,
}

/// What was read of a server.
struct Collected {
    events: mpsc::Sender<Event>,
    sorter: Sorter,
    functions: Vec<Entry>,
    entries: u64,
    /// Databases that a restore is filling, or was.
    left_out: BTreeSet<u32>,
}

impl Collected {
    fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            sorter: Sorter::default(),
            functions: Vec::new(),
            entries: 0,
            left_out: BTreeSet::new(),
        }
    }

    fn tell(&self, event: Event) -> Result<(), RedisError> {
        self.events.blocking_send(event).map_err(|_| RedisError::Stopped("the dump"))
    }

    fn add(&mut self, item: Item) -> Result<(), RedisError> {
        match item {
            Item::Function(entry) => self.functions.push(entry),
            Item::Entry(database, entry) if entry.key == MARKER => drop(self.left_out.insert(database)),
            Item::Entry(database, entry) => {
                self.sorter.push(database, &entry).map_err(RedisError::Temporary)?;
                self.entries += 1;
                if self.entries.is_multiple_of(STEP) {
                    self.tell(Event::Progress(self.entries))?;
                }
            }
        }
        Ok(())
    }

    fn begin(&self, path: StreamPath) -> Result<Out, RedisError> {
        let (to, stream) = oneshot::channel();
        self.tell(Event::Begin(path, to))?;
        let stream = stream.blocking_recv().map_err(|_| RedisError::Stopped("the dump"))?;
        Ok(Out { stream, piece: Vec::with_capacity(PIECE), entries: 0 })
    }

    /// Writes all of it in order.
    fn write(mut self, version: u16, prefix: &str) -> Result<Written, RedisError> {
        self.tell(Event::Progress(self.entries))?;
        self.tell(Event::Step("writing the entries in their order"))?;
        let (databases, mut bytes) = self.write_databases(prefix)?;
        let functions = self.write_functions(prefix)?;
        let contents = Contents { format: FORMAT, rdb_version: version, databases, functions };
        let mut out = self.begin(contents_path(prefix)?)?;
        serde_json::to_writer_pretty(&mut out.stream, &contents).map_err(|error| unwritten(error.into()))?;
        bytes += out.finish()?;
        Ok(Written { contents, left_out: self.left_out, bytes })
    }

    /// Gives the entries of each database, and the bytes of all.
    fn write_databases(&mut self, prefix: &str) -> Result<(BTreeMap<u32, u64>, u64), RedisError> {
        let mut merge = std::mem::take(&mut self.sorter).finish().map_err(RedisError::Temporary)?;
        let (mut databases, mut bytes) = (BTreeMap::new(), 0);
        let mut next = merge.next().map_err(RedisError::Temporary)?;
        while let Some((database, first)) = next.take() {
            let wanted = !self.left_out.contains(&database);
            let mut out = if wanted { Some(self.begin(database_path(prefix, database)?)?) } else { None };
            let (mut entry, mut last) = (first, None);
            loop {
                // A scan may give a key twice.
                if let Some(out) = out.as_mut().filter(|_| last.as_ref() != Some(&entry.key)) {
                    out.add(&entry)?;
                }
                last = Some(entry.key);
                match merge.next().map_err(RedisError::Temporary)? {
                    Some((same, following)) if same == database => entry = following,
                    other => {
                        next = other;
                        break;
                    }
                }
            }
            if let Some(out) = out {
                databases.insert(database, out.entries);
                bytes += out.finish()?;
            }
        }
        Ok((databases, bytes))
    }

    fn write_functions(&mut self, prefix: &str) -> Result<u64, RedisError> {
        let mut functions = std::mem::take(&mut self.functions);
        functions.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        if !functions.is_empty() {
            let mut out = self.begin(functions_path(prefix)?)?;
            functions.iter().try_for_each(|entry| out.add(entry))?;
            out.finish()?;
        }
        Ok(functions.len() as u64)
    }
}

/// A stream that takes entries.
struct Out {
    stream: StreamWriter,
    piece: Vec<u8>,
    entries: u64,
}

impl Out {
    fn add(&mut self, entry: &Entry) -> Result<(), RedisError> {
        entry.write(&mut self.piece);
        self.entries += 1;
        if self.piece.len() >= PIECE {
            self.stream.write_all(&self.piece).map_err(unwritten)?;
            self.piece.clear();
        }
        Ok(())
    }

    /// Ends it; gives its bytes.
    fn finish(mut self) -> Result<u64, RedisError> {
        self.stream.write_all(&self.piece).map_err(unwritten)?;
        Ok(self.stream.finish()?.size)
    }
}
