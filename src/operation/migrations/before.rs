//! What is done before a migration runs that cannot be taken back: it is told, and a snapshot is taken of every store that it may
//! change.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::judged;
use super::migrated::{self, Taken, Unfinished};
use crate::apply::{Change, Difference, ReleaseHooks};
use crate::config::Migration as Named;
use crate::data::discover::{Store, StoreKind};
use crate::data::snapshot::{Catalogue, SnapshotError, SnapshotName};
use crate::event::Event;
use crate::handoff::migration::{Told, Verdict};
use crate::operation::datasets::seed::{self, Fresh};
use crate::operation::error::OperationError;
use crate::operation::fault;
use crate::operation::gather::Desired;
use crate::operation::migrations::{self, Migration};
use crate::operation::session::{Existing, Session};
use crate::operation::snapshots::blocking;
use crate::operation::snapshots::create::Part;
use crate::operation::snapshots::take::{self, Request};
use crate::operation::stores;
use crate::words::listed;

/// How many such snapshots are kept of a store.
const KEPT: usize = 3;

/// A migration that is about to run.
#[derive(Debug, Clone)]
pub struct Coming {
    /// As the configuration has it.
    pub named: Named,
    /// What is said of its statements: of those that have not run yet, where each runs but once.
    pub told: Told,
    /// What tells it from others: its statements and its Jobs.
    mark: String,
}

/// What is about to change.
pub struct Changes<'a> {
    /// Objects that differ.
    pub objects: &'a [Change],
    /// Releases whose hooks are due.
    pub releases: &'a [ReleaseHooks],
    /// Pods that start anew, by namespace and name.
    pub pods: Vec<(&'a str, &'a str)>,
    /// Whether data is brought, for which hooks and init containers run ahead.
    pub bringing: bool,
}

impl Changes<'_> {
    /// Whether a migration runs.
    pub fn run(&self, migration: &Migration) -> bool {
        let mut objects = self.objects.iter().filter(|change| change.what != Difference::Obsolete);
        match migration {
            Migration::Job(job) => objects.any(|change| change.id == job.id()),
            Migration::Hooks(own, _) => {
                self.bringing || self.releases.iter().any(|release| release.release == own.release)
            }
            Migration::InitContainer(own) => {
                let Some((namespace, workload)) = own.release.split_once('/') else { return true };
                self.bringing
                    || objects.any(|change| {
                        (change.id.namespace.as_str(), change.id.name.as_str()) == (namespace, workload)
                    })
                    || self.pods.iter().any(|(of, pod)| *of == namespace && pod.starts_with(workload))
            }
        }
    }
}

/// Whether a store that does not stand may hold data all the same: its volumes are beside the cluster.
pub fn holds_files(session: &Session, store: &Store) -> bool {
    let Ok(claims) = std::fs::read_dir(session.state.volumes().join(&store.workload.namespace)) else {
        return false;
    };
    claims.flatten().any(|claim| match std::fs::read_dir(claim.path()) {
        Ok(mut files) => files.next().is_some(),
        // Another user's directory: somebody has put something there.
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    })
}

/// The migrations that `runs` picks, judged.
pub fn coming(
    session: &Session,
    desired: &Desired,
    runs: impl Fn(&Migration) -> bool,
) -> Result<Vec<Coming>, OperationError> {
    let known = migrated::recorded(session);
    let rendered = &desired.rendered;
    let mut all = Vec::new();
    for (named, migration) in session.config.migrations.iter().zip(migrations::named(session, rendered)?) {
        if !runs(&migration) {
            continue;
        }
        let ran = known.ran.get(&named.name);
        let told = judged::told(&session.config, rendered, named, &|digest| {
            ran.is_some_and(|ran| ran.contains(digest))
        })?;
        let mut mark = Sha256::new();
        for object in migration.objects() {
            mark.update(object.value.to_string().as_bytes());
        }
        told.scripts.iter().for_each(|script| mark.update(script.digest.as_bytes()));
        let mark = format!("{:x}", mark.finalize());
        all.push(Coming { named: named.clone(), told, mark });
    }
    Ok(all)
}

/// Whether any of them may lose data.
pub fn may_lose(coming: &[Coming]) -> bool {
    coming.iter().any(|one| one.told.verdict.may_lose())
}

