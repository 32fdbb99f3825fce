//! Snapshots of volumes: their files, taken while the Pods that mount them are frozen, and put back under them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::blocking;
use super::claims::volume;
use super::create::begin;
use super::pods::{Still, mounting};
use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, Created, Manifest, SnapshotName, Writer};
use crate::data::volume::{DumpReport, From, Prepared, Progress, Space, Volume, VolumeError};
use crate::event::{Event, SharedReporter};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::session::{Existing, Session};
use crate::operation::stores::outcome::Reset;
use crate::words::{counted, sized};

pub use super::claims::in_cluster;

/// What was taken, and for how long containers were frozen; none where none were.
#[derive(Debug)]
pub struct Taken {
    /// The snapshot.
    pub created: Created,
    /// What was read.
    pub dumped: DumpReport,
    /// How long containers were frozen.
    pub frozen: Option<Duration>,
}

/// What a volume's streams begin with.
pub fn prefix(store: &Store) -> String {
    format!("volume/{}/{}", store.workload.namespace, store.workload.name)
}

/// Takes a volume's files into the project's catalogue. With `live` nothing is frozen, and they are of no one moment.
pub async fn create(
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: SnapshotName,
    replace: bool,
    live: bool,
) -> Result<Taken, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    reporter.report(Event::Started { step: "snapshot".into(), what: format!("{name} of {store}") });
    let volume = volume(existing, store).await?;
    settle(session, existing, store, &volume).await?;
    let space = volume.space().await?;
    let tool = ("tar".to_owned(), "pax".to_owned());
    let writer = begin(session.config.snapshots(), name, replace, tool).await?;
    let from = Source { session, existing, store, volume: &volume, space };
    let (dumped, frozen) = from.take(&writer, live).await?;
    for note in &dumped.notes {
        reporter.report(Event::Note(note.clone()));
    }
    let attributes = BTreeMap::from([
        ("source".to_owned(), json!(store.to_string())),
        ("masked".to_owned(), json!(false)),
        ("live".to_owned(), json!(live)),
    ]);
    let created = blocking(move || Ok(writer.finish(attributes)?)).await?;
    let what = format!(
        "{}: {} files, {}, kept in {} new",
        created.manifest.name,
        dumped.entries,
        sized(dumped.bytes),
        sized(created.added.bytes)
    );
    reporter.report(Event::Done { step: "snapshot".into(), what, took: started.elapsed() });
    Ok(Taken { created, dumped, frozen })
}

/// A volume that is taken.
struct Source<'s> {
    session: &'s Session,
    existing: &'s Existing,
    store: &'s Store,
    volume: &'s Volume,
    space: Space,
}

impl Source<'_> {
    /// Takes it by the way that keeps its Pods still for the shortest time. Gives for how long they were.
    async fn take(
        &self,
        writer: &Writer,
        live: bool,
    ) -> Result<(DumpReport, Option<Duration>), OperationError> {
        let Self { existing, store, volume, space, .. } = *self;
        let reporter = &self.session.reporter;
        if live {
            reporter
                .report(Event::Note(format!("nothing is frozen: the files of {store} are of no one moment")));
            return Ok((self.dump(writer, From::Live).await?, None));
        }
        if mounting(existing, store).await?.is_empty() {
            return Ok((self.dump(writer, From::Still).await?, None));
        }
        let (dumped, frozen, note) = if has_room(&space) {
            let taken = self.take_copy(writer).await;
            volume.unstage().await?;
            taken?
        } else {
            let mut still = Still::keep(existing, store).await?;
            fault::point("frozen");
            let who = who(&still);
            let dumped = still.during(self.dump(writer, From::Still)).await?;
            (dumped, still.thaw().await?, format!("{who}; there was no room for a copy"))
        };
        reporter.report(Event::Note(format!("frozen for {:.2} s: {note}", frozen.as_secs_f64())));
        Ok((dumped, Some(frozen)))
    }

    /// Takes it from a copy: what was copied before its Pods are frozen need not be copied while they are.
    async fn take_copy(&self, writer: &Writer) -> Result<(DumpReport, Duration, String), OperationError> {
        let (frozen, note) = self.stage().await?;
        let dumped = self.dump(writer, From::Stage).await?;
        Ok((dumped, frozen, note))
    }

    /// Makes a copy of one moment beside the volume. Gives for how long its Pods were frozen for that.
    async fn stage(&self) -> Result<(Duration, String), OperationError> {
        let tell = |progress: Progress<'_>| tell(&self.session.reporter, "snapshot", progress);
        tell(Progress::Step("copying the files aside"));
        self.volume.stage_roughly(self.space.bytes, &tell).await?;
        let mut still = Still::keep(self.existing, self.store).await?;
        fault::point("frozen");
        let who = who(&still);
        let again = still.during(self.volume.stage()).await?;
        let frozen = still.thaw().await?;
        Ok((frozen, format!("{who}, while {again} changed files were copied")))
    }

    async fn dump(&self, writer: &Writer, from: From) -> Result<DumpReport, VolumeError> {
        let tell = |progress: Progress<'_>| tell(&self.session.reporter, "snapshot", progress);
        self.volume.dump(writer, &prefix(self.store), from, self.space.bytes, &tell).await
    }
}

