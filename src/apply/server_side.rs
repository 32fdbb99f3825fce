//! One object onto the cluster by server-side apply, with everything that stands in its way.

use std::time::Duration;

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Cluster, MANAGER, Resource};
use super::error::{ObjectError, Refusal};
use super::immutable::{Recreation, immutable, recreation};
use super::inventory::{self, Entry};
use super::replicas::Scaled;
use super::retry::retrying;
use super::{fallback, fields, takeover};
use crate::manifest::{Object, ObjectId};

/// What applying an object came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there, and was changed.
    Configured,
    /// It was as the manifests have it.
    Unchanged,
    /// It was deleted and created anew because this field cannot change.
    Recreated {
        /// The field's path.
        field: String,
    },
    /// Server-side apply refused it; it was created or patched as client-side apply does.
    FellBack {
        /// What server-side apply said.
        why: String,
    },
    /// It is a Job that has run and that its TTL has removed; it is not run again.
    HasRun,
}

/// One object that is applied.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The object.
    pub id: ObjectId,
    /// What it came to.
    pub outcome: Outcome,
    /// The live object; `None` only for [`Outcome::HasRun`].
    pub live: Option<DynamicObject>,
    /// What a user may want to know besides, such as replicas that were left to an autoscaler.
    pub notes: Vec<String>,
}

/// What one application of an object left, as the inventory wants it.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub outcome: Outcome,
    pub live: Value,
    pub shape: Option<Value>,
    pub notes: Vec<String>,
}

/// What all objects of a run share.
pub(super) struct Applier<'a> {
    pub cluster: &'a Cluster,
    pub scaled: &'a Scaled,
    pub recreate_immutable: bool,
    pub patience: Duration,
}

/// One server-side apply of `value`, forced; a `dry_run` changes nothing and answers what it would give.
pub async fn patch(
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    name: &str,
    value: &Value,
    dry_run: bool,
) -> Result<Value, kube::Error> {
    let mut params = PatchParams::apply(MANAGER).force();
    params.dry_run = dry_run;
    cluster.patch(resource, namespace, name, &params, &Patch::Apply(value)).await
}

