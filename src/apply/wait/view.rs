//! What a wait knows of the cluster: stores fed by watches, kept whole across re-listings.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher::{self, Event};
use serde_json::Value;

use super::super::readiness::fields::{Condition, condition, text};

/// What one watch delivers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Feed {
    /// API group.
    pub(super) group: String,
    /// Kind.
    pub(super) kind: String,
    /// The namespace it is limited to; empty for the whole cluster.
    pub(super) namespace: String,
}

/// Namespace and name.
pub(super) type Name = (String, String);

/// The objects of one watch.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Name, Value>,
    /// A listing that is under way.
    listing: Option<BTreeMap<Name, Value>>,
    /// Whether it was listed at least once.
    listed: bool,
    /// Jobs that were seen completed and are gone since.
    completed: BTreeSet<Name>,
    /// Why the watch fails, if it does now.
    pub(super) error: Option<String>,
}

impl Store {
    /// Takes one event of the watch.
    pub(super) fn take(&mut self, item: Result<Event<Value>, watcher::Error>) {
        match item {
            Err(error) => {
                self.error = Some(watch_error(&error));
                return;
            }
            // A watch that fails begins anew and fails again: its error stands until it delivers.
            Ok(Event::Init) => {
                self.listing = Some(BTreeMap::new());
                return;
            }
            Ok(Event::InitApply(object)) => {
                self.listing.get_or_insert_default().insert(name(&object), object);
                return;
            }
            Ok(Event::InitDone) => {
                let fresh = self.listing.take().unwrap_or_default();
                for (name, old) in std::mem::replace(&mut self.objects, fresh) {
                    if !self.objects.contains_key(&name) {
                        self.gone(name, &old);
                    }
                }
                self.listed = true;
            }
            Ok(Event::Apply(object)) => {
                self.objects.insert(name(&object), object);
            }
            Ok(Event::Delete(object)) => {
                let name = name(&object);
                self.objects.remove(&name);
                // The last state a deletion carries is the newest there is.
                self.gone(name, &object);
            }
        }
        self.error = None;
    }

    fn gone(&mut self, name: Name, last: &Value) {
        let completed = ["Complete", "SuccessCriteriaMet"]
            .iter()
            .any(|kind| condition(last, kind).is_some_and(Condition::is_true));
        if text(last, "/kind") == "Job" && completed {
            self.completed.insert(name);
        }
    }

    /// The object of that name.
    pub(super) fn get(&self, name: &Name) -> Option<&Value> {
        self.objects.get(name)
    }

    /// Whether that object was a Job that completed and was deleted after, by its TTL or by anyone.
    pub(super) fn completed(&self, name: &Name) -> bool {
        self.completed.contains(name)
    }

    /// Every object.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// Whether its content can be judged: it was listed, or cannot be and says why.
    pub(super) fn known(&self) -> bool {
        self.listed || self.error.is_some()
    }
}

fn name(object: &Value) -> Name {
    (text(object, "/metadata/namespace").into(), text(object, "/metadata/name").into())
}

fn watch_error(error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return format!("cannot be watched: {other}"),
    };
    match status.code {
        404 => "its kind is not served by the cluster".into(),
        403 => format!("may not be watched: {}", status.message),
        _ => format!("cannot be watched: {}", status.message),
    }
}

/// Every store of a wait.
#[derive(Debug, Default)]
pub(super) struct View {
    stores: BTreeMap<Feed, Store>,
}

impl View {
    /// Opens a store; one that is there stays.
    pub(super) fn open(&mut self, feed: Feed) {
        self.stores.entry(feed).or_default();
    }

    /// Takes one event.
    pub(super) fn take(&mut self, feed: &Feed, item: Result<Event<Value>, watcher::Error>) {
        if let Some(store) = self.stores.get_mut(feed) {
            store.take(item);
        }
    }

    /// Whether every store can be judged.
    pub(super) fn known(&self) -> bool {
        self.stores.values().all(Store::known)
    }

    /// The store in which an object of that kind and namespace is looked up.
    pub(super) fn store(&self, group: &str, kind: &str, namespace: &str) -> Option<&Store> {
        let feed =
            |namespace: &str| Feed { group: group.into(), kind: kind.into(), namespace: namespace.into() };
        self.stores.get(&feed(namespace)).or_else(|| self.stores.get(&feed("")))
    }

    /// Every object of a kind that is known.
    pub(super) fn of_kind(&self, group: &str, kind: &str) -> impl Iterator<Item = &Value> {
        self.stores
            .iter()
            .filter(move |(feed, _)| feed.group == group && feed.kind == kind)
            .flat_map(|(_, store)| store.objects())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(name: &str, complete: bool) -> Value {
        let conditions = if complete { json!([{"type": "Complete", "status": "True"}]) } else { json!([]) };
        json!({"kind": "Job", "metadata": {"namespace": "shop", "name": name}, "status": {"conditions": conditions}})
    }

    fn key(name: &str) -> Name {
        ("shop".into(), name.into())
    }

    #[test]
    fn a_job_deleted_after_it_completed_counts_as_completed() {
        let mut store = Store::default();
        store.take(Ok(Event::Init));
        store.take(Ok(Event::InitApply(job("a", false))));
        store.take(Ok(Event::InitApply(job("b", false))));
        assert!(!store.known());
        store.take(Ok(Event::InitDone));
        assert!(store.known());
        store.take(Ok(Event::Delete(job("a", true))));
        store.take(Ok(Event::Delete(job("b", false))));
        assert!(store.completed(&key("a")));
        assert!(!store.completed(&key("b")));
    }

    #[test]
    fn a_listing_afresh_replaces_what_was_known() {
        let mut store = Store::default();
        store.take(Ok(Event::Apply(job("done", true))));
        store.take(Ok(Event::Apply(job("stays", false))));
        store.take(Ok(Event::Init));
        store.take(Ok(Event::InitApply(job("stays", true))));
        assert!(store.get(&key("done")).is_some(), "the old content holds until the listing is whole");
        store.take(Ok(Event::InitDone));
        assert!(store.get(&key("done")).is_none());
        assert!(store.completed(&key("done")));
        assert!(condition(store.get(&key("stays")).unwrap(), "Complete").is_some());
    }

    #[test]
    fn a_watch_that_may_not_be_is_known_by_its_reason() {
        let status = kube::core::Status { code: 403, message: "no".into(), ..Default::default() };
        let mut store = Store::default();
        store.take(Err(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))));
        assert!(store.known());
        assert_eq!(store.error.as_deref(), Some("may not be watched: no"));
        store.take(Ok(Event::Init));
        assert!(store.error.is_some());
        store.take(Ok(Event::InitDone));
        assert_eq!(store.error, None);
    }
}
