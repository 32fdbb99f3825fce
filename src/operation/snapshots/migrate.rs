//! Migrates a store after a snapshot was put into it by hand, or after it was reset: as `up` does after a snapshot of `data:`.

use std::time::Duration;

use super::load;
use crate::apply::Inventory;
use crate::data::discover::{Store, StoreKind};
use crate::data::snapshot::SnapshotName;
use crate::event::Event;
use crate::manifest::Object;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::migrations::before;
use crate::operation::migrations::{self, Migration};
use crate::operation::session::{Existing, Session};
use crate::operation::stores;
use crate::operation::swap::job;
use crate::operation::up::INVENTORY;
use crate::operation::up::data::Bring;

/// Migrations that may change a store, in the order in which they run.
type Own = Vec<(String, Migration)>;

fn own(session: &Session, desired: &Desired, store: &Store) -> Result<Own, OperationError> {
    let known = stores::all(desired);
    let mut all = Vec::new();
    let found = migrations::named(session, &desired.rendered)?;
    for (named, migration) in session.config.migrations.iter().zip(found) {
        let is_own = match &named.store {
            Some(name) => stores::named(&known, name)? == *store,
            None => matches!(store.kind, StoreKind::Postgres | StoreKind::MySql | StoreKind::Mongo),
        };
        if is_own {
            all.push((named.name.clone(), migration));
        }
    }
    Ok(all)
}

/// Says of a store into which a snapshot was put what would have migrated it, and the command that does.
pub fn propose(session: &Session, desired: &Desired, store: &Store, name: &SnapshotName) {
    // What is wrong with `migrations:` is for those to say that run them.
    let all = own(session, desired, store).unwrap_or_default();
    if all.is_empty() {
        return;
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let note = format!(
        "the schema of {store} is of {name}'s time, for {} did not run; `devcluster snapshot load {name} --store {} --migrate` runs it after",
        names.join(", "),
        store.name()
    );
    session.reporter.report(Event::Note(note));
}

/// What migrates a store once its data was put back.
pub struct Migrations<'a> {
    session: &'a Session,
    desired: &'a Desired,
    existing: &'a Existing,
    store: &'a Store,
    all: Own,
    inventory: Inventory,
}

impl<'a> Migrations<'a> {
    /// Finds it before the data is put back. From here on its Jobs count as not run: whatever ends this, the next `up` runs them.
    pub async fn begin(
        session: &'a Session,
        desired: &'a Desired,
        existing: &'a Existing,
        store: &'a Store,
    ) -> Result<Self, OperationError> {
        let all = own(session, desired, store)?;
        if all.is_empty() {
            return Err(OperationError::NothingMigrates { store: store.to_string() });
        }
        let mut inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
        let jobs: Vec<_> = jobs(&all).map(Object::id).collect();
        inventory.entries.retain(|id, _| !jobs.contains(id));
        inventory.save(&existing.cluster).await?;
        Ok(Self { session, desired, existing, store, all, inventory })
    }

    /// Runs it, told and judged; what was put back is a snapshot itself. What comes of it is what the store is reset to. Gives the
    /// migrations' names.
    pub async fn run(&mut self) -> Result<Vec<String>, OperationError> {
        let is_own = |migration: &Migration| self.all.iter().any(|(_, own)| own == migration);
        let coming = before::coming(self.session, self.desired, is_own)?;
        before::tell(self.session, &coming);
        for job in jobs(&self.all) {
            job::delete(self.existing, job).await?;
        }
        let objects = self.desired.objects();
        let mut bring = Bring {
            session: self.session,
            desired: self.desired,
            existing: self.existing,
            objects: &objects,
            inventory: &mut self.inventory,
            timeout: Duration::from_secs(self.session.config.profile.timeout_seconds),
            coming: &coming,
        };
        for (name, migration) in &self.all {
            bring.migrate(name, migration).await?;
        }
        before::done(self.session, &coming)?;
        load::keep(self.session, self.existing, self.store).await?;
        Ok(self.all.iter().map(|(name, _)| name.clone()).collect())
    }
}

fn jobs(all: &Own) -> impl Iterator<Item = &Object> {
    all.iter().filter_map(|(_, migration)| match migration {
        Migration::Job(job) => Some(job.as_ref()),
        Migration::Hooks(..) | Migration::InitContainer(_) => None,
    })
}