/// Says of each that is not plainly additive what it means to go back.
pub fn tell(session: &Session, coming: &[Coming]) {
    for Coming { told, .. } in coming {
        let reasons = listed(&told.reasons());
        let event = match told.verdict {
            Verdict::Additive => continue,
            Verdict::Undoable => {
                let undo =
                    told.undo().map(|undo| format!("\nwhat undoes it:{}", listed(&undo))).unwrap_or_default();
                Event::Note(format!(
                    "migration {} loses nothing, but the old code may not run on it:{reasons}{undo}",
                    told.name
                ))
            }
            Verdict::Unknown => Event::Warning(format!(
                "whether migration {} can be taken back is unknown, so it counts as one-way:{reasons}",
                told.name
            )),
            Verdict::OneWay => Event::Warning(format!(
                "migration {} is one-way: going back to the code of before does not bring back what it takes:{reasons}",
                told.name
            )),
        };
        session.reporter.report(event);
    }
}

/// Takes the snapshots that going back would need. A store without data needs none, nor does one of those in `spared`, whose data
/// the catalogue has. What a run that was cut short has taken is kept: the store may be half migrated by now.
pub async fn secure(
    session: &Session,
    existing: &Existing,
    desired: &Desired,
    coming: &[Coming],
    spared: &[Store],
) -> Result<(), OperationError> {
    let losing: Vec<&Coming> = coming.iter().filter(|one| one.told.verdict.may_lose()).collect();
    let Some(first) = losing.first() else { return Ok(()) };
    let mark = mark(&losing);
    let mut known = migrated::recorded(session);
    if known.unfinished.as_ref().is_none_or(|run| run.mark != mark) {
        known.unfinished = Some(Unfinished { mark: mark.clone(), snapshots: BTreeSet::new() });
    }
    let targets = targets(desired, &losing)?;
    for store in targets.iter().filter(|store| !spared.contains(store)) {
        if seed::fresh(existing, store).await? == Fresh::Empty {
            continue;
        }
        let mut name = name(&first.named.name, store, targets.len() > 1, &mark)?;
        let kept = known.unfinished.as_ref().and_then(|run| numbered(&run.snapshots, &name));
        if let Some(kept) = kept
            && is_there(session, &kept).await?
        {
            let note = format!("{store}: {kept} is there from the run that was cut short, and is kept");
            session.reporter.report(Event::Note(note));
            name = kept;
        } else {
            name = free(session, name).await?;
            take(session, existing, store, &name, &first.named.name).await?;
            known.taken.retain(|one| one.snapshot != name.as_str());
            let migrations = losing.iter().map(|one| one.named.name.clone()).collect();
            known.taken.push(Taken { store: store.name(), snapshot: name.to_string(), migrations });
            known.unfinished.as_mut().map(|run| run.snapshots.insert(name.to_string()));
            drop_old(session, &mut known.taken, &store.name()).await?;
            migrated::record(session, &known)?;
        }
        let back = format!(
            "to go back: the code of before, and `devcluster snapshot load {name} --store {}`",
            store.name()
        );
        session.reporter.report(Event::Note(back));
    }
    migrated::record(session, &known)?;
    fault::point("secured");
    Ok(())
}

/// Remembers that they have come to their end.
pub fn done(session: &Session, coming: &[Coming]) -> Result<(), OperationError> {
    if coming.is_empty() {
        return Ok(());
    }
    let mut known = migrated::recorded(session);
    known.unfinished = None;
    for one in coming.iter().filter(|one| one.told.once) {
        let ran = known.ran.entry(one.told.name.clone()).or_default();
        ran.extend(one.told.scripts.iter().map(|script| script.digest.clone()));
    }
    migrated::record(session, &known)
}

/// The stores that they may change: those that are named, or every database.
fn targets(desired: &Desired, losing: &[&Coming]) -> Result<Vec<Store>, OperationError> {
    let all = stores::all(desired);
    let mut wanted: Vec<Store> = Vec::new();
    for one in losing {
        let own = match &one.named.store {
            Some(name) => vec![stores::named(&all, name)?],
            None => all
                .iter()
                .filter(|store| {
                    matches!(store.kind, StoreKind::Postgres | StoreKind::MySql | StoreKind::Mongo)
                })
                .cloned()
                .collect(),
        };
        for store in own {
            if !wanted.contains(&store) {
                wanted.push(store);
            }
        }
    }
    Ok(wanted)
}

