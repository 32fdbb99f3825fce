//! Compares objects with the cluster by asking the API server what applying them would change, and sorts what differs by
//! its cause.

mod compare;
mod owners;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::{Gvk, Object, ObjectId};
use compare::Difference;
pub use render::render;

/// Requests under way at once.
const CONCURRENCY: usize = 8;
/// What stands in place of a Secret's value.
const HIDDEN: &str = "(hidden)";

/// How every object stands against the cluster, ordered by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// One entry an object, those without a difference too.
    pub entries: Vec<DiffEntry>,
}

impl Diff {
    /// Whether something differs that nothing explains: what `diff` exits 4 for.
    pub fn differs(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.class, DiffClass::Differs | DiffClass::Absent))
    }
}

/// How one object stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffEntry {
    /// The object.
    pub id: ObjectId,
    /// The class its worst difference puts it in.
    pub class: DiffClass,
    /// The fields that differ. Of a Secret's values only that they do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
    /// What else is to be said: what the API server answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The classes of differences, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffClass {
    /// Nothing differs.
    Same,
    /// A Job that completed and was removed by its TTL.
    Expired,
    /// A hook that ran and was deleted by its policy.
    HookDeleted,
    /// Another controller wrote the fields: an autoscaler its replicas, an injector its CA bundle.
    OtherManager,
    /// A named patch of the plan changed the fields.
    Patched,
    /// The API server cannot be asked about it.
    NotAskable,
    /// It differs, and nothing explains that.
    Differs,
    /// It is not in the cluster.
    Absent,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDiff {
    /// JSON pointer into the live object, or into the wanted one where the live one lacks the list's element.
    pub pointer: String,
    /// The same for people, list elements by their keys: `spec.containers[name=web].image`.
    pub path: String,
    /// The live value, if there is one.
    pub live: Option<Value>,
    /// The value after applying, if there is one.
    pub wanted: Option<Value>,
    /// What explains it.
    pub cause: FieldCause,
}

/// What explains a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum FieldCause {
    /// Another controller wrote it.
    Manager {
        /// Its field manager names.
        managers: BTreeSet<String>,
    },
    /// A named patch.
    Patch {
        /// The rule that made the patch.
        rule: String,
        /// Why.
        reason: String,
    },
    /// Nothing does.
    Unexplained,
}

/// A named patch, as far as it explains differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchedFields {
    /// The rule that made it.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// The JSON pointers it changes.
    pub pointers: Vec<String>,
}

/// What is known besides the objects and the cluster.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Named patches by object.
    pub patches: BTreeMap<ObjectId, Vec<PatchedFields>>,
    /// Jobs with a TTL that completed, from the inventory.
    pub completed: BTreeSet<ObjectId>,
    /// Hooks that ran and that their policy has deleted, from the inventory.
    pub deleted_hooks: BTreeSet<ObjectId>,
}

/// Why the cluster could not be compared with.
#[derive(Debug, thiserror::Error)]
#[error("{id} could not be compared with the cluster: {source}")]
pub struct DiffError {
    /// The object at which it failed.
    pub id: ObjectId,
    /// What the connection said.
    pub source: Box<kube::Error>,
}

