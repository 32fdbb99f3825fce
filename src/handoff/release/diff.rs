//! In what two releases differ: objects and their fields, images' bytes, data, migrations.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::crossing::{Moved, crossing, ran_between};
use super::hooks::{self, HookChange};
use super::record::{Content, Digests, Ran, is_secret};
use crate::handoff::fields::step;
use crate::manifest::{Object, ObjectId};

/// What stands for a Secret's values.
const HIDDEN: &str = "(changed)";

/// In what two releases differ.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseDiff {
    /// The first.
    pub from: u64,
    /// The second.
    pub to: u64,
    /// Objects that are in the second alone.
    pub came: Vec<ObjectId>,
    /// Objects that are in the first alone.
    pub went: Vec<ObjectId>,
    /// Objects that are in both and differ.
    pub changed: Vec<Changed>,
    /// Names of images that stand for other bytes.
    pub images: Vec<ImageChange>,
    /// Stores that hold something else: `here` is the second.
    pub data: Vec<Moved>,
    /// Migrations that ran up to the second and not up to the first.
    pub migrations: Vec<Ran>,
    /// Charts' hooks that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookChange>,
    /// Those of the two that were recorded without their charts' hooks, so that these are not compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_hooks: Vec<u64>,
}

/// An object that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// The object.
    pub id: ObjectId,
    /// Its fields.
    pub fields: Vec<FieldChange>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// A JSON pointer.
    pub path: String,
    /// What it was; none where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// What it is; none where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Value>,
}

/// An image's name that stands for other bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// The name.
    pub name: String,
    /// What it stood for; none where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Digests>,
    /// What it stands for; none where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Digests>,
}

impl ReleaseDiff {
    /// Whether they are the same.
    pub fn is_empty(&self) -> bool {
        let without_hooks = self.without_hooks.clone();
        *self == Self { from: self.from, to: self.to, without_hooks, ..Self::default() }
    }
}

/// The objects whose texts it takes to compare two releases: those in both under unequal hashes.
pub fn unequal(was: &Content, is: &Content) -> BTreeSet<ObjectId> {
    let before: BTreeMap<&ObjectId, &str> =
        was.objects.iter().map(|kept| (&kept.id, kept.place.blob.as_str())).collect();
    let differs = |id: &ObjectId, blob: &str| before.get(id).is_some_and(|known| *known != blob);
    is.objects.iter().filter(|kept| differs(&kept.id, &kept.place.blob)).map(|kept| kept.id.clone()).collect()
}

/// In what two releases, by number and content, differ. `texts` gives the two texts of each object of [`unequal`], `hooks`
/// those of each hook of [`hooks::unequal`].
pub fn diff(
    (from, was): (u64, &Content),
    (to, is): (u64, &Content),
    texts: &BTreeMap<ObjectId, (Object, Object)>,
    hooks: Vec<(Value, Value)>,
) -> ReleaseDiff {
    let before: BTreeSet<&ObjectId> = was.objects.iter().map(|kept| &kept.id).collect();
    let after: BTreeSet<&ObjectId> = is.objects.iter().map(|kept| &kept.id).collect();
    let owned = |ids: Vec<&&ObjectId>| ids.into_iter().map(|id| (*id).clone()).collect();
    let changed = texts.iter().filter_map(|(id, (was, is))| {
        let fields = fields(&was.value, &is.value, is_secret(id));
        (!fields.is_empty()).then(|| Changed { id: id.clone(), fields })
    });
    ReleaseDiff {
        from,
        to,
        came: owned(after.difference(&before).collect()),
        went: owned(before.difference(&after).collect()),
        changed: changed.collect(),
        images: images(was, is),
        data: crossing(is, was).data,
        migrations: ran_between(is, was),
        hooks: hooks::changes(was, is, hooks),
        without_hooks: [(from, was), (to, is)]
            .into_iter()
            .filter(|(number, content)| from != to && *number > 0 && content.charts.is_none())
            .map(|(number, _)| number)
            .collect(),
    }
}

fn images(was: &Content, is: &Content) -> Vec<ImageChange> {
    let names: BTreeSet<&String> = was.images.keys().chain(is.images.keys()).collect();
    let change = |name: &String| ImageChange {
        name: name.clone(),
        was: was.images.get(name).cloned(),
        is: is.images.get(name).cloned(),
    };
    let is_same = |change: &ImageChange| match (&change.was, &change.is) {
        (Some(was), Some(is)) => was.are(is),
        _ => false,
    };
    names.into_iter().map(change).filter(|change| !is_same(change)).collect()
}

