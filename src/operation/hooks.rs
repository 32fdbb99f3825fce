//! Charts' hooks, as the applier takes them: which releases there are, what has run, what is due.

use std::collections::BTreeSet;

use super::error::OperationError;
use super::gather::gather;
use super::session::Session;
use super::up::INVENTORY;
use crate::apply::hook::{Course, Hook, ReleaseHooks};
use crate::apply::hook_run::run_hooks;
use crate::apply::inventory::Release;
use crate::apply::{ApplyOptions, Inventory};
use crate::manifest::{ChartRelease, DeletePolicy, HookEvent, Object, ObjectId, Rendered};
use crate::parity::HookAction;

/// The releases of the manifests, with their hooks.
pub fn releases(rendered: &Rendered) -> Vec<ReleaseHooks> {
    of_charts(&rendered.charts, &rendered.hooks)
}

/// Charts with their hooks.
pub(in crate::operation) fn of_charts(charts: &[ChartRelease], hooks: &[Hook]) -> Vec<ReleaseHooks> {
    charts
        .iter()
        .map(|chart| {
            let own = |hook: &&Hook| hook.release == chart.release && hook.namespace == chart.namespace;
            ReleaseHooks {
                release: format!("{}/{}", chart.namespace, chart.release),
                source: chart.source.clone(),
                hash: chart.hash.clone(),
                hooks: hooks.iter().filter(own).cloned().collect(),
            }
        })
        .collect()
}

/// Releases whose hooks are to run, going that way.
pub fn due(rendered: &Rendered, inventory: &Inventory, course: Course) -> Vec<ReleaseHooks> {
    let mut releases = releases(rendered);
    releases.retain(|release| release.due(known(inventory, release), course).is_some());
    releases
}

fn known<'a>(inventory: &'a Inventory, release: &ReleaseHooks) -> Option<&'a Release> {
    inventory.releases.get(&release.release)
}

/// The hooks that would run now, in order.
pub fn planned(rendered: &Rendered, inventory: &Inventory) -> Vec<HookAction> {
    let mut actions = Vec::new();
    for release in releases(rendered) {
        let Some((before, after)) = release.due(known(inventory, &release), Course::Forward) else {
            continue;
        };
        let why = if before == HookEvent::PreInstall { "the release is new" } else { "the chart changed" };
        for event in [before, after] {
            actions.extend(release.at(event).into_iter().map(|hook| HookAction {
                id: hook.object.id(),
                event: event.name().into(),
                why: why.into(),
            }));
        }
    }
    actions
}

/// Hooks that have run for their chart as it is.
fn have_run<'a>(rendered: &'a Rendered, inventory: &Inventory) -> Vec<&'a Hook> {
    let releases = releases(rendered);
    rendered
        .hooks
        .iter()
        .filter(|hook| {
            let id = format!("{}/{}", hook.namespace, hook.release);
            let release = releases.iter().find(|release| release.release == id);
            release.is_some_and(|release| {
                hook.events.iter().any(|event| release.has_run(known(inventory, release), *event))
            })
        })
        .collect()
}

/// The objects of hooks that have run: production's cluster holds them, too, unless their policy deleted them.
pub fn that_have_run(rendered: &Rendered, inventory: &Inventory) -> Vec<Object> {
    have_run(rendered, inventory).into_iter().map(|hook| hook.object.clone()).collect()
}

/// Hooks that have run and that their policy has deleted.
pub fn deleted(rendered: &Rendered, inventory: &Inventory) -> BTreeSet<ObjectId> {
    let hooks = have_run(rendered, inventory).into_iter();
    hooks.filter(|hook| hook.is_deleted(DeletePolicy::HookSucceeded)).map(|hook| hook.object.id()).collect()
}

/// Runs every chart's test hooks, and gives how many ran.
pub async fn test(session: &Session) -> Result<usize, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    existing.cluster.discover().await?;
    Inventory::load(&existing.cluster, INVENTORY).await?;
    let mut ran = 0;
    for release in releases(&desired.rendered) {
        let options = ApplyOptions::default();
        let reporter = session.reporter.as_ref();
        ran += run_hooks(&existing.cluster, &release, HookEvent::Test, &options, reporter).await?;
    }
    Ok(ran)
}
