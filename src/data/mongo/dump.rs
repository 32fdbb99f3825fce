//! Dumps a server's databases into a snapshot: each collection's documents in an order of their own, so that the same data
//! gives the same bytes. Constant memory but for the largest documents.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::ClientSession;
use tokio::sync::mpsc;

use super::connect::Server;
use super::definition::Definition;
use super::error::MongoError;
use super::masking::{Masking, Rules};
use super::moment;
use super::namespaces::{Collection, CollectionKind};
use super::place;
use super::read::Reading;
use super::streams::{Contents, FORMAT, Kept, collection_path, contents_path, unwritten};
use crate::data::mask::LeakSearch;
use crate::data::progress::{OnProgress, Progress};
use crate::data::schema::TableName;
use crate::data::snapshot::{SnapshotError, StreamWriter, Writer};

/// Bytes that are handed to the snapshot at once.
const PIECE: usize = 1 << 20;

/// How a server is dumped.
#[derive(Debug, Clone, Default)]
pub struct DumpOptions {
    /// What its streams' paths begin with: `mongo/shop/db`.
    pub prefix: String,
    /// How documents are masked, where they are.
    pub mask: Option<Arc<Masking>>,
}

/// What was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpReport {
    /// Collections with documents of their own, in their order.
    pub collections: Vec<DumpedCollection>,
    /// Bytes in the snapshot, before they are compressed.
    pub bytes: u64,
    /// Whether it is of one moment by the server's own word.
    pub one_moment: bool,
    /// What is not in the snapshot, or otherwise worth knowing.
    pub notes: Vec<String>,
    /// The time it took.
    pub took: Duration,
}

/// A collection that was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedCollection {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Adds a server's databases, or the one that is meant, to a snapshot. On an error the snapshot must be given up: some of its
/// streams were never ended.
pub async fn dump(
    server: &Server,
    writer: &Writer,
    options: &DumpOptions,
    on_progress: OnProgress<'_>,
) -> Result<DumpReport, MongoError> {
    let started = Instant::now();
    // What an interrupted command was about to put in place belongs to the data.
    place::settle(server).await?;
    let mut notes: Vec<String> = server.note().into_iter().collect();
    let before = moment::writes(server).await;
    let found = server.collections().await?;
    let session = moment::session(server).await?;
    let one_moment = session.is_some();
    let masking = match &options.mask {
        Some(masking) => Some((&**masking, observe(server, masking, &found, on_progress).await?)),
        None => None,
    };
    let (notes_of, collections) = (BTreeSet::new(), Vec::new());
    let mut job =
        Job { server, writer, options, session, masking, on_progress, notes: notes_of, collections };
    let mut databases = BTreeMap::new();
    for (database, collections) in &found {
        let mut kept = BTreeMap::new();
        for collection in collections {
            kept.insert(collection.name.clone(), job.collection(database, collection).await?);
        }
        databases.insert(database.clone(), kept);
    }
    let (mut dumped, more) = (job.collections, job.notes);
    let leaks = job.masking.map(|(_, search)| search.finish()).unwrap_or_default();
    if !leaks.is_empty() {
        return Err(MongoError::Leaks(leaks));
    }
    let contents = Contents { format: FORMAT, whole: server.database().is_none(), databases };
    let bytes = write_contents(writer, &options.prefix, &contents)?;
    notes.extend(more);
    if !one_moment {
        notes.extend(moment::note(server, before, moment::writes(server).await));
    }
    dumped.sort_unstable_by(|a, b| (&a.database, &a.name).cmp(&(&b.database, &b.name)));
    let bytes = dumped.iter().map(|collection| collection.bytes).fold(bytes, u64::saturating_add);
    Ok(DumpReport { collections: dumped, bytes, one_moment, notes, took: started.elapsed() })
}

/// A dump under way.
struct Job<'j> {
    server: &'j Server,
    writer: &'j Writer,
    options: &'j DumpOptions,
    session: Option<ClientSession>,
    /// How documents are masked, and what looks for original values in what comes out.
    masking: Option<(&'j Masking, LeakSearch)>,
    on_progress: OnProgress<'j>,
    notes: BTreeSet<String>,
    collections: Vec<DumpedCollection>,
}

