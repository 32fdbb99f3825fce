//! Helm's hooks: which run when, in which order, and what a finished one looks like. Nothing here talks to a cluster.
//!
//! Semantics are Helm 3's (<https://helm.sh/docs/topics/charts_hooks/>): by weight, then by name; those of one event in
//! turn, each to its end; deleted as their policies say, `before-hook-creation` where they say nothing.

use serde_json::Value;

use super::inventory::Release;
pub use crate::manifest::{DeletePolicy, Hook, HookEvent};

/// Which way releases go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Course {
    /// To what the manifests say: charts are installed and upgraded.
    #[default]
    Forward,
    /// Back to what they were: as `helm rollback` does it, by the hooks of the chart that is gone back to.
    Back,
}

/// A release and its hooks.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseHooks {
    /// `namespace/name`, by which the inventory knows it.
    pub release: String,
    /// The `origin.source` of the release's objects.
    pub source: String,
    /// Hash of the chart as it is rendered now; a change of it is an upgrade.
    pub hash: String,
    /// All its hooks.
    pub hooks: Vec<Hook>,
}

impl ReleaseHooks {
    /// The hooks of an event in the order they run in.
    pub fn at(&self, event: HookEvent) -> Vec<&Hook> {
        let mut hooks: Vec<&Hook> = self.hooks.iter().filter(|hook| hook.events.contains(&event)).collect();
        hooks.sort_by(|a, b| (a.weight, a.object.name()).cmp(&(b.weight, b.object.name())));
        hooks
    }

    /// The events that are due before and after the release's objects are applied; `None` where the chart stands as it was
    /// last installed, and on the way back, where nothing was begun since.
    pub fn due(&self, known: Option<&Release>, course: Course) -> Option<(HookEvent, HookEvent)> {
        let current = known.and_then(|release| release.current.as_deref());
        let is_current = current == Some(self.hash.as_str());
        match course {
            Course::Back if is_current && known.is_some_and(Release::is_settled) => None,
            Course::Back => Some((HookEvent::PreRollback, HookEvent::PostRollback)),
            Course::Forward if is_current => None,
            Course::Forward if current.is_some() => Some((HookEvent::PreUpgrade, HookEvent::PostUpgrade)),
            Course::Forward => Some((HookEvent::PreInstall, HookEvent::PostInstall)),
        }
    }

    /// Whether an event's hooks have run for the chart as it is: then a run that was cut short later need not run them
    /// again.
    pub fn has_run(&self, known: Option<&Release>, event: HookEvent) -> bool {
        known.is_some_and(|release| release.events.get(event.name()) == Some(&self.hash))
    }
}

impl Release {
    /// Notes that an event's hooks have run to their end. What follows the event is yet to run, and once a chart goes
    /// forward, so is all of the way back.
    pub fn ran(&mut self, event: HookEvent, hash: &str) {
        use HookEvent::{PostInstall, PostRollback, PostUpgrade, PreInstall, PreRollback, PreUpgrade};
        let over: &[HookEvent] = match event {
            PreInstall => &[PostInstall, PreRollback, PostRollback],
            PreUpgrade => &[PostUpgrade, PreRollback, PostRollback],
            PreRollback => &[PostRollback],
            _ => &[],
        };
        for event in over {
            self.events.remove(event.name());
        }
        self.events.insert(event.name().into(), hash.into());
    }

    /// Notes that a chart stands: what ran for others says nothing anymore.
    pub fn stands(&mut self, hash: &str) {
        self.events.retain(|_, known| known == hash);
        self.current = Some(hash.into());
    }

    /// Whether no upgrade and no rollback was begun and left.
    fn is_settled(&self) -> bool {
        let ran = |event: HookEvent| self.events.get(event.name());
        ran(HookEvent::PreUpgrade) == ran(HookEvent::PostUpgrade)
            && ran(HookEvent::PreRollback) == ran(HookEvent::PostRollback)
    }
}

/// Whether a hook's object has come to its end, and how: `None` while it runs, an error's text where it failed. Kinds that
/// do not run are at their end once they are there. The kind is given because items of lists and watches carry none.
pub fn finished(kind: &str, live: &Value) -> Option<Result<(), String>> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind {
        "Job" => {
            let conditions = live.pointer("/status/conditions").and_then(Value::as_array)?;
            let met = |kind: &str| {
                conditions.iter().find(|found| text(found, "type") == kind && text(found, "status") == "True")
            };
            if let Some(failed) = met("Failed") {
                return Some(Err(format!("{}: {}", text(failed, "reason"), text(failed, "message"))));
            }
            met("Complete").map(|_| Ok(()))
        }
        "Pod" => match live.pointer("/status/phase").and_then(Value::as_str) {
            Some("Succeeded") => Some(Ok(())),
            Some("Failed") => Some(Err(pod_state(live).unwrap_or_else(|| "the Pod failed".into()))),
            _ => None,
        },
        _ => Some(Ok(())),
    }
}