/// Which containers are frozen.
fn who(still: &Still) -> String {
    format!("{} of {}", counted(still.containers(), "container"), still.names())
}

/// Whether a copy fits beside the files: a read through the network and the chunker takes several times as long as a copy, and
/// Pods are frozen for as long.
fn has_room(space: &Space) -> bool {
    space.reflink || space.bytes.saturating_add(space.bytes / 8) < space.free
}

/// What room a volume's files take. One whose files are not whole, or whose claim has none, is refused.
pub(in crate::operation) async fn space(existing: &Existing, store: &Store) -> Result<Space, OperationError> {
    let volume = volume(existing, store).await?;
    if volume.state().await?.pending {
        let reason = format!(
            "a change of its files was cut off; `devcluster snapshot reset --store {}` ends it",
            store.name()
        );
        return Err(OperationError::Claim { claim: store.name(), reason });
    }
    Ok(volume.space().await?)
}

/// Copies a volume's files, as they are at one moment, to a path of its node where nothing is; the volume stays as it is. Gives for
/// how long its Pods were frozen for that; none where there are none.
pub(in crate::operation) async fn copy(
    session: &Session,
    existing: &Existing,
    (store, space): (&Store, Space),
    to: &str,
) -> Result<Option<Duration>, OperationError> {
    let volume = volume(existing, store).await?;
    if mounting(existing, store).await?.is_empty() {
        let tell = |progress: Progress<'_>| tell(&session.reporter, "snapshot", progress);
        volume.lay(to, space.bytes, &tell).await?;
        return Ok(None);
    }
    let from = Source { session, existing, store, volume: &volume, space };
    match from.stage().await {
        Ok((frozen, _)) => {
            volume.hand_stage(to).await?;
            Ok(Some(frozen))
        }
        Err(error) => {
            // What was copied goes; why it was for nothing is what is told.
            let _ = volume.unstage().await;
            Err(error)
        }
    }
}

/// Puts a volume's files back as a snapshot has them. Gives how many there are.
pub async fn load(
    session: &Session,
    existing: &Existing,
    store: &Store,
    catalogue: &Catalogue,
    manifest: &Manifest,
) -> Result<u64, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    let name = &manifest.name;
    reporter.report(Event::Started { step: "data".into(), what: format!("snapshot {name} into {store}") });
    let volume = volume(existing, store).await?;
    settle(session, existing, store, &volume).await?;
    let tell = |progress: Progress<'_>| tell(reporter, "data", progress);
    let unpacked = volume.unpack(catalogue, manifest, &prefix(store), &tell).await?;
    let copy = unpacked.copy;
    let shared = if copy.reflink { "sharing its blocks" } else { "blocks of its own" };
    let note = format!(
        "a copy for `snapshot reset`: {} in {:.1} s, {shared}",
        sized(copy.bytes),
        copy.took.as_secs_f64()
    );
    reporter.report(Event::Note(note));
    change_under(session, existing, store, &volume, Change::Swap).await?;
    let what = format!("{store}: {} files, {}, as {name} has them", unpacked.entries, sized(unpacked.bytes));
    reporter.report(Event::Done { step: "data".into(), what, took: started.elapsed() });
    Ok(unpacked.entries)
}

