//! Compares objects with the cluster by asking the API server what applying them would change, and sorts what differs by
//! its cause.

mod compare;
mod owners;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams};
use kube::core::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{Cluster, MANAGER, Resource};
use super::error::{ApplyError, refused_fields};
use super::inventory::Inventory;
use super::replicas::Scaled;
use super::{fallback, live, server_side};
use crate::manifest::{Object, ObjectId};
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
    /// How objects were written that server-side apply refuses: [`super::fields::shape`] of each.
    pub shapes: BTreeMap<ObjectId, Value>,
}

impl Known {
    /// What the inventory remembers of `objects`: Jobs that completed, and how objects were written that server-side
    /// apply refuses. Patches and deleted hooks are the caller's to add.
    pub fn of(inventory: &Inventory, objects: &[Object]) -> Self {
        let completed = objects.iter().filter(|object| inventory.has_run(object)).map(Object::id).collect();
        let shapes =
            inventory.entries.iter().filter_map(|(id, entry)| Some((id.clone(), entry.shape.clone()?)));
        Self { completed, shapes: shapes.collect(), ..Self::default() }
    }
}

/// The fields of an object that applying it has changed, as text; empty where none is worth telling. `before` and `after`
/// are the live object.
pub fn changed(object: &Object, before: &Value, after: &Value) -> String {
    let differences = compare::differences(&without_bookkeeping(before), &without_bookkeeping(after));
    let fields: Vec<FieldDiff> =
        differences.into_iter().map(|one| field(object, one, FieldCause::Unexplained)).collect();
    render::fields(&fields)
}

/// Compares every object with the cluster: a server-side dry run of applying it by force, against what is live. Kinds that
/// `cluster` does not know count as not served: see [`Cluster::discover`].
pub async fn diff(cluster: &Cluster, objects: &[Object], known: &Known) -> Result<Diff, ApplyError> {
    let mut live = live::read(cluster, objects, CONCURRENCY).await?;
    let scaled = Scaled::of(objects);
    let work: Vec<(&Object, Option<Value>)> =
        objects.iter().map(|object| (object, live.remove(&object.id()))).collect();
    let asking = Asking { cluster, known, scaled: &scaled };
    let mut entries: Vec<DiffEntry> = stream::iter(work)
        .map(|(object, live)| asking.entry(object, live))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Diff { entries })
}

#[derive(Clone, Copy)]
struct Asking<'a> {
    cluster: &'a Cluster,
    known: &'a Known,
    scaled: &'a Scaled,
}

impl Asking<'_> {
    async fn entry(self, object: &Object, live: Option<Value>) -> Result<DiffEntry, ApplyError> {
        let Some(resource) = self.cluster.resolve(object) else {
            let note = format!("the cluster does not serve {} {}", object.gvk().api_version(), object.kind());
            return Ok(plain(object, DiffClass::NotAskable, &note));
        };
        let Some(live) = live.filter(stays) else { return Ok(absent(object, self.known)) };
        match self.ask(object, &resource).await {
            // It went in between (a Job by its TTL): the answer is of a new object that would take its place.
            Ok(merged) if merged.pointer(UID) != live.pointer(UID) => Ok(absent(object, self.known)),
            Ok(merged) => Ok(compared(object, &live, &merged, self)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(absent(object, self.known)),
            Err(kube::Error::Api(status)) if answered(&status) => Ok(refused(object, &live, &status, self)),
            Err(error) => Err(ApplyError::request(format!("compare {}", object.id()), &error)),
        }
    }

    /// What applying it would make of it.
    async fn ask(self, object: &Object, resource: &Resource) -> Result<Value, kube::Error> {
        let (namespace, name) = (object.namespace(), object.name());
        let answer = server_side::patch(self.cluster, resource, namespace, name, &object.value, true).await;
        match answer {
            // It was written as client-side apply does: ask the same way.
            Err(kube::Error::Api(status)) if fallback::reason(&status).is_some() => {
                let previous = self.known.shapes.get(&object.id()).unwrap_or(&Value::Null);
                let patch = fallback::merge_patch(previous, &fallback::body(&object.value));
                let mut params =
                    PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
                params.dry_run = true;
                self.cluster.patch(resource, namespace, name, &params, &Patch::Merge(&patch)).await
            }
            answer => answer,
        }
    }
}