impl Applier<'_> {
    /// Brings `object` onto the cluster, where `live` is what it found there and `entry` what is remembered of it.
    pub async fn settle(
        &self,
        object: &Object,
        resource: &Resource,
        live: Option<Value>,
        entry: Option<&Entry>,
    ) -> Result<Settled, ObjectError> {
        self.try_settle(object, resource, live, entry)
            .await
            .map_err(|reason| ObjectError::new(object, reason))
    }

    async fn try_settle(
        &self,
        object: &Object,
        resource: &Resource,
        live: Option<Value>,
        entry: Option<&Entry>,
    ) -> Result<Settled, Refusal> {
        let live = match live {
            // What fell back once and has not changed since would only be refused again.
            Some(live) if entry.is_some_and(|entry| fell_back(entry, object)) => {
                let why = "as before; see the first run".to_owned();
                return self.fall_back(object, resource, Some(live), entry, why, Vec::new()).await;
            }
            Some(live) => Some(self.take_over(object, resource, live).await?),
            None => None,
        };
        let (value, left) = self.scaled.leave(object, live.as_ref());
        let notes: Vec<String> = left.into_iter().collect();
        let answer = retrying(self.patience, || {
            patch(self.cluster, resource, object.namespace(), object.name(), &value, false)
        })
        .await;
        match answer {
            Ok(after) => Ok(settled(outcome(live.as_ref(), &after), after, None, notes)),
            Err(kube::Error::Api(status)) => {
                if let Some(why) = fallback::reason(&status) {
                    return self.fall_back(object, resource, live, entry, why, notes).await;
                }
                self.recreate(object, resource, live.as_ref(), kube::Error::Api(status), notes, None).await
            }
            Err(error) => Err(Refusal::of(object, &error)),
        }
    }

    /// Makes what client-side managers own ours; the object as it is then.
    async fn take_over(&self, object: &Object, resource: &Resource, live: Value) -> Result<Value, Refusal> {
        let mut live = live;
        // Somebody may write in between; kubectl tries five times.
        for _ in 0..5 {
            let Some(patch) = takeover::patch(&live) else { return Ok(live) };
            let patch: json_patch::Patch =
                serde_json::from_value(patch).map_err(|error| Refusal::NoAnswer(error.to_string()))?;
            let body = Patch::Json::<&Value>(patch);
            let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            let (namespace, name) = (object.namespace(), object.name());
            match self.cluster.patch(resource, namespace, name, &params, &body).await {
                Ok(taken) => return Ok(taken),
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    let found = self.cluster.get(resource, namespace, name).await;
                    match found.map_err(|error| Refusal::of(object, &error))? {
                        Some(found) => live = found,
                        None => return Ok(live),
                    }
                }
                Err(error) => return Err(Refusal::of(object, &error)),
            }
        }
        Ok(live)
    }

    async fn fall_back(
        &self,
        object: &Object,
        resource: &Resource,
        live: Option<Value>,
        entry: Option<&Entry>,
        why: String,
        mut notes: Vec<String>,
    ) -> Result<Settled, Refusal> {
        let (value, left) = self.scaled.leave(object, live.as_ref());
        if notes.is_empty() {
            notes.extend(left);
        }
        let body = fallback::body(&value);
        let (namespace, name) = (object.namespace(), object.name());
        let answer = match &live {
            None => retrying(self.patience, || self.cluster.create(resource, namespace, &body)).await,
            Some(live) => {
                let previous = entry
                    .and_then(|entry| entry.shape.clone())
                    .or_else(|| fields::ours(live).map(|ours| fields::shape_of_fields(&ours)))
                    .unwrap_or_default();
                let patch = fallback::merge_patch(&previous, &body);
                let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
                let patch = Patch::Merge(&patch);
                retrying(self.patience, || self.cluster.patch(resource, namespace, name, &params, &patch))
                    .await
            }
        };
        let shape = Some(fields::shape(&body));
        match answer {
            Ok(after) => {
                let outcome = match outcome(live.as_ref(), &after) {
                    Outcome::Unchanged => Outcome::Unchanged,
                    _ => Outcome::FellBack { why },
                };
                Ok(settled(outcome, after, shape, notes))
            }
            Err(error) => self.recreate(object, resource, live.as_ref(), error, notes, shape).await,
        }
    }

    /// Deletes and creates an object of which a field that cannot change would have to, where its kind and the user allow
    /// it. `shape` is set where server-side apply does not take the object.
    async fn recreate(
        &self,
        object: &Object,
        resource: &Resource,
        live: Option<&Value>,
        error: kube::Error,
        notes: Vec<String>,
        shape: Option<Value>,
    ) -> Result<Settled, Refusal> {
        let kube::Error::Api(status) = &error else { return Err(Refusal::of(object, &error)) };
        let (Some(found), Some(live)) = (immutable(status), live) else {
            return Err(Refusal::of(object, &error));
        };
        let rule = recreation(&object.id());
        let allowed = match rule {
            Recreation::Always => true,
            Recreation::OnRequest => self.recreate_immutable,
            Recreation::Never => false,
        };
        if !allowed {
            return Err(found.refusal(rule));
        }
        self.delete_and_wait(object, resource, live).await?;
        let (namespace, name) = (object.namespace(), object.name());
        let answer = if shape.is_none() {
            retrying(self.patience, || patch(self.cluster, resource, namespace, name, &object.value, false))
                .await
        } else {
            let body = fallback::body(&object.value);
            retrying(self.patience, || self.cluster.create(resource, namespace, &body)).await
        };
        let after = answer.map_err(|error| Refusal::of(object, &error))?;
        Ok(settled(Outcome::Recreated { field: found.field }, after, shape, notes))
    }

    /// Deletes the live object and waits until it is gone.
    pub async fn delete_and_wait(
        &self,
        object: &Object,
        resource: &Resource,
        live: &Value,
    ) -> Result<(), Refusal> {
        let uid = inventory::uid(live);
        let (namespace, name) = (object.namespace(), object.name());
        retrying(self.patience, || self.cluster.delete(resource, namespace, name, Some(uid)))
            .await
            .map_err(|error| Refusal::of(object, &error))?;
        let gone = kube::runtime::wait::await_condition(
            self.cluster.api(resource, namespace),
            name,
            kube::runtime::conditions::is_deleted(uid),
        );
        match tokio::time::timeout_at(Instant::now() + self.patience, gone).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Refusal::NoAnswer(error.to_string())),
            Err(_) => Err(Refusal::NotGone(self.patience.as_secs())),
        }
    }
}

fn fell_back(entry: &Entry, object: &Object) -> bool {
    entry.shape.is_some() && entry.desired.as_deref() == Some(object.hash().as_str())
}

fn settled(outcome: Outcome, live: Value, shape: Option<Value>, notes: Vec<String>) -> Settled {
    Settled { outcome, live, shape, notes }
}

/// By content: a write that only took ownership changed nothing a user would call a change.
fn outcome(before: Option<&Value>, after: &Value) -> Outcome {
    match before {
        None => Outcome::Created,
        Some(before) if fields::content(before) == fields::content(after) => Outcome::Unchanged,
        Some(_) => Outcome::Configured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_by_itself_is_no_change() {
        let live = |data: &str, version: &str| {
            json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "resourceVersion": version}, "data": data,
                   "status": {"at": version}})
        };
        assert_eq!(outcome(None, &live("a", "1")), Outcome::Created);
        assert_eq!(outcome(Some(&live("a", "1")), &live("a", "2")), Outcome::Unchanged);
        assert_eq!(outcome(Some(&live("a", "1")), &live("b", "2")), Outcome::Configured);
    }
}
