//! What changes of files lead to that has yet to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::watch::{Effects, RuleId, Sources, Watcher};

/// What is due, and since when.
#[derive(Default)]
pub(super) struct Due {
    pub effects: Effects,
    pub since: Option<Instant>,
}

impl Due {
    pub fn merge(&mut self, more: Self) {
        self.effects.merge(more.effects);
        self.since = self.since.or(more.since);
    }

    pub fn took(&self) -> Duration {
        took(self.since)
    }

    /// What is to be copied, and since when; the rest stays.
    pub fn take_sync(&mut self) -> (BTreeMap<RuleId, BTreeSet<PathBuf>>, Option<Instant>) {
        let sync = std::mem::take(&mut self.effects.sync);
        let since = self.since;
        if self.effects.is_empty() {
            *self = Self::default();
        }
        (sync, since)
    }
}

pub(super) fn took(since: Option<Instant>) -> Duration {
    since.map(|since| since.elapsed()).unwrap_or_default()
}

/// Waits for a change that leads to something; none where nothing is watched anymore.
pub(super) async fn next(watcher: &mut Watcher, sources: &Sources) -> Option<Due> {
    loop {
        let batch = watcher.batches.next().await?;
        let effects = sources.effects(&batch.paths);
        if !effects.is_empty() {
            return Some(Due { effects, since: Some(batch.since) });
        }
    }
}