/// Puts a volume's files back as they were loaded last.
pub async fn reset(session: &Session, existing: &Existing, store: &Store) -> Result<Reset, OperationError> {
    let started = Instant::now();
    let reporter = &session.reporter;
    let volume = volume(existing, store).await?;
    // What ends an interrupted swap is a reset.
    let settled = settle(session, existing, store, &volume).await?;
    let ready = if settled { Prepared::Ready } else { volume.ready().await? };
    if let Prepared::Made(copy) = ready {
        let took = copy.took.as_secs_f64();
        reporter.report(Event::Note(format!("no spare copy stood ready: one was made in {took:.1} s")));
    }
    if !settled {
        change_under(session, existing, store, &volume, Change::Reset).await?;
    }
    let report = Reset { took: started.elapsed(), spare: ready == Prepared::Ready };
    let what = format!("{store} is as it was loaded");
    reporter.report(Event::Done { step: "reset".into(), what, took: report.took });
    Ok(report)
}

/// Makes the copy that the next reset takes, where none stands ready.
pub async fn prepare(existing: &Existing, store: &Store) -> Result<Prepared, OperationError> {
    Ok(volume(existing, store).await?.prepare().await?)
}

/// Whether a volume holds no file.
pub async fn is_empty(existing: &Existing, store: &Store) -> Result<bool, OperationError> {
    let volume = volume(existing, store).await?;
    let state = volume.state().await?;
    Ok(state.empty && !state.pending)
}

/// Ends a swap that was cut off. Gives whether there was one.
async fn settle(
    session: &Session,
    existing: &Existing,
    store: &Store,
    volume: &Volume,
) -> Result<bool, OperationError> {
    let pending = volume.state().await?.pending;
    if pending {
        session
            .reporter
            .report(Event::Note(format!("an interrupted change of {store}'s files is ended first")));
        change_under(session, existing, store, volume, Change::Settle).await?;
    }
    Ok(pending)
}

/// How files are changed.
#[derive(Debug, Clone, Copy)]
enum Change {
    Swap,
    Reset,
    Settle,
}

/// Changes files under the Pods that mount them: frozen meanwhile, started anew then.
async fn change_under(
    session: &Session,
    existing: &Existing,
    store: &Store,
    volume: &Volume,
    change: Change,
) -> Result<(), OperationError> {
    let mut still = Still::keep(existing, store).await?;
    let (containers, who) = (still.containers(), who(&still));
    still.kill_at_the_end().await?;
    fault::point("to-change");
    let work = async {
        match change {
            Change::Swap => volume.swap().await,
            Change::Reset => volume.reset().await,
            Change::Settle => volume.settle().await,
        }
    };
    still.during(work).await?;
    fault::point("changed");
    let (took, replaced) = still.start_anew(existing, store).await?;
    if containers > 0 {
        let replaced = match replaced.as_slice() {
            [] => String::new(),
            pods => format!("; replaced, as their restart would have had to wait: {}", pods.join(", ")),
        };
        let note = format!("frozen for {:.2} s and then started anew: {who}{replaced}", took.as_secs_f64());
        session.reporter.report(Event::Note(note));
    }
    Ok(())
}

/// Reports how far it is.
pub(in crate::operation) fn tell(reporter: &SharedReporter, step: &str, progress: Progress<'_>) {
    let (done, total, what) = match progress {
        Progress::Bytes { done, total } => (done, total, "bytes"),
        Progress::Step(what) => (0, 0, what),
    };
    reporter.report(Event::Progress { step: step.into(), done, total, what: what.to_owned() });
}