const UID: &str = "/metadata/uid";

/// Whether an object is not being deleted.
fn stays(live: &Value) -> bool {
    live.pointer("/metadata/deletionTimestamp").is_none()
}

/// Whether the API server has judged the object, and not merely failed to.
fn answered(status: &Status) -> bool {
    matches!(status.code, 400..=428) || (status.code == 500 && status.message.contains("webhook"))
}

fn plain(object: &Object, class: DiffClass, note: &str) -> DiffEntry {
    DiffEntry { id: object.id(), class, fields: Vec::new(), note: note.into() }
}

fn absent(object: &Object, known: &Known) -> DiffEntry {
    let id = object.id();
    if known.completed.contains(&id) {
        plain(object, DiffClass::Expired, "completed, and removed by its TTL")
    } else if known.deleted_hooks.contains(&id) {
        plain(object, DiffClass::HookDeleted, "ran, and was deleted by its policy")
    } else {
        plain(object, DiffClass::Absent, "")
    }
}

/// The entry of an object that would become `merged`.
fn compared(object: &Object, live: &Value, merged: &Value, asking: Asking<'_>) -> DiffEntry {
    let differences = compare::differences(&without_bookkeeping(live), &without_bookkeeping(merged));
    let fields = explained(object, live, differences, asking);
    let class = fields.iter().map(|field| class_of(&field.cause)).max().unwrap_or(DiffClass::Same);
    DiffEntry { id: object.id(), class, fields, note: String::new() }
}

/// The entry of an object whose dry run was refused.
fn refused(object: &Object, live: &Value, status: &Status, asking: Asking<'_>) -> DiffEntry {
    let note = refusal(object, status);
    if status.message.contains("does not support dry run") {
        return plain(object, DiffClass::NotAskable, &note);
    }
    let differences = compare::unmet(&without_bookkeeping(live), &without_bookkeeping(&object.value));
    let fields = explained(object, live, differences, asking);
    // What production writes is refused here; where a patch got it through, the patch explains it.
    let patched = asking.known.patches.contains_key(&object.id());
    let explained = fields.iter().all(|field| field.cause != FieldCause::Unexplained);
    let class = if patched && explained { DiffClass::Patched } else { DiffClass::Differs };
    DiffEntry { id: object.id(), class, fields, note }
}

/// What the API server said; of a Secret only where, since the values are quoted otherwise.
fn refusal(object: &Object, status: &Status) -> String {
    if !is_secret(object) {
        return status.message.clone();
    }
    let fields = refused_fields(status);
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
    asking: Asking<'_>,
) -> Vec<FieldDiff> {
    let patches = asking.known.patches.get(&object.id()).map_or(&[][..], Vec::as_slice);
    // Applying leaves the replicas to an autoscaler, whoever wrote them last.
    let left = asking.scaled.leave(object, Some(live)).1.is_some();
    differences
        .into_iter()
        .map(|difference| {
            let cause = cause(live, &difference, patches, left);
            field(object, difference, cause)
        })
        .collect()
}

fn field(object: &Object, difference: Difference, cause: FieldCause) -> FieldDiff {
    let Difference { pointer, path, live, wanted } = difference;
    let mut field = FieldDiff { pointer, path, live, wanted, cause };
    if is_secret(object) {
        hide(&mut field);
    }
    field
}

fn cause(
    live: &Value,
    difference: &Difference,
    patches: &[PatchedFields],
    replicas_left: bool,
) -> FieldCause {
    let patch = patches.iter().find(|patch| patch.pointers.iter().any(|p| overlaps(p, &difference.pointer)));
    if let Some(patch) = patch {
        return FieldCause::Patch { rule: patch.rule.clone(), reason: patch.reason.clone() };
    }
    let managers = owners::writers(live, &difference.pointer);
    let left = replicas_left && difference.pointer == "/spec/replicas";
    if left || (!managers.is_empty() && managers.iter().all(|name| owners::is_controller(name))) {
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
