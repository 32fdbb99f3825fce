//! Helm's hooks: told from a chart's other objects by their annotation, ordered as Helm runs them.

use serde::{Deserialize, Serialize};

use super::object::Object;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before a release's objects are first applied.
    PreInstall,
    /// After a release's objects were first applied.
    PostInstall,
    /// Before the objects of a changed chart are applied.
    PreUpgrade,
    /// After the objects of a changed chart were applied.
    PostUpgrade,
    /// Before a release is deleted.
    PreDelete,
    /// After a release was deleted.
    PostDelete,
    /// Before a release goes back to an older state.
    PreRollback,
    /// After a release went back to an older state.
    PostRollback,
    /// On request.
    Test,
}

impl HookEvent {
    /// Helm's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

/// When a hook's object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletePolicy {
    /// Before it is created again.
    BeforeHookCreation,
    /// Once it has succeeded.
    HookSucceeded,
    /// When it failed.
    HookFailed,
}

impl DeletePolicy {
    /// Helm's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeHookCreation => "before-hook-creation",
            Self::HookSucceeded => "hook-succeeded",
            Self::HookFailed => "hook-failed",
        }
    }
}

/// One hook of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its release's name.
    pub release: String,
    /// Its release's namespace.
    pub namespace: String,
    /// Its object, hook annotations included.
    pub object: Object,
    /// The events it runs at, in the order they are written in.
    pub events: Vec<HookEvent>,
    /// Lower ones run first.
    pub weight: i32,
    /// When it is deleted, as written; where nothing is, Helm's default stands here: before it is created again.
    pub delete_policies: Vec<DeletePolicy>,
}

impl std::fmt::Display for HookEvent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl Hook {
    /// Whether it is deleted at that point; without policies, before it is created again.
    pub fn is_deleted(&self, policy: DeletePolicy) -> bool {
        if self.delete_policies.is_empty() {
            return policy == DeletePolicy::BeforeHookCreation;
        }
        self.delete_policies.contains(&policy)
    }
}

/// What the hook annotation of an object makes of it.
pub(super) enum Sorted {
    /// No hook.
    Object(Object),
    /// A hook.
    Hook(Box<Hook>),
    /// A hook of an event that Helm does not know, named here: Helm leaves it out.
    Unknown(Object, String),
}

/// Tells hooks from objects, by the rules of Helm 3 (pkg/releaseutil/manifest_sorter.go).
pub(super) fn sort(object: Object, release: &str, namespace: &str) -> Sorted {
    let Some(written) = object.annotation("helm.sh/hook") else { return Sorted::Object(object) };
    let names = written.split(',').map(|name| name.trim().to_lowercase());
    let mut events = Vec::new();
    for name in names {
        match HookEvent::parse(&name) {
            Some(event) => events.push(event),
            None => return Sorted::Unknown(object, name),
        }
    }
    let weight = object.annotation("helm.sh/hook-weight").and_then(|weight| weight.parse().ok()).unwrap_or(0);
    let policies = object.annotation("helm.sh/hook-delete-policy").unwrap_or_default();
    let mut delete_policies: Vec<DeletePolicy> = policies
        .split(',')
        .filter_map(|policy| match policy.trim().to_lowercase().as_str() {
            "before-hook-creation" => Some(DeletePolicy::BeforeHookCreation),
            "hook-succeeded" => Some(DeletePolicy::HookSucceeded),
            "hook-failed" => Some(DeletePolicy::HookFailed),
            _ => None,
        })
        .collect();
    if delete_policies.is_empty() {
        delete_policies.push(DeletePolicy::BeforeHookCreation);
    }
    Sorted::Hook(Box::new(Hook {
        release: release.into(),
        namespace: namespace.into(),
        object,
        events,
        weight,
        delete_policies,
    }))
}

/// The order in which Helm runs hooks of one event: by weight, then by name (its documentation puts the kind between
/// them, its code does not: pkg/action/hooks.go), then by kind.
pub(super) fn order(hooks: &mut [Hook]) {
    hooks.sort_by(|a, b| {
        let key = |hook: &Hook| (hook.weight, hook.object.name().to_owned(), hook.object.kind().to_owned());
        key(a).cmp(&key(b))
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Origin;

    fn hook(name: &str, annotations: &serde_json::Value) -> Sorted {
        let value = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": annotations}});
        let origin = Origin { source: "helm shop".into(), file: None, line: 0 };
        sort(Object { value, origin }, "shop", "default")
    }

    #[test]
    fn annotations_make_hooks() {
        let annotations = json!({"helm.sh/hook": "pre-install, Post-Upgrade", "helm.sh/hook-weight": "-5",
            "helm.sh/hook-delete-policy": "hook-succeeded,before-hook-creation"});
        let Sorted::Hook(found) = hook("a", &annotations) else { panic!("no hook") };
        assert_eq!(found.events, [HookEvent::PreInstall, HookEvent::PostUpgrade]);
        assert_eq!(found.weight, -5);
        assert_eq!(found.delete_policies, [DeletePolicy::HookSucceeded, DeletePolicy::BeforeHookCreation]);
        let Sorted::Hook(found) =
            hook("a", &json!({"helm.sh/hook": "test-success", "helm.sh/hook-weight": "x"}))
        else {
            panic!("no hook")
        };
        assert_eq!((found.events, found.weight), (vec![HookEvent::Test], 0));
        assert_eq!(found.delete_policies, [DeletePolicy::BeforeHookCreation]);
        assert!(matches!(hook("a", &json!({})), Sorted::Object(_)));
        assert!(
            matches!(hook("a", &json!({"helm.sh/hook": "crd-install"})), Sorted::Unknown(_, name) if name == "crd-install")
        );
    }

    #[test]
    fn weight_then_name_orders_hooks() {
        let mut hooks: Vec<Hook> = [("b", "1"), ("c", "0"), ("a", "1"), ("d", "-1")]
            .into_iter()
            .filter_map(|(name, weight)| {
                match hook(name, &json!({"helm.sh/hook": "test", "helm.sh/hook-weight": weight})) {
                    Sorted::Hook(hook) => Some(*hook),
                    _ => None,
                }
            })
            .collect();
        order(&mut hooks);
        let names: Vec<_> = hooks.iter().map(|hook| hook.object.name()).collect();
        assert_eq!(names, ["d", "c", "a", "b"]);
    }
}