fn mark(losing: &[&Coming]) -> String {
    let mut all = Sha256::new();
    for one in losing {
        all.update(one.mark.as_bytes());
    }
    format!("{:x}", all.finalize())
}

/// `before-shop-migrate-1a2b3c4d`, with the store where there are several.
fn name(migration: &str, store: &Store, several: bool, mark: &str) -> Result<SnapshotName, OperationError> {
    let plain = |text: &str| text.replace(['/', '_'], "-").replace("..", ".");
    let short: String = plain(migration).chars().take(50).collect();
    let of = if several {
        format!("-{}", plain(&store.workload.name).chars().take(30).collect::<String>())
    } else {
        String::new()
    };
    format!("before-{short}{of}-{}", &mark[..8]).parse().map_err(OperationError::Name)
}

/// The one of `names` that is `name`, with a number or without.
fn numbered(names: &BTreeSet<String>, name: &SnapshotName) -> Option<SnapshotName> {
    let is_it = |one: &&String| {
        let rest = one.strip_prefix(name.as_str());
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('-').is_some_and(|rest| rest.parse::<u32>().is_ok())
        })
    };
    names.iter().find(is_it).and_then(|one| one.parse().ok())
}

/// A name that no snapshot has: what was taken before an earlier run of what looks the same, as where an image holds the
/// statements, is not replaced.
async fn free(session: &Session, name: SnapshotName) -> Result<SnapshotName, OperationError> {
    let mut free = name.clone();
    let mut number = 2;
    while is_there(session, &free).await? {
        free = format!("{name}-{number}").parse().map_err(OperationError::Name)?;
        number += 1;
    }
    Ok(free)
}

async fn is_there(session: &Session, name: &SnapshotName) -> Result<bool, OperationError> {
    let (catalogue, name) = (Catalogue::open(session.config.snapshots()), name.clone());
    blocking(move || match catalogue.find(&name) {
        Ok(_) => Ok(true),
        Err(SnapshotError::Unknown { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    })
    .await
}

async fn take(
    session: &Session,
    existing: &Existing,
    store: &Store,
    name: &SnapshotName,
    migration: &str,
) -> Result<(), OperationError> {
    let part = Part::default();
    let request = Request { name: name.clone(), replace: false, part: &part, show: &|_| {} };
    let taken = take::own(session, existing, store, request).await;
    taken.map(drop).map_err(|source| OperationError::BeforeMigration {
        name: migration.to_owned(),
        store: store.to_string(),
        source: Box::new(source),
    })
}

/// Removes what was taken of a store beyond the last few.
async fn drop_old(session: &Session, taken: &mut Vec<Taken>, store: &str) -> Result<(), OperationError> {
    let own: Vec<String> =
        taken.iter().filter(|one| one.store == store).map(|one| one.snapshot.clone()).collect();
    let old: Vec<String> = own.iter().take(own.len().saturating_sub(KEPT)).cloned().collect();
    if old.is_empty() {
        return Ok(());
    }
    taken.retain(|one| !old.contains(&one.snapshot));
    let catalogue = Catalogue::open(session.config.snapshots());
    blocking(move || {
        for name in &old {
            let Ok(name) = name.parse::<SnapshotName>() else { continue };
            match catalogue.remove(&name) {
                Ok(()) | Err(SnapshotError::Unknown { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        catalogue.collect_garbage()?;
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_of_what_they_were_taken_before() {
        let store = Store::volume("shop", "orders_db");
        let mark = "1a2b3c4d5e".to_owned();
        assert_eq!(
            name("shop/web/prepare", &store, false, &mark).unwrap().as_str(),
            "before-shop-web-prepare-1a2b3c4d"
        );
        assert_eq!(
            name("shop/migrate", &store, true, &mark).unwrap().as_str(),
            "before-shop-migrate-orders-db-1a2b3c4d"
        );
        assert!(name(&"a".repeat(300), &store, true, &mark).is_ok());
        let all = ["before-b-1", "before-a-1-2", "before-a-1-x"].map(str::to_owned).into();
        let found = |name: &str| numbered(&all, &name.parse().unwrap()).map(|name| name.to_string());
        assert_eq!(found("before-a-1"), Some("before-a-1-2".into()));
        assert_eq!(found("before-b-1"), Some("before-b-1".into()));
        assert_eq!(found("before-a"), None);
    }
}
