//! The data of a rehearsal: snapshots of the real stores as they are now, under names that go at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::data::discover::Store;
use crate::data::snapshot::{Catalogue, SnapshotError, SnapshotName};
use crate::event::{Event, Reporter, SharedReporter};
use crate::handoff::rehearse::Copies;
use crate::manifest::ObjectId;
use crate::operation::datasets::seed::{self, Fresh};
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::blocking;
use crate::operation::snapshots::create::Part;
use crate::operation::snapshots::load;
use crate::operation::snapshots::take::{self, Request};
use crate::words::counted;

/// Snapshots by the name of the store that they are of.
pub(in crate::operation) type Taken = BTreeMap<String, SnapshotName>;

/// Says in the state that a rehearsal is under way, and which snapshots are its own.
const UNDER_WAY: &str = "rehearsing";

fn name(session: &Session, store: &Store) -> Result<SnapshotName, OperationError> {
    let own = store.name().replace(['/', '_'], "-");
    let digest = blake3::hash(format!("{} {}", session.state.cluster(), store.name()).as_bytes()).to_hex();
    let short: String = own.replace("..", ".").chars().take(40).collect();
    format!("devcluster-rehearse-{short}-{}", &digest[..8]).parse().map_err(OperationError::Name)
}

/// Notes that a rehearsal with these stores begins: whatever ends it, what it leaves is found.
pub(in crate::operation) fn begin(session: &Session, stores: &[Store]) -> Result<(), OperationError> {
    let names = stores.iter().map(|store| name(session, store).map(|name| name.to_string()));
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    Ok(session.state.write(UNDER_WAY, names.join("\n").as_bytes())?)
}

/// Whether one began and did not end.
pub(in crate::operation) fn is_under_way(session: &Session) -> bool {
    session.state.read(UNDER_WAY).is_some()
}

/// Takes one of each store that holds something.
pub(in crate::operation) async fn take(
    session: &Session,
    existing: &Existing,
    stores: &[Store],
) -> Result<Taken, OperationError> {
    let mut taken = Taken::new();
    for store in stores {
        if seed::fresh(existing, store).await? == Fresh::Empty {
            continue;
        }
        let name = name(session, store)?;
        let part = Part::default();
        let request = Request { name: name.clone(), replace: true, part: &part, show: &|_| {} };
        take::own(session, existing, store, request).await?;
        taken.insert(store.name(), name);
    }
    Ok(taken)
}

/// The store in the copy.
pub(in crate::operation) fn copy(store: &Store, copies: &Copies) -> Option<Store> {
    let namespace = copies.get(&store.workload.namespace)?.to_owned();
    Some(Store { workload: ObjectId { namespace, ..store.workload.clone() }, ..store.clone() })
}

/// Passes on what is worth knowing of loads that are done for each way anew: no sentence about a session that ended or a table's rows.
struct Quiet(SharedReporter);

impl Reporter for Quiet {
    fn report(&self, event: Event) {
        if matches!(event, Event::Started { .. } | Event::Progress { .. } | Event::Warning(_)) {
            self.0.report(event);
        }
    }
}

/// Gives the copies of `stores` what the real ones hold.
pub(in crate::operation) async fn load(
    session: &Session,
    existing: &Existing,
    (stores, copies): (&[Store], &Copies),
    taken: &Taken,
) -> Result<(), OperationError> {
    let begun = Instant::now();
    let quiet = Session { reporter: Arc::new(Quiet(session.reporter.clone())), ..session.clone() };
    let mut filled = 0;
    for store in stores {
        let (Some(name), Some(copy)) = (taken.get(&store.name()), copy(store, copies)) else { continue };
        load::fill(&quiet, existing, &copy, name, false).await?;
        filled += 1;
    }
    if filled > 0 {
        let what = format!("{} as the real ones are", counted(filled, "store"));
        session.reporter.report(Event::Done { step: "data".into(), what, took: begun.elapsed() });
    }
    Ok(())
}

/// Removes the snapshots of a rehearsal that began, and notes its end.
pub(in crate::operation) async fn end(session: &Session) -> Result<(), OperationError> {
    let Some(noted) = session.state.read(UNDER_WAY) else { return Ok(()) };
    let noted = String::from_utf8_lossy(&noted).into_owned();
    let names: Vec<SnapshotName> = noted.lines().filter_map(|name| name.parse().ok()).collect();
    let catalogue = Catalogue::open(session.config.snapshots());
    let removing = blocking(move || {
        let mut removed = false;
        for name in &names {
            match catalogue.remove(name) {
                Ok(()) => removed = true,
                Err(SnapshotError::Unknown { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if removed {
            catalogue.collect_garbage()?;
        }
        Ok(())
    });
    removing.await?;
    // Where it stays, the next one finds nothing to remove.
    let _ = std::fs::remove_file(session.state.directory().join(UNDER_WAY));
    Ok(())
}
