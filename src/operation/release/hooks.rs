//! Charts' hooks on the way back: those of the release that is gone back to run, by the events that `helm rollback` has,
//! before and after all of its objects.

use std::collections::BTreeSet;

use super::revert::Going;
use crate::apply::{self, ApplyOptions, Course, ReleaseHooks};
use crate::handoff::release::{Kept, Record};
use crate::manifest::{ChartRelease, Hook};
use crate::operation::error::OperationError;
use crate::operation::hooks;
use crate::operation::release::{Book, source};

/// A release's charts and their hooks, as rendering would give them. Their source is that of the release's objects, so that
/// these wait for all hooks that run before.
pub(in crate::operation) async fn of(
    book: &Book,
    record: &Record,
) -> Result<(Vec<ChartRelease>, Vec<Hook>), OperationError> {
    let (source, number) = (source(record.number), record.number);
    let named = |release: &str| {
        let (namespace, name) = release.split_once('/').unwrap_or(("", release));
        (namespace.to_owned(), name.to_owned())
    };
    let charts = record.content.charts.iter().flatten().map(|chart| {
        let (namespace, release) = named(&chart.release);
        ChartRelease { source: source.clone(), release, namespace, hash: chart.hash.clone() }
    });
    let wanted: Vec<Kept> = record.content.hooks().map(|(_, hook)| hook.kept.clone()).collect();
    let objects = book.objects(number, &wanted).await?;
    let hooks = record.content.hooks().zip(objects).map(|((chart, hook), object)| {
        let (namespace, release) = named(&chart.release);
        Hook {
            release,
            namespace,
            object,
            events: hook.events.clone(),
            weight: hook.weight,
            delete_policies: hook.delete_policies.clone(),
        }
    });
    Ok((charts.collect(), hooks.collect()))
}

impl Going<'_> {
    /// How objects are applied on the way back.
    pub(in crate::operation) fn options(&self) -> ApplyOptions {
        ApplyOptions {
            prune: true,
            recreate_immutable: self.work.session.config.profile.recreate_immutable,
            course: Course::Back,
            ..ApplyOptions::default()
        }
    }

    /// The charts that do not stand as the release had them.
    pub(in crate::operation) fn charts(&self) -> Vec<ReleaseHooks> {
        hooks::due(&self.work.desired.rendered, &self.work.look.inventory, Course::Back)
    }

    /// Runs the hooks that come after objects and data. Charts that the release has not are forgotten: if they come again,
    /// they are installed.
    pub(in crate::operation) async fn after(&mut self) -> Result<(), OperationError> {
        let (options, charts) = (self.options(), self.charts());
        let cluster = &self.work.existing.cluster;
        let inventory = &mut self.work.look.inventory;
        apply::hooks_after(cluster, &charts, &options, inventory, self.work.session.reporter.as_ref())
            .await?;
        if let Some(charts) = &self.way.to.content.charts {
            let known: BTreeSet<&String> = charts.iter().map(|chart| &chart.release).collect();
            inventory.releases.retain(|release, _| known.contains(release));
        }
        inventory.save(cluster).await?;
        Ok(())
    }
}
