//! Charts' hooks in a rehearsal: each chart that stands is upgraded, a new one is installed, as helm would do it. What migrates is
//! left to `migrations:`.

use std::collections::BTreeSet;

use crate::apply::{HookEvent, ReleaseHooks};
use crate::config::migration::recognised;
use crate::handoff::rehearse::{Copied, Copier, LeftOut};
use crate::manifest::{Hook, ObjectId};
use crate::operation::session::Session;

/// A chart's hooks as they run on the copy.
pub(in crate::operation) struct Chart {
    hooks: ReleaseHooks,
    /// What comes before its objects are applied, and once they are ready.
    events: [HookEvent; 2],
    /// The hooks' objects, as production has them.
    pub ids: Vec<ObjectId>,
}

impl Chart {
    /// The hooks that come before the objects, without those that have `ran`, and their event.
    pub fn before(&self, ran: &BTreeSet<ObjectId>) -> (ReleaseHooks, HookEvent) {
        let mut hooks = self.hooks.clone();
        hooks.hooks.retain(|hook| !ran.contains(&hook.object.id()));
        (hooks, self.events[0])
    }

    /// The hooks that come once the objects are ready, without those that have `ran`, and their event.
    pub fn after(&self, ran: &BTreeSet<ObjectId>) -> (ReleaseHooks, HookEvent) {
        (self.before(ran).0, self.events[1])
    }
}

/// Charts' hooks as they go into the copy; `stands` says whether a chart is there already. What else becomes of them is in `copied`.
pub(in crate::operation) fn within(
    session: &Session,
    maker: &Copier<'_>,
    releases: &[ReleaseHooks],
    stands: &dyn Fn(&str) -> bool,
    copied: &mut Copied,
) -> Vec<Chart> {
    let mut charts = Vec::new();
    for release in releases {
        let events = if stands(&release.release) {
            [HookEvent::PreUpgrade, HookEvent::PostUpgrade]
        } else {
            [HookEvent::PreInstall, HookEvent::PostInstall]
        };
        let (migrating, others): (Vec<Hook>, Vec<Hook>) =
            release.hooks.iter().cloned().partition(|hook| is_named(session, hook) || looks(hook));
        let unnamed = migrating.iter().filter(|hook| !is_named(session, hook));
        copied.left_out.extend(unnamed.map(|hook| LeftOut {
            object: hook.object.id().to_string(),
            why: "a chart's hook that looks as if it migrated, and `migrations:` does not name it".into(),
        }));
        let hooks = maker.hooks(&others, events, copied);
        let runs = |id: &ObjectId| {
            hooks
                .iter()
                .any(|hook| (hook.object.kind(), hook.object.name()) == (id.kind.as_str(), id.name.as_str()))
        };
        let ids = others.iter().map(|hook| hook.object.id()).filter(runs).collect();
        charts.push(Chart { hooks: ReleaseHooks { hooks, ..release.clone() }, events, ids });
    }
    charts
}

fn is_named(session: &Session, hook: &Hook) -> bool {
    let name = format!("{}/{}", hook.object.namespace(), hook.object.name());
    let runs = matches!(hook.object.kind(), "Job" | "Pod");
    runs && session.config.migrations.iter().any(|migration| migration.name == name)
}

fn looks(hook: &Hook) -> bool {
    !recognised(&hook.object.value, hook.object.namespace()).is_empty()
}
