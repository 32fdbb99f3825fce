//! In what the hooks of two releases' charts differ.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::diff::{FieldChange, fields};
use super::record::{Content, Kept, KeptHook, is_secret};
use crate::manifest::ObjectId;

/// A hook that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookChange {
    /// Its chart, `NAMESPACE/NAME`.
    pub release: String,
    /// Its object.
    pub id: ObjectId,
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub enum What {
    /// It is in the second release alone.
    Came,
    /// It is in the first release alone.
    Went,
    /// It is in both and differs.
    Changed {
        /// Its fields, hook annotations among them.
        fields: Vec<FieldChange>,
    },
}

/// A hook's chart and object, and which of several of that name it is: charts may name one object twice.
type Key<'a> = (&'a str, &'a ObjectId, usize);

fn keyed(content: &Content) -> BTreeMap<Key<'_>, &KeptHook> {
    let mut found = BTreeMap::new();
    for (chart, hook) in content.hooks() {
        let key = |nth| (chart.release.as_str(), &hook.kept.id, nth);
        let mut nth = 0;
        while found.contains_key(&key(nth)) {
            nth += 1;
        }
        found.insert(key(nth), hook);
    }
    found
}

/// The hooks whose texts it takes to compare two releases: those in both under unequal hashes, as the first and the second
/// have them.
pub fn unequal(was: &Content, is: &Content) -> Vec<(Kept, Kept)> {
    let (was, is) = (keyed(was), keyed(is));
    let both = was.into_iter().filter_map(|(key, hook)| Some((&hook.kept, &is.get(&key)?.kept)));
    both.filter(|(was, is)| was.place.blob != is.place.blob)
        .map(|(was, is)| (was.clone(), is.clone()))
        .collect()
}

/// In what the hooks differ. `texts` gives the two texts of each pair of [`unequal`], in that order. Where one of the
/// releases does not know its hooks, nothing is told of them.
pub fn changes(was: &Content, is: &Content, texts: Vec<(Value, Value)>) -> Vec<HookChange> {
    if was.charts.is_none() || is.charts.is_none() {
        return Vec::new();
    }
    let (before, after) = (keyed(was), keyed(is));
    let change = |(release, id, _): &Key<'_>, what| HookChange {
        release: (*release).to_owned(),
        id: (*id).clone(),
        what,
    };
    let alone = |one: &BTreeMap<Key<'_>, &KeptHook>, other: &BTreeMap<Key<'_>, &KeptHook>, what: &What| {
        let keys = one.keys().filter(|key| !other.contains_key(*key));
        keys.map(|key| change(key, what.clone())).collect::<Vec<_>>()
    };
    let mut found = alone(&after, &before, &What::Came);
    found.extend(alone(&before, &after, &What::Went));
    let both = before.iter().filter(|(key, hook)| {
        after.get(*key).is_some_and(|other| other.kept.place.blob != hook.kept.place.blob)
    });
    found.extend(both.zip(texts).filter_map(|((key, _), (was, is))| {
        let fields = fields(&was, &is, is_secret(key.1));
        (!fields.is_empty()).then(|| change(key, What::Changed { fields }))
    }));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::record::{Chart, Place};
    use super::*;
    use crate::manifest::HookEvent;

    fn content(hooks: &[(&str, &str)]) -> Content {
        let hook = |(name, blob): &(&str, &str)| KeptHook {
            kept: Kept {
                id: ObjectId {
                    group: String::new(),
                    kind: "Secret".into(),
                    namespace: "n".into(),
                    name: (*name).into(),
                },
                place: Place { blob: (*blob).into(), pack: "p".into() },
            },
            events: vec![HookEvent::PreRollback],
            weight: 0,
            delete_policies: Vec::new(),
        };
        let hooks = hooks.iter().map(hook).collect();
        Content {
            charts: Some(vec![Chart { release: "n/api".into(), hash: "1".into(), hooks }]),
            ..Content::default()
        }
    }

    #[test]
    fn hooks_come_go_and_change_and_secrets_do_not_show() {
        let (was, is) =
            (content(&[("a", "1"), ("b", "2"), ("a", "3")]), content(&[("a", "4"), ("c", "5"), ("a", "3")]));
        let pairs = unequal(&was, &is);
        assert_eq!(pairs.len(), 1);
        assert_eq!((pairs[0].0.place.blob.as_str(), pairs[0].1.place.blob.as_str()), ("1", "4"));
        let texts = vec![(json!({"data": {"word": "x1"}}), json!({"data": {"word": "x2"}}))];
        let found = changes(&was, &is, texts);
        let text = serde_json::to_string(&found).unwrap();
        let told: Vec<(&str, bool)> = found
            .iter()
            .map(|one| (one.id.name.as_str(), matches!(one.what, What::Changed { .. })))
            .collect();
        assert_eq!(told, [("c", false), ("b", false), ("a", true)]);
        assert!(!text.contains("x1") && !text.contains("x2"), "{text}");
        assert!(text.contains(r#""what":"came""#), "{text}");
        assert_eq!(changes(&was, &Content::default(), Vec::new()), [], "what is not known is no difference");
    }
}