/// In a few words, what keeps a Pod's containers from running to their end; `None` where nothing does.
pub fn pod_state(pod: &Value) -> Option<String> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten();
    for status in statuses {
        let container = text(status, "name");
        if let Some(waiting) =
            status.pointer("/state/waiting").filter(|state| text(state, "reason") != "PodInitializing")
        {
            return Some(format!(
                "container {container}: {} {}",
                text(waiting, "reason"),
                text(waiting, "message")
            ));
        }
        let ended = status.pointer("/state/terminated");
        let code = ended.and_then(|state| state.get("exitCode")).and_then(Value::as_i64);
        if let Some(code) = code.filter(|code| *code != 0) {
            return Some(format!("container {container} ended with exit code {code}"));
        }
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let scheduled = conditions.iter().find(|found| text(found, "type") == "PodScheduled")?;
    (text(scheduled, "status") == "False").then(|| text(scheduled, "message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Object, Origin};
    use serde_json::json;

    fn hook(name: &str, weight: i32, events: &[HookEvent]) -> Hook {
        Hook {
            release: "api".into(),
            namespace: "shop".into(),
            object: Object {
                value: json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}),
                origin: Origin { source: "helm api".into(), file: None, line: 0 },
            },
            events: events.to_vec(),
            weight,
            delete_policies: Vec::new(),
        }
    }

    fn release(hash: &str) -> ReleaseHooks {
        let both = [HookEvent::PreInstall, HookEvent::PreUpgrade];
        ReleaseHooks {
            release: "shop/api".into(),
            source: "helm api".into(),
            hash: hash.into(),
            hooks: vec![
                hook("b", 5, &both),
                hook("z", -5, &both),
                hook("a", 5, &both),
                hook("check", 0, &[HookEvent::Test]),
            ],
        }
    }

    #[test]
    fn weight_goes_before_name() {
        let order: Vec<String> =
            release("1").at(HookEvent::PreInstall).iter().map(|hook| hook.object.name().to_owned()).collect();
        assert_eq!(order, ["z", "a", "b"]);
    }

    #[test]
    fn installed_once_upgraded_when_the_chart_changes() {
        assert_eq!(
            release("1").due(None, Course::Forward),
            Some((HookEvent::PreInstall, HookEvent::PostInstall))
        );
        let mut known = Release::default();
        known.events.insert("pre-install".into(), "1".into());
        assert!(release("1").has_run(Some(&known), HookEvent::PreInstall), "cut short after it");
        assert_eq!(
            release("1").due(Some(&known), Course::Forward),
            Some((HookEvent::PreInstall, HookEvent::PostInstall))
        );
        known.current = Some("1".into());
        assert_eq!(release("1").due(Some(&known), Course::Forward), None);
        assert_eq!(
            release("2").due(Some(&known), Course::Forward),
            Some((HookEvent::PreUpgrade, HookEvent::PostUpgrade))
        );
    }

    #[test]
    fn the_way_back_runs_once_and_what_was_begun_is_settled_first() {
        let back = Some((HookEvent::PreRollback, HookEvent::PostRollback));
        let due = |hash: &str, known: &Release| release(hash).due(Some(known), Course::Back);
        let has_run = |hash: &str, known: &Release, event| release(hash).has_run(Some(known), event);
        let mut known = Release::default();
        let go = |known: &mut Release, hash: &str, events: [HookEvent; 2]| {
            for event in events {
                known.ran(event, hash);
            }
            known.stands(hash);
        };
        let [install, upgrade, rollback] = [
            [HookEvent::PreInstall, HookEvent::PostInstall],
            [HookEvent::PreUpgrade, HookEvent::PostUpgrade],
            [HookEvent::PreRollback, HookEvent::PostRollback],
        ];
        go(&mut known, "1", install);
        assert_eq!(due("1", &known), None);
        go(&mut known, "2", upgrade);
        assert_eq!((due("2", &known), due("1", &known)), (None, back));
        // Cut short behind its first event, it goes on with the second.
        known.ran(HookEvent::PreRollback, "1");
        assert!(has_run("1", &known, HookEvent::PreRollback) && due("1", &known) == back);
        // Given up, the way to what stood is a way back, too.
        assert_eq!(due("2", &known), back);
        go(&mut known, "1", rollback);
        assert_eq!(due("1", &known), None);
        assert_eq!(release("2").due(Some(&known), Course::Forward), Some((upgrade[0], upgrade[1])));
        // An upgrade that failed: its release is gone back to, whose hooks ran for an earlier way back.
        known.ran(HookEvent::PreUpgrade, "2");
        assert_eq!(due("1", &known), back);
        assert!(!has_run("1", &known, HookEvent::PreRollback));
        go(&mut known, "2", upgrade);
        go(&mut known, "1", rollback);
        go(&mut known, "2", upgrade);
        assert!(!has_run("1", &known, HookEvent::PreRollback), "each way back is one of its own");
        assert_eq!(due("1", &known), back);
    }

    #[test]
    fn without_a_policy_the_old_one_goes_before_the_new() {
        let mut hook = hook("a", 0, &[]);
        assert!(hook.is_deleted(DeletePolicy::BeforeHookCreation));
        hook.delete_policies = vec![DeletePolicy::HookSucceeded];
        assert!(!hook.is_deleted(DeletePolicy::BeforeHookCreation));
        assert!(hook.is_deleted(DeletePolicy::HookSucceeded));
    }

    #[test]
    fn ends_are_told_from_running() {
        let job = |kind: &str| {
            json!({"status": {"conditions": [
                {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]}})
        };
        assert_eq!(finished("Job", &json!({})), None);
        assert_eq!(finished("Job", &job("Complete")), Some(Ok(())));
        assert_eq!(finished("Job", &job("Failed")), Some(Err("BackoffLimitExceeded: too often".into())));
        let pod = json!({"status": {"phase": "Failed", "containerStatuses": [
            {"name": "a", "state": {"terminated": {"exitCode": 3}}}]}});
        assert_eq!(finished("Pod", &pod), Some(Err("container a ended with exit code 3".into())));
        assert_eq!(finished("ConfigMap", &json!({})), Some(Ok(())));
    }
}