/// Compares every object with the cluster: a server-side dry run of applying it as `manager`, by force, against what is
/// live. `resolve` gives how a kind is served and whether in namespaces; `None` where it is not.
pub async fn diff(
    client: &Client,
    resolve: &(dyn Fn(&Gvk) -> Option<(ApiResource, bool)> + Sync),
    objects: &[Object],
    manager: &str,
    known: &Known,
) -> Result<Diff, DiffError> {
    let mut entries: Vec<DiffEntry> = stream::iter(objects)
        .map(|object| async move {
            let failed = |source| DiffError { id: object.id(), source: Box::new(source) };
            entry(client, resolve(&object.gvk()), object, manager, known).await.map_err(failed)
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Diff { entries })
}

async fn entry(
    client: &Client,
    resource: Option<(ApiResource, bool)>,
    object: &Object,
    manager: &str,
    known: &Known,
) -> Result<DiffEntry, kube::Error> {
    let id = object.id();
    let plain =
        |class, note: &str| DiffEntry { id: object.id(), class, fields: Vec::new(), note: note.into() };
    let absent = || {
        if known.completed.contains(&id) {
            plain(DiffClass::Expired, "completed, and removed by its TTL")
        } else if known.deleted_hooks.contains(&id) {
            plain(DiffClass::HookDeleted, "ran, and was deleted by its policy")
        } else {
            plain(DiffClass::Absent, "")
        }
    };
    let Some((resource, namespaced)) = resource else {
        let note = format!("the cluster does not serve {} {}", object.gvk().api_version(), object.kind());
        return Ok(plain(DiffClass::NotAskable, &note));
    };
    let api: Api<DynamicObject> = match (namespaced, object.namespace()) {
        (false, _) => Api::all_with(client.clone(), &resource),
        (true, "") => Api::namespaced_with(client.clone(), "default", &resource),
        (true, namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let Some(live) = api.get_opt(object.name()).await? else { return Ok(absent()) };
    let live = serde_json::to_value(live).map_err(kube::Error::SerdeError)?;
    let params = PatchParams::apply(manager).force().dry_run();
    let answer = match api.patch(object.name(), &params, &Patch::Apply(&object.value)).await {
        // Server-side apply is stricter than other ways to apply (duplicate keys in lists): ask by one of those.
        Err(kube::Error::Api(status)) if only_apply_refuses(&status) => {
            let params =
                PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() }.dry_run();
            api.patch(object.name(), &params, &Patch::Merge(&object.value)).await
        }
        answer => answer,
    };
    match answer {
        Ok(merged) => {
            let merged = serde_json::to_value(merged).map_err(kube::Error::SerdeError)?;
            Ok(compared(object, &live, &merged, known))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(absent()),
        Err(kube::Error::Api(status)) => Ok(refused(object, &live, &status, known)),
        Err(error) => Err(error),
    }
}

/// Whether the answer is server-side apply's own refusal of an object's form: not of what the object would be.
fn only_apply_refuses(status: &Status) -> bool {
    matches!(status.code, 400 | 422 | 500)
        && ["duplicate entries", "failed to create typed patch object", "field not declared in schema"]
            .iter()
            .any(|sign| status.message.contains(sign))
}

/// The entry of an object that would become `merged`.
fn compared(object: &Object, live: &Value, merged: &Value, known: &Known) -> DiffEntry {
    let patches = known.patches.get(&object.id()).map_or(&[][..], Vec::as_slice);
    let differences = compare::differences(&without_bookkeeping(live), &without_bookkeeping(merged));
    let fields = explained(object, live, differences, patches);
    let class = fields.iter().map(|field| class_of(&field.cause)).max().unwrap_or(DiffClass::Same);
    DiffEntry { id: object.id(), class, fields, note: String::new() }
}

/// The entry of an object whose dry run was refused.
fn refused(object: &Object, live: &Value, status: &Status, known: &Known) -> DiffEntry {
    let note = refusal(object, status);
    if status.message.contains("does not support dry run") {
        return DiffEntry { id: object.id(), class: DiffClass::NotAskable, fields: Vec::new(), note };
    }
    let patches = known.patches.get(&object.id()).map_or(&[][..], Vec::as_slice);
    let differences = compare::unmet(&without_bookkeeping(live), &without_bookkeeping(&object.value));
    let fields = explained(object, live, differences, patches);
    // What production writes is refused here; where a patch got it through, the patch explains it.
    let unexplained = fields.iter().any(|field| field.cause == FieldCause::Unexplained);
    let class = if !patches.is_empty() && !unexplained { DiffClass::Patched } else { DiffClass::Differs };
    DiffEntry { id: object.id(), class, fields, note }
}

/// What the API server said; of a Secret only where, since the values are quoted otherwise.
fn refusal(object: &Object, status: &Status) -> String {
    if !is_secret(object) {
        return status.message.clone();
    }
    let fields: Vec<&str> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| cause.field.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    if fields.is_empty() {
        format!("refused: {}", status.reason)
    } else {
        format!("refused: {} ({})", status.reason, fields.join(", "))
    }
}

fn class_of(cause: &FieldCause) -> DiffClass {
    match cause {
        FieldCause::Manager { .. } => DiffClass::OtherManager,
        FieldCause::Patch { .. } => DiffClass::Patched,
        FieldCause::Unexplained => DiffClass::Differs,
    }
}

fn explained(
    object: &Object,
    live: &Value,
    differences: Vec<Difference>,
    patches: &[PatchedFields],
) -> Vec<FieldDiff> {
    differences
        .into_iter()
        .map(|difference| {
            let cause = cause(live, &difference, patches);
            let mut field = FieldDiff {
                pointer: difference.pointer,
                path: difference.path,
                live: difference.live,
                wanted: difference.wanted,
                cause,
            };
            if is_secret(object) {
                hide(&mut field);
            }
            field
        })
        .collect()
}

fn cause(live: &Value, difference: &Difference, patches: &[PatchedFields]) -> FieldCause {
    let patch = patches.iter().find(|patch| patch.pointers.iter().any(|p| overlaps(p, &difference.pointer)));
    if let Some(patch) = patch {
        return FieldCause::Patch { rule: patch.rule.clone(), reason: patch.reason.clone() };
    }
    let managers = owners::writers(live, &difference.pointer);
    if !managers.is_empty() && managers.iter().all(|name| owners::is_controller(name)) {
        return FieldCause::Manager { managers };
    }
    FieldCause::Unexplained
}

/// Whether one pointer is the other or lies within it; a patch's `-` means the list's end.
fn overlaps(patch: &str, field: &str) -> bool {
    let patch = patch.strip_suffix("/-").unwrap_or(patch);
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(patch, field) || within(field, patch)
}

fn is_secret(object: &Object) -> bool {
    object.kind() == "Secret" && object.gvk().group.is_empty()
}

/// Leaves of a Secret's field only that it differs: its data, and the copies that tools keep in annotations.
fn hide(field: &mut FieldDiff) {
    let secret =
        ["/data", "/stringData", "/metadata/annotations"].iter().any(|root| overlaps(root, &field.pointer));
    if secret {
        for value in [&mut field.live, &mut field.wanted] {
            if value.is_some() {
                *value = Some(HIDDEN.into());
            }
        }
    }
}

/// The object without what the API server writes for itself.
fn without_bookkeeping(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in
                ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"]
            {
                metadata.remove(field);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests;
