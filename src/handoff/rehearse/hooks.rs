//! Charts' hooks as they go into the copy: which of them run there, which only stand there, and why the rest does neither.

use super::copy::{Copied, Copier, LeftOut};
use super::pods;
use crate::manifest::{DeletePolicy, Hook, HookEvent};

/// What runs to its end.
const RUN: [&str; 2] = ["Job", "Pod"];
/// The events that bring a chart to where it stands.
const FORWARD: [HookEvent; 4] =
    [HookEvent::PreInstall, HookEvent::PostInstall, HookEvent::PreUpgrade, HookEvent::PostUpgrade];

impl Copier<'_> {
    /// Copies a chart's hooks, where `events` come. Those are given that run; an object of one that came when the chart was
    /// installed stands in the copy as others do. Why the rest is left out is told in `copied`.
    pub fn hooks(&self, hooks: &[Hook], events: [HookEvent; 2], copied: &mut Copied) -> Vec<Hook> {
        let mut running = Vec::new();
        for hook in hooks {
            let mut own = Copied::default();
            let comes = hook.events.iter().any(|event| events.contains(event));
            let why = self.no_hook(hook).or_else(|| (!comes && !stands(hook)).then(|| never(hook)));
            let why = why.or_else(|| {
                self.add(&hook.object, &mut own);
                (!own.faults.is_empty()).then(|| own.faults.join(", "))
            });
            if let Some(why) = why {
                copied.left_out.insert(LeftOut { object: hook.object.id().to_string(), why });
                continue;
            }
            copied.renamed.append(&mut own.renamed);
            copied.emptied.append(&mut own.emptied);
            copied.wanted.append(&mut own.wanted);
            copied.claims.append(&mut own.claims);
            if comes {
                running.extend(own.objects.into_iter().map(|object| Hook {
                    namespace: object.namespace().to_owned(),
                    object,
                    ..hook.clone()
                }));
            } else {
                copied.objects.append(&mut own.objects);
            }
        }
        running
    }

    /// Why a hook's object does not go into the copy.
    fn no_hook(&self, hook: &Hook) -> Option<String> {
        if !RUN.contains(&hook.object.kind()) {
            return self.unfit(&hook.object);
        }
        let spec = hook.object.pod_template().and_then(|template| template.get("spec"));
        self.outside(&hook.object).or_else(|| spec.and_then(pods::reaches))
    }
}

/// Whether what a hook made is still there once it has run.
fn stands(hook: &Hook) -> bool {
    let forward = hook.events.iter().any(|event| FORWARD.contains(event));
    forward && !RUN.contains(&hook.object.kind()) && !hook.is_deleted(DeletePolicy::HookSucceeded)
}

/// Why a hook's event does not come.
fn never(hook: &Hook) -> String {
    let has = |event: &HookEvent| hook.events.contains(event);
    if FORWARD.iter().any(has) {
        "a chart's hook of another event: its chart is upgraded, or is new".into()
    } else if has(&HookEvent::Test) {
        "a chart's test".into()
    } else {
        "a chart's hook: nothing is deleted or rolled back in a rehearsal".into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::super::{Copies, Files};
    use super::*;
    use crate::manifest::{Object, Origin};

    fn hook(kind: &str, name: &str, events: &[HookEvent]) -> Hook {
        let version = if kind == "Job" { "batch/v1" } else { "v1" };
        let value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "a:1"}]}}}});
        Hook {
            release: "shop".into(),
            namespace: "shop".into(),
            object: Object { value, origin: Origin { source: "helm shop".into(), file: None, line: 0 } },
            events: events.to_vec(),
            weight: 3,
            delete_policies: vec![DeletePolicy::BeforeHookCreation],
        }
    }

    #[test]
    fn hooks_of_an_upgrade_run_what_installing_made_stands_and_the_rest_is_told() {
        use HookEvent::{PostInstall, PostUpgrade, PreInstall, PreRollback, PreUpgrade, Test};
        let mut far = hook("Job", "far", &[PostUpgrade]);
        far.object.value["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "x.mail.svc"}]);
        let mut near = hook("Job", "both", &[PostInstall, PostUpgrade]);
        near.object.value["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "db.shop.svc"}]);
        let hooks = [
            near,
            hook("Job", "once", &[PostInstall]),
            hook("Secret", "made", &[PreInstall]),
            hook("Job", "checks", &[Test]),
            hook("Job", "back", &[PreRollback]),
            hook("Certificate", "strange", &[PostUpgrade]),
            far,
        ];
        let copies = Copies::of(hooks.iter().map(|hook| &hook.object));
        let maker = Copier {
            copies: &copies,
            images: [("a:1".to_owned(), "kept:1".to_owned())].into(),
            stores: BTreeSet::new(),
            of_stores: BTreeSet::new(),
            files: &Files::default(),
            services: BTreeMap::new(),
        };
        let mut made = Copied::default();
        let running = maker.hooks(&hooks, [PreUpgrade, PostUpgrade], &mut made);
        let [both] = running.as_slice() else { panic!("{running:?}") };
        let at = "devcluster-rehearse-shop";
        assert_eq!((both.namespace.as_str(), both.object.namespace(), both.weight), (at, at, 3));
        assert_eq!(both.object.text("/spec/template/spec/containers/0/image"), "kept:1");
        assert_eq!(both.object.text("/spec/template/spec/containers/0/env/0/value"), format!("db.{at}.svc"));
        let standing: Vec<&str> = made.objects.iter().map(Object::name).collect();
        assert_eq!(standing, ["made"]);
        let left: Vec<String> =
            made.left_out.iter().map(|left| format!("{}: {}", left.object, left.why)).collect();
        let expected = [
            "Certificate shop/strange: its controller may act on more than the copy",
            "Job shop/back: a chart's hook: nothing is deleted or rolled back in a rehearsal",
            "Job shop/checks: a chart's test",
            "Job shop/far: Job shop/far: x.mail.svc is in a namespace that is not copied",
            "Job shop/once: a chart's hook of another event: its chart is upgraded, or is new",
        ];
        assert_eq!(left, expected);
        let names: Vec<String> = maker
            .hooks(&hooks, [PreInstall, PostInstall], &mut made)
            .iter()
            .map(|hook| hook.object.name().to_owned())
            .collect();
        assert_eq!(names, ["both", "once", "made"]);
    }
}