impl Job<'_> {
    async fn collection(&mut self, database: &str, found: &Collection) -> Result<Kept, MongoError> {
        let definition = Definition::read(self.server, database, found).await?;
        if definition.kind == CollectionKind::View {
            return Ok(Kept { definition, documents: 0 });
        }
        let Collection { name, .. } = found;
        let total = self.server.count(database, name).await?;
        let full = format!("{database}.{name}");
        let unkept =
            |error: SnapshotError| MongoError::Name { name: full.clone(), reason: error.to_string() };
        let path = collection_path(&self.options.prefix, database, name).map_err(unkept)?;
        let stream = self.writer.stream(path, BTreeMap::new())?;
        let session = if definition.is_capped() && self.session.is_some() {
            // The server refuses snapshot reads of these.
            self.notes
                .insert(format!("capped collection `{full}` is not of the moment that the others are of"));
            None
        } else {
            self.session.as_mut()
        };
        let reading = Reading::begin(self.server, (database, name), &definition, session).await?;
        let tell = |done: u64| {
            (self.on_progress)(Progress::Part { name: &full, done, total: total.max(done) });
        };
        let table = TableName::new(database, name);
        let masked = match &mut self.masking {
            Some((masking, search)) => match masking.rules_of(&table)? {
                Some(rules) => Masked::By(rules, search),
                None => Masked::Dropped,
            },
            None => Masked::Not,
        };
        let (documents, bytes) = write(reading, stream, masked, &tell).await?;
        let (database, name) = (database.to_owned(), name.clone());
        self.collections.push(DumpedCollection { database, name, documents, bytes });
        Ok(Kept { definition, documents })
    }
}

/// Reads what may not come out, before anything does.
async fn observe(
    server: &Server,
    masking: &Masking,
    found: &BTreeMap<String, Vec<Collection>>,
    on_progress: OnProgress<'_>,
) -> Result<LeakSearch, MongoError> {
    on_progress(Progress::Step("reading what is to be masked"));
    let mut check = masking.check();
    for (database, collections) in found {
        for collection in collections.iter().filter(|one| one.kind != CollectionKind::View) {
            let Some(rules) = masking.rules_of(&TableName::new(database, &collection.name))? else {
                continue;
            };
            if !rules.hides() {
                continue;
            }
            let definition = Definition::read(server, database, collection).await?;
            let mut reading = Reading::begin(server, (database, &collection.name), &definition, None).await?;
            while reading.advance().await? {
                rules.observe(reading.current(), &mut check);
            }
        }
    }
    Ok(check.search())
}

/// What is done to documents on their way.
enum Masked<'m> {
    /// Nothing.
    Not,
    /// They are masked, and what comes out is searched.
    By(&'m Rules, &'m mut LeakSearch),
    /// None comes out.
    Dropped,
}

/// Writes documents to a stream, on a thread of its own; gives how many there are, and their bytes.
async fn write(
    mut reading: Reading<'_>,
    mut stream: StreamWriter,
    mut masked: Masked<'_>,
    on_done: &(impl Fn(u64) + Sync),
) -> Result<(u64, u64), MongoError> {
    let (to, mut pieces) = mpsc::channel::<Vec<u8>>(2);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            stream.write_all(&piece).map_err(unwritten)?;
        }
        Ok::<_, MongoError>(stream.finish()?.size)
    });
    let (mut documents, mut piece) = (0, Vec::with_capacity(PIECE + PIECE / 8));
    let (mut stopped, mut open) = (matches!(masked, Masked::Dropped), BTreeSet::new());
    while !stopped && reading.advance().await? {
        match &mut masked {
            Masked::Not => piece.extend_from_slice(reading.current().as_bytes()),
            Masked::By(rules, search) => {
                piece.extend_from_slice(rules.mask(reading.current(), search, &mut open)?.as_bytes());
            }
            Masked::Dropped => break,
        }
        documents += 1;
        if piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + PIECE / 8));
            stopped = to.send(full).await.is_err();
            on_done(documents);
        }
    }
    // A thread that has stopped says why below.
    drop(to.send(piece).await);
    drop(to);
    on_done(documents);
    if !open.is_empty() {
        return Err(MongoError::Unclassified(open.into_iter().collect()));
    }
    let bytes = writing.await.map_err(|_| MongoError::Stopped("the dump"))??;
    Ok((documents, bytes))
}

fn write_contents(writer: &Writer, prefix: &str, contents: &Contents) -> Result<u64, MongoError> {
    let encoded = bson::serialize_to_vec(contents)
        .map_err(|error| MongoError::Name { name: prefix.to_owned(), reason: error.to_string() })?;
    let mut stream = writer.stream(contents_path(prefix)?, BTreeMap::new())?;
    stream.write_all(&encoded).map_err(unwritten)?;
    Ok(stream.finish()?.size)
}
