//! What the ledger is told of a revert, also of one in which not all got ready.

use std::time::Instant;

use super::carry;
use super::record::{self, who};
use super::revert::{Going, is_same};
use crate::event::Event;
use crate::handoff::release::{Content, Kept, Made, Record};
use crate::operation::error::OperationError;
use crate::operation::release::{Book, Draft};

impl Going<'_> {
    /// Records the revert where it is news, also where not all got ready: objects and data are the release's then, and the next
    /// command goes on from there. Gives its number.
    pub(super) async fn record(
        &self,
        book: &Book,
        changed: bool,
        ready: Result<(), OperationError>,
    ) -> Result<Option<u64>, OperationError> {
        let (session, existing, way) = (self.work.session, self.work.existing, self.way);
        let (unready, failure) = match ready {
            Ok(()) => (false, None),
            Err(OperationError::NotReady(mut why)) => {
                why.timed_out = why.timed_out.map(|_| self.work.options.timeout);
                (true, Some(OperationError::NotReady(why)))
            }
            Err(error) => return Err(error),
        };
        let differs =
            self.restored || way.from.unready != unready || !is_same(&way.from.content, &way.to.content);
        let mut number = None;
        if differs || (changed && !unready) {
            number = Some(self.write(book, unready).await?.number);
        } else if self.unrecorded {
            carry::keep(session, existing).await;
        }
        let Some(failure) = failure else {
            record::end(session);
            return Ok(number);
        };
        let before = way.ledger.releases().rev().find(|one| !one.unready && one.number != way.to.number);
        let other = before.map(|one| format!(", and `devcluster release revert {}` goes back", one.number));
        let text = format!("the same command goes on from here{}", other.unwrap_or_default());
        session.reporter.report(Event::Note(text));
        Err(failure)
    }

    /// Writes the record: what the system is made of is the release's; what stores hold and what migrated is as it was, or where
    /// snapshots were brought back the release's, too.
    async fn write(&self, book: &Book, unready: bool) -> Result<Record, OperationError> {
        let started = Instant::now();
        let (session, existing, way) = (self.work.session, self.work.existing, self.way);
        let Record { content: from, .. } = &way.from;
        let data = if self.restored || self.unrecorded {
            record::data(session, &way.desired, existing).await
        } else {
            from.data.clone()
        };
        let migrations = if self.restored { &way.to.content.migrations } else { &from.migrations };
        let stands = |kept: &&Kept| !(self.restored && way.migrating.contains(&kept.id));
        let objects = way.kept.iter().filter(stands).cloned().collect();
        let (images, charts) = (self.images.clone(), way.to.content.charts.clone());
        let content = Content { objects, images, data, migrations: migrations.clone(), charts };
        let by = who(session.config.directory()).await;
        let Record { lock, tree, commit, .. } = way.to.clone();
        let made = Made::Revert { to: way.to.number };
        let draft = Draft { unready, lock, tree, commit, ..Draft::new(made, by, content) };
        record::write(session, existing, book, way.ledger.clone(), draft, started).await
    }
}