/// The fields in which two objects differ, in order of their paths. Items of lists are held against each other by place.
pub fn fields(was: &Value, is: &Value, secret: bool) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk(Some(was), Some(is), &mut String::new(), &mut found);
    if secret {
        for field in found.iter_mut().filter(|field| !is_open(&field.path)) {
            for value in [&mut field.was, &mut field.is] {
                *value = value.take().map(|_| HIDDEN.into());
            }
        }
    }
    found
}

/// Of a Secret only its identity and labels are shown: annotations have held whole copies of its values.
fn is_open(path: &str) -> bool {
    ["/metadata/labels", "/metadata/name", "/type", "/immutable", "/kind", "/apiVersion"]
        .iter()
        .any(|open| path.starts_with(open))
}

fn walk(was: Option<&Value>, is: Option<&Value>, at: &mut String, found: &mut Vec<FieldChange>) {
    match (was, is) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for key in keys {
                step(at, key, |at| walk(was.get(key), is.get(key), at, found));
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for place in 0..was.len().max(is.len()) {
                step(at, &place.to_string(), |at| walk(was.get(place), is.get(place), at, found));
            }
        }
        (was, is) if was == is => {}
        (was, is) => {
            found.push(FieldChange { path: at.clone(), was: was.cloned(), is: is.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::record::{Kept, Place};
    use super::*;
    use crate::manifest::Origin;

    fn id(kind: &str, name: &str) -> ObjectId {
        ObjectId { group: String::new(), kind: kind.into(), namespace: "n".into(), name: name.into() }
    }

    fn content(objects: &[(&ObjectId, &str)]) -> Content {
        let kept = |(id, blob): &(&ObjectId, &str)| Kept {
            id: (*id).clone(),
            place: Place { blob: (*blob).into(), pack: "p".into() },
        };
        Content { objects: objects.iter().map(kept).collect(), ..Content::default() }
    }

    #[test]
    fn what_came_went_and_changed_is_told() {
        let [old, new, map, same] = ["old", "new", "map", "same"].map(|name| id("ConfigMap", name));
        let mut was = content(&[(&old, "1"), (&map, "2"), (&same, "3")]);
        let mut is = content(&[(&new, "4"), (&map, "5"), (&same, "3")]);
        let bytes = |digest: &str| Digests { config: digest.into(), manifest: format!("m-{digest}") };
        was.images = [("a:1".to_owned(), bytes("x")), ("b:1".to_owned(), bytes("y"))].into();
        is.images = [("a:1".to_owned(), bytes("z")), ("b:1".to_owned(), bytes("y"))].into();
        assert_eq!(unequal(&was, &is), [map.clone()].into());
        let object =
            |value: Value| Object { value, origin: Origin { source: String::new(), file: None, line: 0 } };
        let texts = (object(json!({"data": {"a/b": "1"}})), object(json!({"data": {"a/b": "2", "c": "3"}})));
        let found = diff((1, &was), (2, &is), &[(map.clone(), texts)].into(), Vec::new());
        assert_eq!(found.without_hooks, [1, 2]);
        assert_eq!((found.came, found.went), (vec![new], vec![old]));
        assert_eq!(found.images.len(), 1);
        let paths: Vec<&str> = found.changed[0].fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["/data/a~1b", "/data/c"]);
        assert!(diff((1, &was), (1, &was), &BTreeMap::new(), Vec::new()).is_empty());
    }

    #[test]
    fn a_secrets_values_are_not_shown() {
        let secret = |word: &str| json!({"data": {"word": word}, "metadata": {"labels": {"a": word}, "annotations": {"last": word}}});
        let found = fields(&secret("hunter2"), &secret("hunter3"), true);
        let text = serde_json::to_string(&found[..1]).unwrap();
        assert!(text.contains(HIDDEN) && !text.contains("hunter"), "{text}");
        assert_eq!(found[1].was.as_ref().unwrap(), HIDDEN, "annotations have held copies of values");
        assert_eq!(found[2].is.as_ref().unwrap(), "hunter3", "labels are no secret");
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!(null)), any::<bool>().prop_map(Into::into), (0..3).prop_map(|n| json!(n))];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab/~]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn fields_differ_where_values_do_and_say_what_is_there(was in value(), is in value()) {
            let found = fields(&was, &is, false);
            prop_assert_eq!(found.is_empty(), was == is);
            for field in found {
                prop_assert_eq!(was.pointer(&field.path), field.was.as_ref());
                prop_assert_eq!(is.pointer(&field.path), field.is.as_ref());
            }
        }
    }
}
